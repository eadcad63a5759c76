//! The server's own control group: its limits from the spec, and what was counted for the report. Pure,
//! but for making it.

use std::path::Path;

use super::LaunchError;
use crate::cgroup::{Counts, GroupError, Limits, ServerGroup};
use crate::sandbox::{CGROUP, Counted, ResourceLimits, StepFailure};

/// Makes it in the group of the session, which the daemon has made.
///
/// # Errors
/// A step of the box that failed: who asks for a group gets one, or no server.
pub(super) fn make(session: &Path, limits: &ResourceLimits) -> Result<ServerGroup, LaunchError> {
    ServerGroup::make(session, &limits_of(limits)).map_err(|error| failed(&error))
}

pub(super) fn failed(error: &GroupError) -> LaunchError {
    LaunchError::Sandbox(StepFailure {
        step: CGROUP.to_owned(),
        message: error.to_string(),
    })
}

fn limits_of(limits: &ResourceLimits) -> Limits {
    Limits {
        memory: limits.memory,
        processes: limits.processes,
        cpu: limits.cpu,
    }
}

pub(super) fn counted(counts: &Counts) -> Counted {
    Counted {
        peak_memory: counts.peak_memory,
        peak_processes: counts.peak_processes,
        processor: counts.processor.map(|microseconds| microseconds / 1000),
        memory_exceeded: counts.out_of_memory,
        processes_refused: counts.refused_processes > 0,
    }
}
