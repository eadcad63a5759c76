//! One session from the first line to the last process: relay, and the ladder that ends it.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::Signal;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, timeout};

use super::alarms::Tripped;
use super::observed_calls::ObservedCalls;
use super::quarantine::Imposed;
use super::service::{Drained, Service};
use super::session_end::{Ended, SessionEnd, Stop, Used, as_recorded};
use super::spawn::Monitor;
use super::wide_pipe::WidePipe;
use super::{LaunchError, Running};
use crate::egress::Egress;
use crate::lockfile::ToolName;
use crate::relay::{Differing, End, Event, Pump, Redaction, Session};
use crate::sandbox::Report;
use crate::sys;

/// After the client closed: time for answers under way, and for the server to end by itself.
const CLOSING_TIME: Duration = Duration::from_millis(800);
/// After SIGTERM. Together with the above less than the 2 s after which clients send SIGTERM to us.
const TERMINATION_TIME: Duration = Duration::from_millis(500);
/// For a server that has closed its output: time to end and leave its exit code.
pub(super) const LAST_BREATH: Duration = Duration::from_millis(500);
/// Why a server was ended that has closed its output and goes on.
const STAYED: &str =
    "the server closed its output, so it could answer nothing any more, and was ended";
/// For what the client has said when a session that has just begun is to end.
const HEARING_TIME: Duration = Duration::from_millis(100);
/// For telling the client that no answer will come.
const FAREWELL_TIME: Duration = Duration::from_secs(1);
/// Until a session has begun and its client knows the server: most answer within half a second.
const SETTLING_TIME: Duration = Duration::from_secs(3);
/// Events that are said aloud; a hostile server could make millions.
const MAX_SPOKEN_EVENTS: u32 = 100;

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
        observer,
        inquiries,
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
    let redaction = policy.redaction.clone();
    let explain = quarantine.explain.clone();
    let mut listener = alarms.of_relay();
    let events = |event: &Event| {
        meter.note(event);
        listener.hear_relay(event, std::time::Instant::now());
        match event {
            Event::ToolsShown { differing } => {
                shown_tools.note(differing.iter().map(|one| without_secrets(one, &redaction)));
            }
            event => {
                recorder.event(event);
                speak(event, &explain, &redaction, &mut spoken);
            }
        }
    };
    let mut session = Session::new(policy)
        .with_budget(Box::new(budget))
        .recorded_in(match observer {
            None => Box::new(recorder.clone()),
            Some(observer) => Box::new(ObservedCalls::new(recorder.clone(), observer)),
        });
    if inquiries.is_some() {
        session = session.with_decider();
    }
    let (stdin, stdout) = (WidePipe::new(stdin), WidePipe::new(stdout));
    let mut pump =
        Pump::new(client_in, client_out, stdin, stdout, session, events).with_inquiries(inquiries);
    let first = tokio::select! {
        biased;
        imposed = quarantine.watch.imposed() => Err(Interruption::Imposed(imposed)),
        tripped = alarms.tripped() => Err(Interruption::Tripped(tripped)),
        end = pump.run_until_client_closes() => Ok(end),
        stop = stop => Err(Interruption::Stop(stop)),
        never = give_back_what_the_start_took() => match never {},
    };
    let client_closed = matches!(first, Ok(End::ClientClosed));
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
        Err(Interruption::Stop(Stop {
            signal,
            cause,
            reason,
        })) => {
            let farewell = async {
                if let Some(reason) = reason {
                    // It may have come before the client's first word was looked at.
                    pump.hear_client_out(HEARING_TIME).await;
                    let deadline = Instant::now() + FAREWELL_TIME;
                    let _ = pump.answer_outstanding(&reason, deadline).await;
                }
            };
            let (ended, ()) = tokio::join!(end(&mut monitor), farewell);
            *used = Used::of(&ended?);
            return Ok(SessionEnd::Stopped { signal, cause });
        }
        Err(interruption) => {
            // It gets no time to do anything more.
            monitor.kill();
            let reason = match interruption {
                Interruption::Tripped(tripped) => quarantine.impose(&tripped, &recorder),
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
            let (report, stayed) = match timeout(LAST_BREATH, monitor.ended()).await {
                Ok(report) => (report?, false),
                // One that was only slow to end has left a code of its own.
                Err(_) => {
                    let report = end(&mut monitor).await?;
                    let stayed = is_ours(report.code) && report.exceeded.is_none();
                    (report, stayed)
                }
            };
            *used = Used::of(&report);
            if stayed && client_closed && tripped.is_none() {
                return Ok(SessionEnd::ClientClosed);
            }
            // Whoever still holds the pipe has been ended; now it can be read to its end.
            let _ = timeout(LAST_BREATH, draining).await;
            let tripped = tripped.or_else(|| alarms.at_end(&report));
            let reason = match &tripped {
                Some(tripped) => quarantine.impose(tripped, &recorder),
                None if stayed => STAYED.to_owned(),
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
            *used = Used::of(&end(&mut monitor).await?);
            Err(error.into())
        }
        End::ClientClosed | End::ClientGone(_) | End::DeadlinePassed => {
            let report = end(&mut monitor).await?;
            *used = Used::of(&report);
            if let Some(tripped) = tripped.or_else(|| alarms.at_end(&report)) {
                let reason = quarantine.impose(&tripped, &recorder);
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

/// Ends never. Not at once: the first messages, for which a client waits, would only bring most of
/// it back.
async fn give_back_what_the_start_took() -> Infallible {
    tokio::time::sleep(SETTLING_TIME).await;
    sys::give_back_code();
    sys::give_back_heap();
    std::future::pending().await
}

/// `explain` is the command that explains the server.
fn speak(event: &Event, explain: &str, redaction: &Redaction, spoken: &mut u32) {
    *spoken = spoken.saturating_add(1);
    if *spoken <= MAX_SPOKEN_EVENTS {
        let text = format!("{event}{}", hint(event, explain));
        tracing::warn!("{}", redaction.of_text(&text));
    } else if *spoken == MAX_SPOKEN_EVENTS + 1 {
        tracing::warn!("further events of this session are not shown");
    }
}

/// The command that says what would allow it. Only of a name that could be a tool's: a person may
/// paste it into a shell.
fn hint(event: &Event, explain: &str) -> String {
    match event {
        Event::Denied { tool } if tool.parse::<ToolName>().is_ok() => {
            format!("; `{explain} --why \"tool {tool}\"` says what would allow it")
        }
        _ => String::new(),
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

/// A definition that holds a secret is kept nowhere.
fn without_secrets(differing: &Differing, redaction: &Redaction) -> Differing {
    let is_public = |text: &Arc<str>| redaction.of_text(text) == **text;
    Differing {
        definition: differing.definition.clone().filter(is_public),
        ..differing.clone()
    }
}

/// Whether a server's code is that of the signals by which [`end`] ends it.
fn is_ours(code: i32) -> bool {
    [Signal::SIGTERM, Signal::SIGKILL]
        .map(|signal| 128 + signal as i32)
        .contains(&code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_call_names_the_command_that_says_more() {
        let denied = |tool: &str| Event::Denied {
            tool: tool.to_owned(),
        };
        assert_eq!(
            hint(&denied("delete_all"), "pinfold explain x"),
            "; `pinfold explain x --why \"tool delete_all\"` says what would allow it"
        );
        // Whatever else a client calls is not put into a command.
        for tool in ["a b", "$(x)", "\"", ""] {
            assert_eq!(hint(&denied(tool), "pinfold explain x"), "");
        }
        assert_eq!(hint(&Event::ReplyToServerDropped, "pinfold explain x"), "");
    }
}
