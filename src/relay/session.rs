//! The state of one relayed session and its two entrances: a line from the client, a line
//! from the server. Pure and synchronous; the rules are in `client_rules` and
//! `server_rules`, reading and writing in `pump`.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Instant;

use super::approval::Approvals;
use super::budget::{Budget, OwnBudget};
use super::call_gate::CallRules;
use super::call_log::{Begun, CallLog, Judged};
use super::capabilities::{Declared, all_granted};
use super::catalogue::ClientRequest;
use super::codes;
use super::errors::Refusal;
use super::event::{Direction, Event};
use super::grants::Grants;
use super::look::{Era, Looks};
use super::message::{Id, Kind, Message, NotAMessage};
use super::pending::Pending;
use super::pins::{Definitions, Drift, Pins};
use super::questions::Questions;
use super::recover::{answered_id, answered_id_at_end};
use super::redaction::Redaction;
use super::reply::error_line;
use super::strict::{CanonicalLine, DEFAULT_MAX_LINE};
use super::task_questions::AskedOfClient;
use super::task_rules::SessionTasks;
use super::tasks::Step;
use super::tool_list::{Listings, Shown};
use super::trace_context::without_baggage;
use crate::lockfile::{Digest, ToolName};

/// What a session enforces.
#[derive(Clone, Debug)]
pub struct SessionPolicy {
    /// The tools that the client may see and call. Empty: none.
    pub allow: BTreeSet<ToolName>,
    /// What passes beyond tools.
    pub grants: Grants,
    /// Granted files and folders: what the client's roots are held to.
    pub granted_paths: Vec<PathBuf>,
    /// What the definitions of these tools, and the instructions, have to be. `None`: whatever
    /// they are; for measurements and for tests of other rules.
    pub pins: Option<Pins>,
    pub calls: CallRules,
    /// Taken out of what the server says.
    pub redaction: Redaction,
    /// Whether terminal escapes in the server's text are written out.
    pub neutralise: bool,
    /// Longest line in bytes, without the newline, in either direction.
    pub max_line: usize,
    /// Counts the calls of tools that the server gets to see.
    pub passed_calls: Arc<AtomicU64>,
}

impl SessionPolicy {
    /// These tools as they were agreed, with no grants and the default line length.
    pub fn locked(allow: BTreeSet<ToolName>, pins: Pins) -> Self {
        Self {
            allow,
            grants: Grants::default(),
            granted_paths: Vec::new(),
            pins: Some(pins),
            calls: CallRules::default(),
            redaction: Redaction::default(),
            neutralise: false,
            max_line: DEFAULT_MAX_LINE,
            passed_calls: Arc::default(),
        }
    }
}

/// One session: what is outstanding in each direction, and what has been listed.
#[derive(Debug)]
pub struct Session {
    pub(super) policy: SessionPolicy,
    /// Requests of the client that the server has not answered.
    pub(super) asked_by_client: Pending<Asked>,
    /// Requests of the server that the client has not answered.
    pub(super) asked_by_server: Pending<AskedOfClient>,
    pub(super) listings: Listings,
    /// What the client said it can in `initialize`.
    pub(super) declared: Declared,
    /// What results have asked of the client.
    pub(super) questions: Questions,
    pub(super) tasks: SessionTasks,
    pub(super) definitions: Definitions,
    pub(super) looks: Looks,
    pub(super) budget: Box<dyn Budget>,
    pub(super) approvals: Approvals,
    /// Where calls are recorded.
    pub(super) call_log: Option<Box<dyn CallLog>>,
    /// The call in the line that is judged.
    pub(super) begun: Option<Begun>,
    /// As far as the pump has said.
    pub(super) now: Option<Instant>,
}

/// What is remembered of a client's request to judge its answer.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) request: ClientRequest,
    /// For `tools/list`: what the pages before have shown.
    pub(super) shown: Shown,
    pub(super) asking: Asking,
    /// Of a call: its number in the record of calls.
    pub(super) call: Option<u64>,
    /// What it has to do with tasks.
    pub(super) step: Option<Box<Step<ToolName>>>,
}

/// What the answer to a request may ask of the client.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Asking {
    /// Of a request of 2026-07-28: what the client said in it that it can.
    pub(super) declared: Option<Declared>,
    /// What the request is about, if its answer may ask anything.
    pub(super) target: Option<Digest>,
}

/// What to do about one line. Lines are without newline and canonical.
#[must_use]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    pub to_server: Option<Vec<u8>>,
    pub to_client: Option<Vec<u8>>,
    /// For the server, after `to_server`: a request of the relay's own.
    pub own_request: Option<Vec<u8>>,
    pub events: Vec<Event>,
}

/// What a rule decided about one message.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// To the other side, as it is.
    Forward,
    /// To the other side, but this.
    ForwardInstead(Vec<u8>),
    /// Not to the other side; this back to the side that sent it.
    Answer(Vec<u8>),
    Drop,
}

impl Session {
    pub fn new(policy: SessionPolicy) -> Self {
        Self {
            definitions: Definitions::new(policy.pins.clone()),
            looks: Looks::new(all_granted(&policy.grants, Era::Stateless)),
            budget: Box::<OwnBudget>::default(),
            approvals: Approvals::new(),
            call_log: None,
            begun: None,
            now: None,
            policy,
            asked_by_client: Pending::new(),
            asked_by_server: Pending::new(),
            listings: Listings::default(),
            declared: Declared::default(),
            questions: Questions::default(),
            tasks: SessionTasks::new(),
        }
    }

    /// Takes what calls cost from `budget`, in place of one of this session's own.
    #[must_use]
    pub fn with_budget(mut self, budget: Box<dyn Budget>) -> Self {
        self.budget = budget;
        self
    }

    pub fn max_line(&self) -> usize {
        self.policy.max_line
    }

    /// Says what time it is; lines are judged as of then.
    pub fn set_time(&mut self, now: Instant) {
        self.now = Some(now);
    }

    /// Judges one line of the client, without its newline.
    pub fn from_client(&mut self, line: &[u8]) -> Outcome {
        let judged = self.judge_client(line);
        self.release(judged)
    }

    /// As [`Self::from_client`], up to what [`Self::release`] does.
    pub fn judge_client(&mut self, line: &[u8]) -> Judged {
        let outcome = self.judge_client_line(line);
        Judged {
            outcome,
            begun: self.begun.take(),
        }
    }

    fn judge_client_line(&mut self, line: &[u8]) -> Outcome {
        let line = match CanonicalLine::read(line, self.policy.max_line) {
            Ok(line) => line,
            Err(refusal) => return refuse_client_line(refusal, None),
        };
        let mut events = Vec::new();
        let verdict = match Message::read(&line) {
            Ok(message) => match &message.kind {
                Kind::Request { id, method } => {
                    self.client_request(id, method, &message, &mut events)
                }
                Kind::Notification { method } => {
                    self.client_notification(method, &message, &mut events)
                }
                Kind::Response { id, answer } => self
                    .approval_answered(id.as_ref(), *answer, &mut events)
                    .unwrap_or_else(|| {
                        self.client_response(id.as_ref(), *answer, &message, &mut events)
                    }),
            },
            Err(NotAMessage { refusal, request }) => {
                // An error with the id of a request that is under way would end that one.
                let certain = request.filter(|id| !self.is_in_use(id));
                return refuse_client_line(refusal, certain.as_ref());
            }
        };
        let (to_server, to_client) = split(verdict, line);
        let to_server = to_server.map(|line| without_baggage(&line).unwrap_or(line));
        let own_request = self.own_request(&mut events);
        Outcome {
            to_server,
            to_client,
            own_request,
            events,
        }
    }

    /// The client sent a line longer than the policy allows.
    pub fn from_client_too_long(&mut self) -> Judged {
        let limit = self.policy.max_line;
        Judged {
            outcome: refuse_client_line(Refusal::TooLong { limit }, None),
            begun: None,
        }
    }

    /// Judges one line of the server, without its newline.
    pub fn from_server(&mut self, line: &[u8]) -> Outcome {
        let canonical = match CanonicalLine::read(line, self.policy.max_line) {
            Ok(canonical) => canonical,
            Err(refusal) => return self.refuse_server_line(refusal, answered_id(line)),
        };
        let mut events = Vec::new();
        let verdict = match Message::read(&canonical) {
            Ok(message) => match &message.kind {
                Kind::Request { id, method } => {
                    self.server_request(id, method, &message, &mut events)
                }
                Kind::Notification { method } => {
                    self.server_notification(method, &message, &mut events)
                }
                Kind::Response { id, answer } => {
                    self.server_response(id.as_ref(), *answer, &message, &mut events)
                }
            },
            Err(NotAMessage {
                refusal,
                request: Some(id),
            }) => {
                let answer = error_line(Some(&id), codes::INVALID_REQUEST, &refusal.to_string());
                let reason = refusal;
                events.push(Event::RefusedLine {
                    direction: Direction::FromServer,
                    reason,
                });
                Verdict::Answer(answer)
            }
            Err(NotAMessage {
                refusal,
                request: None,
            }) => {
                return self.refuse_server_line(refusal, answered_id(canonical.as_bytes()));
            }
        };
        let (to_client, to_server) = split(verdict, canonical);
        let to_client = to_client.map(|line| self.without_foreign_task(&line).unwrap_or(line));
        let to_client = to_client.and_then(|line| self.cleaned(line, &mut events));
        let own_request = self.own_request(&mut events);
        Outcome {
            to_server,
            to_client,
            own_request,
            events,
        }
    }

    /// The server sent a line longer than the policy allows; `head` and `tail` are what was
    /// kept of it.
    pub fn from_server_too_long(&mut self, head: &[u8], tail: &[u8]) -> Outcome {
        let answered = answered_id(head).or_else(|| answered_id_at_end(tail));
        self.refuse_server_line(
            Refusal::TooLong {
                limit: self.policy.max_line,
            },
            answered,
        )
    }

    /// The server is gone: an error with `message` for every request of the client that
    /// still waits for an answer.
    pub fn answer_outstanding(&mut self, message: &str) -> Vec<Vec<u8>> {
        let mut waiting = self.asked_by_client.clear();
        waiting.extend(self.approvals.clear());
        waiting
            .iter()
            .map(|id| error_line(Some(id), codes::ANSWER_REFUSED, message))
            .collect()
    }

    /// Whether a request with this id is under way, of the client or of the relay itself.
    pub(super) fn is_in_use(&self, id: &Id) -> bool {
        self.asked_by_client.contains(id) || self.looks.is_own(id) || self.approvals.holds(id)
    }

    /// How a tool is not as it was agreed, as of now: nothing of it passes then.
    pub(super) fn drift_of(&self, tool: &ToolName) -> Option<Drift> {
        let trusting = self.looks.is_trusting(self.now);
        self.definitions.refuse_call(tool.as_str(), trusting)
    }

    /// A request of the relay's own, when there is one to be sent.
    fn own_request(&mut self, events: &mut Vec<Event>) -> Option<Vec<u8>> {
        let taken = |id: &Id| self.asked_by_client.contains(id) || self.approvals.holds(id);
        if let Err(reason) = self.looks.begin(taken) {
            events.push(Event::LookFailed {
                reason: reason.to_owned(),
            });
        }
        self.looks.take_request()
    }

    /// The line is not forwarded. A client that waits for it is told that nothing will come.
    fn refuse_server_line(&mut self, refusal: Refusal, answered: Option<Id>) -> Outcome {
        if answered.as_ref().is_some_and(|id| self.looks.is_own(id)) {
            self.looks.fail();
            let reason = refusal.to_string();
            return Outcome {
                events: vec![Event::LookFailed { reason }],
                ..Outcome::default()
            };
        }
        let waiting = answered.and_then(|id| Some((self.asked_by_client.take(&id)?, id)));
        let to_client = waiting.map(|(asked, id)| {
            let call = self.unreadable_answer(&asked);
            self.end_call_refused(call);
            let message = format!("The server's answer was refused: {refusal}");
            error_line(Some(&id), codes::ANSWER_REFUSED, &message)
        });
        let event = Event::RefusedLine {
            direction: Direction::FromServer,
            reason: refusal,
        };
        Outcome {
            to_client,
            events: vec![event],
            ..Outcome::default()
        }
    }
}

fn refuse_client_line(refusal: Refusal, id: Option<&Id>) -> Outcome {
    let code = if refusal.is_parse_error() {
        codes::PARSE_ERROR
    } else {
        codes::INVALID_REQUEST
    };
    let message = format!("Refused: {refusal}");
    let event = Event::RefusedLine {
        direction: Direction::FromClient,
        reason: refusal,
    };
    Outcome {
        to_client: Some(error_line(id, code, &message)),
        events: vec![event],
        ..Outcome::default()
    }
}

/// What goes to the other side, and what goes back.
fn split(verdict: Verdict, line: CanonicalLine) -> (Option<Vec<u8>>, Option<Vec<u8>>) {
    match verdict {
        Verdict::Forward => (Some(line.into_bytes()), None),
        Verdict::ForwardInstead(other) => (Some(other), None),
        Verdict::Answer(answer) => (None, Some(answer)),
        Verdict::Drop => (None, None),
    }
}

#[cfg(test)]
mod tests;
