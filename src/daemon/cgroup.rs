//! A control group for each session, where a subtree was delegated to us.
//!
//! ```text
//! pinfold.service/          what systemd delegated (Delegate=yes)
//! ├── supervisor/           the daemon
//! └── ID/                   a session; no process is in it itself
//!     ├── relay/            the session's process and its monitor
//!     └── server/           the server, with its limits (made by the session)
//! ```
//!
//! **A group is used only when it was given to us.** That we may write to it says nothing: root may
//! everywhere, and a user owns every group of its session, those of its terminals too, which
//! its systemd manages (there is one writer to a group, systemd's CGROUP_DELEGATION). So all of this
//! must hold, for root as for anybody:
//!
//! 1. our own group carries the attribute `user.delegate` or `trusted.delegate` with the value `1`,
//!    by which the system's systemd marks what it delegates (`user.delegate` since version 251), or a
//!    person who delegates by hand; or systemd says, when it is asked, that this very group is a
//!    unit's to which it was delegated (`service_manager`): that of a user sets no mark;
//! 2. it belongs to us, and we may write to it;
//! 3. no other process is in it: else it was delegated to somebody who then started us.
//!
//! The name of a unit is no proof, and neither is a variable: both are as true for what was started
//! from within, or in a unit without `Delegate=`. Where a proof is missing nothing is moved, made or written.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fs, thread};

use nix::fcntl::{AT_FDCWD, AtFlags};
use nix::unistd::{AccessFlags, Pid, faccessat, geteuid, getpid};

use super::service_manager;
use crate::cgroup::{Controller, Counts, Group, GroupError, NoGroup, own_folder};

/// The daemon's own group.
const SUPERVISOR: &str = "supervisor";
/// Of a session: its process.
const RELAY: &str = "relay";
/// Of a session: its server (see [`crate::cgroup::ServerGroup`]).
const SERVER: &str = "server";

/// How systemd marks what it delegates.
const MARKS: [&str; 2] = ["user.delegate", "trusted.delegate"];

/// How long the end of a session's processes is waited for.
const PATIENCE: Duration = Duration::from_secs(2);

/// Why sessions get no control groups. Their limits are then looked after by their monitors.
#[derive(Debug, thiserror::Error)]
pub enum NotDelegated {
    #[error("{0}")]
    NoGroup(#[from] NoGroup),
    #[error("what /proc says of our control group can't be read: {0}")]
    Unreadable(#[source] io::Error),
    #[error(
        "the control group {} was not delegated to us; the systemd unit of pinfold does that (Delegate=yes), and so does `systemd-run --user --scope -p Delegate=yes pinfold daemon`",
        .0.display()
    )]
    NotMarked(PathBuf),
    #[error("the control group {} was delegated and can't be written by this user", .0.display())]
    NotOurs(PathBuf),
    #[error(
        "other processes are in the control group {}, so it was not delegated to pinfold",
        .0.display()
    )]
    Shared(PathBuf),
    #[error("the control group was delegated and can't be used: {0}")]
    Unusable(#[from] GroupError),
}

/// A subtree that is ours.
#[derive(Debug)]
pub struct Delegated {
    top: Group,
    controllers: Vec<Controller>,
}

impl Delegated {
    /// Looks whether a subtree was delegated to this process; if so, moves this process into a group
    /// of its own below it, so that there can be others.
    ///
    /// # Errors
    /// When there is none; nothing has been changed then, except for [`NotDelegated::Unusable`].
    pub fn find() -> Result<Self, NotDelegated> {
        let read = |path| fs::read_to_string(path).map_err(NotDelegated::Unreadable);
        let mounts = read("/proc/self/mountinfo")?;
        let own = own_folder(&read("/proc/self/cgroup")?, &mounts)?;
        let was_given = |folder: &Path| {
            is_marked(folder)
                || service_manager::delegated(folder)
                    .is_some_and(|group| is_folder_of(folder, &group, &mounts))
        };
        let top = Group::at(delegated_top(&own, was_given)?);
        if !is_ours(top.path()) {
            return Err(NotDelegated::NotOurs(top.path().to_owned()));
        }
        let us = getpid();
        if top
            .processes()
            .iter()
            .any(|process| *process != us.as_raw())
        {
            return Err(NotDelegated::Shared(top.path().to_owned()));
        }
        Ok(Self::occupy(top, us)?)
    }

    fn occupy(top: Group, us: Pid) -> Result<Self, GroupError> {
        // A group with controllers for those below holds no process itself (cgroups(7), "The
        // no-internal-processes rule").
        let supervisor = Group::at(top.path().join(SUPERVISOR));
        if !supervisor.path().is_dir() {
            Group::make(supervisor.path())?;
        }
        supervisor.place(us)?;
        top.pass_controllers_on()?;
        // What a daemon that was killed has left. Its sessions end by themselves; those that have not
        // yet ended stay where they are.
        for group in top.below() {
            if group.path() != supervisor.path() && group.path().join(RELAY).is_dir() {
                let _ = group.remove();
            }
        }
        Ok(Self {
            controllers: top.controllers(),
            top,
        })
    }

    /// Which limits the kernel holds sessions to. Groups without any are still good for ending them.
    pub fn controllers(&self) -> &[Controller] {
        &self.controllers
    }

    pub fn path(&self) -> &Path {
        self.top.path()
    }

    /// Makes the group of a session. `id` is of small letters, digits and `-`.
    ///
    /// # Errors
    /// When it can't be made, or is there already.
    pub fn session(&self, id: &str) -> Result<SessionGroup, GroupError> {
        let path = self.top.path().join(id);
        if !is_id(id) {
            return Err(GroupError {
                action: "make the control group",
                path,
                source: io::ErrorKind::InvalidInput.into(),
            });
        }
        // From here on it is removed again, also when the rest fails.
        let session = SessionGroup {
            group: Group::make(path)?,
        };
        session.group.pass_controllers_on()?;
        Group::make(session.group.path().join(RELAY))?;
        Ok(session)
    }
}

/// The group of one session. Dropping it kills all processes in it and removes it, on a
/// thread of its own where that takes time.
#[derive(Debug)]
pub struct SessionGroup {
    group: Group,
}

impl SessionGroup {
    /// What the session is told: the place for its server's group.
    pub fn folder(&self) -> &Path {
        self.group.path()
    }

    /// Puts the session's process where it belongs. It must not have started anything yet: what it
    /// has started stays where it is.
    ///
    /// # Errors
    /// `ESRCH` when it is gone.
    pub fn place(&self, process: Pid) -> Result<(), GroupError> {
        Group::at(self.group.path().join(RELAY)).place(process)
    }

    /// What the session uses as a whole: its own process, and all that it has started.
    pub fn whole(&self) -> Counts {
        self.group.counts()
    }

    /// What its server uses; nothing is counted before it is launched and after it has ended.
    pub fn counts(&self) -> Counts {
        Group::at(self.group.path().join(SERVER)).counts()
    }

    /// Kills all its processes, its server's and its own.
    pub fn kill(&self) {
        self.group.kill();
    }

    /// Kills all its processes and waits until they are gone, at most 2 s.
    ///
    /// # Errors
    /// `EBUSY` when one is still there.
    pub fn end(self) -> io::Result<()> {
        self.group.end(PATIENCE)
    }
}

impl Drop for SessionGroup {
    fn drop(&mut self) {
        if !self.group.path().exists() {
            return;
        }
        self.group.kill();
        if self.group.remove().is_ok() {
            return;
        }
        let group = self.group.clone();
        let ending = move || {
            if let Err(error) = group.end(PATIENCE) {
                let path = group.path().display();
                tracing::warn!("the control group {path} is still there: {error}");
            }
        };
        // Without a thread it stays until the daemon ends.
        let _ = thread::Builder::new()
            .name("cgroup-end".to_owned())
            .spawn(ending);
    }
}

/// The group that was delegated: our own, or the one above where we are already in the daemon's own
/// (`DelegateSubgroup=` of systemd 254, or a second look).
fn delegated_top(own: &Path, was_given: impl Fn(&Path) -> bool) -> Result<PathBuf, NotDelegated> {
    if was_given(own) {
        return Ok(own.to_owned());
    }
    match own.parent() {
        Some(above) if own.ends_with(SUPERVISOR) && was_given(above) => Ok(above.to_owned()),
        _ => Err(NotDelegated::NotMarked(own.to_owned())),
    }
}

/// Whether this folder is that of a group which is known by its path in the hierarchy.
fn is_folder_of(folder: &Path, group: &str, mountinfo: &str) -> bool {
    own_folder(&format!("0::{group}\n"), mountinfo).is_ok_and(|found| found == folder)
}

fn is_marked(folder: &Path) -> bool {
    MARKS.into_iter().any(|mark| {
        let mut value = [0; 8];
        rustix::fs::getxattr(folder, mark, &mut value[..])
            .is_ok_and(|length| value.get(..length) == Some(b"1"))
    })
}

fn is_ours(folder: &Path) -> bool {
    let owned = fs::metadata(folder).is_ok_and(|found| found.uid() == geteuid().as_raw());
    let writable =
        |path: &Path| faccessat(AT_FDCWD, path, AccessFlags::W_OK, AtFlags::AT_EACCESS).is_ok();
    owned
        && writable(folder)
        && ["cgroup.procs", "cgroup.subtree_control"]
            .into_iter()
            .all(|file| writable(&folder.join(file)))
}

fn is_id(id: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=64).contains(&id.len()) && id != SUPERVISOR && id.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_group_that_was_given_is_taken() {
        let top = |own: &str, given: &'static str| {
            delegated_top(Path::new(own), |path| path == Path::new(given)).ok()
        };
        let service = "/sys/fs/cgroup/pinfold.service";
        let inside = "/sys/fs/cgroup/pinfold.service/supervisor";
        assert_eq!(top(service, service).unwrap(), Path::new(service));
        assert_eq!(top(inside, service).unwrap(), Path::new(service));
        // One that was given itself is nobody's `supervisor`.
        assert_eq!(top(inside, inside).unwrap(), Path::new(inside));
        for (own, given) in [
            (service, "/nothing"),
            // The one above was given to whoever is there.
            ("/sys/fs/cgroup/pinfold.service/other", service),
            ("/sys/fs/cgroup/pinfold.service/a/supervisor", service),
            (service, "/sys/fs/cgroup"),
        ] {
            assert_eq!(top(own, given), None, "{own} {given}");
        }
    }

    #[test]
    fn what_systemd_says_of_another_group_is_not_about_ours() {
        let mounts = "31 23 0:27 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
        let folder = Path::new("/sys/fs/cgroup/user@1.service/app.slice/a.service");
        let is_ours = |group: &str| is_folder_of(folder, group, mounts);
        assert!(is_ours("/user@1.service/app.slice/a.service"));
        for other in [
            // A unit of that name in another slice, or of another manager.
            "/user@1.service/session.slice/a.service",
            "/app.slice/a.service",
            "/user@1.service/app.slice/a.service/b",
            "/user@1.service/app.slice",
            "/",
            "/../a.service",
        ] {
            assert!(!is_ours(other), "{other}");
        }
    }

    #[test]
    fn an_id_is_no_path_and_no_file_of_the_kernel() {
        for fine in ["0", "a1b2-c3", "f".repeat(64).as_str()] {
            assert!(is_id(fine), "{fine}");
        }
        let long = "f".repeat(65);
        for odd in [
            "",
            "..",
            "a/b",
            "cgroup.kill",
            "A",
            "supervisor",
            &long,
            "a b",
        ] {
            assert!(!is_id(odd), "{odd}");
        }
    }
}
