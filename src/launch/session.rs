//! One session from the first line to the last process: relay, and the ladder that ends it.

use std::borrow::Cow;
use std::future::Future;
use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::process::ChildStderr;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use super::alarms::Tripped;
use super::meter::Meter;
use super::quarantine::{Imposed, ImposedBy};
use super::quarantine_watch::QuarantineWatch;
use super::shared_budget::SharedBudget;
use super::shown_tools::ShownTools;
use super::spawn::Monitor;
use super::{LaunchError, Running};
use crate::audit::{self, Recorder};
use crate::egress::{Egress, HostCounters};
use crate::lockfile::ServerName;
use crate::relay::{
    End, Event, Grants, Introspection, LineSink, Pump, Redaction, RelayError, Session,
    SessionPolicy, StderrTail, drain_stderr, introspect,
};
use crate::sandbox::Report;

/// After the client closed: time for answers under way, and for the server to end by itself.
const CLOSING_TIME: Duration = Duration::from_millis(800);
/// After SIGTERM. Together with the above less than the 2 s after which clients send SIGTERM to us.
const TERMINATION_TIME: Duration = Duration::from_millis(500);
/// For a server that has closed its output: time to end and leave its exit code.
const LAST_BREATH: Duration = Duration::from_millis(500);
/// For telling the client that no answer will come.
const FAREWELL_TIME: Duration = Duration::from_secs(1);
/// After which a server that is asked for its tools is given up.
const LEARNING_TIME: Duration = Duration::from_secs(60);
/// Events that are said aloud; a hostile server could make millions.
const MAX_SPOKEN_EVENTS: u32 = 100;

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
    /// We were asked to stop, by this signal.
    Stopped { signal: i32 },
    /// The server was put into quarantine; `reason` is what the client was told.
    Quarantined { reason: String },
}

/// Why a session is to end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stop {
    /// The number of the signal that asked for it, or that it is like.
    pub signal: i32,
    /// What the client is told, for each request that still waits; `None` where it knows.
    pub reason: Option<String>,
}

impl Stop {
    /// By a signal, which says nothing.
    pub fn by_signal(signal: i32) -> Self {
        Self {
            signal,
            reason: None,
        }
    }
}

/// What the processes of a session have used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Used {
    /// The most at one time, in bytes. Seen by the monitor, or counted by the kernel where the server
    /// has a control group; that holds for the other two as well.
    pub peak_memory: u64,
    /// The most processes and threads at one time.
    pub peak_processes: u64,
    /// Processor time, in milliseconds.
    pub processor: u64,
}

impl Used {
    fn of(report: &Report) -> Self {
        Self {
            peak_memory: report.peak_memory,
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

/// A server's standard error on its way into a log, also while nobody is served.
pub struct Drained {
    task: JoinHandle<()>,
    tail: StderrTail,
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
                return Ok(quarantine.impose(&tripped));
            }
            report = running.monitor.ended() => report?,
        };
        if let Some(tripped) = running.alarms.at_end(&report) {
            return Ok(quarantine.impose(&tripped));
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
}

/// Relays between the client and a running server until one of them, or `stop`, ends it; then
/// ends every process of the session.
///
/// # Errors
/// When reading from either side fails.
pub async fn serve(
    service: Service,
    client_in: impl AsyncRead + Unpin,
    client_out: impl AsyncWrite + Unpin,
    stop: impl Future<Output = Stop>,
) -> Result<Ended, LaunchError> {
    let mut used = Used::default();
    let recorder = service.recorder.clone();
    let egress = service.running.egress.as_ref().map(Egress::meter);
    let end = until_the_end(service, client_in, client_out, stop, &mut used).await;
    // Nothing moves any more.
    let totals = egress.map(|egress| egress.hosts()).unwrap_or_default();
    recorder.end(as_recorded(&end, used, &totals));
    end.map(|end| Ended { end, used })
}

/// The end as the audit log has it.
fn as_recorded(
    end: &Result<SessionEnd, LaunchError>,
    used: Used,
    totals: &[HostCounters],
) -> audit::Ended {
    let (how, code, reason) = match end {
        Ok(SessionEnd::ClientClosed) => ("client_closed", None, None),
        Ok(SessionEnd::Stopped { signal }) => {
            ("stopped", None, Some(format!("by signal {signal}")))
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

fn recorded_end(
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

async fn until_the_end(
    service: Service,
    client_in: impl AsyncRead + Unpin,
    client_out: impl AsyncWrite + Unpin,
    stop: impl Future<Output = Stop>,
    used: &mut Used,
) -> Result<SessionEnd, LaunchError> {
    let Service {
        running,
        policy,
        mut shown_tools,
        budget,
        quarantine,
        meter,
        recorder,
    } = service;
    let Running {
        mut monitor,
        stdin,
        stdout,
        stderr: Drained {
            task: draining,
            tail,
        },
        limits,
        mut alarms,
        egress: _egress,
        secret_folder: _secret_folder,
        trees: _trees,
    } = running;
    let mut spoken = 0;
    let mut listener = alarms.of_relay();
    let events = |event: &Event| {
        meter.note(event);
        listener.hear_relay(event, std::time::Instant::now());
        match event {
            Event::ToolsShown { differing } => shown_tools.note(differing.iter().cloned()),
            event => {
                recorder.event(event);
                speak(event, &mut spoken);
            }
        }
    };
    let mut pump = Pump::new(
        client_in,
        client_out,
        stdin,
        stdout,
        Session::new(policy)
            .with_budget(Box::new(budget))
            .recorded_in(Box::new(recorder.clone())),
        events,
    );
    let first = tokio::select! {
        biased;
        imposed = quarantine.watch.imposed() => Err(Interruption::Imposed(imposed)),
        tripped = alarms.tripped() => Err(Interruption::Tripped(tripped)),
        end = pump.run_until_client_closes() => Ok(end),
        stop = stop => Err(Interruption::Stop(stop)),
    };
    let first = match first {
        Ok(End::ClientClosed) => tokio::select! {
            biased;
            imposed = quarantine.watch.imposed() => Err(Interruption::Imposed(imposed)),
            tripped = alarms.tripped() => Err(Interruption::Tripped(tripped)),
            end = pump.drain(Instant::now() + CLOSING_TIME) => Ok(end),
        },
        other => other,
    };
    let last = match first {
        Ok(last) => last,
        Err(Interruption::Stop(Stop { signal, reason })) => {
            let farewell = async {
                if let Some(reason) = reason {
                    let deadline = Instant::now() + FAREWELL_TIME;
                    let _ = pump.answer_outstanding(&reason, deadline).await;
                }
            };
            let (ended, ()) = tokio::join!(end(&mut monitor), farewell);
            *used = Used::of(&ended?);
            return Ok(SessionEnd::Stopped { signal });
        }
        Err(interruption) => {
            // It gets no time to do anything more.
            monitor.kill();
            let reason = match interruption {
                Interruption::Tripped(tripped) => quarantine.impose(&tripped),
                Interruption::Imposed(imposed) => quarantine.reason(&imposed),
                Interruption::Stop(_) => String::new(),
            };
            *used = Used::of(&monitor.ended().await?);
            let deadline = Instant::now() + FAREWELL_TIME;
            let _ = pump.answer_outstanding(&reason, deadline).await;
            return Ok(SessionEnd::Quarantined { reason });
        }
    };
    // What the server did last may have tripped one, too.
    let tripped = alarms.has_tripped();
    match last {
        End::ServerClosed => {
            let report = match timeout(LAST_BREATH, monitor.ended()).await {
                Ok(report) => report?,
                Err(_) => {
                    let report = end(&mut monitor).await?;
                    *used = Used::of(&report);
                    if report.exceeded.is_none() && tripped.is_none() {
                        return Ok(SessionEnd::ClientClosed);
                    }
                    report
                }
            };
            *used = Used::of(&report);
            // Whoever still holds the pipe has been ended; now it can be read to its end.
            let _ = timeout(LAST_BREATH, draining).await;
            let tripped = tripped.or_else(|| alarms.at_end(&report));
            let reason = match &tripped {
                Some(tripped) => quarantine.impose(tripped),
                None => report.reason(&limits),
            };
            let _ = pump
                .answer_outstanding(&reason, Instant::now() + FAREWELL_TIME)
                .await;
            if tripped.is_some() {
                return Ok(SessionEnd::Quarantined { reason });
            }
            let code = report.code;
            let last_words = if code == 0 { Vec::new() } else { tail.lines() };
            Ok(SessionEnd::ServerEnded {
                code,
                reason,
                last_words,
            })
        }
        End::Failed(error) => {
            end(&mut monitor).await?;
            Err(error.into())
        }
        End::ClientClosed | End::ClientGone(_) | End::DeadlinePassed => {
            let report = end(&mut monitor).await?;
            *used = Used::of(&report);
            if let Some(tripped) = tripped.or_else(|| alarms.at_end(&report)) {
                let reason = quarantine.impose(&tripped);
                return Ok(SessionEnd::Quarantined { reason });
            }
            Ok(SessionEnd::ClientClosed)
        }
    }
}

/// What ends a session in the middle.
enum Interruption {
    Stop(Stop),
    Imposed(Imposed),
    Tripped(Tripped),
}

impl Guard {
    /// What a client is told.
    fn reason(&self, imposed: &Imposed) -> String {
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
    fn impose(&self, tripped: &Tripped) -> String {
        let place = self.watch.quarantine();
        let by = ImposedBy::Alarm(tripped.alarm);
        let imposed = match place.impose(by, Some(&tripped.what)) {
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

/// Asks a running server what it is and which tools it has, as a client that has all
/// capabilities of which `grants` let the server make use; then ends it.
///
/// `secrets` are names and values that it was given and that nobody else gets to see.
///
/// # Errors
/// When it doesn't answer as an MCP server; the message holds its last words. When a definition
/// holds a secret.
pub async fn learn(
    running: Running,
    name: &ServerName,
    grants: &Grants,
    secrets: Vec<(String, String)>,
    log: impl LineSink + Send + 'static,
) -> Result<Introspection, LaunchError> {
    let Running {
        mut monitor,
        stdin,
        stdout,
        stderr,
        egress: _egress,
        secret_folder: _secret_folder,
        trees: _trees,
        ..
    } = running;
    let tail = StderrTail::default();
    let redaction = Redaction::new(secrets);
    let draining = keep_draining(stderr, log, tail.clone(), redaction.clone());
    let learned = introspect(stdin, stdout, grants, LEARNING_TIME).await;
    end(&mut monitor).await?;
    let _ = timeout(LAST_BREATH, draining).await;
    let learned = learned.map_err(|source| LaunchError::Learn {
        source: without_secrets(source, &redaction),
        last_words: last_words(&tail),
    })?;
    match place_of_secret(&learned, &redaction) {
        None => Ok(learned),
        Some(place) => Err(LaunchError::SecretSaid {
            name: name.clone(),
            place,
        }),
    }
}

/// The server's own words in an error, cleaned.
fn without_secrets(error: RelayError, redaction: &Redaction) -> RelayError {
    match error {
        RelayError::Refused {
            step,
            code,
            message,
        } => RelayError::Refused {
            step,
            code,
            message: redaction.of_text(&message).into_owned(),
        },
        RelayError::BadAnswer { step, reason } => RelayError::BadAnswer {
            step,
            reason: redaction.of_text(&reason).into_owned(),
        },
        other => other,
    }
}

/// Where what is kept of a server, and shown, holds a secret.
fn place_of_secret(learned: &Introspection, redaction: &Redaction) -> Option<String> {
    let holds = |text: &str| matches!(redaction.of_text(text), Cow::Owned(_));
    let said = |text: &Option<String>| text.as_deref().is_some_and(holds);
    if said(&learned.instructions) {
        return Some("its instructions".to_owned());
    }
    if said(&learned.server_name) || said(&learned.server_version) {
        return Some("its name or version".to_owned());
    }
    let tool = learned
        .tools
        .iter()
        .position(|tool| holds(&tool.name) || holds(&String::from_utf8_lossy(&tool.canonical)))?;
    Some(format!("the definition of its tool number {}", tool + 1))
}

fn last_words(tail: &StderrTail) -> String {
    let lines = tail.lines();
    if lines.is_empty() {
        return "it wrote nothing to standard error".to_owned();
    }
    format!(
        "the last lines of its standard error:\n  {}",
        lines.join("\n  ")
    )
}

fn keep_draining(
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

fn speak(event: &Event, spoken: &mut u32) {
    *spoken = spoken.saturating_add(1);
    if *spoken <= MAX_SPOKEN_EVENTS {
        tracing::warn!("{event}");
    } else if *spoken == MAX_SPOKEN_EVENTS + 1 {
        tracing::warn!("further events of this session are not shown");
    }
}

/// SIGTERM to all, then SIGKILL to all; returns when none is left.
pub(super) async fn end(monitor: &mut Monitor) -> io::Result<Report> {
    monitor.terminate();
    if let Ok(report) = timeout(TERMINATION_TIME, monitor.ended()).await {
        return report;
    }
    monitor.kill();
    monitor.ended().await
}
