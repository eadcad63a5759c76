//! `pinfold observe`: a run that is watched, in the box as it is, and what the manifest lacks or grants
//! in vain.

mod apply;
mod client;
mod judge;
mod show;

use std::io::IsTerminal as _;
use std::path::Path;

use anyhow::Context as _;

use super::args::Observe;
use super::context::Context;
use super::exit::{Exit, UsageError};
use super::session::{self, Occasion, Wanted};
use super::signals::StopSignals;
use super::{output, stderr};
use crate::audit::Caller;
use crate::launch::{self, Launcher, StateFolder, Stop};
use crate::lockfile::{ServerName, replace_atomically};
use crate::observe::{Observed, Observer};
use crate::relay::Redaction;
use client::Call;
use judge::Judged;

/// More than this was not written by pinfold.
const MAX_BYTES: u64 = 128 << 20;

pub(super) async fn run(manifest: Option<&Path>, arguments: &Observe) -> anyhow::Result<Exit> {
    if arguments.report || arguments.apply {
        let context = Context::open(manifest)?;
        let judged = Judged {
            limits_calls: arguments.system_calls,
            ..judge::judge(&context, &arguments.name, None).await?
        };
        if arguments.apply {
            return apply::apply(&context, &judged, arguments.yes);
        }
        show(&judged, arguments.json);
        return Ok(Exit::Success);
    }
    if arguments.system_calls {
        return Err(UsageError(
            "`--system-calls` is about what was observed up to now: with `--report` it shows the list, with `--apply` it writes it".to_owned(),
        )
        .into());
    }
    let calls: Vec<Call> = arguments
        .call
        .iter()
        .map(|text| Call::parse(text).map_err(UsageError))
        .collect::<Result<_, _>>()?;
    let mut stop = StopSignals::listen().context("could not listen for signals")?;
    let is_own_client = !calls.is_empty() || std::io::stdin().is_terminal();
    let context = Context::open(manifest);
    let started = async {
        let context = context
            .as_ref()
            .map_err(|error| anyhow::anyhow!("{error:#}"))?;
        let observer = Observer::new(&policy_of(context, &arguments.name));
        let occasion = Occasion {
            observer: Some(observer.clone()),
            ..Occasion::of(Caller::embedded())
        };
        let wanted = Wanted::Name(arguments.name.clone());
        let started = session::start(context, &wanted, occasion).await?;
        anyhow::Ok((started, observer))
    };
    let (started, observer) = match started.await {
        Ok(started) => started,
        Err(error) if is_own_client => return Err(error),
        Err(error) => {
            return tokio::select! {
                refused = session::refuse(&error) => refused,
                _ = stop.first() => Ok(Exit::Refused),
            };
        }
    };
    let redaction = started.service.policy.redaction.clone();
    let stopped = async { Stop::by_signal(stop.first().await) };
    let (exit, answers) = if is_own_client {
        let (end, answers) = client::serve(started.service, stopped, &calls).await?;
        (end, Some(answers))
    } else {
        (session::serve(started.service, stopped).await?, None)
    };
    let context = context?;
    keep(&context, arguments, observer.finish(), &redaction)?;
    let judged = judge::judge(&context, &arguments.name, answers).await;
    match judged {
        Ok(judged) if is_own_client => {
            show(&judged, arguments.json);
            Ok(exit)
        }
        Ok(judged) => {
            stderr::note(&show::summary(&judged));
            Ok(exit)
        }
        Err(error) if is_own_client => Err(error),
        // The session itself was in order.
        Err(error) => {
            stderr::error(&error);
            Ok(exit)
        }
    }
}

fn show(judged: &Judged, json: bool) {
    if json {
        output::data(&show::document(judged).to_string());
    } else {
        for line in show::lines(judged) {
            output::data(&line);
        }
    }
}

/// The digest of the policy that is going to be in force. Where there is none, the launch says why.
fn policy_of(context: &Context, name: &str) -> String {
    let digest = || -> anyhow::Result<String> {
        let manifest = context.manifest()?;
        let lock = context.lock()?;
        let (_, server, locked) = context.server(name, &manifest, &lock)?;
        let launcher = Launcher::new(&context.paths, &context.store, &context.environment);
        let policy = launcher.policy(server, locked.interpreter.as_ref())?;
        Ok(policy.digest().to_string())
    };
    digest().unwrap_or_default()
}

/// Adds a run to what is known of the server.
fn keep(
    context: &Context,
    arguments: &Observe,
    observed: Observed,
    redaction: &Redaction,
) -> anyhow::Result<()> {
    let name: ServerName = arguments.name.parse()?;
    let path = StateFolder::planned(context.paths.server_state(&name)).observed_path();
    let before = match arguments.anew {
        true => None,
        false => load(&path).unwrap_or_default(),
    };
    let all = match before {
        Some(before) => before.and(observed),
        None => observed,
    };
    // A path or a tool's name may hold a secret, and the server chose it.
    let all = all.cleaned(
        |text| redaction.of_text(text).into_owned(),
        |host| redaction.of_hosts(host).into_owned(),
    );
    let text = serde_json::to_string(&all)?;
    replace_atomically(&path, text.as_bytes(), 0o600)
        .with_context(|| format!("could not write {}", path.display()))
}

/// What was observed up to now; `None` when nothing was.
fn load(path: &Path) -> anyhow::Result<Option<Observed>> {
    use std::io::Read as _;
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let mut text = Vec::new();
    file.take(MAX_BYTES).read_to_end(&mut text)?;
    serde_json::from_slice(&text)
        .map(Some)
        .with_context(|| format!("{} was not written by this version", path.display()))
}

/// Those of a session that has ended, in one code.
fn exit_of(ended: &launch::SessionEnd) -> Exit {
    match ended {
        launch::SessionEnd::ClientClosed => Exit::Success,
        launch::SessionEnd::Stopped { signal, .. } => super::signals::code(*signal),
        launch::SessionEnd::Quarantined { .. } => Exit::Refused,
        launch::SessionEnd::ServerEnded { code, .. } => {
            Exit::Server(u8::try_from(*code).unwrap_or(u8::MAX))
        }
    }
}
