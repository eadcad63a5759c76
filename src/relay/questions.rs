//! What a server asks of the client: the same three requests, whether they come as requests of
//! its own or (2026-07-28) inside the result of a call. Pure: judged by what is granted and
//! what the client has declared.

use std::collections::{BTreeSet, HashMap, VecDeque};

use super::capabilities::Declared;
use super::catalogue::{ClientRequest, QUESTION_METHODS, Right, TASK};
use super::codes;
use super::confusion::refuse_confusing_keys;
use super::edited::Edited;
use super::event::kept;
use super::grants::Grants;
use super::json::{Object, Value};
use super::strict::write_string;
use super::tasks::check_wish;
use crate::lockfile::{Digest, is_hidden};

/// Most questions in one result.
const MAX_QUESTIONS: usize = 64;
/// Most results with questions that are remembered.
const MAX_REMEMBERED: usize = 1024;

/// A request of the server that waits for the client's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Question {
    Ping,
    Sampling,
    Elicitation,
    Roots,
}

/// Why the client is not asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NotAsked {
    pub(super) code: i64,
    pub(super) reason: String,
}

impl Question {
    fn of(method: &str) -> Option<Self> {
        match method {
            "sampling/createMessage" => Some(Self::Sampling),
            "elicitation/create" => Some(Self::Elicitation),
            "roots/list" => Some(Self::Roots),
            _ => None,
        }
    }
}

impl NotAsked {
    fn not_granted(right: Right) -> Self {
        Self {
            code: codes::METHOD_NOT_FOUND,
            reason: format!("`{}` does not grant it", right.setting()),
        }
    }

    fn not_declared() -> Self {
        Self {
            code: codes::METHOD_NOT_FOUND,
            reason: "the client has not declared that it can".to_owned(),
        }
    }

    pub(super) fn bad(reason: &str) -> Self {
        Self {
            code: codes::INVALID_PARAMS,
            reason: reason.to_owned(),
        }
    }
}

/// Judges one question; the answer holds the params to forward instead, if they must be others.
pub(super) fn judge(
    method: &str,
    params: Option<Object<'_>>,
    grants: &Grants,
    declared: Declared,
) -> Result<(Question, Option<Vec<u8>>), NotAsked> {
    let Some(question) = Question::of(method) else {
        return Err(NotAsked {
            code: codes::METHOD_NOT_FOUND,
            reason: "it is unknown or never granted".to_owned(),
        });
    };
    let (right, can) = match question {
        Question::Elicitation => (Right::Elicitation, declared.form || declared.url),
        Question::Roots => (Right::Roots, declared.roots),
        Question::Sampling | Question::Ping => (Right::Sampling, declared.sampling),
    };
    if !grants.has(right) {
        return Err(NotAsked::not_granted(right));
    }
    if !can {
        return Err(NotAsked::not_declared());
    }
    if let Some(wish) = params.and_then(|params| params.find(TASK)) {
        judge_wish(question, wish, grants, declared)?;
    }
    let changed = match (question, params) {
        (Question::Sampling, Some(params)) => judge_sampling(params, declared)?,
        (Question::Elicitation, Some(params)) => {
            judge_elicitation(params, grants, declared)?;
            None
        }
        (Question::Sampling | Question::Elicitation, None) => {
            return Err(NotAsked::bad("it has no `params`"));
        }
        _ => None,
    };
    Ok((question, changed))
}

/// Whether it may be made a task. Inside of a result none may: the client of a request of
/// 2026-07-28 has declared no tasks.
fn judge_wish(
    question: Question,
    wish: Value<'_>,
    grants: &Grants,
    declared: Declared,
) -> Result<(), NotAsked> {
    if !grants.has(Right::Tasks) {
        let reason = "it is to be a task, and tasks are not granted";
        return Err(NotAsked::bad(reason));
    }
    let can = match question {
        Question::Sampling => declared.sampling_tasks,
        Question::Elicitation => declared.elicitation_tasks,
        Question::Ping | Question::Roots => false,
    };
    if !can {
        let reason = "it is to be a task, and the client has not declared that it can";
        return Err(NotAsked::bad(reason));
    }
    check_wish(wish).map_err(NotAsked::bad)
}

fn judge_sampling(params: Object<'_>, declared: Declared) -> Result<Option<Vec<u8>>, NotAsked> {
    let with_tools = ["tools", "toolChoice"]
        .iter()
        .any(|key| params.find(key).is_some());
    if with_tools && !declared.sampling_tools {
        return Err(NotAsked::bad(
            "the client has not declared `sampling.tools`",
        ));
    }
    // What other servers have said is not for this one to be put before the model.
    let mut edited = Edited::new(params);
    if params.find("includeContext").map(Value::raw) != Some(b"\"none\"") {
        edited.remove("includeContext");
    }
    Ok(edited.changed())
}

fn judge_elicitation(
    params: Object<'_>,
    grants: &Grants,
    declared: Declared,
) -> Result<(), NotAsked> {
    let mode = params.find("mode").map(Value::as_text);
    match mode {
        None if declared.form => Ok(()),
        Some(Some(mode)) if mode == "form" && declared.form => Ok(()),
        Some(Some(mode)) if mode == "url" => {
            if !grants.has(Right::UrlElicitation) {
                Err(NotAsked {
                    code: codes::INVALID_PARAMS,
                    ..NotAsked::not_granted(Right::UrlElicitation)
                })
            } else if !declared.url {
                Err(NotAsked::bad(
                    "the client has not declared `elicitation.url`",
                ))
            } else {
                check_url(params)
            }
        }
        None | Some(Some(_)) => Err(NotAsked::bad("the client has not declared this mode")),
        Some(None) => Err(NotAsked::bad("`mode` is not a string")),
    }
}

/// A page may be asked for, not whatever else an address can start on the user's machine.
fn check_url(params: Object<'_>) -> Result<(), NotAsked> {
    let url = params.find("url").and_then(Value::as_text);
    let url = url.unwrap_or_default();
    let is_web = ["https://", "http://"].iter().any(|scheme| {
        url.get(..scheme.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    });
    let hidden = url
        .chars()
        .any(|character| is_hidden(character) || character.is_whitespace());
    if is_web && !hidden {
        Ok(())
    } else {
        Err(NotAsked::bad("`url` is not the address of a web page"))
    }
}

/// Whether the pages that an error asks for (`-32042`, 2025-11-25) may be asked for.
pub(super) fn judge_url_error(
    error: Object<'_>,
    grants: &Grants,
    declared: Declared,
) -> Result<(), NotAsked> {
    if !grants.has(Right::UrlElicitation) {
        return Err(NotAsked::not_granted(Right::UrlElicitation));
    }
    if !declared.url {
        return Err(NotAsked::not_declared());
    }
    let bad = || NotAsked::bad("its `data.elicitations` are not elicitations of the mode `url`");
    let data = error
        .find("data")
        .and_then(Value::as_object)
        .ok_or_else(bad)?;
    refuse_confusing_keys(data, &["elicitations"]).map_err(|_| bad())?;
    let list = data
        .find("elicitations")
        .and_then(Value::as_array)
        .ok_or_else(bad)?;
    for entry in list {
        let entry = entry.as_object().ok_or_else(bad)?;
        refuse_confusing_keys(entry, &[]).map_err(|_| bad())?;
        if entry.find("mode").map(Value::raw) != Some(b"\"url\"") {
            return Err(bad());
        }
        check_url(entry)?;
    }
    Ok(())
}

/// A result that asks for input, judged.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Asked {
    /// The result to forward instead, if it must be another one.
    pub(super) result: Option<Vec<u8>>,
    /// Digests of the keys under which answers may come.
    pub(super) keys: BTreeSet<Digest>,
    /// The state that the client is to send back, as canonical JSON.
    pub(super) state: Option<Digest>,
}

/// Whether this result is a question, or pretends to be one.
pub(super) fn asks_for_input(result: Object<'_>) -> bool {
    result.find("inputRequests").is_some()
        || result.find("requestState").is_some()
        || result.find("resultType").map(Value::raw) == Some(b"\"input_required\"")
}

/// Judges a result for which [`asks_for_input`] holds: all its questions pass, or none.
pub(super) fn judge_result(
    result: Object<'_>,
    grants: &Grants,
    declared: Declared,
) -> Result<Asked, NotAsked> {
    let requests = result.find("inputRequests");
    let state = result.find("requestState");
    if result.find("resultType").map(Value::raw) != Some(b"\"input_required\"")
        || (requests.is_none() && state.is_none())
        || state.is_some_and(|state| state.as_text().is_none())
        || result.find(TASK).is_some()
    {
        return Err(NotAsked::bad("it is not a question of 2026-07-28"));
    }
    let mut asked = Asked {
        result: None,
        keys: BTreeSet::new(),
        state: state.map(|state| Digest::of(state.raw())),
    };
    let Some(requests) = requests else {
        return Ok(asked);
    };
    let requests = requests
        .as_object()
        .ok_or_else(|| NotAsked::bad("`inputRequests` is not an object"))?;
    let mut changed = false;
    let mut output = b"{".to_vec();
    for member in requests.members() {
        if asked.keys.len() == MAX_QUESTIONS {
            return Err(NotAsked::bad("these are too many questions at once"));
        }
        asked.keys.insert(Digest::of(member.raw_key));
        let request = judge_inner(member.value, grants, declared)?;
        if output.len() > 1 {
            output.push(b',');
        }
        write_string(&mut output, &member.key());
        output.push(b':');
        changed |= request.as_slice() != member.value.raw();
        output.extend_from_slice(&request);
    }
    output.push(b'}');
    asked.result = changed.then(|| result.with("inputRequests", &output));
    Ok(asked)
}

/// One of `inputRequests` as it is forwarded.
fn judge_inner(
    request: Value<'_>,
    grants: &Grants,
    declared: Declared,
) -> Result<Vec<u8>, NotAsked> {
    let bad = || NotAsked::bad("one of `inputRequests` is not a request");
    let request = request.as_object().ok_or_else(bad)?;
    refuse_confusing_keys(request, &[]).map_err(|_| bad())?;
    let method = request
        .find("method")
        .and_then(Value::as_text)
        .ok_or_else(bad)?;
    let params = match request.find("params") {
        None => None,
        Some(params) => Some(params.as_object().ok_or_else(bad)?),
    };
    if let Some(params) = params {
        refuse_confusing_keys(params, &[]).map_err(|_| bad())?;
    }
    let (_, changed) = judge(&method, params, grants, declared).map_err(|not_asked| NotAsked {
        reason: format!("`{}`: {}", kept(&method), not_asked.reason),
        ..not_asked
    })?;
    let mut edited = Edited::new(request);
    if let Some(params) = changed {
        edited.set("params", &params);
    }
    Ok(edited.changed().unwrap_or_else(|| request.raw().to_vec()))
}

/// The questions that results have asked, so that only an answer to one of them gets through.
/// The oldest are forgotten.
#[derive(Debug, Default)]
pub(super) struct Questions {
    by_retry: HashMap<Digest, BTreeSet<Digest>>,
    oldest_first: VecDeque<Digest>,
}

impl Questions {
    /// Notes the questions of a result to `request` with this target.
    pub(super) fn remember(&mut self, target: Digest, asked: &Asked) {
        let retry = retry(target, asked.state);
        let keys = match self.by_retry.get(&retry) {
            // Without a state two calls at once ask under one name.
            Some(before) if before.len() + asked.keys.len() <= MAX_QUESTIONS => {
                before.union(&asked.keys).copied().collect()
            }
            _ => asked.keys.clone(),
        };
        if self.by_retry.insert(retry, keys).is_none() {
            self.oldest_first.push_back(retry);
            if self.oldest_first.len() > MAX_REMEMBERED
                && let Some(oldest) = self.oldest_first.pop_front()
            {
                self.by_retry.remove(&oldest);
            }
        }
    }

    /// Whether a request with this target may carry this state, and answers at all.
    pub(super) fn expect(
        &self,
        target: Digest,
        state: Option<Value<'_>>,
        responses: Option<Object<'_>>,
    ) -> bool {
        let answers = responses.is_some_and(|responses| responses.members().next().is_some());
        self.keys(target, state)
            .is_some_and(|keys| !answers || !keys.is_empty())
    }

    /// The answers to what was asked, if there are others among them. A server is to ignore
    /// those (MRTR, 2026-07-28), so a request is not refused for them; but they don't reach it.
    pub(super) fn without_unasked(
        &self,
        target: Digest,
        state: Option<Value<'_>>,
        responses: Object<'_>,
    ) -> Option<Vec<u8>> {
        let keys = self.keys(target, state);
        let kept = responses
            .retain(|member| keys.is_some_and(|keys| keys.contains(&Digest::of(member.raw_key))));
        (kept != responses.raw()).then_some(kept)
    }

    fn keys(&self, target: Digest, state: Option<Value<'_>>) -> Option<&BTreeSet<Digest>> {
        let retry = retry(target, state.map(|state| Digest::of(state.raw())));
        self.by_retry.get(&retry)
    }
}

/// What a request is about: only the same one may bring the answers. `None` for a request whose
/// result may ask nothing.
pub(super) fn target(request: ClientRequest, params: Option<Object<'_>>) -> Option<Digest> {
    let method = request.method();
    if !QUESTION_METHODS.contains(&method) {
        return None;
    }
    let key = match request {
        ClientRequest::ReadResource => "uri",
        _ => "name",
    };
    let name = params.and_then(|params| params.find(key)).map(Value::raw);
    // Canonical JSON holds no line feed.
    Some(Digest::of(
        &[method.as_bytes(), b"\n", name.unwrap_or_default()].concat(),
    ))
}

fn retry(target: Digest, state: Option<Digest>) -> Digest {
    Digest::of(
        format!(
            "{target}\n{}",
            state.map_or_else(String::new, |state| state.to_string())
        )
        .as_bytes(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_asked_is_remembered_and_bounded() {
        let asked = |key: &str, state: &str| Asked {
            result: None,
            keys: [Digest::of(key.as_bytes())].into(),
            state: (!state.is_empty()).then(|| Digest::of(state.as_bytes())),
        };
        let target = Digest::of(b"target");
        let mut questions = Questions::default();
        questions.remember(target, &asked("a", ""));
        questions.remember(target, &asked("b", ""));
        let retry = retry(target, None);
        assert_eq!(questions.by_retry[&retry].len(), 2);
        for number in 0..MAX_QUESTIONS {
            questions.remember(target, &asked(&number.to_string(), ""));
        }
        assert!(questions.by_retry[&retry].len() <= MAX_QUESTIONS);
        for number in 0..MAX_REMEMBERED {
            questions.remember(target, &asked("a", &number.to_string()));
        }
        assert_eq!(questions.by_retry.len(), MAX_REMEMBERED);
        assert_eq!(questions.oldest_first.len(), MAX_REMEMBERED);
        assert!(!questions.by_retry.contains_key(&retry));
    }
}
