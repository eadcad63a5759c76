//! What a session has of its server's quarantine: it is noticed when the marker comes (`folder_watch.rs`, on
//! the state folder), and `pinfold quarantine` can wait until no session is left (a shared flock(2)
//! on a file there).

use std::fs::File;
use std::io;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use super::folder_watch::{Change, FolderWatch};
use super::quarantine::{Imposed, Quarantine};
use crate::lockfile::open_lock_file;

/// The file that sessions share a lock on.
const SESSIONS: &str = "sessions";
const PAUSE: Duration = Duration::from_millis(10);

/// The watch of one session, from before its server starts until it has ended.
#[derive(Debug)]
pub struct QuarantineWatch {
    quarantine: Quarantine,
    folder: FolderWatch,
    _running: Flock<File>,
}

/// What became of a server's sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sessions {
    /// There was none.
    None,
    /// There were some, and all have ended.
    Ended,
    /// Some had not ended when the time was over.
    Left,
}

impl QuarantineWatch {
    /// Watches from now on. A marker that is there already is found by the first look after this.
    ///
    /// # Errors
    /// When it can't be watched for: then the server must not run.
    pub(super) fn begin(folder: &Path, quarantine: Quarantine) -> io::Result<Self> {
        let running = loop {
            match Flock::lock(open(folder)?, FlockArg::LockShared) {
                Ok(running) => break running,
                Err((_, Errno::EINTR)) => {}
                Err((_, errno)) => return Err(errno.into()),
            }
        };
        Ok(Self {
            quarantine,
            folder: FolderWatch::begin(folder, SESSIONS)?,
            _running: running,
        })
    }

    pub fn quarantine(&self) -> &Quarantine {
        &self.quarantine
    }

    /// Waits until it is imposed. May be cancelled and called again.
    pub async fn imposed(&self) -> Imposed {
        let lost = |problem: String| Imposed::Unreadable { problem };
        let unwatched = |error: io::Error| lost(format!("its folder can't be watched: {error}"));
        let mut changes = match self.folder.changes() {
            Ok(changes) => changes,
            Err(error) => return unwatched(error),
        };
        loop {
            // Before the wait: it may have come while nobody waited.
            if let Some(imposed) = self.quarantine.look() {
                return imposed;
            }
            match changes.next().await {
                Ok(Change::Something) => {}
                Ok(Change::Gone) => {
                    return lost(
                        "its folder is gone, and with it whoever could put one there".to_owned(),
                    );
                }
                Err(error) => return unwatched(error),
            }
        }
    }
}

/// Waits until no session of a server is left, for as long as `patience`. Blocks the thread.
///
/// # Errors
/// When the file can't be made or locked.
pub(super) fn wait_for_sessions(folder: &Path, patience: Duration) -> io::Result<Sessions> {
    let begin = Instant::now();
    let mut file = open(folder)?;
    let mut seen = false;
    loop {
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(_) if seen => return Ok(Sessions::Ended),
            Ok(_) => return Ok(Sessions::None),
            Err((unlocked, Errno::EWOULDBLOCK | Errno::EINTR)) => file = unlocked,
            Err((_, errno)) => return Err(errno.into()),
        }
        seen = true;
        if begin.elapsed() >= patience {
            return Ok(Sessions::Left);
        }
        thread::sleep(PAUSE);
    }
}

fn open(folder: &Path) -> io::Result<File> {
    open_lock_file(&folder.join(SESSIONS))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::launch::quarantine::ImposedBy;

    const PATIENCE: Duration = Duration::from_secs(20);

    fn watch(folder: &Path) -> QuarantineWatch {
        let quarantine = Quarantine::new(folder.join("quarantine.json"));
        QuarantineWatch::begin(folder, quarantine).unwrap()
    }

    #[tokio::test]
    async fn a_marker_is_noticed_whenever_it_comes() {
        let place = crate::lockfile::private_test_folder();
        let watch = watch(place.path());
        // Nothing: it waits.
        let waited = tokio::time::timeout(Duration::from_millis(50), watch.imposed()).await;
        assert!(waited.is_err());
        let (imposed, ()) = tokio::join!(watch.imposed(), async {
            // Other files come and go.
            fs::create_dir(place.path().join("x")).unwrap();
            tokio::task::yield_now().await;
            let by = ImposedBy::Command;
            watch.quarantine().impose(by, Some("why")).unwrap();
        });
        assert!(imposed.describe().contains("why"));
        // Also for who looks later.
        assert_eq!(watch.imposed().await, imposed);
    }

    #[tokio::test]
    async fn a_folder_that_goes_away_ends_the_session() {
        for moved in [true, false] {
            let place = crate::lockfile::private_test_folder();
            let folder = place.path().join("server");
            fs::create_dir(&folder).unwrap();
            let watch = watch(&folder);
            let (imposed, ()) = tokio::join!(watch.imposed(), async {
                tokio::task::yield_now().await;
                if moved {
                    fs::rename(&folder, place.path().join("other")).unwrap();
                } else {
                    fs::remove_dir_all(&folder).unwrap();
                }
            });
            assert!(matches!(imposed, Imposed::Unreadable { .. }));
        }
    }

    #[tokio::test]
    async fn sessions_can_be_waited_for() {
        let place = crate::lockfile::private_test_folder();
        let none = wait_for_sessions(place.path(), PATIENCE).unwrap();
        assert_eq!(none, Sessions::None);
        let (one, other) = (watch(place.path()), watch(place.path()));
        let left = wait_for_sessions(place.path(), Duration::ZERO).unwrap();
        assert_eq!(left, Sessions::Left);
        drop(one);
        let ended = thread::scope(|scope| {
            let waiting = scope.spawn(|| wait_for_sessions(place.path(), PATIENCE));
            thread::sleep(100 * PAUSE);
            drop(other);
            waiting.join().unwrap().unwrap()
        });
        assert_eq!(ended, Sessions::Ended);
    }

    #[tokio::test]
    async fn what_can_not_be_watched_is_an_error() {
        let place = crate::lockfile::private_test_folder();
        let folder = place.path().join("none");
        let quarantine = Quarantine::new(folder.join("quarantine.json"));
        assert!(QuarantineWatch::begin(&folder, quarantine).is_err());
    }
}
