//! Names and commands that are not what they look like.

use super::super::entry::Entry;
use super::super::finding::Finding;
use super::super::machine::Machine;
use super::super::table::Rule;
use super::about;
use crate::lockfile::printable;

pub(super) fn rule(entry: &Entry<'_>, _: &dyn Machine, found: &mut Vec<Finding>) {
    let server = entry.server;
    if hides(&server.name) {
        found.push(about(
            entry,
            Rule::HiddenCharacters,
            server.at,
            "name",
            format!("its name is `{}`", printable(&server.name, 100)),
        ));
    }
    for word in &entry.words {
        if hides(&word.text) {
            found.push(about(
                entry,
                Rule::HiddenCharacters,
                word.at,
                "command",
                format!("a word of its command is `{}`", printable(&word.text, 100)),
            ));
        }
    }
}

/// Line breaks and tabs of inline code are no disguise.
fn hides(text: &str) -> bool {
    let plain: String = text
        .chars()
        .filter(|c| !matches!(c, '\n' | '\r' | '\t'))
        .collect();
    printable(&plain, usize::MAX) != plain
}
