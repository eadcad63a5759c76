//! How much a server keeps in its own folders, measured in small steps so that the monitor is never
//! away for long.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use nix::dir::Dir;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, OpenHow, ResolveFlag, openat2};
use nix::sys::stat::{FileStat, Mode, SFlag, fstatat};

/// Entries that are looked at before the monitor looks after its processes again.
const STEP: usize = 2_000;

/// A server that keeps more files than this keeps too many to measure.
const MAX_ENTRIES: usize = 2_000_000;

/// One round through the folders.
pub(super) struct Measurement {
    roots: Vec<OwnedFd>,
    /// Folders to be looked at: the root they are below, and the path from there.
    left: Vec<(usize, PathBuf)>,
    bytes: u64,
    entries: usize,
}

/// What a step has brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    Unfinished,
    /// Bytes on the disk; `u64::MAX` for folders that can't be measured.
    Finished(u64),
}

impl Measurement {
    /// Begins a round. Folders that can't be opened count nothing.
    pub(super) fn begin(folders: &[PathBuf]) -> Self {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let how = OpenHow::new()
            .flags(flags)
            .resolve(ResolveFlag::RESOLVE_NO_SYMLINKS);
        let roots: Vec<OwnedFd> = folders
            .iter()
            .filter_map(|folder| openat2(AT_FDCWD, folder, how).ok())
            .collect();
        let left = (0..roots.len())
            .map(|root| (root, PathBuf::new()))
            .collect();
        Self {
            roots,
            left,
            bytes: 0,
            entries: 0,
        }
    }

    pub(super) fn step(&mut self) -> Progress {
        let end = self.entries + STEP;
        while self.entries < end {
            let Some((root, path)) = self.left.pop() else {
                return Progress::Finished(self.bytes);
            };
            if self.entries > MAX_ENTRIES || self.folder(root, &path).is_none() {
                return Progress::Finished(u64::MAX);
            }
        }
        Progress::Unfinished
    }

    /// `None` when it can't be measured: a path that no call takes hides what is below it.
    fn folder(&mut self, root: usize, path: &Path) -> Option<()> {
        let shown = if path.as_os_str().is_empty() {
            Path::new(".")
        } else {
            path
        };
        // The server moves things about while we look: what is gone is gone, and a link is not followed.
        let how = OpenHow::new()
            .flags(OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC)
            .resolve(ResolveFlag::RESOLVE_NO_SYMLINKS | ResolveFlag::RESOLVE_BENEATH)
            .mode(Mode::empty());
        let folder = match openat2(&self.roots[root], shown, how) {
            Ok(folder) => folder,
            Err(nix::Error::ENAMETOOLONG | nix::Error::EMFILE | nix::Error::ENFILE) => return None,
            Err(_) => return Some(()),
        };
        let mut folder = Dir::from_fd(folder).ok()?;
        let mut found = Vec::new();
        for entry in folder.iter().flatten() {
            let name = entry.file_name();
            if name == c"." || name == c".." {
                continue;
            }
            found.push(name.to_owned());
        }
        for name in found {
            self.entries += 1;
            let Ok(stat) = fstatat(&folder, name.as_c_str(), AtFlags::AT_SYMLINK_NOFOLLOW) else {
                continue;
            };
            self.bytes = self.bytes.saturating_add(size(&stat));
            if is_folder(&stat) {
                use std::os::unix::ffi::OsStrExt as _;
                let name = std::ffi::OsStr::from_bytes(name.to_bytes());
                self.left.push((root, path.join(name)));
            }
        }
        Some(())
    }
}

fn is_folder(stat: &FileStat) -> bool {
    SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT == SFlag::S_IFDIR
}

/// What it takes on the disk (`st_blocks` counts 512 bytes, stat(3type)).
fn size(stat: &FileStat) -> u64 {
    u64::try_from(stat.st_blocks).unwrap_or(0) * 512
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write as _;

    use super::*;

    fn measure(folder: &Path) -> u64 {
        let mut measurement = Measurement::begin(&[folder.to_owned()]);
        loop {
            if let Progress::Finished(bytes) = measurement.step() {
                return bytes;
            }
        }
    }

    #[test]
    fn files_in_all_folders_are_counted_and_links_are_not_followed() {
        let place = tempfile::tempdir().unwrap();
        let inner = place.path().join("own/a/b");
        fs::create_dir_all(&inner).unwrap();
        let mut outside = fs::File::create(place.path().join("outside")).unwrap();
        outside.write_all(&vec![1; 1 << 20]).unwrap();
        std::os::unix::fs::symlink(place.path().join("outside"), inner.join("link")).unwrap();
        let own = place.path().join("own");
        let before = measure(&own);
        assert!(before < 1 << 19, "{before}");
        let mut file = fs::File::create(inner.join("file")).unwrap();
        file.write_all(&vec![1; 1 << 20]).unwrap();
        file.sync_all().unwrap();
        let after = measure(&own);
        assert!(after - before >= 1 << 20, "{before} {after}");
    }

    #[test]
    fn a_missing_folder_holds_nothing() {
        assert_eq!(measure(Path::new("/nonexistent")), 0);
    }
}
