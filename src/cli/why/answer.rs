//! An answer of `explain --why`, for a person and as JSON.

use serde_json::{Value, json};

use crate::cli::output;
use crate::config::{Change, Place};
use crate::policy::Origin;

/// Longest text of the manifest or the machine that is shown, in characters.
const MAX_TEXT: usize = 600;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    Yes,
    No,
    /// The user is asked, each time.
    Ask,
}

impl Word {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::No => "no",
            Self::Ask => "ask",
        }
    }
}

/// What an answer rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ground {
    /// A key of the server's entry, which may not be there.
    Manifest(String),
    Part(Origin),
    /// The server's own program, or what that runs on.
    Server,
    /// What holds for every server, whatever the manifest says.
    Pinfold,
    /// What the manifest doesn't speak of, as every server has it.
    Default,
    Lock,
    /// The kernel, or the files of the machine.
    Machine,
}

/// What was found, before a change is thought of.
#[derive(Clone, Debug)]
pub(super) struct Finding {
    pub(super) word: Word,
    /// What the question was understood as.
    pub(super) about: String,
    pub(super) reason: String,
    pub(super) ground: Ground,
    pub(super) notes: Vec<String>,
}

/// What would make it another answer.
#[derive(Clone, Debug)]
pub(super) enum Remedy {
    /// It is yes already, or no line of the manifest can.
    None,
    /// These lines; the same question was answered again with them.
    Lines(Vec<Change>),
    /// The line would be refused.
    Refused(String),
}

pub(super) struct Answer {
    pub(super) question: String,
    pub(super) finding: Finding,
    /// Of the key that it rests on.
    pub(super) place: Option<Place>,
    pub(super) remedy: Remedy,
    /// What is dangerous about the remedy.
    pub(super) warnings: Vec<String>,
    /// What to run after the lines are written.
    pub(super) then: String,
    pub(super) manifest: String,
}

impl Finding {
    pub(super) fn new(
        word: Word,
        about: String,
        reason: impl Into<String>,
        ground: Ground,
    ) -> Self {
        Self {
            word,
            about,
            reason: reason.into(),
            ground,
            notes: Vec::new(),
        }
    }

    pub(super) fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    pub(super) fn note_if(self, is_so: bool, note: &str) -> Self {
        if is_so { self.note(note) } else { self }
    }
}

impl Answer {
    pub(super) fn lines(&self) -> Vec<String> {
        let shown = |text: &str| output::foreign(text, MAX_TEXT);
        let finding = &self.finding;
        let mut lines = vec![format!(
            "{}: {}: {} ({})",
            finding.word.name(),
            shown(&finding.about),
            shown(&finding.reason),
            shown(&self.ground()),
        )];
        match &self.remedy {
            Remedy::None => {}
            Remedy::Refused(reason) => {
                lines.push(format!("    can't be granted: {}", shown(reason)));
            }
            Remedy::Lines(changes) => {
                lines.push(format!("    to allow it, in {}:", shown(&self.manifest)));
                for change in changes {
                    let place = match change.replaces {
                        None => format!("below {} (line {})", change.table, change.header),
                        Some((first, last)) if first == last => {
                            format!("in {}, in place of line {first}", change.table)
                        }
                        Some((first, last)) => {
                            format!("in {}, in place of lines {first} to {last}", change.table)
                        }
                    };
                    lines.push(format!("      {}:", shown(&place)));
                    let text = change.text.lines();
                    lines.extend(text.map(|line| format!("        {}", shown(line))));
                }
                lines.push(format!("    then run `{}`", shown(&self.then)));
            }
        }
        let warnings = self.warnings.iter();
        lines.extend(warnings.map(|text| format!("    careful: {}", shown(text))));
        let notes = finding.notes.iter();
        lines.extend(notes.map(|text| format!("    note: {}", shown(text))));
        lines
    }

    /// Where it comes from, for a person.
    fn ground(&self) -> String {
        match (&self.finding.ground, self.place) {
            (Ground::Manifest(key), Some(Place { line, column })) => {
                format!("manifest, line {line}, column {column}: `{key}`")
            }
            (Ground::Manifest(key), None) => format!("manifest, without `{key}`"),
            (Ground::Part(Origin::Base), _) => "every server".to_owned(),
            (Ground::Part(Origin::Profile(name)), _) => format!("profile {name}"),
            (Ground::Part(Origin::Runtime(name)), _) => format!("runtime {name}"),
            (Ground::Part(Origin::Manifest), _) => "manifest".to_owned(),
            (Ground::Server, _) => "the server itself, or what it runs on".to_owned(),
            (Ground::Pinfold, _) => "pinfold, for every server".to_owned(),
            (Ground::Default, _) => "by default".to_owned(),
            (Ground::Lock, _) => "the lock".to_owned(),
            (Ground::Machine, _) => "this machine".to_owned(),
        }
    }

    /// One entry of `why` in `explain --json`.
    pub(super) fn document(&self) -> Value {
        let finding = &self.finding;
        let change = match &self.remedy {
            Remedy::Lines(changes) => json!({
                "lines": changes.iter().map(|change| json!({
                    "table": change.table,
                    "header": change.header,
                    "text": change.text,
                    "replaces": change.replaces.map(|(first, last)| json!([first, last])),
                })).collect::<Vec<_>>(),
                "then": self.then,
            }),
            _ => Value::Null,
        };
        let refused = match &self.remedy {
            Remedy::Refused(reason) => Some(reason),
            _ => None,
        };
        json!({
            "question": self.question,
            "answer": finding.word.name(),
            "about": finding.about,
            "reason": finding.reason,
            "from": self.from(),
            "change": change,
            "refused": refused,
            "warnings": self.warnings,
            "notes": finding.notes,
        })
    }

    fn from(&self) -> Value {
        match &self.finding.ground {
            Ground::Manifest(key) => json!({
                "part": "manifest",
                "key": key,
                "line": self.place.map(|place| place.line),
                "column": self.place.map(|place| place.column),
            }),
            Ground::Part(Origin::Base) => json!({ "part": "base" }),
            Ground::Part(Origin::Profile(name)) => json!({ "part": "profile", "name": name }),
            Ground::Part(Origin::Runtime(name)) => json!({ "part": "runtime", "name": name }),
            Ground::Part(Origin::Manifest) => json!({ "part": "manifest" }),
            Ground::Server => json!({ "part": "server" }),
            Ground::Pinfold => json!({ "part": "pinfold" }),
            Ground::Default => json!({ "part": "default" }),
            Ground::Lock => json!({ "part": "lock" }),
            Ground::Machine => json!({ "part": "machine" }),
        }
    }
}
