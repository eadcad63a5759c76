//! The file system below one open folder, never by way of a link.
//!
//! Everything that names files of untrusted origin goes through here:
//! `openat2` with `RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS`, so the kernel itself
//! refuses a path that leaves the folder or passes through a link, and
//! exclusive creation, so nothing that exists is written to.

use std::ffi::{CStr, CString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, OpenHow, ResolveFlag, open, openat, openat2, renameat};
use nix::sys::stat::{FchmodatFlags, Mode, fchmod, fchmodat, fstatat, mkdirat};
use nix::unistd::{UnlinkatFlags, symlinkat, unlinkat};

use super::names;

/// Modes of what is in the store: readable by all, writable by none.
pub(super) const READ_ONLY: Mode = Mode::from_bits_truncate(0o444);
pub(super) const EXECUTABLE: Mode = Mode::from_bits_truncate(0o555);
pub(super) const READ_ONLY_FOLDER: Mode = Mode::from_bits_truncate(0o555);
/// Of folders in the making.
pub(super) const PRIVATE_FOLDER: Mode = Mode::from_bits_truncate(0o700);

/// Deepest nesting that is walked. Trees of ours are a package's depth below a place of ours.
pub(super) const MAX_DEPTH: usize = 160;

/// Folders that are open at once, one in the other, while a folder is removed.
const REMOVED_DEPTH: usize = 64;

/// Opens a folder to read it; the last component of `path` may not be a link.
pub(super) fn open_folder(path: &Path) -> nix::Result<OwnedFd> {
    open(path, folder_flags(), Mode::empty())
}

/// Opens a folder by its name in another one.
pub(super) fn open_folder_at(folder: impl AsFd, name: &CStr) -> nix::Result<OwnedFd> {
    openat(folder, name, folder_flags(), Mode::empty())
}

/// Opens a folder to look things up in it: its names can't be read by way of this.
pub(super) fn hold_folder(path: &Path) -> nix::Result<OwnedFd> {
    open(path, folder_flags() | OFlag::O_PATH, Mode::empty())
}

/// As [`hold_folder`], by its name in another one.
pub(super) fn hold_folder_at(folder: impl AsFd, name: &CStr) -> nix::Result<OwnedFd> {
    openat(folder, name, folder_flags() | OFlag::O_PATH, Mode::empty())
}

/// Opens a file by its name in a folder, without following links and without
/// waiting for a pipe's other end. The caller checks that it is a regular file.
pub(super) fn open_file_at(folder: impl AsFd, name: &CStr) -> nix::Result<File> {
    let flags = OFlag::O_RDONLY
        | OFlag::O_NOFOLLOW
        | OFlag::O_NONBLOCK
        | OFlag::O_NOCTTY
        | OFlag::O_CLOEXEC;
    openat(folder, name, flags, Mode::empty()).map(File::from)
}

fn folder_flags() -> OFlag {
    OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC
}

/// The names in a folder, without `.` and `..`, at most `limit`; `None` when there are more.
pub(super) fn names_in(folder: &mut Dir, limit: usize) -> nix::Result<Option<Vec<CString>>> {
    let mut found = Vec::new();
    for entry in folder.iter() {
        let entry = entry?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        if found.len() == limit {
            return Ok(None);
        }
        found.push(name.to_owned());
    }
    Ok(Some(found))
}

/// A folder that is filled by relative paths, none of which leaves it.
#[derive(Debug)]
pub(super) struct Beneath {
    root: OwnedFd,
}

impl Beneath {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self {
            root: open_folder(path)?,
        })
    }

    pub(super) fn root(&self) -> &OwnedFd {
        &self.root
    }

    /// Creates a file that didn't exist, for its owner alone until it is finished.
    pub(super) fn create_file(&self, path: &str) -> io::Result<File> {
        let flags =
            OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let how = how(flags).mode(Mode::from_bits_truncate(0o600));
        Ok(openat2(&self.root, path, how).map(File::from)?)
    }

    /// Opens a regular file to read it; `None` when it is not there, or is something else.
    pub(super) fn open_file(&self, path: &str) -> io::Result<Option<File>> {
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        match openat2(&self.root, path, how(flags)).map(File::from) {
            Ok(file) => Ok(file.metadata()?.is_file().then_some(file)),
            // A link on the way (openat2(2)), or nothing there.
            Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP | Errno::ENXIO) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Creates a folder that didn't exist, in one that does.
    pub(super) fn create_folder(&self, path: &str) -> io::Result<()> {
        let (folder, name) = names::split(path);
        Ok(mkdirat(self.folder(folder)?, name, PRIVATE_FOLDER)?)
    }

    /// Creates a link that didn't exist, in a folder that does.
    pub(super) fn create_link(&self, path: &str, target: &str) -> io::Result<()> {
        let (folder, name) = names::split(path);
        Ok(symlinkat(target, self.folder(folder)?, name)?)
    }

    /// Takes the right to write from a folder.
    pub(super) fn seal_folder(&self, path: &str) -> io::Result<()> {
        Ok(fchmod(self.folder(path)?, READ_ONLY_FOLDER)?)
    }

    /// Opens a folder to read it; an empty path is the root.
    pub(super) fn folder(&self, path: impl AsRef<[u8]>) -> io::Result<OwnedFd> {
        let path = path.as_ref();
        let path = if path.is_empty() { b"." } else { path };
        Ok(openat2(&self.root, path, how(folder_flags()))?)
    }
}

fn how(flags: OFlag) -> OpenHow {
    OpenHow::new()
        .flags(flags)
        .resolve(ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_SYMLINKS)
}

/// Removes whatever is at `path`, read-only folders included, however deep they are nested. Links
/// are removed, not followed.
pub(super) fn remove_all(path: &Path) -> io::Result<()> {
    match std::fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => {
            // An ordinary user may not empty a read-only folder, not even their own.
            make_writable(path)?;
            empty(&open_folder(path)?)?;
            std::fs::remove_dir(path)
        }
        Ok(_) => std::fs::remove_file(path),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(e) => Err(e),
    }
}

/// Removes what is in `top`. What a hostile program made there may be deeper than there are
/// descriptors, so each round brings what lies deeper than [`REMOVED_DEPTH`] up to `top`.
fn empty(top: &OwnedFd) -> nix::Result<()> {
    let mut raised = 0;
    loop {
        let before = raised;
        let folder = Dir::from_fd(open_folder_at(top, c".")?)?;
        empty_folder(top, folder, 0, &mut raised)?;
        if raised == before {
            return Ok(());
        }
    }
}

/// Removes what is in `folder`, which is `depth` folders below `top`. `raised` counts the folders
/// that were moved to `top`, and names them.
fn empty_folder(top: &OwnedFd, mut folder: Dir, depth: usize, raised: &mut u64) -> nix::Result<()> {
    let names = names_in(&mut folder, usize::MAX)?.unwrap_or_default();
    for name in names {
        let name = name.as_c_str();
        let mode = fstatat(&folder, name, AtFlags::AT_SYMLINK_NOFOLLOW)?.st_mode;
        if !is_folder(mode) {
            unlinkat(&folder, name, UnlinkatFlags::NoRemoveDir)?;
            continue;
        }
        // To move it is to write its `..`, which needs the right, too.
        if mode & PRIVATE_FOLDER.bits() != PRIVATE_FOLDER.bits() {
            fchmodat(
                &folder,
                name,
                PRIVATE_FOLDER,
                FchmodatFlags::NoFollowSymlink,
            )?;
        }
        if depth == REMOVED_DEPTH {
            raise(&folder, name, top, raised)?;
            continue;
        }
        let inner = Dir::from_fd(open_folder_at(&folder, name)?)?;
        empty_folder(top, inner, depth + 1, raised)?;
        unlinkat(&folder, name, UnlinkatFlags::RemoveDir)?;
    }
    Ok(())
}

/// Moves a folder to `top`, under a number that nothing has there but perhaps an empty folder.
fn raise(folder: &Dir, name: &CStr, top: &OwnedFd, raised: &mut u64) -> nix::Result<()> {
    loop {
        let number = raised.to_string();
        *raised += 1;
        match renameat(folder, name, top, number.as_str()) {
            // Taken (rename(2)).
            Err(Errno::EEXIST | Errno::ENOTEMPTY | Errno::ENOTDIR) => {}
            done => return done,
        }
    }
}

/// Gives a folder's owner every right on it.
pub(super) fn make_writable(path: &Path) -> io::Result<()> {
    Ok(fchmodat(
        AT_FDCWD,
        path,
        PRIVATE_FOLDER,
        FchmodatFlags::NoFollowSymlink,
    )?)
}

/// Kind of file, from `st_mode` (inode(7)).
pub(super) fn is_folder(mode: u32) -> bool {
    mode & libc::S_IFMT == libc::S_IFDIR
}

pub(super) fn is_file(mode: u32) -> bool {
    mode & libc::S_IFMT == libc::S_IFREG
}

pub(super) fn is_link(mode: u32) -> bool {
    mode & libc::S_IFMT == libc::S_IFLNK
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::super::testing::write;
    use super::*;

    #[test]
    fn nothing_is_made_outside_or_through_a_link() {
        let home = tempfile::tempdir().unwrap();
        let inside = home.path().join("inside");
        std::fs::create_dir_all(inside.join("real")).unwrap();
        std::fs::create_dir(home.path().join("outside")).unwrap();
        symlink("../outside", inside.join("out")).unwrap();
        symlink("real", inside.join("in")).unwrap();
        let beneath = Beneath::open(&inside).unwrap();
        for path in [
            "../outside/x",
            "out/x",
            "in/x",
            "/tmp/x",
            "real/../../outside/x",
        ] {
            assert!(beneath.create_file(path).is_err(), "{path}");
            assert!(beneath.create_folder(path).is_err(), "{path}");
            assert!(beneath.create_link(path, "real").is_err(), "{path}");
        }
        assert!(beneath.create_file("out").is_err());
        assert_eq!(
            std::fs::read_dir(home.path().join("outside"))
                .unwrap()
                .count(),
            0
        );

        beneath.create_file("real/x").unwrap();
        assert!(beneath.create_file("real/x").is_err());
        beneath.create_folder("real/folder").unwrap();
        beneath.create_link("real/link", "x").unwrap();
        beneath.seal_folder("real").unwrap();
        assert_eq!(
            inside.join("real").metadata().unwrap().permissions().mode() & 0o777,
            0o555
        );
        remove_all(&inside).unwrap();
    }

    #[test]
    fn read_only_folders_are_removed_and_links_not_followed() {
        let home = tempfile::tempdir().unwrap();
        let kept = home.path().join("kept");
        std::fs::create_dir(&kept).unwrap();
        write(kept.join("file"), "x").unwrap();
        let tree = home.path().join("tree");
        std::fs::create_dir_all(tree.join("a/b")).unwrap();
        write(tree.join("a/b/file"), "x").unwrap();
        symlink(&kept, tree.join("a/link")).unwrap();
        for folder in ["a/b", "a", ""] {
            let mode = std::fs::Permissions::from_mode(0o555);
            std::fs::set_permissions(tree.join(folder), mode).unwrap();
        }
        remove_all(&tree).unwrap();
        assert!(!tree.exists());
        assert!(kept.join("file").exists());
        remove_all(&tree).unwrap();
    }

    /// Read-only folders one in the other; some hold a file and a link.
    fn nest(place: &Path, depth: usize, link: &Path) {
        let mut folder = open_folder(place).unwrap();
        for level in 0..depth {
            mkdirat(&folder, "d", PRIVATE_FOLDER).unwrap();
            let inner = open_folder_at(&folder, c"d").unwrap();
            if level % 50 == 0 {
                symlinkat(link, &inner, "link").unwrap();
                let flags = OFlag::O_CREAT | OFlag::O_WRONLY;
                openat(&inner, "file", flags, Mode::empty()).unwrap();
            }
            fchmod(&folder, READ_ONLY_FOLDER).unwrap();
            folder = inner;
        }
    }

    #[test]
    fn folders_of_any_depth_are_removed() {
        let home = tempfile::tempdir().unwrap();
        let kept = home.path().join("kept");
        std::fs::create_dir(&kept).unwrap();
        write(kept.join("file"), "x").unwrap();
        for depth in [1, REMOVED_DEPTH, REMOVED_DEPTH + 1, REMOVED_DEPTH + 2, 3000] {
            let tree = home.path().join("tree");
            // The names that deep folders would be given are taken.
            std::fs::create_dir_all(tree.join("1/full")).unwrap();
            std::fs::create_dir(tree.join("2")).unwrap();
            write(tree.join("0"), "x").unwrap();
            symlink(&kept, tree.join("3")).unwrap();
            nest(&tree, depth, &kept);
            remove_all(&tree).unwrap();
            assert!(!tree.exists(), "{depth}");
        }
        assert!(kept.join("file").exists());
    }
}
