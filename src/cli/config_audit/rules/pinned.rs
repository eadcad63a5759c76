//! Servers outside of pinfold, and entries that pinfold would refuse.

use std::path::Path;

use super::super::entry::Entry;
use super::super::finding::Finding;
use super::super::machine::{Machine, Standing};
use super::super::table::Rule;
use super::about;
use crate::lockfile::printable;

pub(super) fn rule(entry: &Entry<'_>, machine: &dyn Machine, found: &mut Vec<Finding>) {
    let Some(first) = entry.words.first() else {
        return;
    };
    let Some(pinned) = entry.pinned() else {
        let message = format!("`{}` starts it", printable(entry.program(), 100));
        found.push(about(
            entry,
            Rule::OutsidePinfold,
            entry.server.at,
            "",
            message,
        ));
        return;
    };
    let program = entry.inner.first().unwrap_or(first);
    let path = Path::new(&program.text);
    let is_there = match path.is_absolute() {
        true => machine.status(path).is_some(),
        // Clients look a name up themselves; what is relative to a folder can't be told.
        false => program.text.contains('/') || machine.program(&program.text).is_some(),
    };
    if !is_there {
        let message = format!("`{}` is not there", program.text);
        found.push(about(entry, Rule::PinfoldMissing, program.at, "", message));
    }
    let Some(name) = pinned.name else { return };
    let standings = machine.standings(pinned.manifest.as_deref());
    let called = printable(&name.text, 64);
    let (rule, message) = match &standings {
        Err(reason) => (
            Rule::LockDrift,
            format!("manifest or lock can't be used: {reason}"),
        ),
        Ok(standings) => match standings.get(&name.text) {
            Some(Standing::Locked) => return,
            None => (
                Rule::NotLocked,
                format!("there is no server `{called}` in the manifest"),
            ),
            Some(Standing::Lacks("lock")) => {
                (Rule::NotLocked, format!("`{called}` is not in the lock"))
            }
            Some(Standing::Lacks(file)) => (
                Rule::LockDrift,
                format!("`{called}` is locked, and not in the {file}"),
            ),
            Some(Standing::Differs { manifest, lock }) => (
                Rule::LockDrift,
                format!("`{called}` is `{manifest}` in the manifest and `{lock}` in the lock"),
            ),
        },
    };
    found.push(about(entry, rule, name.at, &name.text, message));
}
