//! Which processes of a server are left: found by its HOME, which no other process has. And how
//! much memory a process has.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// Process ids whose environment has `HOME=home`. One that has ended, but was not yet
/// collected by its parent, has no environment any more.
pub(crate) fn with_home(home: &Path) -> Vec<i32> {
    let wanted = format!("HOME={}", home.display());
    let is_one = |pid: i32| {
        fs::read(format!("/proc/{pid}/environ")).is_ok_and(|environment| {
            environment
                .split(|byte| *byte == 0)
                .any(|variable| variable == wanted.as_bytes())
        })
    };
    fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|pid| is_one(*pid))
        .collect()
}

/// Waits until `done`; panics with `what` when it takes longer than anything here should.
pub(crate) fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let patience = Instant::now() + Duration::from_secs(60);
    while !done() {
        assert!(Instant::now() < patience, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The process's own memory now, in KiB. Not the pages of its program, of which the kernel keeps as
/// many as it has room for: proc_pid_status(5), RssAnon.
pub(crate) fn own_memory(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let own = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"));
    let own = own.unwrap().trim().trim_end_matches(" kB");
    own.parse().unwrap()
}
