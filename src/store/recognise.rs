//! Whether all of a tree is as its index recorded it, without listing a folder or reading a file.
//!
//! Each entry of the index is looked up and its stamp compared. A folder with
//! the recorded stamp has exactly the recorded names, so nothing else has to be
//! asked. Answers yes or no; who got a no walks the tree (`scan`) to find out more.

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::Builder;

use nix::fcntl::AtFlags;
use nix::sched::{CpuSet, sched_getaffinity};
use nix::sys::stat::{FileStat, fstat, fstatat};
use nix::unistd::Pid;

use super::directory::{self, is_folder, is_link};
use super::entry::{Entry, Kind};
use super::index::{Index, Part};
use super::stamp::Stamp;
use crate::lockfile::Digest;

const MAX_THREADS: usize = 4;

/// Whether `index` is a true list of the tree `digest`, and every entry in `folder` as recorded.
///
/// Nearly all of the time is the kernel's, looking up names, so the parts of a
/// long index are shared out to a few threads.
pub(super) fn is_recognised(folder: &Path, index: &Index, digest: &Digest) -> bool {
    let Ok(root) = directory::hold_folder(folder) else {
        return false;
    };
    let parts = index.parts();
    let next = AtomicUsize::new(0);
    let recognised = AtomicUsize::new(0);
    let work = || {
        while let Some(part) = parts.get(next.fetch_add(1, Ordering::Relaxed)) {
            if Lookup::new(&root).part(index, part).is_none() {
                // Nothing that is found in other parts can make it a yes.
                next.store(parts.len(), Ordering::Relaxed);
                return;
            }
            recognised.fetch_add(1, Ordering::Relaxed);
        }
    };
    let threads = match parts.len() {
        0 | 1 => 1,
        useful => useful.min(MAX_THREADS).min(processors()),
    };
    let is_list = std::thread::scope(|scope| {
        // A thread that can't be had is not missed: this one takes what parts are left.
        let another = |_| Builder::new().spawn_scoped(scope, work).ok();
        let others: Vec<_> = (1..threads).filter_map(another).collect();
        let is_list = index.digest() == Some(*digest);
        work();
        // A thread that panicked left its part unrecognised.
        others.into_iter().for_each(|thread| drop(thread.join()));
        is_list
    });
    is_list && recognised.into_inner() == parts.len()
}

/// How many processors this process may run on. What a control group leaves of their time is not
/// asked for: reading that takes longer than it is worth here.
fn processors() -> usize {
    let allowed = sched_getaffinity(Pid::from_raw(0)).unwrap_or_default();
    (0..CpuSet::count())
        .filter(|processor| allowed.is_set(*processor).unwrap_or(false))
        .count()
        .max(1)
}

/// The folders that the entry at hand is in, each one recognised and held open.
///
/// A name is looked up in a folder by its descriptor, never by a path. So there
/// is no way around a folder that was recognised, and no link can be passed.
struct Lookup<'a> {
    root: &'a OwnedFd,
    /// Without the tree itself.
    folders: Vec<OwnedFd>,
}

impl<'a> Lookup<'a> {
    fn new(root: &'a OwnedFd) -> Self {
        Self {
            root,
            folders: Vec::new(),
        }
    }

    /// `None` when something is not as recorded, or can't be looked up.
    fn part(mut self, index: &Index, part: &Part) -> Option<()> {
        for folder in index.folders_around(part)? {
            self.entry(&folder)?;
        }
        let mut entries = index.entries_of(part)?;
        while !entries.rest.is_empty() {
            self.entry(&entries.read()?)?;
        }
        Some(())
    }

    fn entry(&mut self, entry: &Entry<'_>) -> Option<()> {
        let Some(above) = entry.depth.checked_sub(1) else {
            let stat = fstat(self.root).ok()?;
            return is_as_recorded(entry, &stat).then_some(());
        };
        self.folders.truncate(above);
        let folder = self.innermost(above)?;
        if entry.kind == Kind::Folder {
            let inner = directory::hold_folder_at(folder, entry.name).ok()?;
            let stat = fstat(&inner).ok()?;
            self.folders.push(inner);
            is_as_recorded(entry, &stat).then_some(())
        } else {
            let stat = fstatat(folder, entry.name, AtFlags::AT_SYMLINK_NOFOLLOW).ok()?;
            is_as_recorded(entry, &stat).then_some(())
        }
    }

    /// The folder that `above` folders of the tree are around or are; the tree itself when there are none.
    fn innermost(&self, above: usize) -> Option<BorrowedFd<'_>> {
        if self.folders.len() != above {
            return None;
        }
        Some(self.folders.last().unwrap_or(self.root).as_fd())
    }
}

fn is_as_recorded(entry: &Entry<'_>, stat: &FileStat) -> bool {
    let mode = stat.st_mode;
    let has_mode = match entry.kind {
        // As in a walk: the top may still be writable by its owner.
        Kind::Folder if entry.depth == 0 => is_folder(mode) && mode & 0o022 == 0,
        Kind::Folder | Kind::EmptyFolder => {
            mode == libc::S_IFDIR | directory::READ_ONLY_FOLDER.bits()
        }
        Kind::File { executable, .. } => {
            let permissions = if executable {
                directory::EXECUTABLE
            } else {
                directory::READ_ONLY
            };
            mode == libc::S_IFREG | permissions.bits()
        }
        Kind::Symlink { .. } => is_link(mode),
    };
    has_mode && entry.stamp.vouches_for(&Stamp::from(stat))
}
