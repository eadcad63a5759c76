//! The server's own folder: its HOME, its TMPDIR, and its log, which it can't reach.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::LaunchError;

/// `$XDG_STATE_HOME/pinfold/servers/NAME`, or a throw-away folder of the same shape.
#[derive(Clone, Debug)]
pub struct StateFolder {
    root: PathBuf,
}

impl StateFolder {
    /// Makes the folders, for the user only (mode 0700), when they aren't there.
    ///
    /// # Errors
    /// When the disk is full or read-only, or something else is in the way.
    pub fn create(root: PathBuf) -> Result<Self, LaunchError> {
        let folder = Self { root };
        for path in [folder.home(), folder.temporary()] {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(&path)
                .and_then(|()| is_own_folder(&path))
                .map_err(|source| LaunchError::State { path, source })?;
        }
        Ok(folder)
    }

    pub fn home(&self) -> PathBuf {
        self.root.join("home")
    }

    pub fn temporary(&self) -> PathBuf {
        self.root.join("tmp")
    }

    /// Where the server's standard error is kept.
    ///
    /// # Errors
    /// When the file can't be opened.
    pub fn log(&self) -> Result<File, LaunchError> {
        let path = self.log_path();
        OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .custom_flags(nix::fcntl::OFlag::O_NOFOLLOW.bits())
            .open(&path)
            .map_err(|source| LaunchError::State { path, source })
    }

    pub fn log_path(&self) -> PathBuf {
        self.root.join("stderr.log")
    }
}

/// A symbolic link here would hand the server a folder of somebody's choosing.
fn is_own_folder(path: &Path) -> io::Result<()> {
    if fs::symlink_metadata(path)?.is_dir() {
        Ok(())
    } else {
        Err(io::Error::other("it is not a folder"))
    }
}
