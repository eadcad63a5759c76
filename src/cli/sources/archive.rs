//! One file becomes a tree: a program, an archive or a bundle, told by its content.
//!
//! Each kind has a place of its own in the tree, so that the lock alone says what a tree is.

use std::path::Path;

use anyhow::Context as _;

use super::super::exit::UsageError;
use crate::lockfile::{BUNDLE_FOLDER, Digest};
use crate::resolve::archive::{Content, archive_entry, content_of};
use crate::resolve::bundle::{self, Bundle};
use crate::store::{Bounds, Links, Staging, StoreError, read_zip_file};

/// The folder of a single program.
const PROGRAM_FOLDER: &str = "program";
/// The folder of an archive's files.
const ARCHIVE_FOLDER: &str = "archive";

/// A file's tree.
pub(super) struct Unpacked {
    pub tree: Digest,
    /// Where the file went: of a program itself, else the folder of its content.
    pub path: String,
}

/// Of a file that is named like a bundle's manifest, whatever it is; a bundle's own is shorter.
const MAX_MANIFEST_BYTES: u64 = 4 << 20;

/// Makes the tree of `file`, which is called `name`.
pub(super) fn unpack(staging: &Staging, file: &Path, name: &str) -> anyhow::Result<Unpacked> {
    let bounds = Bounds::default();
    let mut tree = staging.tree()?;
    let called = |error: StoreError| error.called(name);
    let path = match content_of(file, name)? {
        Content::Program => {
            let path = format!("{PROGRAM_FOLDER}/{name}");
            tree.place_program(file, &path, &bounds)?;
            path
        }
        Content::TarGz => {
            tree.unpack_whole_tar_gz(file, ARCHIVE_FOLDER, &bounds)
                .map_err(called)?;
            ARCHIVE_FOLDER.to_owned()
        }
        Content::Zip => {
            let manifest = read_zip_file(file, bundle::MANIFEST, MAX_MANIFEST_BYTES, &bounds)
                .map_err(called)?;
            let is_bundle = manifest.is_some_and(|bytes| bundle::looks_like_manifest(&bytes));
            let folder = match is_bundle {
                true => BUNDLE_FOLDER,
                false => ARCHIVE_FOLDER,
            };
            let everything = |name: &str| Some(name.to_owned());
            tree.unpack_zip(file, folder, &bounds, Links::Inside, &everything)
                .map_err(called)?;
            folder.to_owned()
        }
    };
    Ok(Unpacked {
        tree: tree.finish()?,
        path,
    })
}

/// Which file of a tree is run, and what version it is of, where that is said.
///
/// `path` is what [`unpack`] gave, `program` what the manifest says.
pub(super) fn entry_point(
    tree: &Path,
    path: &str,
    name: &str,
    program: Option<&str>,
) -> anyhow::Result<(String, Option<String>)> {
    let says_itself = |what: &str| {
        UsageError(format!(
            "{name} is {what} and says itself what is run; leave out `program`"
        ))
    };
    match (path, program) {
        (ARCHIVE_FOLDER, program) => {
            let entry = archive_entry(&tree.join(path), name, program)?;
            Ok((format!("{path}/{entry}"), None))
        }
        (BUNDLE_FOLDER, None) => {
            let bundle =
                Bundle::read(&tree.join(path)).with_context(|| format!("{name} was refused"))?;
            let entry = format!("{path}/{}", bundle.entry_point);
            Ok((entry, Some(bundle.version)))
        }
        (BUNDLE_FOLDER, Some(_)) => Err(says_itself("a bundle").into()),
        (_, Some(_)) => Err(says_itself("a single file").into()),
        (single, None) => Ok((single.to_owned(), None)),
    }
}
