//! The server's own folder: its HOME, its TMPDIR, and its log, which it can't reach.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::LaunchError;
use super::quarantine::{QUARANTINE_FILE, Quarantine};
use super::quarantine_watch::{QuarantineWatch, Sessions, wait_for_sessions};
use super::shared_budget::SharedBudget;
use super::shown_tools::ShownTools;
use crate::lockfile::{ServerName, create_private_folder};

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
            create_private_folder(&path)
                .and_then(|()| is_own_folder(&path))
                .map_err(|source| LaunchError::State { path, source })?;
        }
        Ok(folder)
    }

    /// The folders as they would be, whether they are there or not.
    pub fn planned(root: PathBuf) -> Self {
        Self { root }
    }

    pub fn home(&self) -> PathBuf {
        self.root.join("home")
    }

    pub fn temporary(&self) -> PathBuf {
        self.root.join("tmp")
    }

    /// Which tools the server last showed otherwise than agreed.
    pub fn shown_tools(&self) -> ShownTools {
        ShownTools::new(self.root.join("tools.json"))
    }

    /// Where secrets are that the server reads from files, while a session without a root of its own
    /// lives: in memory, where the user has a folder there.
    pub(super) fn secret_files(&self, runtime: Option<&Path>, name: &ServerName) -> PathBuf {
        match runtime.filter(|runtime| runtime.parent().is_some_and(Path::is_dir)) {
            Some(runtime) => runtime.join("secrets").join(name.as_str()),
            None => self.root.join("secrets"),
        }
    }

    /// Whether the server may run at all.
    pub fn quarantine(&self) -> Quarantine {
        Quarantine::new(self.root.join(QUARANTINE_FILE))
    }

    /// Watches for its quarantine, for one session of the server.
    ///
    /// # Errors
    /// When that can't be watched for.
    pub fn watch_quarantine(&self) -> Result<QuarantineWatch, LaunchError> {
        QuarantineWatch::begin(&self.root, self.quarantine()).map_err(|source| LaunchError::Watch {
            path: self.root.clone(),
            source,
        })
    }

    /// Waits until no session of the server is left, for as long as `patience`. Blocks the thread.
    ///
    /// # Errors
    /// When that can't be told.
    pub fn wait_for_sessions(&self, patience: Duration) -> io::Result<Sessions> {
        wait_for_sessions(&self.root, patience)
    }

    /// What the calls of all its sessions have cost.
    pub fn budget(&self) -> SharedBudget {
        SharedBudget::new(self.root.join("budget"))
    }

    /// What was observed of it.
    pub fn observed_path(&self) -> PathBuf {
        self.root.join("observed.json")
    }

    /// Where the server's standard error is kept.
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
