//! `pinfold run`: the command for mcp.json. Standard output belongs to the protocol.

use std::io::IsTerminal;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use anyhow::Context as _;

use super::args::Run;
use super::argv::server_for_argv;
use super::calls::call_rules;
use super::context::Context;
use super::exit::{Exit, UsageError};
use super::signals::{self, StopSignals};
use super::summary;
use super::{log, output};
use crate::launch::{self, Launcher, Running, SessionEnd, ShownTools, StateFolder};
use crate::lockfile::ServerName;
use crate::relay::{self, CallRules, LineSink as _, Pins, Redaction, SessionPolicy, StderrLog};

/// A server that was started, and what its session needs.
struct Started {
    running: Running,
    policy: SessionPolicy,
    shown_tools: ShownTools,
    log: StderrLog,
}

/// That it may start, and how.
struct Decision {
    prepared: launch::Prepared,
    pins: Pins,
    calls: CallRules,
    shown_tools: ShownTools,
    log: StderrLog,
}

pub(super) async fn run(manifest: Option<&Path>, arguments: Run) -> anyhow::Result<Exit> {
    let stop = StopSignals::listen().context("could not listen for signals")?;
    let started = match start(manifest, &arguments).await {
        Ok(started) => started,
        Err(error) => return refuse(&error).await,
    };
    let end = launch::serve(
        started.running,
        launch::input()?,
        launch::output()?,
        started.policy,
        started.log,
        started.shown_tools,
        stop.first(),
    )
    .await?;
    Ok(match end {
        SessionEnd::ClientClosed => Exit::Success,
        SessionEnd::Stopped { signal } => signals::code(signal),
        SessionEnd::ServerEnded {
            code,
            reason,
            last_words,
        } => {
            if code != 0 {
                log::note(&format!("pinfold: {reason}"));
            }
            for line in last_words {
                log::note(&format!("  {line}"));
            }
            server_code(code)
        }
    })
}

async fn start(manifest: Option<&Path>, arguments: &Run) -> anyhow::Result<Started> {
    let context = Context::open(manifest)?;
    let launcher = Launcher::new(&context.paths, &context.store, &context.environment);
    // Everything that decides runs here. If it panics the answer is no, like on any error.
    let decided = catch_unwind(AssertUnwindSafe(|| decide(&context, &launcher, arguments)));
    let Decision {
        prepared,
        pins,
        calls,
        shown_tools,
        mut log,
    } = decided.unwrap_or_else(|_| {
        Err(anyhow::anyhow!(
            "the decision failed, which is a bug of pinfold"
        ))
    })?;
    if !prepared.withheld.is_empty() {
        tracing::info!("withheld from the server: {}", prepared.withheld.join(", "));
    }
    if let Some(notice) = &prepared.notice {
        output::warning(notice);
        log.write_line(&format!("pinfold: {notice}"))?;
    }
    for limitation in &prepared.policy.limitations {
        tracing::info!("{limitation}");
    }
    let started = launcher.start(prepared.launch, prepared.code).await?;
    log.write_line(&format!(
        "pinfold: session begins; in force: {}",
        summary::layers(&started.plan)
    ))?;
    for limitation in &started.plan.limitations {
        tracing::info!("{limitation}");
    }
    Ok(Started {
        running: started.running,
        policy: SessionPolicy {
            calls,
            redaction: Redaction::new(prepared.secrets),
            neutralise: prepared.policy.calls.neutralise,
            granted_paths: prepared.policy.granted_paths(),
            grants: prepared.policy.protocol,
            ..SessionPolicy::locked(prepared.policy.tools, pins)
        },
        shown_tools,
        log,
    })
}

fn decide(context: &Context, launcher: &Launcher<'_>, arguments: &Run) -> anyhow::Result<Decision> {
    let (manifest, lock) = context.trusted()?;
    let name = match &arguments.name {
        Some(name) => name.clone(),
        None => server_for_argv(&arguments.argv, &manifest)
            .map_err(UsageError)?
            .to_string(),
    };
    let (name, server, locked) = context.server(&name, &manifest, &lock)?;
    let state = StateFolder::create(context.paths.server_state(&name))?;
    let prepared = launcher.prepare(&name, server, locked, &state)?;
    let log = StderrLog::open(&state.log_path())?;
    let pins = Pins {
        tools: locked.behaviour.tools.clone(),
        instructions: locked.behaviour.instructions,
        review: review_command(context, &name),
    };
    Ok(Decision {
        calls: call_rules(context, &name, &prepared.policy),
        prepared,
        pins,
        shown_tools: state.shown_tools(),
        log,
    })
}

fn review_command(context: &Context, name: &ServerName) -> String {
    if context.paths.own_manifest {
        return format!("pinfold review {name}");
    }
    let manifest = context.paths.manifest.display();
    format!("pinfold --manifest {manifest} review {name}")
}

/// Tells the client why, in its own protocol, so that it shows a reason instead of a crash.
async fn refuse(error: &anyhow::Error) -> anyhow::Result<Exit> {
    output::error(error);
    if !std::io::stdin().is_terminal() {
        let message = format!(
            "pinfold refused to start this server: {}",
            output::chain(error)
        );
        // A client that has gone needs no answer.
        let _ = relay::refuse(launch::input()?, launch::output()?, &message).await;
    }
    Ok(Exit::Refused)
}

fn server_code(code: i32) -> Exit {
    Exit::Server(u8::try_from(code).unwrap_or(u8::MAX))
}
