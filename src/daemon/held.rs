//! Calls that wait for the user, in all sessions: what is asked of the session processes about them.

use tokio::sync::oneshot;
use tokio::time::{Instant, timeout, timeout_at};

use super::DaemonError;
use super::follow::{ORDER_PATIENCE, Told};
use super::protocol::{Answer, Decided, Order, Report, Stage};
use super::sessions::{Session, Sessions};

/// `SERVER@CODE/NUMBER`, in its two parts.
fn parts(call: &str) -> Option<(&str, u64)> {
    let (session, number) = call.rsplit_once('/')?;
    let is_plain = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    Some((session, number.parse().ok().filter(|_| is_plain)?))
}

impl Sessions {
    /// One answer for each session that holds calls, and how many sessions have not said.
    pub(super) async fn held(&self) -> (Vec<Answer>, usize) {
        let sessions = self.all().into_iter();
        let asked: Vec<_> = sessions
            .filter(|session| session.stage == Stage::Serving)
            .map(|session| {
                let (answer, answered) = oneshot::channel();
                // One with so much to do is one that doesn't answer.
                let _ = session.orders.try_send(Told::Ask(Order::Held, answer));
                (session, answered)
            })
            .collect();
        let deadline = Instant::now() + ORDER_PATIENCE;
        let mut held = Vec::new();
        let mut silent = 0;
        for (session, answered) in asked {
            match timeout_at(deadline, answered).await {
                Ok(Ok(Report::Held { calls })) if calls.is_empty() => {}
                Ok(Ok(Report::Held { calls })) => held.push(Answer::Held {
                    session: session.id,
                    server: session.server,
                    calls,
                }),
                _ => silent += 1,
            }
        }
        (held, silent)
    }

    /// A call with its arguments.
    pub(super) async fn show(&self, call: &str) -> Result<Answer, DaemonError> {
        let Some((session, number)) = self.find(call) else {
            return Ok(Answer::Shown {
                server: String::new(),
                call: None,
            });
        };
        match inquire(&session, Order::Show { number }).await? {
            Report::Shown { call } => Ok(Answer::Shown {
                server: session.server,
                call,
            }),
            _ => Err(DaemonError::Unexpected),
        }
    }

    /// Passes the user's word on.
    pub(super) async fn decide(&self, call: &str, accept: bool) -> Result<Decided, DaemonError> {
        let Some((session, number)) = self.find(call) else {
            return Ok(Decided::Gone);
        };
        match inquire(&session, Order::Decide { number, accept }).await? {
            Report::Decided(decided) => Ok(decided),
            _ => Err(DaemonError::Unexpected),
        }
    }

    fn find(&self, call: &str) -> Option<(Session, u64)> {
        let (id, number) = parts(call)?;
        let mut sessions = self.all().into_iter();
        let session = sessions.find(|session| session.id == id)?;
        Some((session, number))
    }
}

async fn inquire(session: &Session, order: Order) -> Result<Report, DaemonError> {
    let (answer, answered) = oneshot::channel();
    let asked = Told::Ask(order, answer);
    let silent = || DaemonError::Refused(format!("session {} does not answer", session.id));
    session.orders.try_send(asked).map_err(|_| silent())?;
    match timeout(2 * ORDER_PATIENCE, answered).await {
        Ok(Ok(report)) => Ok(report),
        _ => Err(silent()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_of_a_call_is_the_sessions_and_a_number() {
        assert_eq!(parts("a@k7q2x9m/12"), Some(("a@k7q2x9m", 12)));
        for wrong in [
            "",
            "a@k7q2x9m",
            "a@k7q2x9m/",
            "a@k7q2x9m/+1",
            "a@k/1/x",
            "a@k/99999999999999999999",
        ] {
            assert_eq!(parts(wrong), None, "{wrong}");
        }
    }
}
