//! The rules of `ask`: which calls wait for the user, and what becomes of them.

use super::approval::{
    Decision, Held, PATIENCE, Retry, ToHold, TooMany, can_ask, decision, question_cancelled,
    question_request, question_result,
};
use super::call_gate::{Ruled, arguments};
use super::call_log::Approval;
use super::catalogue::{CLIENT_CAPABILITIES_META, RETRY_PARAMS};
use super::client_rules::is_stateless;
use super::codes;
use super::event::Event;
use super::json::Object;
use super::message::{Answer, Id, Message};
use super::reply::{error_line, tool_error_line};
use super::session::{Asked, Outcome, Session, Verdict};
use super::trace_context::without_baggage;
use crate::lockfile::{Digest, ToolName};

/// What a request of the client has to do with a question of the relay.
pub(super) enum Given {
    Nothing,
    /// It is answered by the relay.
    Refused(Vec<u8>),
    /// The user said yes: this is the call, and these are its parameters.
    Call {
        root: Vec<u8>,
        params: Vec<u8>,
    },
}

impl Session {
    /// Notes whether the client can ask its user.
    pub(super) fn learn_of_client(&mut self, method: &str, message: &Message<'_>) {
        if method == "initialize" {
            let params = message.params;
            let capabilities = params.and_then(|params| params.find("capabilities"));
            self.approvals.client_can_ask = can_ask(capabilities);
        }
    }

    fn asks(&self, message: &Message<'_>) -> Option<(ToolName, String)> {
        let name = message.param_text("name")?;
        let (tool, Ruled { place, .. }) = self.policy.calls.ask.get_key_value(name.as_ref())?;
        Some((tool.clone(), place.clone()))
    }

    /// A call that the user was asked about in the place of a result is made again.
    pub(super) fn approval_given(
        &mut self,
        id: &Id,
        method: &str,
        message: &Message<'_>,
        events: &mut Vec<Event>,
    ) -> Given {
        let (Some((tool, place)), Some(params)) = (self.asks(message), message.params) else {
            return Given::Nothing;
        };
        let Some(state) = message.param_text("requestState") else {
            return Given::Nothing;
        };
        if method != "tools/call" || !state.starts_with("pinfold-") {
            return Given::Nothing;
        }
        let call = digest_of_bytes(&tool, message);
        let responses = params.find("inputResponses");
        let retry = match self.now {
            Some(now) => self.approvals.retry(&state, &call, responses, now),
            None => Retry::Unknown,
        };
        let reason = match retry {
            Retry::Decided(Decision::Accepted) => {
                let params = params.retain(|member| {
                    !matches!(member.raw_key, b"inputResponses" | b"requestState")
                });
                let root = message.root.with("params", &params);
                return Given::Call { root, params };
            }
            Retry::Decided(decision) => refusal(decision).to_owned(),
            Retry::Unknown => format!(
                "no such question is open; the user has {} s to answer",
                PATIENCE.as_secs()
            ),
            Retry::OtherCall => "the user was asked about another call".to_owned(),
        };
        Given::Refused(refuse(
            id,
            &tool,
            &reason,
            &place,
            is_stateless(message),
            events,
        ))
    }

    /// What becomes of a call that is in order otherwise: it needs no approval, or waits for it.
    pub(super) fn hold_call(
        &mut self,
        id: &Id,
        message: &Message<'_>,
        asked: Asked,
        events: &mut Vec<Event>,
    ) -> Result<Asked, Verdict> {
        let Some((tool, place)) = self.asks(message) else {
            return Ok(asked);
        };
        let stateless = is_stateless(message);
        let able = if stateless {
            can_ask(
                message
                    .meta()
                    .and_then(|meta| meta.find(CLIENT_CAPABILITIES_META)),
            )
        } else {
            self.approvals.client_can_ask
        };
        let params = message.params;
        let goes_on = RETRY_PARAMS
            .iter()
            .any(|key| params.is_some_and(|params| params.find(key).is_some()));
        let question = match self.now {
            _ if goes_on => Err(
                "it goes on with an answer to a question of the server, which can't be approved",
            ),
            _ if !able && !self.approvals.has_decider => {
                Err("it needs the user's approval, and this client can't ask for it")
            }
            None => Err("it needs the user's approval, and what time it is is not known"),
            Some(now) if stateless && able => {
                let call = digest_of_bytes(&tool, message);
                let state = self.approvals.ask_in_result(call, now);
                state
                    .map(|state| Some(question_result(id, &state, &tool, arguments(message))))
                    .map_err(|TooMany| "too many calls wait for the user's approval")
            }
            Some(now) => {
                let line = match self.forward_request(asked.request, message, events) {
                    Verdict::ForwardInstead(line) => line,
                    _ => message.root.raw().to_vec(),
                };
                let line = without_baggage(&line).unwrap_or(line);
                let to_hold = ToHold {
                    id,
                    tool: &tool,
                    asked,
                    line,
                    stateless,
                };
                let held = if able {
                    let question = self.approvals.hold_asking(to_hold, now);
                    question.map(|question| {
                        Some(question_request(&question, &tool, arguments(message)))
                    })
                } else {
                    self.approvals.hold(to_hold, now).map(|()| None)
                };
                held.map_err(|TooMany| "too many calls wait for the user's approval")
            }
        };
        Err(match question {
            Ok(Some(question)) => {
                events.push(Event::ApprovalAsked { tool });
                Verdict::Answer(question)
            }
            Ok(None) => {
                events.push(Event::CallHeld { tool });
                Verdict::Drop
            }
            Err(reason) => Verdict::Answer(refuse(id, &tool, reason, &place, stateless, events)),
        })
    }

    /// The client answers the relay's own question; `None`: that it is not.
    pub(super) fn approval_answered(
        &mut self,
        question: Option<&Id>,
        answer: Answer<'_>,
        events: &mut Vec<Event>,
    ) -> Option<Verdict> {
        let held = self.approvals.take(question?)?;
        let decision = match answer {
            Answer::Result(result) => decision(result),
            Answer::Error { .. } => Decision::Unclear,
        };
        if decision != Decision::Accepted {
            return Some(Verdict::Answer(self.decline(
                &held,
                refusal(decision),
                events,
            )));
        }
        Some(self.pass_held(held, Approval::Client, events))
    }

    /// A call that was held and that the user wants.
    pub(super) fn pass_held(
        &mut self,
        held: Held,
        approval: Approval,
        events: &mut Vec<Event>,
    ) -> Verdict {
        // The tool may have changed while the user was thinking.
        if let Some(drift) = self.drift_of(&held.tool) {
            return Verdict::Answer(self.decline(&held, &drift.to_string(), events));
        }
        let Held {
            id,
            asked,
            line,
            tool,
            stateless,
            ..
        } = held;
        if self.asked_by_client.enter(id.clone(), asked).is_err() {
            let reason = "Refused: too many requests are waiting for an answer";
            let answer = error_line(Some(&id), codes::TOO_MANY_OUTSTANDING, reason);
            self.record_declined(tool.as_str(), &line, reason);
            return Verdict::Answer(answer);
        }
        let begun = self.begin_held(&id, tool.as_str(), &line, approval, stateless, events);
        match begun {
            Ok(()) => Verdict::ForwardInstead(line),
            Err(answer) => Verdict::Answer(answer),
        }
    }

    /// The client cancels a call that is held: the server never hears of it.
    pub(super) fn cancel_held(&mut self, id: &Id) -> Option<Verdict> {
        let held = self.approvals.cancel(id)?;
        Some(match &held.question {
            Some(question) => Verdict::Answer(question_cancelled(question)),
            None => Verdict::Drop,
        })
    }

    /// When [`Self::expire`] will have something to do.
    pub fn next_deadline(&self) -> Option<std::time::Instant> {
        self.approvals.deadline()
    }

    /// Refuses the calls that the user was asked about and that have waited long enough.
    pub fn expire(&mut self) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        let Some(now) = self.now else {
            return outcomes;
        };
        while let Some(held) = self.approvals.expired(now) {
            let reason = format!("the user did not answer within {} s", PATIENCE.as_secs());
            outcomes.extend(withdrawn(&held));
            let mut events = Vec::new();
            let answer = self.decline(&held, &reason, &mut events);
            outcomes.push(Outcome {
                to_client: Some(answer),
                events,
                ..Outcome::default()
            });
        }
        outcomes
    }

    pub(super) fn decline(
        &mut self,
        held: &Held,
        reason: &str,
        events: &mut Vec<Event>,
    ) -> Vec<u8> {
        self.record_declined(held.tool.as_str(), &held.line, reason);
        let ruled = self.policy.calls.ask.get(&held.tool);
        let place = ruled.map_or("", |ruled| &ruled.place);
        refuse(&held.id, &held.tool, reason, place, held.stateless, events)
    }
}

/// That the client's user need not answer any more, where they were asked.
pub(super) fn withdrawn(held: &Held) -> Option<Outcome> {
    let question = held.question.as_ref()?;
    Some(Outcome {
        to_client: Some(question_cancelled(question)),
        ..Outcome::default()
    })
}

fn refuse(
    id: &Id,
    tool: &ToolName,
    reason: &str,
    place: &str,
    stateless: bool,
    events: &mut Vec<Event>,
) -> Vec<u8> {
    let reason = format!("{reason}; see {place}");
    let text = format!("pinfold did not pass this call of `{tool}` on: {reason}.");
    let tool = tool.clone();
    events.push(Event::CallRefused { tool, reason });
    tool_error_line(id, &text, stateless)
}

fn refusal(decision: Decision) -> &'static str {
    match decision {
        Decision::Accepted => "",
        Decision::Declined => "the user declined it",
        Decision::Cancelled => "the user dismissed the question",
        Decision::Unclear => "the client did not answer whether the user approves",
    }
}

/// Of tool and arguments, these byte for byte: what the user has seen and nothing else.
fn digest_of_bytes(tool: &ToolName, message: &Message<'_>) -> Digest {
    let mut call = format!("{tool}\n").into_bytes();
    call.extend_from_slice(arguments(message).raw());
    Digest::of(&call)
}

/// A request whose parameters were replaced.
pub(super) fn with_params<'a>(
    message: &Message<'a>,
    root: &'a [u8],
    params: &'a [u8],
) -> Message<'a> {
    Message {
        kind: message.kind.clone(),
        root: Object::of_canonical(root),
        params: Some(Object::of_canonical(params)),
    }
}
