//! `pinfold gc`: removes from the store what no lock file names.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use serde_json::{Value, json};

use super::args::Gc;
use super::context::Context;
use super::exit::Exit;
use super::output;
use crate::config::{Paths, Trust};
use crate::lockfile::{LockError, read};
use crate::store::{Collected, Referenced, Stored};

/// How long to wait for other commands that put something into the store.
const PATIENCE: Duration = Duration::from_secs(10);

/// A lock file whose servers stay.
struct Considered {
    path: PathBuf,
    /// `None` when there is no such file.
    servers: Option<usize>,
}

pub(super) fn run(manifest: Option<&Path>, arguments: &Gc) -> anyhow::Result<Exit> {
    let context = Context::open(manifest)?;
    // Before the locks are read: what is locked from now on waits for us.
    let collector = context.store.collector(PATIENCE)?;
    let (considered, referenced) = referenced(&context)?;
    if !arguments.dry_run {
        context.store.sweep()?;
    }
    let collected = collector.collect(&referenced, arguments.dry_run)?;
    if arguments.json {
        output::data(&as_json(&considered, &collected, arguments.dry_run).to_string());
    } else {
        show(&considered, &collected, arguments.dry_run);
    }
    Ok(Exit::Success)
}

/// Reads every lock file that is known. One that can't be read could name anything, so it ends it.
fn referenced(context: &Context) -> anyhow::Result<(Vec<Considered>, Referenced)> {
    let own = Paths::resolve(&context.environment, None)?;
    let trust = Trust::load(&own.trusted())?;
    let mut locks: BTreeSet<PathBuf> = [own.lock, context.paths.lock.clone()].into();
    for manifest in trust.manifests() {
        locks.insert(Paths::resolve(&context.environment, Some(manifest))?.lock);
    }
    let mut considered = Vec::new();
    let mut referenced = Referenced::default();
    for path in locks {
        let servers = match read(&path) {
            Ok(lock) => {
                referenced.add(&lock);
                Some(lock.servers.len())
            }
            Err(LockError::Missing { .. }) => None,
            Err(error) => {
                return Err(error).context(
                    "a lock file can't be read, so it is not known what it needs; nothing was removed",
                );
            }
        };
        considered.push(Considered { path, servers });
    }
    Ok((considered, referenced))
}

fn show(considered: &[Considered], collected: &Collected, dry_run: bool) {
    for one in considered {
        let path = output::foreign(&one.path.to_string_lossy(), 4096);
        output::data(&match one.servers {
            Some(servers) => format!("lock      {path}: servers {servers}"),
            None => format!("lock      {path}: not there, so it names nothing"),
        });
    }
    let verb = if dry_run { "would go" } else { "removed" };
    for (kind, all) in kinds(collected) {
        for one in all {
            output::data(&format!(
                "{verb:9} {kind} {}, {}",
                one.digest,
                output::size(one.size)
            ));
        }
    }
    for one in &collected.in_use {
        output::data(&format!(
            "in use    tree {}, {}; no lock names it, and a session runs it",
            one.digest,
            output::size(one.size)
        ));
    }
    let (done, size) = (if dry_run { "would be" } else { "is" }, collected.size());
    output::note(&format!(
        "{} {done} free; {} pieces stay, because a lock names them. Locks of manifests that were never trusted are not known.",
        output::size(size),
        collected.kept
    ));
}

fn as_json(considered: &[Considered], collected: &Collected, dry_run: bool) -> Value {
    let list = |all: &[Stored]| -> Value {
        all.iter()
            .map(|one| json!({ "digest": one.digest.to_string(), "size": one.size }))
            .collect()
    };
    let locks: Value = considered
        .iter()
        .map(|one| json!({ "path": one.path.to_string_lossy(), "servers": one.servers }))
        .collect();
    json!({
        "dry_run": dry_run,
        "locks": locks,
        "trees": list(&collected.trees),
        "artifacts": list(&collected.artifacts),
        "definitions": list(&collected.definitions),
        "in_use": list(&collected.in_use),
        "kept": collected.kept,
        "size": collected.size(),
    })
}

fn kinds(collected: &Collected) -> [(&'static str, &[Stored]); 3] {
    [
        ("tree", &collected.trees),
        ("artifact", &collected.artifacts),
        ("definition", &collected.definitions),
    ]
}
