//! Programs that somebody else could change.

use std::path::{Path, PathBuf};

use super::super::entry::Entry;
use super::super::finding::Finding;
use super::super::machine::Machine;
use super::super::table::Rule;
use super::about;
use super::files::{others_may_write, writable_folder};
use crate::config::clients::Word;

/// Interpreters, whose first argument that is a path is the code.
const INTERPRETERS: &[&str] = &[
    "node", "nodejs", "python", "python3", "bun", "deno", "ruby", "php", "perl", "sh", "bash",
    "java", "tsx",
];

pub(super) fn rule(entry: &Entry<'_>, machine: &dyn Machine, found: &mut Vec<Finding>) {
    let mut seen: Vec<PathBuf> = Vec::new();
    for (word, path) in paths(entry, machine) {
        // Both the link and what it leads to: either can be replaced.
        let real = machine.real(&path);
        for path in real.into_iter().chain([path]) {
            if let Some(folder) = writable_folder(&path, machine)
                && !seen.contains(&folder)
            {
                let shown = folder.display().to_string();
                let message = format!("everybody can write `{shown}`, on the way to the program");
                let mut finding = about(entry, Rule::WritableFolder, word.at, &shown, message);
                finding.about = Some(shown);
                found.push(finding);
                seen.push(folder);
            }
            if others_may_write(&path, machine) && !seen.contains(&path) {
                let shown = path.display().to_string();
                let message = format!("others can write `{shown}`");
                let mut finding = about(entry, Rule::WritableProgram, word.at, &shown, message);
                finding.about = Some(shown);
                found.push(finding);
                seen.push(path);
            }
        }
    }
}

/// The program, and the file that an interpreter is given.
fn paths<'f>(entry: &Entry<'f>, machine: &dyn Machine) -> Vec<(&'f Word, PathBuf)> {
    let absolute = |text: &str| match Path::new(text) {
        path if path.is_absolute() => Some(path.to_owned()),
        path if text.contains('/') => Some(entry.folder()?.join(path)),
        _ => None,
    };
    let mut paths = Vec::new();
    for word in entry.words.first().into_iter().chain(entry.inner.first()) {
        let found = absolute(&word.text).or_else(|| machine.program(&word.text));
        paths.extend(found.map(|path| (*word, path)));
    }
    if INTERPRETERS.contains(&entry.program()) {
        let file = entry
            .arguments()
            .iter()
            .find(|word| !word.text.starts_with('-'));
        let path = file.and_then(|word| Some((*word, absolute(&word.text)?)));
        paths.extend(path);
    }
    paths
}
