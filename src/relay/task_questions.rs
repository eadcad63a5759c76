//! The rules for tasks (2025-11-25) that a server's questions are made, and for what its messages
//! say that they belong to. The other direction is in `task_rules`.

use super::catalogue::{RELATED_TASK_META, Right, TASK, TaskRequest};
use super::codes;
use super::event::{Event, kept};
use super::json::{Object, Value};
use super::message::Id;
use super::questions::{NotAsked, Question};
use super::reply::error_line;
use super::session::{Session, Verdict};
use super::task_rules::{NOT_KNOWN, TOO_MANY, reason_of, state_of};
use super::tasks::{Step, asked_id, read_made, read_state, related};

/// A request of the server that waits for the client's answer.
#[derive(Debug)]
pub(super) struct AskedOfClient {
    pub(super) question: Question,
    pub(super) step: Option<Step<()>>,
}

impl Session {
    /// A request of the server's about one of its tasks; `None`: it is none, or not granted.
    pub(super) fn judge_task_request(
        &self,
        method: &str,
        params: Option<Object<'_>>,
    ) -> Option<Result<(Question, Step<()>), NotAsked>> {
        let request = TaskRequest::of(method)?;
        if !self.policy.grants.has(Right::Tasks) {
            return None;
        }
        let judged = asked_id(params).and_then(|id| {
            let tasks = &self.tasks.questions;
            let key = tasks.key(&id).ok_or(NOT_KNOWN)?;
            let question = *tasks.find(&key).ok_or(NOT_KNOWN)?;
            Ok((question, Step::Of { key, request }))
        });
        Some(judged.map_err(NotAsked::bad))
    }

    /// Whether one more question may be made a task.
    pub(super) fn judge_question_wish(
        &self,
        params: Option<Object<'_>>,
    ) -> Result<Option<Step<()>>, NotAsked> {
        if params.and_then(|params| params.find(TASK)).is_none() {
            return Ok(None);
        }
        if self.tasks.questions.is_full() {
            return Err(NotAsked {
                code: codes::TOO_MANY_OUTSTANDING,
                ..NotAsked::bad(TOO_MANY)
            });
        }
        Ok(Some(Step::Make(())))
    }

    /// A result of the client's; an error is told to the server in its place.
    pub(super) fn judge_client_task_result(
        &mut self,
        asked: &AskedOfClient,
        result: Object<'_>,
    ) -> Result<(), &'static str> {
        let tasks = &mut self.tasks.questions;
        match &asked.step {
            Some(Step::Make(())) if result.find(TASK).is_some() => {
                let state = read_made(result)?;
                let noted = tasks.note(state.id.clone(), asked.question);
                noted.map_err(reason_of)?;
                tasks.see(&state);
                Ok(())
            }
            None | Some(Step::Make(())) => Ok(()),
            Some(Step::Of { key, request }) if *request == TaskRequest::Result => {
                if tasks.find(key).is_none() {
                    return Err(NOT_KNOWN);
                }
                if result.find(TASK).is_some() {
                    return Err("a task in the place of a result");
                }
                tasks.set_over(key);
                Ok(())
            }
            Some(Step::Of { key, .. }) => {
                tasks.see(&state_of(&key.id, result)?);
                Ok(())
            }
        }
    }

    /// The server gets an error: the end of a task whose result it has asked for.
    pub(super) fn client_task_failed(&mut self, asked: &AskedOfClient) {
        if let Some(Step::Of { key, request }) = &asked.step
            && *request == TaskRequest::Result
        {
            self.tasks.questions.close(key);
        }
    }

    /// Whether the client may tell the server this about a task.
    pub(super) fn may_tell_server_status(&mut self, params: Option<Object<'_>>) -> bool {
        let Some(Ok(state)) = params.map(read_state) else {
            return false;
        };
        self.tasks.questions.see(&state);
        self.tasks.questions.key(&state.id).is_some()
    }

    /// A canonical line for the client without a task that it says to belong to and that is none
    /// of this session's: answers to it would be kept for that one. `None`: as it is.
    pub(super) fn without_foreign_task(&self, line: &[u8]) -> Option<Vec<u8>> {
        memchr::memmem::find(line, RELATED_TASK_META.as_bytes())?;
        let root = Object::of_canonical(line);
        let key = ["params", "result"].into_iter().find(|key| {
            let inner = root.find(key).and_then(Value::as_object);
            inner
                .and_then(related)
                .is_some_and(|task| !self.tasks.knows(&task))
        })?;
        let inner = root.find(key)?.as_object()?;
        let meta = inner.find("_meta")?.as_object()?;
        let meta = meta.without(RELATED_TASK_META);
        Some(root.with(key, &inner.with("_meta", &meta)))
    }
}

/// The error that the server gets in the place of the client's answer.
pub(super) fn refuse_client_answer(id: &Id, reason: &str, events: &mut Vec<Event>) -> Verdict {
    let reason = format!("the client's answer was refused: {}", kept(reason));
    events.push(Event::DroppedFromClient {
        reason: reason.clone(),
    });
    Verdict::ForwardInstead(error_line(Some(id), codes::INTERNAL_ERROR, &reason))
}
