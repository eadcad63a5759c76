//! Who uses what in the store, so that nothing is taken away from anybody (see `gc`).
//!
//! Two locks, both flock(2): the kernel drops them however a process ends.
//!
//! - Whoever puts something into the store shares a lock on the store's own folder until a lock file names what
//!   was put there. Only when nobody does can it be told what no lock file names.
//! - Whoever runs a tree shares a lock on the tree's own folder for as long as it runs.

use std::fs::File;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use super::directory;
use super::error::StoreError;
use super::layout::Store;
use crate::lockfile::Digest;

const PAUSE: Duration = Duration::from_millis(50);

/// A tree that is not removed until this is dropped.
#[derive(Debug)]
pub struct TreeInUse {
    _folder: Flock<File>,
}

impl Store {
    /// Keeps a tree in the store for as long as the result lives. Its bytes are not checked.
    ///
    /// # Errors
    /// [`StoreError::MissingTree`], also when it is being removed at this moment.
    pub fn use_tree(&self, tree: &Digest) -> Result<TreeInUse, StoreError> {
        let missing = || StoreError::MissingTree { tree: *tree };
        let path = self.tree(tree);
        let folder = match directory::open_folder(&path) {
            Ok(folder) => File::from(folder),
            Err(Errno::ENOENT) => return Err(missing()),
            Err(e) => return Err(StoreError::io("open", &path, e)),
        };
        let Ok(folder) = Flock::lock(folder, FlockArg::LockSharedNonblock) else {
            return Err(missing());
        };
        // It may have lost its name between the two steps.
        if !is_still_at(&folder, &path) {
            return Err(missing());
        }
        Ok(TreeInUse { _folder: folder })
    }
}

/// The lock on a tree's folder for whoever removes it; `None` when somebody runs it.
pub(super) fn unused(path: &Path) -> Result<Option<Flock<File>>, StoreError> {
    let failed = |e: Errno| StoreError::io("open", path, e);
    let folder = directory::open_folder(path).map_err(failed)?;
    match Flock::lock(File::from(folder), FlockArg::LockExclusiveNonblock) {
        Ok(lock) => Ok(Some(lock)),
        Err((_, Errno::EWOULDBLOCK)) => Ok(None),
        Err((_, errno)) => Err(failed(errno)),
    }
}

/// Keeps `gc` out until it is dropped; waits until one that runs has ended.
pub(super) fn share(store: &Store) -> Result<Flock<File>, StoreError> {
    let path = store.root();
    let mut file = open(path)?;
    loop {
        match Flock::lock(file, FlockArg::LockShared) {
            Ok(lock) => return Ok(lock),
            Err((unlocked, Errno::EINTR)) => file = unlocked,
            Err((_, errno)) => return Err(StoreError::io("lock", path, errno)),
        }
    }
}

/// Keeps writers out until it is dropped; waits for them at most `patience`.
pub(super) fn alone(store: &Store, patience: Duration) -> Result<Flock<File>, StoreError> {
    let path = store.root();
    let mut file = open(path)?;
    let start = Instant::now();
    loop {
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => return Ok(lock),
            Err((unlocked, Errno::EWOULDBLOCK | Errno::EINTR)) => file = unlocked,
            Err((_, errno)) => return Err(StoreError::io("lock", path, errno)),
        }
        if start.elapsed() >= patience {
            return Err(StoreError::Busy { waited: patience });
        }
        std::thread::sleep(PAUSE);
    }
}

/// The store's own folder may be a link to another disk.
fn open(path: &Path) -> Result<File, StoreError> {
    File::open(path).map_err(|e| StoreError::io("open", path, e))
}

fn is_still_at(folder: &File, path: &Path) -> bool {
    match (folder.metadata(), std::fs::symlink_metadata(path)) {
        (Ok(held), Ok(named)) => (held.dev(), held.ino()) == (named.dev(), named.ino()),
        _ => false,
    }
}
