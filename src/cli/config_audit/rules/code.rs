//! Code in the arguments, code that a download brings, and starting as root.

use super::super::entry::Entry;
use super::super::finding::Finding;
use super::super::machine::Machine;
use super::super::table::Rule;
use super::about;
use crate::cli::import::base_name;
use crate::config::clients::Word;

/// Families of interpreters, and the options after which code stands.
const INTERPRETERS: &[(&[&str], &[&str])] = &[
    (
        &["sh", "bash", "dash", "zsh", "ksh", "ash", "fish"],
        &["-c"],
    ),
    (&["python", "pypy"], &["-c"]),
    (
        &["node", "nodejs", "bun", "tsx"],
        &["-e", "--eval", "-p", "--print", "-pe"],
    ),
    (&["deno"], &["eval"]),
    (&["perl", "ruby", "lua"], &["-e", "-E"]),
    (&["php"], &["-r"]),
    (
        &["powershell", "pwsh", "powershell.exe"],
        &[
            "-c",
            "-Command",
            "-command",
            "-EncodedCommand",
            "-enc",
            "-e",
        ],
    ),
    (&["npx", "npm"], &["-c", "--call"]),
];

/// Options of shells may stand together: `-lc`.
const SHELLS: usize = 0;

pub(super) fn rule(entry: &Entry<'_>, _: &dyn Machine, found: &mut Vec<Finding>) {
    if let Some(word) = entry.words.iter().find(|word| is_root(word)) {
        let outer = entry.words.iter().take_while(|one| one.at <= word.at);
        // Only as the program, or after other wrappers.
        let is_program = entry.inner.first().is_some_and(|one| one.at == word.at);
        if is_program || outer.count() + entry.inner.len() <= entry.words.len() {
            let message = format!("`{}` starts it as root", base_name(&word.text));
            found.push(about(entry, Rule::RunsAsRoot, word.at, "", message));
        }
    }
    let Some(code) = code(entry) else { return };
    let program = entry.program();
    let finding = match downloads(&code.text) {
        true => about(
            entry,
            Rule::DownloadedCode,
            code.at,
            program,
            format!("`{program}` runs what a download returns"),
        ),
        false => about(
            entry,
            Rule::InlineCode,
            code.at,
            program,
            format!("`{program}` runs code that stands in the arguments"),
        ),
    };
    found.push(finding);
}

fn is_root(word: &Word) -> bool {
    matches!(base_name(&word.text), "sudo" | "doas" | "pkexec" | "su")
}

/// The word that holds code.
fn code<'f>(entry: &Entry<'f>) -> Option<&'f Word> {
    let program = entry.program();
    let family = |name: &&'static str| {
        program.strip_prefix(*name).is_some_and(|rest| {
            rest.bytes()
                .all(|byte| byte.is_ascii_digit() || byte == b'.')
        })
    };
    let row = INTERPRETERS
        .iter()
        .position(|(names, _)| names.iter().any(family))?;
    let mut words = entry.arguments().iter();
    while let Some(word) = words.next() {
        let text = word.text.as_str();
        let together = row == SHELLS
            && text.len() > 2
            && text.starts_with('-')
            && !text.starts_with("--")
            && text.ends_with('c');
        if INTERPRETERS[row].1.contains(&text) || together {
            return words.next().copied();
        }
        if let Some(code) = text.split_once('=')
            && INTERPRETERS[row].1.contains(&code.0)
        {
            return Some(word);
        }
        // From its program on the arguments are the program's own.
        if !text.starts_with('-') {
            return None;
        }
    }
    None
}

/// Whether code fetches something and runs it at once.
fn downloads(code: &str) -> bool {
    let fetches = ["curl ", "wget ", "Invoke-WebRequest", "iwr ", "irm "]
        .iter()
        .any(|word| code.contains(word))
        && code.contains("http");
    let pipes = code.split('|').skip(1).any(|part| {
        let first = part.split_whitespace().find(|word| *word != "sudo");
        let first = base_name(first.unwrap_or_default());
        let names = ["sh", "bash", "zsh", "dash", "node", "perl", "ruby", "iex"];
        names.contains(&first) || first.starts_with("python")
    });
    let substitutes = ["$(curl", "$(wget", "`curl", "`wget", "<(curl", "<(wget"]
        .iter()
        .any(|start| code.contains(start));
    (fetches && pipes) || substitutes
}
