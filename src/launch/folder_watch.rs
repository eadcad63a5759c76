//! Waits for changes in one folder. By inotify(7) where there is an instance left: each user has so
//! many (`fs.inotify.max_user_instances`, 128 on many machines), and each session needs one. Then by
//! `F_NOTIFY` (fcntl(2)), of which there is no such number, and where the kernel has none of it, by
//! looking from time to time.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, InotifyEvent};
use tokio::io::unix::AsyncFd;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::sys;

/// Between two looks, where the kernel doesn't say when there is something to see.
const LOOKS: Duration = Duration::from_millis(250);

/// A folder that is watched, and in it a file that stays as long as the folder is in use.
#[derive(Debug)]
pub(super) struct FolderWatch {
    folder: PathBuf,
    file: &'static str,
    identity: Identity,
    means: Means,
}

#[derive(Debug)]
enum Means {
    Events {
        events: Inotify,
        /// The same descriptor, for the runtime.
        readable: AsyncFd<OwnedFd>,
    },
    /// SIGIO, as long as the folder and the one that it is in are open.
    Signals {
        _open: [File; 2],
    },
    Looks,
}

/// Which folder and which file in it: their devices and inodes.
type Identity = [(u64, u64); 2];

/// What was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// There may be something new.
    Something,
    /// The folder, or the file in it, is not the one that it was.
    Gone,
}

/// What comes from the moment that this was made.
pub(super) struct Changes<'w> {
    watch: &'w FolderWatch,
    signals: Option<Signal>,
}

impl FolderWatch {
    /// Watches from now on. Needs a runtime.
    ///
    /// # Errors
    /// When neither folder nor file is there, or descriptors are spent.
    pub(super) fn begin(folder: &Path, file: &'static str) -> io::Result<Self> {
        let means = match by_events(folder) {
            Err(errno) if is_spent(errno) => by_signals(folder).unwrap_or_else(|error| {
                tracing::warn!(
                    "changes in {} are looked for every {} ms, as the kernel can't tell of them: {errno} (inotify), {error} (F_NOTIFY); a higher fs.inotify.max_user_instances helps",
                    folder.display(),
                    LOOKS.as_millis()
                );
                Means::Looks
            }),
            other => other?,
        };
        Ok(Self {
            folder: folder.to_owned(),
            file,
            // What changed before is seen by whoever looks now.
            identity: identity(folder, file)?,
            means,
        })
    }

    /// To be made before the look that it is to follow.
    ///
    /// # Errors
    /// When signals can't be waited for.
    pub(super) fn changes(&self) -> io::Result<Changes<'_>> {
        let signals = match self.means {
            Means::Signals { .. } => Some(signal(SignalKind::io())?),
            Means::Events { .. } | Means::Looks => None,
        };
        Ok(Changes {
            watch: self,
            signals,
        })
    }

    fn look(&self) -> Change {
        match identity(&self.folder, self.file) {
            Ok(now) if now == self.identity => Change::Something,
            _ => Change::Gone,
        }
    }

    fn read(&self, events: &[InotifyEvent]) -> Change {
        let over = AddWatchFlags::IN_DELETE_SELF
            | AddWatchFlags::IN_MOVE_SELF
            | AddWatchFlags::IN_IGNORED
            | AddWatchFlags::IN_UNMOUNT;
        // As long as it is open, its folder that is removed says nothing of it.
        let is_ours = |event: &InotifyEvent| {
            let is_gone = event.mask.contains(AddWatchFlags::IN_DELETE);
            is_gone && event.name.as_deref() == Some(self.file.as_ref())
        };
        let is_over = |event: &InotifyEvent| event.mask.intersects(over) || is_ours(event);
        if events.iter().any(is_over) {
            return Change::Gone;
        }
        Change::Something
    }
}

impl Changes<'_> {
    /// Waits for the next. May be cancelled and called again.
    ///
    /// # Errors
    /// When nothing more will be heard.
    pub(super) async fn next(&mut self) -> io::Result<Change> {
        match (&self.watch.means, &mut self.signals) {
            (Means::Events { events, readable }, _) => loop {
                let mut ready = readable.readable().await?;
                // Else it was not ready after all.
                if let Ok(read) = ready.try_io(|_| Ok(events.read_events()?)) {
                    return Ok(self.watch.read(&read?));
                }
            },
            (Means::Signals { .. }, Some(signals)) => {
                // One that came before these were made may have told of it.
                if self.watch.look() == Change::Something {
                    signals.recv().await;
                }
                Ok(self.watch.look())
            }
            _ => {
                tokio::time::sleep(LOOKS).await;
                Ok(self.watch.look())
            }
        }
    }
}

/// No instance, no watch or no inotify is left. EMFILE may also mean this process's descriptors;
/// then what is tried next fails as well.
fn is_spent(errno: Errno) -> bool {
    matches!(
        errno,
        Errno::EMFILE | Errno::ENFILE | Errno::ENOSPC | Errno::ENOSYS
    )
}

fn by_events(folder: &Path) -> Result<Means, Errno> {
    let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)?;
    // Not what is written into files here, of which the log is one.
    let mask = AddWatchFlags::IN_CREATE
        | AddWatchFlags::IN_MOVED_TO
        | AddWatchFlags::IN_DELETE
        | AddWatchFlags::IN_DELETE_SELF
        | AddWatchFlags::IN_MOVE_SELF
        | AddWatchFlags::IN_ONLYDIR
        | AddWatchFlags::IN_DONT_FOLLOW;
    inotify.add_watch(folder, mask)?;
    let copy = inotify.as_fd().try_clone_to_owned();
    let readable = copy.and_then(sys::watch).map_err(errno_of)?;
    Ok(Means::Events {
        events: inotify,
        readable,
    })
}

fn errno_of(error: io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::EIO, Errno::from_raw)
}

/// The folder, and the one that it is in: that tells when it is renamed or removed.
fn by_signals(folder: &Path) -> io::Result<Means> {
    // The handler first: the default action of SIGIO ends the process. The runtime never takes it away.
    let _handled = signal(SignalKind::io())?;
    let open = |folder: &Path| {
        let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW;
        let opened = OpenOptions::new()
            .read(true)
            .custom_flags(flags.bits())
            .open(folder)?;
        sys::signal_changes(opened.as_fd())?;
        io::Result::Ok(opened)
    };
    let above = folder.parent().ok_or(io::ErrorKind::NotFound)?;
    Ok(Means::Signals {
        _open: [open(folder)?, open(above)?],
    })
}

fn identity(folder: &Path, file: &str) -> io::Result<Identity> {
    let of = |path: &Path| {
        let found = fs::symlink_metadata(path)?;
        io::Result::Ok((found.dev(), found.ino()))
    };
    Ok([of(folder)?, of(&folder.join(file))?])
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests make plain files")]
mod tests {
    use tokio::time::timeout;

    use super::*;

    const SOON: Duration = Duration::from_secs(20);
    const FILE: &str = "sessions";

    type Begin = fn(&Path) -> Means;

    fn all() -> [(&'static str, Begin); 3] {
        [
            ("events", |folder| by_events(folder).unwrap()),
            ("signals", |folder| by_signals(folder).unwrap()),
            ("looks", |_| Means::Looks),
        ]
    }

    fn watched(begin: Begin, folder: &Path) -> FolderWatch {
        fs::create_dir(folder).unwrap();
        fs::write(folder.join(FILE), "").unwrap();
        FolderWatch {
            folder: folder.to_owned(),
            file: FILE,
            means: begin(folder),
            identity: identity(folder, FILE).unwrap(),
        }
    }

    #[tokio::test]
    async fn each_means_tells_of_a_file_that_comes() {
        for (name, begin) in all() {
            let place = crate::lockfile::private_test_folder();
            let folder = place.path().join("server");
            let watch = watched(begin, &folder);
            for marker in ["written", "moved here", "removed"] {
                let mut changes = watch.changes().unwrap();
                match marker {
                    "written" => fs::write(folder.join("marker"), "").unwrap(),
                    "moved here" => {
                        fs::write(place.path().join("other"), "").unwrap();
                        fs::rename(place.path().join("other"), folder.join("marker")).unwrap();
                    }
                    _ => fs::remove_file(folder.join("marker")).unwrap(),
                }
                let seen = timeout(SOON, changes.next()).await;
                assert_eq!(seen.unwrap().unwrap(), Change::Something, "{name} {marker}");
            }
        }
    }

    #[tokio::test]
    async fn each_means_tells_of_a_folder_that_goes() {
        for (name, begin) in all() {
            for how in ["renamed", "moved away", "removed", "the file is removed"] {
                let place = crate::lockfile::private_test_folder();
                let folder = place.path().join("server");
                fs::create_dir(place.path().join("elsewhere")).unwrap();
                let watch = watched(begin, &folder);
                let mut changes = watch.changes().unwrap();
                match how {
                    "renamed" => fs::rename(&folder, place.path().join("other")).unwrap(),
                    "moved away" => {
                        fs::rename(&folder, place.path().join("elsewhere/other")).unwrap();
                    }
                    "removed" => fs::remove_dir_all(&folder).unwrap(),
                    _ => fs::remove_file(folder.join(FILE)).unwrap(),
                }
                let gone = async { while changes.next().await.unwrap() != Change::Gone {} };
                let seen = timeout(SOON, gone).await;
                assert!(seen.is_ok(), "{name}: {how}");
            }
        }
    }

    #[tokio::test]
    async fn what_is_not_there_is_not_watched() {
        let place = crate::lockfile::private_test_folder();
        assert!(FolderWatch::begin(&place.path().join("none"), FILE).is_err());
        // The file that stays is missing.
        assert!(FolderWatch::begin(place.path(), FILE).is_err());
        fs::write(place.path().join(FILE), "").unwrap();
        FolderWatch::begin(place.path(), FILE).unwrap();
    }
}
