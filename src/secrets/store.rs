//! Where the user's secrets are kept: one place, decided at the first `secret set` and written down,
//! so that a secret is never looked for in one place when it is in the other.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use super::file_store::FileStore;
use super::{Secret, SecretError};
use crate::config::SecretName;

/// The file that says which it is; no secret's name begins with a dot.
const DECISION: &str = ".store";

/// The places there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreKind {
    /// Files of the user's own.
    Files,
    /// The desktop's (org.freedesktop.secrets).
    SecretService,
}

/// What is known of a secret without its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredSecret {
    pub name: SecretName,
    pub changed: SystemTime,
}

/// The user's secrets.
#[derive(Clone, Debug)]
pub struct SecretStore {
    files: FileStore,
    kind: StoreKind,
    is_decided: bool,
}

impl StoreKind {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Files => "files",
            Self::SecretService => "secret-service",
        }
    }

    fn of_name(name: &str) -> Option<Self> {
        [Self::Files, Self::SecretService]
            .into_iter()
            .find(|kind| kind.name() == name)
    }
}

impl SecretStore {
    /// The store below pinfold's data folder; `None` when nothing was ever put into one.
    ///
    /// # Errors
    /// When others could have decided, or the decision can't be read.
    pub fn decided(data: &Path) -> Result<Option<Self>, SecretError> {
        let files = FileStore::new(folder(data));
        let Some(text) = files.read(DECISION)? else {
            return Ok(None);
        };
        let text = std::str::from_utf8(&text).unwrap_or_default();
        let kind = StoreKind::of_name(text.trim()).ok_or_else(|| SecretError::Undecided {
            path: files.folder().join(DECISION),
        })?;
        Ok(Some(Self {
            files,
            kind,
            is_decided: true,
        }))
    }

    /// The store for a secret that is to be kept: the one that was decided, else `wanted`, else the
    /// Secret Service where there is one, else files. Written down with the first secret.
    ///
    /// # Errors
    /// As [`Self::decided`], and when `wanted` is another one than was decided.
    pub fn for_setting(data: &Path, wanted: Option<StoreKind>) -> Result<Self, SecretError> {
        if let Some(store) = Self::decided(data)? {
            return match wanted.filter(|wanted| *wanted != store.kind) {
                None => Ok(store),
                // Nothing is lost when nothing is there.
                Some(kind) if store.list(super::PATIENCE)?.is_empty() => Ok(Self {
                    kind,
                    is_decided: false,
                    ..store
                }),
                Some(_) => Err(SecretError::OtherStore {
                    there: store.place(),
                }),
            };
        }
        let kind = wanted.unwrap_or_else(|| match is_there() {
            true => StoreKind::SecretService,
            false => StoreKind::Files,
        });
        Ok(Self {
            files: FileStore::new(folder(data)),
            kind,
            is_decided: false,
        })
    }

    pub const fn kind(&self) -> StoreKind {
        self.kind
    }

    /// In words.
    pub fn place(&self) -> String {
        match self.kind {
            StoreKind::Files => format!("in files in {}", self.files.folder().display()),
            StoreKind::SecretService => "by the desktop's Secret Service".to_owned(),
        }
    }

    /// # Errors
    /// When it is not there, or can't be had before `deadline`.
    pub fn get(&self, name: &SecretName, deadline: Instant) -> Result<Secret, SecretError> {
        let patience = deadline.saturating_duration_since(Instant::now());
        let found = match self.kind {
            StoreKind::Files => self.files.get(name)?,
            StoreKind::SecretService => service::get(name, patience)?,
        };
        found.ok_or_else(|| SecretError::Missing {
            name: name.clone(),
            place: self.place(),
        })
    }

    /// Keeps a secret, in the place of an older one of that name.
    ///
    /// # Errors
    /// When the store can't be written within `patience`; the older one is as it was then.
    pub fn set(
        &mut self,
        name: &SecretName,
        value: &Secret,
        patience: Duration,
    ) -> Result<(), SecretError> {
        match self.kind {
            StoreKind::Files => self.files.set(name, value)?,
            StoreKind::SecretService => service::set(name, value, patience)?,
        }
        if !self.is_decided {
            self.files
                .write(DECISION, format!("{}\n", self.kind.name()).as_bytes())?;
            self.is_decided = true;
        }
        Ok(())
    }

    /// Whether it was there.
    ///
    /// # Errors
    /// When the store can't be written within `patience`.
    pub fn remove(&self, name: &SecretName, patience: Duration) -> Result<bool, SecretError> {
        match self.kind {
            StoreKind::Files => self.files.remove(name),
            StoreKind::SecretService => service::remove(name, patience),
        }
    }

    /// Every secret, sorted by name; no value is read.
    ///
    /// # Errors
    /// When the store can't be read within `patience`.
    pub fn list(&self, patience: Duration) -> Result<Vec<StoredSecret>, SecretError> {
        match self.kind {
            StoreKind::Files => self.files.list(),
            StoreKind::SecretService => service::list(patience),
        }
    }

    /// Asks for the password that a locked store needs, if it needs one.
    ///
    /// # Errors
    /// When it was not given within `patience`.
    pub fn unlock(&self, patience: Duration) -> Result<(), SecretError> {
        match self.kind {
            StoreKind::Files => Ok(()),
            StoreKind::SecretService => service::unlock(patience),
        }
    }
}

fn folder(data: &Path) -> PathBuf {
    data.join("secrets")
}

/// Whether there is a Secret Service, locked or not.
fn is_there() -> bool {
    match service::is_there(super::PATIENCE) {
        Ok(()) => true,
        Err(error) => {
            tracing::info!("{error}");
            false
        }
    }
}

#[cfg(feature = "secret-service")]
use super::service;

/// What a build without it says.
#[cfg(not(feature = "secret-service"))]
mod service {
    use super::{Duration, Secret, SecretError, SecretName, StoredSecret};

    const NONE: SecretError = SecretError::NoService;

    pub(super) fn is_there(_: Duration) -> Result<(), SecretError> {
        Err(NONE)
    }

    pub(super) fn get(_: &SecretName, _: Duration) -> Result<Option<Secret>, SecretError> {
        Err(NONE)
    }

    pub(super) fn set(_: &SecretName, _: &Secret, _: Duration) -> Result<(), SecretError> {
        Err(NONE)
    }

    pub(super) fn remove(_: &SecretName, _: Duration) -> Result<bool, SecretError> {
        Err(NONE)
    }

    pub(super) fn list(_: Duration) -> Result<Vec<StoredSecret>, SecretError> {
        Err(NONE)
    }

    pub(super) fn unlock(_: Duration) -> Result<(), SecretError> {
        Err(NONE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_is_decided_once() {
        let folder = crate::lockfile::private_test_folder();
        let data = folder.path();
        let name: SecretName = "a".parse().unwrap();
        let value = Secret::read_line_of(&b"x"[..]).unwrap();
        assert!(SecretStore::decided(data).unwrap().is_none());
        let mut store = SecretStore::for_setting(data, Some(StoreKind::Files)).unwrap();
        assert!(SecretStore::decided(data).unwrap().is_none());
        store.set(&name, &value, Duration::ZERO).unwrap();
        let decided = SecretStore::decided(data).unwrap().unwrap();
        assert_eq!(decided.kind(), StoreKind::Files);
        assert_eq!(decided.get(&name, Instant::now()).unwrap(), value);
        let moved = SecretStore::for_setting(data, Some(StoreKind::SecretService));
        assert!(matches!(moved, Err(SecretError::OtherStore { .. })));
        assert!(decided.remove(&name, Duration::ZERO).unwrap());
        let missing = decided.get(&name, Instant::now()).unwrap_err();
        assert!(
            missing.to_string().contains("pinfold secret set a"),
            "{missing}"
        );
        let moved = SecretStore::for_setting(data, Some(StoreKind::SecretService)).unwrap();
        assert_eq!(moved.kind(), StoreKind::SecretService);
    }

    #[test]
    fn a_decision_that_says_nothing_is_no_decision() {
        let folder = crate::lockfile::private_test_folder();
        let files = FileStore::new(super::folder(folder.path()));
        files.write(DECISION, b"elsewhere\n").unwrap();
        let refused = SecretStore::decided(folder.path());
        assert!(matches!(refused, Err(SecretError::Undecided { .. })));
    }
}
