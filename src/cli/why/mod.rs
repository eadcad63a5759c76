//! `pinfold explain NAME --why QUESTION`: yes or no, what it rests on, and the lines of the manifest
//! that would change it.
//!
//! Each answer is the decision of what enforces it: the box's rules for files and system calls, the
//! policy for connections, what the relay is given for the rest. A line is proposed only when the
//! same question, asked again of the manifest with that line, is answered otherwise.

mod answer;
mod danger;
mod files;
mod network;
mod process;
mod protocol;
mod question;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use self::answer::{Answer, Finding, Ground, Remedy, Word};
pub(super) use self::question::help;
use self::question::{Places, Question};
use super::context::Context;
use super::exit::UsageError;
use super::explain::Explained;
use super::session::command;
use crate::config::{Change, Lines, Manifest, NewValue, shell_word, with_changes};
use crate::launch::{Launcher, StateFolder};
use crate::lockfile::ToolName;
use crate::relay::DecidedBy;
use crate::sandbox::FileUse;

/// What is asked, in order.
pub(super) struct Questions(Vec<(String, Question)>);

/// What a change is thought through with.
pub(super) struct Situation<'a> {
    pub(super) context: &'a Context,
    pub(super) launcher: &'a Launcher<'a>,
    pub(super) explained: &'a Explained<'a>,
}

/// The answers, in the order of the questions.
pub(super) struct Answers(Vec<Answer>);

/// Keys that get other values.
type Edit = (Vec<String>, NewValue);

impl Questions {
    /// # Errors
    /// When one can't be understood.
    pub(super) fn parse(texts: &[String], home: Option<&Path>) -> Result<Self, UsageError> {
        let current = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/"));
        let places = Places {
            current: &current,
            home,
        };
        let questions = texts
            .iter()
            .map(|text| Ok((text.clone(), Question::parse(text, places)?)));
        questions.collect::<Result<_, UsageError>>().map(Self)
    }

    pub(super) fn answer(&self, situation: &Situation<'_>) -> Answers {
        let questions = self.0.iter();
        Answers(
            questions
                .map(|(text, question)| situation.answer(text, question))
                .collect(),
        )
    }
}

impl Answers {
    /// Whether none is no.
    pub(super) fn all_yes(&self) -> bool {
        self.0.iter().all(|answer| answer.finding.word != Word::No)
    }

    pub(super) fn lines(&self) -> Vec<String> {
        self.0.iter().flat_map(Answer::lines).collect()
    }

    pub(super) fn document(&self) -> serde_json::Value {
        self.0.iter().map(Answer::document).collect()
    }
}

impl Situation<'_> {
    fn answer(&self, text: &str, question: &Question) -> Answer {
        let explained = self.explained;
        let state = StateFolder::planned(self.context.paths.server_state(explained.name));
        let differing = state.shown_tools().differing();
        let mut finding = judge(question, explained, &differing);
        let remedy = match finding.word {
            Word::Yes | Word::Ask => Remedy::None,
            Word::No => self.remedy(question, &finding, &differing),
        };
        if let Some(refusal) = &explained.refusal
            && *question != Question::Run
        {
            let text = format!("as things are it would not be started at all: {refusal}");
            finding.notes.push(text);
        }
        let warnings = match remedy {
            Remedy::None => Vec::new(),
            _ => self.warnings(question).into_iter().collect(),
        };
        let key = match &finding.ground {
            Ground::Manifest(key) => Some(key.as_str()),
            _ => None,
        };
        let mut then = command(self.context, "lock", explained.name);
        if !self.context.paths.own_manifest {
            let manifest = shell_word(&explained.manifest.to_string_lossy());
            then = format!("{then}` and `pinfold trust {manifest}");
        }
        Answer {
            question: text.to_owned(),
            place: key.and_then(|key| explained.lines.place(key)),
            finding,
            remedy,
            warnings,
            then,
            manifest: explained.manifest.display().to_string(),
        }
    }

    fn remedy(
        &self,
        question: &Question,
        finding: &Finding,
        differing: &BTreeSet<ToolName>,
    ) -> Remedy {
        // What the machine or the lock refuses is changed there.
        if matches!(finding.ground, Ground::Machine | Ground::Lock) {
            return Remedy::None;
        }
        let mut refused = None;
        for edits in self.candidates(question) {
            match self.thought_through(question, &edits, differing) {
                Ok(changes) => return Remedy::Lines(changes),
                Err(reason) => refused = refused.or(Some(reason)),
            }
        }
        refused.map_or(Remedy::None, Remedy::Refused)
    }

    /// The lines for the edits, when the question is answered otherwise with them.
    ///
    /// # Errors
    /// With the reason for a person.
    fn thought_through(
        &self,
        question: &Question,
        edits: &[Edit],
        differing: &BTreeSet<ToolName>,
    ) -> Result<Vec<Change>, String> {
        let Explained { name, text, .. } = self.explained;
        let mut changes = Vec::new();
        for (key, value) in edits {
            let parts: Vec<&str> = key.iter().map(String::as_str).collect();
            let change = Change::of(text, name, &parts, value).ok_or_else(|| {
                format!(
                    "the manifest writes `servers.{name}` so that no single line of it can be shown; change `{}` by hand",
                    parts.join(".")
                )
            })?;
            changes.push(change);
        }
        let text = with_changes(text, &changes);
        let paths = &self.context.paths;
        let manifest = Manifest::parse(&text, &paths.manifest, paths.home.as_deref());
        let manifest = manifest.map_err(|mistakes| match mistakes.items().first() {
            Some(mistake) => mistake.message.clone(),
            None => "the manifest would not be valid".to_owned(),
        })?;
        let server = manifest.servers.get(name).ok_or("the entry is gone")?;
        let locked = self.explained.locked;
        let found = self
            .launcher
            .explain_change(name, server, locked)
            .map_err(|error| error.to_string())?;
        let changed = Explained {
            lines: Lines::of(&text, name),
            text,
            server,
            found,
            refusal: None,
            manifest: self.explained.manifest,
            name,
            locked,
        };
        let finding = judge(question, &changed, differing);
        // A tool that is newly on the list has to be locked, which is what is said.
        let is_answered = finding.word != Word::No
            || (matches!(question, Question::Tool(_)) && finding.ground == Ground::Lock);
        if is_answered {
            Ok(changes)
        } else {
            Err(format!("it would not be enough: {}", finding.reason))
        }
    }

    /// What could change the answer; the first that does is proposed.
    fn candidates(&self, question: &Question) -> Vec<Vec<Edit>> {
        let policy = &self.explained.found.policy;
        let edit =
            |key: &str, value| -> Edit { (key.split('.').map(str::to_owned).collect(), value) };
        let profile = |name: &str| edit("profile", NewValue::Text(name.to_owned()));
        match question {
            Question::File { wanted, path } if *wanted != FileUse::Execute => {
                let entry = self.grantable(path);
                match wanted {
                    FileUse::Read => vec![vec![edit("files.read", NewValue::Added(entry))]],
                    _ => {
                        let write = edit("files.write", NewValue::Added(entry));
                        vec![vec![write.clone()], vec![write, profile("files-rw")]]
                    }
                }
            }
            Question::File { path, .. } => {
                let entry = path.display().to_string();
                vec![vec![edit("exec", NewValue::Added(entry))]]
            }
            Question::Program(name) => {
                vec![vec![edit("exec", NewValue::Added(name.clone()))]]
            }
            Question::Connect(rule) => {
                let entry = rule.to_string();
                let added = match (&self.explained.server.egress, &policy.egress) {
                    (None, Some(own)) => {
                        let own = own.rules.iter().map(ToString::to_string);
                        NewValue::List(own.chain([entry]).collect())
                    }
                    _ => NewValue::Added(entry),
                };
                let egress = edit("egress", added);
                vec![vec![egress.clone()], vec![profile("web"), egress]]
            }
            // One that isn't there could be allowed in vain.
            Question::Tool(name)
                if !self
                    .explained
                    .locked
                    .behaviour
                    .tools
                    .contains_key(name.as_str()) =>
            {
                Vec::new()
            }
            Question::Tool(name) => {
                vec![vec![edit("tools.allow", NewValue::Added(name.clone()))]]
            }
            Question::Resource(uri) => {
                vec![vec![edit("grants.resources", NewValue::Added(uri.clone()))]]
            }
            Question::Prompt(name) => {
                vec![vec![edit("grants.prompts", NewValue::Added(name.clone()))]]
            }
            Question::Method(name) => self.grant(name).into_iter().map(|one| vec![one]).collect(),
            Question::Variable(name) => {
                let key = vec!["env".to_owned(), name.clone()];
                vec![vec![(key, NewValue::Table("from", name.clone()))]]
            }
            Question::SystemCall(name) if self.explained.found.unlisted.contains(name) => {
                let added = NewValue::Added(name.clone());
                vec![vec![edit("system_calls", added)]]
            }
            Question::SystemCall(_) if policy.egress.is_none() => vec![vec![profile("web")]],
            Question::SystemCall(_) | Question::Socket(_) | Question::Run => Vec::new(),
        }
    }

    /// A path as the manifest can have it. What isn't there can't be granted, but its folder can.
    fn grantable(&self, path: &Path) -> String {
        let has_parents = path.components().any(|part| part.as_os_str() == "..");
        let resolved = has_parents.then(|| path.canonicalize().ok()).flatten();
        let path = resolved.as_deref().unwrap_or(path);
        let parent = path.parent().filter(|parent| parent.is_dir());
        let path = match parent {
            Some(parent) if !path.exists() => parent,
            _ => path,
        };
        let home = self.context.paths.home.as_deref();
        let below = home.and_then(|home| path.strip_prefix(home).ok());
        match below.filter(|below| !below.as_os_str().is_empty()) {
            Some(below) => format!("~/{}", below.display()),
            None => path.display().to_string(),
        }
    }

    fn grant(&self, method: &str) -> Option<Edit> {
        let passages = self.explained.found.policy.protocol.passages(method);
        let refused = passages.iter().find(|way| !way.passes)?;
        let (key, value) = match refused.decided {
            DecidedBy::Protocol | DecidedBy::Nobody => return None,
            DecidedBy::Setting { key, value: "true" } => (key, NewValue::Truth(true)),
            DecidedBy::Setting { key, value } => (key, NewValue::Text(value.to_owned())),
            DecidedBy::List { key } => (key, NewValue::Added(method.to_owned())),
        };
        Some((vec!["grants".to_owned(), key.to_owned()], value))
    }

    fn warnings(&self, question: &Question) -> Option<String> {
        let home = self.context.paths.home.as_deref();
        match question {
            Question::File { wanted, path } => {
                // The folder, where that is what would be granted.
                let granted = match path.parent() {
                    Some(parent) if !path.exists() && parent.is_dir() => parent,
                    _ => path,
                };
                danger::of_path(granted, *wanted, home)
                    .or_else(|| danger::of_path(path, *wanted, home))
            }
            Question::Program(name) => danger::of_path(Path::new(name), FileUse::Execute, home),
            Question::Connect(rule) => danger::of_host(rule),
            Question::Method(name) => danger::of_grant(name),
            _ => None,
        }
    }
}

fn judge(
    question: &Question,
    explained: &Explained<'_>,
    differing: &BTreeSet<ToolName>,
) -> Finding {
    match question {
        Question::File { wanted, path } => files::judge(*wanted, path, explained),
        Question::Program(name) => files::judge_program(name, explained),
        Question::Connect(rule) => network::judge(rule, explained),
        Question::Socket(path) => network::judge_socket(path, explained),
        Question::Tool(name) => protocol::judge_tool(name, explained, differing),
        Question::Resource(uri) => protocol::judge_resource(uri, explained),
        Question::Prompt(name) => protocol::judge_prompt(name, explained),
        Question::Method(name) => protocol::judge_method(name, explained),
        Question::Variable(name) => process::judge_variable(name, explained),
        Question::SystemCall(name) => process::judge_call(name, explained),
        Question::Run => process::judge_run(explained),
    }
}
