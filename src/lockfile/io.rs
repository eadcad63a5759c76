//! Reading and writing the lockfile.
//!
//! What the bytes mean is `format.rs`, how a file is replaced `replace.rs`; who may write at the
//! same time is `write_lock.rs`.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use nix::fcntl::OFlag;

use super::error::LockError;
use super::guarded::{GuardedReadError, read_guarded};
use super::types::Lock;
use super::{check, format, layout};

/// The largest lock that is read: 64 MiB, some hundred thousand artifacts.
pub const MAX_LOCK_BYTES: u64 = 64 << 20;

/// The lock holds no secrets; its folder is private anyway.
const LOCK_MODE: u32 = 0o644;

/// Reads and validates the lock at `path`; a file that others could have written is refused.
pub fn read(path: &Path) -> Result<Lock, LockError> {
    let bytes = read_guarded(path, MAX_LOCK_BYTES).map_err(|error| match error {
        GuardedReadError::Missing { path } => LockError::Missing { path },
        other => LockError::Read(other),
    })?;
    format::parse(&bytes, path)
}

/// Writes the lock by `replace`, which is given bytes and mode, and says whether the file had to
/// change.
///
/// A lock that could not be read back is refused before anything is touched, and
/// one that is already there byte for byte leaves the file alone.
pub fn write(
    path: &Path,
    lock: &Lock,
    replace: impl FnOnce(&[u8], u32) -> io::Result<()>,
) -> Result<bool, LockError> {
    check::check(lock).map_err(|(location, problem)| LockError::Invalid {
        path: path.to_owned(),
        location,
        problem,
    })?;
    let text = layout::serialise(lock);
    if read_guarded(path, MAX_LOCK_BYTES).is_ok_and(|there| there == text.as_bytes()) {
        return Ok(false);
    }
    replace(text.as_bytes(), LOCK_MODE).map_err(|source| LockError::Write {
        path: path.to_owned(),
        source,
    })?;
    Ok(true)
}

/// Makes a folder and its missing parents, mode 0700; fine when it is there already.
pub fn create_private_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// A file that is only locked (flock(2)), or little more; made when there is none, mode 0600. No
/// link is followed, and nothing that blocks is waited for.
pub fn open_lock_file(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags((OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits())
        .open(path)
}

#[cfg(test)]
mod tests;
