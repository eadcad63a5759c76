//! What is recorded of each call of a tool, before it is passed on and when it has been answered.
//! Where that is kept is not known here; a call that can't be recorded is not passed on.

use std::fmt::Debug;
use std::sync::atomic::Ordering;

use super::call_gate::arguments;
use super::client_rules::is_stateless;
use super::definition::canonical_form;
use super::event::{Event, kept};
use super::json::{Object, Value};
use super::message::{Answer, Id, Message};
use super::questions;
use super::reply::tool_error_line;
use super::session::{Session, Verdict};
use crate::lockfile::Digest;

/// Longer arguments are recorded by their digest only, in bytes.
const MAX_ARGUMENTS: usize = 16 << 10;

/// A place for records of calls.
pub trait CallLog: Debug + Send {
    /// Asked before a call is passed on. The number is for [`Self::end`].
    ///
    /// # Errors
    /// Why it can't be recorded, and what to do; it is not passed on then.
    fn begin(&mut self, call: &CallRecord<'_>) -> Result<u64, String>;

    /// A call that is not passed on, or not yet.
    fn refused(&mut self, call: &CallRecord<'_>);

    /// It was answered.
    fn end(&mut self, call: u64, outcome: CallOutcome, bytes: usize);

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
        events: &mut Vec<Event>,
        new: usize,
    ) -> Verdict {
        if self.call_log.is_none() {
            return verdict;
        }
        let name = message.param_text("name").unwrap_or_default();
        let passes = matches!(verdict, Verdict::Forward | Verdict::ForwardInstead(_));
        if !passes {
            let (decision, reason) = not_passed(events.get(new..).unwrap_or_default());
            self.record_refusal(&name, message, decision, reason);
            return verdict;
        }
        let approval = if approved {
            Approval::Client
        } else {
            Approval::None
        };
        match self.begin_call(id, &name, arguments(message), trace_of(message), approval) {
            Ok(()) => verdict,
            Err(reason) => {
                // It was counted when it was judged.
                self.policy.passed_calls.fetch_sub(1, Ordering::Relaxed);
                let answer =
                    self.refuse_unrecorded(id, &name, &reason, is_stateless(message), events);
                Verdict::Answer(answer)
            }
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
        match self.begin_call(id, tool, arguments, trace, approval) {
            Ok(()) => {
                self.policy.passed_calls.fetch_add(1, Ordering::Relaxed);
                Ok(())
            }
            Err(reason) => Err(self.refuse_unrecorded(id, tool, &reason, stateless, events)),
        }
    }

    fn begin_call(
        &mut self,
        id: &Id,
        tool: &str,
        arguments: Value<'_>,
        trace: Option<String>,
        approval: Approval,
    ) -> Result<(), String> {
        let mut record = self.call_record(tool, arguments, trace.as_deref());
        record.approval = approval;
        let Some(log) = &mut self.call_log else {
            return Ok(());
        };
        let call = log.begin(&record)?;
        if let Some(asked) = self.asked_by_client.find_mut(id) {
            asked.call = Some(call);
        }
        Ok(())
    }

    fn refuse_unrecorded(
        &mut self,
        id: &Id,
        name: &str,
        reason: &str,
        stateless: bool,
        events: &mut Vec<Event>,
    ) -> Vec<u8> {
        self.asked_by_client.take(id);
        let text = format!("pinfold did not pass this call of `{name}` on: {reason}.");
        if let Some(tool) = self.policy.allow.get(name).cloned() {
            let reason = reason.to_owned();
            events.push(Event::CallRefused { tool, reason });
        }
        tool_error_line(id, &text, stateless)
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
