//! Why something was not recorded, or could not be read.

use std::io;
use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    #[error("{} could not be used: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error(
        "{} is a link, no regular file, or belongs to another user; move it away",
        path.display()
    )]
    Foreign { path: PathBuf },
    #[error(
        "another process has held {} for too long; `fuser {}` shows which",
        path.display(),
        path.display()
    )]
    Busy { path: PathBuf },
    #[error("a record could not be put into words: {0}")]
    Record(#[from] serde_json::Error),
    #[error("a record of {length} bytes is longer than any that is read back")]
    TooLong { length: usize },
}

impl AuditError {
    pub(super) fn io(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, source }
    }
}
