//! Reading and writing the lockfile, and replacing any file atomically.
//!
//! What the bytes mean is `format.rs`; who may write at the same time is `write_lock.rs`.

use std::ffi::{OsStr, OsString};
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io::{self, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{
    DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _,
};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::unistd::Pid;

use nix::fcntl::OFlag;

use super::error::LockError;
use super::guarded::{GuardedReadError, folder_of, read_guarded};
use super::types::Lock;
use super::{check, format, layout};

/// The largest lock that is read: 64 MiB, some hundred thousand artifacts.
pub const MAX_LOCK_BYTES: u64 = 64 << 20;

/// The lock holds no secrets; its folder is private anyway.
const LOCK_MODE: u32 = 0o644;

/// As many symbolic links as the kernel follows (path_resolution(7)).
const MAX_LINKS: usize = 40;

/// Reads and validates the lock at `path`; a file that others could have written is refused.
pub fn read(path: &Path) -> Result<Lock, LockError> {
    let bytes = read_guarded(path, MAX_LOCK_BYTES).map_err(|error| match error {
        GuardedReadError::Missing { path } => LockError::Missing { path },
        other => LockError::Read(other),
    })?;
    format::parse(&bytes, path)
}

/// Writes the lock atomically and says whether the file had to change.
///
/// A lock that could not be read back is refused before anything is touched, and
/// one that is already there byte for byte leaves the file alone.
pub fn write(path: &Path, lock: &Lock) -> Result<bool, LockError> {
    check::check(lock).map_err(|(location, problem)| LockError::Invalid {
        path: path.to_owned(),
        location,
        problem,
    })?;
    let text = layout::serialise(lock);
    if read_guarded(path, MAX_LOCK_BYTES).is_ok_and(|there| there == text.as_bytes()) {
        return Ok(false);
    }
    replace_atomically(path, text.as_bytes(), LOCK_MODE).map_err(|source| LockError::Write {
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

/// Replaces the content of `path`: readers see the old file or the new one, never a mixture.
///
/// A temporary file in the same folder is written, synced and renamed over the
/// target, then the folder is synced (fsync(2), rename(2)). When a step before the
/// rename fails the temporary file is removed and the old file is as it was; only the folder's sync
/// can fail after it. A symbolic link is
/// followed, so that a file kept elsewhere by a dotfile manager stays there.
/// `mode` is the exact mode of the new file, whatever the umask.
pub fn replace_atomically(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    replace(path, bytes, |_, _| Ok(mode))
}

/// Replaces the content of a file that somebody else's program keeps: as [`replace_atomically`],
/// and mode, owner and group stay as they are.
pub fn replace_content(path: &Path, bytes: &[u8]) -> io::Result<()> {
    replace(path, bytes, |target, temporary| {
        let (before, made) = (fs::metadata(target)?, temporary.metadata()?);
        if (made.uid(), made.gid()) != (before.uid(), before.gid()) {
            std::os::unix::fs::fchown(temporary, Some(before.uid()), Some(before.gid()))?;
        }
        Ok(before.permissions().mode() & 0o7777)
    })
}

/// `prepare` is given the target and the empty temporary file, and says the mode.
fn replace(
    path: &Path,
    bytes: &[u8],
    prepare: impl FnOnce(&Path, &File) -> io::Result<u32>,
) -> io::Result<()> {
    let target = follow_links(path)?;
    let folder = folder_of(&target);
    let name = target
        .file_name()
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the path has no file name"))?;
    sweep_abandoned(folder, name);

    let temporary = Temporary::create(folder, name)?;
    let mode = prepare(&target, &temporary.file)?;
    temporary
        .file
        .set_permissions(Permissions::from_mode(mode))?;
    (&temporary.file).write_all(bytes)?;
    temporary.file.sync_all()?;
    // One that can't be opened could not be synced afterwards.
    let folder = File::open(folder)?;
    temporary.rename_to(&target)?;
    folder.sync_all()
}

/// Where the file really is. The last component need not exist.
fn follow_links(path: &Path) -> io::Result<PathBuf> {
    let mut current = path.to_owned();
    for _ in 0..MAX_LINKS {
        match fs::symlink_metadata(&current) {
            Ok(metadata) if metadata.is_symlink() => {
                let next = fs::read_link(&current)?;
                // An absolute target replaces the folder.
                current = folder_of(&current).join(next);
            }
            Ok(_) => return Ok(current),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(current),
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::from(Errno::ELOOP))
}

/// A file that removes itself unless it was renamed into place.
struct Temporary {
    file: File,
    path: PathBuf,
    kept: bool,
}

impl Temporary {
    fn create(folder: &Path, name: &OsStr) -> io::Result<Self> {
        let path = folder.join(temporary_name(name));
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)?;
        Ok(Self {
            file,
            path,
            kept: false,
        })
    }

    fn rename_to(mut self, target: &Path) -> io::Result<()> {
        fs::rename(&self.path, target)?;
        self.kept = true;
        Ok(())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.kept {
            // The first error is the one that is reported; a leftover is swept by the next writer.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// `.NAME.pinfold-PID-RANDOM`: the process id lets the next writer see that we are gone.
fn temporary_name(name: &OsStr) -> OsString {
    // The standard library's hasher keys differ at every call; O_EXCL does the rest.
    let random = RandomState::new().build_hasher().finish();
    let mut text = temporary_prefix(name);
    text.push(format!("{}-{random:016x}", std::process::id()));
    text
}

fn temporary_prefix(name: &OsStr) -> OsString {
    let mut text = OsString::from(".");
    text.push(name);
    text.push(".pinfold-");
    text
}

/// Removes what killed writers left behind. Best effort: a failure here must not stop a write.
fn sweep_abandoned(folder: &Path, name: &OsStr) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    let prefix = temporary_prefix(name);
    for entry in entries.flatten() {
        let abandoned = writer_of(&entry.file_name(), &prefix).is_some_and(is_gone);
        if abandoned && entry.file_type().is_ok_and(|kind| kind.is_file()) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// The process id in the name of a temporary file of ours.
fn writer_of(file_name: &OsStr, prefix: &OsStr) -> Option<i32> {
    let rest = file_name.as_bytes().strip_prefix(prefix.as_bytes())?;
    let (pid, _random) = std::str::from_utf8(rest).ok()?.split_once('-')?;
    // Zero and below address process groups (kill(2)).
    pid.parse().ok().filter(|pid| *pid > 0)
}

fn is_gone(pid: i32) -> bool {
    nix::sys::signal::kill(Pid::from_raw(pid), None) == Err(Errno::ESRCH)
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests make plain files")]
mod tests;
