//! One session from the first line to the last process: relay, and the ladder that ends it.

use std::borrow::Cow;
use std::future::Future;
use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::process::ChildStderr;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use super::shown_tools::ShownTools;
use super::spawn::Monitor;
use super::{LaunchError, Running};
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
}

/// What a session is served with.
pub struct Service<Log> {
    pub running: Running,
    pub policy: SessionPolicy,
    /// Where the server's standard error goes.
    pub log: Log,
    pub shown_tools: ShownTools,
}

/// Relays between the client and a running server until one of them, or `stop`, ends it; then
/// ends every process of the session. `stop` yields the number of the signal that asked for it.
///
/// # Errors
/// When reading from either side fails.
pub async fn serve<Log: LineSink + Send + 'static>(
    service: Service<Log>,
    client_in: impl AsyncRead + Unpin,
    client_out: impl AsyncWrite + Unpin,
    stop: impl Future<Output = i32>,
) -> Result<SessionEnd, LaunchError> {
    let Service {
        running,
        policy,
        log,
        mut shown_tools,
    } = service;
    let Running {
        mut monitor,
        stdin,
        stdout,
        stderr,
        limits,
        egress: _egress,
        secret_folder: _secret_folder,
        trees: _trees,
    } = running;
    let tail = StderrTail::default();
    let redaction = policy.redaction.clone();
    let draining = keep_draining(stderr, log, tail.clone(), redaction);
    let mut spoken = 0;
    let events = |event: &Event| match event {
        Event::ToolsShown { differing } => shown_tools.note(differing.iter().cloned()),
        event => speak(event, &mut spoken),
    };
    let mut pump = Pump::new(
        client_in,
        client_out,
        stdin,
        stdout,
        Session::new(policy),
        events,
    );
    let first = tokio::select! {
        end = pump.run_until_client_closes() => Ok(end),
        signal = stop => Err(signal),
    };
    let last = match first {
        Err(signal) => {
            end(&mut monitor).await?;
            return Ok(SessionEnd::Stopped { signal });
        }
        Ok(End::ClientClosed) => pump.drain(Instant::now() + CLOSING_TIME).await,
        Ok(end) => end,
    };
    match last {
        End::ServerClosed => {
            let report = match timeout(LAST_BREATH, monitor.ended()).await {
                Ok(report) => report?,
                Err(_) => {
                    let report = end(&mut monitor).await?;
                    if report.exceeded.is_none() {
                        return Ok(SessionEnd::ClientClosed);
                    }
                    report
                }
            };
            // Whoever still holds the pipe has been ended; now it can be read to its end.
            let _ = timeout(LAST_BREATH, draining).await;
            let reason = report.reason(&limits);
            let _ = pump
                .answer_outstanding(&reason, Instant::now() + FAREWELL_TIME)
                .await;
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
            end(&mut monitor).await?;
            Ok(SessionEnd::ClientClosed)
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
