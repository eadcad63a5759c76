//! Files and folders of this machine.

use std::path::Path;

use super::{Asked, Bytes};
use crate::lockfile::Digest;
use crate::resolve::path::{LocalEntry, local_entry};
use crate::store::{Bounds, Staging};

pub(super) fn get(asked: &Asked<'_>, file: &Path) -> anyhow::Result<Bytes> {
    let local = local_entry(file)?;
    let tree = path_tree(asked.staging, &local)?;
    Ok(Bytes {
        version: None,
        entry_point: local.entry_point,
        tree,
        artifacts: Vec::new(),
    })
}

pub(super) fn rebuild(staging: &Staging, file: &Path) -> anyhow::Result<Digest> {
    path_tree(staging, &local_entry(file)?)
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
