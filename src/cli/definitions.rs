//! What a server says of itself beside what was agreed: for a person, word by word, and as JSON.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::behaviour::{InstructionsState, ToolState, compare, instructions};
use super::difference::difference;
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
        let unchanged = self.tools.len() - self.differing().count();
        output::data(&format!(
            "{server}: {unchanged} tools are as they were locked"
        ));
        self.show_changes();
    }

    /// What differs, for a person.
    pub(super) fn show_changes(&self) {
        for (name, state) in self.differing() {
            self.show_tool(name, state);
        }
        if self.instructions.differs() {
            self.show_instructions();
        }
    }

    fn show_tool(&self, name: &ToolName, state: &ToolState<'_>) {
        let allowed = if self.allow.contains(name) {
            ""
        } else {
            " (not on the allowlist)"
        };
        output::data(&format!("\n{}  {name}{allowed}", state.word()));
        match state {
            ToolState::Unchanged | ToolState::Gone { .. } => {}
            ToolState::New(new) => show_difference(None, &new.canonical),
            ToolState::Changed { old, new } => {
                let old = self.store.definition(old);
                if old.is_none() {
                    output::data("  (the text that was locked is not on this machine)");
                }
                show_difference(old.as_deref(), &new.canonical);
            }
        }
    }

    fn show_instructions(&self) {
        output::data("\nchanged  the server's instructions");
        let old = self.instructions.old;
        let text = old.and_then(|old| self.store.definition(&old));
        if old.is_some() && text.is_none() {
            output::data("  (the text that was locked is not on this machine)");
        }
        match self.instructions.new {
            Some(new) => show_difference(text.as_deref(), new.as_bytes()),
            None => output::data("  there are none any more"),
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

fn show_difference(old: Option<&[u8]>, new: &[u8]) {
    for line in difference(old, new) {
        output::data(&line);
    }
}

fn definition(canonical: &[u8]) -> Value {
    serde_json::from_slice(canonical).unwrap_or(Value::Null)
}
