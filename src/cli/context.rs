//! What most commands start from: paths, manifest, lock, store.

use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use nix::errno::Errno;

use super::auditing;
use super::output;
use crate::config::{ConfigError, Environment, Manifest, Paths, Server, Trust};
use crate::launch::{LaunchError, here};
use crate::lockfile::{
    Digest, HeldFile, Lock, LockError, LockedServer, ServerName, WriteLock, create_private_folder,
    digest, read, replace_atomically, write,
};
use crate::store::{Store, StoreError};

/// How long to wait for another command that writes the same manifest.
const WRITE_PATIENCE: Duration = Duration::from_secs(120);
/// Characters of a name that isn't one.
const MAX_NAME: usize = 80;

/// Paths, environment and store of this call.
pub(super) struct Context {
    pub environment: Environment,
    pub paths: Paths,
    pub store: Store,
}

/// Manifest and lock as they may be obeyed.
pub(super) struct Agreed {
    pub manifest: Manifest,
    pub manifest_digest: Digest,
    /// With this machine's platform in front.
    pub lock: Lock,
    /// Of the lock as it is in the file.
    pub lock_digest: Digest,
}

impl Context {
    pub(super) fn open(manifest: Option<&Path>) -> anyhow::Result<Self> {
        let environment = Environment::current();
        let paths = Paths::resolve(&environment, manifest)?;
        let store = Store::open(paths.store())?;
        Ok(Self {
            environment,
            paths,
            store,
        })
    }

    /// For a command that only looks: where there is no store and none can be made, it goes on
    /// without one, and what is wrong with it is the second of the two.
    pub(super) fn for_looking(
        manifest: Option<&Path>,
    ) -> anyhow::Result<(Self, Option<StoreError>)> {
        let environment = Environment::current();
        let paths = Paths::resolve(&environment, manifest)?;
        let (store, problem) = match Store::open(paths.store()) {
            Ok(store) => (store, None),
            Err(problem) => (Store::planned(paths.store()), Some(problem)),
        };
        let context = Self {
            environment,
            paths,
            store,
        };
        Ok((context, problem))
    }

    /// The user's own search path for programs; empty when there is none.
    pub(super) fn search_path(&self) -> &OsStr {
        self.environment
            .get("PATH")
            .unwrap_or_else(|| OsStr::new(""))
    }

    pub(super) fn manifest(&self) -> Result<Manifest, ConfigError> {
        Manifest::load(&self.paths)
    }

    /// The manifest, or an empty one when there is none yet.
    pub(super) fn manifest_or_empty(&self) -> Result<Manifest, ConfigError> {
        match self.manifest() {
            Err(ConfigError::MissingManifest { .. }) => Ok(Manifest::default()),
            other => other,
        }
    }

    /// The lock, with this machine's platform in front wherever it has it.
    pub(super) fn lock(&self) -> Result<Lock, LockError> {
        Ok(self.recorded_lock()?.on(&here()))
    }

    /// The lock as it is in the file.
    pub(super) fn recorded_lock(&self) -> Result<Lock, LockError> {
        read(&self.paths.lock)
    }

    /// Writes the lock for a command, once the change is in the audit log. Who holds the write lock
    /// may.
    pub(super) fn save(&self, lock: Lock, command: &'static str) -> anyhow::Result<()> {
        let before = match self.recorded_lock() {
            Err(LockError::Missing { .. }) => None,
            other => Some(other?),
        };
        let lock = match &before {
            Some(before) => lock.in_order_of(before),
            None => lock.in_order_of(&Lock::default()),
        };
        auditing::lock_changes(self, command, before.as_ref(), &lock)
            .context("the change can't be recorded in the audit log, so nothing was changed")?;
        let path = &self.paths.lock;
        let written = write(path, &lock, |bytes, mode| self.replace(path, bytes, mode));
        Ok(written.map(drop)?)
    }

    /// Writes the manifest.
    pub(super) fn save_manifest(&self, text: &str) -> anyhow::Result<()> {
        let path = &self.paths.manifest;
        self.replace(path, text.as_bytes(), 0o600)
            .with_context(|| format!("could not write {}", path.display()))
    }

    /// Replaces the manifest or the lock. A link in the place of one's own leads to where it is
    /// kept; one of somebody else's repository could lead to any file of the user's.
    fn replace(&self, path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
        if self.paths.own_manifest {
            return replace_atomically(path, bytes, mode);
        }
        let name = path.file_name().unwrap_or_default();
        let folder = match &self.paths.foreign_folder {
            Some(folder) => folder.clone(),
            // It was made by this command.
            None => self.paths.manifest_folder().canonicalize()?,
        };
        let replaced =
            HeldFile::open(&folder.join(name)).and_then(|held| held.replace(bytes, mode));
        replaced.map_err(|error| match error.raw_os_error() == Some(Errno::ELOOP as i32) {
            true => io::Error::other(
                "it is a link, or behind one, and in a folder that isn't your own manifest's a link could lead anywhere; name the file that is meant with --manifest",
            ),
            false => error,
        })
    }

    pub(super) fn lock_or_empty(&self) -> Result<Lock, LockError> {
        match self.lock() {
            Err(LockError::Missing { .. }) => Ok(Lock::default()),
            other => other,
        }
    }

    /// Keeps other writers of this manifest and lock out until it is dropped.
    pub(super) fn write_lock(&self) -> anyhow::Result<WriteLock> {
        let folder = self.paths.manifest_folder();
        create_private_folder(folder)
            .with_context(|| format!("could not make the folder {}", folder.display()))?;
        Ok(WriteLock::acquire(folder, WRITE_PATIENCE)?)
    }

    /// Manifest and lock for a launch. Those of somebody else's repository must have been trusted
    /// in exactly this content.
    pub(super) fn trusted(&self) -> Result<(Manifest, Lock), LaunchError> {
        let Agreed { manifest, lock, .. } = self.agreed()?;
        Ok((manifest, lock))
    }

    /// As [`Self::trusted`], with the digests of both files.
    pub(super) fn agreed(&self) -> Result<Agreed, LaunchError> {
        let (manifest, manifest_digest) = Manifest::load_with_digest(&self.paths)?;
        let lock = self.recorded_lock()?;
        let lock_digest = digest(&lock);
        if !self.paths.own_manifest {
            let trust = Trust::load(&self.paths.trusted())?;
            if !trust.is_trusted(&self.paths.manifest, &manifest_digest, &lock_digest) {
                return Err(LaunchError::NotTrusted {
                    manifest: self.paths.manifest.clone(),
                });
            }
        }
        Ok(Agreed {
            manifest,
            manifest_digest,
            lock: lock.on(&here()),
            lock_digest,
        })
    }

    /// A server of the manifest with its lock.
    pub(super) fn server<'a>(
        &self,
        name: &str,
        manifest: &'a Manifest,
        lock: &'a Lock,
    ) -> Result<(ServerName, &'a Server, &'a LockedServer), LaunchError> {
        let (name, server) = named(manifest, &self.paths.manifest, name)?;
        let locked = lock
            .servers
            .get(name)
            .ok_or_else(|| LaunchError::NotLocked { name: name.clone() })?;
        Ok((name.clone(), server, locked))
    }
}

/// A server of the manifest at `path` by its name, which may be any text.
pub(super) fn named<'a>(
    manifest: &'a Manifest,
    path: &Path,
    name: &str,
) -> Result<(&'a ServerName, &'a Server), LaunchError> {
    let found = name.parse::<ServerName>().ok();
    let found = found.and_then(|name| manifest.servers.get_key_value(&name));
    found.ok_or_else(|| {
        let name = output::foreign(name, MAX_NAME);
        LaunchError::unknown_server(&name, path, manifest.servers.keys())
    })
}

/// The named servers of the manifest at `path`, or all of them; each once.
pub(super) fn select<'a>(
    manifest: &'a Manifest,
    path: &Path,
    names: &[String],
) -> Result<Vec<(&'a ServerName, &'a Server)>, LaunchError> {
    if names.is_empty() {
        return Ok(manifest.servers.iter().collect());
    }
    let mut chosen: Vec<(&ServerName, &Server)> = Vec::new();
    for name in names {
        let found = named(manifest, path, name)?;
        if chosen.iter().all(|(other, _)| *other != found.0) {
            chosen.push(found);
        }
    }
    Ok(chosen)
}
