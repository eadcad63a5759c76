//! Secrets that a server reads from a file. In a root of its own the file is in memory and nowhere
//! else; without one it is on the disk for as long as the session lives, and only this server's box
//! may open it.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};

use super::LaunchError;
use crate::lockfile::create_private_folder;
use crate::sandbox::{Access, OwnFile, PathRule, PrivateText, SandboxSpec};

/// What the files of one session are to be.
#[derive(Clone, Debug)]
pub struct SecretFiles {
    /// Of all sessions of this server.
    place: PathBuf,
    /// Of this session; there is nothing of that name yet.
    folder: PathBuf,
    files: Vec<(String, PrivateText)>,
}

/// The files on the disk. Dropping it removes them.
#[derive(Debug)]
pub struct SecretFolder {
    folder: PathBuf,
    /// Held for as long as the session lives: who can take it knows that the session is gone.
    _held: Flock<File>,
}

impl SecretFiles {
    /// No files yet; those to come are in a new folder in `place`.
    pub(super) fn new(place: PathBuf) -> Self {
        // The standard library's hasher keys differ at every call; O_EXCL does the rest.
        let random = RandomState::new().build_hasher().finish();
        Self {
            folder: place.join(format!("{:x}-{random:016x}", std::process::id())),
            place,
            files: Vec::new(),
        }
    }

    /// Adds a file and says where the server will find it. `name` is a file's name.
    pub(super) fn add(&mut self, name: &str, text: &str) -> PathBuf {
        self.files.push((name.to_owned(), text.into()));
        self.folder.join(name)
    }

    fn paths(&self) -> impl Iterator<Item = (PathBuf, &PrivateText)> {
        let files = self.files.iter();
        files.map(|(name, text)| (self.folder.join(name), text))
    }

    /// Puts the files where this spec's tier has them.
    ///
    /// # Errors
    /// When they have to be on the disk and can't be written there.
    pub(super) fn deliver(
        &self,
        spec: &mut SandboxSpec,
    ) -> Result<Option<SecretFolder>, LaunchError> {
        if self.files.is_empty() {
            return Ok(None);
        }
        if let Some(namespaces) = &mut spec.namespaces {
            namespaces
                .files
                .extend(self.paths().map(|(path, text)| OwnFile {
                    path,
                    text: text.clone(),
                    is_private: true,
                }));
            return Ok(None);
        }
        let folder = self.write().map_err(|source| LaunchError::State {
            path: self.folder.clone(),
            source,
        })?;
        spec.filesystem
            .extend(self.paths().map(|(path, _)| PathRule {
                path,
                access: Access::Read,
            }));
        Ok(Some(folder))
    }

    fn write(&self) -> io::Result<SecretFolder> {
        create_private_folder(&self.place)?;
        // Whoever sweeps waits for us, and we for them.
        let _place = lock(&self.place, FlockArg::LockExclusive)?;
        sweep(&self.place);
        DirBuilder::new().mode(0o700).create(&self.folder)?;
        let held = SecretFolder {
            _held: lock(&self.folder, FlockArg::LockExclusive)?,
            folder: self.folder.clone(),
        };
        for (path, text) in self.paths() {
            let mut file = OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o400)
                .open(path)?;
            file.write_all(text.as_str().as_bytes())?;
        }
        Ok(held)
    }
}

impl Drop for SecretFolder {
    fn drop(&mut self) {
        // What can't be removed now, the next session's sweep removes.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn lock(folder: &Path, how: FlockArg) -> io::Result<Flock<File>> {
    Flock::lock(File::open(folder)?, how).map_err(|(_, errno)| errno.into())
}

/// Removes the folders of sessions that were killed.
pub(super) fn sweep(place: &Path) {
    let Ok(entries) = fs::read_dir(place) else {
        return;
    };
    for entry in entries.flatten() {
        let folder = entry.path();
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if is_folder && lock(&folder, FlockArg::LockExclusiveNonblock).is_ok() {
            let _ = fs::remove_dir_all(&folder);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn on_the_disk_they_are_private_and_go_with_the_session() {
        let place = tempfile::tempdir().unwrap();
        let place = place.path().join("secrets");
        let mut files = SecretFiles::new(place.clone());
        let path = files.add("TOKEN", "value");
        assert!(!format!("{files:?}").contains("value"));
        let held = files.write().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "value");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
        assert_eq!(mode(&path), 0o400);
        assert_eq!(mode(path.parent().unwrap()), 0o700);
        // Another session of the same server takes nothing away from this one.
        drop(SecretFiles::new(place.clone()).write().unwrap());
        assert!(path.exists());
        drop(held);
        assert_eq!(fs::read_dir(&place).unwrap().count(), 0);
    }

    #[test]
    fn what_a_killed_session_left_goes_with_the_next() {
        let place = tempfile::tempdir().unwrap();
        let mut killed = SecretFiles::new(place.path().to_owned());
        killed.add("TOKEN", "value");
        let mut held = killed.write().unwrap();
        let left = std::mem::take(&mut held.folder);
        // The lock goes, the folder stays.
        drop(held);
        assert!(left.join("TOKEN").exists());
        drop(SecretFiles::new(place.path().to_owned()).write().unwrap());
        assert!(!left.exists());
    }
}
