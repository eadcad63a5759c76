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
use super::tool_list::{NoToolArray, Page, Shown, filter_page};

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
        match method {
            "notifications/cancelled" => self.server_cancels(message),
            "notifications/tools/list_changed" if self.definitions.are_pinned() => {
                self.definitions.all_in_question(&self.policy.allow);
                self.looks.changed(self.now);
            }
            _ => {}
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
        if self.looks.is_own(id) {
            self.own_answer(answer, events);
            return Verdict::Drop;
        }
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
                Ok(self.judge_introduction(result, events))
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
        let page = self
            .filter(result, &asked.shown, events)
            .map_err(|_| Replaced {
                code: codes::INTERNAL_ERROR,
                reason: "The server's tool list has no array `tools`".to_owned(),
            })?;
        if page.unlisted + page.malformed + page.duplicates > 0 {
            events.push(Event::ToolsHidden {
                unlisted: page.unlisted,
                malformed: page.malformed,
                duplicates: page.duplicates,
            });
        }
        self.listings.remember(result, page.shown);
        if result.find("nextCursor").is_none() {
            self.say_what_was_shown(events);
        }
        Ok(page.result)
    }

    /// A page without what is not on the list, and without what is not as it was agreed.
    fn filter(
        &mut self,
        result: Object<'_>,
        before: &Shown,
        events: &mut Vec<Event>,
    ) -> Result<Page, NoToolArray> {
        let definitions = &mut self.definitions;
        filter_page(result, &self.policy.allow, before, |name, definition| {
            definitions.see(name, definition, events)
        })
    }

    fn say_what_was_shown(&self, events: &mut Vec<Event>) {
        if self.definitions.are_pinned() {
            events.push(Event::ToolsShown {
                differing: self.definitions.differing(),
            });
        }
    }

    /// The answer to the relay's own look.
    fn own_answer(&mut self, answer: Answer<'_>, events: &mut Vec<Event>) {
        if let Err(reason) = self.judge_own_answer(answer, events) {
            self.looks.fail();
            events.push(Event::LookFailed { reason });
        }
    }

    fn judge_own_answer(
        &mut self,
        answer: Answer<'_>,
        events: &mut Vec<Event>,
    ) -> Result<(), String> {
        let result = match answer {
            Answer::Error { code, .. } => return Err(format!("the server answers error {code}")),
            Answer::Result(result) => result,
        };
        refuse_ungranted_result(result).map_err(|replaced| replaced.reason)?;
        let before = self.looks.shown();
        let page = self
            .filter(result, &before, events)
            .map_err(|_| "its tool list has no array `tools`".to_owned())?;
        match result.find("nextCursor") {
            None => {
                if self.looks.complete(self.now) {
                    self.definitions.all_shown();
                } else {
                    // It may have been answered before the change.
                    self.definitions.all_in_question(&self.policy.allow);
                }
                self.say_what_was_shown(events);
                Ok(())
            }
            Some(cursor) if cursor.as_text().is_some() => {
                let taken = |id: &Id| self.asked_by_client.contains(id);
                self.looks
                    .next_page(cursor.raw(), result.raw().len(), page.shown, taken)
                    .map_err(str::to_owned)
            }
            Some(_) => Err("`nextCursor` is not a string".to_owned()),
        }
    }

    /// The answer to `initialize` or `server/discover`, without what is not granted and
    /// without instructions that were not agreed.
    fn judge_introduction(&self, result: Object<'_>, events: &mut Vec<Event>) -> Option<Vec<u8>> {
        let granted = without_ungranted_capabilities(result);
        let instructions = result.find("instructions");
        let agreed = instructions.is_none_or(|instructions| {
            self.definitions
                .instructions_agreed(instructions.as_text().as_deref())
        });
        if agreed {
            return granted;
        }
        events.push(Event::InstructionsWithheld {
            review: self.definitions.review().to_owned(),
        });
        let result = granted.as_deref().map_or(result, Object::of_canonical);
        Some(result.without("instructions"))
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
