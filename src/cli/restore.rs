//! `pinfold restore`: configs as they were before `import`, byte for byte.

use std::io::{self, ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use nix::errno::Errno;
use serde_json::json;

use super::args::Restore;
use super::context::Context;
use super::exit::{DriftError, Exit, UsageError};
use super::import::turn;
use super::output;
use crate::config::clients::{Backup, Backups, MAX_CLIENT_FILE_BYTES};
use crate::lockfile::{Digest, HeldFile};

/// How a config stands to what import made of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// As import left it.
    AsImported,
    /// The original again.
    AsBefore,
    Changed,
    Gone,
    /// A link leads from its place, or from above it, to somewhere else.
    Elsewhere,
}

impl State {
    fn word(self) -> &'static str {
        match self {
            Self::AsImported => "as imported",
            Self::AsBefore => "as before",
            Self::Changed => "changed since",
            Self::Gone => "gone",
            Self::Elsewhere => "behind a link",
        }
    }
}

pub(super) fn run(manifest: Option<&Path>, arguments: &Restore) -> anyhow::Result<Exit> {
    let context = Context::open(manifest)?;
    let backups = Backups::new(context.paths.client_configs());
    let _turn = match arguments.list {
        true => None,
        false => {
            let turn = turn::take(&context)?;
            backups
                .sweep()
                .context("what an import that was killed left behind could not be removed")?;
            Some(turn)
        }
    };
    let all = backups.list()?;
    let files = chosen(&all, &arguments.files)?;
    if arguments.list {
        list(&all, &files, arguments.json)?;
        return Ok(Exit::Success);
    }
    let mut exit = Exit::Success;
    let mut done = Vec::new();
    for file in &files {
        let of_file: Vec<&Backup> = all.iter().filter(|backup| backup.path == *file).collect();
        let result = match arguments.forget {
            true => forget(&backups, &of_file),
            false => restore(&backups, file, &of_file, arguments.force),
        };
        match result {
            Ok(what) => {
                done.push(json!({ "path": file.display().to_string(), "done": what }));
                if !arguments.json {
                    output::note(&format!("{}: {what}", file.display()));
                }
            }
            Err(error) => {
                exit = super::exit::exit_for(&error);
                done.push(
                    json!({ "path": file.display().to_string(), "error": output::chain(&error) }),
                );
                output::error(&error);
            }
        }
    }
    if arguments.json {
        output::data(&json!({ "files": done }).to_string());
    } else if files.is_empty() {
        output::note("There is nothing to put back: no config was rewritten by `pinfold import`.");
    }
    Ok(exit)
}

/// The files to put back, each once.
fn chosen(all: &[Backup], named: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    if named.is_empty() {
        let mut files: Vec<PathBuf> = all.iter().map(|backup| backup.path.clone()).collect();
        files.sort();
        files.dedup();
        return Ok(files);
    }
    let mut files = Vec::new();
    for name in named {
        let absolute = std::path::absolute(name)?;
        // One that is gone has no links to resolve.
        let real = absolute.canonicalize().unwrap_or(absolute);
        if !all.iter().any(|backup| backup.path == real) {
            return Err(UsageError(format!(
                "no original of `{}` is kept; `pinfold restore --list` shows those that are",
                name.display()
            ))
            .into());
        }
        if !files.contains(&real) {
            files.push(real);
        }
    }
    Ok(files)
}

fn state(backup: &Backup) -> anyhow::Result<State> {
    match present(&backup.path) {
        Ok(bytes) => {
            let now = bytes.map(|bytes| Digest::of(&bytes));
            Ok(match now {
                Some(now) if now == backup.result => State::AsImported,
                Some(now) if now == backup.original => State::AsBefore,
                _ => State::Changed,
            })
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(State::Gone),
        Err(error) if error.raw_os_error() == Some(Errno::ELOOP as i32) => Ok(State::Elsewhere),
        Err(error) => {
            Err(error).with_context(|| format!("could not read {}", backup.path.display()))
        }
    }
}

/// What is there now; `None` for what is no config.
fn present(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let file = HeldFile::open(path)?.file()?;
    if !file.metadata()?.is_file() {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    file.take(MAX_CLIENT_FILE_BYTES + 1)
        .read_to_end(&mut bytes)?;
    Ok((bytes.len() as u64 <= MAX_CLIENT_FILE_BYTES).then_some(bytes))
}

fn list(all: &[Backup], files: &[PathBuf], as_json: bool) -> anyhow::Result<()> {
    let mut rows = Vec::new();
    for backup in all.iter().filter(|backup| files.contains(&backup.path)) {
        let state = state(backup)?.word();
        if !as_json {
            output::data(&format!(
                "{}  {}  {state}",
                output::foreign(&to_seconds(&backup.at), 40),
                output::foreign(&backup.path.to_string_lossy(), 4096)
            ));
        }
        rows.push(json!({
            "path": backup.path.display().to_string(),
            "at": backup.at,
            "state": state,
            "original": backup.original.to_string(),
            "result": backup.result.to_string(),
        }));
    }
    if as_json {
        output::data(&json!({ "originals": rows }).to_string());
    } else if rows.is_empty() {
        output::note("No original is kept.");
    }
    Ok(())
}

/// A time as it is kept, without what is below a second.
fn to_seconds(at: &str) -> String {
    at.split_once('.')
        .map_or_else(|| at.to_owned(), |(seconds, _)| format!("{seconds}Z"))
}

/// Goes back through the imports of one file, the last first, as far as one began where the one
/// before it ended.
fn restore(
    backups: &Backups,
    file: &Path,
    of_file: &[&Backup],
    force: bool,
) -> anyhow::Result<&'static str> {
    let last = of_file.last().context("no original is kept")?;
    let state = state(last)?;
    if state == State::Elsewhere {
        return Err(DriftError(format!(
            "`{}` is behind a link by now, which whoever may write in its folder can have put there, so nothing is written through it; remove the link, or take the original `{}.original` from {}",
            file.display(),
            last.id,
            backups.folder().display()
        ))
        .into());
    }
    if !force && matches!(state, State::Changed | State::Gone) {
        return Err(DriftError(format!(
            "`{}` is not as `pinfold import` left it ({}), and putting the original back would lose that; `pinfold restore --force` does it all the same, and `--list` shows more",
            file.display(),
            state.word()
        ))
        .into());
    }
    let mut first = *last;
    let mut undone = vec![*last];
    for backup in of_file.iter().rev().skip(1) {
        if !force && backup.result != first.original {
            break;
        }
        first = backup;
        undone.push(backup);
    }
    let original = backups.original(first)?;
    let write = || {
        let held = HeldFile::open(file)?;
        match state {
            State::Gone => held.replace(&original, 0o600),
            _ => held.replace_content(&original),
        }
    };
    if state != State::AsBefore || undone.len() > 1 {
        write().with_context(|| {
            let is_back = present(file).is_ok_and(|bytes| bytes.as_ref() == Some(&original));
            match is_back {
                true => format!(
                    "{} is put back, but may not survive a crash",
                    file.display()
                ),
                false => format!("could not write {}; it is as it was", file.display()),
            }
        })?;
    }
    for backup in undone {
        backups
            .forget(backup)
            .context("could not remove the original that was put back")?;
    }
    Ok(match of_file.first() == Some(&first) {
        true => "as it was before `pinfold import`",
        false => "as it was before the last `pinfold import`; an older original is kept, too",
    })
}

fn forget(backups: &Backups, of_file: &[&Backup]) -> anyhow::Result<&'static str> {
    for backup in of_file {
        backups
            .forget(backup)
            .context("could not remove an original")?;
    }
    Ok("its originals are removed")
}
