//! Resource limits (setrlimit(2)): soft and hard alike, so that they can't be raised again.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use super::{ResourceLimits, SandboxError, namespaces};

/// Signals that wait to be taken and timers that could send one (`RLIMIT_SIGPENDING`). The kernel
/// counts them for all programs of a user together, those in other user namespaces too: whoever
/// takes as many as there are leaves no timer to anybody else. Twice as many as there are threads.
const PENDING_SIGNALS: u64 = 1024;

/// Where the kernel counts all threads of the user (`RLIMIT_NPROC`, setrlimit(2)): what the user's
/// other programs may start while the session lasts without taking it from the server. The session's
/// own limit is looked after by the monitor.
const PROCESSES_OF_OTHERS: u64 = 1024;

pub(super) fn apply(limits: &ResourceLimits, own_user_namespace: bool) -> Result<(), SandboxError> {
    // A core dump would hold the server's secrets. Not 0: where a program takes the dumps
    // (systemd-coredump, apport) the kernel passes over every limit but this one (core(5), and
    // `coredump_pipe` in fs/coredump.c). No core file is as small.
    lower("core files", Resource::RLIMIT_CORE, Some(1))?;
    // Memory that can't be swapped out is taken from everybody. Cryptographic libraries ask for it and
    // do without.
    lower("locked memory", Resource::RLIMIT_MEMLOCK, Some(0))?;
    // Nobody needs to come before other people's programs.
    lower("real-time priority", Resource::RLIMIT_RTPRIO, Some(0))?;
    lower("nice", Resource::RLIMIT_NICE, Some(0))?;
    lower(
        "pending signals",
        Resource::RLIMIT_SIGPENDING,
        Some(PENDING_SIGNALS),
    )?;
    lower("memory", Resource::RLIMIT_DATA, limits.memory)?;
    lower("open files", Resource::RLIMIT_NOFILE, limits.open_files)?;
    lower("file size", Resource::RLIMIT_FSIZE, limits.file_size)?;
    let processes = match limits.processes {
        // In a user namespace of its own they are counted anew (user_namespaces(7)).
        Some(wanted) if !own_user_namespace => Some(
            wanted
                .saturating_add(threads_of_user())
                .saturating_add(PROCESSES_OF_OTHERS),
        ),
        wanted => wanted,
    };
    lower("processes", Resource::RLIMIT_NPROC, processes)?;
    lower(
        "processor time",
        Resource::RLIMIT_CPU,
        limits.processor.map(|time| time.div_ceil(1000)),
    )
}

/// Keeps the memory of this process, and of all that it will execute, out of core dumps
/// (`/proc/PID/coredump_filter`, core(5)): for where the limit was 0 before, which nobody without
/// privileges can raise to 1. The file is root's once a process can't be dumped.
pub(super) fn dump_no_memory() -> Result<(), SandboxError> {
    let fail = |source| SandboxError::Limit {
        name: "core files",
        source,
    };
    match namespaces::set("/proc/self/coredump_filter", "0") {
        // A kernel that makes no core dumps doesn't have it.
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            let (_, hard) = getrlimit(Resource::RLIMIT_CORE).map_err(|errno| fail(errno.into()))?;
            if hard == 0 { Err(fail(error)) } else { Ok(()) }
        }
        _ => Ok(()),
    }
}

/// Only ever lowers: the person who started us may have set a stricter limit.
fn lower(name: &'static str, resource: Resource, wanted: Option<u64>) -> Result<(), SandboxError> {
    let Some(wanted) = wanted else { return Ok(()) };
    let fail = |errno: nix::Error| SandboxError::Limit {
        name,
        source: errno.into(),
    };
    let (_, hard) = getrlimit(resource).map_err(fail)?;
    let limit = wanted.min(hard);
    setrlimit(resource, limit, limit).map_err(fail)
}

/// Threads that this user has by now: `RLIMIT_NPROC` counts them all.
fn threads_of_user() -> u64 {
    let user = nix::unistd::getuid().as_raw();
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    processes
        .filter(|entry| entry.metadata().is_ok_and(|found| found.uid() == user))
        .filter_map(|entry| fs::read_dir(entry.path().join("task")).ok())
        .map(|threads| threads.count() as u64)
        .sum()
}
