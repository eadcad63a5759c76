//! Writing a config: read again, its entries compared with what was planned, its original kept,
//! and replaced.

use std::collections::BTreeSet;
use std::fs::Metadata;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::super::context::Context;
use super::super::exit::DriftError;
use super::super::output;
use super::Group;
use crate::config::clients::{
    Backups, ClientFile, ClientServer, FoundPlace, Rewrite, RewriteError, rewrite,
};
use crate::lockfile::{Digest, HeldFile};

/// An entry to rewrite.
pub(super) struct Wanted {
    /// As it was when it was decided about.
    server: ClientServer,
    command: String,
    args: Vec<String>,
    without: BTreeSet<String>,
}

/// The entries of a file that go over to pinfold, of the groups that `is_meant` says.
pub(super) fn wanted(
    index: usize,
    file: &ClientFile,
    groups: &[Group],
    context: &Context,
    program: &str,
    is_meant: impl Fn(usize) -> bool,
) -> Vec<Wanted> {
    let mut wanted = Vec::new();
    let meant = groups.iter().enumerate().filter(|(at, _)| is_meant(*at));
    for (_, group) in meant {
        for (_, server) in group.members.iter().filter(|(file, _)| *file == index) {
            wanted.push(Wanted {
                server: file.servers[*server].clone(),
                command: program.to_owned(),
                args: run_arguments(context, group),
                without: group.converted.variables.leaving.clone(),
            });
        }
    }
    wanted
}

fn run_arguments(context: &Context, group: &Group) -> Vec<String> {
    let mut words = vec!["run".to_owned(), group.wanted.name.to_string()];
    if !context.paths.own_manifest {
        let manifest = context.paths.manifest.to_string_lossy().into_owned();
        words.splice(0..0, ["--manifest".to_owned(), manifest]);
    }
    words
}

/// The bytes of `file` with those entries that are as they were, how many these are, and what to
/// say of the others.
pub(super) fn rewritten(
    file: &ClientFile,
    wanted: &[Wanted],
) -> Result<(Vec<u8>, usize, Vec<String>), RewriteError> {
    let mut notes = Vec::new();
    let mut rewrites = Vec::new();
    for wanted in wanted {
        let planned = &wanted.server;
        let now = file.servers.iter().find(|server| {
            server.section == planned.section
                && server.name == planned.name
                && server.node.says_the_same(&planned.node)
        });
        let Some(server) = now else {
            notes.push(format!(
                "`{}` was changed meanwhile and is left as it is; run `pinfold import` again",
                output::foreign(&planned.name, 80)
            ));
            continue;
        };
        rewrites.push(Rewrite {
            server,
            command: wanted.command.clone(),
            args: wanted.args.clone(),
            without: wanted.without.clone(),
        });
    }
    Ok((rewrite(file, &rewrites)?, rewrites.len(), notes))
}

/// Writes a config; returns how many entries were rewritten, and notes.
pub(super) fn write(
    place: &FoundPlace,
    wanted: &[Wanted],
    backups: &Backups,
) -> anyhow::Result<(usize, Vec<String>)> {
    // Locking takes minutes, and clients write their configs whenever they like. A server that may
    // write in a project must not make a link of one meanwhile that leads to another file.
    let (held, path) = ClientFile::hold(place)?;
    let file = ClientFile::read_held(place, &held)?;
    let before = file.bytes();
    let (after, entries, mut notes) = rewritten(&file, wanted)?;
    let old = held.file().and_then(|file| file.metadata());
    if entries == 0 {
        return Ok((0, notes));
    }
    let now = humantime::format_rfc3339_nanos(std::time::SystemTime::now()).to_string();
    let backup = backups.keep(&path, &before, &after, &now)?;
    let replaced = match ClientFile::read_held(place, &held)?.bytes() == before {
        true => held.replace_content(&after).map_err(anyhow::Error::from),
        false => Err(DriftError(format!(
            "{} was changed at this very moment and is left as it is; run `pinfold import` again",
            path.display()
        ))
        .into()),
    };
    let Err(error) = replaced else {
        notes.extend(old.ok().and_then(|old| other_names(&path, &old)));
        return Ok((entries, notes));
    };
    // Without its original, what was written could never be undone.
    if holds(&held, backup.result) {
        let what = "was rewritten, but may not survive a crash; `pinfold restore` puts it back";
        return Err(error.context(format!("{} {what}", path.display())));
    }
    if holds(&held, backup.original) {
        let _ = backups.forget(&backup);
    }
    match error.is::<DriftError>() {
        true => Err(error),
        false => Err(error.context(format!(
            "could not write {}; it is as it was",
            path.display()
        ))),
    }
}

/// What is to be said of a file that was replaced and lives on under other names.
fn other_names(path: &Path, old: &Metadata) -> Option<String> {
    (old.nlink() > 1).then(|| {
        format!(
            "{} had other names (hard links): under these it is as it was, with all secrets that were in it; `find ~ -xdev -inum {}` shows them",
            path.display(),
            old.ino()
        )
    })
}

/// Whether a file has exactly these bytes.
fn holds(file: &HeldFile, digest: Digest) -> bool {
    let mut bytes = Vec::new();
    let read = file
        .file()
        .and_then(|mut file| file.read_to_end(&mut bytes));
    read.is_ok() && Digest::of(&bytes) == digest
}
