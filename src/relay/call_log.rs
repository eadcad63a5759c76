//! What is recorded of each call of a tool, before it is passed on and when it has been answered.
//! Where that is kept is not known here; a call that can't be recorded is not passed on.

use std::fmt::Debug;
use std::sync::atomic::Ordering;

use super::call_gate::arguments;
use super::canonical_form::canonical_form;
use super::client_rules::is_stateless;
use super::event::{Event, kept};
use super::json::{Object, Value};
use super::message::{Answer, Id, Message};
use super::questions;
use super::reply::tool_error_line;
use super::session::{Outcome, Session, Verdict};
use crate::lockfile::Digest;

/// Longer arguments are recorded by their digest only, in bytes.
const MAX_ARGUMENTS: usize = 16 << 10;

/// A place for records of calls.
pub trait CallLog: Debug + Send {
    /// Told of a call that is to be passed on, which it may be when [`Self::confirm`] has said so
    /// for this number. Calls that are begun together can be recorded together.
    fn begin(&mut self, call: &CallRecord<'_>) -> u64;

    /// Whether a call that was begun is recorded; what waits to be recorded is.
    ///
    /// # Errors
    /// Why it can't be recorded, and what to do; it is not passed on then.
    fn confirm(&mut self, call: u64) -> Result<(), String>;

    /// A call that is not passed on, or not yet.
    fn refused(&mut self, call: &CallRecord<'_>);

    /// It was answered. Recorded with the next [`Self::settle`].
    fn end(&mut self, call: u64, outcome: CallOutcome, bytes: usize);

    /// Records what waits to be recorded.
    fn settle(&mut self);

    /// Whether [`CallRecord::redacted`] is wanted.
    fn wants_arguments(&self) -> bool;
}

/// What is decided about a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallDecision {
    Allow,
    Deny,
    /// The user is asked.
    Ask,
}

/// Who has approved a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Approval {
    /// Nobody was asked.
    #[default]
    None,
    /// The user, through the client.
    Client,
    /// The user, in a terminal.
    Terminal,
}

/// One call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallRecord<'a> {
    /// Of one that is not on the list, cut and made safe to show.
    pub tool: &'a str,
    pub decision: CallDecision,
    pub reason: Option<String>,
    /// Whether the user was asked and said yes.
    pub approval: Approval,
    /// Of the arguments in RFC 8785 form.
    pub arguments: Digest,
    /// `false`: they have no such form, and the digest is of the bytes that would be forwarded.
    pub is_canonical: bool,
    /// Length of the arguments.
    pub bytes: usize,
    /// The arguments without the secrets of the session, if they are wanted.
    pub redacted: Option<String>,
    /// `traceparent` of W3C Trace Context.
    pub trace: Option<&'a str>,
}

/// A call that is to be passed on, and may not be yet.
#[derive(Debug)]
pub(super) struct Begun {
    /// In the record of calls.
    number: u64,
    id: Id,
    tool: String,
    stateless: bool,
}

/// What was decided about a line of the client; what comes of it is said by
/// [`Session::release`], which may be asked about several lines at once.
#[must_use]
#[derive(Debug)]
pub struct Judged {
    pub(super) outcome: Outcome,
    pub(super) begun: Option<Begun>,
}

impl Judged {
    /// What it takes at the most, in bytes; a line that is dropped takes something, too.
    pub(super) fn length(&self) -> usize {
        let Outcome {
            to_server,
            to_client,
            own_request,
            events,
        } = &self.outcome;
        let lines = [to_server, to_client, own_request];
        let lines: usize = lines.into_iter().flatten().map(Vec::len).sum();
        lines + size_of::<Self>() + size_of_val(events.as_slice())
    }
}

/// How a call was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallOutcome {
    Ok,
    /// An error of JSON-RPC.
    Error,
    /// A result that says `isError`.
    ToolError,
    /// The server's answer was not passed on.
    Refused,
    /// The server asks for input; the call will be made again.
    Input,
    /// It was made a task, which is over, and nobody has fetched its result.
    None,
}

impl Session {
    /// Records every call of this session there.
    #[must_use]
    pub fn recorded_in(mut self, log: Box<dyn CallLog>) -> Self {
        self.call_log = Some(log);
        self
    }

    /// Records a call that was judged. What may be passed on is not, when that fails.
    pub(super) fn record_call(
        &mut self,
        id: &Id,
        message: &Message<'_>,
        approved: bool,
        verdict: Verdict,
        new: &[Event],
    ) -> Verdict {
        if self.call_log.is_none() {
            return verdict;
        }
        let name = message.param_text("name").unwrap_or_default();
        let passes = matches!(verdict, Verdict::Forward | Verdict::ForwardInstead(_));
        if !passes {
            let (decision, reason) = not_passed(new);
            self.record_refusal(&name, message, decision, reason);
            return verdict;
        }
        let approval = if approved {
            Approval::Client
        } else {
            Approval::None
        };
        let number = self.begin_call(id, &name, arguments(message), trace_of(message), approval);
        self.begun = number.map(|number| Begun {
            number,
            id: id.clone(),
            tool: name.into_owned(),
            stateless: is_stateless(message),
        });
        verdict
    }

    /// What becomes of a line once the call in it is to be passed on: only if that is recorded.
    pub fn release(&mut self, judged: Judged) -> Outcome {
        let Judged { mut outcome, begun } = judged;
        let (Some(begun), Some(log)) = (begun, &mut self.call_log) else {
            return outcome;
        };
        if let Err(reason) = log.confirm(begun.number) {
            // It was counted when it was judged.
            self.policy.passed_calls.fetch_sub(1, Ordering::Relaxed);
            outcome.to_server = None;
            let answer = self.refuse_unrecorded(&begun, &reason, &mut outcome.events);
            outcome.to_client = Some(answer);
        }
        outcome
    }

    /// Records what waits to be recorded.
    pub fn settle(&mut self) {
        if let Some(log) = &mut self.call_log {
            log.settle();
        }
    }

    /// A call that is not passed on.
    pub(super) fn record_refusal(
        &mut self,
        name: &str,
        message: &Message<'_>,
        decision: CallDecision,
        reason: Option<String>,
    ) {
        let tool = if self.policy.allow.contains(name) {
            name.to_owned()
        } else {
            kept(name)
        };
        let trace = trace_of(message);
        let mut record = self.call_record(&tool, arguments(message), trace.as_deref());
        record.decision = decision;
        record.reason = reason;
        if let Some(log) = &mut self.call_log {
            log.refused(&record);
        }
    }

    /// As [`Self::record_refusal`], of a call that the user was asked about.
    pub(super) fn record_declined(&mut self, tool: &str, line: &[u8], reason: &str) {
        let (arguments, trace) = of_line(line);
        let mut record = self.call_record(tool, arguments, trace.as_deref());
        record.decision = CallDecision::Deny;
        record.reason = Some(reason.to_owned());
        if let Some(log) = &mut self.call_log {
            log.refused(&record);
        }
    }

    /// Records a call that the user has approved and that is passed on now.
    pub(super) fn begin_held(
        &mut self,
        id: &Id,
        tool: &str,
        line: &[u8],
        approval: Approval,
        stateless: bool,
        events: &mut Vec<Event>,
    ) -> Result<(), Vec<u8>> {
        let (arguments, trace) = of_line(line);
        let number = self.begin_call(id, tool, arguments, trace, approval);
        if let (Some(number), Some(log)) = (number, &mut self.call_log)
            && let Err(reason) = log.confirm(number)
        {
            let begun = Begun {
                number,
                id: id.clone(),
                tool: tool.to_owned(),
                stateless,
            };
            return Err(self.refuse_unrecorded(&begun, &reason, events));
        }
        self.policy.passed_calls.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Its number, where calls are recorded.
    fn begin_call(
        &mut self,
        id: &Id,
        tool: &str,
        arguments: Value<'_>,
        trace: Option<String>,
        approval: Approval,
    ) -> Option<u64> {
        let mut record = self.call_record(tool, arguments, trace.as_deref());
        record.approval = approval;
        let number = self.call_log.as_mut()?.begin(&record);
        if let Some(asked) = self.asked_by_client.find_mut(id) {
            asked.call = Some(number);
        }
        Some(number)
    }

    fn refuse_unrecorded(
        &mut self,
        begun: &Begun,
        reason: &str,
        events: &mut Vec<Event>,
    ) -> Vec<u8> {
        let Begun {
            number,
            id,
            tool: name,
            stateless,
        } = begun;
        // The client may have cancelled it, and used its id again.
        let asked = self.asked_by_client.find(id);
        if asked.is_some_and(|asked| asked.call == Some(*number)) {
            self.asked_by_client.take(id);
        }
        let text = format!("pinfold did not pass this call of `{name}` on: {reason}.");
        if let Some(tool) = self.policy.allow.get(name.as_str()).cloned() {
            let reason = reason.to_owned();
            events.push(Event::CallRefused { tool, reason });
        }
        tool_error_line(id, &text, *stateless)
    }

    fn call_record<'a>(
        &self,
        tool: &'a str,
        arguments: Value<'_>,
        trace: Option<&'a str>,
    ) -> CallRecord<'a> {
        let raw = arguments.raw();
        let canonical = canonical_form(arguments).ok();
        let log = self.call_log.as_deref();
        let wanted = log.is_some_and(CallLog::wants_arguments) && raw.len() <= MAX_ARGUMENTS;
        CallRecord {
            tool,
            decision: CallDecision::Allow,
            reason: None,
            approval: Approval::None,
            is_canonical: canonical.is_some(),
            arguments: Digest::of(canonical.as_deref().unwrap_or(raw)),
            bytes: raw.len(),
            redacted: wanted.then(|| {
                let clean = self.policy.redaction.of_value(arguments);
                String::from_utf8_lossy(&clean).into_owned()
            }),
            trace,
        }
    }

    /// An answer to a call has come. `refused`: it is not passed on.
    pub(super) fn end_call(&mut self, call: u64, answer: Answer<'_>, refused: bool, bytes: usize) {
        let outcome = match answer {
            _ if refused => CallOutcome::Refused,
            Answer::Error { .. } => CallOutcome::Error,
            Answer::Result(result) if questions::asks_for_input(result) => CallOutcome::Input,
            Answer::Result(result) => match result.find("isError") {
                Some(is_error) if is_error.raw() == b"true" => CallOutcome::ToolError,
                _ => CallOutcome::Ok,
            },
        };
        if let Some(log) = &mut self.call_log {
            log.end(call, outcome, bytes);
        }
    }

    /// Its task is forgotten, and its result was not fetched.
    pub(super) fn end_call_unanswered(&mut self, call: u64) {
        if let Some(log) = &mut self.call_log {
            log.end(call, CallOutcome::None, 0);
        }
    }

    /// The line that answers it can't be read.
    pub(super) fn end_call_refused(&mut self, call: Option<u64>) {
        if let (Some(log), Some(call)) = (&mut self.call_log, call) {
            log.end(call, CallOutcome::Refused, 0);
        }
    }
}

/// Why a call was not passed on, from what was noted about it.
fn not_passed(events: &[Event]) -> (CallDecision, Option<String>) {
    let mut decision = CallDecision::Deny;
    let mut reason = None;
    for event in events {
        match event {
            Event::ApprovalAsked { .. } | Event::CallHeld { .. } => decision = CallDecision::Ask,
            Event::Denied { .. } => reason = Some("it is not on the list".to_owned()),
            Event::CallRefused { reason: why, .. } => reason = Some(why.clone()),
            Event::RequestRefused { reason: why, .. } => reason = Some(why.clone()),
            Event::CallWithheld { drift, .. } => reason = Some(drift.to_string()),
            _ => {}
        }
    }
    (decision, reason)
}

/// Arguments and trace of a canonical line that is a call.
pub(super) fn of_line(line: &[u8]) -> (Value<'_>, Option<String>) {
    let params = Object::of_canonical(line).find("params");
    let params = params.and_then(Value::as_object);
    let arguments = params.and_then(|params| params.find("arguments"));
    let meta = params.and_then(|params| params.find("_meta")?.as_object());
    (
        arguments.unwrap_or_else(|| Object::of_canonical(b"{}").as_value()),
        meta.and_then(trace),
    )
}

fn trace_of(message: &Message<'_>) -> Option<String> {
    trace(message.meta()?)
}

/// `traceparent`, if it looks like one: two, 32, 16 and two hexadecimal digits.
fn trace(meta: Object<'_>) -> Option<String> {
    let text = meta.find("traceparent")?.as_text()?;
    let parts: Vec<&str> = text.split('-').collect();
    let lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
    let digits = |part: &&str| part.bytes().all(|byte| byte.is_ascii_hexdigit());
    (lengths == [2, 32, 16, 2] && parts.iter().all(digits)).then(|| text.into_owned())
}
