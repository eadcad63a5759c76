//! How far the log was exported: a small file in the state folder, and the right to go on from it,
//! which one process has at a time (flock(2)).
//!
//! It is replaced once a collector has taken what is before it. An export that is killed in between
//! sends that once more, with the same ids.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize};

use crate::lockfile::{create_private_folder, open_lock_file, read_guarded, replace_atomically};

const MAX_BYTES: u64 = 16 << 20;
const VERSION: u32 = 1;

/// A call that was passed on, and whose end was not in the log yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenCall {
    pub session: String,
    pub call: u64,
    pub server: Option<String>,
    pub tool: String,
    /// The number of its record.
    pub seq: u64,
    /// The sha256 of that line, in hexadecimal digits.
    pub hash: String,
    /// Nanoseconds since 1970.
    pub start: u64,
    /// `traceparent`
    pub trace: Option<String>,
    pub digest: Option<String>,
    pub bytes: Option<u64>,
    pub approved: bool,
    /// Where they are wanted and in the log.
    pub arguments: Option<String>,
}

/// What was exported.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Position {
    pinfold: u32,
    /// The last record, `NUMBER:SHA256`; `None`: none so far.
    pub through: Option<String>,
    pub open: Vec<OpenCall>,
}

#[derive(Debug, thiserror::Error)]
pub enum PositionError {
    #[error("another export is running: {} is held", path.display())]
    Held { path: PathBuf },
    #[error("how far the log was exported can't be read from {}: {problem}; without that file the next export begins with the oldest record", path.display())]
    Unreadable { path: PathBuf, problem: String },
    #[error("how far the log was exported can't be kept in {}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
}

/// The file, held.
#[derive(Debug)]
pub struct PositionFile {
    path: PathBuf,
    _held: Flock<File>,
}

impl Position {
    pub fn new(through: Option<String>, open: Vec<OpenCall>) -> Self {
        Self {
            pinfold: VERSION,
            through,
            open,
        }
    }
}

impl PositionFile {
    /// Opens `export.json` in `folder`, made when it isn't there.
    ///
    /// # Errors
    /// When another process has it, or the folder can't be written to.
    pub fn open(folder: &Path) -> Result<Self, PositionError> {
        let lock = folder.join("export.lock");
        let failed = |source| PositionError::Io {
            path: lock.clone(),
            source,
        };
        create_private_folder(folder).map_err(failed)?;
        let file = open_lock_file(&lock).map_err(failed)?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(held) => Ok(Self {
                path: folder.join("export.json"),
                _held: held,
            }),
            Err((_, Errno::EWOULDBLOCK)) => Err(PositionError::Held { path: lock }),
            Err((_, errno)) => Err(failed(errno.into())),
        }
    }

    /// What it says.
    ///
    /// # Errors
    /// When it can't be read: it is not guessed.
    pub fn read(&self) -> Result<Position, PositionError> {
        match std::fs::symlink_metadata(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Position::new(None, Vec::new()));
            }
            _ => {}
        }
        let unreadable = |problem: String| PositionError::Unreadable {
            path: self.path.clone(),
            problem,
        };
        let bytes =
            read_guarded(&self.path, MAX_BYTES).map_err(|error| unreadable(error.to_string()))?;
        let position: Position =
            serde_json::from_slice(&bytes).map_err(|error| unreadable(error.to_string()))?;
        if position.pinfold != VERSION {
            return Err(unreadable(format!("it is of version {}", position.pinfold)));
        }
        Ok(position)
    }

    /// Replaces it.
    ///
    /// # Errors
    /// When that fails; the one before is still there then.
    pub fn write(&self, position: &Position) -> Result<(), PositionError> {
        let failed = |source| PositionError::Io {
            path: self.path.clone(),
            source,
        };
        let text = serde_json::to_vec(position).map_err(|error| failed(error.into()))?;
        replace_atomically(&self.path, &text, 0o600).map_err(failed)
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests damage files")]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time_and_what_was_written_is_read() {
        let place = crate::lockfile::private_test_folder();
        let file = PositionFile::open(place.path()).unwrap();
        assert_eq!(file.read().unwrap(), Position::new(None, Vec::new()));
        let error = PositionFile::open(place.path()).unwrap_err();
        assert!(matches!(error, PositionError::Held { .. }), "{error}");
        let position = Position::new(Some("7:00".to_owned()), Vec::new());
        file.write(&position).unwrap();
        drop(file);
        let file = PositionFile::open(place.path()).unwrap();
        assert_eq!(file.read().unwrap(), position);
        for damaged in ["", "{", "{\"pinfold\":2,\"through\":null,\"open\":[]}"] {
            std::fs::write(&file.path, damaged).unwrap();
            let error = file.read().unwrap_err();
            assert!(matches!(error, PositionError::Unreadable { .. }), "{error}");
        }
    }
}
