//! `pinfold fetch`: everything that the lock names is in the store, whole.

use std::path::Path;

use super::context::{Context, select};
use super::exit::Exit;

use super::{output, sources};
use crate::launch::LaunchError;
use crate::store::Verification;

pub(super) async fn run(manifest: Option<&Path>, names: &[String]) -> anyhow::Result<Exit> {
    let context = Context::open(manifest)?;
    let manifest = context.manifest()?;
    let lock = context.lock()?;
    context.store.sweep()?;
    let staging = context.store.staging()?;
    for (name, server) in select(&manifest, names)? {
        let locked = lock
            .servers
            .get(name)
            .ok_or_else(|| LaunchError::NotLocked { name: name.clone() })?;
        let tree = locked.trees().try_for_each(|tree| {
            context
                .store
                .verify_tree(tree, Verification::Rehash)
                .map(drop)
        });
        let artifacts_whole = locked.all_artifacts().all(|artifact| {
            context
                .store
                .verify_artifact(&artifact.sha256, artifact.size)
                .is_ok()
        });
        match tree {
            Ok(_) if artifacts_whole => output::note(&format!("{name}: complete")),
            found => {
                if let Err(error) = found {
                    output::note(&format!("{name}: {error}"));
                }
                sources::rebuild(&context, &staging, locked, &server.build).await?;
                sources::rebuild_runtime(&context, &staging, locked).await?;
                output::note(&format!("{name}: fetched"));
            }
        }
    }
    Ok(Exit::Success)
}
