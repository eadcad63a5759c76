//! What becomes of one server of a client's config. Pure: what it must know of the machine's files
//! it asks a [`Machine`].

use std::path::{Path, PathBuf};

use super::super::launchers::{Started, started};
use super::grants::{Grants, grants, too_much, unreached};

use super::variables::{Variables, variables};
use crate::config::clients::{
    ClientFile, ClientServer, Scope, Transport, may_be_placeholder, secret_in_argument,
};

/// What is at a path, links followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Folder,
    File,
    Nothing,
}

/// The machine as far as a plan depends on it.
pub(super) trait Machine {
    fn kind(&self, path: &Path) -> Kind;
    /// A program of the search path.
    fn program(&self, name: &str) -> Option<PathBuf>;
    fn home(&self) -> Option<&Path>;
    /// The path without links and `..`, of what is there.
    fn real(&self, path: &Path) -> Option<PathBuf>;
    /// Why a file or folder can't be a server's code: it holds what is pinfold's own.
    fn own(&self, path: &Path) -> Option<String>;
    /// Whether a command is pinfold, whatever its file is called.
    fn is_pinfold(&self, command: &str) -> bool {
        base_name(command) == "pinfold"
    }
}

/// A server as pinfold would run it, but for its name and its tools.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Converted {
    /// As in a manifest.
    pub source: String,
    pub program: Option<String>,
    pub args: Vec<String>,
    pub grants: Grants,
    pub variables: Variables,
    /// What is lost, or not granted, and what would change that.
    pub notes: Vec<String>,
}

/// What is done about a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    Convert(Converted),
    /// It has nothing to do with pinfold, or is pinfold already: why.
    Leave(String),
    /// It can't be converted: why, and what would help.
    Refuse(String),
}

/// Decides about one server of `file`.
pub(super) fn decide(file: &ClientFile, server: &ClientServer, machine: &dyn Machine) -> Decision {
    let argv = match &server.transport {
        Transport::Remote { .. } => {
            return Decision::Leave("it is remote: nothing of it runs here".to_owned());
        }
        Transport::BuiltIn => return Decision::Leave("it is a part of the client".to_owned()),
        Transport::Stdio { argv } => argv,
    };
    if file.place.scope == Scope::Managed {
        return Decision::Leave("its config is the administrator's".to_owned());
    }
    let words: Vec<&str> = argv.iter().map(|word| word.text.as_str()).collect();
    if machine.is_pinfold(words[0]) {
        return Decision::Leave("pinfold runs it already".to_owned());
    }
    match convert(file, server, &words, machine) {
        Ok(converted) => Decision::Convert(converted),
        Err(reason) => Decision::Refuse(reason),
    }
}

fn convert(
    file: &ClientFile,
    server: &ClientServer,
    words: &[&str],
    machine: &dyn Machine,
) -> Result<Converted, String> {
    if server.node.unusual.is_some() {
        return Err("its entry has an anchor or a tag; write it out".to_owned());
    }
    let filled = filled_in(words, machine.home())?;
    let words: Vec<&str> = filled.iter().map(String::as_str).collect();
    refuse_secret_arguments(&words)?;
    let folder = working_folder(file, server);
    let trusted = match file.place.scope {
        // Somebody else may have written it.
        Scope::Project => file.place.path.parent().and_then(project_folder),
        Scope::User | Scope::Managed => None,
    };
    let start = Start {
        folder: folder.as_deref(),
        project: trusted.or_else(|| server.project()),
    };
    let code = code_of(&words, &start, machine)?;
    let (grants, mut notes) = grants(&code.args, trusted, machine);
    let (variables, more) = variables(server)?;
    notes.extend(more);
    notes.extend(unreached(&variables, &grants, machine));
    if server.node.get("envFile").is_some() {
        notes.push("of its `envFile` only variables that the manifest names reach it: `env.NAME = { from = \"NAME\" }`".to_owned());
    }
    Ok(Converted {
        source: code.source,
        program: code.program,
        args: code.args,
        grants,
        variables,
        notes,
    })
}

/// The code that is run, and its arguments.
struct Code {
    source: String,
    program: Option<String>,
    args: Vec<String>,
}

/// Where a server is started.
struct Start<'s> {
    /// For relative paths.
    folder: Option<&'s Path>,
    /// The project that it is of.
    project: Option<&'s Path>,
}

fn code_of(words: &[&str], start: &Start<'_>, machine: &dyn Machine) -> Result<Code, String> {
    if let Some(started) = started(words) {
        return launched(&started?);
    }
    let (program, rest) = (words[0], &words[1..]);
    let name = base_name(program);
    if is_family(name, "python") {
        return script(
            rest,
            &["-u", "-B", "-I", "-s"],
            PYTHON_OPTIONS,
            start,
            machine,
        );
    }
    if is_family(name, "node") || name == "nodejs" {
        return script(rest, &[], NODE_OPTIONS, start, machine);
    }
    if let Some((_, reason)) = STARTERS.iter().find(|(names, _)| names.contains(&name)) {
        return Err(format!("`{name}` {reason}"));
    }
    let found = match program.contains('/') {
        true => absolute(program, start.folder).filter(|path| machine.kind(path) == Kind::File),
        false => machine.program(program),
    };
    let found = found.ok_or_else(|| format!("there is no program `{program}` here"))?;
    if let Some(reason) = machine.own(&found) {
        return Err(reason);
    }
    Ok(Code {
        source: path_source(&found)?,
        program: None,
        args: owned(rest),
    })
}

/// Programs that start something else, with the reason why that can't be converted.
const STARTERS: &[(&[&str], &str)] = &[
    (
        &["docker", "podman", "nerdctl"],
        "runs a container image, and pinfold has no source for images; if the server is also a package, `pinfold add NAME npm:PACKAGE` or `pypi:PACKAGE`",
    ),
    (
        &["uv", "poetry", "pdm", "hatch", "rye", "conda", "pixi"],
        "runs a project of this machine with an environment of its own, which can't be pinned; build a wheel and publish it, or use a package",
    ),
    (
        &[
            "sh",
            "bash",
            "dash",
            "zsh",
            "fish",
            "cmd",
            "cmd.exe",
            "powershell",
            "pwsh",
            "env",
            "sudo",
            "xargs",
            "timeout",
            "nohup",
            "setsid",
        ],
        "starts whatever its arguments say; name the server's own program",
    ),
    (
        &["npm", "yarn", "pnpm", "bun", "deno", "tsx", "ts-node"],
        "runs a script that can't be pinned like this; name the script's file after `node`, or the package after `npx`",
    ),
    (
        &[
            "ssh",
            "kubectl",
            "wsl",
            "wsl.exe",
            "flatpak",
            "nix",
            "nix-shell",
            "nsenter",
            "chroot",
        ],
        "starts the server somewhere else",
    ),
    (
        &[
            "go", "cargo", "make", "dotnet", "java", "ruby", "php", "perl",
        ],
        "builds or interprets something that pinfold has no source for; build a program and name its file",
    ),
];

const PYTHON_OPTIONS: &str = "which package a module is of can't be told from its name: `pinfold add NAME pypi:PACKAGE` locks it";
const NODE_OPTIONS: &str =
    "pinfold starts a program's file; put its options into the file, or use its package";

fn launched(started: &Started<'_>) -> Result<Code, String> {
    Ok(Code {
        source: started.source()?,
        program: None,
        args: owned(&started.arguments),
    })
}

/// `python FILE` and `node FILE`.
fn script(
    words: &[&str],
    ignored: &[&str],
    hint: &str,
    start: &Start<'_>,
    machine: &dyn Machine,
) -> Result<Code, String> {
    let mut words = words.iter().skip_while(|word| ignored.contains(word));
    let file = *words.next().ok_or("it starts no file")?;
    if matches!(file, "-c" | "-e" | "--eval" | "-p" | "--print" | "-") {
        return Err("its code stands in the config itself; put it into a file".to_owned());
    }
    if file.starts_with('-') {
        return Err(format!("the option `{file}` can't be taken over: {hint}"));
    }
    let path = absolute(file, start.folder)
        .ok_or_else(|| format!("`{file}` is relative to a folder that only the client knows"))?;
    let args = words.map(|word| (*word).to_owned()).collect();
    match machine.kind(&path) {
        Kind::File => {}
        Kind::Folder => return Err(format!("`{file}` is a folder")),
        Kind::Nothing => return Err(format!("there is no file `{file}`")),
    }
    // What it imports lies beside it.
    if let Some((package, inside)) = package_of(&path, start.project, machine) {
        if let Some(reason) = too_much(&package, machine.home()) {
            let shown = package.display();
            return Err(format!(
                "its package would be all of `{shown}` ({reason}), and a server can read its own code; put it into a folder of its own"
            ));
        }
        if let Some(reason) = machine.own(&package) {
            return Err(reason);
        }
        return Ok(Code {
            source: path_source(&package)?,
            program: Some(inside),
            args,
        });
    }
    if let Some(reason) = machine.own(&path) {
        return Err(reason);
    }
    Ok(Code {
        source: path_source(&path)?,
        program: None,
        args,
    })
}

/// The folder of a script's package, and the script in it. Everything in that folder becomes the
/// server's to read, so it is never looked for outside of the script's project or repository, nor in the
/// home folder itself and above.
fn package_of(
    script: &Path,
    project: Option<&Path>,
    machine: &dyn Machine,
) -> Option<(PathBuf, String)> {
    let script = machine.real(script)?;
    let project = project.and_then(|project| machine.real(project));
    let home = machine
        .home()
        .map(|home| machine.real(home).unwrap_or_else(|| home.to_owned()));
    for folder in script.ancestors().skip(1).take(8) {
        let is_outside = project
            .as_ref()
            .is_some_and(|project| !folder.starts_with(project));
        if is_outside || home.as_ref().is_some_and(|home| home.starts_with(folder)) {
            return None;
        }
        if machine.kind(&folder.join("package.json")) == Kind::File {
            let inside = script.strip_prefix(folder).ok()?.to_str()?.to_owned();
            return Some((folder.to_owned(), inside));
        }
        if machine.kind(&folder.join(".git")) != Kind::Nothing {
            return None;
        }
    }
    None
}

fn path_source(path: &Path) -> Result<String, String> {
    let text = path.to_str().ok_or("its path is not UTF-8")?;
    Ok(format!("path:{text}"))
}

fn absolute(path: &str, folder: Option<&Path>) -> Option<PathBuf> {
    match path.starts_with('/') {
        true => Some(PathBuf::from(path)),
        false => Some(folder?.join(path)),
    }
}

/// Where relative paths start: what the entry says, or the folder of a project's config.
fn working_folder(file: &ClientFile, server: &ClientServer) -> Option<PathBuf> {
    let said = server.cwd.as_ref().map(|cwd| PathBuf::from(&cwd.text));
    if let Some(said) = said.filter(|said| said.is_absolute()) {
        return Some(said);
    }
    match file.place.scope {
        Scope::Project => file
            .place
            .path
            .parent()
            .and_then(project_folder)
            .map(Path::to_owned),
        Scope::User | Scope::Managed => server.project().map(Path::to_owned),
    }
}

/// The folder above `.cursor`, `.vscode` and the like.
fn project_folder(folder: &Path) -> Option<&Path> {
    let is_hidden = |folder: &&Path| {
        let name = folder.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| name.starts_with('.') || name == "mcpServers")
    };
    folder.ancestors().find(|folder| !is_hidden(folder))
}

/// The words with the home folder filled in, which never changes. What else the client would fill
/// in differs from one start to the next, and can't be pinned.
fn filled_in(words: &[&str], home: Option<&Path>) -> Result<Vec<String>, String> {
    words
        .iter()
        .enumerate()
        .map(|(index, word)| {
            let mut word = (*word).to_owned();
            if let Some(home) = home.and_then(Path::to_str) {
                for placeholder in ["${userHome}", "${env:HOME}", "${HOME}", "{env:HOME}"] {
                    word = word.replace(placeholder, home);
                }
            }
            match may_be_placeholder(&word) {
                true if index == 0 => Err(format!("the client fills in its program, `{word}`")),
                true => Err(format!(
                    "the client fills in its argument `{word}`, and arguments are pinned; write it out, or pass it by a variable"
                )),
                false => Ok(word),
            }
        })
        .collect()
}

fn refuse_secret_arguments(words: &[&str]) -> Result<(), String> {
    let mut before = "";
    for word in words {
        if let Some(secret) = secret_in_argument(before, word) {
            let name = word
                .strip_suffix(secret)
                .map(|name| name.trim_end_matches(['=', ':', ' ']));
            let place = match name {
                Some("") | None if before.starts_with('-') => format!("after `{before}`"),
                Some("") | None => "as a word of its own".to_owned(),
                Some(name) => format!("in `{name}`"),
            };
            return Err(format!(
                "an argument holds a secret ({place}), which every process of this machine can read; pass it by a variable, if the server knows one"
            ));
        }
        before = word;
    }
    Ok(())
}

fn is_family(name: &str, family: &str) -> bool {
    name.strip_prefix(family).is_some_and(|rest| {
        rest.bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'.')
    })
}

pub(in crate::cli) fn base_name(program: &str) -> &str {
    program.rsplit('/').next().unwrap_or_default()
}

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

#[cfg(test)]
mod tests;
