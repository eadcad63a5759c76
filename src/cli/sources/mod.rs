//! Where the bytes of a server come from: one file for each kind of source.
//!
//! A source is had twice: when a server is locked ([`get`] chooses versions), and when a tree that
//! the lock names is not in the store ([`rebuild`] chooses nothing).

mod archive;
mod download;
mod https;
mod npm;
mod path;
mod published;
mod pypi;
mod runtime;

pub(super) use npm::npm_settings;
pub(super) use published::Published;
pub(super) use runtime::{packaged_runtime, rebuild_runtime};

use https::Remote;

use super::context::Context;
use crate::config::{Server, Settings, Source};
use crate::launch::Launcher;
use crate::lockfile::{Artifact, Digest, Lock, LockedServer};
use crate::resolve::npm::Waiting;
use crate::store::{Staging, Verification};

/// What every kind of source may want to know.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub context: &'a Context,
    pub launcher: &'a Launcher<'a>,
    pub staging: &'a Staging,
    pub settings: &'a Settings,
    /// What was locked before: files that any server has are not downloaded again.
    pub lock: &'a Lock,
}

/// The bytes of a server, in the store.
pub(super) struct Bytes {
    pub version: Option<String>,
    pub entry_point: String,
    pub tree: Digest,
    pub artifacts: Vec<Artifact>,
}

/// Resolves a source and has its tree made in the store. `program` is the manifest's.
pub(super) async fn get(
    asked: &Asked<'_>,
    source: &Source,
    program: Option<&str>,
) -> anyhow::Result<Bytes> {
    match source {
        Source::Npm { name, range } => npm::get(asked, name, range.as_deref()).await,
        Source::Pypi { .. } => pypi::get(asked, source).await,
        Source::Https {
            address,
            sha256,
            file_name,
        } => https::get(asked, &remote(address, sha256, file_name), program).await,
        Source::Path { file, .. } => path::get(asked, file, source.is_local_bundle(), program),
    }
}

/// Which file of a tree that is kept is run: as locked, or as the manifest names it now.
pub(super) fn entry_point(
    context: &Context,
    server: &Server,
    locked: &LockedServer,
) -> anyhow::Result<String> {
    match &server.source {
        Source::Https {
            address,
            sha256,
            file_name,
        } => {
            let remote = remote(address, sha256, file_name);
            https::entry_point_again(context, &remote, server, locked)
        }
        Source::Npm { .. } | Source::Pypi { .. } | Source::Path { .. } => {
            Ok(locked.entry_point.clone())
        }
    }
}

fn remote<'a>(address: &'a str, sha256: &Digest, file_name: &'a str) -> Remote<'a> {
    Remote {
        address,
        sha256: *sha256,
        file_name,
    }
}

/// The newer version of a source that is still too young to be chosen.
pub(super) async fn waiting(asked: &Asked<'_>, source: &Source) -> anyhow::Result<Option<Waiting>> {
    match source {
        Source::Npm { name, range } => npm::waiting(asked, name, range.as_deref()).await,
        // uv leaves them out without a word. What is on this machine, or has a digest in its
        // address, has no versions.
        Source::Pypi { .. } | Source::Https { .. } | Source::Path { .. } => Ok(None),
    }
}

/// What the places that a server's artifacts came from, and its interpreter's, say of them now.
///
/// # Errors
/// When one of them can't be asked.
pub(super) async fn published<'a>(
    context: &Context,
    locked: &'a LockedServer,
) -> anyhow::Result<Vec<(&'a Artifact, Published)>> {
    let mut all = published_of(context, &locked.source, &locked.artifacts).await?;
    if let Some(package) = locked.runtime_package() {
        all.extend(published_of(context, &package.source, &package.artifacts).await?);
    }
    Ok(all)
}

async fn published_of<'a>(
    context: &Context,
    source: &str,
    artifacts: &'a [Artifact],
) -> anyhow::Result<Vec<(&'a Artifact, Published)>> {
    let found = match source_of(context, source)? {
        Source::Npm { .. } => npm::published(context, artifacts).await?,
        Source::Pypi { .. } => pypi::published(context, artifacts).await?,
        Source::Https { .. } => {
            let mut found = Vec::new();
            for artifact in artifacts {
                found.push(https::published(context, artifact).await?);
            }
            found
        }
        // Files of this machine come from nowhere else.
        Source::Path { .. } => Vec::new(),
    };
    Ok(artifacts.iter().zip(found).collect())
}

/// The same source, of exactly this version.
pub(super) fn exactly(source: &Source, version: &str) -> Source {
    match source {
        Source::Npm { name, .. } => Source::Npm {
            name: name.clone(),
            range: Some(version.to_owned()),
        },
        Source::Pypi { name, extras, .. } => Source::Pypi {
            written: format!("{name}[{}]=={version}", extras.join(",")).replace("[]", ""),
            name: name.clone(),
            extras: extras.clone(),
            specifiers: Some(format!("=={version}")),
        },
        Source::Https { .. } | Source::Path { .. } => source.clone(),
    }
}

/// Builds the tree of a locked server anew, from the store's artifacts or where they came from.
///
/// # Errors
/// Also when what is had now is not what was locked.
pub(super) async fn rebuild(
    context: &Context,
    staging: &Staging,
    locked: &LockedServer,
) -> anyhow::Result<()> {
    if context
        .store
        .verify_tree(&locked.tree, Verification::Rehash)
        .is_err()
    {
        context.store.discard_tree(&locked.tree)?;
    }
    let source = source_of(context, &locked.source)?;
    let tree = match &source {
        Source::Npm { .. } => npm::rebuild(context, staging, &locked.artifacts).await?,
        Source::Pypi { name, .. } => pypi::rebuild(context, staging, locked, name).await?,
        Source::Https {
            address,
            sha256,
            file_name,
        } => {
            let remote = remote(address, sha256, file_name);
            https::rebuild(context, staging, &remote).await?
        }
        Source::Path { file, .. } => {
            let is_bundle = source.is_local_bundle();
            path::rebuild(context, staging, file, is_bundle, &locked.entry_point)?
        }
    };
    if tree == locked.tree {
        Ok(())
    } else {
        // It may be another server's tree; it stays.
        Err(super::exit::DriftError(format!(
            "what `{}` gives now is not what was locked ({} instead of {}); if that is intended, run `pinfold lock`",
            locked.source, tree, locked.tree
        ))
        .into())
    }
}

fn source_of(context: &Context, text: &str) -> anyhow::Result<Source> {
    Ok(Source::parse(
        text,
        context.paths.manifest_folder(),
        context.paths.home.as_deref(),
    )?)
}
