//! Where things are in the store, and the small operations on them.
//!
//! Opening, listing and removing. Writing is in `staging`, `artifact` and
//! `builder`; deciding whether a tree is intact is in `verify`.

use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use super::error::StoreError;
use super::staging::{self, Staging};
use super::{directory, record};
use crate::lockfile::Digest;

/// A store on disk. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    root: PathBuf,
}

const ARTIFACTS: &str = "artifacts";
const TREES: &str = "trees";
const STAGING: &str = "staging";
const INDEX_SUFFIX: &str = ".index";

impl Store {
    /// Opens the store at `root`, making its folders (0700) where they are missing.
    ///
    /// # Errors
    /// When a folder belongs to another user than this one or root, or can be
    /// written by others; and when it can't be made or read.
    pub fn open(root: PathBuf) -> Result<Self, StoreError> {
        let user = nix::unistd::geteuid().as_raw();
        for folder in [
            root.clone(),
            root.join(ARTIFACTS),
            root.join(TREES),
            root.join(STAGING),
        ] {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(&folder)
                .map_err(|source| StoreError::NoFolder {
                    at: nearest(&folder),
                    path: folder.clone(),
                    source,
                })?;
            let found = if folder == root {
                // People move big folders to another disk and leave a link; what counts is whose it is.
                std::fs::metadata(&folder)
            } else {
                directory::open_folder(&folder)
                    .map_err(io::Error::from)
                    .and_then(|fd| File::from(fd).metadata())
            };
            let found = found.map_err(|e| StoreError::io("read the store's folder", &folder, e))?;
            judge_folder(&folder, found.uid(), found.mode(), user)?;
        }
        // A box holds no path that leads through a link.
        let root = std::fs::canonicalize(&root)
            .map_err(|e| StoreError::io("read the store's folder", &root, e))?;
        Ok(Self { root })
    }

    /// The store that would be at `root`, for who only asks where things would be: nothing is made
    /// and nothing is looked at.
    pub fn planned(root: PathBuf) -> Self {
        Self { root }
    }

    /// A place to prepare artifacts and trees in; gone when it and all made from it are dropped.
    pub fn staging(&self) -> Result<Staging, StoreError> {
        Staging::create(self)
    }

    /// Removes what killed processes left in staging; returns how many pieces. For writers only.
    pub fn sweep(&self) -> Result<usize, StoreError> {
        staging::sweep(&self.staging_folder())
    }

    /// Where a stored artifact is; `None` when it isn't there. Its bytes are not checked.
    pub fn artifact(&self, artifact: &Digest) -> Option<PathBuf> {
        let path = self.artifact_path(artifact);
        std::fs::symlink_metadata(&path)
            .is_ok_and(|found| found.is_file())
            .then_some(path)
    }

    /// Hashes a stored artifact and compares size (bytes) and digest.
    pub fn verify_artifact(&self, artifact: &Digest, size: u64) -> Result<PathBuf, StoreError> {
        let missing = || StoreError::MissingArtifact {
            artifact: *artifact,
        };
        let path = self.artifact(artifact).ok_or_else(missing)?;
        let unreadable = |e| StoreError::io("read", &path, e);
        let mut file = File::open(&path).map_err(unreadable)?;
        let (found, length) = record::hash(&mut file).map_err(unreadable)?;
        if found != *artifact || length != size {
            return Err(StoreError::DamagedArtifact {
                artifact: *artifact,
                found,
                size: length,
            });
        }
        Ok(path)
    }

    /// All stored artifacts, sorted.
    pub fn artifacts(&self) -> Result<Vec<Digest>, StoreError> {
        digests_in(&self.root.join(ARTIFACTS))
    }

    /// Removes an artifact; it is no error when it isn't there.
    pub fn remove_artifact(&self, artifact: &Digest) -> Result<(), StoreError> {
        let path = self.artifact_path(artifact);
        match std::fs::remove_file(&path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => {
                Err(StoreError::io("remove", &path, e))
            }
            _ => Ok(()),
        }
    }

    /// Where a tree is, or would be. Nothing is checked: see [`Store::verify_tree`].
    pub fn tree(&self, tree: &Digest) -> PathBuf {
        self.root.join(TREES).join(tree.hex())
    }

    /// All stored trees, sorted.
    pub fn trees(&self) -> Result<Vec<Digest>, StoreError> {
        digests_in(&self.root.join(TREES))
    }

    /// Removes a tree, whatever state it is in; it is no error when it isn't there.
    ///
    /// It loses its name first, so no launch finds half of it.
    pub fn discard_tree(&self, tree: &Digest) -> Result<(), StoreError> {
        self.discard_tree_into(tree, &self.staging()?)
    }

    pub(super) fn discard_tree_into(
        &self,
        tree: &Digest,
        staging: &Staging,
    ) -> Result<(), StoreError> {
        let path = self.tree(tree);
        let aside = staging.new_path("discarded");
        let failed = |e: io::Error| StoreError::io("set aside the tree", &path, e);
        match std::fs::symlink_metadata(&path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(failed(e)),
            Ok(found) => {
                if found.is_dir() {
                    // To move a folder is to write its `..`, which needs the right to write it.
                    directory::make_writable(&path).map_err(failed)?;
                }
                std::fs::rename(&path, &aside).map_err(failed)?;
            }
        }
        let index = self.index_path(tree);
        match std::fs::remove_file(&index) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => {
                return Err(StoreError::io("remove", &index, e));
            }
            _ => {}
        }
        directory::remove_all(&aside).map_err(|e| StoreError::io("remove", &aside, e))
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    pub(super) fn artifact_path(&self, artifact: &Digest) -> PathBuf {
        self.root.join(ARTIFACTS).join(artifact.hex())
    }

    pub(super) fn index_path(&self, tree: &Digest) -> PathBuf {
        self.root
            .join(TREES)
            .join(format!("{}{INDEX_SUFFIX}", tree.hex()))
    }

    pub(super) fn staging_folder(&self) -> PathBuf {
        self.root.join(STAGING)
    }
}

/// Makes a rename in the folder of `path` durable.
pub(super) fn sync_folder_of(path: &Path) -> Result<(), StoreError> {
    let folder = path.parent().unwrap_or(path);
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(|e| StoreError::io("write to disk", folder, e))
}

fn judge_folder(path: &Path, owner: u32, mode: u32, user: u32) -> Result<(), StoreError> {
    if owner != user && owner != 0 {
        return Err(StoreError::ForeignOwner {
            path: path.to_owned(),
            owner,
        });
    }
    if mode & 0o022 != 0 {
        return Err(StoreError::WritableByOthers {
            path: path.to_owned(),
            mode: mode & 0o7777,
        });
    }
    Ok(())
}

/// The first of a path and what is above it that is there.
fn nearest(path: &Path) -> PathBuf {
    let there = |path: &&Path| std::fs::symlink_metadata(path).is_ok();
    path.ancestors().find(there).unwrap_or(path).to_owned()
}

/// What in a folder is named by a digest; other names are none of ours.
pub(super) fn digests_in(folder: &Path) -> Result<Vec<Digest>, StoreError> {
    let unreadable = |e| StoreError::io("list", folder, e);
    let mut digests = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let name = entry.map_err(unreadable)?.file_name();
        digests.extend(name.to_str().and_then(|name| Digest::from_hex(name).ok()));
    }
    digests.sort_unstable();
    Ok(digests)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn makes_private_folders_once() {
        let home = tempfile::tempdir().unwrap();
        let root = home.path().join("data/store");
        for _ in 0..2 {
            Store::open(root.clone()).unwrap();
        }
        for folder in ["", ARTIFACTS, TREES, STAGING] {
            let mode = root.join(folder).metadata().unwrap().mode();
            assert_eq!(mode & 0o777, 0o700, "{folder}");
        }
    }

    #[test]
    fn refuses_a_store_that_others_can_write() {
        let home = tempfile::tempdir().unwrap();
        let root = home.path().join("store");
        let store = Store::open(root.clone()).unwrap();
        for folder in ["", TREES] {
            let path = root.join(folder);
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o720)).unwrap();
            let refusal = Store::open(root.clone()).unwrap_err();
            assert!(matches!(
                refusal,
                StoreError::WritableByOthers { mode: 0o720, .. }
            ));
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
            Store::open(root.clone()).unwrap();
        }
        assert!(store.trees().unwrap().is_empty());
    }

    #[test]
    fn a_foreign_owner_is_refused_and_root_is_not() {
        let judge = |owner, user| judge_folder(Path::new("/s"), owner, 0o40700, user);
        judge(1000, 1000).unwrap();
        judge(0, 1000).unwrap();
        assert!(matches!(
            judge(1001, 1000).unwrap_err(),
            StoreError::ForeignOwner { owner: 1001, .. }
        ));
        assert!(judge(1001, 0).is_err());
    }

    #[test]
    fn a_folder_that_can_not_be_made_is_named_with_what_is_in_its_way() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("home");
        File::create(&file).unwrap();
        let refusal = Store::open(file.join("share/store")).unwrap_err();
        assert!(refusal.is_environment());
        let text = refusal.to_string();
        for part in [
            &format!("`{}`", file.display()),
            "Not a directory",
            "share/store",
            "XDG_DATA_HOME",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        // The control.
        Store::open(home.path().join("other/share/store")).unwrap();
    }

    #[test]
    fn refuses_a_shelf_that_is_a_link() {
        let home = tempfile::tempdir().unwrap();
        let root = home.path().join("store");
        std::fs::create_dir_all(home.path().join("elsewhere")).unwrap();
        std::fs::create_dir(&root).unwrap();
        std::os::unix::fs::symlink(home.path().join("elsewhere"), root.join(TREES)).unwrap();
        assert!(matches!(
            Store::open(root).unwrap_err(),
            StoreError::Io { .. }
        ));
    }
}
