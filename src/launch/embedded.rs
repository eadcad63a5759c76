//! Sessions that no daemon serves: each `pinfold run` keeps a small file in
//! `$XDG_STATE_HOME/pinfold/sessions/` and a lock on it (flock(2)) for as long as it lives. So `ps`
//! and `stop` find them without a daemon, and a file whose lock is free is of a process that was
//! killed: whoever finds it removes it.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

use crate::lockfile::{create_private_folder, open_lock_file};
use crate::sandbox;
use crate::sys::PidFd;

const VERSION: u32 = 1;
/// Far more than one has.
const MAX_BYTES: u64 = 16 << 10;
/// Files that are looked at; a user has some ten.
const MAX_FILES: usize = 10_000;

/// What a session says of itself when it begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmbeddedSession {
    pinfold: u32,
    /// As in the audit log.
    pub session: String,
    pub server: String,
    pub manifest: String,
    /// The process that serves it, and when that began (proc_pid_stat(5), field 22).
    pub pid: i32,
    began: u64,
    /// Between it and the server.
    monitor: Option<i32>,
    pub client_pid: i32,
    pub client: String,
    /// RFC 3339, UTC.
    pub since: String,
}

/// A session's file, until it is dropped.
#[derive(Debug)]
pub struct Registered {
    path: PathBuf,
    _held: Flock<File>,
}

impl EmbeddedSession {
    /// Of this process. `monitor` watches over the server.
    pub fn here(session: String, server: String, manifest: String, monitor: Option<i32>) -> Self {
        let pid = nix::unistd::getpid().as_raw();
        let client = nix::unistd::getppid().as_raw();
        let command = fs::read_to_string(format!("/proc/{client}/comm")).unwrap_or_default();
        Self {
            pinfold: VERSION,
            session,
            server,
            manifest,
            pid,
            began: began(pid).unwrap_or(0),
            monitor,
            client_pid: client,
            client: crate::lockfile::printable(command.trim_end(), 64),
            since: humantime::format_rfc3339_seconds(std::time::SystemTime::now()).to_string(),
        }
    }

    /// Shows it to others from now on, in `folder`.
    ///
    /// # Errors
    /// When the folder can't be written to.
    pub fn register(&self, folder: &Path) -> io::Result<Registered> {
        create_private_folder(folder)?;
        let path = folder.join(format!("{}.json", self.session));
        loop {
            let file = match Flock::lock(open_lock_file(&path)?, FlockArg::LockExclusive) {
                Ok(file) => file,
                Err((_, Errno::EINTR)) => continue,
                Err((_, errno)) => return Err(errno.into()),
            };
            // Somebody may have taken it for that of a killed one, before it was locked.
            if !is_there(&path, &file)? {
                continue;
            }
            file.set_len(0)?;
            file.write_all_at(&serde_json::to_vec(self)?, 0)?;
            return Ok(Registered { path, _held: file });
        }
    }

    /// The server's process, as long as it is there.
    pub fn server_pid(&self) -> Option<i32> {
        self.monitor.and_then(sandbox::server_of)
    }

    /// Bytes of memory, and milliseconds of processor time, of it and all that it has started.
    pub fn used(&self) -> (u64, u64) {
        sandbox::of_process_and_descendants(self.pid)
    }

    /// Asks it to end, as a client's SIGTERM would. Whether it was still there.
    ///
    /// # Errors
    /// When it can't be told.
    pub fn stop(&self) -> io::Result<bool> {
        let process = match PidFd::open(Pid::from_raw(self.pid)) {
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => return Ok(false),
            opened => opened?,
        };
        // Its number may be another process's by now.
        if self.began == 0 || began(self.pid) != Some(self.began) {
            return Ok(false);
        }
        match process.send(Signal::SIGTERM) {
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Ok(false),
            sent => sent.map(|()| true),
        }
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        // Still under its lock, so that it is nobody else's. One that stays is found to be nobody's.
        let _ = fs::remove_file(&self.path);
    }
}

/// Every session that lives; what others have left is removed.
///
/// # Errors
/// When the folder can't be read.
pub fn embedded_sessions(folder: &Path) -> io::Result<Vec<EmbeddedSession>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut found = Vec::new();
    for entry in entries.take(MAX_FILES) {
        let path = entry?.path();
        if path.extension().is_none_or(|end| end != "json") {
            continue;
        }
        match look(&path) {
            Ok(session) => found.extend(session),
            Err(error) => tracing::warn!("{} can't be read: {error}", path.display()),
        }
    }
    found.sort_by(|one, other| (&one.since, &one.session).cmp(&(&other.since, &other.session)));
    Ok(found)
}

fn look(path: &Path) -> io::Result<Option<EmbeddedSession>> {
    let file = match open(path) {
        // It has just ended.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let file = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(free) => {
            // Whoever makes one anew in this moment finds that it isn't there any more.
            if is_there(path, &free)? {
                fs::remove_file(path)?;
            }
            return Ok(None);
        }
        Err((held, Errno::EWOULDBLOCK)) => held,
        Err((_, errno)) => return Err(errno.into()),
    };
    let length = file.metadata()?.len();
    if length > MAX_BYTES {
        return Err(io::Error::other("it is far too long"));
    }
    let mut bytes = vec![0; usize::try_from(length).unwrap_or_default()];
    file.read_exact_at(&mut bytes, 0)?;
    // Locked and not written yet: it begins in this moment.
    if bytes.is_empty() {
        return Ok(None);
    }
    let session: EmbeddedSession = serde_json::from_slice(&bytes)?;
    Ok(Some(session).filter(|session| session.pinfold == VERSION))
}

/// No link is followed, nothing is made.
fn open(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let flags = nix::fcntl::OFlag::O_NOFOLLOW | nix::fcntl::OFlag::O_NONBLOCK;
    let file = File::options()
        .read(true)
        .custom_flags(flags.bits())
        .open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    Ok(file)
}

fn is_there(path: &Path, file: &File) -> io::Result<bool> {
    let ours = file.metadata()?;
    match fs::symlink_metadata(path) {
        Ok(there) => Ok((there.dev(), there.ino()) == (ours.dev(), ours.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// When a process began.
fn began(pid: i32) -> Option<u64> {
    let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
    let stat = String::from_utf8_lossy(&stat);
    // Its name is in brackets and may hold anything.
    let (_, after_name) = stat.rsplit_once(')')?;
    after_name.split_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests make plain files")]
mod tests {
    use super::*;

    fn session(name: &str) -> EmbeddedSession {
        EmbeddedSession::here(name.to_owned(), "files".to_owned(), "/m".to_owned(), None)
    }

    fn names(folder: &Path) -> Vec<String> {
        let found = embedded_sessions(folder).unwrap();
        found.into_iter().map(|session| session.session).collect()
    }

    #[test]
    fn a_session_is_shown_while_it_lives() {
        let place = crate::lockfile::private_test_folder();
        let folder = place.path().join("sessions");
        assert!(names(&folder).is_empty());
        let one = session("a").register(&folder).unwrap();
        let other = session("b").register(&folder).unwrap();
        assert_eq!(names(&folder), ["a", "b"]);
        assert_eq!(
            embedded_sessions(&folder).unwrap()[0].client_pid,
            nix::unistd::getppid().as_raw()
        );
        drop(one);
        assert_eq!(names(&folder), ["b"]);
        drop(other);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
    }

    #[test]
    fn what_a_killed_one_left_is_removed_and_nothing_else() {
        let place = crate::lockfile::private_test_folder();
        let folder = place.path();
        let lives = session("lives").register(folder).unwrap();
        let text = serde_json::to_vec(&session("killed")).unwrap();
        fs::write(folder.join("killed.json"), text).unwrap();
        fs::write(folder.join("empty.json"), "").unwrap();
        fs::write(folder.join("other"), "").unwrap();
        std::os::unix::fs::symlink("/dev/null", folder.join("link.json")).unwrap();
        assert_eq!(names(folder), ["lives"]);
        let mut left: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        assert_eq!(left, ["link.json", "lives.json", "other"]);
        drop(lives);
    }

    #[test]
    fn another_process_of_the_same_number_is_not_stopped() {
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let real = EmbeddedSession {
            pid,
            began: began(pid).unwrap(),
            ..session("a")
        };
        let other = EmbeddedSession {
            began: real.began + 1,
            ..real.clone()
        };
        assert!(!other.stop().unwrap());
        assert!(child.try_wait().unwrap().is_none());
        // The control.
        assert!(real.stop().unwrap());
        child.wait().unwrap();
        assert!(!real.stop().unwrap());
    }
}
