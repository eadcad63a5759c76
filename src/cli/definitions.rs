//! What a server says of itself beside what was agreed: for a person, word by word, and as JSON.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use serde_json::{Map, Value, json};

use super::behaviour::{InstructionsState, ToolState, compare, instructions};
use super::difference::{MAX_TAKEN_APART, difference, patience};
use super::output;
use crate::lockfile::{Behaviour, ServerName, ToolName};
use crate::relay::Introspection;
use crate::store::Store;

/// Every tool of either side, and the instructions.
pub(super) struct Definitions<'a> {
    pub tools: BTreeMap<ToolName, ToolState<'a>>,
    pub instructions: InstructionsState<'a>,
    allow: &'a BTreeSet<ToolName>,
    /// Has the words that were agreed.
    store: &'a Store,
}

/// A difference for a person to say yes or no to.
pub(super) struct Change {
    /// In a sentence.
    pub subject: String,
    pub title: String,
    /// As [`difference`] makes them.
    pub lines: Vec<String>,
    /// What a yes leads to.
    pub outcome: &'static str,
}

impl<'a> Definitions<'a> {
    pub(super) fn compare(
        agreed: &Behaviour,
        introspection: &'a Introspection,
        allow: &'a BTreeSet<ToolName>,
        store: &'a Store,
    ) -> Self {
        Self {
            tools: compare(agreed, introspection),
            instructions: instructions(agreed, introspection),
            allow,
            store,
        }
    }

    pub(super) fn differing(&self) -> impl Iterator<Item = (&ToolName, &ToolState<'_>)> {
        self.tools.iter().filter(|(_, state)| state.differs())
    }

    /// Everything, for a person.
    pub(super) fn show(&self, server: &ServerName) {
        self.count(server);
        self.show_changes();
    }

    /// How many are as they were.
    pub(super) fn count(&self, server: &ServerName) {
        let unchanged = self.tools.len() - self.differing().count();
        output::data(&match unchanged {
            0 => format!("{server}: no tool is as it was locked"),
            1 => format!("{server}: 1 tool is as it was locked"),
            _ => format!("{server}: {unchanged} tools are as they were locked"),
        });
    }

    /// What differs, for a person.
    pub(super) fn show_changes(&self) {
        for change in self.changes() {
            output::data(&format!("\n{}", change.title));
            for line in change.lines {
                output::data(&line);
            }
        }
    }

    /// What differs, one after another: the tools in the order of [`Self::differing`], then the
    /// instructions.
    pub(super) fn changes(&self) -> Vec<Change> {
        let until = patience();
        let tools = self.differing();
        let tools = tools.map(|(name, state)| self.tool(name, state, until));
        let instructions = self.instructions.differs();
        let instructions = instructions.then(|| self.new_instructions(until));
        tools.chain(instructions).collect()
    }

    fn tool(&self, name: &ToolName, state: &ToolState<'_>, until: Instant) -> Change {
        let is_allowed = self.allow.contains(name);
        let not = if is_allowed {
            ""
        } else {
            " (not on the allowlist)"
        };
        let (lines, outcome) = match state {
            ToolState::Unchanged => (Vec::new(), ""),
            ToolState::Gone { .. } => (
                Vec::new(),
                "The server does not offer it any more. Accepting takes its definition out of the lock; should it come back, it is new.",
            ),
            ToolState::New(new) => (
                difference(None, &new.canonical, until),
                match is_allowed {
                    true => "Accepting pins this definition, and the client may call it.",
                    false => {
                        "Accepting pins this definition; the client may call it once it is on the allowlist."
                    }
                },
            ),
            ToolState::Changed { old, new } => {
                let old = self.store.definition(old);
                (
                    with_old(
                        old.is_none(),
                        difference(old.as_deref(), &new.canonical, until),
                    ),
                    match is_allowed {
                        true => {
                            "Accepting pins the new definition, and the client may call it again."
                        }
                        false => {
                            "Accepting pins the new definition; the client may call it once it is on the allowlist."
                        }
                    },
                )
            }
        };
        Change {
            subject: format!("`{name}`"),
            title: format!("{}  {name}{not}", state.word()),
            lines,
            outcome,
        }
    }

    fn new_instructions(&self, until: Instant) -> Change {
        let old = self.instructions.old;
        let text = old.and_then(|old| self.store.definition(&old));
        let lines = match self.instructions.new {
            Some(new) => difference(text.as_deref(), new.as_bytes(), until),
            None => vec!["  there are none any more".to_owned()],
        };
        Change {
            subject: "the instructions".to_owned(),
            title: "changed  the server's instructions".to_owned(),
            lines: with_old(old.is_some() && text.is_none(), lines),
            outcome: "Clients hand them to the model. Accepting pins them as they are now.",
        }
    }

    /// The members `tools` and `instructions`.
    pub(super) fn json(
        &self,
        accepted: &BTreeSet<ToolName>,
        instructions_accepted: bool,
    ) -> Map<String, Value> {
        let tools: Vec<Value> = self
            .tools
            .iter()
            .map(|(name, state)| {
                let (old, new) = match state {
                    ToolState::Unchanged => (None, None),
                    ToolState::Changed { old, new } => (Some(*old), Some(*new)),
                    ToolState::New(new) => (None, Some(*new)),
                    ToolState::Gone { old } => (Some(*old), None),
                };
                json!({
                    "name": name.as_str(),
                    "state": state.word(),
                    "allowed": self.allow.contains(name),
                    "accepted": accepted.contains(name),
                    "old_digest": old.map(|digest| digest.to_string()),
                    "new_digest": new.map(|tool| tool.digest.to_string()),
                    "old": old.and_then(|digest| self.store.definition(&digest)).map(|text| definition(&text)),
                    "new": new.map(|tool| definition(&tool.canonical)),
                })
            })
            .collect();
        let InstructionsState { old, new } = self.instructions;
        let old_text = old.and_then(|digest| self.store.definition(&digest));
        let instructions = json!({
            "state": if self.instructions.differs() { "changed" } else { "unchanged" },
            "accepted": instructions_accepted,
            "old_digest": old.map(|digest| digest.to_string()),
            "new_digest": self.instructions.new_digest().map(|digest| digest.to_string()),
            "old": old_text.map(|text| String::from_utf8_lossy(&text).into_owned()),
            "new": new,
        });
        Map::from_iter([
            ("tools".to_owned(), Value::Array(tools)),
            ("instructions".to_owned(), instructions),
        ])
    }
}

fn with_old(is_missing: bool, lines: Vec<String>) -> Vec<String> {
    let note = "  (the text that was locked is not on this machine)".to_owned();
    let note = is_missing.then_some(note);
    note.into_iter().chain(lines).collect()
}

/// One that is too long to be taken apart is a text: as values it would be many times as long.
fn definition(canonical: &[u8]) -> Value {
    if canonical.len() > MAX_TAKEN_APART {
        return String::from_utf8_lossy(canonical).into();
    }
    serde_json::from_slice(canonical).unwrap_or(Value::Null)
}
