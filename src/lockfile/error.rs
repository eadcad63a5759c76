//! What can go wrong with the lock, one variant per failing step.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::guarded::GuardedReadError;
use super::types::NameError;

impl LockError {
    /// Whether the disk or another process is at fault, and not the lock's content.
    pub fn is_environment(&self) -> bool {
        matches!(
            self,
            Self::Read(_) | Self::Write { .. } | Self::WriteLock { .. } | Self::Busy { .. }
        )
    }
}

/// Why the lock could not be read, written or reserved.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    #[error("there is no lock at `{}`, so nothing has been agreed yet; `pinfold lock` makes one", path.display())]
    Missing { path: PathBuf },
    #[error(transparent)]
    Read(GuardedReadError),
    #[error("the lock `{}` is not UTF-8 (byte {offset}); {}", path.display(), remade(path))]
    NotUtf8 { path: PathBuf, offset: usize },
    #[error("the lock `{}` is damaged at line {line}, column {column}: {message}; {}", path.display(), remade(path))]
    Json {
        path: PathBuf,
        line: usize,
        column: usize,
        message: String,
    },
    #[error("the lock `{}` has lockfile_version {found} and this pinfold reads version 1 only: a newer pinfold wrote it; upgrade pinfold to use it", path.display())]
    UnknownVersion { path: PathBuf, found: u64 },
    #[error("the lock `{}` is not valid: `{location}`: {problem}; {}", path.display(), remade(path))]
    Invalid {
        path: PathBuf,
        location: String,
        problem: FieldProblem,
    },
    #[error("the lock `{}` could not be written; what was there before is unchanged", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("the write lock `{}` could not be opened; check that its folder exists and is writable", path.display())]
    WriteLock { path: PathBuf, source: io::Error },
    #[error("waited {} ms for `{}`, which {} holds; let that pinfold finish, then run the command again", waited.as_millis(), path.display(), holder_text(*holder))]
    Busy {
        path: PathBuf,
        holder: Option<u32>,
        waited: Duration,
    },
}

/// What is wrong with one value of a lock.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FieldProblem {
    #[error(transparent)]
    Name(#[from] NameError),
    #[error("{value:?} is not a path inside the tree: {reason}")]
    TreePath { value: String, reason: &'static str },
    #[error("{value:?} is not the absolute path of a program: {reason}")]
    ProgramPath { value: String, reason: &'static str },
    #[error(
        "{value:?} is not the integrity of such a source: expected `sha512-` and the base64 of 64 bytes, for `pypi:` `sha256-` and that of 32"
    )]
    Integrity { value: String },
    #[error("{value:?} is not a time: expected RFC 3339 in UTC, such as `2026-11-20T12:00:00Z`")]
    Time { value: String },
    #[error("{second:?} follows {first:?}: the list must be sorted and hold each entry once")]
    Order { first: String, second: String },
    #[error("{value:?} can't stand here: {reason}")]
    Text { value: String, reason: &'static str },
}

/// What helps with a lock that can't be read. `pinfold lock` alone doesn't: it reads first what was
/// agreed, and never writes over what it doesn't understand.
fn remade(path: &Path) -> String {
    let path = path.display();
    format!(
        "restore it from version control; where there is no copy, `mv '{path}' '{path}.damaged'` and `pinfold lock` agree to everything anew"
    )
}

fn holder_text(holder: Option<u32>) -> String {
    match holder {
        Some(pid) => format!("process {pid} (probably another `pinfold`)"),
        None => "another process".to_owned(),
    }
}
