//! The namespaces of the full tier (namespaces(7)): which, and the first steps inside.

use std::fs;
use std::io::{self, Write};
use std::os::fd::AsFd;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::CloneFlags;
use nix::sys::signal::Signal;
use nix::unistd::{Gid, Uid, getegid, geteuid, getpid};

use super::{Namespaces, Network, SandboxError, SandboxSpec, own_network, own_root};

/// The machine's own name is nobody's business.
const HOST_NAME: &str = "localhost";

/// What this user namespace may have of what all programs of a user share (namespaces(7), "The
/// /proc/sys/user directory"): no namespaces below it, and not every watcher of files. What is made in
/// it counts for the user outside as well (user_namespaces(7)), so of what there is for one user a
/// session gets an eighth.
const BOUNDS: [Bound; 3] = [
    Bound {
        name: "max_user_namespaces",
        highest: 0,
        of_user: None,
    },
    Bound {
        name: "max_inotify_instances",
        highest: 64,
        of_user: Some("/proc/sys/fs/inotify/max_user_instances"),
    },
    Bound {
        name: "max_inotify_watches",
        highest: 16384,
        of_user: Some("/proc/sys/fs/inotify/max_user_watches"),
    },
];
const SHARE: u64 = 8;

struct Bound {
    name: &'static str,
    highest: u64,
    /// Where the machine says how many a user may have.
    of_user: Option<&'static str>,
}

impl Bound {
    fn here(&self) -> u64 {
        let of_user = self.of_user.and_then(|path| fs::read_to_string(path).ok());
        self.within(of_user.and_then(|text| text.trim().parse().ok()))
    }

    fn within(&self, of_user: Option<u64>) -> u64 {
        of_user.map_or(self.highest, |all| self.highest.min(all.div_ceil(SHARE)))
    }
}

/// Who somebody is outside; to be asked before, for inside nobody is anybody yet.
#[derive(Clone, Copy)]
pub(super) struct Identity {
    user: Uid,
    group: Gid,
}

impl Identity {
    pub(super) fn current() -> Self {
        Self {
            user: geteuid(),
            group: getegid(),
        }
    }
}

/// Those that are made with the process. With a control group of its own the process has to be in it
/// first; see [`own_cgroups`].
pub(super) fn flags(network: &Network, own_group: bool) -> CloneFlags {
    let mut flags = CloneFlags::CLONE_NEWUSER
        | CloneFlags::CLONE_NEWPID
        | CloneFlags::CLONE_NEWIPC
        | CloneFlags::CLONE_NEWUTS
        | CloneFlags::CLONE_NEWNS;
    flags.set(CloneFlags::CLONE_NEWCGROUP, !own_group);
    flags.set(CloneFlags::CLONE_NEWNET, network.is_own());
    flags
}

/// Shows this process its own control group as the topmost one (cgroup_namespaces(7)).
pub(super) fn own_cgroups() -> Result<(), SandboxError> {
    nix::sched::unshare(CloneFlags::CLONE_NEWCGROUP).map_err(|errno| SandboxError::Namespaces {
        what: "make that of control groups".to_owned(),
        source: errno.into(),
    })
}

/// For process 1 of the new namespaces: its life tied to the monitor's, the user that it was
/// outside, a network and a root of its own.
///
/// `monitor` is a pipe whose other end only the monitor holds; `parent` is the control socket.
pub(super) fn enter(
    spec: &SandboxSpec,
    namespaces: &Namespaces,
    outside: Identity,
    monitor: &impl AsFd,
    parent: &impl AsFd,
) -> Result<(), SandboxError> {
    // From here on settings are changed that would be the machine's anywhere else.
    if getpid().as_raw() != 1 {
        return Err(SandboxError::SelfCheck(
            "this is not process 1 of a new namespace".to_owned(),
        ));
    }
    // The maps of a process that is not dumpable belong to root (proc(5)).
    dumpable(true)?;
    map_user(outside).map_err(|source| SandboxError::Namespaces {
        what: "map its user".to_owned(),
        source,
    })?;
    dumpable(false)?;
    // After the last change of credentials that would clear it (PR_SET_PDEATHSIG(2const)). When this
    // process ends, the kernel ends all others of its namespace.
    nix::sys::prctl::set_pdeathsig(Some(Signal::SIGKILL))
        .map_err(|errno| SandboxError::ParentDeath(errno.into()))?;
    still_alive(monitor).map_err(SandboxError::ParentDeath)?;
    nix::unistd::sethostname(HOST_NAME).map_err(|errno| SandboxError::Namespaces {
        what: "set the host name".to_owned(),
        source: errno.into(),
    })?;
    if let Some(processes) = spec.limits.processes {
        bound_processes(processes);
    }
    for bound in BOUNDS {
        let path = format!("/proc/sys/user/{}", bound.name);
        set(&path, &bound.here().to_string()).map_err(|source| SandboxError::Namespaces {
            what: format!("bound {}", bound.name),
            source,
        })?;
    }
    if let Network::Relayed(ports) = &spec.network {
        own_network::enter(ports, parent)?;
    }
    own_root::enter(spec, namespaces)?;
    numbered_anew()
}

/// A user namespace starts without users. It gets one: the same number inside as outside, so that
/// files belong to whom they belong.
fn map_user(Identity { user, group }: Identity) -> io::Result<()> {
    // Else a group could be dropped that a file's mode means to keep out (user_namespaces(7)).
    set("/proc/self/setgroups", "deny")?;
    set("/proc/self/uid_map", &format!("{user} {user} 1"))?;
    set("/proc/self/gid_map", &format!("{group} {group} 1"))
}

/// The kernel doesn't hold root to `RLIMIT_NPROC`. Since Linux 6.14 a pid namespace has a highest
/// number of its own, and its root may lower it; before, there was one for the whole machine, which
/// root could change even from in here. Older kernels and other users don't get this: root's
/// processes are then counted by the monitor alone.
fn bound_processes(processes: u64) {
    /// Below it the kernel takes none (`RESERVED_PIDS` in kernel/pid.c).
    const LOWEST: u64 = 301;
    let release = nix::sys::utsname::uname();
    let release = release
        .as_ref()
        .map(|name| name.release().to_string_lossy());
    if geteuid().is_root() && release.is_ok_and(|release| numbers_processes_by_namespace(&release))
    {
        let _ = set(
            "/proc/sys/kernel/pid_max",
            &processes.saturating_add(1).max(LOWEST).to_string(),
        );
    }
}

/// Whether `release` (`uname -r`) is Linux 6.14 or newer. A release that can't be read is an old one.
fn numbers_processes_by_namespace(release: &str) -> bool {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit());
    let mut next = || numbers.next()?.parse::<u32>().ok();
    matches!((next(), next()), (Some(major), Some(minor)) if (major, minor) >= (6, 14))
}

/// Settings of the kernel take the whole text in one write.
pub(super) fn set(path: &str, text: &str) -> io::Result<()> {
    fs::OpenOptions::new()
        .write(true)
        .open(path)?
        .write_all(text.as_bytes())
}

fn dumpable(yes: bool) -> Result<(), SandboxError> {
    nix::sys::prctl::set_dumpable(yes).map_err(|errno| SandboxError::NotDumpable(errno.into()))
}

/// A monitor that ended before the signal was asked for sends none. Its parent's number tells
/// nothing here: it is 0 from inside.
fn still_alive(monitor: &impl AsFd) -> io::Result<()> {
    let mut ends = [PollFd::new(monitor.as_fd(), PollFlags::empty())];
    poll(&mut ends, PollTimeout::ZERO)?;
    if ends[0]
        .revents()
        .is_some_and(|events| events.contains(PollFlags::POLLHUP))
    {
        return Err(io::Error::from_raw_os_error(nix::libc::ESRCH));
    }
    Ok(())
}

/// The mounted /proc must be that of the new namespace.
fn numbered_anew() -> Result<(), SandboxError> {
    let named = fs::read_link("/proc/self").ok();
    if named.as_deref() == Some(std::path::Path::new("1")) {
        Ok(())
    } else {
        Err(SandboxError::SelfCheck(
            "the new /proc shows other processes".to_owned(),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_kernels_that_number_by_namespace_are_written_to() {
        for release in ["6.14.0", "6.18.44-fc", "7.0", "10.1-rc2"] {
            assert!(numbers_processes_by_namespace(release), "{release}");
        }
        for release in [
            "6.13.9",
            "6.1.0-28-amd64",
            "5.15",
            "6",
            "",
            "six.20",
            "-6.20",
        ] {
            assert!(!numbers_processes_by_namespace(release), "{release}");
        }
    }

    #[test]
    fn a_session_gets_a_share_of_what_a_user_has() {
        let [namespaces, instances, watches] = BOUNDS;
        assert_eq!(namespaces.here(), 0);
        for (bound, of_user, expected) in [
            (&instances, Some(128), 16),
            (&instances, Some(8192), 64),
            (&instances, Some(1), 1),
            (&instances, None, 64),
            (&watches, Some(8192), 1024),
            (&watches, Some(1 << 20), 16384),
        ] {
            assert_eq!(
                bound.within(of_user),
                expected,
                "{} {of_user:?}",
                bound.name
            );
        }
    }
}
