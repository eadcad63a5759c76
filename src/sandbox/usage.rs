//! What the processes of a session use, read from /proc (proc(5)).

use std::collections::HashMap;
use std::fs;
use std::ops::Range;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::{TimeVal, TimeValLike as _};
use nix::unistd::{Pid, SysconfVar, sysconf};

use super::process_stat;

/// What a session uses at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Usage {
    /// Memory that belongs to its processes alone, in memory or swapped out, with the tables that
    /// the processor finds it by, and their files in memory (memfd_create(2)); in bytes.
    pub memory: u64,
    /// Threads of all processes.
    pub processes: u64,
    /// Processor time that its processes and those they have waited for have used, in milliseconds.
    pub processor: u64,
}

/// Measures all that descends from this process, and not this process.
///
/// What has ended and was waited for here is in the processor time, too: a subreaper gets the
/// processes whose parents have ended.
pub(super) fn of_session() -> Usage {
    let own = nix::unistd::getpid().as_raw();
    let mut usage = of(children(&format!("/proc/{own}")));
    usage.processor +=
        process_stat::after_name(own).map_or(0, |stat| milliseconds(&stat, TIMES_OF_CHILDREN));
    usage
}

/// Measures a process and all that descends from it.
fn of_descendants(first: Pid) -> Usage {
    of(vec![first.as_raw()])
}

fn of(mut next: Vec<i32>) -> Usage {
    let mut usage = Usage::default();
    // The same file may be open in many processes.
    let mut files = HashMap::new();
    while let Some(pid) = next.pop() {
        let folder = format!("/proc/{pid}");
        // One that has ended meanwhile uses nothing.
        let (Ok(status), Some(stat)) = (
            fs::read(format!("{folder}/status")),
            process_stat::after_name(pid),
        ) else {
            continue;
        };
        // It holds the name too, which may be any bytes.
        let status = String::from_utf8_lossy(&status);
        usage.memory += memory(&status);
        usage.processes += field(&status, "Threads:");
        usage.processor += milliseconds(&stat, TIMES);
        files_in_memory(&folder, &mut files);
        next.extend(children(&folder));
    }
    usage.memory += files.values().sum::<u64>();
    usage
}

/// What the children of this process that have ended, and those they had waited for, have used
/// (getrusage(2)): the most memory that one of them had resident, in bytes, and the processor time
/// of all.
pub(super) fn of_ended_children() -> Usage {
    let Ok(used) = getrusage(UsageWho::RUSAGE_CHILDREN) else {
        return Usage::default();
    };
    let milliseconds = |time: TimeVal| u64::try_from(time.num_milliseconds()).unwrap_or(0);
    Usage {
        // Kibibytes.
        memory: u64::try_from(used.max_rss()).unwrap_or(0) << 10,
        processes: 0,
        processor: milliseconds(used.user_time()) + milliseconds(used.system_time()),
    }
}

/// Of this process and of all that descends from it: bytes of memory, and processor time in
/// milliseconds.
pub fn of_this_process_and_descendants() -> (u64, u64) {
    let used = of_descendants(nix::unistd::getpid());
    (used.memory, used.processor)
}

/// The same of another process.
pub fn of_process_and_descendants(pid: i32) -> (u64, u64) {
    let used = of_descendants(nix::unistd::Pid::from_raw(pid));
    (used.memory, used.processor)
}

/// The server that a monitor watches; `None` when there is none any more.
pub fn server_of(monitor: i32) -> Option<i32> {
    let child = |of: i32| children(&format!("/proc/{of}")).first().copied();
    let first = child(monitor)?;
    let status = fs::read(format!("/proc/{first}/status")).ok()?;
    // Process 1 of a namespace is the box's init, and the server is its child (proc_pid_status(5)).
    let is_init = String::from_utf8_lossy(&status)
        .lines()
        .find_map(|line| line.strip_prefix("NSpid:"))
        .is_some_and(|numbers| {
            let numbers: Vec<&str> = numbers.split_whitespace().collect();
            numbers.len() > 1 && numbers.last() == Some(&"1")
        });
    if is_init { child(first) } else { Some(first) }
}

/// Children of all threads of a process.
fn children(folder: &str) -> Vec<i32> {
    let threads = fs::read_dir(format!("{folder}/task")).into_iter().flatten();
    threads
        .flatten()
        .filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok())
        .flat_map(|list| {
            list.split_whitespace()
                .filter_map(|pid| pid.parse().ok())
                .collect::<Vec<i32>>()
        })
        .collect()
}

fn memory(status: &str) -> u64 {
    // Page tables grow with addresses, not with what is there: reading all over an empty mapping
    // fills memory of which nothing else tells. Huge pages come from a pool of the machine.
    const FIELDS: [&str; 5] = [
        "RssAnon:",
        "RssShmem:",
        "VmSwap:",
        "VmPTE:",
        "HugetlbPages:",
    ];
    let kibibytes = FIELDS.map(|name| field(status, name)).iter().sum::<u64>();
    kibibytes << 10
}

fn field(status: &str, name: &str) -> u64 {
    status
        .lines()
        .find_map(|line| line.strip_prefix(name))
        .and_then(|value| value.split_whitespace().next()?.parse().ok())
        .unwrap_or(0)
}

/// utime, stime, cutime and cstime: fields 14 to 17 (proc_pid_stat(5)), counted from the third.
const TIMES: Range<usize> = 11..15;
const TIMES_OF_CHILDREN: Range<usize> = 13..15;

fn milliseconds(after_name: &str, fields: Range<usize>) -> u64 {
    let ticks: u64 = after_name
        .split_whitespace()
        .skip(fields.start)
        .take(fields.len())
        .filter_map(|value| value.parse::<u64>().ok())
        .sum();
    let per_second = sysconf(SysconfVar::CLK_TCK)
        .ok()
        .flatten()
        .and_then(|rate| u64::try_from(rate).ok())
        .unwrap_or(100);
    ticks * 1000 / per_second.max(1)
}

/// Notes the size of each memfd by its inode. What of it is mapped is counted twice, as `RssShmem`.
fn files_in_memory(folder: &str, sizes: &mut HashMap<u64, u64>) {
    let open = fs::read_dir(format!("{folder}/fd")).into_iter().flatten();
    for file in open.flatten() {
        let path = file.path();
        let is_memory = fs::read_link(&path)
            .is_ok_and(|target| target.as_os_str().as_bytes().starts_with(b"/memfd:"));
        if let (true, Ok(found)) = (is_memory, fs::metadata(&path)) {
            sizes.insert(found.ino(), found.blocks() * 512);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found() {
        assert_eq!(
            memory("Name:\tx\nRssAnon:\t    12 kB\nRssShmem:\t 1 kB\nVmSwap:\t3 kB\n"),
            16 << 10
        );
        let more = "VmRSS:\t 99 kB\nRssAnon:\t 2 kB\nVmPTE:\t   5 kB\nHugetlbPages:\t 2048 kB\n";
        assert_eq!(memory(more), 2055 << 10);
        let stat = " S 1 7 7 0 -1 0 0 0 0 0 100 50 25 25 20 0 1 0";
        let ticks = sysconf(SysconfVar::CLK_TCK).unwrap().unwrap();
        let per_tick = 1000 / u64::try_from(ticks).unwrap();
        assert_eq!(milliseconds(stat, TIMES), 200 * per_tick);
        assert_eq!(milliseconds(stat, TIMES_OF_CHILDREN), 50 * per_tick);
    }

    #[test]
    fn a_child_and_its_memory_are_counted() {
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        let pid = Pid::from_raw(i32::try_from(child.id()).unwrap());
        let of_child = of_descendants(pid);
        let of_both = of_descendants(nix::unistd::getpid());
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(of_child.processes, 1);
        // Now the kernel alone knows.
        assert!(of_ended_children().memory > 0);
        assert!(of_child.memory > 0 && of_both.memory > of_child.memory);
        assert!(of_both.processes > 1);
    }
}
