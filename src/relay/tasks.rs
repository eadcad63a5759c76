//! Tasks (2025-11-25): requests that are answered with an id, by which their result is fetched
//! later. Which ids of one direction are known, and what the messages about them look like.
//! Pure; what may pass is decided in `task_rules`.

use std::collections::{HashMap, VecDeque};

use super::catalogue::{RELATED_TASK_META, RETRY_PARAMS, TASK, TaskRequest};
use super::confusion::{ROUTED_IN_TASKS, refuse_confusing_keys};
use super::json::{Object, Value};

/// Most tasks of one direction whose result may still come.
pub(super) const MAX_LIVE: usize = 1024;
/// Most tasks that are over and still known, so that their result can be fetched again.
pub(super) const MAX_OVER: usize = 1024;
/// Longest id, in bytes.
const MAX_ID_BYTES: usize = 256;
/// Longest times that are asked for, in milliseconds: what a double holds exactly.
const MAX_TIME: i64 = (1 << 53) - 1;
/// What `params.task` may hold. `pollInterval` is not in the schema; the official TypeScript SDK
/// sends it.
const WISHES: [&str; 2] = ["ttl", "pollInterval"];

/// What a request has to do with tasks; `T` is what is known of the one that it makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step<T> {
    Make(T),
    Of { key: Key, request: TaskRequest },
}

/// One task. An id that was closed may be given again: that is another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) id: String,
    number: u64,
}

/// The tasks of one direction, by id.
#[derive(Debug)]
pub(super) struct Tasks<T> {
    by_id: HashMap<String, Known<T>>,
    /// Those that are over, oldest first. They give way to newer ones.
    over: VecDeque<String>,
    /// How many there were.
    count: u64,
}

#[derive(Debug)]
struct Known<T> {
    number: u64,
    what: T,
    is_over: bool,
}

/// Why a task was not noted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotNoted {
    Known,
    TooMany,
}

impl<T> Tasks<T> {
    pub(super) fn new() -> Self {
        Self {
            by_id: HashMap::new(),
            over: VecDeque::new(),
            count: 0,
        }
    }

    /// Whether no more may be made.
    pub(super) fn is_full(&self) -> bool {
        self.by_id.len() - self.over.len() >= MAX_LIVE
    }

    pub(super) fn note(&mut self, id: String, what: T) -> Result<(), NotNoted> {
        if self.by_id.contains_key(&id) {
            return Err(NotNoted::Known);
        }
        if self.is_full() {
            return Err(NotNoted::TooMany);
        }
        self.count += 1;
        let known = Known {
            number: self.count,
            what,
            is_over: false,
        };
        self.by_id.insert(id, known);
        Ok(())
    }

    /// The task that has this id now.
    pub(super) fn key(&self, id: &str) -> Option<Key> {
        let known = self.by_id.get(id)?;
        Some(Key {
            id: id.to_owned(),
            number: known.number,
        })
    }

    pub(super) fn find(&self, key: &Key) -> Option<&T> {
        let known = self.by_id.get(&key.id);
        known
            .filter(|known| known.number == key.number)
            .map(|known| &known.what)
    }

    pub(super) fn find_mut(&mut self, key: &Key) -> Option<&mut T> {
        let known = self.by_id.get_mut(&key.id);
        known
            .filter(|known| known.number == key.number)
            .map(|known| &mut known.what)
    }

    /// Nothing more happens to a task; gives the one that is forgotten for it, if one is.
    pub(super) fn set_over(&mut self, key: &Key) -> Option<T> {
        let is_it = |known: &&mut Known<T>| known.number == key.number && !known.is_over;
        let known = self.by_id.get_mut(&key.id).filter(is_it)?;
        known.is_over = true;
        self.over.push_back(key.id.clone());
        if self.over.len() <= MAX_OVER {
            return None;
        }
        let oldest = self.over.pop_front()?;
        self.by_id.remove(&oldest).map(|known| known.what)
    }

    /// Notes what is said of a task, if there is one; as [`Self::set_over`].
    pub(super) fn see(&mut self, state: &State) -> Option<T> {
        let key = self.key(&state.id).filter(|_| state.is_over)?;
        self.set_over(&key)
    }

    /// Forgets a task: its id means nothing any more.
    pub(super) fn close(&mut self, key: &Key) -> Option<T> {
        self.find(key)?;
        let known = self.by_id.remove(&key.id)?;
        if known.is_over {
            self.over.retain(|over| *over != key.id);
        }
        Some(known.what)
    }
}

/// What a side says of a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct State {
    pub(super) id: String,
    /// Whether nothing more happens to it.
    pub(super) is_over: bool,
}

/// Checks `params.task`, the wish for a task.
pub(super) fn check_wish(wish: Value<'_>) -> Result<(), &'static str> {
    let bad = "`task` holds something else than a time in milliseconds, `ttl`";
    let wish = wish.as_object().ok_or("`task` is not an object")?;
    let fine = wish.members().all(|member| {
        let time = member.value.as_integer();
        WISHES.iter().any(|key| member.raw_key == key.as_bytes())
            && time.is_some_and(|time| (0..=MAX_TIME).contains(&time))
    });
    if fine { Ok(()) } else { Err(bad) }
}

/// The id in a request about a task.
pub(super) fn asked_id(params: Option<Object<'_>>) -> Result<String, &'static str> {
    let params = params.ok_or("it names no task")?;
    refuse_confusing_keys(params, &ROUTED_IN_TASKS)
        .map_err(|_| "what it names can be read in two ways")?;
    let id = params.find("taskId").and_then(Value::as_text);
    id.filter(|id| is_proper(id))
        .map(|id| id.into_owned())
        .ok_or("`taskId` is not an id")
}

/// Reads the state of a task. Of the extension's state (2026-07-28), which has results and
/// questions in it, nothing is taken for one.
pub(super) fn read_state(task: Object<'_>) -> Result<State, &'static str> {
    refuse_confusing_keys(task, &ROUTED_IN_TASKS)
        .map_err(|_| "the state of a task can be read in two ways")?;
    let more = ["result", "error", "inputRequests", "resultType", TASK];
    let holds = |key: &&str| task.find(key).is_some();
    if more.iter().chain(&RETRY_PARAMS).any(holds) {
        return Err("the state of a task holds more than that");
    }
    let id = task.find("taskId").and_then(Value::as_text);
    let id = id
        .filter(|id| is_proper(id))
        .ok_or("`taskId` is not an id of 1 to 256 printable ASCII characters")?
        .into_owned();
    let status = task.find("status").and_then(Value::as_text);
    let is_over = match status.as_deref() {
        Some("working" | "input_required") => false,
        Some("completed" | "failed" | "cancelled") => true,
        _ => return Err("the status of a task is not known"),
    };
    Ok(State { id, is_over })
}

/// Reads the result that says that a task was made. What stands beside the task would be a
/// result that is not fetched.
pub(super) fn read_made(result: Object<'_>) -> Result<State, &'static str> {
    let known = |key: &[u8]| key == TASK.as_bytes() || key == b"_meta";
    if !result.members().all(|member| known(member.raw_key)) {
        return Err("a task and a result at once");
    }
    let task = result.find(TASK).and_then(Value::as_object);
    read_state(task.ok_or("`task` is not an object")?)
}

/// The task that a message says that it belongs to, in these `params` or this `result`. What is
/// there and is no id is the empty text.
pub(super) fn related(object: Object<'_>) -> Option<String> {
    let meta = object.find("_meta")?.as_object()?;
    let related = meta.find(RELATED_TASK_META)?.as_object();
    let readable =
        related.filter(|related| refuse_confusing_keys(*related, &ROUTED_IN_TASKS).is_ok());
    let id = readable.and_then(|related| related.find("taskId")?.as_text());
    Some(id.map(|id| id.into_owned()).unwrap_or_default())
}

/// Compared byte for byte by everybody, in whatever form it is written.
fn is_proper(id: &str) -> bool {
    (1..=MAX_ID_BYTES).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests;
