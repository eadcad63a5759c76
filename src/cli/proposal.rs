//! What a bundle says of its tools before it is started, beside what it says then.

use std::collections::BTreeSet;

use super::output;
use crate::lockfile::ToolName;
use crate::relay::Introspection;
use crate::resolve::bundle::Bundle;

/// An allowlist that somebody else proposes. Nothing is allowed by it.
#[derive(Default)]
pub(super) struct Proposal {
    /// Those that the server offers, too.
    pub(super) tools: BTreeSet<ToolName>,
    /// For a person.
    pub(super) lines: Vec<String>,
}

impl Proposal {
    pub(super) fn of(bundle: Option<&Bundle>, introspection: &Introspection) -> Self {
        let Some(bundle) = bundle else {
            return Self::default();
        };
        let note = |text: &String| format!("bundle     {}", output::foreign(text, 300));
        let mut lines: Vec<String> = bundle.notes.iter().map(note).collect();
        let Some(written) = &bundle.tools else {
            lines.push("bundle     its manifest.json does not list all of its tools".to_owned());
            return Self {
                lines,
                ..Self::default()
            };
        };
        let offered: BTreeSet<&str> = introspection
            .tools
            .iter()
            .map(|tool| tool.name.as_str())
            .collect();
        let written: BTreeSet<&str> = written.iter().map(String::as_str).collect();
        let tools = written
            .intersection(&offered)
            .filter_map(|tool| tool.parse().ok())
            .collect();
        for (found, words) in [
            (
                written.difference(&offered),
                "lists and the server doesn't offer",
            ),
            (
                offered.difference(&written),
                "doesn't list and the server offers",
            ),
        ] {
            let names: Vec<&str> = found.copied().collect();
            if !names.is_empty() {
                let names = output::foreign(&names.join(", "), 300);
                lines.push(format!("bundle     its manifest.json {words}: {names}"));
            }
        }
        Self { tools, lines }
    }

    /// The options that would take it up, as a sentence.
    pub(super) fn as_options(&self) -> String {
        if self.tools.is_empty() {
            return String::new();
        }
        let options: Vec<String> = self
            .tools
            .iter()
            .map(|tool| format!("--allow {tool}"))
            .collect();
        format!(" The bundle proposes: {}.", options.join(" "))
    }

    pub(super) fn question(&self) -> &'static str {
        if self.tools.is_empty() {
            "Which may the client use? (names, `all`, or `none`; `?NAME` shows a definition) "
        } else {
            "Which may the client use? (names, `proposed` for what the bundle lists, `all`, or `none`; `?NAME` shows a definition) "
        }
    }
}
