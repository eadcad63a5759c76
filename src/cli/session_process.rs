//! One session of the daemon, in a process of its own: it takes the client's descriptors and does
//! what `pinfold run` would do by itself.

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use nix::sys::signal::Signal;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::context::Context;
use super::exit::{Exit, exit_for};
use super::session::{self, Wanted};
use super::signals::StopSignals;
use super::{log_to_stderr, output, runtime, stderr};
use crate::daemon::frames::Connection;
use crate::daemon::protocol::{self, FromRun, Launch, Order, Report, Status, ToRun};
use crate::launch::{Meter, Stop};
use crate::sys;

/// The hidden verb, behind which the number of the channel's descriptor stands.
pub const VERB: &str = "__session";

/// For telling a client that its session has ended before it began.
const FAREWELL_TIME: Duration = Duration::from_secs(1);

/// What the client is told when the channel ends.
const DAEMON_LOST: &str = "pinfold's daemon has ended, and its sessions with it; the client can start the server again, which then runs with a new daemon or without one";

/// The session of a hidden verb: its arguments are the channel's descriptor and the manifest.
pub fn session(mut arguments: impl Iterator<Item = String>) -> ExitCode {
    log_to_stderr();
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
            output::error(&error);
            return Exit::Usage.into();
        }
    };
    let exit = runtime.block_on(async {
        let served = tokio::task::LocalSet::new()
            .run_until(async { serve(channel, manifest).await })
            .await;
        served.unwrap_or_else(|error| {
            output::error(&error);
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
    let connection = Arc::new(take(&channel).await?);
    // Where this fails `run` has gone, and so nothing is read of its client.
    connection.send(&ToRun::Taken).await?;
    let meter = Meter::default();
    let (tell, told) = oneshot::channel();
    let attending = {
        let (channel, connection) = (Arc::clone(&channel), Arc::clone(&connection));
        let meter = meter.clone();
        tokio::task::spawn_local(async move {
            let mut tell = Some(tell);
            attend(&channel, &connection, &meter, &mut stop, |reason| {
                if let Some(tell) = tell.take() {
                    // One that is about to end needs no telling.
                    let _ = tell.send(reason);
                }
            })
            .await;
        })
    };
    let session = tokio::task::spawn_local(run(manifest, launch, meter, told, channel));
    // A panic's own message has been printed.
    let exit = match session.await {
        Ok(Ok(exit)) => exit,
        Ok(Err(error)) => {
            output::error(&error);
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
async fn take(channel: &Connection) -> anyhow::Result<Connection> {
    let frame = channel
        .receive_frame()
        .await?
        .context("the daemon has gone")?;
    anyhow::ensure!(
        protocol::read::<Order>(&frame.bytes)? == Order::Take,
        "the daemon wants something else than a session"
    );
    let descriptors: [OwnedFd; protocol::STREAMS + 1] = frame
        .descriptors
        .try_into()
        .map_err(|_| anyhow::anyhow!("the descriptors of the client are missing"))?;
    let [input, output, error, connection] = descriptors;
    nix::unistd::dup2_stdin(input)?;
    nix::unistd::dup2_stdout(output)?;
    nix::unistd::dup2_stderr(error)?;
    Ok(Connection::new(connection)?)
}

async fn run(
    manifest: Option<PathBuf>,
    launch: Launch,
    meter: Meter,
    mut stop: oneshot::Receiver<Stop>,
    channel: Arc<Connection>,
) -> anyhow::Result<Exit> {
    tracing::debug!("session {}", launch.session);
    let wanted = Wanted::Name(launch.server);
    let started = async {
        let context = Context::open(manifest.as_deref())?;
        session::start(&context, &wanted, meter).await
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
        Ok(service) => {
            let stop = async {
                // It is dropped only with the session.
                stop.await
                    .unwrap_or_else(|_| Stop::by_signal(Signal::SIGTERM as i32))
            };
            session::serve(service, stop).await
        }
        Err(error) => tokio::select! {
            refused = session::refuse(&error) => refused,
            // Nobody is there to hear it, or nobody may.
            _ = &mut stop => Ok(Exit::Refused),
        },
    }
}

/// Answers the daemon, and says when and why the session is to end.
async fn attend(
    channel: &Connection,
    connection: &Connection,
    meter: &Meter,
    signals: &mut StopSignals,
    mut tell: impl FnMut(Stop),
) {
    let like_sigterm = |reason: Option<String>| Stop {
        signal: Signal::SIGTERM as i32,
        reason,
    };
    let mut run_is_there = true;
    loop {
        let from_run = async {
            if run_is_there {
                connection.receive::<FromRun>().await
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
                Ok(Some(Order::Stop { reason })) => tell(like_sigterm(Some(reason))),
                // The end of the channel, or something that no daemon says.
                Ok(Some(Order::Launch(_) | Order::Take) | None) | Err(_) => {
                    stderr::note(&format!("pinfold: {DAEMON_LOST}"));
                    return tell(like_sigterm(Some(DAEMON_LOST.to_owned())));
                }
            },
            said = from_run => match said {
                Ok(Some(FromRun::Signal { number })) => tell(Stop::by_signal(number)),
                Ok(None) | Err(_) => {
                    run_is_there = false;
                    tell(like_sigterm(None));
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
    }
}
