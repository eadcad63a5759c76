//! One writer at a time: an flock'ed file beside the manifest and lock.
//!
//! Readers need it not (files are replaced atomically), and no launch takes it: a
//! client may start a server twice at once.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use super::error::LockError;
use super::io::open_lock_file;

const FILE_NAME: &str = ".pinfold.write-lock";
const PAUSE: Duration = Duration::from_millis(25);

/// The right to change the manifest and lock of one folder; given back on drop.
///
/// The file itself stays: removing it would let two writers lock two different files.
#[derive(Debug)]
pub struct WriteLock {
    _file: Flock<File>,
}

impl WriteLock {
    /// Waits until nobody else holds the lock of `folder`, at most until `deadline` from now.
    ///
    /// Blocks the thread. flock(2) ends with the process, so a killed writer leaves nothing held.
    pub fn acquire(folder: &Path, deadline: Duration) -> Result<Self, LockError> {
        let path = folder.join(FILE_NAME);
        let failed = |source: io::Error| LockError::WriteLock {
            path: path.clone(),
            source,
        };
        let mut file = open_lock_file(&path).map_err(failed)?;
        let start = Instant::now();
        loop {
            match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                Ok(mut held) => {
                    record_holder(&mut held).map_err(failed)?;
                    return Ok(Self { _file: held });
                }
                Err((unlocked, Errno::EWOULDBLOCK | Errno::EINTR)) => file = unlocked,
                Err((_, errno)) => return Err(failed(errno.into())),
            }
            let waited = start.elapsed();
            if waited >= deadline {
                return Err(busy(path, file, waited));
            }
            thread::sleep(PAUSE.min(deadline - waited));
        }
    }
}

fn busy(path: PathBuf, file: File, waited: Duration) -> LockError {
    LockError::Busy {
        path,
        holder: recorded_holder(file),
        waited,
    }
}

/// Only for the message of whoever has to wait; the lock itself is the kernel's.
fn record_holder(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}

fn recorded_holder(file: File) -> Option<u32> {
    let mut text = String::new();
    (&file).rewind().ok()?;
    file.take(16).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_millis(60);

    #[test]
    fn the_second_writer_is_told_who_holds_it_and_gets_it_afterwards() {
        let folder = crate::lockfile::private_test_folder();
        let first = WriteLock::acquire(folder.path(), SHORT).unwrap();
        let error = WriteLock::acquire(folder.path(), SHORT).unwrap_err();
        match &error {
            LockError::Busy { holder, waited, .. } => {
                assert_eq!(*holder, Some(std::process::id()));
                assert!(*waited >= SHORT);
            }
            other => panic!("{other}"),
        }
        assert!(
            error
                .to_string()
                .contains(&format!("process {}", std::process::id()))
        );
        drop(first);
        WriteLock::acquire(folder.path(), Duration::ZERO).unwrap();
    }

    #[test]
    fn a_waiting_writer_gets_it_when_it_is_given_back() {
        let folder = crate::lockfile::private_test_folder();
        let first = WriteLock::acquire(folder.path(), SHORT).unwrap();
        thread::scope(|scope| {
            let waiting =
                scope.spawn(|| WriteLock::acquire(folder.path(), Duration::from_secs(20)));
            thread::sleep(SHORT);
            drop(first);
            assert!(waiting.join().unwrap().is_ok());
        });
    }

    #[test]
    fn a_missing_folder_and_a_link_in_its_place_are_refused() {
        let folder = crate::lockfile::private_test_folder();
        assert!(matches!(
            WriteLock::acquire(&folder.path().join("none"), SHORT),
            Err(LockError::WriteLock { .. })
        ));
        let elsewhere = folder.path().join("elsewhere");
        std::os::unix::fs::symlink(&elsewhere, folder.path().join(FILE_NAME)).unwrap();
        assert!(matches!(
            WriteLock::acquire(folder.path(), SHORT),
            Err(LockError::WriteLock { .. })
        ));
        assert!(!elsewhere.exists());
    }
}
