//! How a session process is started, and what it is started from.

use std::fs;
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use nix::unistd::Pid;
use tokio::process::Child;

use super::cgroup::{Delegated, SessionGroup};
use super::{DaemonError, notify};
use crate::cgroup::GroupError;
use crate::sys;

/// How a session process is started.
#[derive(Clone, Debug)]
pub(super) struct Program {
    /// The verb, before the number of the channel's descriptor.
    pub(super) verb: String,
    /// Behind it.
    pub(super) arguments: Vec<String>,
    /// The manifest and the lock.
    pub(super) files: [PathBuf; 2],
}

impl Program {
    /// This very program, also after an upgrade has replaced its file.
    pub(super) fn spawn(&self, channel: &OwnedFd) -> io::Result<Child> {
        let mut command = std::process::Command::new("/proc/self/exe");
        command
            .arg0("pinfold-session")
            .arg(&self.verb)
            .arg(channel.as_raw_fd().to_string())
            .args(&self.arguments)
            // A Ctrl-C is for the daemon, which then ends them in order.
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        for name in notify::VARIABLES {
            command.env_remove(name);
        }
        sys::keep_across_exec(&mut command, vec![channel.as_raw_fd()]);
        // Not ended with this value: it ends by itself, and in order, when its channel does.
        tokio::process::Command::from(command).spawn()
    }

    /// In which state the manifest and the lock are.
    pub(super) fn stamps(&self) -> [Stamp; 2] {
        self.files.each_ref().map(|path| stamp(path))
    }
}

/// Which file it is, and in which state (stat(2)); `None` when it isn't there.
pub(super) type Stamp = Option<[i64; 6]>;

fn stamp(path: &Path) -> Stamp {
    let found = fs::metadata(path).ok()?;
    let number = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    Some([
        number(found.dev()),
        number(found.ino()),
        number(found.size()),
        found.mtime(),
        found.mtime_nsec(),
        found.ctime_nsec(),
    ])
}

/// Makes the control group of a session and puts its process there, which has not started anything
/// yet. The kernel may take its time.
pub(super) async fn grouped(
    groups: &Arc<Delegated>,
    number: u64,
    child: &Child,
) -> Result<Arc<SessionGroup>, DaemonError> {
    let groups = Arc::clone(groups);
    // One of that number may be left of a daemon that was killed.
    let name = format!("{}-{number}", std::process::id());
    let pid = child.id().and_then(|id| i32::try_from(id).ok());
    let placed = tokio::task::spawn_blocking(move || -> Result<SessionGroup, GroupError> {
        let group = groups.session(&name)?;
        if let Some(pid) = pid {
            group.place(Pid::from_raw(pid))?;
        }
        Ok(group)
    });
    let placed = placed.await.map_err(io::Error::other)?;
    Ok(Arc::new(placed?))
}

/// Kills what is left in the group of a session, and removes it.
pub(super) async fn end_group(id: &str, group: Arc<SessionGroup>) {
    // Whoever shows it just now lets it go in a moment, and it ends with that.
    let Ok(group) = Arc::try_unwrap(group) else {
        return;
    };
    let ended = tokio::task::spawn_blocking(move || group.end()).await;
    if let Ok(Err(error)) = ended {
        tracing::warn!("the control group of session {id} is still there: {error}");
    }
}
