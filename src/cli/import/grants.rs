//! Which files a server gets, judged by its arguments: those that are there, and no others. Pure.

use std::path::Path;

use super::plan::{Kind, Machine};
use super::variables::{Held, Variables};

/// Paths as they shall stand in the manifest.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Grants {
    pub read: Vec<String>,
    pub write: Vec<String>,
}

/// Folders of the machine, of which nobody means the whole.
const SYSTEM: &[&str] = &[
    "/bin", "/boot", "/dev", "/etc", "/home", "/lib", "/lib64", "/opt", "/proc", "/root", "/run",
    "/sbin", "/srv", "/sys", "/tmp", "/usr", "/var",
];

/// Folders of the machine, of which nothing is granted unasked.
const NOTHING_BELOW: &[&str] = &["/boot", "/dev", "/etc", "/proc", "/run", "/sys"];

/// The grants that arguments stand for, and what to say about those that are not given. Folders
/// may be written, files read. `inside`: nothing else is granted.
pub(super) fn grants(
    args: &[String],
    inside: Option<&Path>,
    machine: &dyn Machine,
) -> (Grants, Vec<String>) {
    let mut grants = Grants::default();
    let mut notes = Vec::new();
    for arg in args {
        // `--root=/srv/notes`, too.
        let value = match arg.split_once('=') {
            Some((option, value)) if option.starts_with('-') => value,
            _ => arg,
        };
        let path = Path::new(value);
        if !path.is_absolute() || path.components().any(|part| part.as_os_str() == "..") {
            continue;
        }
        let (key, list) = match machine.kind(path) {
            Kind::Folder => ("write", &mut grants.write),
            Kind::File => ("read", &mut grants.read),
            Kind::Nothing => continue,
        };
        // A link of a repository may lead anywhere.
        let real = machine.real(path).unwrap_or_else(|| path.to_owned());
        let reason = too_much(path, machine.home());
        let reason = reason
            .or_else(|| too_much(&real, machine.home()))
            .or_else(|| {
                let real_inside =
                    |inside| machine.real(inside).unwrap_or_else(|| inside.to_owned());
                let outside = inside.is_some_and(|inside| {
                    !path.starts_with(inside) || !real.starts_with(real_inside(inside))
                });
                outside.then_some("a project's config may only have the project's own files")
            });
        match reason {
            Some(reason) => notes.push(format!(
                "not granted: `{value}` ({reason}); `files.{key} = [\"{value}\"]` would"
            )),
            None if list.iter().any(|there| there == value) => {}
            None => list.push(value.to_owned()),
        }
    }
    (grants, notes)
}

/// What to say of files and folders that variables name: unlike arguments they grant nothing, so the
/// server would not find them. A file that isn't there yet counts when its folder is.
pub(super) fn unreached(
    variables: &Variables,
    grants: &Grants,
    machine: &dyn Machine,
) -> Vec<String> {
    let granted = |path: &Path| {
        let mut grants = grants.read.iter().chain(&grants.write);
        grants.any(|grant| path.starts_with(grant))
    };
    let names_something = |path: &Path| {
        let folder = path.parent();
        machine.kind(path) != Kind::Nothing
            || folder.is_some_and(|folder| {
                folder.parent().is_some() && machine.kind(folder) == Kind::Folder
            })
    };
    let mut notes = Vec::new();
    for (name, held) in &variables.held {
        let Held::Literal(value) = held else { continue };
        let path = Path::new(value);
        if path.is_absolute() && names_something(path) && !granted(path) {
            notes.push(format!(
                "not granted: `{value}`, which `{name}` names; `files.read` or `files.write` in the manifest would, and `pinfold observe` shows what the server asks for"
            ));
        }
    }
    notes
}

/// Why nobody means all of a folder.
pub(super) fn too_much(path: &Path, home: Option<&Path>) -> Option<&'static str> {
    if path == Path::new("/") || SYSTEM.iter().any(|folder| path == Path::new(folder)) {
        return Some("it is a folder of the machine");
    }
    if NOTHING_BELOW.iter().any(|folder| path.starts_with(folder)) {
        return Some("it is of the machine");
    }
    let home = home?;
    if home.starts_with(path) {
        return Some("it holds all your files");
    }
    let first = path.strip_prefix(home).ok()?.components().next()?;
    let is_hidden = first.as_os_str().to_string_lossy().starts_with('.');
    is_hidden.then_some("settings and keys are kept there")
}
