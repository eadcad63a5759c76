//! What the kernel says of a file, folder or link besides its content: enough to tell that it was
//! not touched.
//!
//! The reasoning for trusting it is in `verify`.

use std::fs::File;
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::sys::stat::{FileStat, fstat};

use super::directory::{self, is_file};

/// Inode, size and times of one file, folder or link. Times are nanoseconds since 1970.
///
/// All zeros say nothing: no file has inode 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) inode: u64,
    /// In bytes; 0 unless it is a regular file, as elsewhere it means something else on each file system.
    pub(super) size: u64,
    pub(super) modified: i64,
    pub(super) changed: i64,
}

impl Stamp {
    pub(super) fn of(file: &File) -> io::Result<Self> {
        Ok(Self::from(&fstat(file)?))
    }

    /// Whether a file with the stamp `now` is the one that had this stamp, untouched since.
    pub(super) fn vouches_for(&self, now: &Self) -> bool {
        self.inode != 0 && self == now
    }

    /// Whether the file was touched so late that a change after `clock` could carry the same times.
    ///
    /// The rule of git's index ("racily clean"): only what is strictly older
    /// than the moment of hashing can be recognised later.
    pub(super) fn is_racy(&self, clock: i64) -> bool {
        self.modified >= clock || self.changed >= clock
    }
}

impl From<&FileStat> for Stamp {
    fn from(stat: &FileStat) -> Self {
        let size = if is_file(stat.st_mode) {
            stat.st_size
        } else {
            0
        };
        Self {
            inode: stat.st_ino,
            size: u64::try_from(size).unwrap_or(0),
            modified: nanoseconds(stat.st_mtime, stat.st_mtime_nsec),
            changed: nanoseconds(stat.st_ctime, stat.st_ctime_nsec),
        }
    }
}

fn nanoseconds(seconds: i64, nanoseconds: i64) -> i64 {
    seconds
        .saturating_mul(1_000_000_000)
        .saturating_add(nanoseconds)
}

/// When what is at `path`, a folder, was last changed, in nanoseconds since 1970.
pub(super) fn change_of(path: &Path) -> io::Result<i64> {
    let folder = directory::hold_folder(path)?;
    Ok(Stamp::from(&fstat(folder)?).changed)
}

/// Now, in the clock that the file system stamps files with.
///
/// That clock ticks every few milliseconds and lags behind the system's, so it
/// is read where it counts: from a file made for the purpose.
pub(super) fn file_system_clock(folder: &Path) -> io::Result<i64> {
    Ok(Stamp::of(&tempfile_in(folder)?)?.changed)
}

/// Waits until the file system's clock has left `moment` behind; returns the time then.
///
/// A clock that is coarser than the patience of a quarter of a second (some
/// network file systems tick in seconds) is not waited for.
pub(super) fn after(moment: i64, folder: &Path) -> io::Result<i64> {
    let mut now = file_system_clock(folder)?;
    for _ in 0..125 {
        if now > moment {
            break;
        }
        std::thread::sleep(Duration::from_millis(2));
        now = file_system_clock(folder)?;
    }
    Ok(now)
}

/// Nanoseconds since 1970 in the system's clock; 0 when it stands before that.
pub(super) fn system_clock() -> i64 {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(now.as_nanos()).unwrap_or(0)
}

/// A file without a name, gone when it is closed.
fn tempfile_in(folder: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    let next = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let path = folder.join(format!("clock-{}-{next}", std::process::id()));
    let file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path)?;
    std::fs::remove_file(&path)?;
    // Removing the name changed the file, so its time is read after it: never too early.
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn racy_is_not_older_than_the_clock() {
        let stamp = Stamp {
            inode: 1,
            size: 1,
            modified: 10,
            changed: 20,
        };
        assert!(!stamp.is_racy(21));
        assert!(stamp.is_racy(20));
        assert!(
            Stamp {
                modified: 30,
                ..stamp
            }
            .is_racy(21)
        );
    }

    #[test]
    fn only_the_same_stamp_is_vouched_for_and_zeros_never() {
        let stamp = Stamp {
            inode: 1,
            size: 2,
            modified: 3,
            changed: 4,
        };
        assert!(stamp.vouches_for(&stamp));
        for other in [
            Stamp { inode: 2, ..stamp },
            Stamp { size: 1, ..stamp },
            Stamp {
                modified: 4,
                ..stamp
            },
            Stamp {
                changed: 5,
                ..stamp
            },
        ] {
            assert!(!stamp.vouches_for(&other));
        }
        assert!(!Stamp::default().vouches_for(&Stamp::default()));
    }

    #[test]
    fn the_clock_of_the_file_system_moves_on() {
        let folder = tempfile::tempdir().unwrap();
        let first = file_system_clock(folder.path()).unwrap();
        assert!(after(first, folder.path()).unwrap() > first);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
