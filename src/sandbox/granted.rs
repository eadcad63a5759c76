//! A granted path, opened as it was granted: for its mount and for its Landlock rule.

use std::os::fd::OwnedFd;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, OpenHow, ResolveFlag, openat2};
use nix::sys::stat::{SFlag, fstat};

/// A descriptor that only names a file (`O_PATH`, open(2)).
pub(super) struct Granted {
    pub(super) file: OwnedFd,
    pub(super) is_folder: bool,
}

/// Opens a path that the parent resolved; a link that is met now was put there since, and is refused
/// with `ELOOP`. `None` when the path is gone, which grants nothing.
pub(super) fn open(path: &Path) -> Result<Option<Granted>, Errno> {
    let how = OpenHow::new()
        .flags(OFlag::O_PATH | OFlag::O_CLOEXEC)
        .resolve(ResolveFlag::RESOLVE_NO_SYMLINKS);
    let file = match openat2(AT_FDCWD, path, how) {
        Ok(file) => file,
        Err(Errno::ENOENT) => return Ok(None),
        Err(errno) => return Err(errno),
    };
    let kind = SFlag::from_bits_truncate(fstat(&file)?.st_mode) & SFlag::S_IFMT;
    Ok(Some(Granted {
        file,
        is_folder: kind == SFlag::S_IFDIR,
    }))
}
