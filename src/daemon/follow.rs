//! One session process, followed until it has ended: what it says, what it is told, and how long it
//! may take.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::process::Child;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tokio::time::{Instant, sleep_until, timeout};

use super::frames::Connection;
use super::protocol::{Order, Report, Status};

/// For a session process that was told to end, or whose channel has ended, to be gone.
const ENDING_TIME: Duration = Duration::from_secs(3);
/// For one that doesn't read its channel.
pub(super) const ORDER_PATIENCE: Duration = Duration::from_millis(500);
/// One that takes longer to start no longer keeps others waiting.
pub(super) const STARTING_TIME: Duration = Duration::from_secs(1);

/// Questions about held calls that one session may have before it.
const MAX_INQUIRIES: usize = 16;

/// What the task of a session is told.
pub(super) enum Told {
    Status(oneshot::Sender<Status>),
    Stop(String),
    /// About the calls that it holds.
    Ask(Order, oneshot::Sender<Report>),
}

/// What it says of a server that is kept warm.
pub(super) enum News {
    /// With the fingerprint of what it was started from.
    Warm(String),
    Failed(String),
}

/// A process, and everything by which it is held.
pub(super) struct Followed {
    pub(super) id: String,
    pub(super) child: Child,
    pub(super) channel: Arc<Connection>,
    pub(super) told: mpsc::Receiver<Told>,
    /// Given back when its start is over.
    pub(super) turn: Option<OwnedSemaphorePermit>,
}

/// Follows one session process until it has ended.
pub(super) async fn follow(followed: Followed, news: impl Fn(News)) {
    let Followed {
        id,
        mut child,
        channel,
        mut told,
        mut turn,
    } = followed;
    let mut channel = Some(channel);
    let mut asked: Vec<oneshot::Sender<Status>> = Vec::new();
    // Answered in their order.
    let mut inquiries: VecDeque<oneshot::Sender<Report>> = VecDeque::new();
    // When one that should have ended is killed. What it has started ends with it.
    let mut deadline: Option<Instant> = None;
    let started_by = Instant::now() + STARTING_TIME;
    let is_orderly = loop {
        let report = async {
            match &channel {
                Some(channel) => channel.receive::<Report>().await,
                None => std::future::pending().await,
            }
        };
        let late = async {
            match deadline {
                Some(deadline) => sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        };
        let slow = async {
            match turn {
                Some(_) => sleep_until(started_by).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            ended = child.wait() => break ended.is_ok_and(|status| status.code().is_some()),
            () = slow => turn = None,
            report = report => match report {
                Ok(Some(Report::Started)) => turn = None,
                Ok(Some(Report::Warm { fingerprint })) => {
                    turn = None;
                    news(News::Warm(fingerprint));
                }
                Ok(Some(Report::Failed { reason })) => {
                    turn = None;
                    news(News::Failed(reason));
                }
                Ok(Some(Report::Status(status))) => {
                    for answer in asked.drain(..) {
                        // Who asked may have gone.
                        let _ = answer.send(status.clone());
                    }
                }
                Ok(Some(
                    report @ (Report::Held { .. } | Report::Shown { .. } | Report::Decided(_)),
                )) => {
                    if let Some(answer) = inquiries.pop_front() {
                        let _ = answer.send(report);
                    }
                }
                other => {
                    if let Err(error) = other {
                        tracing::warn!("session {id} says what it should not: {error}");
                    }
                    // It sees the end of its channel, and ends.
                    channel = None;
                    deadline = Some(Instant::now() + ENDING_TIME);
                }
            },
            Some(told) = told.recv() => {
                let order = match told {
                    // One that answers nothing is not asked for ever.
                    Told::Ask(..) if inquiries.len() == MAX_INQUIRIES => continue,
                    Told::Ask(order, answer) => {
                        inquiries.push_back(answer);
                        order
                    }
                    Told::Status(answer) => {
                        asked.push(answer);
                        Order::Status
                    }
                    Told::Stop(reason) => {
                        deadline = Some(Instant::now() + ENDING_TIME);
                        Order::Stop { reason }
                    }
                };
                if let Some(open) = &channel {
                    // Without these two nothing fits together any more.
                    let must_arrive = !matches!(order, Order::Status);
                    let sent = timeout(ORDER_PATIENCE, open.send(&order)).await;
                    if must_arrive && !matches!(sent, Ok(Ok(()))) {
                        channel = None;
                    }
                }
            }
            () = late => {
                tracing::warn!("session {id} did not end in time and is killed");
                deadline = None;
                let _ = child.start_kill();
            }
        }
    };
    // Its last words may still be there.
    if let Some(channel) = channel {
        while let Ok(Ok(Some(report))) = timeout(Duration::ZERO, channel.receive::<Report>()).await
        {
            if let Report::Failed { reason } = report {
                news(News::Failed(reason));
            }
        }
    }
    if !is_orderly {
        tracing::warn!("session {id} was killed or crashed; its server has ended with it");
    }
}
