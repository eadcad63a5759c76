//! A server that runs, and everything that its session is served with; also while nobody is served.

use std::io;

use tokio::process::ChildStderr;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::alarms::Tripped;
use super::meter::Meter;
use super::quarantine::{Imposed, ImposedBy};
use super::quarantine_watch::QuarantineWatch;
use super::session::{LAST_BREATH, end};
use super::session_end::{Used, recorded_end};
use super::shared_budget::SharedBudget;
use super::shown_tools::ShownTools;
use super::{LaunchError, Running};
use crate::audit::Recorder;
use crate::egress::Egress;
use crate::lockfile::ServerName;
use crate::observe::Observer;
use crate::relay::{Inquiry, LineSink, Redaction, SessionPolicy, StderrTail, drain_stderr};

/// A server's standard error on its way into a log, also while nobody is served.
pub struct Drained {
    pub(super) task: JoinHandle<()>,
    pub(super) tail: StderrTail,
}

impl Running {
    /// Reads its standard error from now on. Needs a runtime.
    pub fn drained(
        self,
        log: impl LineSink + Send + 'static,
        redaction: Redaction,
    ) -> Running<Drained> {
        let tail = StderrTail::default();
        let stderr = Drained {
            task: keep_draining(self.stderr, log, tail.clone(), redaction),
            tail,
        };
        Running {
            monitor: self.monitor,
            stdin: self.stdin,
            stdout: self.stdout,
            stderr,
            limits: self.limits,
            alarms: self.alarms,
            egress: self.egress,
            trees: self.trees,
            secret_folder: self.secret_folder,
        }
    }
}

/// What a session is served with.
pub struct Service {
    pub running: Running<Drained>,
    pub policy: SessionPolicy,
    pub shown_tools: ShownTools,
    pub meter: Meter,
    /// What calls cost is taken from this.
    pub budget: SharedBudget,
    pub quarantine: Guard,
    /// Where the session is recorded.
    pub recorder: Recorder,
    /// Who is told of calls while the server is watched.
    pub observer: Option<Observer>,
    /// Whoever may decide about calls in place of the client's user, if there is anybody.
    pub inquiries: Option<mpsc::Receiver<Inquiry>>,
}

impl Service {
    /// Waits until it is over though nobody was served, and says why: the server has ended, or it has
    /// to. Then [`Self::end`] is due. May be dropped and called again.
    ///
    /// # Errors
    /// What wait(2) reports.
    pub async fn over(&mut self) -> io::Result<String> {
        let Self {
            running,
            quarantine,
            ..
        } = self;
        let report = tokio::select! {
            biased;
            imposed = quarantine.watch.imposed() => {
                // It gets no time to do anything more.
                running.monitor.kill();
                return Ok(quarantine.reason(&imposed));
            }
            tripped = running.alarms.tripped() => {
                running.monitor.kill();
                return Ok(quarantine.impose(&tripped, &self.recorder));
            }
            report = running.monitor.ended() => report?,
        };
        if let Some(tripped) = running.alarms.at_end(&report) {
            return Ok(quarantine.impose(&tripped, &self.recorder));
        }
        let mut reason = report.reason(&running.limits);
        let _ = timeout(LAST_BREATH, &mut running.stderr.task).await;
        if let Some(last) = running.stderr.tail.lines().last() {
            reason = format!("{reason}: {last}");
        }
        Ok(reason)
    }

    /// Ends the server, and all that it has started, without having served anybody.
    ///
    /// # Errors
    /// What wait(2) reports.
    pub async fn end(mut self) -> io::Result<()> {
        let report = end(&mut self.running.monitor).await?;
        let egress = self.running.egress.as_ref().map(Egress::meter);
        let totals = egress.map(|egress| egress.hosts()).unwrap_or_default();
        let used = Used::of(&report);
        self.recorder
            .end(recorded_end("unused", None, None, used, &totals));
        Ok(())
    }
}

/// A session's part in the quarantine of its server.
pub struct Guard {
    pub watch: QuarantineWatch,
    pub name: ServerName,
    /// The command that lifts it.
    pub release: String,
    /// The command that explains the server.
    pub explain: String,
}

impl Guard {
    /// What a client is told.
    pub(super) fn reason(&self, imposed: &Imposed) -> String {
        self.error(imposed).to_string()
    }

    pub fn error(&self, imposed: &Imposed) -> LaunchError {
        LaunchError::Quarantined {
            name: self.name.clone(),
            imposed: imposed.describe(),
            release: self.release.clone(),
        }
    }

    /// Puts the server into quarantine, for all its sessions, and says what clients are told.
    pub(super) fn impose(&self, tripped: &Tripped, recorder: &Recorder) -> String {
        let place = self.watch.quarantine();
        let by = ImposedBy::Alarm(tripped.alarm);
        let imposed = place.impose(by, Some(&tripped.what));
        // Afterwards: nothing that the log has to say keeps a server running.
        recorder.alarm(tripped.alarm.name(), &tripped.what, imposed.is_ok());
        let imposed = match imposed {
            Ok(Some(already)) => Some(already),
            Ok(None) => place.look(),
            Err(error) => {
                return format!(
                    "`{}` was ended by the alarm `{}`: {}; its quarantine could not be recorded ({error}), so it can be started again: `pinfold quarantine {}` tries again",
                    self.name,
                    tripped.alarm.name(),
                    tripped.what,
                    self.name
                );
            }
        };
        match imposed {
            Some(imposed) => self.reason(&imposed),
            // Released in the same moment.
            None => format!(
                "`{}` was ended by the alarm `{}`: {}",
                self.name,
                tripped.alarm.name(),
                tripped.what
            ),
        }
    }
}

pub(super) fn keep_draining(
    stderr: ChildStderr,
    log: impl LineSink + Send + 'static,
    tail: StderrTail,
    redaction: Redaction,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        let report = drain_stderr(stderr, log, &tail, &redaction).await;
        if let Some(error) = report.sink_error {
            tracing::warn!("the server's standard error could not be kept: {error}");
        }
    })
}
