//! What the kernel says of a file besides its content: enough to tell that it was not touched.
//!
//! The reasoning for trusting it is in `verify`.

use std::fs::File;
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::sys::stat::{FileStat, fstat};

/// Inode, size and times of a regular file. Times are nanoseconds since 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct FileStamp {
    pub(super) inode: u64,
    pub(super) size: u64,
    pub(super) modified: i64,
    pub(super) changed: i64,
}

impl FileStamp {
    pub(super) fn of(file: &File) -> io::Result<Self> {
        Ok(Self::from(&fstat(file)?))
    }

    /// Whether the file was touched so late that a change after `clock` could carry the same times.
    ///
    /// The rule of git's index ("racily clean"): only what is strictly older
    /// than the moment of hashing can be recognised later.
    pub(super) fn is_racy(&self, clock: i64) -> bool {
        self.modified >= clock || self.changed >= clock
    }
}

impl From<&FileStat> for FileStamp {
    fn from(stat: &FileStat) -> Self {
        Self {
            inode: stat.st_ino,
            size: u64::try_from(stat.st_size).unwrap_or(0),
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

/// Now, in the clock that the file system stamps files with.
///
/// That clock ticks every few milliseconds and lags behind the system's, so it
/// is read where it counts: from a file made for the purpose.
pub(super) fn file_system_clock(folder: &Path) -> io::Result<i64> {
    Ok(FileStamp::of(&tempfile_in(folder)?)?.changed)
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
        let stamp = FileStamp {
            inode: 1,
            size: 1,
            modified: 10,
            changed: 20,
        };
        assert!(!stamp.is_racy(21));
        assert!(stamp.is_racy(20));
        assert!(
            FileStamp {
                modified: 30,
                ..stamp
            }
            .is_racy(21)
        );
    }

    #[test]
    fn the_clock_of_the_file_system_moves_on() {
        let folder = tempfile::tempdir().unwrap();
        let first = file_system_clock(folder.path()).unwrap();
        assert!(after(first, folder.path()).unwrap() > first);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
