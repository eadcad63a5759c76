//! A server of a config as the rules look at it: its words without what only wraps them, and every
//! text of it by its name.

use std::ops::Range;
use std::path::{Path, PathBuf};

use super::super::import::base_name;
use super::super::launchers::{Started, started};
use super::super::own_program::is_pinfold;
use crate::config::clients::{
    ClientFile, ClientServer, Node, Position, Scope, Transport, Value, Word,
};

/// A text of an entry, with what it is called there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Named {
    /// The key, or the option before it; empty when nothing names it.
    pub name: String,
    pub text: String,
    pub at: Position,
    pub is_argument: bool,
}

/// One server.
pub(super) struct Entry<'f> {
    pub file: &'f ClientFile,
    pub server: &'f ClientServer,
    /// What is started, as written; empty when nothing is.
    pub words: Vec<&'f Word>,
    /// The same without `env A=B`, `cmd /c` and the like.
    pub inner: Vec<&'f Word>,
    pub texts: Vec<Named>,
}

/// A start through pinfold.
pub(super) struct Pinned<'f> {
    pub manifest: Option<PathBuf>,
    /// None for `run -- COMMAND`, and what is no `run` at all.
    pub name: Option<&'f Word>,
}

impl<'f> Entry<'f> {
    pub(super) fn new(file: &'f ClientFile, server: &'f ClientServer) -> Self {
        let words: Vec<&Word> = match &server.transport {
            Transport::Stdio { argv } => argv.iter().collect(),
            Transport::Remote { .. } | Transport::BuiltIn => Vec::new(),
        };
        let mut texts = Vec::new();
        collect(file, "", &server.node, &[], &mut texts);
        for text in &mut texts {
            text.is_argument = words.iter().any(|word| word.at == text.at);
        }
        Self {
            file,
            server,
            inner: unwrapped(&words),
            words,
            texts,
        }
    }

    /// The name of the program that is really started; empty when nothing is.
    pub(super) fn program(&self) -> &'f str {
        self.inner.first().map_or("", |word| base_name(&word.text))
    }

    /// The words after it.
    pub(super) fn arguments(&self) -> &[&'f Word] {
        self.inner.get(1..).unwrap_or_default()
    }

    /// What a launcher such as npx would start; an error when its arguments are not understood.
    pub(super) fn started(&self) -> Option<Result<Started<'f>, String>> {
        let words: Vec<&str> = self.inner.iter().map(|word| word.text.as_str()).collect();
        started(&words)
    }

    /// How pinfold starts it, if it does.
    pub(super) fn pinned(&self) -> Option<Pinned<'f>> {
        let command = self.inner.first().map_or("", |word| word.text.as_str());
        is_pinfold(command).then(|| {
            let mut manifest = None;
            let mut words = self.arguments().iter();
            let mut name = None;
            let mut is_run = false;
            while let Some(word) = words.next() {
                let text = word.text.as_str();
                if text == "--" {
                    break;
                } else if text == "--manifest" {
                    manifest = words.next().map(|word| PathBuf::from(&word.text));
                } else if let Some(path) = text.strip_prefix("--manifest=") {
                    manifest = Some(PathBuf::from(path));
                } else if text == "--daemon" {
                    words.next();
                } else if text.starts_with('-') {
                } else if !is_run {
                    is_run = true;
                    if text != "run" {
                        break;
                    }
                } else {
                    name = Some(*word);
                    break;
                }
            }
            Pinned { manifest, name }
        })
    }

    /// Where relative paths of a project's config start.
    pub(super) fn folder(&self) -> Option<&Path> {
        let said = self.server.cwd.as_ref().map(|cwd| Path::new(&cwd.text));
        said.filter(|said| said.is_absolute())
            .or_else(|| self.server.project())
    }

    /// The file that a text of the entry names, with what the client puts in for `${…}` and `~`;
    /// `None` when that can't be told.
    pub(super) fn named_file(&self, text: &str, home: Option<&Path>) -> Option<PathBuf> {
        let place = &self.file.place;
        let of_project = (place.scope == Scope::Project).then(|| {
            // `.vscode/mcp.json` and `.mcp.json` are both of the folder around.
            let folder = place.path.parent()?;
            let is_hidden = folder.file_name()?.to_string_lossy().starts_with('.');
            if is_hidden {
                folder.parent()
            } else {
                Some(folder)
            }
        });
        let project = self.folder().or_else(|| of_project.flatten());
        let below = |folder: Option<&Path>, rest: &str| Some(folder?.join(rest));
        for (start, folder) in [
            ("${userHome}/", home),
            ("${env:HOME}/", home),
            ("$HOME/", home),
            ("~/", home),
            ("${workspaceFolder}/", project),
            ("./", project),
        ] {
            if let Some(rest) = text.strip_prefix(start) {
                return below(folder, rest);
            }
        }
        match text.contains("${") || text.is_empty() {
            true => None,
            false if text.starts_with('/') => Some(PathBuf::from(text)),
            false => below(project, text),
        }
    }
}

/// Every text of a config that belongs to no server.
pub(super) fn texts_outside(file: &ClientFile) -> Vec<Named> {
    let servers = file.servers.iter();
    let servers: Vec<Range<usize>> = servers.map(|server| server.node.span.clone()).collect();
    let mut texts = Vec::new();
    collect(file, "", &file.root, &servers, &mut texts);
    texts
}

/// Programs that only start what their arguments say, with the options that take a word.
const WRAPPERS: &[(&str, &[&str])] = &[
    ("env", &["-u", "-C"]),
    ("cmd", &[]),
    ("cmd.exe", &[]),
    ("sudo", &["-u", "-g"]),
    ("doas", &["-u"]),
    ("nohup", &[]),
    ("setsid", &[]),
    ("nice", &["-n"]),
    ("timeout", &["-s", "-k"]),
    ("stdbuf", &[]),
];

fn unwrapped<'f>(words: &[&'f Word]) -> Vec<&'f Word> {
    let mut rest = words;
    while let Some((first, after)) = rest.split_first() {
        let name = base_name(&first.text);
        let Some((_, options)) = WRAPPERS.iter().find(|(wrapper, _)| *wrapper == name) else {
            break;
        };
        let mut after = after;
        while let Some((word, more)) = after.split_first() {
            let text = word.text.as_str();
            let takes_word = options.contains(&text);
            let is_time = name == "timeout" && text.starts_with(|c: char| c.is_ascii_digit());
            let is_variable = name == "env" && text.contains('=');
            let is_switch = name.starts_with("cmd") && matches!(text, "/c" | "/C" | "/d" | "/s");
            if !(text.starts_with('-') || is_time || is_variable || is_switch) {
                break;
            }
            after = match takes_word {
                true => more.get(1..).unwrap_or_default(),
                false => more,
            };
        }
        if after.is_empty() {
            break;
        }
        rest = after;
    }
    rest.to_vec()
}

/// `without`: nodes that are left out, by their spans.
fn collect(
    file: &ClientFile,
    name: &str,
    node: &Node,
    without: &[Range<usize>],
    found: &mut Vec<Named>,
) {
    if without.contains(&node.span) {
        return;
    }
    match &node.value {
        Value::Text(text) | Value::Plain(text) => {
            let mut put = |name: &str, text: &str| {
                found.push(Named {
                    name: name.to_owned(),
                    text: text.to_owned(),
                    at: file.text.position(node.span.start),
                    is_argument: false,
                });
            };
            // `--token=VALUE`, and `-e NAME=VALUE` of docker.
            match text.split_once('=') {
                Some((option, value)) if is_option_name(option) => {
                    put(option.trim_start_matches('-'), value);
                }
                // `--header "Authorization: Bearer VALUE"`
                _ => match text.split_once(": ") {
                    Some((header, value)) if is_option_name(header) => put(header, value),
                    _ => put(name, text),
                },
            }
        }
        Value::List(entries) => {
            let mut before = "";
            for entry in entries {
                collect(file, before, entry, without, found);
                let word = entry.as_text().unwrap_or_default();
                let is_option = word.starts_with('-') && !word.contains('=');
                before = match is_option {
                    true => word.trim_start_matches('-'),
                    false => "",
                };
            }
        }
        Value::Map(members) => {
            for member in members {
                collect(file, &member.key, &member.value, without, found);
            }
        }
        Value::Null | Value::Bool(_) => {}
    }
}

fn is_option_name(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 100
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}
