//! Files of variables that an entry names: `envFile` of VS Code and Cursor, `--env-file` of docker,
//! node and uv.

use super::super::entry::Entry;
use super::super::finding::Finding;
use super::super::machine::Machine;
use super::super::table::Rule;
use super::about;
use super::files::others_may_read;
use super::secret_texts::certain;
use crate::config::clients::{Node, Position};

const KEYS: [&str; 2] = ["envFile", "env_file"];
const OPTION: &str = "--env-file";

/// More are counted and not named.
const MAX_NAMED: usize = 5;

pub(super) fn rule(entry: &Entry<'_>, machine: &dyn Machine, found: &mut Vec<Finding>) {
    for (text, at) in named(entry) {
        let Some(path) = entry.named_file(&text, machine.home()) else {
            continue;
        };
        let names = machine.text(&path).map(|text| secret_names(&text));
        let names = names.unwrap_or_default();
        if names.is_empty() {
            continue;
        }
        let mut put = |rule, message: String| {
            let finding = about(entry, rule, at, &text, message);
            found.push(Finding {
                about: Some(path.display().to_string()),
                fix: None,
                ..finding
            });
        };
        let shown = path.display();
        let message = format!("`{shown}` holds {}", listed(&names));
        put(Rule::SecretInEnvFile, message);
        if let Some(status) = machine
            .status(&path)
            .filter(|_| others_may_read(&path, machine))
        {
            let message = format!("`{shown}` holds secrets, and its mode is {:o}", status.mode);
            put(Rule::ConfigReadable, message);
        }
    }
}

/// The files as they are written, and where.
fn named(entry: &Entry<'_>) -> Vec<(String, Position)> {
    let position = |node: &Node| entry.file.text.position(node.span.start);
    let by_key = KEYS.iter().filter_map(|key| {
        let node = entry.server.node.get(key)?;
        Some((node.as_text()?.to_owned(), position(node)))
    });
    let mut found: Vec<(String, Position)> = by_key.collect();
    let mut words = entry.words.iter();
    while let Some(word) = words.next() {
        if word.text == OPTION {
            found.extend(words.next().map(|next| (next.text.clone(), next.at)));
        } else if let Some(path) = word.text.strip_prefix("--env-file=") {
            found.push((path.to_owned(), word.at));
        }
    }
    found
}

/// The variables that are secrets, in a file of lines `NAME=VALUE` or `export NAME="VALUE"`.
fn secret_names(text: &str) -> Vec<String> {
    let lines = text.lines().map(str::trim);
    let lines = lines.filter(|line| !line.starts_with('#'));
    let variables = lines.filter_map(|line| {
        let (name, value) = line
            .strip_prefix("export ")
            .unwrap_or(line)
            .split_once('=')?;
        let value = value.trim().trim_matches(['"', '\'']);
        certain(name.trim(), value)?;
        Some(name.trim().to_owned())
    });
    variables.collect()
}

fn listed(names: &[String]) -> String {
    let named: Vec<String> = names
        .iter()
        .take(MAX_NAMED)
        .map(|name| format!("`{name}`"))
        .collect();
    match names.len() - named.len() {
        0 => format!("a secret in {}", named.join(", ")),
        more => format!("secrets in {} and {more} more", named.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_a_file_of_variables_are_read_as_programs_read_them() {
        let text = "# API_KEY=4f9d8e7c6b5a40312233\nexport API_KEY=\"4f9d8e7c6b5a40312233\"\r\n LANGUAGE=de\nDB_PASSWORD = 'hunter2-x'\nTOKEN=${OTHER}\nbroken\n";
        assert_eq!(secret_names(text), ["API_KEY", "DB_PASSWORD"]);
        let many: Vec<String> = (0..7).map(|number| format!("A{number}")).collect();
        assert!(
            listed(&many).ends_with("`A4` and 2 more"),
            "{}",
            listed(&many)
        );
    }
}
