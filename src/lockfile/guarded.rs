//! Reading files that pinfold obeys: bounded, regular, and not in someone else's hands.
//!
//! Whoever can write the manifest or the lock decides what runs, so a file that
//! others can replace is refused before its content is looked at (as sudo does
//! for sudoers). Parsing is not done here.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

const GROUP_OR_OTHERS_WRITE: u32 = 0o022;
const STICKY: u32 = 0o1000;

/// Why a file was not read.
#[derive(Debug, thiserror::Error)]
pub enum GuardedReadError {
    #[error("`{}` does not exist", path.display())]
    Missing { path: PathBuf },
    #[error("`{}` is not a regular file", path.display())]
    NotAFile { path: PathBuf },
    #[error("`{}` is larger than {limit} bytes", path.display())]
    TooLarge { path: PathBuf, limit: u64 },
    #[error("`{}` can be changed by other users (mode {mode:04o}), and whoever changes it decides what runs; fix it with `chmod go-w {}`", path.display(), path.display())]
    WritableByOthers { path: PathBuf, mode: u32 },
    #[error("`{}` belongs to user id {owner}, not to you or root, and its owner could decide what runs; fix it with `chown \"$(id -u)\" {}`", path.display(), path.display())]
    ForeignOwner { path: PathBuf, owner: u32 },
    #[error("`{}` could not be read", path.display())]
    Io { path: PathBuf, source: io::Error },
}

/// Reads a whole file of at most `limit` bytes that only the caller (or root) can have written.
///
/// Checked: the opened file itself, the folder that `path` names it in, and the
/// folder of the resolved target when `path` is a symbolic link. A sticky folder
/// such as `/tmp` passes, because there nobody can replace another user's file.
pub fn read_guarded(path: &Path, limit: u64) -> Result<Vec<u8>, GuardedReadError> {
    let io_error = |source| GuardedReadError::Io {
        path: path.to_owned(),
        source,
    };
    let mut file = open(path)?;
    let metadata = file.metadata().map_err(io_error)?;
    if !metadata.is_file() {
        return Err(GuardedReadError::NotAFile {
            path: path.to_owned(),
        });
    }
    let me = nix::unistd::geteuid().as_raw();
    refuse_danger(path, metadata.uid(), metadata.mode(), Kind::File, me)?;
    check_folder(path, me)?;
    let target = fs::canonicalize(path).map_err(io_error)?;
    check_folder(&target, me)?;

    let mut bytes = Vec::new();
    // One byte more than allowed: a file that grows while it is read is noticed too.
    file.by_ref()
        .take(limit.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(io_error)?;
    if bytes.len() as u64 > limit {
        return Err(GuardedReadError::TooLarge {
            path: path.to_owned(),
            limit,
        });
    }
    Ok(bytes)
}

/// Opens without waiting: a FIFO in the file's place must not hang the launch.
fn open(path: &Path) -> Result<File, GuardedReadError> {
    OpenOptions::new()
        .read(true)
        .custom_flags(nix::fcntl::OFlag::O_NONBLOCK.bits())
        .open(path)
        .map_err(|source| match source.kind() {
            // Nor is anything below what is no folder.
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => GuardedReadError::Missing {
                path: path.to_owned(),
            },
            _ => GuardedReadError::Io {
                path: path.to_owned(),
                source,
            },
        })
}

fn check_folder(path: &Path, me: u32) -> Result<(), GuardedReadError> {
    let folder = folder_of(path);
    let metadata = fs::metadata(folder).map_err(|source| GuardedReadError::Io {
        path: folder.to_owned(),
        source,
    })?;
    refuse_danger(folder, metadata.uid(), metadata.mode(), Kind::Folder, me)
}

/// The folder a path names its file in; `.` for a bare file name.
pub(super) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    File,
    Folder,
}

fn refuse_danger(
    path: &Path,
    owner: u32,
    mode: u32,
    kind: Kind,
    me: u32,
) -> Result<(), GuardedReadError> {
    if owner != me && owner != 0 {
        return Err(GuardedReadError::ForeignOwner {
            path: path.to_owned(),
            owner,
        });
    }
    let protected_by_sticky = kind == Kind::Folder && mode & STICKY != 0;
    if mode & GROUP_OR_OTHERS_WRITE != 0 && !protected_by_sticky {
        return Err(GuardedReadError::WritableByOthers {
            path: path.to_owned(),
            mode: mode & 0o7777,
        });
    }
    Ok(())
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests make plain files")]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn folder_with_file(content: &[u8]) -> (tempfile::TempDir, PathBuf) {
        let folder = crate::lockfile::private_test_folder();
        let path = folder.path().join("file");
        fs::write(&path, content).unwrap();
        set_mode(&path, 0o644);
        (folder, path)
    }

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn reads_a_private_file_up_to_the_limit() {
        let (_folder, path) = folder_with_file(b"12345");
        assert_eq!(read_guarded(&path, 5).unwrap(), b"12345");
        assert!(matches!(
            read_guarded(&path, 4),
            Err(GuardedReadError::TooLarge { limit: 4, .. })
        ));
    }

    #[test]
    fn refuses_what_is_missing_or_not_a_file() {
        let folder = crate::lockfile::private_test_folder();
        let missing = folder.path().join("none");
        assert!(matches!(
            read_guarded(&missing, 9),
            Err(GuardedReadError::Missing { .. })
        ));
        assert!(matches!(
            read_guarded(folder.path(), 9),
            Err(GuardedReadError::NotAFile { .. })
        ));
        let fifo = folder.path().join("fifo");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::from_bits_truncate(0o600)).unwrap();
        assert!(matches!(
            read_guarded(&fifo, 9),
            Err(GuardedReadError::NotAFile { .. })
        ));
    }

    #[test]
    fn refuses_a_file_that_others_can_write_and_names_the_chmod() {
        let (_folder, path) = folder_with_file(b"x");
        for mode in [0o664, 0o646, 0o666] {
            set_mode(&path, mode);
            let error = read_guarded(&path, 9).unwrap_err();
            assert!(
                matches!(error, GuardedReadError::WritableByOthers { .. }),
                "{mode:o}"
            );
            assert!(error.to_string().contains("chmod go-w"), "{error}");
        }
        for mode in [0o644, 0o600, 0o400] {
            set_mode(&path, mode);
            assert!(read_guarded(&path, 9).is_ok(), "{mode:o}");
        }
    }

    #[test]
    fn refuses_a_folder_that_others_can_write_unless_it_is_sticky() {
        let (folder, path) = folder_with_file(b"x");
        set_mode(folder.path(), 0o777);
        assert!(matches!(
            read_guarded(&path, 9),
            Err(GuardedReadError::WritableByOthers { path, .. }) if path == folder.path()
        ));
        set_mode(folder.path(), 0o1777);
        assert!(read_guarded(&path, 9).is_ok());
    }

    #[test]
    fn refuses_a_link_into_a_folder_that_others_can_write() {
        let (target_folder, target) = folder_with_file(b"x");
        let folder = crate::lockfile::private_test_folder();
        let link = folder.path().join("link");
        symlink(&target, &link).unwrap();
        assert!(read_guarded(&link, 9).is_ok());
        set_mode(target_folder.path(), 0o770);
        assert!(matches!(
            read_guarded(&link, 9),
            Err(GuardedReadError::WritableByOthers { .. })
        ));
    }

    #[test]
    fn only_we_and_root_may_own_it() {
        let judge = |owner| refuse_danger(Path::new("f"), owner, 0o100_644, Kind::File, 1000);
        assert!(judge(1000).is_ok());
        assert!(judge(0).is_ok());
        assert!(matches!(
            judge(1001),
            Err(GuardedReadError::ForeignOwner { owner: 1001, .. })
        ));
    }
}
