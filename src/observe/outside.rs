//! What is there outside of the box, for the user who runs pinfold: that tells what isn't shown in the
//! box from what isn't there at all.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, access};

/// What a path leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    File,
    Folder,
    /// A device, a pipe, a socket.
    Other,
}

/// Questions about the machine.
pub trait Outside {
    /// `None` where nothing is, or where the user can't see it.
    fn kind(&self, path: &Path) -> Option<Kind>;
    /// Whether the user may read, or write, what is there.
    fn may(&self, path: &Path, write: bool) -> bool;
    /// Whether it is a file that may be executed.
    fn is_program(&self, path: &Path) -> bool;
    /// Where it leads, without links; the path itself where nothing is.
    fn real(&self, path: &Path) -> PathBuf;
}

/// This machine, as it is now.
#[derive(Clone, Copy, Debug)]
pub struct ThisMachine;

impl Outside for ThisMachine {
    fn kind(&self, path: &Path) -> Option<Kind> {
        let found = fs::metadata(path).ok()?;
        Some(match found.file_type() {
            kind if kind.is_dir() => Kind::Folder,
            kind if kind.is_file() => Kind::File,
            _ => Kind::Other,
        })
    }

    fn may(&self, path: &Path, write: bool) -> bool {
        let wanted = match write {
            true => AccessFlags::R_OK | AccessFlags::W_OK,
            false => AccessFlags::R_OK,
        };
        access(path, wanted).is_ok()
    }

    fn is_program(&self, path: &Path) -> bool {
        fs::metadata(path)
            .is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
    }

    fn real(&self, path: &Path) -> PathBuf {
        fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
    }
}
