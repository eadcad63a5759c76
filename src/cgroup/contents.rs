//! What the files of a control group hold, in both directions. Pure.
//!
//! The formats are those of the kernel's Documentation/admin-guide/cgroup-v2.rst.

use std::fmt;

/// The period for which the share of a processor is counted, in microseconds; the kernel's own.
const PERIOD: u64 = 100_000;

/// A controller of which pinfold makes use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Controller {
    Memory,
    Pids,
    Cpu,
}

/// What all processes of a group may use together. `None` sets no limit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// In bytes; none of it in swap.
    pub memory: Option<u64>,
    /// Processes and threads.
    pub processes: Option<u64>,
    /// Hundredths of one processor.
    pub cpu: Option<u64>,
}

/// One file, and what is written into it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Setting {
    pub file: &'static str,
    pub text: String,
    /// Kernels exist that have the controller and not this file; what it says is then so anyway.
    pub may_be_missing: bool,
}

/// What the kernel has counted of a group. `None` is what this kernel doesn't count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// In bytes, now.
    pub memory: Option<u64>,
    /// In bytes (Linux 5.19).
    pub peak_memory: Option<u64>,
    /// Processes and threads, now.
    pub processes: Option<u64>,
    /// The most at one time (Linux 6.1 and later).
    pub peak_processes: Option<u64>,
    /// Processor time, in microseconds.
    pub processor: Option<u64>,
    /// Whether processes were killed because this group had reached its own limit of memory.
    pub out_of_memory: bool,
    /// How often a process or thread was refused at this group's own limit.
    pub refused_processes: u64,
}

impl Controller {
    pub const ALL: [Self; 3] = [Self::Memory, Self::Pids, Self::Cpu];

    /// As in `cgroup.controllers`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Pids => "pids",
            Self::Cpu => "cpu",
        }
    }
}

impl fmt::Display for Controller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Those of ours that are in the text of `cgroup.controllers` or `cgroup.subtree_control`.
pub(super) fn controllers(text: &str) -> Vec<Controller> {
    Controller::ALL
        .into_iter()
        .filter(|controller| {
            text.split_whitespace()
                .any(|name| name == controller.name())
        })
        .collect()
}

/// Which files hold which limits, in the order in which they are written.
pub(super) fn settings(limits: &Limits, available: &[Controller]) -> Vec<Setting> {
    let must = |file, text: String| Setting {
        file,
        text,
        may_be_missing: false,
    };
    let mut settings = Vec::new();
    let has = |controller| available.contains(&controller);
    if let (Some(bytes), true) = (limits.memory, has(Controller::Memory)) {
        // Without it what exceeds the limit would go to the disk instead of being refused. A kernel
        // that doesn't count swap has no such file.
        settings.push(Setting {
            may_be_missing: true,
            ..must("memory.swap.max", "0".to_owned())
        });
        // A server of which one process is missing is none: all or nothing.
        settings.push(must("memory.oom.group", "1".to_owned()));
        settings.push(must("memory.max", bytes.to_string()));
    }
    if let (Some(processes), true) = (limits.processes, has(Controller::Pids)) {
        settings.push(must("pids.max", processes.to_string()));
    }
    if let (Some(hundredths), true) = (limits.cpu, has(Controller::Cpu)) {
        let quota = hundredths.saturating_mul(PERIOD / 100);
        settings.push(must("cpu.max", format!("{quota} {PERIOD}")));
    }
    settings
}

impl Counts {
    /// Reads them; `file` yields the text of a file, or nothing where there is none.
    pub(super) fn read(file: impl Fn(&str) -> Option<String>) -> Self {
        let number = |name| file(name)?.trim().parse::<u64>().ok();
        let field = |name: &str, key| flat_keyed(&file(name)?, key);
        let memory = |key| field("memory.events", key).unwrap_or(0);
        Self {
            memory: number("memory.current"),
            peak_memory: number("memory.peak"),
            processes: number("pids.current"),
            peak_processes: number("pids.peak"),
            processor: field("cpu.stat", "usage_usec"),
            // `oom_kill` alone is also counted when the machine, or a group above, runs out of memory.
            out_of_memory: memory("oom") > 0 && memory("oom_kill") > 0,
            refused_processes: field("pids.events", "max").unwrap_or(0),
        }
    }
}

/// The value of `key` in lines of `KEY VALUE`.
pub(super) fn flat_keyed(text: &str, key: &str) -> Option<u64> {
    text.lines().find_map(|line| {
        let (name, value) = line.split_once(' ')?;
        (name == key).then(|| value.trim().parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_become_files_of_the_controllers_that_are_there() {
        let limits = Limits {
            memory: Some(1 << 30),
            processes: Some(40),
            cpu: Some(150),
        };
        let written = |limits: &Limits, available: &[Controller]| -> Vec<String> {
            settings(limits, available)
                .into_iter()
                .map(|setting| format!("{}={}", setting.file, setting.text))
                .collect()
        };
        assert_eq!(
            written(&limits, &Controller::ALL),
            [
                "memory.swap.max=0",
                "memory.oom.group=1",
                "memory.max=1073741824",
                "pids.max=40",
                "cpu.max=150000 100000",
            ]
        );
        assert_eq!(written(&limits, &[Controller::Pids]), ["pids.max=40"]);
        assert!(written(&limits, &[]).is_empty());
        assert!(written(&Limits::default(), &Controller::ALL).is_empty());
        // The kernel's least: a millisecond of each period.
        let least = Limits {
            cpu: Some(1),
            ..Limits::default()
        };
        assert_eq!(written(&least, &Controller::ALL), ["cpu.max=1000 100000"]);
    }

    #[test]
    fn only_swap_may_be_missing() {
        let limits = Limits {
            memory: Some(1),
            processes: Some(1),
            cpu: Some(1),
        };
        let missing: Vec<_> = settings(&limits, &Controller::ALL)
            .into_iter()
            .filter(|setting| setting.may_be_missing)
            .map(|setting| setting.file)
            .collect();
        assert_eq!(missing, ["memory.swap.max"]);
    }

    #[test]
    fn controllers_are_whole_words() {
        assert_eq!(
            controllers("cpuset cpu io memory pids\n"),
            Controller::ALL.to_vec()
        );
        assert_eq!(controllers("cpuset hugetlb\n"), []);
        assert_eq!(controllers(""), []);
    }

    fn counted(files: &[(&str, &str)]) -> Counts {
        Counts::read(|wanted| {
            let found = files.iter().find(|(name, _)| *name == wanted);
            found.map(|(_, text)| (*text).to_owned())
        })
    }

    #[test]
    fn what_the_kernel_counts_is_read() {
        let events = "low 0\nhigh 0\nmax 31\noom 1\noom_kill 3\noom_group_kill 1\n";
        let all = counted(&[
            ("memory.current", "4096\n"),
            ("memory.peak", "8192\n"),
            ("memory.events", events),
            ("pids.current", "2\n"),
            ("pids.peak", "7\n"),
            ("pids.events", "max 5\n"),
            (
                "cpu.stat",
                "usage_usec 1234\nuser_usec 1000\nsystem_usec 234\n",
            ),
        ]);
        let expected = Counts {
            memory: Some(4096),
            peak_memory: Some(8192),
            processes: Some(2),
            peak_processes: Some(7),
            processor: Some(1234),
            out_of_memory: true,
            refused_processes: 5,
        };
        assert_eq!(all, expected);
    }

    #[test]
    fn what_is_not_there_or_no_number_is_not_counted() {
        assert_eq!(counted(&[]), Counts::default());
        let odd = counted(&[
            ("memory.peak", "max\n"),
            ("cpu.stat", "usage_usec\nusage_usecs 5\n"),
            ("memory.events", "oom x\noom_kill\n"),
        ]);
        assert_eq!(odd, Counts::default());
    }

    #[test]
    fn a_kill_for_somebody_elses_limit_is_not_ours() {
        for (events, ours) in [
            ("max 9\noom 1\noom_kill 1\n", true),
            // The machine, or a group above, had no more.
            ("max 0\noom 0\noom_kill 1\n", false),
            // It was near the limit, and then there was enough.
            ("max 9\noom 1\noom_kill 0\n", false),
        ] {
            let found = counted(&[("memory.events", events)]);
            assert_eq!(found.out_of_memory, ours, "{events}");
        }
    }
}
