//! Who can read and change a config.

use std::path::{Path, PathBuf};

use super::super::entry::Entry;
use super::super::finding::Finding;
use super::super::machine::{Machine, Status};
use super::super::table::Rule;
use super::secrets::{outside, secrets};
use crate::config::clients::{ClientFile, ClientFileError, Scope};

const OTHERS_READ: u32 = 0o004;
const OTHERS_WRITE: u32 = 0o002;
const OTHERS_ENTER: u32 = 0o001;
const GROUP_WRITE: u32 = 0o020;
const STICKY: u32 = 0o1000;

/// What can be said of a config that couldn't be read.
pub(in super::super) fn unreadable(error: &ClientFileError) -> Finding {
    let rule = match error {
        ClientFileError::DuplicateKey { .. } => Rule::DuplicateKey,
        ClientFileError::Io(_)
        | ClientFileError::NotAFile
        | ClientFileError::TooLarge { .. }
        | ClientFileError::LeadsAway { .. } => Rule::UnreadableConfig,
        _ => Rule::BrokenConfig,
    };
    Finding {
        rule,
        at: error.position(),
        server: None,
        subject: String::new(),
        message: error.to_string(),
        about: None,
        fix: None,
    }
}

pub(super) fn rule(
    file: &ClientFile,
    entries: &[Entry<'_>],
    machine: &dyn Machine,
    found: &mut Vec<Finding>,
) {
    let path = &file.place.path;
    let mut put = |rule, about: &Path, message: String| {
        found.push(Finding {
            rule,
            at: None,
            server: None,
            subject: String::new(),
            message,
            about: Some(about.display().to_string()),
            fix: None,
        });
    };
    let count: usize = entries
        .iter()
        .map(|entry| {
            let certain = secrets(entry).into_iter();
            certain
                .filter(|one| one.rule != Rule::PossibleSecret)
                .count()
        })
        .sum();
    let count = count + outside(file).len();
    if count > 0
        && let Some(status) = machine
            .status(path)
            .filter(|_| others_may_read(path, machine))
    {
        let secrets = match count {
            1 => "one secret".to_owned(),
            count => format!("{count} secrets"),
        };
        let message = format!("it holds {secrets}, and its mode is {:o}", status.mode);
        put(Rule::ConfigReadable, path, message);
    }
    // A shared project is not the user's alone; a managed file is the administrator's.
    if others_may_write(path, machine) {
        put(
            Rule::ConfigWritable,
            path,
            "users other than you can write it".to_owned(),
        );
    }
    let real = machine.real(path);
    let folder = real
        .iter()
        .map(PathBuf::as_path)
        .chain([path.as_path()])
        .find_map(|path| writable_folder(path, machine));
    if let Some(folder) = folder
        && file.place.scope != Scope::Managed
    {
        let message = format!(
            "everybody can write `{}`, on the way to it",
            folder.display()
        );
        put(Rule::WritableFolder, &folder, message);
    }
}

/// Whether a user other than the owner reaches and reads it.
pub(super) fn others_may_read(path: &Path, machine: &dyn Machine) -> bool {
    let real = machine.real(path).unwrap_or_else(|| path.to_owned());
    let lets_in = |folder: &Path| {
        let status = machine.status(folder);
        status.is_none_or(|status| status.mode & OTHERS_ENTER != 0)
    };
    let status = machine.status(&real);
    status.is_some_and(|status| status.mode & OTHERS_READ != 0)
        && real.ancestors().skip(1).all(lets_in)
}

/// Whether somebody who is neither this user nor root may write a file. A group with the owner's
/// number is their own, as most systems set users up.
pub(super) fn others_may_write(path: &Path, machine: &dyn Machine) -> bool {
    let may = |status: Status| {
        status.mode & OTHERS_WRITE != 0
            || (status.mode & GROUP_WRITE != 0 && ![0, status.owner].contains(&status.group))
            || ![0, machine.user()].contains(&status.owner)
    };
    machine.status(path).is_some_and(may)
}

/// The first folder above a path in which everybody may replace files: writable, and not sticky.
pub(super) fn writable_folder(path: &Path, machine: &dyn Machine) -> Option<PathBuf> {
    let is_open = |folder: &&Path| {
        let status = machine.status(folder);
        status.is_some_and(|status| status.mode & OTHERS_WRITE != 0 && status.mode & STICKY == 0)
    };
    path.ancestors().skip(1).find(is_open).map(Path::to_owned)
}
