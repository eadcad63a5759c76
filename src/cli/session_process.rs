//! One session of the daemon, in a process of its own: it takes the client's descriptors and does
//! what `pinfold run` would do by itself.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use nix::sys::signal::Signal;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::context::Context;
use super::exit::{Exit, exit_for};
use super::held_calls::{MAX_INQUIRIES, answer_inquiries};
use super::session::{self, Occasion, Started, Wanted};
use super::signals::StopSignals;
use super::{log_to_stderr, output, runtime, stderr};
use crate::audit::{self, Caller, Mode};
use crate::daemon::PeerLife;
use crate::daemon::frames::{Connection, Frame};
use crate::daemon::protocol::{self, Client, FromRun, Launch, Order, Report, Status, ToRun};
use crate::launch::{Meter, Stop, StopCause};
use crate::relay::Inquiry;
use crate::sys;

/// The hidden verb, behind which the number of the channel's descriptor stands.
pub const VERB: &str = "__session";

/// For telling a client that its session has ended before it began.
const FAREWELL_TIME: Duration = Duration::from_secs(1);

/// Characters of a reason that the daemon is told.
const MAX_REASON: usize = 1000;

/// What the client is told when the channel ends.
const DAEMON_LOST: &str = "pinfold's daemon has ended, and its sessions with it; the client can start the server again, which then runs with a new daemon or without one";

/// The session of a hidden verb: its arguments are the channel's descriptor and the manifest.
pub fn session(mut arguments: impl Iterator<Item = String>) -> ExitCode {
    log_to_stderr();
    stderr::tell_panics();
    let channel = arguments
        .next()
        .and_then(|number| number.parse().ok())
        .ok_or_else(|| anyhow::anyhow!("only the daemon starts this"))
        .and_then(|number| sys::adopt(number).context("the daemon's channel is not there"));
    let manifest = arguments.next().map(PathBuf::from);
    let prepared = channel.and_then(|channel| Ok((channel, runtime().context("could not start")?)));
    let (channel, runtime) = match prepared {
        Ok(prepared) => prepared,
        Err(error) => {
            stderr::error(&error);
            stderr::finish();
            return Exit::Usage.into();
        }
    };
    let exit = runtime.block_on(async {
        let served = tokio::task::LocalSet::new()
            .run_until(async { serve(channel, manifest).await })
            .await;
        served.unwrap_or_else(|error| {
            stderr::error(&error);
            exit_for(&error)
        })
    });
    runtime.shutdown_background();
    stderr::finish();
    exit.into()
}

/// Takes one session, serves it, and tells `run` how it ended.
async fn serve(channel: OwnedFd, manifest: Option<PathBuf>) -> anyhow::Result<Exit> {
    let mut stop = StopSignals::listen().context("could not listen for signals")?;
    let channel = Arc::new(Connection::new(channel)?);
    let Some(Order::Launch(launch)) = channel.receive().await? else {
        anyhow::bail!("the daemon wants nothing");
    };
    let meter = Meter::default();
    let (taken, warm) = if launch.warm {
        match wait_warm(&channel, &mut stop, manifest.as_deref(), &launch, &meter).await? {
            Some((taken, started)) => (taken, Some(started)),
            None => return Ok(Exit::Success),
        }
    } else {
        let frame = channel.receive_frame().await?;
        (take(frame.context("the daemon has gone")?)?, None)
    };
    let (connection, client) = taken;
    tracing::debug!("session {} for process {}", launch.session, client.run_pid);
    let connection = Arc::new(connection);
    // Where this fails `run` has gone, and so nothing is read of its client.
    let taken = async {
        let run = PeerLife::of(&*connection, &client)?;
        connection.send(&ToRun::Taken).await?;
        anyhow::Ok(run)
    };
    let run_life = match taken.await {
        Ok(run_life) => run_life,
        Err(error) => {
            if let Some(warm) = warm {
                warm.service.end().await?;
            }
            return Err(error.context("the client's `pinfold run` has gone"));
        }
    };
    let (tell, told) = oneshot::channel();
    let (inquire, inquiries) = mpsc::channel(1);
    let (ask, asked) = mpsc::channel(MAX_INQUIRIES);
    tokio::task::spawn_local(answer_inquiries(Arc::clone(&channel), asked, inquire));
    let attending = {
        let (channel, connection) = (Arc::clone(&channel), Arc::clone(&connection));
        let meter = meter.clone();
        tokio::task::spawn_local(async move {
            let mut tell = Some(tell);
            attend(
                &channel,
                (&connection, &run_life),
                &meter,
                &mut stop,
                &ask,
                |reason| {
                    if let Some(tell) = tell.take() {
                        // One that is about to end needs no telling.
                        let _ = tell.send(reason);
                    }
                },
            )
            .await;
        })
    };
    let outside = Outside {
        stop: told,
        inquiries,
    };
    let session =
        tokio::task::spawn_local(run(manifest, launch, warm, client, meter, outside, channel));
    // A panic's own message has been printed.
    let exit = match session.await {
        Ok(Ok(exit)) => exit,
        Ok(Err(error)) => {
            stderr::error(&error);
            exit_for(&error)
        }
        Err(_) => Exit::Internal,
    };
    // What is still to be said comes before the end.
    stderr::finish();
    let code = exit.code();
    // `run` may have gone; then nobody asks.
    let _ = timeout(FAREWELL_TIME, connection.send(&ToRun::Ended { code })).await;
    attending.abort();
    Ok(exit)
}

/// The client's three descriptors become this process's own; the fourth is its connection.
fn take(frame: Frame) -> anyhow::Result<(Connection, Client)> {
    let Order::Take { client } = protocol::read(&frame.bytes)? else {
        anyhow::bail!("the daemon wants something else than a session");
    };
    let descriptors: [OwnedFd; protocol::STREAMS + 1] = frame
        .descriptors
        .try_into()
        .map_err(|_| anyhow::anyhow!("the descriptors of the client are missing"))?;
    let [input, output, error, connection] = descriptors;
    nix::unistd::dup2_stdin(input)?;
    nix::unistd::dup2_stdout(output)?;
    nix::unistd::dup2_stderr(error)?;
    Ok((Connection::new(connection)?, client))
}

/// Starts the server and keeps it, with nobody to speak to it, until there is a client for it;
/// `None` when it has ended, or is to.
async fn wait_warm(
    channel: &Connection,
    signals: &mut StopSignals,
    manifest: Option<&Path>,
    launch: &Launch,
    meter: &Meter,
) -> anyhow::Result<Option<((Connection, Client), Started)>> {
    let mut starting = pin!(start(manifest, launch, meter.clone(), None));
    let mut started: Option<Started> = None;
    loop {
        let has_started = started.is_some();
        let ended = async {
            match &mut started {
                Some(started) => started.service.over().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            result = &mut starting, if !has_started => match result {
                Ok(found) => {
                    let fingerprint = found.fingerprint.to_string();
                    started = Some(found);
                    sys::give_back_code();
                    channel.send(&Report::Warm { fingerprint }).await?;
                }
                Err(error) => return failed(channel, &output::chain(&error)).await,
            },
            reason = ended => {
                let reason = reason?;
                if let Some(kept) = started.take() {
                    kept.service.end().await?;
                }
                return failed(channel, &reason).await;
            }
            frame = channel.receive_frame() => {
                let order = match &frame {
                    Ok(Some(frame)) => protocol::read(&frame.bytes).ok(),
                    Ok(None) | Err(_) => None,
                };
                match (order, frame, started.take()) {
                    (Some(Order::Status), _, kept) => {
                        started = kept;
                        // The end of the channel is seen by the next turn.
                        let _ = channel.send(&Report::Status(status(meter))).await;
                    }
                    (Some(Order::Take { .. }), Ok(Some(frame)), Some(kept)) => {
                        match take(frame) {
                            Ok(taken) => return Ok(Some((taken, kept))),
                            Err(error) => {
                                kept.service.end().await?;
                                return Err(error);
                            }
                        }
                    }
                    // It is to end, or the daemon has ended or says what no daemon says.
                    (_, _, kept) => return discard(kept).await,
                }
            }
            _ = signals.first() => return discard(started.take()).await,
        }
    }
}

async fn discard<T>(started: Option<Started>) -> anyhow::Result<Option<T>> {
    if let Some(started) = started {
        started.service.end().await?;
    }
    Ok(None)
}

async fn failed<T>(channel: &Connection, reason: &str) -> anyhow::Result<Option<T>> {
    let reason = protocol::reason(&output::foreign(reason, MAX_REASON));
    channel.send(&Report::Failed { reason }).await?;
    Ok(None)
}

/// `client` is not known yet where the server is to be kept warm.
async fn start(
    manifest: Option<&Path>,
    launch: &Launch,
    meter: Meter,
    client: Option<audit::Client>,
) -> anyhow::Result<Started> {
    let context = Context::open(manifest)?;
    let wanted = Wanted::Name(launch.server.clone());
    let mode = if client.is_some() {
        Mode::Daemon
    } else {
        Mode::Warm
    };
    let occasion = Occasion {
        caller: Caller { mode, client },
        meter,
        id: Some(launch.session.clone()),
        group: launch.group.as_ref().map(PathBuf::from),
        observer: None,
    };
    session::start(&context, &wanted, occasion).await
}

/// What reaches a session from elsewhere than its client and its server.
struct Outside {
    stop: oneshot::Receiver<Stop>,
    inquiries: mpsc::Receiver<Inquiry>,
}

async fn run(
    manifest: Option<PathBuf>,
    launch: Launch,
    warm: Option<Started>,
    client: Client,
    meter: Meter,
    outside: Outside,
    channel: Arc<Connection>,
) -> anyhow::Result<Exit> {
    let Outside {
        mut stop,
        inquiries,
    } = outside;
    let started = async {
        let client = audit::Client {
            pid: client.pid,
            command: Some(client.command),
        };
        match warm {
            Some(warm) => {
                warm.service.recorder.taken(&client)?;
                // It was said before there was anybody to hear it.
                if let Some(notice) = &warm.notice {
                    stderr::warning(notice);
                }
                Ok(warm)
            }
            None => start(manifest.as_deref(), &launch, meter, Some(client)).await,
        }
    };
    let started = tokio::select! {
        started = started => started,
        stopped = &mut stop => {
            let stopped = stopped?;
            if let Some(reason) = stopped.reason {
                let error = anyhow::Error::msg(reason);
                let _ = timeout(FAREWELL_TIME, session::refuse(&error)).await;
            }
            return Ok(super::signals::code(stopped.signal));
        }
    };
    // A daemon that has gone needs no telling.
    let _ = channel.send(&Report::Started).await;
    match started {
        Ok(Started { mut service, .. }) => {
            service.inquiries = Some(inquiries);
            let stop = async {
                // It is dropped only with the session.
                stop.await
                    .unwrap_or_else(|_| Stop::by_signal(Signal::SIGTERM as i32))
            };
            session::serve(service, stop).await
        }
        Err(error) => {
            let mut refusing = pin!(session::refuse(&error));
            tokio::select! {
                refused = &mut refusing => refused,
                stopped = &mut stop => {
                    // Else nobody is there to hear it. It may have come before a word was said.
                    if stopped.is_ok_and(|stopped| stopped.reason.is_some()) {
                        let _ = timeout(FAREWELL_TIME, refusing).await;
                    }
                    Ok(Exit::Refused)
                }
            }
        }
    }
}

/// Answers the daemon, and says when and why the session is to end.
async fn attend(
    channel: &Connection,
    (connection, run_life): (&Connection, &PeerLife),
    meter: &Meter,
    signals: &mut StopSignals,
    inquiries: &mpsc::Sender<Order>,
    mut tell: impl FnMut(Stop),
) {
    let like_sigterm = |cause: StopCause, reason: Option<String>| Stop {
        signal: Signal::SIGTERM as i32,
        cause,
        reason,
    };
    let mut run_is_there = true;
    loop {
        let from_run = async {
            if run_is_there {
                tokio::select! {
                    said = connection.receive::<FromRun>() => said,
                    () = run_life.ended() => Ok(None),
                }
            } else {
                std::future::pending().await
            }
        };
        tokio::select! {
            order = channel.receive::<Order>() => match order {
                Ok(Some(Order::Status)) => {
                    let report = Report::Status(status(meter));
                    // The end of the channel is seen by the next turn.
                    let _ = channel.send(&report).await;
                }
                Ok(Some(order @ (Order::Held | Order::Show { .. } | Order::Decide { .. }))) => {
                    // The other end is there as long as the process.
                    let _ = inquiries.send(order).await;
                }
                Ok(Some(Order::Stop { reason })) => {
                    tell(like_sigterm(StopCause::Daemon(reason.clone()), Some(reason)));
                },
                // The end of the channel, or something that no daemon says.
                Ok(Some(Order::Launch(_) | Order::Take { .. }) | None) | Err(_) => {
                    stderr::note(&format!("pinfold: {DAEMON_LOST}"));
                    let reason = DAEMON_LOST.to_owned();
                    return tell(like_sigterm(StopCause::DaemonLost, Some(reason)));
                }
            },
            said = from_run => match said {
                Ok(Some(FromRun::Signal { number })) => tell(Stop::by_signal(number)),
                Ok(None) | Err(_) => {
                    run_is_there = false;
                    tell(like_sigterm(StopCause::RunLost, None));
                }
            },
            signal = signals.first() => tell(Stop::by_signal(signal)),
        }
    }
}

fn status(meter: &Meter) -> Status {
    let read = meter.read();
    Status {
        server_pid: read.server,
        calls: read.calls,
        denied: read.denied,
        egress_sent: read.sent,
        egress_received: read.received,
        memory: read.memory,
        processor: read.processor,
        missing: meter.missing().iter().map(ToString::to_string).collect(),
    }
}
