//! Copying a file or folder of this machine into a tree.
//!
//! The folder is walked by descriptors and no link is ever followed, so what
//! is copied is what is below the path that was named, also when somebody
//! changes it meanwhile.

use std::ffi::CStr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use nix::dir::Dir;
use nix::fcntl::{AtFlags, readlinkat};
use nix::sys::stat::{fstat, fstatat, lstat};

use super::archive::SinkError;
use super::bounds::Bounds;
use super::directory::{self, is_file, is_folder, is_link};
use super::error::{Rule, StoreError};
use super::intake::Intake;
use super::names;

/// Version control data: large, different on each machine, and never run.
const SKIPPED_FOLDER: &[u8] = b".git";

/// Whether something at a path below the source is not copied.
pub(super) type LeftOut<'a> = dyn Fn(&str, Kind) -> bool + 'a;

/// What may be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Folder,
    Other,
}

/// Version control data is left out wherever it is.
pub(super) fn is_version_control(path: &str, kind: Kind) -> bool {
    kind == Kind::Folder && names::split(path).1.as_bytes() == SKIPPED_FOLDER
}

/// Copies what is at `source`: a file under its own name, a folder's content to the root, but for
/// folders and files that are left out.
pub(super) fn copy(
    intake: &mut Intake<'_>,
    source: &Path,
    bounds: &Bounds,
    left_out: &LeftOut<'_>,
) -> Result<(), StoreError> {
    let copier = Copier {
        source,
        bounds,
        left_out,
    };
    let stat = lstat(source).map_err(|e| StoreError::io("read", source, e))?;
    if is_link(stat.st_mode) {
        return Err(StoreError::refused(source, b"", Rule::SourceIsLink));
    }
    if is_folder(stat.st_mode) {
        let folder = directory::open_folder(source)
            .and_then(Dir::from_fd)
            .map_err(|e| StoreError::io("open", source, e))?;
        return copier.folder(intake, folder, "");
    }
    let (Some(parent), Some(name)) = (source.parent(), source.file_name()) else {
        return Err(StoreError::refused(source, b"", Rule::EmptyName));
    };
    let parent = if parent.as_os_str().is_empty() {
        Path::new(".")
    } else {
        parent
    };
    // The folder that a file is in may well be reached by way of a link.
    let folder = std::fs::File::open(parent).map_err(|e| StoreError::io("open", parent, e))?;
    let name = std::ffi::CString::new(name.as_bytes())
        .map_err(|_| StoreError::refused(source, b"", Rule::ControlCharacter))?;
    copier.entry(intake, &folder, &name, "")
}

/// Copies the content of an open folder, called `source` in messages, to the root.
pub(super) fn copy_folder(
    intake: &mut Intake<'_>,
    folder: OwnedFd,
    source: &Path,
    bounds: &Bounds,
    left_out: &LeftOut<'_>,
) -> Result<(), StoreError> {
    let copier = Copier {
        source,
        bounds,
        left_out,
    };
    let folder = Dir::from_fd(folder).map_err(|e| StoreError::io("open", source, e))?;
    copier.folder(intake, folder, "")
}

struct Copier<'a> {
    source: &'a Path,
    bounds: &'a Bounds,
    left_out: &'a LeftOut<'a>,
}

impl Copier<'_> {
    fn folder(
        &self,
        intake: &mut Intake<'_>,
        mut folder: Dir,
        path: &str,
    ) -> Result<(), StoreError> {
        let limit = usize::try_from(self.bounds.max_entries).unwrap_or(usize::MAX);
        let mut names = directory::names_in(&mut folder, limit)
            .map_err(|e| StoreError::io("list", &self.at(path), e))?
            .ok_or_else(|| {
                let rule = Rule::TooManyEntries(self.bounds.max_entries);
                StoreError::refused(self.source, path.as_bytes(), rule)
            })?;
        names.sort_unstable();
        for name in names {
            self.entry(intake, &folder, &name, path)?;
        }
        Ok(())
    }

    fn entry(
        &self,
        intake: &mut Intake<'_>,
        folder: &(impl AsFd + ?Sized),
        name: &CStr,
        path: &str,
    ) -> Result<(), StoreError> {
        let mut written = path.as_bytes().to_vec();
        if !written.is_empty() {
            written.push(b'/');
        }
        written.extend_from_slice(name.to_bytes());
        let refuse = |rule| StoreError::refused(self.source, &written, rule);

        let stat = fstatat(folder.as_fd(), name, AtFlags::AT_SYMLINK_NOFOLLOW)
            .map_err(|e| StoreError::io("read", &self.at(path), e))?;
        let path = names::parse(&written, self.bounds).map_err(refuse)?.path;
        let kind = match is_folder(stat.st_mode) {
            true => Kind::Folder,
            false => Kind::Other,
        };
        if (self.left_out)(&path, kind) {
            return Ok(());
        }
        let failed = |e| StoreError::io("read", &self.at(&path), e);
        if is_folder(stat.st_mode) {
            let inner = directory::open_folder_at(folder.as_fd(), name)
                .and_then(Dir::from_fd)
                .map_err(failed)?;
            intake.folder(&written, &path)?;
            return self.folder(intake, inner, &path);
        }
        if is_link(stat.st_mode) {
            let target = readlinkat(folder.as_fd(), name).map_err(failed)?;
            return intake.link(&written, &path, target.as_bytes().to_vec());
        }
        if !is_file(stat.st_mode) {
            return Err(refuse(special(stat.st_mode)));
        }
        let mut file = directory::open_file_at(folder.as_fd(), name).map_err(failed)?;
        // Looked at again: what was opened counts, not what was there a moment before.
        let stat = fstat(&file).map_err(failed)?;
        if !is_file(stat.st_mode) {
            return Err(refuse(special(stat.st_mode)));
        }
        let executable = stat.st_mode & 0o111 != 0;
        intake
            .file(&written, &path, executable, None, &mut file)
            .map_err(|e| match e {
                SinkError::Read(source) => StoreError::io("read", &self.at(&path), source),
                SinkError::Store(error) => error,
            })
    }

    fn at(&self, path: &str) -> PathBuf {
        self.source.join(path)
    }
}

fn special(mode: u32) -> Rule {
    match mode & libc::S_IFMT {
        libc::S_IFIFO => Rule::Fifo,
        libc::S_IFSOCK => Rule::Socket,
        _ => Rule::Device,
    }
}
