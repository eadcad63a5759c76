//! What can go wrong with a control group.

use std::io;
use std::path::PathBuf;

/// An operation on a file of the control group file system that failed.
#[derive(Debug, thiserror::Error)]
#[error("could not {action} {}: {source}", path.display())]
pub struct GroupError {
    pub action: &'static str,
    pub path: PathBuf,
    pub source: io::Error,
}
