//! `pinfold remove`: takes servers out of manifest and lock. What they wrote and what they were given
//! is the user's, and stays.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;

use super::args::Remove;
use super::context::{Context, select};
use super::exit::Exit;
use super::output;
use super::secret_users::{Use, Uses};
use super::session::command;
use crate::config::{SecretName, Server, remove_server};
use crate::launch::{Sessions, StateFolder};
use crate::lockfile::ServerName;

pub(super) fn run(manifest: Option<&Path>, arguments: &Remove) -> anyhow::Result<Exit> {
    let context = Context::open(manifest)?;
    let manifest = context.manifest()?;
    let chosen = select(&manifest, &context.paths.manifest, &arguments.names)?;
    let uses = Uses::find(&context)?;
    let removed = remove(&context, &chosen)?;
    for (name, source) in &removed {
        output::note(&format!("Removed `{name}` ({source})."));
    }
    for (name, _) in &removed {
        what_stays(&context, name);
    }
    for secret in left_over(&context, &uses, &removed) {
        output::note(&format!(
            "Nothing uses the stored secret `{secret}` any more; `pinfold secret remove {secret}` removes it."
        ));
    }
    output::note(
        "A client whose config still starts it is told that there is no such server; `pinfold gc` frees what it had in the store.",
    );
    if !context.paths.own_manifest {
        output::note("Manifest and lock changed, so this manifest has to be trusted again.");
    }
    Ok(Exit::Success)
}

/// Stored secrets that only these servers got.
fn left_over<'a>(
    context: &Context,
    uses: &'a Uses,
    removed: &[(ServerName, String)],
) -> Vec<&'a SecretName> {
    // Nobody knows what a manifest uses that can't be read.
    if !uses.unread.is_empty() {
        return Vec::new();
    }
    let is_gone = |one: &Use| {
        one.manifest == context.paths.manifest
            && removed.iter().any(|(name, _)| *name == one.server)
    };
    let names = uses.names();
    names.filter(|name| uses.of(name).all(is_gone)).collect()
}

/// Takes them out of both files; returns each with its source, as written.
fn remove(
    context: &Context,
    chosen: &[(&ServerName, &Server)],
) -> anyhow::Result<Vec<(ServerName, String)>> {
    let path = &context.paths.manifest;
    let _guard = context.write_lock()?;
    let mut text = std::fs::read_to_string(path)
        .with_context(|| format!("could not read {}", path.display()))?;
    let mut lock = context.lock_or_empty()?;
    let mut removed = Vec::new();
    let mut was_locked = false;
    for (name, server) in chosen {
        text = remove_server(&text, name)?;
        was_locked |= lock.servers.remove(name).is_some();
        let source = output::foreign(&server.source_text, 200);
        removed.push(((*name).clone(), source));
    }
    // What is in the manifest alone is refused at a launch, and this command can be given again.
    if was_locked {
        context.save(lock, "remove")?;
    }
    context
        .save_manifest(&text)
        .context("it is still in the manifest; without an entry in the lock it does not start")?;
    Ok(removed)
}

fn what_stays(context: &Context, name: &ServerName) {
    let folder = context.paths.server_state(name);
    let state = StateFolder::planned(folder.clone());
    if matches!(state.wait_for_sessions(Duration::ZERO), Ok(Sessions::Left)) {
        output::warning(&format!(
            "a session of `{name}` still runs; `{}` ends it",
            command(context, "stop", name)
        ));
    }
    if folder.exists() {
        output::note(&format!(
            "What it wrote stays in {}.",
            output::foreign(&folder.to_string_lossy(), 4096)
        ));
    }
}
