//! `pinfold fetch`: everything that the lock names is in the store, whole.

use std::path::Path;

use super::args::Fetch;
use super::context::{Context, select};
use super::exit::{Exit, UsageError};

use super::{output, sources};
use crate::config::Server;
use crate::launch::{LaunchError, Launcher, here};
use crate::lockfile::{LockedServer, ServerName};
use crate::store::{Staging, StoreError, Verification};

pub(super) async fn run(manifest: Option<&Path>, arguments: &Fetch) -> anyhow::Result<Exit> {
    let context = Context::open(manifest)?;
    let manifest = context.manifest()?;
    let lock = context.lock()?;
    context.store.sweep()?;
    let staging = context.store.staging()?;
    let here = here();
    let platforms = match arguments.platform.as_slice() {
        [] => std::slice::from_ref(&here),
        named => named,
    };
    for (name, server) in select(&manifest, &context.paths.manifest, &arguments.names)? {
        let locked = lock
            .servers
            .get(name)
            .ok_or_else(|| LaunchError::NotLocked { name: name.clone() })?;
        for platform in platforms {
            let Some(locked) = locked.bytes_on(platform) else {
                return Err(not_covered(name, locked, platform, &here));
            };
            let label = match *platform == here {
                true => name.to_string(),
                false => format!("{name} on {platform}"),
            };
            if *platform != here && sources::only_wheels(&context, &staging, &locked).await? {
                output::note(&format!(
                    "{label}: wheels fetched; their modules are compiled by `pinfold fetch` there"
                ));
                continue;
            }
            if *platform != here && locked.build.is_some() {
                return Err(UsageError(format!(
                    "`{label}`: its install scripts are run on the machine that they are for; run `pinfold fetch` there"
                ))
                .into());
            }
            get(&context, &staging, &label, &locked, server).await?;
        }
    }
    Ok(Exit::Success)
}

async fn get(
    context: &Context,
    staging: &Staging,
    label: &str,
    locked: &LockedServer,
    server: &Server,
) -> anyhow::Result<()> {
    let tree = locked.trees().try_for_each(|tree| {
        context
            .store
            .verify_tree(tree, Verification::Rehash)
            .map(drop)
    });
    let artifacts_whole = locked.own_artifacts().all(|artifact| {
        context
            .store
            .verify_artifact(&artifact.sha256, artifact.size)
            .is_ok()
    });
    match tree {
        Ok(_) if artifacts_whole => output::note(&format!("{label}: complete")),
        found => {
            match found {
                // What is not there yet is no news to whoever fetches it.
                Ok(()) | Err(StoreError::MissingTree { .. }) => {}
                Err(error) => output::note(&format!("{label}: {error}; it is had again")),
            }
            let launcher = Launcher::new(&context.paths, &context.store, &context.environment)
                .for_server(server);
            sources::rebuild(context, &launcher, staging, locked, &server.build).await?;
            sources::rebuild_runtime(context, &launcher, staging, locked).await?;
            output::note(&format!("{label}: fetched"));
        }
    }
    Ok(())
}

fn not_covered(
    name: &ServerName,
    locked: &LockedServer,
    platform: &str,
    here: &str,
) -> anyhow::Error {
    if platform == here {
        return LaunchError::OtherPlatform {
            name: name.clone(),
            locked: locked.platform.clone(),
            here: here.to_owned(),
        }
        .into();
    }
    UsageError(format!(
        "the lock of `{name}` doesn't cover {platform}; `pinfold lock {name} --platform {platform}` adds it"
    ))
    .into()
}
