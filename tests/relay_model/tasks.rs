//! Tasks (2025-11-25): which there are, and what of them may pass. A task is known once the
//! side that works on it has said so, in the answer to a request that wished for one.

use std::collections::HashMap;

use super::checks::PROTOCOL_VERSION;
use super::granted::{Elicitation, Granted};
use super::model::{Broken, Property, keep};
use super::readings::Tree;

/// What a message says that it belongs to, in its `_meta`.
pub(crate) const RELATED_TASK: &str = "io.modelcontextprotocol/related-task";
pub(crate) const ABOUT_TASKS: [&str; 3] = ["tasks/get", "tasks/result", "tasks/cancel"];
pub(crate) const STATUS: &str = "notifications/tasks/status";

/// What a request has to do with tasks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Part {
    #[default]
    None,
    /// It is to be one: of this tool, or of a question.
    Wished(String),
    /// Its result, or only its state, is asked for.
    Result(String),
    State(String),
}

/// The tasks of one session.
#[derive(Default)]
pub(crate) struct TaskBook {
    /// Of calls, with the tool.
    calls: HashMap<String, String>,
    /// Of questions.
    questions: HashMap<String, String>,
    /// How many were made, and results of them delivered.
    pub(crate) made: usize,
    pub(crate) fetched: usize,
}

/// Whose tasks.
#[derive(Clone, Copy)]
pub(crate) enum Of {
    Calls,
    Questions,
}

fn power(holds: bool, message: &Tree) -> Result<(), Broken> {
    keep(holds, Property::NoPower, || {
        format!("a task: {}", message.canonical())
    })
}

/// A request about a task without the wish for one, which is taken out of it.
pub(crate) fn without_wish(message: Tree) -> Tree {
    let method = message.get("method").and_then(Tree::text);
    match method.is_some_and(|method| ABOUT_TASKS.contains(&method)) {
        true => message.without(&["params", "task"]),
        false => message,
    }
}

/// One id, for every reader.
fn id_of(object: &Tree) -> Option<String> {
    let ids = object.readings("taskId");
    let id = ids.first()?.text()?;
    (ids.len() == 1 && object.get("taskId").is_some()).then(|| id.to_owned())
}

/// A time or two, and nothing else.
fn is_wish(wish: &Tree) -> bool {
    let is_time = |(name, value): &(String, Tree)| {
        ["ttl", "pollInterval"].contains(&name.as_str())
            && matches!(value, Tree::Number(text) if text.bytes().all(|byte| byte.is_ascii_digit()))
    };
    matches!(wish, Tree::Object(members) if members.iter().all(is_time))
}

fn is_modern(params: Option<&Tree>) -> bool {
    let meta = params.and_then(|params| params.get("_meta"));
    meta.is_some_and(|meta| meta.get(PROTOCOL_VERSION).is_some())
}

/// Whether a client that says this of itself may be asked by this method in a task.
pub(crate) fn may_be_asked_as_task(
    method: &str,
    params: Option<&Tree>,
    granted: Granted,
    declared: &Tree,
) -> bool {
    let wishes = params.map(|params| params.readings("task"));
    let Some([wish]) = wishes.as_deref() else {
        return wishes.is_none_or(|wishes| wishes.is_empty());
    };
    let (category, request) = method.split_once('/').unwrap_or_default();
    let can = declared
        .get("tasks")
        .and_then(|tasks| tasks.get("requests"));
    let can = can.and_then(|requests| requests.get(category)?.get(request));
    let known = ["sampling", "elicitation"].contains(&category);
    granted.tasks && known && matches!(can, Some(Tree::Object(_))) && is_wish(wish)
}

/// The capability of a client, as its server may see it.
pub(crate) fn is_granted_capability(tasks: &Tree, granted: Granted) -> bool {
    let is_one = |(name, inner): &(String, Tree)| {
        let (may, request) = match name.as_str() {
            "sampling" => (granted.sampling, "createMessage"),
            "elicitation" => (granted.elicitation != Elicitation::Never, "create"),
            _ => (false, ""),
        };
        may && inner.members().iter().all(|(name, _)| name == request)
    };
    granted.tasks && is_only(tasks, is_one)
}

/// The capability of a server, as its client may see it.
pub(crate) fn is_promise(tasks: &Tree, granted: Granted) -> bool {
    let tools = |(name, inner): &(String, Tree)| {
        name == "tools" && inner.members().iter().all(|(name, _)| name == "call")
    };
    granted.tasks && is_only(tasks, tools)
}

/// Whether a capability holds nothing but that tasks can be cancelled, and requests that `may` be
/// made tasks.
fn is_only(tasks: &Tree, may: impl Fn(&(String, Tree)) -> bool) -> bool {
    let mut members = tasks.members().iter();
    members.all(|(name, inner)| match name.as_str() {
        "cancel" => true,
        "requests" => inner.members().iter().all(&may),
        _ => false,
    })
}

impl TaskBook {
    fn of(&mut self, of: Of) -> &mut HashMap<String, String> {
        match of {
            Of::Calls => &mut self.calls,
            Of::Questions => &mut self.questions,
        }
    }

    /// A request reaches the other side: what it has to do with tasks.
    pub(crate) fn request_passes(
        &mut self,
        of: Of,
        method: &str,
        message: &Tree,
        granted: Granted,
    ) -> Result<Part, Broken> {
        let params = message.get("params");
        let wishes = params.map(|params| params.readings("task"));
        if let Some([wish, ..]) = wishes.as_deref() {
            // What is about a task is none itself.
            power(!ABOUT_TASKS.contains(&method), message)?;
            let name = params.and_then(|params| params.get("name")?.text());
            let may = match of {
                Of::Calls => method == "tools/call" && !is_modern(params),
                Of::Questions if method == "ping" => return Ok(Part::None),
                // What is asked as one was judged with the question.
                Of::Questions => true,
            };
            power(granted.tasks && may && is_wish(wish), message)?;
            return Ok(Part::Wished(name.unwrap_or_default().to_owned()));
        }
        if !ABOUT_TASKS.contains(&method) {
            return Ok(Part::None);
        }
        let id = params.and_then(id_of).unwrap_or_default();
        let known = self.of(of).contains_key(&id);
        // In 2026-07-28 a client asks for the extension's, and a server asks for nothing.
        let extension = matches!(of, Of::Calls) && is_modern(params);
        power(granted.tasks && known && !extension, message)?;
        Ok(match method {
            "tasks/result" => Part::Result(id),
            _ => Part::State(id),
        })
    }

    /// The tool whose result is asked for.
    pub(crate) fn tool(&self, part: &Part) -> Option<&str> {
        let Part::Result(id) = part else {
            return None;
        };
        self.calls.get(id).map(String::as_str)
    }

    /// An answer reaches whoever asked, and is none of the relay's.
    pub(crate) fn answer_passes(
        &mut self,
        of: Of,
        part: &Part,
        message: &Tree,
    ) -> Result<(), Broken> {
        let results = message.readings("result");
        let Some(result) = results.first() else {
            // An error is the end of it, whoever it is from.
            if let Part::Result(id) = part {
                self.of(of).remove(id);
            }
            return Ok(());
        };
        let tasks = result.readings("task");
        match part {
            Part::None => Ok(()),
            Part::Wished(tool) => {
                let Some(task) = tasks.first() else {
                    return Ok(());
                };
                let alone = |(name, _): &(String, Tree)| name == "task" || name == "_meta";
                let id = id_of(task).unwrap_or_default();
                let new = self.of(of).insert(id.clone(), tool.clone()).is_none();
                self.made += 1;
                let fine = new && !id.is_empty() && result.members().iter().all(alone);
                power(fine && is_state(task), message)
            }
            Part::Result(id) => {
                self.fetched += 1;
                power(self.of(of).contains_key(id) && tasks.is_empty(), message)
            }
            Part::State(id) => {
                let same = id_of(result).as_ref() == Some(id);
                power(same && is_state(result), message)
            }
        }
    }

    /// A notification about a task: of one of those that the teller works on.
    pub(crate) fn status_passes(
        &mut self,
        of: Of,
        message: &Tree,
        granted: Granted,
    ) -> Result<(), Broken> {
        let params = message.get("params");
        let id = params.and_then(id_of).unwrap_or_default();
        let known = self.of(of).contains_key(&id);
        power(
            granted.tasks && known && params.is_some_and(is_state),
            message,
        )
    }

    /// What reaches the client belongs to a task of this session, or says nothing of one.
    pub(crate) fn belongs_to_a_known_task(&self, message: &Tree) -> Result<(), Broken> {
        for inner in ["params", "result"]
            .iter()
            .flat_map(|key| message.readings(key))
        {
            for meta in inner.readings("_meta") {
                for related in meta.readings(RELATED_TASK) {
                    let id = id_of(related).unwrap_or_default();
                    let known = self.calls.contains_key(&id) || self.questions.contains_key(&id);
                    power(known, message)?;
                }
            }
        }
        Ok(())
    }
}

/// The state of a task holds neither results nor questions (those of the extension).
fn is_state(state: &Tree) -> bool {
    let more = ["result", "error", "inputRequests", "requestState", "task"];
    let status = state.get("status").and_then(Tree::text).unwrap_or_default();
    more.iter().all(|key| state.readings(key).is_empty())
        && [
            "working",
            "input_required",
            "completed",
            "failed",
            "cancelled",
        ]
        .contains(&status)
}
