//! The rules for tasks (2025-11-25) that calls are made: whose result the client may fetch, and
//! what that result has to be. A task is one of this session, made by a call that passed all the
//! other rules; its result is judged as the result of that call. Those that the server's
//! questions are made: `task_questions`.

use super::catalogue::{ClientRequest, Right, TASK, TaskRequest};
use super::client_rules::{Refused, is_stateless};
use super::codes;
use super::event::{Event, kept};
use super::json::Object;
use super::message::{Answer, Id, Message};
use super::questions::Question;
use super::reply::tool_error_line;
use super::server_rules::{Replaced, refuse_ungranted_result};
use super::session::{Asked, Session};
use super::tasks::{
    Key, NotNoted, State, Step, Tasks, asked_id, check_wish, read_made, read_state, related,
};
use crate::lockfile::ToolName;

pub(super) const NOT_KNOWN: &str = "this session has no such task";
pub(super) const TOO_MANY: &str = "too many tasks are under way";

/// A call that was made a task.
#[derive(Debug)]
pub(super) struct Called {
    pub(super) tool: ToolName,
    /// Its number in the record of calls, until its end is recorded.
    pub(super) call: Option<u64>,
}

/// All tasks of one session.
#[derive(Debug)]
pub(super) struct SessionTasks {
    /// Calls of the client, which the server works on.
    pub(super) calls: Tasks<Called>,
    /// Questions of the server, which the client works on.
    pub(super) questions: Tasks<Question>,
}

impl SessionTasks {
    pub(super) fn new() -> Self {
        Self {
            calls: Tasks::new(),
            questions: Tasks::new(),
        }
    }

    pub(super) fn knows(&self, id: &str) -> bool {
        self.calls.key(id).is_some() || self.questions.key(id).is_some()
    }
}

impl Session {
    /// What an admitted request of the client has to do with tasks.
    pub(super) fn task_step(
        &self,
        request: ClientRequest,
        method: &str,
        message: &Message<'_>,
    ) -> Result<Option<Step<ToolName>>, Refused> {
        let invalid = |reason: &str| Refused::other(codes::INVALID_PARAMS, method, reason);
        if let ClientRequest::Task(request) = request {
            if is_stateless(message) {
                return Err(Refused::unknown_method(
                    method,
                    "the tasks of 2026-07-28 are not granted",
                ));
            }
            let id = asked_id(message.params).map_err(invalid)?;
            let key = self
                .tasks
                .calls
                .key(&id)
                .ok_or_else(|| invalid(NOT_KNOWN))?;
            return Ok(Some(Step::Of { key, request }));
        }
        let wish = message.params.and_then(|params| params.find(TASK));
        if let Some(wish) = wish {
            if !self.policy.grants.has(Right::Tasks) {
                return Err(invalid("tasks are not granted to this server"));
            }
            if request != ClientRequest::CallTool || is_stateless(message) {
                return Err(invalid("only a call of 2025-11-25 can be made a task"));
            }
            check_wish(wish).map_err(invalid)?;
            if self.tasks.calls.is_full() {
                return Err(Refused::other(
                    codes::TOO_MANY_OUTSTANDING,
                    method,
                    TOO_MANY,
                ));
            }
            // One that is not on the list is refused as a call.
            let name = message.param_text("name");
            let tool = name.and_then(|name| self.policy.allow.get(name.as_ref()));
            return Ok(tool.cloned().map(Step::Make));
        }
        Ok(None)
    }

    /// The answer to a request for the result of a tool that is not as it was agreed.
    pub(super) fn withhold_task_result(
        &self,
        id: &Id,
        method: &str,
        message: &Message<'_>,
        events: &mut Vec<Event>,
    ) -> Option<Vec<u8>> {
        if TaskRequest::of(method) != Some(TaskRequest::Result) {
            return None;
        }
        let task = self.tasks.calls.key(&asked_id(message.params).ok()?)?;
        let tool = &self.tasks.calls.find(&task)?.tool;
        let drift = self.drift_of(tool)?;
        let text = format!(
            "pinfold did not fetch the result of `{tool}`: {drift}. The user can see what changed with `{}`.",
            self.definitions.review()
        );
        events.push(Event::RequestRefused {
            method: kept(method),
            reason: format!("it fetches a result of `{tool}`: {drift}"),
        });
        Some(tool_error_line(id, &text, is_stateless(message)))
    }

    /// A result of the server's for a request that has to do with tasks. What is not judged
    /// here is judged as every result is.
    pub(super) fn judge_task_result(
        &mut self,
        asked: &Asked,
        result: Object<'_>,
    ) -> Result<(), Replaced> {
        match asked.step.as_deref() {
            Some(Step::Make(tool)) if result.find(TASK).is_some() => {
                let state = read_made(result).map_err(Replaced::refused)?;
                if self.policy.redaction.is_in_id(&Id::Text(state.id.clone())) {
                    let reason = "the id of a task holds a secret of the server's";
                    return Err(Replaced::refused(reason));
                }
                let called = Called {
                    tool: tool.clone(),
                    call: asked.call,
                };
                let noted = self.tasks.calls.note(state.id.clone(), called);
                noted.map_err(|not_noted| Replaced::refused(reason_of(not_noted)))?;
                self.is_over(&state);
                Ok(())
            }
            None | Some(Step::Make(_)) => refuse_ungranted_result(result),
            Some(Step::Of { key, request }) => {
                refuse_ungranted_result(result)?;
                match request {
                    TaskRequest::Result => self.judge_fetched(key, result),
                    TaskRequest::Get | TaskRequest::Cancel => {
                        let state = state_of(&key.id, result).map_err(Replaced::refused)?;
                        self.is_over(&state);
                        Ok(())
                    }
                }
            }
        }
    }

    /// The result of a call, by way of its task.
    fn judge_fetched(&self, key: &Key, result: Object<'_>) -> Result<(), Replaced> {
        let Some(called) = self.tasks.calls.find(key) else {
            return Err(Replaced::refused(NOT_KNOWN));
        };
        if let Some(drift) = self.drift_of(&called.tool) {
            let reason = format!("it is a result of `{}`, and {drift}", called.tool);
            return Err(Replaced::refused(&reason));
        }
        match related(result) {
            Some(other) if other != key.id => Err(Replaced::refused("it belongs to another task")),
            _ => Ok(()),
        }
    }

    fn is_over(&mut self, state: &State) {
        let forgotten = self.tasks.calls.see(state);
        self.end_unfetched(forgotten);
    }

    /// A call is forgotten whose result nobody has fetched.
    fn end_unfetched(&mut self, called: Option<Called>) {
        if let Some(call) = called.and_then(|called| called.call) {
            self.end_call_unanswered(call);
        }
    }

    /// A request of the client was answered: records the end of the call that it was, or whose
    /// result it fetches. `refused`: the answer is not passed on.
    pub(super) fn end_answered(
        &mut self,
        step: Option<&Step<ToolName>>,
        call: Option<u64>,
        answer: Answer<'_>,
        refused: bool,
        bytes: usize,
    ) {
        let is_made =
            |answer| matches!(answer, Answer::Result(result) if result.find(TASK).is_some());
        let call = match step {
            Some(Step::Make(_)) if !refused && is_made(answer) => return,
            Some(Step::Of { key, request }) if *request == TaskRequest::Result => {
                if refused || matches!(answer, Answer::Error { .. }) {
                    // An error is what the call itself would have been answered with.
                    let called = self.tasks.calls.close(key);
                    called.and_then(|called| called.call)
                } else {
                    let called = self.tasks.calls.find_mut(key);
                    let call = called.and_then(|called| called.call.take());
                    let forgotten = self.tasks.calls.set_over(key);
                    self.end_unfetched(forgotten);
                    call
                }
            }
            _ => call,
        };
        if let Some(call) = call {
            self.end_call(call, answer, refused, bytes);
        }
    }

    /// The line that answers it can't be read; the call that ends with it.
    pub(super) fn unreadable_answer(&mut self, asked: &Asked) -> Option<u64> {
        match asked.step.as_deref() {
            Some(Step::Of { key, request }) if *request == TaskRequest::Result => {
                self.tasks.calls.close(key)?.call
            }
            _ => asked.call,
        }
    }

    /// Whether the server may tell the client this about a task.
    pub(super) fn may_tell_status(&mut self, params: Option<Object<'_>>) -> bool {
        let Some(Ok(state)) = params.map(read_state) else {
            return false;
        };
        let known = self.tasks.calls.key(&state.id).is_some();
        if known {
            self.is_over(&state);
        }
        known
    }
}

/// The state of this task and no other.
pub(super) fn state_of(id: &str, result: Object<'_>) -> Result<State, &'static str> {
    let state = read_state(result)?;
    if state.id == id {
        Ok(state)
    } else {
        Err("it is the state of another task")
    }
}

pub(super) fn reason_of(not_noted: NotNoted) -> &'static str {
    match not_noted {
        NotNoted::Known => "the id of a new task is that of another one",
        NotNoted::TooMany => TOO_MANY,
    }
}
