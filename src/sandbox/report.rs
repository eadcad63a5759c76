//! How a session ended and what it used: the monitor's last words to the parent.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::ResourceLimits;
use super::usage::Usage;

/// What the monitor tells when no process of the session is left.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// The server's exit code, or 128 and the number of the signal that ended it.
    pub code: i32,
    /// The limit for which the monitor has ended the session.
    pub exceeded: Option<Exceeded>,
    /// The most memory that was seen, in bytes.
    pub peak_memory: u64,
    /// The most memory that one of its processes had resident, as the kernel counted it: for a
    /// session that ended before the monitor looked. Shared pages count in full, and so does the
    /// stub that built the box; 0 is unknown.
    #[serde(default)]
    pub peak_resident: u64,
    /// The most processes and threads that were seen.
    #[serde(default)]
    pub peak_processes: u64,
    /// Processor time, in milliseconds: what the monitor has seen, or the kernel has counted of all
    /// that have ended, whichever is more.
    pub processor: u64,
    /// Whether the kernel has refused it a process at its limit. Not the monitor's to tell.
    #[serde(skip)]
    pub processes_refused: bool,
}

/// What the kernel has counted of a server that has a control group. `None` was not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Bytes.
    pub peak_memory: Option<u64>,
    pub peak_processes: Option<u64>,
    /// Milliseconds.
    pub processor: Option<u64>,
    /// It was killed because it had reached its limit of memory.
    pub memory_exceeded: bool,
    /// It was refused a process because it had reached its limit of processes.
    pub processes_refused: bool,
}

/// A limit of the whole session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Resource {
    Memory,
    Processes,
    Processor,
    Disk,
}

/// A session that used more than it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exceeded {
    pub resource: Resource,
    /// Bytes, threads, or milliseconds.
    pub used: u64,
    /// In the same unit.
    pub limit: u64,
}

/// Which limit of the session a usage reaches, if any. Pure.
pub(super) fn exceeded(usage: &Usage, limits: &ResourceLimits) -> Option<Exceeded> {
    let over = |resource, used: u64, limit: Option<u64>| {
        limit.filter(|limit| used >= *limit).map(|limit| Exceeded {
            resource,
            used,
            limit,
        })
    };
    over(Resource::Memory, usage.memory, limits.memory)
        .or_else(|| over(Resource::Processes, usage.processes, limits.processes))
        .or_else(|| over(Resource::Processor, usage.processor, limits.processor))
}

/// Whether the disk limit is reached. Pure.
pub(super) fn disk_exceeded(used: u64, limits: &ResourceLimits) -> Option<Exceeded> {
    limits
        .disk
        .filter(|limit| used >= *limit)
        .map(|limit| Exceeded {
            resource: Resource::Disk,
            used,
            limit,
        })
}

impl fmt::Display for Exceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            resource,
            used,
            limit,
        } = self;
        let mebibytes = |bytes: u64| bytes >> 20;
        match resource {
            Resource::Memory => write!(
                f,
                "its processes use {} MiB of memory and may use {} MiB (limits.memory in the manifest)",
                mebibytes(*used),
                mebibytes(*limit)
            ),
            Resource::Processes => write!(
                f,
                "it has {used} processes and threads and may have fewer than {limit} (limits.processes in the manifest)"
            ),
            Resource::Processor => write!(
                f,
                "it has used {} s of processor time and may use {} s (limits.processor_time in the manifest)",
                used / 1000,
                limit / 1000
            ),
            Resource::Disk if *used == u64::MAX => write!(
                f,
                "what it keeps in its own folders can't be measured: there are too many files, folders nested too deeply, or folders that may not be read (limits.disk in the manifest)"
            ),
            Resource::Disk => write!(
                f,
                "it keeps {} MiB in its own folders and may keep {} MiB (limits.disk in the manifest)",
                mebibytes(*used),
                mebibytes(*limit)
            ),
        }
    }
}

impl Report {
    /// With what the kernel says of it, which knows better than the monitor: nothing escapes it
    /// between two looks. Pure.
    #[must_use]
    pub fn counted(self, counted: &Counted, limits: &ResourceLimits) -> Self {
        let peak_memory = counted.peak_memory.unwrap_or(0).max(self.peak_memory);
        let of_memory = limits.memory.filter(|_| counted.memory_exceeded);
        Self {
            exceeded: self.exceeded.or_else(|| {
                of_memory.map(|limit| Exceeded {
                    resource: Resource::Memory,
                    // The last bytes are refused, so the peak may be a little below.
                    used: peak_memory.max(limit),
                    limit,
                })
            }),
            peak_memory,
            peak_resident: self.peak_resident,
            peak_processes: counted.peak_processes.unwrap_or(0).max(self.peak_processes),
            processor: counted.processor.unwrap_or(0).max(self.processor),
            processes_refused: counted.processes_refused,
            code: self.code,
        }
    }

    /// In words for a person or a model, why the server ended, when it did not mean to.
    pub fn reason(&self, limits: &ResourceLimits) -> String {
        use nix::libc::{SIGKILL, SIGSYS, SIGXCPU, SIGXFSZ};
        if let Some(exceeded) = &self.exceeded {
            return format!("the server was ended: {exceeded}");
        }
        let signal = self.code - 128;
        let because = match signal {
            SIGXFSZ => {
                " because it wrote a file larger than it may (limits.file_size in the manifest)"
            }
            SIGXCPU => {
                " because it used more processor time than it may (limits.processor_time in the manifest)"
            }
            SIGSYS => {
                " because it made a system call of another architecture, which is how filters are evaded"
            }
            SIGKILL => {
                " because somebody killed it; if it was the kernel, the machine ran out of memory"
            }
            _ if self.code != 0 && self.processes_refused => {
                " after it was refused another process (limits.processes in the manifest)"
            }
            _ if self.code != 0
                && limits
                    .memory
                    .is_some_and(|limit| self.peak_memory >= limit - limit / 4) =>
            {
                " after it had used most of its memory (limits.memory in the manifest)"
            }
            _ => "",
        };
        format!(
            "the server ended unexpectedly (exit code {}){because}",
            self.code
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> ResourceLimits {
        ResourceLimits {
            memory: Some(1000 << 20),
            processes: Some(10),
            processor: Some(5000),
            disk: Some(1 << 20),
            ..Default::default()
        }
    }

    #[test]
    fn each_limit_is_judged_by_itself() {
        let fine = Usage {
            memory: (1000 << 20) - 1,
            processes: 9,
            processor: 4999,
        };
        assert_eq!(exceeded(&fine, &limits()), None);
        assert_eq!(exceeded(&fine, &ResourceLimits::default()), None);
        for (usage, resource) in [
            (
                Usage {
                    memory: 1000 << 20,
                    ..fine
                },
                Resource::Memory,
            ),
            (
                Usage {
                    processes: 10,
                    ..fine
                },
                Resource::Processes,
            ),
            (
                Usage {
                    processor: 5000,
                    ..fine
                },
                Resource::Processor,
            ),
        ] {
            assert_eq!(exceeded(&usage, &limits()).unwrap().resource, resource);
        }
        assert!(disk_exceeded((1 << 20) - 1, &limits()).is_none());
        assert!(disk_exceeded(1 << 20, &limits()).is_some());
        let unmeasured = disk_exceeded(u64::MAX, &limits()).unwrap().to_string();
        assert!(unmeasured.contains("can't be measured"), "{unmeasured}");
    }

    #[test]
    fn what_the_kernel_has_counted_is_part_of_the_report() {
        let killed = Report {
            code: 128 + nix::libc::SIGKILL,
            peak_memory: 5 << 20,
            processor: 40,
            ..Default::default()
        };
        let counted = |memory_exceeded| Counted {
            peak_memory: Some((1000 << 20) - 4096),
            peak_processes: Some(9),
            processor: Some(30),
            memory_exceeded,
            processes_refused: false,
        };
        let report = killed.clone().counted(&counted(true), &limits());
        assert_eq!(report.peak_memory, (1000 << 20) - 4096);
        assert_eq!((report.peak_processes, report.processor), (9, 40));
        let reason = report.reason(&limits());
        assert!(
            reason.contains("was ended: its processes use 1000 MiB"),
            "{reason}"
        );
        assert!(reason.contains("limits.memory"), "{reason}");
        // The same end without the limit is somebody else's doing.
        let other = killed.clone().counted(&counted(false), &limits());
        assert_eq!(other.exceeded, None);
        assert!(other.reason(&limits()).contains("somebody killed it"));
        // What the monitor has found comes first.
        let found = Exceeded {
            resource: Resource::Disk,
            used: 2,
            limit: 1,
        };
        let disk = Report {
            exceeded: Some(found),
            ..killed
        };
        assert_eq!(
            disk.counted(&counted(true), &limits()).exceeded,
            Some(found)
        );
    }

    #[test]
    fn a_refused_process_is_a_reason_only_for_an_end() {
        let ended = |code| {
            let report = Report {
                code,
                ..Default::default()
            };
            let refused = Counted {
                processes_refused: true,
                ..Default::default()
            };
            report.counted(&refused, &limits()).reason(&limits())
        };
        assert!(ended(1).contains("limits.processes"), "{}", ended(1));
        assert!(!ended(0).contains("limits.processes"), "{}", ended(0));
    }

    #[test]
    fn the_reason_names_the_line_to_change() {
        let with_code = |code, peak_memory| Report {
            code,
            peak_memory,
            ..Default::default()
        };
        for (report, word) in [
            (with_code(128 + nix::libc::SIGXFSZ, 0), "limits.file_size"),
            (with_code(134, 900 << 20), "limits.memory"),
            (with_code(137, 0), "out of memory"),
        ] {
            let reason = report.reason(&limits());
            assert!(reason.contains(word), "{reason}");
        }
        let plain = with_code(3, 0).reason(&limits());
        assert_eq!(plain, "the server ended unexpectedly (exit code 3)");
        let ended = Report {
            exceeded: Some(Exceeded {
                resource: Resource::Memory,
                used: 2 << 30,
                limit: 1 << 30,
            }),
            ..with_code(137, 0)
        };
        assert!(ended.reason(&limits()).contains("2048 MiB"));
    }
}
