//! What a server says of itself, against what was agreed. Pure.

use std::collections::BTreeMap;

use crate::lockfile::{Behaviour, Digest, ToolName};
use crate::relay::{Differing, Introspection, ToolDefinition};

/// How one tool stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ToolState<'a> {
    Unchanged,
    Changed {
        old: Digest,
        new: &'a ToolDefinition,
    },
    /// Offered, and not in the lock.
    New(&'a ToolDefinition),
    /// In the lock, and not offered.
    Gone {
        old: Digest,
    },
}

/// How the instructions stand; at least one of the two is there when they differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct InstructionsState<'a> {
    pub old: Option<Digest>,
    pub new: Option<&'a str>,
}

impl ToolState<'_> {
    pub(super) fn differs(&self) -> bool {
        *self != Self::Unchanged
    }

    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Unchanged => "unchanged",
            Self::Changed { .. } => "changed",
            Self::New(_) => "new",
            Self::Gone { .. } => "gone",
        }
    }

    /// Brings the lock in line with what the server shows.
    pub(super) fn accept(&self, name: &ToolName, agreed: &mut Behaviour) {
        match self {
            Self::Unchanged => {}
            Self::Changed { new, .. } | Self::New(new) => {
                agreed.tools.insert(name.clone(), new.digest);
            }
            Self::Gone { .. } => {
                agreed.tools.remove(name);
            }
        }
    }
}

impl InstructionsState<'_> {
    pub(super) fn new_digest(&self) -> Option<Digest> {
        self.new.map(|text| Digest::of(text.as_bytes()))
    }

    pub(super) fn differs(&self) -> bool {
        self.old != self.new_digest()
    }
}

/// What is recorded of a server.
pub(super) fn behaviour(introspection: &Introspection) -> Behaviour {
    Behaviour {
        protocol: introspection.protocol.clone(),
        instructions: instructions(&Behaviour::default(), introspection).new_digest(),
        tools: offered(introspection)
            .map(|(name, tool)| (name, tool.digest))
            .collect(),
    }
}

/// Has the server show a tool as its last session saw it, where that was not as agreed and it shows
/// it as agreed, or not at all, when it is asked alone. Which tools these are.
pub(super) fn as_last_seen(
    introspection: &mut Introspection,
    agreed: &Behaviour,
    seen: &[Differing],
) -> Vec<ToolName> {
    let mut found = Vec::new();
    for Differing {
        tool: name,
        pinned,
        definition,
    } in seen
    {
        let pin = agreed.tools.get(name).copied();
        let definition = definition.as_deref().and_then(ToolDefinition::of_canonical);
        let Some(definition) = definition.filter(|it| it.name == name.as_str()) else {
            continue;
        };
        // What has been agreed since may be just that.
        if *pinned != pin || pin == Some(definition.digest) {
            continue;
        }
        let tools = &mut introspection.tools;
        match tools.iter_mut().find(|it| it.name == name.as_str()) {
            Some(now) if pin == Some(now.digest) => *now = definition,
            Some(_) => continue,
            None => tools.push(definition),
        }
        found.push(name.clone());
    }
    found
}

/// Every tool of either side, with how it stands.
pub(super) fn compare<'a>(
    agreed: &Behaviour,
    introspection: &'a Introspection,
) -> BTreeMap<ToolName, ToolState<'a>> {
    let gone = agreed
        .tools
        .iter()
        .map(|(name, old)| (name.clone(), ToolState::Gone { old: *old }));
    let mut states: BTreeMap<ToolName, ToolState<'a>> = gone.collect();
    for (name, new) in offered(introspection) {
        let state = match agreed.tools.get(&name) {
            None => ToolState::New(new),
            Some(old) if *old == new.digest => ToolState::Unchanged,
            Some(old) => ToolState::Changed { old: *old, new },
        };
        states.insert(name, state);
    }
    states
}

pub(super) fn instructions<'a>(
    agreed: &Behaviour,
    introspection: &'a Introspection,
) -> InstructionsState<'a> {
    InstructionsState {
        old: agreed.instructions,
        new: introspection.instructions.as_deref(),
    }
}

/// The same code may not say something else of itself without a review: keeps what was agreed
/// of a server whose bytes are the same, adds what is new, and says what is not as agreed.
pub(super) fn keep_agreed(
    agreed: &Behaviour,
    introspection: &Introspection,
) -> (Behaviour, Vec<String>) {
    let mut kept = behaviour(introspection);
    let mut drift = Vec::new();
    for (name, state) in compare(agreed, introspection) {
        match state {
            ToolState::Unchanged | ToolState::New(_) => {}
            ToolState::Changed { old, .. } => {
                drift.push(format!("the definition of the tool `{name}` changed"));
                kept.tools.insert(name, old);
            }
            ToolState::Gone { old } => {
                drift.push(format!("the tool `{name}` is gone"));
                kept.tools.insert(name, old);
            }
        }
    }
    if instructions(agreed, introspection).differs() {
        drift.push("the instructions changed".to_owned());
        kept.instructions = agreed.instructions;
    }
    (kept, drift)
}

/// The tools with proper names; others are never shown to a client.
fn offered(introspection: &Introspection) -> impl Iterator<Item = (ToolName, &ToolDefinition)> {
    introspection
        .tools
        .iter()
        .filter_map(|tool| Some((tool.name.parse().ok()?, tool)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn introspection(instructions: Option<&str>, tools: &[(&str, &str)]) -> Introspection {
        let tool = |(name, words): &(&str, &str)| ToolDefinition {
            name: (*name).to_owned(),
            title: None,
            description: None,
            canonical: words.as_bytes().to_vec(),
            digest: Digest::of(words.as_bytes()),
        };
        Introspection {
            protocol: "2025-11-25".to_owned(),
            server_name: None,
            server_version: None,
            instructions: instructions.map(str::to_owned),
            tools: tools.iter().map(tool).collect(),
            unusable: 0,
        }
    }

    fn name(text: &str) -> ToolName {
        text.parse().unwrap()
    }

    #[test]
    fn every_tool_of_either_side_is_compared() {
        let agreed = behaviour(&introspection(None, &[("a", "1"), ("b", "1"), ("c", "1")]));
        let found = introspection(
            None,
            &[("a", "1"), ("b", "2"), ("d", "1"), ("not a name", "1")],
        );
        let states = compare(&agreed, &found);
        let words: Vec<_> = states
            .iter()
            .map(|(name, state)| (name.as_str(), state.word()))
            .collect();
        let expected = [
            ("a", "unchanged"),
            ("b", "changed"),
            ("c", "gone"),
            ("d", "new"),
        ];
        assert_eq!(words, expected);
        let mut accepted = agreed;
        for (name, state) in &states {
            state.accept(name, &mut accepted);
        }
        assert_eq!(accepted, behaviour(&found));
    }

    #[test]
    fn accepting_one_leaves_the_others() {
        let agreed = behaviour(&introspection(Some("x"), &[("a", "1"), ("b", "1")]));
        let found = introspection(Some("y"), &[("a", "2"), ("b", "2")]);
        let mut accepted = agreed.clone();
        compare(&agreed, &found)[&name("a")].accept(&name("a"), &mut accepted);
        assert_eq!(accepted.tools[&name("a")], Digest::of(b"2"));
        assert_eq!(accepted.tools[&name("b")], Digest::of(b"1"));
        assert_eq!(accepted.instructions, agreed.instructions);
    }

    #[test]
    fn the_same_code_keeps_what_was_agreed() {
        let agreed = behaviour(&introspection(Some("x"), &[("a", "1"), ("b", "1")]));
        let found = introspection(Some("y"), &[("a", "2"), ("c", "1")]);
        let (kept, drift) = keep_agreed(&agreed, &found);
        assert_eq!(kept.instructions, agreed.instructions);
        assert_eq!(kept.tools[&name("a")], Digest::of(b"1"));
        assert_eq!(kept.tools[&name("b")], Digest::of(b"1"));
        assert_eq!(kept.tools[&name("c")], Digest::of(b"1"));
        assert_eq!(drift.len(), 3, "{drift:?}");
        let same = introspection(Some("x"), &[("b", "1"), ("a", "1")]);
        assert_eq!(keep_agreed(&agreed, &same), (agreed, vec![]));
    }
}
