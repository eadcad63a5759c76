//! The lock: what was agreed. Domain types, JSON format v1, reading and writing.
//!
//! Nothing here decides whether a launch is allowed, and nothing here knows the
//! manifest. `guarded` and `replace` serve the other rooms' files too.

mod check;
mod diff;
mod error;
mod format;
mod guarded;
mod io;
mod layout;
mod platforms;
mod printable;
mod replace;
mod strict;
mod types;
mod write_lock;

pub use diff::{Change, ChangeKind, differences};
pub use error::{FieldProblem, LockError};
pub use format::{LOCKFILE_VERSION, parse};
pub use guarded::{GuardedReadError, read_guarded};
pub use io::{MAX_LOCK_BYTES, create_private_folder, open_lock_file, read, write};
pub use layout::{digest, serialise};
pub use platforms::{PartInterpreter, PlatformPart};
pub use printable::{is_hidden, is_hidden_behind, printable, printable_bytes};
pub use replace::{HeldFile, replace_atomically};
pub(crate) use strict::{Object, UniqueMap};
pub use types::{
    Artifact, BUNDLE_FOLDER, Behaviour, Build, Confinement, Digest, Interpreter, Lock,
    LockedServer, NameError, RuntimePackage, ServerName, ToolName,
};
pub use write_lock::WriteLock;

/// A folder that passes [`read_guarded`] also where the umask lets the group write.
#[cfg(test)]
pub(crate) fn private_test_folder() -> tempfile::TempDir {
    use std::os::unix::fs::PermissionsExt as _;
    let private = std::fs::Permissions::from_mode(0o700);
    tempfile::Builder::new()
        .permissions(private)
        .tempdir()
        .unwrap()
}

/// The names of what is in a folder, sorted.
#[cfg(test)]
fn names_in(folder: &std::path::Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}
