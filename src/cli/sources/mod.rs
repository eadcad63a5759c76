//! Where the bytes of a server come from: one file for each kind of source.
//!
//! A source is had twice: when a server is locked ([`get`] chooses versions), and when a tree that
//! the lock names is not in the store ([`rebuild`] chooses nothing).

mod archive;
mod download;
mod https;
mod npm;
mod npm_build;
pub(super) mod own_folders;
mod path;
mod published;
mod pypi;
mod runtime;

pub(super) use npm::npm_settings;
pub(super) use npm_build::is_build_valid;
pub(super) use published::Published;
pub(super) use runtime::{foreign_runtime, packaged_runtime, rebuild_runtime};

use https::Remote;

use super::context::Context;
use super::output;
use crate::config::{BuildRule, RuntimeRule, Server, Settings, Source};
use crate::launch::Launcher;
use crate::lockfile::{Artifact, Digest, Lock, LockedServer};
use crate::resolve::npm::{Platform, Waiting};
use crate::resolve::vouching::Vouched;
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

/// Resolves a source and has its tree made in the store. `program` and `build` are the manifest's.
pub(super) async fn get(
    asked: &Asked<'_>,
    source: &Source,
    program: Option<&str>,
    build: &BuildRule,
) -> anyhow::Result<Bytes> {
    match source {
        Source::Npm { name, range } => {
            npm::get(asked, name, range.as_deref(), Platform::current(), build).await
        }
        Source::Pypi { .. } => pypi::get(asked, source).await,
        Source::Https {
            address,
            sha256,
            file_name,
        } => https::get(asked, &remote(address, sha256, file_name), program).await,
        Source::Path { file, .. } => path::get(asked, file, source.is_local_bundle(), program),
    }
}

/// The same for another platform. Nothing of it can be tried here.
///
/// # Errors
/// Also for sources of which that is not known.
pub(super) async fn get_for(
    asked: &Asked<'_>,
    source: &Source,
    platform: Platform,
) -> anyhow::Result<Bytes> {
    match source {
        Source::Npm { name, range } => {
            let build = BuildRule::default();
            npm::get(asked, name, range.as_deref(), platform, &build).await
        }
        Source::Pypi { .. } | Source::Https { .. } | Source::Path { .. } => {
            anyhow::bail!("`{source}` can be resolved for this machine only")
        }
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
/// The first that can't be asked doesn't keep the others from being: its error comes with what was
/// found out.
pub(super) async fn published<'a>(
    context: &Context,
    locked: &'a LockedServer,
) -> (Vec<(&'a Artifact, Published)>, Option<anyhow::Error>) {
    let runtime = locked
        .runtime_package()
        .map(|package| (package.source.as_str(), package.artifacts.as_slice()));
    // What only other platforms need is asked for, too: the lock is theirs as well.
    let elsewhere = locked
        .other_artifacts()
        .map(|(source, artifact)| (source, std::slice::from_ref(artifact)));
    let wanted = std::iter::once((locked.source.as_str(), locked.artifacts.as_slice()))
        .chain(runtime)
        .chain(elsewhere);
    let (mut all, mut failed) = (Vec::new(), None);
    for (source, artifacts) in wanted {
        match published_of(context, source, artifacts).await {
            Ok(found) => all.extend(found),
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    (all, failed)
}

async fn published_of<'a>(
    context: &Context,
    source: &str,
    artifacts: &'a [Artifact],
) -> anyhow::Result<Vec<(&'a Artifact, Published)>> {
    // A runtime's may hold a word for the platform; which one doesn't matter here.
    let found =
        match RuntimeRule::source(source, "linux-x64").or_else(|_| source_of(context, source))? {
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

/// Says for how many packages, whose names are these, attestations are passed on that can't be had.
fn warn_of_mirrors<'a>(names: impl Iterator<Item = &'a str>, vouched: &[Vouched], place: &str) {
    let names: Vec<&str> = names
        .zip(vouched)
        .filter(|(_, vouched)| vouched.not_mirrored)
        .map(|(name, _)| name)
        .collect();
    if let Some(first) = names.first() {
        output::warning(&format!(
            "{} packages have attestations {place} ({first} is one): their provenance is recorded as absent",
            names.len()
        ));
    }
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
/// `build` is the manifest's: no script is run that only a lock names. `launcher` is the server's.
///
/// # Errors
/// Also when what is had now is not what was locked.
pub(super) async fn rebuild(
    context: &Context,
    launcher: &Launcher<'_>,
    staging: &Staging,
    locked: &LockedServer,
    build: &BuildRule,
) -> anyhow::Result<()> {
    if locked.build != build.recorded() {
        return Err(super::exit::DriftError(
            "the manifest and the lock name different install scripts to run; run `pinfold lock`"
                .to_owned(),
        )
        .into());
    }
    let tree = tree_again(context, launcher, staging, locked, build).await?;
    if tree == locked.tree {
        return Ok(());
    }
    if locked.build.is_some() {
        return Err(npm_build::not_reproduced(locked, tree));
    }
    // It may be another server's tree; it stays.
    Err(super::exit::DriftError(format!(
        "what `{}` gives now is not what was locked ({} instead of {}); if that is intended, run `pinfold lock`",
        locked.source, tree, locked.tree
    ))
    .into())
}

/// The tree of a locked server's artifacts, made once more with the manifest's scripts.
pub(super) async fn tree_again(
    context: &Context,
    launcher: &Launcher<'_>,
    staging: &Staging,
    locked: &LockedServer,
    build: &BuildRule,
) -> anyhow::Result<Digest> {
    if context
        .store
        .verify_tree(&locked.tree, Verification::Rehash)
        .is_err()
    {
        context.store.discard_tree(&locked.tree)?;
    }
    let source = source_of(context, &locked.source)?;
    Ok(match &source {
        Source::Npm { .. } => {
            npm::rebuild(context, launcher, staging, &locked.artifacts, build).await?
        }
        Source::Pypi { name, .. } => {
            pypi::rebuild(context, launcher, staging, locked, name).await?
        }
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
    })
}

/// Gets the wheels of a Python server for another platform, whose tree only its own interpreter can
/// make; `false` for other kinds of sources, whose trees can be made anywhere.
pub(super) async fn only_wheels(
    context: &Context,
    staging: &Staging,
    locked: &LockedServer,
) -> anyhow::Result<bool> {
    let is_python = matches!(source_of(context, &locked.source)?, Source::Pypi { .. });
    if is_python {
        pypi::download_locked(context, staging, locked).await?;
    }
    Ok(is_python)
}

fn source_of(context: &Context, text: &str) -> anyhow::Result<Source> {
    Ok(Source::parse(
        text,
        context.paths.manifest_folder(),
        context.paths.home.as_deref(),
    )?)
}
