//! How much a server keeps in its own folders, measured in small steps so that the monitor is never
//! away for long.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use nix::dir::Dir;
use nix::errno::Errno;
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
    /// Whether one of the folders given hides what is in it.
    hidden: bool,
}

/// What a step has brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    Unfinished,
    /// Bytes on the disk; `u64::MAX` for folders that can't be measured.
    Finished(u64),
}

impl Measurement {
    /// Begins a round. Folders that are not there count nothing.
    pub(super) fn begin(folders: &[PathBuf]) -> Self {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let how = OpenHow::new()
            .flags(flags)
            .resolve(ResolveFlag::RESOLVE_NO_SYMLINKS);
        let mut roots = Vec::new();
        let mut hidden = false;
        for folder in folders {
            match openat2(AT_FDCWD, folder, how) {
                Ok(root) => roots.push(root),
                Err(error) => hidden |= !is_gone(error),
            }
        }
        let left = (0..roots.len())
            .map(|root| (root, PathBuf::new()))
            .collect();
        Self {
            roots,
            left,
            bytes: 0,
            entries: 0,
            hidden,
        }
    }

    pub(super) fn step(&mut self) -> Progress {
        if self.hidden {
            return Progress::Finished(u64::MAX);
        }
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

    /// `None` when it can't be measured: a path that no call takes hides what is below it, and so
    /// does a folder that its server took our right to read from.
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
            Err(error) => return is_gone(error).then_some(()),
        };
        let mut folder = Dir::from_fd(folder).ok()?;
        let mut found = Vec::new();
        for entry in folder.iter() {
            let entry = match entry {
                Ok(entry) => entry,
                // The folder was removed while it is open.
                Err(error) if is_gone(error) => break,
                Err(_) => return None,
            };
            let name = entry.file_name();
            if name == c"." || name == c".." {
                continue;
            }
            found.push(name.to_owned());
        }
        for name in found {
            self.entries += 1;
            let stat = match fstatat(&folder, name.as_c_str(), AtFlags::AT_SYMLINK_NOFOLLOW) {
                Ok(stat) => stat,
                Err(error) if is_gone(error) => continue,
                Err(_) => return None,
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

/// Whether nothing is there, or no folder. Whatever else goes wrong could be the server's doing.
fn is_gone(error: Errno) -> bool {
    matches!(error, Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP)
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

    /// Root reads every folder, so this decides on the kernel's answer alone.
    #[test]
    fn only_what_is_gone_counts_nothing() {
        for gone in [Errno::ENOENT, Errno::ENOTDIR, Errno::ELOOP] {
            assert!(is_gone(gone), "{gone}");
        }
        for hidden in [
            Errno::EACCES,
            Errno::EPERM,
            Errno::ENAMETOOLONG,
            Errno::EMFILE,
        ] {
            assert!(!is_gone(hidden), "{hidden}");
        }
    }

    #[test]
    fn a_folder_that_hides_its_content_can_not_be_measured() {
        use std::os::unix::fs::PermissionsExt as _;
        if nix::unistd::geteuid().is_root() {
            eprintln!("skipped: root reads every folder, whatever its mode is");
            return;
        }
        let place = tempfile::tempdir().unwrap();
        let own = place.path().join("own");
        let inner = own.join("inner");
        fs::create_dir_all(&inner).unwrap();
        let mut file = fs::File::create(inner.join("file")).unwrap();
        file.write_all(&vec![1; 1 << 20]).unwrap();
        file.sync_all().unwrap();
        let allow = |folder: &Path, mode| {
            fs::set_permissions(folder, fs::Permissions::from_mode(mode)).unwrap();
        };
        for folder in [&inner, &own] {
            assert!((1 << 20..u64::MAX).contains(&measure(&own)));
            // Without the right to read its names, and without the right to look at what they name.
            for mode in [0, 0o300, 0o400] {
                allow(folder, mode);
                assert_eq!(measure(&own), u64::MAX, "{} {mode:o}", folder.display());
                allow(folder, 0o700);
            }
        }
    }
}
