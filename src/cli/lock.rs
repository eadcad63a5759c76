//! `pinfold lock`: bring the lock in line with the manifest.

use std::collections::BTreeSet;
use std::path::Path;

use super::args::Lock;
use super::context::{Context, select};
use super::exit::Exit;
use super::locking::{Versions, lock_server, refuse_losses, warn_of_drift};
use super::trust::refuse_unseen;
use super::{output, summary};
use crate::config::Manifest;
use crate::lockfile::differences;

pub(super) async fn run(manifest: Option<&Path>, arguments: &Lock) -> anyhow::Result<Exit> {
    let names = &arguments.names;
    let platforms = BTreeSet::from_iter(arguments.platform.iter().cloned());
    let context = Context::open(manifest)?;
    let (manifest, manifest_digest) = Manifest::load_with_digest(&context.paths)?;
    refuse_unseen(&context, &manifest, &manifest_digest)?;
    let before = context.lock_or_empty()?;
    let mut results = Vec::new();
    // Until the lock names what was got.
    let mut held = Vec::new();
    let mut drifted = false;
    for (name, server) in select(&manifest, &context.paths.manifest, names)? {
        let outcome = lock_server(
            &context,
            name,
            server,
            &manifest.settings,
            &before,
            Versions::Kept,
            &platforms,
        )
        .await?;
        refuse_losses(
            name,
            before.servers.get(name),
            &outcome.locked,
            &format!("`pinfold update {name}` shows what changed, and there it can be accepted"),
        )?;
        for tool in &server.tools.allow {
            if !outcome.locked.behaviour.tools.contains_key(tool) {
                output::warning(&format!(
                    "`{name}` allows the tool `{tool}`, which the server does not offer"
                ));
            }
        }
        warn_of_drift(name, &outcome.drift);
        drifted |= !outcome.drift.is_empty();
        let locked = &outcome.locked;
        if !locked.artifacts.is_empty()
            && before.servers.get(name) != Some(locked)
            && let Some(text) = summary::vouched(locked)
        {
            output::note(&format!("{name}: {text}"));
        }
        results.push((name.clone(), outcome.locked));
        held.push(outcome.staging);
    }
    let _guard = context.write_lock()?;
    // Read again: another command may have locked other servers meanwhile.
    let old = context.lock_or_empty()?;
    let mut new = old.clone();
    new.servers.extend(results);
    if names.is_empty() {
        new.servers
            .retain(|name, _| manifest.servers.contains_key(name));
    }
    let changes = differences(&old, &new);
    context.save(new, "lock")?;
    if changes.is_empty() {
        output::note("The lock is in line with the manifest; nothing changed.");
    }
    for change in changes {
        output::note(&change.to_string());
    }
    Ok(if drifted { Exit::Drift } else { Exit::Success })
}
