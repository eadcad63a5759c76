//! Interpreters that are had from a registry, so that a server runs without one on the machine.

use super::super::context::Context;
use super::super::exit::DriftError;
use super::{Asked, Bytes, get, get_for, npm};
use crate::config::{BuildRule, Source};
use crate::launch::{Launcher, foreign_interpreter, packaged_interpreter};
use crate::lockfile::{Interpreter, LockedServer, RuntimePackage};
use crate::resolve::npm::Platform;
use crate::store::{Staging, Verification};

/// The interpreter in the package `source`; as locked before, when that was the same one.
pub(in crate::cli) async fn packaged_runtime(
    asked: &Asked<'_>,
    source: &Source,
    text: &str,
    previous: Option<&LockedServer>,
) -> anyhow::Result<Interpreter> {
    let kept = previous.filter(|locked| {
        locked
            .runtime_package()
            .is_some_and(|kept| kept.source == text)
    });
    if let Some((locked, interpreter)) =
        kept.and_then(|locked| Some((locked, locked.interpreter.as_ref()?)))
    {
        rebuild_runtime(asked.context, asked.launcher, asked.staging, locked).await?;
        return Ok(interpreter.clone());
    }
    let bytes = get(asked, source, None, &BuildRule::default()).await?;
    let (entry_point, package) = package(text, bytes);
    Ok(packaged_interpreter(asked.launcher, asked.staging, entry_point, package).await?)
}

/// The same for another platform; nothing is run.
pub(in crate::cli) async fn foreign_runtime(
    asked: &Asked<'_>,
    source: &Source,
    text: &str,
    platform: Platform,
) -> anyhow::Result<Interpreter> {
    let bytes = get_for(asked, source, platform).await?;
    let (entry_point, package) = package(text, bytes);
    Ok(foreign_interpreter(asked.launcher, entry_point, package)?)
}

/// What was had as an interpreter: its program, and the package that the lock names.
fn package(text: &str, bytes: Bytes) -> (String, RuntimePackage) {
    let package = RuntimePackage {
        source: text.to_owned(),
        version: bytes.version.unwrap_or_default(),
        tree: bytes.tree,
        artifacts: bytes.artifacts,
    };
    (bytes.entry_point, package)
}

/// Sees to it that the tree of a locked server's interpreter is in the store and whole.
///
/// # Errors
/// Also when what is had now is not what was locked.
pub(in crate::cli) async fn rebuild_runtime(
    context: &Context,
    launcher: &Launcher<'_>,
    staging: &Staging,
    locked: &LockedServer,
) -> anyhow::Result<()> {
    let Some(package) = locked.runtime_package() else {
        return Ok(());
    };
    let store = &context.store;
    if store
        .verify_tree(&package.tree, Verification::Rehash)
        .is_ok()
    {
        return Ok(());
    }
    store.discard_tree(&package.tree)?;
    let build = BuildRule::default();
    let tree = npm::rebuild(context, launcher, staging, &package.artifacts, &build).await?;
    if tree == package.tree {
        Ok(())
    } else {
        Err(DriftError(format!(
            "what `{}` gives now is not what was locked ({tree} instead of {})",
            package.source, package.tree
        ))
        .into())
    }
}
