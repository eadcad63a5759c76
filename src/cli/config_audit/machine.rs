//! What the rules must know of the machine. They ask; looking is done here, and changes nothing.

use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::config::clients::read_bytes;
use crate::config::{ConfigError, Environment, Manifest, Paths};
use crate::lockfile::{LockError, read};

/// Larger is no file of variables.
const MAX_TEXT: u64 = 1 << 20;

/// A file or folder, links followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Status {
    /// Permission bits.
    pub mode: u32,
    pub owner: u32,
    pub group: u32,
}

/// How a server of a manifest stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Locked,
    /// In one of the two files alone: which lacks it.
    Lacks(&'static str),
    /// Both have it and say different things.
    Differs {
        manifest: String,
        lock: String,
    },
}

/// The servers of a manifest, or why none of them can be started.
pub(super) type Standings = Result<BTreeMap<String, Standing>, String>;

/// The machine as far as findings depend on it.
pub(super) trait Machine {
    /// Seconds since 1970.
    fn now(&self) -> u64;
    /// The user that the clients run as.
    fn user(&self) -> u32;
    fn home(&self) -> Option<&Path>;
    fn status(&self, path: &Path) -> Option<Status>;
    /// A path without links.
    fn real(&self, path: &Path) -> Option<PathBuf>;
    /// What is in a small file of text.
    fn text(&self, path: &Path) -> Option<String>;
    /// A program of the search path.
    fn program(&self, name: &str) -> Option<PathBuf>;
    /// The servers of the user's own manifest, or of another.
    fn standings(&self, manifest: Option<&Path>) -> Standings;
}

/// This one.
pub(super) struct Here<'e> {
    pub environment: &'e Environment,
    pub home: Option<PathBuf>,
    /// In place of the user's own, where an entry names none.
    pub manifest: Option<PathBuf>,
}

impl Machine for Here<'_> {
    fn now(&self) -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        since.map_or(0, |since| since.as_secs())
    }

    fn user(&self) -> u32 {
        nix::unistd::geteuid().as_raw()
    }

    fn home(&self) -> Option<&Path> {
        self.home.as_deref()
    }

    fn status(&self, path: &Path) -> Option<Status> {
        let metadata = std::fs::metadata(path).ok()?;
        Some(Status {
            mode: metadata.permissions().mode() & 0o7777,
            owner: metadata.uid(),
            group: metadata.gid(),
        })
    }

    fn real(&self, path: &Path) -> Option<PathBuf> {
        std::fs::canonicalize(path).ok()
    }

    fn text(&self, path: &Path) -> Option<String> {
        String::from_utf8(read_bytes(path, MAX_TEXT).ok()?).ok()
    }

    fn program(&self, name: &str) -> Option<PathBuf> {
        let path = self.environment.get("PATH")?;
        std::env::split_paths(path)
            .filter(|folder| folder.is_absolute())
            .map(|folder| folder.join(name))
            .find(|file| file.is_file())
    }

    fn standings(&self, manifest: Option<&Path>) -> Standings {
        let manifest = manifest.or(self.manifest.as_deref());
        let paths =
            Paths::resolve(self.environment, manifest).map_err(|error| error.to_string())?;
        let manifest = match Manifest::load(&paths) {
            Err(ConfigError::MissingManifest { .. }) => Manifest::default(),
            other => other.map_err(|error| first_line(&error.to_string()))?,
        };
        let lock = match read(&paths.lock) {
            Err(LockError::Missing { .. }) => Default::default(),
            other => other.map_err(|error| first_line(&error.to_string()))?,
        };
        let mut standings: BTreeMap<String, Standing> = BTreeMap::new();
        for (name, server) in &manifest.servers {
            let standing = match lock.servers.get(name) {
                None => Standing::Lacks("lock"),
                Some(locked) if locked.source != server.source_text => Standing::Differs {
                    manifest: server.source_text.clone(),
                    lock: locked.source.clone(),
                },
                Some(_) => Standing::Locked,
            };
            standings.insert(name.to_string(), standing);
        }
        for name in lock.servers.keys() {
            let only_locked = || Standing::Lacks("manifest");
            standings
                .entry(name.to_string())
                .or_insert_with(only_locked);
        }
        Ok(standings)
    }
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}
