//! The rules for what the server sends: which requests, notifications and answers reach
//! the client, and what the client sees instead.

use super::capabilities::granted_of_server;
use super::catalogue::{ClientRequest, Kind, Side, TASK};
use super::codes;
use super::edited::Edited;
use super::event::{Event, kept};
use super::json::{Object, Value};
use super::look::Era;
use super::message::{Answer, Id, Message};
use super::pending::NotEntered;
use super::questions::{self, NotAsked, Question};
use super::reach;
use super::reply::error_line;
use super::session::{Asked, Session, Verdict};
use super::task_questions::AskedOfClient;
use super::tool_list::{NoToolArray, Page, Shown, filter_page};

impl Session {
    /// Beside `ping`, every request of a server is for a right of its own.
    pub(super) fn server_request(
        &mut self,
        id: &Id,
        method: &str,
        message: &Message<'_>,
        events: &mut Vec<Event>,
    ) -> Verdict {
        if self.policy.redaction.is_in_id(id) {
            // Another id would be one that the server doesn't wait for.
            let reason = "its id holds a secret of the server's";
            events.push(Event::ServerRequestRefused {
                method: kept(method),
                reason: reason.to_owned(),
            });
            let text = format!("Refused: {reason}");
            return Verdict::Answer(error_line(Some(id), codes::INVALID_REQUEST, &text));
        }
        let (asked, params) = match self.judge_server_request(method, message.params) {
            Ok(judged) => judged,
            Err(not_asked) => return refuse_server_request(id, method, not_asked, events),
        };
        match self.asked_by_server.enter(id.clone(), asked) {
            Ok(()) => match params {
                Some(params) => Verdict::ForwardInstead(message.root.with("params", &params)),
                None => Verdict::Forward,
            },
            Err(NotEntered::Duplicate) => {
                let reason = format!("a second request with id {id}");
                events.push(Event::DroppedFromServer { reason });
                Verdict::Drop
            }
            Err(NotEntered::Full) => {
                let reason = "too many requests are waiting for an answer";
                events.push(Event::ServerRequestRefused {
                    method: kept(method),
                    reason: reason.to_owned(),
                });
                Verdict::Answer(error_line(Some(id), codes::TOO_MANY_OUTSTANDING, reason))
            }
        }
    }

    /// What it asks, and the params to forward instead, if they must be others.
    fn judge_server_request(
        &self,
        method: &str,
        params: Option<Object<'_>>,
    ) -> Result<(AskedOfClient, Option<Vec<u8>>), NotAsked> {
        let asked = |question, step| AskedOfClient { question, step };
        if method == "ping" {
            return Ok((asked(Question::Ping, None), None));
        }
        if let Some(judged) = self.judge_task_request(method, params) {
            let mut edited = params.map(Edited::new);
            if let Some(edited) = &mut edited {
                edited.remove(TASK);
            }
            let changed = edited.and_then(Edited::changed);
            return judged.map(|(question, step)| (asked(question, Some(step)), changed));
        }
        let (question, changed) =
            questions::judge(method, params, &self.policy.grants, self.declared)?;
        let step = self.judge_question_wish(params)?;
        Ok((asked(question, step), changed))
    }

    pub(super) fn server_notification(
        &mut self,
        method: &str,
        message: &Message<'_>,
        events: &mut Vec<Event>,
    ) -> Verdict {
        let grants = &self.policy.grants;
        let passes = grants.admit(Side::Server, Kind::Notification, method)
            && match method {
                "notifications/tasks/status" => self.may_tell_status(message.params),
                "notifications/elicitation/complete" => self.declared.url,
                "notifications/resources/updated" => reach::may_update(message.params, grants),
                _ => true,
            };
        if !passes {
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
        let (call, step) = (asked.call, asked.step.clone());
        let judged = match answer {
            Answer::Error {
                code: codes::URL_ELICITATION_REQUIRED,
                error,
            } => self.judge_url_error(&asked, error),
            Answer::Error { .. } => Ok(None),
            Answer::Result(result) if questions::asks_for_input(result) => {
                self.judge_questions(&asked, result)
            }
            Answer::Result(result) => self
                .judge_task_result(&asked, result)
                .and_then(|()| self.judge_result(asked, result, events)),
        };
        let bytes = message.root.raw().len();
        self.end_answered(step.as_deref(), call, answer, judged.is_err(), bytes);
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
                Ok(self.judge_introduction(asked.request, result, events))
            }
            request => self.judge_list(request, result, events),
        }
    }

    /// A page of resources or prompts without those that the client does not reach.
    fn judge_list(
        &self,
        request: ClientRequest,
        result: Object<'_>,
        events: &mut Vec<Event>,
    ) -> Result<Option<Vec<u8>>, Replaced> {
        match reach::filter(request, result, &self.policy.grants) {
            None => Ok(None),
            Some(Ok(filtered)) => {
                if filtered.hidden > 0 {
                    events.push(Event::Hidden {
                        what: filtered.list,
                        count: filtered.hidden,
                    });
                }
                Ok(filtered.result)
            }
            Some(Err(list)) => Err(Replaced {
                code: codes::INTERNAL_ERROR,
                reason: format!("The server's answer has no array `{list}`"),
            }),
        }
    }

    /// A result that asks for input (2026-07-28) passes when all that it asks is granted.
    fn judge_questions(
        &mut self,
        asked: &Asked,
        result: Object<'_>,
    ) -> Result<Option<Vec<u8>>, Replaced> {
        let (Some(declared), Some(target)) = (asked.asking.declared, asked.asking.target) else {
            return Err(Replaced::not_granted("input from the user or the model"));
        };
        let question = questions::judge_result(result, &self.policy.grants, declared).map_err(
            |not_asked| Replaced::not_asked("input from the user or the model", &not_asked),
        )?;
        self.questions.remember(target, &question);
        Ok(question.result)
    }

    /// An error that asks for pages to be opened is one of 2025-11-25 only.
    fn judge_url_error(
        &self,
        asked: &Asked,
        error: Object<'_>,
    ) -> Result<Option<Vec<u8>>, Replaced> {
        let what = "a page to be opened (URL elicitation)";
        if asked.asking.declared.is_some() {
            return Err(Replaced::not_granted(what));
        }
        questions::judge_url_error(error, &self.policy.grants, self.declared)
            .map(|()| None)
            .map_err(|not_asked| Replaced::not_asked(what, &not_asked))
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
    fn judge_introduction(
        &self,
        request: ClientRequest,
        result: Object<'_>,
        events: &mut Vec<Event>,
    ) -> Option<Vec<u8>> {
        let era = match request {
            ClientRequest::Discover => Era::Stateless,
            _ => Era::Session,
        };
        let granted = granted_of_server(result, &self.policy.grants, era);
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

fn refuse_server_request(
    id: &Id,
    method: &str,
    not_asked: NotAsked,
    events: &mut Vec<Event>,
) -> Verdict {
    let text = match not_asked.code {
        codes::METHOD_NOT_FOUND => format!("Method not found: {}", kept(method)),
        _ => format!("Refused: {}", not_asked.reason),
    };
    events.push(Event::ServerRequestRefused {
        method: kept(method),
        reason: not_asked.reason,
    });
    Verdict::Answer(error_line(Some(id), not_asked.code, &text))
}

/// What the client gets instead of the server's answer.
pub(super) struct Replaced {
    code: i64,
    reason: String,
}

impl Replaced {
    pub(super) fn refused(reason: &str) -> Self {
        Self {
            code: codes::ANSWER_REFUSED,
            reason: format!("The server's answer was refused: {reason}"),
        }
    }

    fn not_asked(what: &str, not_asked: &NotAsked) -> Self {
        Self {
            code: codes::NOT_GRANTED,
            reason: format!(
                "The server asked for {what} and may not: {}",
                not_asked.reason
            ),
        }
    }

    fn not_granted(what: &str) -> Self {
        let reason = format!("The server asked for {what}; this right is not granted to it");
        Self {
            code: codes::NOT_GRANTED,
            reason,
        }
    }
}

/// Refuses results that are not results: requests for input (2026-07-28), tasks (2025-11-25
/// `task`, the extension's `resultType`), and types of result not known here.
pub(super) fn refuse_ungranted_result(result: Object<'_>) -> Result<(), Replaced> {
    if questions::asks_for_input(result) {
        return Err(Replaced::not_granted("input from the user or the model"));
    }
    if result.find(TASK).is_some() {
        return Err(Replaced::not_granted("a task"));
    }
    match result.find("resultType").map(Value::as_text) {
        None => Ok(()),
        Some(Some(kind)) if kind == "complete" => Ok(()),
        Some(Some(kind)) if kind == "task" => Err(Replaced::not_granted("a task")),
        Some(kind) => {
            let kind = kept(&kind.unwrap_or_default());
            Err(Replaced::not_granted(&format!("a result of type `{kind}`")))
        }
    }
}
