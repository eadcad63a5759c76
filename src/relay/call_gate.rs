//! What holds for a call of a tool on the list before it reaches the server: rules on its
//! arguments, limits, repeats. Each refusal is a result that a model and a person can read.

use std::collections::BTreeMap;
use std::time::Duration;

use super::budget::{Cost, Rate, Unpaid};
use super::call_rules::judge;
use super::canonical_form::canonical_form;
use super::catalogue::RETRY_PARAMS;
use super::client_rules::is_stateless;
use super::event::Event;
use super::json::{Object, Value};
use super::message::{Id, Message};
use super::reply::tool_error_line;
use super::session::{Asked, Session, Verdict};
use crate::lockfile::{Digest, ToolName};
use crate::schema::Schema;

/// What holds for the calls of one server's tools.
#[derive(Clone, Debug, Default)]
pub struct CallRules {
    pub arguments: BTreeMap<ToolName, Ruled<Schema>>,
    pub limits: BTreeMap<ToolName, Ruled<Rate>>,
    /// For so long the same call is refused.
    pub repeat: BTreeMap<ToolName, Ruled<Duration>>,
    /// Tools whose calls the user decides about, each time.
    pub ask: BTreeMap<ToolName, Ruled<()>>,
}

/// A setting, and where a person finds it, for messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ruled<T> {
    pub what: T,
    /// For example "`tools.limits.echo` in /home/me/pinfold.toml, line 7".
    pub place: String,
}

impl Session {
    /// What becomes of a call of a tool on the list: it is passed on, or not, or not yet.
    pub(super) fn gate_call(
        &mut self,
        id: &Id,
        message: &Message<'_>,
        asked: Asked,
        approved: bool,
        events: &mut Vec<Event>,
    ) -> Result<Asked, Verdict> {
        if let Some(answer) = self.refuse_call(id, message, approved, events) {
            return Err(Verdict::Answer(answer));
        }
        if approved {
            return Ok(asked);
        }
        self.hold_call(id, message, asked, events)
    }

    /// The answer to a call that must not be passed on. One that was approved has been paid for.
    fn refuse_call(
        &mut self,
        id: &Id,
        message: &Message<'_>,
        approved: bool,
        events: &mut Vec<Event>,
    ) -> Option<Vec<u8>> {
        let name = message.param_text("name")?;
        let tool = self.policy.allow.get(name.as_ref())?.clone();
        let judged = self.judge_arguments(&tool, message);
        let judged = judged.and_then(|()| {
            if approved {
                Ok(())
            } else {
                self.judge_budget(&tool, message)
            }
        });
        let reason = judged.err()?;
        let text = format!("pinfold did not pass this call of `{tool}` on: {reason}.");
        events.push(Event::CallRefused { tool, reason });
        Some(tool_error_line(id, &text, is_stateless(message)))
    }

    fn judge_arguments(&self, tool: &ToolName, message: &Message<'_>) -> Result<(), String> {
        let Some(Ruled { what: rule, place }) = self.policy.calls.arguments.get(tool) else {
            return Ok(());
        };
        let failed = |what: String| format!("{what}; see {place}");
        let arguments = arguments(message);
        if arguments.as_object().is_none() {
            return Err(failed("`arguments` is not an object".to_owned()));
        }
        judge(rule, arguments).map_err(|failure| failed(failure.to_string()))
    }

    fn judge_budget(&mut self, tool: &ToolName, message: &Message<'_>) -> Result<(), String> {
        let rules = &self.policy.calls;
        let (limit, repeat) = (rules.limits.get(tool), rules.repeat.get(tool));
        if limit.is_none() && repeat.is_none() {
            return Ok(());
        }
        let Some(now) = self.now else {
            return Err("it is limited, and what time it is is not known".to_owned());
        };
        let cost = Cost {
            tool,
            rate: limit.map(|limit| limit.what),
            repeat: match repeat {
                Some(repeat) => Some((digest_of_call(tool, message)?, repeat.what)),
                None => None,
            },
        };
        let place = |ruled: Option<&str>| ruled.unwrap_or_default().to_owned();
        self.budget
            .spend(&cost, now)
            .map_err(|unpaid| match unpaid {
                Unpaid::Repeated { left } => format!(
                    "the same call was made less than {} ago, and can be repeated in {}; see {}",
                    seconds(repeat.map_or(left, |repeat| repeat.what)),
                    seconds(left),
                    place(repeat.map(|repeat| repeat.place.as_str()))
                ),
                Unpaid::TooOften { wait } => format!(
                    "it was called too often, the next call can be made in {}; see {}",
                    seconds(wait),
                    place(limit.map(|limit| limit.place.as_str()))
                ),
                Unpaid::Unknown { reason } => format!("it is limited, and {reason}"),
            })
    }
}

/// `params.arguments` as it would be forwarded; without, no arguments.
pub(super) fn arguments<'a>(message: &Message<'a>) -> Value<'a> {
    let arguments = message.params.and_then(|params| params.find("arguments"));
    arguments.unwrap_or_else(|| Object::of_canonical(b"{}").as_value())
}

/// Of tool and arguments, these in RFC 8785 canonical form.
fn digest_of_call(tool: &ToolName, message: &Message<'_>) -> Result<Digest, String> {
    let canonical = canonical_form(arguments(message))
        .map_err(|_| "its arguments have no canonical form to compare them in".to_owned())?;
    let mut call = format!("{tool}\n").into_bytes();
    call.extend_from_slice(&canonical);
    // A call that goes on with an answer to the server's question is no repetition of the first.
    for key in RETRY_PARAMS {
        if let Some(value) = message.params.and_then(|params| params.find(key)) {
            call.extend_from_slice(format!("\n{key} ").as_bytes());
            call.extend_from_slice(value.raw());
        }
    }
    Ok(Digest::of(&call))
}

/// Rounded up, so that waiting for so long is enough.
fn seconds(time: Duration) -> String {
    if time.as_millis() < 1000 {
        return format!("{} ms", time.as_micros().div_ceil(1000));
    }
    format!("{} s", time.as_millis().div_ceil(1000))
}
