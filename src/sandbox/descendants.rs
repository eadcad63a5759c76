//! Finding and ending every process that descends from this one.
//!
//! A subreaper's descendants stay its descendants, whatever they do with
//! sessions and process groups (prctl(2), PR_SET_CHILD_SUBREAPER), so walking
//! the parent links of /proc finds all of them.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, getpid};

use super::process_stat;
use crate::sys::PidFd;

/// How long new processes may keep appearing before stopping them first is given up;
/// killing goes on until none is left.
const FREEZE_DEADLINE: Duration = Duration::from_secs(2);

/// Processes can be nested at most as deep as there are process numbers.
const MAX_DEPTH: usize = 1 << 22;

/// Sends `signal` once to every descendant.
pub(super) fn signal_all(signal: Signal) {
    for pid in list() {
        send(pid, signal);
    }
}

/// Ends every descendant. `reap` takes what has ended off the process table and says whether any
/// child is left.
///
/// They are stopped first, until no new one appears: a process that forks faster than it is
/// killed would win otherwise.
pub(super) fn kill_all(mut reap: impl FnMut() -> bool) {
    let deadline = Instant::now() + FREEZE_DEADLINE;
    let mut stopped = HashSet::new();
    while Instant::now() < deadline {
        let new: Vec<Pid> = list()
            .into_iter()
            .filter(|pid| !stopped.contains(pid))
            .collect();
        if new.is_empty() {
            break;
        }
        for pid in new {
            send(pid, Signal::SIGSTOP);
            stopped.insert(pid);
        }
    }
    while reap() {
        signal_all(Signal::SIGKILL);
        // Grandchildren become ours only as their parents go.
        std::thread::sleep(Duration::from_micros(500));
    }
}

/// Ends what a monitor left behind that was itself killed: its descendants have become those of
/// this process if it is a subreaper. Other children of this process end with them.
pub fn end_orphans() {
    kill_all(|| {
        loop {
            match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::StillAlive) => return true,
                Ok(_) | Err(nix::Error::EINTR) => {}
                Err(_) => return false,
            }
        }
    });
}

/// Signals through a process descriptor, after making sure that it still is a descendant: the
/// number may have been reused between the listing and now.
fn send(pid: Pid, signal: Signal) {
    let Ok(process) = PidFd::open(pid) else {
        return;
    };
    if descends_from_this_process(pid) {
        // It may have ended in between; then there is nothing to do.
        let _ = process.send(signal);
    }
}

fn descends_from_this_process(pid: Pid) -> bool {
    let this = getpid().as_raw();
    let mut current = pid.as_raw();
    for _ in 0..MAX_DEPTH {
        match parent(current) {
            Some(parent) if parent == this => return true,
            Some(parent) if parent > 1 => current = parent,
            _ => return false,
        }
    }
    false
}

/// All descendants. Zombies too: a process whose first thread has ended looks like one while its
/// other threads still run.
fn list() -> Vec<Pid> {
    let mut children: HashMap<i32, Vec<i32>> = HashMap::new();
    let Ok(processes) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    for entry in processes.flatten() {
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse::<i32>().ok())
        else {
            continue;
        };
        if let Some(parent) = parent(pid) {
            children.entry(parent).or_default().push(pid);
        }
    }
    let mut found = Vec::new();
    let mut next = vec![getpid().as_raw()];
    while let Some(parent) = next.pop() {
        for &child in children.get(&parent).into_iter().flatten() {
            found.push(Pid::from_raw(child));
            next.push(child);
        }
    }
    found
}

/// The parent's pid; `None` when the process is gone.
fn parent(pid: i32) -> Option<i32> {
    process_stat::after_name(pid)?
        .split_whitespace()
        .nth(1)?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_is_found_and_a_stranger_is_not() {
        let mut child = std::process::Command::new("sleep")
            .arg("30")
            .spawn()
            .unwrap();
        let pid = Pid::from_raw(i32::try_from(child.id()).unwrap());
        assert!(list().contains(&pid));
        assert!(descends_from_this_process(pid));
        assert!(!descends_from_this_process(Pid::from_raw(1)));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!list().contains(&pid));
    }
}
