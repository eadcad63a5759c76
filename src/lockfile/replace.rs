//! Replacing files whole: readers see the old one or the new one, never a mixture.
//!
//! A temporary file in the same folder is written, synced and renamed over the target, then the
//! folder is synced (fsync(2), rename(2)). When a step before the rename fails the temporary file
//! is removed and the old file is as it was; only the folder's sync can fail after it.
//!
//! All of it is done by a descriptor of the folder, so whoever swaps the folder for a link
//! meanwhile changes nothing. For folders that are filled by others, a repository or what a server
//! may write, there is [`HeldFile`], which follows no link at all.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, Permissions};
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io::{self, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, OpenHow, ResolveFlag, openat, openat2, renameat};
use nix::sys::stat::{FileStat, Mode, SFlag, fstatat};
use nix::unistd::{Pid, UnlinkatFlags, unlinkat};

use super::guarded::folder_of;

/// As many symbolic links as the kernel follows (path_resolution(7)).
const MAX_LINKS: usize = 40;

/// A file, which need not exist, in a folder of which a descriptor is held. What is put in the
/// folder's place meanwhile is not touched, and no link is followed.
#[derive(Debug)]
pub struct HeldFile {
    folder: File,
    name: OsString,
}

/// Replaces the content of `path`. A symbolic link is followed, so that a file kept elsewhere by a
/// dotfile manager stays there. `mode` is the exact mode of the new file, whatever the umask.
pub fn replace_atomically(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let target = follow_links(path)?;
    let name = name_of(&target)?;
    let folder = File::open(folder_of(&target))?;
    replace(&folder, &name, bytes, |_| Ok(mode))
}

impl HeldFile {
    /// `path` is absolute and leads through no link, as [`fs::canonicalize`] gives it.
    ///
    /// # Errors
    /// `ELOOP` where there is one by now (openat2(2), `RESOLVE_NO_SYMLINKS`).
    pub fn open(path: &Path) -> io::Result<Self> {
        // What is in a folder can be read without reading the folder.
        let how = OpenHow::new()
            .flags(OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC)
            .resolve(ResolveFlag::RESOLVE_NO_SYMLINKS);
        let folder = openat2(AT_FDCWD, folder_of(path), how)?;
        Ok(Self {
            folder: folder.into(),
            name: name_of(path)?,
        })
    }

    /// Opens the file for reading; nothing that blocks is waited for.
    ///
    /// # Errors
    /// `ELOOP` for a link.
    pub fn file(&self) -> io::Result<File> {
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        let file = openat(&self.folder, self.name.as_os_str(), flags, Mode::empty())?;
        Ok(file.into())
    }

    /// Replaces the file, or makes it; `mode` as in [`replace_atomically`].
    ///
    /// # Errors
    /// `ELOOP` for a link.
    pub fn replace(&self, bytes: &[u8], mode: u32) -> io::Result<()> {
        match self.status() {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        replace(&self.readable_folder()?, &self.name, bytes, |_| Ok(mode))
    }

    /// Replaces the content of a file that somebody else's program keeps: mode, owner and group
    /// stay as they are.
    ///
    /// # Errors
    /// `ELOOP` for a link.
    pub fn replace_content(&self, bytes: &[u8]) -> io::Result<()> {
        let before = self.status()?;
        replace(&self.readable_folder()?, &self.name, bytes, |temporary| {
            let made = temporary.metadata()?;
            if (made.uid(), made.gid()) != (before.st_uid, before.st_gid) {
                std::os::unix::fs::fchown(temporary, Some(before.st_uid), Some(before.st_gid))?;
            }
            Ok(before.st_mode & 0o7777)
        })
    }

    /// Only such a one can be listed and synced.
    fn readable_folder(&self) -> io::Result<File> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        Ok(openat(&self.folder, ".", flags, Mode::empty())?.into())
    }

    fn status(&self) -> io::Result<FileStat> {
        let status = fstatat(
            &self.folder,
            self.name.as_os_str(),
            AtFlags::AT_SYMLINK_NOFOLLOW,
        )?;
        match is_of_kind(&status, SFlag::S_IFLNK) {
            true => Err(Errno::ELOOP.into()),
            false => Ok(status),
        }
    }
}

/// `prepare` is given the empty temporary file, and says the mode.
fn replace(
    folder: &File,
    name: &OsStr,
    bytes: &[u8],
    prepare: impl FnOnce(&File) -> io::Result<u32>,
) -> io::Result<()> {
    sweep_abandoned(folder, name);
    let temporary = Temporary::create(folder, name)?;
    let mode = prepare(&temporary.file)?;
    temporary
        .file
        .set_permissions(Permissions::from_mode(mode))?;
    (&temporary.file).write_all(bytes)?;
    temporary.file.sync_all()?;
    temporary.rename_to(name)?;
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

fn name_of(path: &Path) -> io::Result<OsString> {
    let name = path.file_name().map(OsStr::to_owned);
    name.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the path has no file name"))
}

fn is_of_kind(status: &FileStat, kind: SFlag) -> bool {
    SFlag::from_bits_truncate(status.st_mode) & SFlag::S_IFMT == kind
}

/// A file that removes itself unless it was renamed into place.
struct Temporary<'f> {
    folder: &'f File,
    name: OsString,
    file: File,
    kept: bool,
}

impl<'f> Temporary<'f> {
    fn create(folder: &'f File, name: &OsStr) -> io::Result<Self> {
        let name = temporary_name(name);
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_CLOEXEC;
        let private = Mode::S_IRUSR | Mode::S_IWUSR;
        let file = openat(folder, name.as_os_str(), flags, private)?.into();
        Ok(Self {
            folder,
            name,
            file,
            kept: false,
        })
    }

    fn rename_to(mut self, target: &OsStr) -> io::Result<()> {
        renameat(self.folder, self.name.as_os_str(), self.folder, target)?;
        self.kept = true;
        Ok(())
    }
}

impl Drop for Temporary<'_> {
    fn drop(&mut self) {
        if !self.kept {
            // The first error is the one that is reported; a leftover is swept by the next writer.
            let _ = remove(self.folder, &self.name);
        }
    }
}

fn remove(folder: &File, name: &OsStr) -> nix::Result<()> {
    unlinkat(folder, name, UnlinkatFlags::NoRemoveDir)
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
fn sweep_abandoned(folder: &File, name: &OsStr) {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let Ok(mut entries) = Dir::openat(folder, ".", flags, Mode::empty()) else {
        return;
    };
    let prefix = temporary_prefix(name);
    for entry in entries.iter().flatten() {
        let found = OsStr::from_bytes(entry.file_name().to_bytes());
        if writer_of(found, &prefix).is_some_and(is_gone) {
            let status = fstatat(folder, found, AtFlags::AT_SYMLINK_NOFOLLOW);
            if status.is_ok_and(|status| is_of_kind(&status, SFlag::S_IFREG)) {
                let _ = remove(folder, found);
            }
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
