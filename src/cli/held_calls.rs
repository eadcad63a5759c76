//! In a session process: what the daemon asks about the calls that wait for the user.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use super::output;
use crate::daemon::frames::Connection;
use crate::daemon::protocol::{self, Decided, HeldCall, Order, Report};
use crate::relay::{self, Inquiry};

/// Questions that wait; the daemon has no more before a session.
pub(super) const MAX_INQUIRIES: usize = 16;
/// Characters of a reason.
const MAX_REASON: usize = 1000;

/// Answers them one after the other, which is the order that the daemon relies on.
pub(super) async fn answer_inquiries(
    channel: Arc<Connection>,
    mut asked: mpsc::Receiver<Order>,
    inquire: mpsc::Sender<Inquiry>,
) {
    while let Some(order) = asked.recv().await {
        let report = match order {
            Order::Held => Report::Held {
                calls: held(&inquire).await.iter().map(row).collect(),
            },
            Order::Show { number } => {
                let calls = held(&inquire).await;
                let call = calls.iter().find(|call| call.number == number);
                Report::Shown {
                    call: call.map(|call| Box::new(protocol::shown(row(call), &call.arguments))),
                }
            }
            Order::Decide { number, accept } => {
                Report::Decided(decide(&inquire, number, accept).await)
            }
            // Not for here.
            Order::Launch(_) | Order::Take { .. } | Order::Status | Order::Stop { .. } => continue,
        };
        // A daemon that has gone needs no answer.
        let _ = channel.send(&report).await;
    }
}

/// None where the server does not run yet, or not any more.
async fn held(inquire: &mpsc::Sender<Inquiry>) -> Vec<relay::HeldCall> {
    let (answer, answered) = oneshot::channel();
    if inquire.send(Inquiry::List(answer)).await.is_err() {
        return Vec::new();
    }
    answered.await.unwrap_or_default()
}

fn row(call: &relay::HeldCall) -> HeldCall {
    HeldCall {
        number: call.number,
        tool: call.tool.to_string(),
        left_seconds: call.left.as_secs(),
    }
}

async fn decide(inquire: &mpsc::Sender<Inquiry>, number: u64, accepted: bool) -> Decided {
    if accepted {
        let calls = held(inquire).await;
        let call = calls.iter().find(|call| call.number == number);
        let Some(call) = call else {
            return Decided::Gone;
        };
        // Nobody can have seen it.
        if protocol::shown(row(call), &call.arguments).missing > 0 {
            return Decided::TooLong;
        }
    }
    let (answer, answered) = oneshot::channel();
    let inquiry = Inquiry::Decide {
        number,
        accepted,
        answer,
    };
    if inquire.send(inquiry).await.is_err() {
        return Decided::Gone;
    }
    match answered.await.ok().flatten() {
        None => Decided::Gone,
        Some(decided) if decided.passed => Decided::Passed,
        Some(_) if !accepted => Decided::Declined,
        Some(decided) => Decided::Refused {
            reason: output::foreign(
                decided.reason.as_deref().unwrap_or("too much is under way"),
                MAX_REASON,
            ),
        },
    }
}
