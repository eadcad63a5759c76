//! Work in progress: private folders that vanish with their owner.
//!
//! Each has a lock file beside it, held with flock(2) as long as the folder is
//! in use. The kernel releases it however the process ends, so a lock that can
//! be had means that the folder was abandoned.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use nix::fcntl::{Flock, FlockArg};

use super::artifact::ArtifactWriter;
use super::builder::TreeBuilder;
use super::directory;
use super::error::StoreError;
use super::in_use;
use super::layout::Store;

/// A private folder of the store. Clones share it; it goes with the last of them
/// and with the last writer or builder made from it.
#[derive(Clone, Debug)]
pub struct Staging {
    place: Arc<Place>,
}

#[derive(Debug)]
struct Place {
    store: Store,
    folder: PathBuf,
    lock_path: PathBuf,
    next: AtomicU64,
    /// Held until the folder is gone: fields are dropped after `Drop::drop`.
    _lock: Flock<File>,
    /// Keeps `gc` out, or is its own.
    _writers: Flock<File>,
}

const LOCK_SUFFIX: &str = ".lock";

/// Loose files in staging are in use for milliseconds; older ones were left behind.
const LOOSE_FILE_AGE: Duration = Duration::from_secs(600);

impl Staging {
    pub(super) fn create(store: &Store) -> Result<Self, StoreError> {
        Self::create_under(store, in_use::share(store)?)
    }

    /// With the lock on all writers that the caller has.
    pub(super) fn create_under(store: &Store, writers: Flock<File>) -> Result<Self, StoreError> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let parent = store.staging_folder();
        loop {
            let next = NEXT.fetch_add(1, Ordering::Relaxed);
            let name = format!("{:x}-{:x}-{next:x}", std::process::id(), nanoseconds());
            let folder = parent.join(&name);
            let lock_path = parent.join(name + LOCK_SUFFIX);
            let failed = |e| StoreError::io("prepare the staging folder", &folder, e);
            let Some(lock) = take_new_lock(&lock_path).map_err(failed)? else {
                continue;
            };
            DirBuilder::new()
                .mode(0o700)
                .create(&folder)
                .map_err(failed)?;
            return Ok(Self {
                place: Arc::new(Place {
                    store: store.clone(),
                    folder,
                    lock_path,
                    next: AtomicU64::new(0),
                    _lock: lock,
                    _writers: writers,
                }),
            });
        }
    }

    /// Starts a download of at most `max_bytes`.
    pub fn artifact(&self, max_bytes: u64) -> Result<ArtifactWriter, StoreError> {
        ArtifactWriter::create(self.clone(), max_bytes)
    }

    /// Starts an empty tree.
    pub fn tree(&self) -> Result<TreeBuilder, StoreError> {
        TreeBuilder::create(self.clone())
    }

    pub(super) fn store(&self) -> &Store {
        &self.place.store
    }

    /// The folder itself, for work that is thrown away.
    pub fn folder(&self) -> &Path {
        &self.place.folder
    }

    /// A path in this folder that nothing uses yet.
    pub(super) fn new_path(&self, what: &str) -> PathBuf {
        let next = self.place.next.fetch_add(1, Ordering::Relaxed);
        self.place.folder.join(format!("{what}-{next}"))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // What can't be removed now is left to the next sweep.
        if directory::remove_all(&self.folder).is_ok() {
            let _ = std::fs::remove_file(&self.lock_path);
        }
    }
}

/// Creates and locks a lock file; `None` when a sweep took it away in between.
fn take_new_lock(path: &Path) -> io::Result<Option<Flock<File>>> {
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    let Ok(lock) = Flock::lock(file, FlockArg::LockExclusiveNonblock) else {
        return Ok(None);
    };
    // Only a sweep that had the lock may have removed the file; then nobody would see ours.
    Ok((lock.metadata()?.nlink() > 0).then_some(lock))
}

/// Removes abandoned folders and loose files; returns how many folders. What can't be removed is
/// warned of and stays: no command needs it gone.
pub(super) fn sweep(staging: &Path) -> Result<usize, StoreError> {
    let unreadable = |e| StoreError::io("list", staging, e);
    let mut removed = 0;
    for entry in std::fs::read_dir(staging).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        if let Some(name) = name.strip_suffix(LOCK_SUFFIX) {
            match sweep_one(&staging.join(name), &path) {
                Ok(swept) => removed += usize::from(swept),
                Err(error) => tracing::warn!(
                    "{error}; it was left behind by another command and only takes up room, and the next command tries again"
                ),
            }
        } else if is_stale_file(&path) {
            let _ = std::fs::remove_file(&path);
        }
    }
    Ok(removed)
}

/// Removes a folder and its lock file when the lock can be had.
fn sweep_one(folder: &Path, lock_path: &Path) -> Result<bool, StoreError> {
    let file = match OpenOptions::new().write(true).open(lock_path) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(e) => return Err(StoreError::io("open", lock_path, e)),
    };
    let Ok(_lock) = Flock::lock(file, FlockArg::LockExclusiveNonblock) else {
        return Ok(false);
    };
    directory::remove_all(folder).map_err(|e| StoreError::io("remove", folder, e))?;
    match std::fs::remove_file(lock_path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => {
            Err(StoreError::io("remove", lock_path, e))
        }
        _ => Ok(true),
    }
}

fn is_stale_file(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|found| {
        let age = found
            .modified()
            .ok()
            .and_then(|at| SystemTime::now().duration_since(at).ok());
        !found.is_dir() && age.is_some_and(|age| age > LOOSE_FILE_AGE)
    })
}

fn nanoseconds() -> u128 {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
        .as_nanos()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::super::testing::write;
    use super::*;

    fn store() -> (tempfile::TempDir, Store) {
        let home = tempfile::tempdir().unwrap();
        let store = Store::open(home.path().join("store")).unwrap();
        (home, store)
    }

    fn count(store: &Store) -> usize {
        std::fs::read_dir(store.staging_folder()).unwrap().count()
    }

    #[test]
    fn a_staging_folder_in_use_survives_a_sweep() {
        let (_home, store) = store();
        let staging = store.staging().unwrap();
        let second = staging.clone();
        assert_eq!(store.sweep().unwrap(), 0);
        drop(staging);
        assert!(second.folder().is_dir());
        drop(second);
        assert_eq!(count(&store), 0);
    }

    #[test]
    fn an_abandoned_folder_is_swept() {
        let (_home, store) = store();
        let abandoned = store.staging_folder().join("1-2-3");
        std::fs::create_dir_all(abandoned.join("tree/sealed")).unwrap();
        write(abandoned.join("tree/sealed/file"), "x").unwrap();
        for folder in ["tree/sealed", "tree"] {
            let mode = std::fs::Permissions::from_mode(0o555);
            std::fs::set_permissions(abandoned.join(folder), mode).unwrap();
        }
        write(store.staging_folder().join("1-2-3.lock"), "").unwrap();
        let in_use = store.staging().unwrap();
        assert_eq!(store.sweep().unwrap(), 1);
        assert!(!abandoned.exists());
        assert!(in_use.folder().exists());
        assert_eq!(count(&store), 2);
    }

    #[test]
    fn what_cant_be_swept_stays_and_fails_nothing() {
        let (_home, store) = store();
        let staging = store.staging_folder();
        // A lock that nobody can have, root included, and a folder that can't be changed.
        std::fs::create_dir(staging.join("1-1-1.lock")).unwrap();
        sweep_one(&staging.join("1-1-1"), &staging.join("1-1-1.lock")).unwrap_err();
        let free = staging.join("1-2-3.lock");
        write(&free, "").unwrap();
        sweep_one(Path::new("/proc/self/fdinfo"), &free).unwrap_err();
        assert!(free.exists());

        std::fs::create_dir(staging.join("1-2-3")).unwrap();
        assert_eq!(store.sweep().unwrap(), 1);
        assert_eq!(count(&store), 1);
    }

    #[test]
    fn only_old_loose_files_are_swept() {
        let (_home, store) = store();
        let loose = store.staging_folder().join("index-1");
        let file = File::create(&loose).unwrap();
        store.sweep().unwrap();
        assert!(loose.exists());
        file.set_modified(SystemTime::now() - Duration::from_secs(3600))
            .unwrap();
        store.sweep().unwrap();
        assert!(!loose.exists());
    }
}
