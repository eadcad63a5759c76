//! Files and folders of this machine.

use std::path::Path;

use super::super::context::Context;
use super::super::exit::UsageError;
use super::archive::{entry_point, unpack};
use super::{Asked, Bytes, own_folders};
use crate::lockfile::{BUNDLE_FOLDER, Digest};
use crate::resolve::ResolveError;
use crate::resolve::path::{LocalEntry, local_entry};
use crate::store::{Bounds, Staging, Store};

pub(super) fn get(
    asked: &Asked<'_>,
    file: &Path,
    is_bundle: bool,
    program: Option<&str>,
) -> anyhow::Result<Bytes> {
    if is_bundle {
        return bundle(&asked.context.store, asked.staging, file);
    }
    if let Some(reason) = own_folders::refusal(asked.context, file) {
        return Err(UsageError(reason).into());
    }
    let local = local_entry(file, program)?;
    let tree = path_tree(asked.staging, &local)?;
    Ok(Bytes {
        version: None,
        entry_point: local.entry_point,
        tree,
        artifacts: Vec::new(),
    })
}

/// `entry_point` is what was locked.
pub(super) fn rebuild(
    context: &Context,
    staging: &Staging,
    file: &Path,
    is_bundle: bool,
    entry_point: &str,
) -> anyhow::Result<Digest> {
    if is_bundle {
        return Ok(bundle(&context.store, staging, file)?.tree);
    }
    // A single file is its own program.
    let program = Some(entry_point).filter(|_| !file.is_file());
    path_tree(staging, &local_entry(file, program)?)
}

fn bundle(store: &Store, staging: &Staging, file: &Path) -> anyhow::Result<Bytes> {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let not_one = |reason: &str| ResolveError::Unusable {
        path: file.to_owned(),
        reason: reason.to_owned(),
    };
    if file.is_dir() {
        let reason = "a folder is no bundle: pack it, or give the folder another name";
        return Err(not_one(reason).into());
    }
    let unpacked = unpack(staging, file, &name)?;
    if unpacked.path != BUNDLE_FOLDER {
        let reason = "it is called a bundle and has no manifest.json that says how to run it";
        return Err(not_one(reason).into());
    }
    let tree = store.tree(&unpacked.tree);
    let (entry_point, version) = entry_point(&tree, &unpacked.path, &name, None)?;
    Ok(Bytes {
        version,
        entry_point,
        tree: unpacked.tree,
        artifacts: Vec::new(),
    })
}

/// Copies a file or folder of this machine into a tree; returns its digest.
fn path_tree(staging: &Staging, local: &LocalEntry) -> anyhow::Result<Digest> {
    let file = local.root.join(&local.entry_point);
    let source = if local.single_file {
        &file
    } else {
        &local.root
    };
    let mut tree = staging.tree()?;
    tree.copy_path(source, &Bounds::default())?;
    Ok(tree.finish()?)
}
