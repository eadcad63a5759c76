//! Held calls as somebody outside of the session decides about them: the user in a terminal, while or
//! instead of being asked by the client. Pure.

use std::time::{Duration, Instant};

use super::approval::Held;
use super::call_approval::withdrawn;
use super::call_log::{Approval, of_line};
use super::event::Event;
use super::session::{Outcome, Session, Verdict};
use crate::lockfile::ToolName;

/// A call that waits for the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldCall {
    /// Among those of its session; no other call ever has it there.
    pub number: u64,
    pub tool: ToolName,
    /// JSON, byte for byte as the server would get it. Of the client: not safe to show.
    pub arguments: String,
    /// Until it is refused.
    pub left: Duration,
}

/// What a decision led to.
#[must_use]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decided {
    /// Whether the call goes to the server.
    pub passed: bool,
    /// Why it does not though it was accepted.
    pub reason: Option<String>,
    /// In their order.
    pub outcomes: Vec<Outcome>,
}

impl Session {
    /// Somebody outside can decide, too: calls whose client can't ask its user are held, not refused.
    #[must_use]
    pub fn with_decider(mut self) -> Self {
        self.approvals.has_decider = true;
        self
    }

    /// The calls that wait for the user.
    pub fn held(&self) -> Vec<HeldCall> {
        let Some(now) = self.now else {
            return Vec::new();
        };
        let held = self.approvals.held().iter();
        held.map(|held| shown(held, now)).collect()
    }

    /// The user decides in a terminal. `None`: no such call waits, or not any more.
    pub fn decide_held(&mut self, number: u64, accepted: bool) -> Option<Decided> {
        // One whose time is over is not passed on only because nobody has said so yet.
        let now = self.now?;
        let is_due = |held: &Held| held.number == number && held.until > now;
        self.approvals.held().iter().find(|held| is_due(held))?;
        let held = self.approvals.take_number(number)?;
        let mut outcomes: Vec<Outcome> = withdrawn(&held).into_iter().collect();
        let mut events = Vec::new();
        let verdict = if accepted {
            self.pass_held(held, Approval::Terminal, &mut events)
        } else {
            let reason = "the user declined it in a terminal";
            Verdict::Answer(self.decline(&held, reason, &mut events))
        };
        let reason = match events.last() {
            Some(Event::CallRefused { reason, .. }) if accepted => Some(reason.clone()),
            _ => None,
        };
        let (to_server, to_client) = match verdict {
            Verdict::ForwardInstead(line) => (Some(line), None),
            Verdict::Answer(line) => (None, Some(line)),
            Verdict::Forward | Verdict::Drop => (None, None),
        };
        let passed = to_server.is_some();
        outcomes.push(Outcome {
            to_server,
            to_client,
            events,
            ..Outcome::default()
        });
        Some(Decided {
            passed,
            reason,
            outcomes,
        })
    }
}

fn shown(held: &Held, now: Instant) -> HeldCall {
    let (arguments, _) = of_line(&held.line);
    HeldCall {
        number: held.number,
        tool: held.tool.clone(),
        arguments: String::from_utf8_lossy(arguments.raw()).into_owned(),
        left: held.until.saturating_duration_since(now),
    }
}
