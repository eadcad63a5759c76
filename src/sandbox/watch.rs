//! The limits of a whole session, which no limit of a single process can hold: the monitor looks
//! after them.
//!
//! The kernel's own limits stop a process at once; this stops a session of many
//! processes within a second, and ten times as fast once it has come near.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::ResourceLimits;
use super::disk::{Measurement, Progress};
use super::report::{self, Exceeded};
use super::usage::{self, Usage};

const FIRST: Duration = Duration::from_millis(200);
const CALM: Duration = Duration::from_secs(1);
const ALERT: Duration = Duration::from_millis(100);
/// Between two rounds through the server's folders, and how much of the time these may take.
const DISK_PAUSE: Duration = Duration::from_secs(5);
const DISK_SHARE: u32 = 50;

pub(super) struct Watch {
    limits: ResourceLimits,
    folders: Vec<PathBuf>,
    next: Option<Instant>,
    next_disk: Option<Instant>,
    round: Option<(Measurement, Duration)>,
    /// The highest that was seen.
    pub(super) peak: Usage,
}

impl Watch {
    /// `folders` are the server's own.
    pub(super) fn new(limits: &ResourceLimits, folders: &[PathBuf]) -> Self {
        let now = Instant::now();
        let ResourceLimits {
            memory,
            processes,
            processor,
            disk,
            ..
        } = limits;
        let looks = memory.or(*processes).or(*processor).is_some();
        Self {
            limits: limits.clone(),
            folders: folders.to_vec(),
            next: looks.then(|| now + FIRST),
            next_disk: disk.map(|_| now + DISK_PAUSE),
            round: None,
            peak: Usage::default(),
        }
    }

    /// How long nothing is to be done; `None` for ever.
    pub(super) fn pause(&self) -> Option<Duration> {
        let now = Instant::now();
        [self.next, self.next_disk]
            .into_iter()
            .flatten()
            .min()
            .map(|next| next.saturating_duration_since(now))
    }

    /// Does what is due; tells which limit the session has reached.
    pub(super) fn look(&mut self) -> Option<Exceeded> {
        let now = Instant::now();
        if self.next.is_some_and(|next| next <= now) {
            let usage = usage::of_session();
            self.peak.memory = self.peak.memory.max(usage.memory);
            self.peak.processes = self.peak.processes.max(usage.processes);
            self.peak.processor = self.peak.processor.max(usage.processor);
            if let Some(exceeded) = report::exceeded(&usage, &self.limits) {
                return Some(exceeded);
            }
            self.next = Some(now + self.pace(&usage));
        }
        if self.next_disk.is_some_and(|next| next <= now) {
            return self.measure_disk();
        }
        None
    }

    fn pace(&self, usage: &Usage) -> Duration {
        let near = |used: u64, limit: Option<u64>| limit.is_some_and(|limit| used >= limit / 4);
        if near(usage.memory, self.limits.memory) || near(usage.processes, self.limits.processes) {
            ALERT
        } else {
            CALM
        }
    }

    fn measure_disk(&mut self) -> Option<Exceeded> {
        let now = Instant::now();
        let (mut round, spent) = self
            .round
            .take()
            .unwrap_or_else(|| (Measurement::begin(&self.folders), Duration::ZERO));
        let progress = round.step();
        let spent = spent + now.elapsed();
        match progress {
            Progress::Unfinished => {
                // At once again, but for what happened meanwhile.
                self.round = Some((round, spent));
                self.next_disk = Some(now);
                None
            }
            Progress::Finished(bytes) => {
                self.next_disk = Some(now + DISK_PAUSE.max(spent * DISK_SHARE));
                report::disk_exceeded(bytes, &self.limits)
            }
        }
    }
}
