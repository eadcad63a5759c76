//! The rules for what the server sends: which requests, notifications and answers reach
//! the client, and what the client sees instead.

use super::catalogue::{ClientRequest, is_server_capability, is_server_notification};
use super::codes;
use super::event::{Event, kept};
use super::json::{Object, Value};
use super::message::{Answer, Id, Message};
use super::pending::NotEntered;
use super::reply::error_line;
use super::session::{Asked, Session, Verdict};
use super::tool_list::filter_page;

impl Session {
    /// Only `ping` passes: every other request of a server is for a right of its own.
    pub(super) fn server_request(
        &mut self,
        id: &Id,
        method: &str,
        events: &mut Vec<Event>,
    ) -> Verdict {
        if method != "ping" {
            events.push(Event::ServerRequestRefused {
                method: kept(method),
            });
            let text = format!("Method not found: {}", kept(method));
            return Verdict::Answer(error_line(Some(id), codes::METHOD_NOT_FOUND, &text));
        }
        match self.asked_by_server.enter(id.clone(), ()) {
            Ok(()) => Verdict::Forward,
            Err(NotEntered::Duplicate) => {
                let reason = format!("a second request with id {id}");
                events.push(Event::DroppedFromServer { reason });
                Verdict::Drop
            }
            Err(NotEntered::Full) => {
                events.push(Event::ServerRequestRefused {
                    method: kept(method),
                });
                let text = "too many requests are waiting for an answer";
                Verdict::Answer(error_line(Some(id), codes::TOO_MANY_OUTSTANDING, text))
            }
        }
    }

    pub(super) fn server_notification(
        &mut self,
        method: &str,
        message: &Message<'_>,
        events: &mut Vec<Event>,
    ) -> Verdict {
        if !is_server_notification(method) {
            let reason = format!("notification `{}` is unknown or not granted", kept(method));
            events.push(Event::DroppedFromServer { reason });
            return Verdict::Drop;
        }
        if method == "notifications/cancelled" {
            self.server_cancels(message);
        }
        Verdict::Forward
    }

    /// A server cancels a request of its own, or ends a subscription of the client's; the
    /// answer to the subscription may still follow (2026-07-28, in any order).
    fn server_cancels(&mut self, message: &Message<'_>) {
        let id = message.params.and_then(|params| params.find("requestId"));
        let Some(id) = id.and_then(|id| Id::read(id).ok()) else {
            return;
        };
        self.asked_by_server.cancel(&id);
        if self
            .asked_by_client
            .find(&id)
            .is_some_and(|asked| asked.request == ClientRequest::Listen)
        {
            self.asked_by_client.cancel(&id);
        }
    }

    /// A response has no method: what it answers is known by its id only, so one that
    /// answers nothing is nothing.
    pub(super) fn server_response(
        &mut self,
        id: Option<&Id>,
        answer: Answer<'_>,
        message: &Message<'_>,
        events: &mut Vec<Event>,
    ) -> Verdict {
        let Some(id) = id else {
            events.push(Event::DroppedFromServer {
                reason: "an error without id".to_owned(),
            });
            return Verdict::Drop;
        };
        let Some(asked) = self.asked_by_client.take(id) else {
            let reason = format!("the client waits for no answer with id {id}");
            events.push(Event::DroppedFromServer { reason });
            return Verdict::Drop;
        };
        let method = asked.request.method();
        let judged = match answer {
            Answer::Error {
                code: codes::URL_ELICITATION_REQUIRED,
                ..
            } => Err(Replaced::not_granted(
                "a page to be opened (URL elicitation)",
            )),
            Answer::Error { .. } => Ok(None),
            Answer::Result(result) => refuse_ungranted_result(result)
                .and_then(|()| self.judge_result(asked, result, events)),
        };
        match judged {
            Ok(None) => Verdict::Forward,
            Ok(Some(result)) => Verdict::ForwardInstead(message.root.with("result", &result)),
            Err(replaced) => {
                let method = method.to_owned();
                let reason = replaced.reason.clone();
                events.push(Event::AnswerReplaced { method, reason });
                Verdict::ForwardInstead(error_line(Some(id), replaced.code, &replaced.reason))
            }
        }
    }

    /// The result to forward instead, if it has to be another one.
    fn judge_result(
        &mut self,
        asked: Asked,
        result: Object<'_>,
        events: &mut Vec<Event>,
    ) -> Result<Option<Vec<u8>>, Replaced> {
        match asked.request {
            ClientRequest::ListTools => self.judge_page(asked, result, events),
            ClientRequest::Initialize | ClientRequest::Discover => {
                Ok(without_ungranted_capabilities(result))
            }
            ClientRequest::CallTool | ClientRequest::Listen | ClientRequest::Other(_) => Ok(None),
        }
    }

    fn judge_page(
        &mut self,
        asked: Asked,
        result: Object<'_>,
        events: &mut Vec<Event>,
    ) -> Result<Option<Vec<u8>>, Replaced> {
        let page = filter_page(result, &self.policy.allow, &asked.shown).map_err(|_| Replaced {
            code: codes::INTERNAL_ERROR,
            reason: "The server's tool list has no array `tools`".to_owned(),
        })?;
        if page.result.is_some() {
            events.push(Event::ToolsHidden {
                unlisted: page.unlisted,
                malformed: page.malformed,
                duplicates: page.duplicates,
            });
        }
        self.listings.remember(result, page.shown);
        Ok(page.result)
    }
}

/// What the client gets instead of the server's answer.
struct Replaced {
    code: i64,
    reason: String,
}

impl Replaced {
    fn not_granted(what: &str) -> Self {
        let reason = format!("The server asked for {what}; this right is not granted to it");
        Self {
            code: codes::NOT_GRANTED,
            reason,
        }
    }
}

/// Refuses results that are not results: requests for input (2026-07-28), tasks
/// (2025-11-25 `task`, the extension's `resultType`), and types of result not known here.
fn refuse_ungranted_result(result: Object<'_>) -> Result<(), Replaced> {
    if result.find("inputRequests").is_some() || result.find("requestState").is_some() {
        return Err(Replaced::not_granted("input from the user or the model"));
    }
    if result.find("task").is_some() {
        return Err(Replaced::not_granted("a task"));
    }
    match result.find("resultType").map(Value::as_text) {
        None => Ok(()),
        Some(Some(kind)) if kind == "complete" => Ok(()),
        Some(Some(kind)) if kind == "input_required" => {
            Err(Replaced::not_granted("input from the user or the model"))
        }
        Some(Some(kind)) if kind == "task" => Err(Replaced::not_granted("a task")),
        Some(kind) => {
            let kind = kept(&kind.unwrap_or_default());
            Err(Replaced::not_granted(&format!("a result of type `{kind}`")))
        }
    }
}

/// Takes out the capabilities that promise what the relay refuses.
fn without_ungranted_capabilities(result: Object<'_>) -> Option<Vec<u8>> {
    let announced = result.find("capabilities")?.as_object()?;
    let granted = announced.retain(|member| is_server_capability(member.raw_key));
    (granted != announced.raw()).then(|| result.with("capabilities", &granted))
}
