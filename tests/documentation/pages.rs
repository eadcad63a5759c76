//! Pages of documentation as the tests read them: fenced blocks, and what is said about them in HTML
//! comments, which a reader of the page does not see. Used by the tests of `tests/` and of `integration/`.
//!
//! | block | is |
//! |---|---|
//! | `sh` | commands, each ends with 0 |
//! | `console` | after `$ ` a command, below it what it prints, if that is shown; ends with 0 unless the next command is `echo $?` |
//! | `toml`, `json`, `jsonc`, `yaml` | a manifest, or a client's config |
//! | `python` | a file |
//! | `text`, `ini`, `dockerfile` | for reading |
//!
//! In what a command prints, `…` is any text of a line, and alone on a line any lines; `/home/me` is
//! the home of whoever reads the page.
//!
//! | comment | before a block of | means |
//! |---|---|---|
//! | `<!-- not run: REASON -->` | commands | they are left out, and counted |
//! | `<!-- file: PATH -->` | config | this is what is in the file now; the test writes it |
//! | `<!-- file now: PATH -->` | config | this is what the commands before made of the file |
//! | `<!-- not checked: REASON -->` | config | it is no manifest and no client's config |
//! | `<!-- prepared: COMMAND -->` | anything, or nothing | what a reader has already, such as a folder |
//! | `<!-- begins with: everything -->` | anything, or nothing | the reader has added server-everything already, which spares a minute of downloads |
//! | `<!-- needs: PROGRAM -->` | anything, or nothing | without this program, or `namespaces`, the page ends here |
//! | `<!-- no commands: REASON -->` | anything, or nothing | the page has none |

#![allow(
    dead_code,
    reason = "each of the programs that include this uses a part of it"
)]

use std::fs;
use std::path::{Path, PathBuf};

/// The reader's home in every page.
pub(crate) const READER: &str = "/home/me";

/// Commands that no page needs a comment for.
const LEFT_OUT: [(&str, &str); 2] = [
    ("cargo test", "it is what runs this"),
    (
        "cargo install --path .",
        "it compiles for minutes what the tests are compiled with",
    ),
];

/// What a block is, by the word after its fence.
const COMMANDS: [&str; 2] = ["sh", "console"];
const FILES: [&str; 5] = ["toml", "json", "jsonc", "yaml", "python"];
/// `toml refused`: another test sees it refused.
const FOR_READING: [&str; 4] = ["text", "ini", "dockerfile", "toml refused"];

pub(crate) struct Page {
    /// Below the project, for example `docs/guide.md`.
    pub(crate) path: String,
    pub(crate) text: String,
    pub(crate) parts: Vec<Part>,
    /// Why there are no commands in it.
    pub(crate) no_commands: Option<String>,
}

/// What a test does, in the order of the page.
pub(crate) struct Part {
    pub(crate) line: usize,
    pub(crate) what: What,
}

pub(crate) enum What {
    Command(Command),
    NotRun { command: String, reason: String },
    Config(Config),
    Prepared(String),
    BeginsWith(String),
    Needs(String),
}

pub(crate) struct Command {
    pub(crate) text: String,
    /// None where the page does not show it.
    pub(crate) prints: Option<Vec<String>>,
    /// Any code: the next command asks for it.
    pub(crate) may_fail: bool,
}

pub(crate) struct Config {
    pub(crate) language: String,
    pub(crate) text: String,
    pub(crate) place: Place,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// An excerpt.
    Nowhere,
    Written(String),
    Result(String),
    NotChecked(String),
}

impl Page {
    pub(crate) fn read(project: &Path, path: &str) -> Result<Self, String> {
        let text = fs::read_to_string(project.join(path)).map_err(|error| error.to_string())?;
        Self::parse(path, &text)
    }

    /// # Errors
    /// The line and what is wrong there.
    pub(crate) fn parse(path: &str, text: &str) -> Result<Self, String> {
        let mut page = Self {
            path: path.to_owned(),
            text: text.to_owned(),
            parts: Vec::new(),
            no_commands: None,
        };
        let mut lines = text.lines().enumerate();
        let mut said: Option<(String, String)> = None;
        while let Some((index, line)) = lines.next() {
            let wrong = |what: &str| Err(format!("{path}:{}: {what}", index + 1));
            if let Some((key, value)) = comment(line) {
                if said.is_some() {
                    return wrong("the comment before this one is about no block");
                }
                let part = |what| Part {
                    line: index + 1,
                    what,
                };
                match key {
                    "prepared" => page.parts.push(part(What::Prepared(value.to_owned()))),
                    "begins with" => page.parts.push(part(What::BeginsWith(value.to_owned()))),
                    "needs" => page.parts.push(part(What::Needs(value.to_owned()))),
                    "no commands" => page.no_commands = Some(value.to_owned()),
                    "not run" | "file" | "file now" | "not checked" => {
                        said = Some((key.to_owned(), value.to_owned()));
                    }
                    other => return wrong(&format!("no test knows the comment `{other}`")),
                }
                continue;
            }
            let indent = line.len() - line.trim_start().len();
            let Some(language) = line.trim_start().strip_prefix("```") else {
                if said.is_some() && !line.trim().is_empty() {
                    return wrong("the comment before this line is about no block");
                }
                continue;
            };
            let mut block = Vec::new();
            loop {
                match lines.next() {
                    None => return wrong("the block has no end"),
                    Some((_, line)) if line.trim() == "```" => break,
                    Some((_, line)) => {
                        block.push(line.get(indent.min(line.len())..).unwrap_or(line));
                    }
                }
            }
            page.block(index + 2, language.trim(), &block, said.take())?;
        }
        match said {
            Some((key, _)) => Err(format!("{path}: the comment `{key}` is about no block")),
            None => Ok(page),
        }
    }

    fn block(
        &mut self,
        line: usize,
        language: &str,
        block: &[&str],
        said: Option<(String, String)>,
    ) -> Result<(), String> {
        let wrong = |what: &str| Err(format!("{}:{line}: {what}", self.path));
        let (key, value) = match &said {
            Some((key, value)) => (key.as_str(), value.clone()),
            None => ("", String::new()),
        };
        if COMMANDS.contains(&language) {
            let commands = match commands(language, block, line) {
                Ok(commands) => commands,
                Err(what) => return wrong(&what),
            };
            for (line, command) in commands {
                let left_out = LEFT_OUT.iter().find(|(text, _)| *text == command.text);
                let what = match (key, left_out) {
                    ("", Some((_, reason))) => What::NotRun {
                        command: command.text,
                        reason: (*reason).to_owned(),
                    },
                    ("", None) => What::Command(command),
                    ("not run", _) => What::NotRun {
                        command: command.text,
                        reason: value.clone(),
                    },
                    _ => return wrong("this comment is not about commands"),
                };
                self.parts.push(Part { line, what });
            }
            return Ok(());
        }
        if FILES.contains(&language) {
            let place = match key {
                "" => Place::Nowhere,
                "file" => Place::Written(value),
                "file now" => Place::Result(value),
                "not checked" => Place::NotChecked(value),
                _ => return wrong("this comment is not about a config"),
            };
            let what = What::Config(Config {
                language: language.to_owned(),
                text: block.iter().flat_map(|line| [line, "\n"]).collect(),
                place,
            });
            self.parts.push(Part { line, what });
            return Ok(());
        }
        match (FOR_READING.contains(&language), key) {
            (true, "") => Ok(()),
            (true, _) => wrong("this comment is not about a text"),
            (false, _) => wrong(&format!("no test knows blocks of `{language}`")),
        }
    }

    pub(crate) fn commands(&self) -> usize {
        let is_one = |part: &&Part| matches!(part.what, What::Command(_) | What::NotRun { .. });
        self.parts.iter().filter(is_one).count()
    }
}

/// `<!-- KEY: VALUE -->`, alone on its line; other comments are nobody's business.
fn comment(line: &str) -> Option<(&str, &str)> {
    let inside = line.trim().strip_prefix("<!-- ")?.strip_suffix(" -->")?;
    inside.split_once(": ")
}

/// The commands of a block, each with its line.
fn commands(language: &str, block: &[&str], first: usize) -> Result<Vec<(usize, Command)>, String> {
    let is_shown = language == "console";
    let mut found: Vec<(usize, Command)> = Vec::new();
    let mut lines = block.iter().enumerate();
    while let Some((index, line)) = lines.next() {
        let line = line.trim_end();
        let command = match (is_shown, line.strip_prefix("$ ")) {
            (true, Some(command)) => command,
            (true, None) => {
                let Some((_, command)) = found.last_mut() else {
                    return Err("a `console` block begins with `$ `".to_owned());
                };
                // An empty line below a command sets the next one apart.
                if command.prints.is_some() || !line.is_empty() {
                    command.prints.get_or_insert_default().push(line.to_owned());
                }
                continue;
            }
            (false, _) if line.is_empty() || line.starts_with('#') => continue,
            (false, _) => line,
        };
        let mut text = command.to_owned();
        while text.ends_with('\\') {
            let (_, more) = lines.next().ok_or("the last command goes on nowhere")?;
            text.push('\n');
            text.push_str(more.trim_end());
        }
        if is_shown
            && text == "echo $?"
            && let Some((_, before)) = found.last_mut()
        {
            before.may_fail = true;
        }
        found.push((
            first + index,
            Command {
                text,
                prints: None,
                may_fail: false,
            },
        ));
    }
    match found.is_empty() {
        true => Err("there is no command in the block".to_owned()),
        false => Ok(found),
    }
}

/// Compares what a page shows with what there was.
///
/// # Errors
/// Both, for people.
pub(crate) fn compare(shown: &[String], actual: &str) -> Result<(), String> {
    let actual: Vec<&str> = actual.trim_end().lines().map(str::trim_end).collect();
    let shown: Vec<&str> = shown.iter().map(|line| line.trim_end()).collect();
    let end = shown.iter().rposition(|line| !line.is_empty());
    let shown = &shown[..end.map_or(0, |end| end + 1)];
    match fit(shown, &actual) {
        true => Ok(()),
        false => Err(format!(
            "the page shows\n{}\nand there was\n{}",
            shown.join("\n"),
            actual[..actual.len().min(80)].join("\n")
        )),
    }
}

fn fit(shown: &[&str], actual: &[&str]) -> bool {
    match shown.split_first() {
        None => actual.is_empty(),
        Some((first, rest)) if first.trim() == "…" => {
            (0..=actual.len()).any(|skipped| fit(rest, &actual[skipped..]))
        }
        Some((first, rest)) => actual
            .split_first()
            .is_some_and(|(line, others)| line_fits(first, line) && fit(rest, others)),
    }
}

fn line_fits(shown: &str, actual: &str) -> bool {
    let mut pieces = shown.split('…');
    let first = pieces.next().unwrap_or_default();
    let Some(mut rest) = actual.strip_prefix(first) else {
        return false;
    };
    let pieces: Vec<&str> = pieces.collect();
    let Some((last, middle)) = pieces.split_last() else {
        return rest.is_empty();
    };
    for piece in middle {
        match rest.find(piece) {
            Some(at) => rest = &rest[at + piece.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// README.md and everything in docs/, in the order of their names.
pub(crate) fn paths(project: &Path) -> Vec<String> {
    let mut found = vec!["README.md".to_owned()];
    let mut folders = vec![project.join("docs")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "md") {
                let below = path.strip_prefix(project).unwrap();
                found.push(below.to_str().unwrap().to_owned());
            }
        }
    }
    found[1..].sort();
    found
}
