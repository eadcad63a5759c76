//! `run` by the daemon: who is asked, what is handed over, and how the end comes back. Reads no
//! manifest and no lock, but to look up the name of a command.

use std::io::IsTerminal as _;
use std::os::fd::AsFd as _;
use std::path::Path;
use std::pin::pin;
use std::time::Duration;

use super::argv::server_for_argv;
use super::daemon_choice::{DaemonChoice, VARIABLE};
use super::exit::Exit;
use super::session::Wanted;
use super::signals::{self, StopSignals};
use super::{output, stderr};
use crate::config::{Environment, Manifest, Paths};
use crate::daemon::DaemonError;
use crate::daemon::client::{Answered, Reception, RemoteSession, ask_to_run};
use crate::daemon::protocol::{self, Places, ToRun};
use crate::launch;

/// For the daemon's answer, where the server can be served without it.
const PATIENCE: Duration = Duration::from_secs(2);
/// And where it can't.
const LONG_PATIENCE: Duration = Duration::from_secs(20);
/// For a session to take what was handed over, from when the daemon last said that it has to wait.
const TAKING_TIME: Duration = Duration::from_secs(5);
/// For a session that was told of a signal to end.
const ENDING_TIME: Duration = Duration::from_secs(4);

/// What came of asking.
pub(super) enum Outcome {
    /// The daemon has served the session to its end.
    Served(Exit),
    /// It is to be refused, in the client's protocol.
    Refused(anyhow::Error),
    /// It is served here. Nothing was read of the client.
    Here,
}

/// Has the daemon serve it where it is there and may.
pub(super) async fn hand_over(
    manifest: Option<&Path>,
    wanted: &Wanted,
    choice: Option<DaemonChoice>,
    stop: &mut StopSignals,
) -> Outcome {
    let environment = Environment::current();
    let choice = match DaemonChoice::of(choice, &environment) {
        Ok(choice) => choice,
        Err(error) => return Outcome::Refused(error.into()),
    };
    let is_required = match choice {
        DaemonChoice::Never => return Outcome::Here,
        DaemonChoice::Require => true,
        DaemonChoice::Auto => false,
    };
    let patience = if is_required { LONG_PATIENCE } else { PATIENCE };
    let not_served = match ask(&environment, manifest, wanted, patience, stop).await {
        Ok(Asked::Ended(exit)) => return Outcome::Served(exit),
        Ok(Asked::Refused(reason)) => return Outcome::Refused(anyhow::Error::msg(reason)),
        Ok(Asked::Unserved(reason)) => reason,
        Err(error) => {
            let was_there = !matches!(
                error.downcast_ref::<DaemonError>(),
                Some(DaemonError::NotRunning { .. } | DaemonError::NoRuntimeFolder)
            );
            let reason = output::chain(&error);
            if was_there && !is_required {
                stderr::note(&format!("pinfold: served without the daemon: {reason}"));
            }
            reason
        }
    };
    if is_required {
        return Outcome::Refused(anyhow::anyhow!(
            "it is to be served by the daemon only (--daemon=require, or {VARIABLE}), and can't be: {not_served}"
        ));
    }
    tracing::info!("served without the daemon: {not_served}");
    Outcome::Here
}

enum Asked {
    Ended(Exit),
    Unserved(String),
    Refused(String),
}

async fn ask(
    environment: &Environment,
    manifest: Option<&Path>,
    wanted: &Wanted,
    patience: Duration,
    stop: &mut StopSignals,
) -> anyhow::Result<Asked> {
    // Whatever is wrong with the files is said by the session that reads them.
    let unserved = |reason: &str| Ok(Asked::Unserved(reason.to_owned()));
    let paths = match Paths::resolve(environment, manifest) {
        Ok(paths) => paths,
        Err(error) => return unserved(&error.to_string()),
    };
    let socket = paths.control_socket().ok_or(DaemonError::NoRuntimeFolder)?;
    if std::io::stdin().is_terminal() {
        return unserved("its input is a terminal");
    }
    let Some(places) = places(&paths) else {
        return unserved("the path of the manifest or of a folder is not UTF-8");
    };
    let server = match wanted {
        Wanted::Name(name) => name.clone(),
        Wanted::Argv(argv) => match Manifest::load(&paths) {
            Ok(manifest) => match server_for_argv(argv, &manifest) {
                Ok(name) => name.to_string(),
                Err(reason) => return unserved(&reason),
            },
            Err(error) => return unserved(&error.to_string()),
        },
    };
    let handover = match ask_to_run(&socket, protocol::Wanted { server, places }, patience).await? {
        Reception::Ready(handover) => handover,
        Reception::Unserved(reason) => return Ok(Asked::Unserved(reason)),
        Reception::Refused(reason) => return Ok(Asked::Refused(reason)),
    };
    let streams = launch::streams()?;
    let session = handover
        .give(streams.each_ref().map(|stream| stream.as_fd()))
        .await?;
    drop(streams);
    follow(&session, stop).await
}

/// The places that a daemon must have to serve this; `None` where they can't be told.
pub(super) fn places(paths: &Paths) -> Option<Places> {
    let text = |path: &Path| path.to_str().map(str::to_owned);
    Some(Places {
        manifest: text(&paths.manifest)?,
        data: text(&paths.data)?,
        state: text(&paths.state)?,
    })
}

/// Waits for the end, and passes a signal on.
async fn follow(session: &RemoteSession, stop: &mut StopSignals) -> anyhow::Result<Asked> {
    let ended = async {
        // Where this fails nothing was read of the client.
        let mut said = match session.taken(TAKING_TIME).await? {
            Answered::Said(said) => Some(said),
            Answered::TooLate => None,
        };
        loop {
            match said {
                Some(ToRun::Taken | ToRun::Waiting) => {}
                Some(ToRun::Ended { code }) => return Ok(Asked::Ended(Exit::Server(code))),
                Some(ToRun::Refused { reason }) => return Ok(Asked::Refused(reason)),
                None => {
                    stderr::note(
                        "pinfold: the process that served this session is gone; `pinfold ps` shows whether the daemon is there, and its log (`journalctl --user -u pinfold`) what happened",
                    );
                    return Ok(Asked::Ended(Exit::Lost));
                }
            }
            said = session.next().await;
        }
    };
    let mut ended = pin!(ended);
    let signal = tokio::select! {
        ended = &mut ended => return ended,
        signal = stop.first() => signal,
    };
    session.signal(signal).await;
    match tokio::time::timeout(ENDING_TIME, ended).await {
        // Stopped before anybody had taken it: stopped.
        Ok(Ok(asked)) => Ok(asked),
        Ok(Err(_)) | Err(_) => Ok(Asked::Ended(signals::code(signal))),
    }
}
