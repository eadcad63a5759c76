//! Waits for changes of files by name (inotify(7)), without looking again and again.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::io::Errno;
use tokio::io::unix::AsyncFd;

use crate::sys;

/// Room for some events; one has at most 16 bytes and a name.
const BUFFER: usize = 4096;

/// Files of these names in the folders that are watched.
pub(super) struct Changes {
    inotify: AsyncFd<OwnedFd>,
    names: BTreeSet<OsString>,
    /// Once is enough.
    has_complained: bool,
}

impl Changes {
    /// Needs a runtime.
    ///
    /// # Errors
    /// What inotify_init1(2) reports.
    pub(super) fn new(names: BTreeSet<OsString>) -> io::Result<Self> {
        let inotify = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        Ok(Self {
            inotify: sys::watch(inotify)?,
            names,
            has_complained: false,
        })
    }

    /// One that is watched already goes on being watched. One that isn't there is not.
    pub(super) fn watch(&mut self, folder: &Path) {
        // The folder is watched and not the file: a file that is replaced is another one.
        let flags = WatchFlags::CREATE
            | WatchFlags::DELETE
            | WatchFlags::CLOSE_WRITE
            | WatchFlags::MOVED_FROM
            | WatchFlags::MOVED_TO
            | WatchFlags::ATTRIB
            | WatchFlags::ONLYDIR;
        match inotify::add_watch(&self.inotify, folder, flags) {
            Ok(_) | Err(Errno::NOENT) => {}
            // What is used is compared in any case.
            Err(error) if !self.has_complained => {
                self.has_complained = true;
                tracing::warn!(
                    "changes in {} are only seen when a server is used: {error}",
                    folder.display()
                );
            }
            Err(_) => {}
        }
    }

    /// Waits until one of the files has changed, or may have.
    pub(super) async fn seen(&mut self) {
        loop {
            let Ok(mut ready) = self.inotify.readable().await else {
                return std::future::pending().await;
            };
            match ready.try_io(|inotify| has_change(inotify.get_ref(), &self.names)) {
                Ok(Ok(true)) => return,
                Ok(Ok(false)) | Err(_) => {}
                // Nothing is heard from it any more.
                Ok(Err(_)) => return std::future::pending().await,
            }
        }
    }
}

/// Reads everything that is there.
fn has_change(inotify: &OwnedFd, names: &BTreeSet<OsString>) -> io::Result<bool> {
    let mut buffer = [MaybeUninit::uninit(); BUFFER];
    let mut reader = Reader::new(inotify, &mut buffer);
    let mut is_one = false;
    let mut was_read = false;
    loop {
        match reader.next() {
            Ok(event) => {
                was_read = true;
                let name = event
                    .file_name()
                    .map(|name| OsStr::from_bytes(name.to_bytes()));
                // Without a name: some were lost, or the folder itself has changed.
                let is_lost = event.events().contains(ReadFlags::QUEUE_OVERFLOW);
                is_one |= is_lost || name.is_none_or(|name| names.contains(name));
            }
            Err(Errno::AGAIN) if was_read => return Ok(is_one),
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests make plain files")]
mod tests {
    use std::fs;
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    const SOON: Duration = Duration::from_secs(20);

    #[tokio::test]
    async fn only_files_of_these_names_count() {
        let folder = tempfile::tempdir().unwrap();
        let mut changes = Changes::new(BTreeSet::from(["wanted".into()])).unwrap();
        changes.watch(folder.path());
        changes.watch(&folder.path().join("missing"));
        let wanted = folder.path().join("wanted");
        fs::write(folder.path().join("other"), "1").unwrap();
        assert!(
            timeout(Duration::from_millis(50), changes.seen())
                .await
                .is_err()
        );
        fs::write(&wanted, "1").unwrap();
        timeout(SOON, changes.seen()).await.unwrap();
        let beside = folder.path().join("beside");
        fs::write(&beside, "2").unwrap();
        fs::rename(&beside, &wanted).unwrap();
        timeout(SOON, changes.seen()).await.unwrap();
        fs::remove_file(&wanted).unwrap();
        timeout(SOON, changes.seen()).await.unwrap();
        assert!(
            timeout(Duration::from_millis(50), changes.seen())
                .await
                .is_err()
        );
    }
}
