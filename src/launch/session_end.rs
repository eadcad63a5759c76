//! How a session ended, what it has used, and what of that is recorded.

use super::LaunchError;
use crate::audit;
use crate::egress::HostCounters;
use crate::sandbox::Report;

/// How a session ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionEnd {
    /// The client closed its side.
    ClientClosed,
    /// The server ended by itself, with this code (128 and the number for a signal). Its last
    /// lines of standard error are there when the code is not 0; `reason` says more where it can.
    ServerEnded {
        code: i32,
        reason: String,
        last_words: Vec<String>,
    },
    /// We were asked to stop; `signal` as in [`Stop`].
    Stopped { signal: i32, cause: StopCause },
    /// The server was put into quarantine; `reason` is what the client was told.
    Quarantined { reason: String },
}

/// Who or what asked for a session's end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StopCause {
    /// A signal that this process, or the `run` that it serves, has got.
    Signal,
    /// The daemon has said so, for this reason.
    Daemon(String),
    /// The channel to the daemon has ended.
    DaemonLost,
    /// The connection to `pinfold run` has ended.
    RunLost,
}

/// Why a session is to end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stop {
    /// The number of the signal that asked for it, or that it is like.
    pub signal: i32,
    pub cause: StopCause,
    /// What the client is told, for each request that still waits; `None` where it knows.
    pub reason: Option<String>,
}

impl Stop {
    /// By a signal, which says nothing.
    pub fn by_signal(signal: i32) -> Self {
        Self {
            signal,
            cause: StopCause::Signal,
            reason: None,
        }
    }
}

/// What the processes of a session have used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Used {
    /// The most at one time, in bytes; `None` is unknown. Seen by the monitor, or counted by the
    /// kernel where the server has a control group; that holds for the other two as well. Of a
    /// session that ended before either, what its largest process had resident.
    pub peak_memory: Option<u64>,
    /// The most processes and threads at one time.
    pub peak_processes: u64,
    /// Processor time, in milliseconds.
    pub processor: u64,
}

impl Used {
    pub(super) fn of(report: &Report) -> Self {
        Self {
            peak_memory: [report.peak_memory, report.peak_resident]
                .into_iter()
                .find(|peak| *peak > 0),
            peak_processes: report.peak_processes,
            processor: report.processor,
        }
    }
}

/// A session that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    pub end: SessionEnd,
    pub used: Used,
}

/// The end as the audit log has it.
pub(super) fn as_recorded(
    end: &Result<SessionEnd, LaunchError>,
    used: Used,
    totals: &[HostCounters],
) -> audit::Ended {
    let (how, code, reason) = match end {
        Ok(SessionEnd::ClientClosed) => ("client_closed", None, None),
        Ok(SessionEnd::Stopped { signal, cause }) => {
            ("stopped", None, Some(recorded_cause(*signal, cause)))
        }
        Ok(SessionEnd::Quarantined { reason }) => ("quarantined", None, Some(reason.clone())),
        Ok(SessionEnd::ServerEnded { code, reason, .. }) => {
            let reason = (*code != 0).then(|| reason.clone());
            ("server_ended", Some(*code), reason)
        }
        Err(error) => ("failed", None, Some(error.to_string())),
    };
    recorded_end(how, code, reason, used, totals)
}

fn recorded_cause(signal: i32, cause: &StopCause) -> String {
    match cause {
        StopCause::Signal => format!("by signal {signal}"),
        StopCause::Daemon(reason) => reason.clone(),
        StopCause::DaemonLost => {
            "the channel to the daemon ended: it was killed or crashed".to_owned()
        }
        StopCause::RunLost => {
            "the connection to `pinfold run` ended: it was killed or crashed".to_owned()
        }
    }
}

pub(super) fn recorded_end(
    how: &'static str,
    code: Option<i32>,
    reason: Option<String>,
    used: Used,
    totals: &[HostCounters],
) -> audit::Ended {
    let egress = totals.iter().map(|host| audit::EgressTotal {
        host: host.host.as_ref().map(ToString::to_string),
        allowed: host.allowed,
        refused: host.refused,
        sent: host.sent,
        received: host.received,
    });
    audit::Ended {
        how,
        code,
        reason,
        peak_memory: used.peak_memory,
        processor_ms: used.processor,
        egress: egress.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_that_nobody_saw_is_what_the_kernel_counted_or_unknown() {
        let of = |seen, resident| {
            let report = Report {
                peak_memory: seen,
                peak_resident: resident,
                ..Report::default()
            };
            Used::of(&report).peak_memory
        };
        assert_eq!(of(5, 9), Some(5));
        assert_eq!(of(0, 9), Some(9));
        assert_eq!(of(0, 0), None);
    }

    #[test]
    fn what_stopped_a_session_is_recorded_as_it_was() {
        let recorded = |cause| {
            let end = SessionEnd::Stopped { signal: 15, cause };
            as_recorded(&Ok(end), Used::default(), &[]).reason.unwrap()
        };
        assert_eq!(recorded(StopCause::Signal), "by signal 15");
        assert_eq!(recorded(StopCause::Daemon("as asked".into())), "as asked");
        let lost = recorded(StopCause::DaemonLost);
        assert!(lost.contains("channel to the daemon ended"), "{lost}");
        let lost = recorded(StopCause::RunLost);
        assert!(lost.contains("connection to `pinfold run` ended"), "{lost}");
    }
}
