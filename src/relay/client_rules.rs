//! The rules for what the client sends: which requests and notifications reach the server,
//! and what is taken out of them first.

use std::sync::atomic::Ordering;

use super::call_approval::{Given, with_params};
use super::call_log::CallDecision;
use super::catalogue::{ClientRequest, Kind, PROTOCOL_VERSION_META, RETRY_PARAMS, Side};
use super::codes;
use super::event::{Event, kept};
use super::json::{Object, Value};
use super::look::Era;
use super::message::{Answer, Id, Message};
use super::pending::NotEntered;
use super::questions::Question;
use super::reply::{error_line, tool_error_line};
use super::session::{Asked, Asking, Session, Verdict};
use super::task_questions::refuse_client_answer;
use super::tool_list::Shown;
use super::{reach, roots};
use crate::lockfile::ToolName;

/// A request that the relay answers itself.
pub(super) struct Refused {
    code: i64,
    message: String,
    event: Event,
}

impl Session {
    pub(super) fn client_request(
        &mut self,
        id: &Id,
        method: &str,
        message: &Message<'_>,
        events: &mut Vec<Event>,
    ) -> Verdict {
        let new = events.len();
        let (verdict, approved) = self.judge_client_request(id, method, message, events);
        if method == "tools/call" {
            let new = events.get(new..).unwrap_or_default();
            return self.record_call(id, message, approved, verdict, new);
        }
        verdict
    }

    /// And whether it is a call that the user has approved.
    fn judge_client_request(
        &mut self,
        id: &Id,
        method: &str,
        message: &Message<'_>,
        events: &mut Vec<Event>,
    ) -> (Verdict, bool) {
        if self.is_in_use(id) {
            // Without id: the request that is under way must not be ended by this error.
            let reason = "its id is already in use by a request that is under way";
            events.push(request_refused(method, reason));
            let text = format!("Refused: {reason}");
            let answer = error_line(None, codes::INVALID_REQUEST, &text);
            return (Verdict::Answer(answer), false);
        }
        match self.approval_given(id, method, message, events) {
            Given::Nothing => (
                self.judge_request(id, method, message, false, events),
                false,
            ),
            Given::Refused(answer) => (Verdict::Answer(answer), false),
            Given::Call { root, params } => {
                let call = with_params(message, &root, &params);
                match self.judge_request(id, method, &call, true, events) {
                    Verdict::Forward => (Verdict::ForwardInstead(root), true),
                    verdict => (verdict, true),
                }
            }
        }
    }

    /// `approved`: the user has been asked about this call, and said yes.
    fn judge_request(
        &mut self,
        id: &Id,
        method: &str,
        message: &Message<'_>,
        approved: bool,
        events: &mut Vec<Event>,
    ) -> Verdict {
        let withheld = self
            .withhold_call(id, method, message, events)
            .or_else(|| self.withhold_task_result(id, method, message, events));
        if let Some(answer) = withheld {
            return Verdict::Answer(answer);
        }
        let admitted = match self.admit(method, message) {
            Ok(asked) if asked.request == ClientRequest::CallTool => {
                match self.gate_call(id, message, asked, approved, events) {
                    Ok(asked) => Ok(asked),
                    Err(verdict) => return verdict,
                }
            }
            other => other,
        };
        self.learn_of_client(method, message);
        let admitted = admitted.and_then(|asked| {
            self.asked_by_client
                .enter(id.clone(), asked)
                .map_err(|not_entered| {
                    let reason = match not_entered {
                        NotEntered::Duplicate => "its id is already in use",
                        NotEntered::Full => "too many requests are waiting for an answer",
                    };
                    Refused::other(codes::TOO_MANY_OUTSTANDING, method, reason)
                })
        });
        match admitted {
            Ok(()) => {
                let request = ClientRequest::of(method);
                if request == ClientRequest::CallTool {
                    self.policy.passed_calls.fetch_add(1, Ordering::Relaxed);
                }
                self.forward_request(request, message, events)
            }
            Err(refused) => {
                events.push(refused.event);
                Verdict::Answer(error_line(Some(id), refused.code, &refused.message))
            }
        }
    }

    /// Whether the server may see this request.
    fn admit(&self, method: &str, message: &Message<'_>) -> Result<Asked, Refused> {
        let grants = &self.policy.grants;
        if !grants.admit(Side::Client, Kind::Request, method) {
            let reason = "the method is unknown or not granted";
            return Err(Refused::unknown_method(method, reason));
        }
        let request = ClientRequest::of(method);
        let step = self.task_step(request, method, message)?;
        let asking = self.asking(request, message);
        if let Some(params) = message.params {
            self.judge_params(method, params, asking)?;
        }
        reach::judge(request, message.params, grants, asking.declared.is_some()).map_err(
            |unreached| Refused {
                code: unreached.code,
                event: request_refused(method, &unreached.message),
                message: unreached.message,
            },
        )?;
        let shown = match request {
            ClientRequest::CallTool => {
                self.judge_call(message)?;
                Shown::default()
            }
            ClientRequest::ListTools => self.listings.before(message.params),
            _ => Shown::default(),
        };
        Ok(Asked {
            request,
            shown,
            asking,
            call: None,
            step: step.map(Box::new),
        })
    }

    /// Answers to questions that no server has asked.
    fn judge_params(
        &self,
        method: &str,
        params: Object<'_>,
        asking: Asking,
    ) -> Result<(), Refused> {
        let refused = |reason| Err(Refused::other(codes::INVALID_PARAMS, method, reason));
        let [responses, state] = RETRY_PARAMS.map(|key| params.find(key));
        if responses.is_none() && state.is_none() {
            return Ok(());
        }
        let responses = match responses.map(Value::as_object) {
            Some(None) => return refused("`inputResponses` is not an object"),
            Some(Some(responses)) => Some(responses),
            None => None,
        };
        match asking.target {
            Some(target) if self.questions.expect(target, state, responses) => Ok(()),
            _ => refused("the server has not asked for this input"),
        }
    }

    /// Whether the tool that is called is on the list, byte for byte.
    fn judge_call(&self, message: &Message<'_>) -> Result<(), Refused> {
        let Some(name) = message.param_text("name") else {
            let reason = "`params.name` is not a string";
            return Err(Refused::other(codes::INVALID_PARAMS, "tools/call", reason));
        };
        if self.policy.allow.contains(name.as_ref()) {
            return Ok(());
        }
        Err(Refused {
            code: codes::INVALID_PARAMS,
            message: format!("Unknown tool: {}", shown_tool_name(&name)),
            event: Event::Denied { tool: kept(&name) },
        })
    }

    /// The answer to a call of a tool on the list that is not as it was agreed.
    fn withhold_call(
        &mut self,
        id: &Id,
        method: &str,
        message: &Message<'_>,
        events: &mut Vec<Event>,
    ) -> Option<Vec<u8>> {
        if !self.definitions.are_pinned() || !matches!(method, "tools/call" | "tools/list") {
            return None;
        }
        let stateless = is_stateless(message);
        self.looks.speaks(if stateless {
            Era::Stateless
        } else {
            Era::Session
        });
        if method == "tools/list" {
            return None;
        }
        let name = message.param_text("name")?;
        let tool = self.policy.allow.get(name.as_ref())?;
        if !self.definitions.has_seen(tool.as_str()) {
            self.looks.unlisted_call();
        }
        let drift = self.drift_of(tool)?;
        let text = format!(
            "pinfold did not pass this call of `{tool}` on: {drift}. The user can see what changed with `{}`.",
            self.definitions.review()
        );
        events.push(Event::CallWithheld {
            tool: tool.clone(),
            drift,
        });
        Some(tool_error_line(id, &text, stateless))
    }

    pub(super) fn client_notification(
        &mut self,
        method: &str,
        message: &Message<'_>,
        events: &mut Vec<Event>,
    ) -> Verdict {
        if method == "notifications/cancelled" {
            // A request that the server never saw, or has answered, needs no cancelling.
            let id = message.params.and_then(|params| params.find("requestId"));
            let id = id.and_then(|id| Id::read(id).ok());
            if let Some(verdict) = id.as_ref().and_then(|id| self.cancel_held(id)) {
                return verdict;
            }
            return match id {
                Some(id) if self.asked_by_client.cancel(&id) => self.forward_notification(message),
                _ => Verdict::Drop,
            };
        }
        if method == "notifications/initialized" {
            self.looks.speaks(Era::Session);
        }
        let grants = &self.policy.grants;
        let admitted = grants.admit(Side::Client, Kind::Notification, method);
        if admitted
            && (method != "notifications/tasks/status"
                || self.may_tell_server_status(message.params))
        {
            return self.forward_notification(message);
        }
        events.push(match message.param_text("name") {
            Some(name) if method == "tools/call" => {
                let reason = "it is a notification, which no call can be".to_owned();
                self.record_refusal(&name, message, CallDecision::Deny, Some(reason));
                Event::Denied { tool: kept(&name) }
            }
            _ => Event::DroppedFromClient {
                reason: format!("notification `{}` is unknown or not granted", kept(method)),
            },
        });
        Verdict::Drop
    }

    pub(super) fn client_response(
        &mut self,
        id: Option<&Id>,
        answer: Answer<'_>,
        message: &Message<'_>,
        events: &mut Vec<Event>,
    ) -> Verdict {
        let asked = id.and_then(|id| self.asked_by_server.take(id));
        let (Some(id), Some(asked)) = (id, asked) else {
            let reason = match id {
                Some(id) => format!("the server waits for no answer with id {id}"),
                None => "an answer without id".to_owned(),
            };
            events.push(Event::DroppedFromClient { reason });
            return Verdict::Drop;
        };
        let Answer::Result(result) = answer else {
            self.client_task_failed(&asked);
            return Verdict::Forward;
        };
        if let Err(reason) = self.judge_client_task_result(&asked, result) {
            self.client_task_failed(&asked);
            return refuse_client_answer(id, reason, events);
        }
        if asked.question != Question::Roots {
            return Verdict::Forward;
        }
        match roots::reduce(result, &self.policy.granted_paths) {
            Some(reduced) => {
                events.extend(reduced.event(result));
                Verdict::ForwardInstead(message.root.with("result", &reduced.object))
            }
            None => {
                let reason = "the client's answer has no array `roots`";
                events.push(Event::DroppedFromClient {
                    reason: reason.to_owned(),
                });
                Verdict::ForwardInstead(error_line(Some(id), codes::INTERNAL_ERROR, reason))
            }
        }
    }
}

/// Whether a request is one of 2026-07-28.
pub(super) fn is_stateless(message: &Message<'_>) -> bool {
    let meta = message.meta();
    meta.is_some_and(|meta| meta.find(PROTOCOL_VERSION_META).is_some())
}

impl Refused {
    pub(super) fn unknown_method(method: &str, reason: &str) -> Self {
        Self {
            code: codes::METHOD_NOT_FOUND,
            message: format!("Method not found: {}", kept(method)),
            event: request_refused(method, reason),
        }
    }

    pub(super) fn other(code: i64, method: &str, reason: &str) -> Self {
        Self {
            code,
            message: format!("Refused: {reason}"),
            event: request_refused(method, reason),
        }
    }
}

fn request_refused(method: &str, reason: &str) -> Event {
    Event::RequestRefused {
        method: kept(method),
        reason: reason.to_owned(),
    }
}

/// A tool's name for an error message: as it is when it is a proper name.
fn shown_tool_name(name: &str) -> String {
    if name.parse::<ToolName>().is_ok() {
        name.to_owned()
    } else {
        kept(name)
    }
}
