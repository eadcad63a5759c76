//! One session of one server, from the decision to its last process: what `pinfold run` does itself,
//! and what it has the daemon do.

use std::io::IsTerminal as _;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::argv::server_for_argv;
use super::calls::call_rules;
use super::context::Context;
use super::exit::{Exit, UsageError};
use super::{output, signals, stderr, summary};

use crate::launch::{
    self, Guard, Launcher, Meter, Service, SessionEnd, SharedBudget, ShownTools, StateFolder, Stop,
};
use crate::lockfile::ServerName;
use crate::relay::{self, CallRules, LineSink as _, Pins, Redaction, SessionPolicy, StderrLog};

/// Which server is meant.
#[derive(Clone, Debug)]
pub(super) enum Wanted {
    Name(String),
    /// The command that was in mcp.json before.
    Argv(Vec<String>),
}

/// That it may start, and how.
struct Decision {
    prepared: launch::Prepared,
    pins: Pins,
    calls: CallRules,
    shown_tools: ShownTools,
    budget: SharedBudget,
    quarantine: Guard,
    log: StderrLog,
}

/// Starts the server in its box, once everything is found to be as it was locked.
pub(super) async fn start(
    context: &Context,
    wanted: &Wanted,
    meter: Meter,
) -> anyhow::Result<Service<StderrLog>> {
    let launcher = Launcher::new(&context.paths, &context.store, &context.environment);
    // Everything that decides runs here. If it panics the answer is no, like on any error.
    let decided = catch_unwind(AssertUnwindSafe(|| decide(context, &launcher, wanted)));
    let Decision {
        prepared,
        pins,
        calls,
        shown_tools,
        budget,
        quarantine,
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
    // Dropped in the middle, a launch takes its box down.
    let started = tokio::select! {
        biased;
        imposed = quarantine.watch.imposed() => return Err(quarantine.error(&imposed).into()),
        started = launcher.start(prepared.launch, prepared.code) => started?,
    };
    log.write_line(&format!(
        "pinfold: session begins; in force: {}",
        summary::layers(&started.plan)
    ))?;
    for limitation in &started.plan.limitations {
        tracing::info!("{limitation}");
    }
    Ok(Service {
        running: started.running,
        policy: SessionPolicy {
            calls,
            redaction: Redaction::new(prepared.secrets),
            neutralise: prepared.policy.calls.neutralise,
            granted_paths: prepared.policy.granted_paths(),
            grants: prepared.policy.protocol,
            passed_calls: meter.passed_calls(),
            ..SessionPolicy::locked(prepared.policy.tools, pins)
        },
        log,
        shown_tools,
        budget,
        quarantine,
        meter,
    })
}

/// Serves it on standard input and output until one side, or `stop`, ends it.
pub(super) async fn serve(
    service: Service<StderrLog>,
    stop: impl Future<Output = Stop>,
) -> anyhow::Result<Exit> {
    let ended = launch::serve(service, launch::input()?, launch::output()?, stop).await?;
    Ok(match ended.end {
        SessionEnd::ClientClosed => Exit::Success,
        SessionEnd::Stopped { signal } => signals::code(signal),
        SessionEnd::Quarantined { reason } => {
            stderr::note(&format!("pinfold: {reason}"));
            Exit::Refused
        }
        SessionEnd::ServerEnded {
            code,
            reason,
            last_words,
        } => {
            if code != 0 {
                stderr::note(&format!("pinfold: {reason}"));
            }
            for line in last_words {
                stderr::note(&format!("  {line}"));
            }
            Exit::Server(u8::try_from(code).unwrap_or(u8::MAX))
        }
    })
}

/// Tells the client why, in its own protocol, so that it shows a reason instead of a crash.
pub(super) async fn refuse(error: &anyhow::Error) -> anyhow::Result<Exit> {
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

fn decide(context: &Context, launcher: &Launcher<'_>, wanted: &Wanted) -> anyhow::Result<Decision> {
    let (manifest, lock) = context.trusted()?;
    let name = match wanted {
        Wanted::Name(name) => name.clone(),
        Wanted::Argv(argv) => server_for_argv(argv, &manifest)
            .map_err(UsageError)?
            .to_string(),
    };
    let (name, server, locked) = context.server(&name, &manifest, &lock)?;
    let state = StateFolder::create(context.paths.server_state(&name))?;
    // Watched first and then looked at: one that comes between is seen by the watch.
    let quarantine = Guard {
        watch: state.watch_quarantine()?,
        name: name.clone(),
        release: command(context, "release", &name),
    };
    if let Some(imposed) = quarantine.watch.quarantine().look() {
        return Err(quarantine.error(&imposed).into());
    }
    let prepared = launcher.prepare(&name, server, locked, &state)?;
    let log = StderrLog::open(&state.log_path())?;
    let pins = Pins {
        tools: locked.behaviour.tools.clone(),
        instructions: locked.behaviour.instructions,
        review: command(context, "review", &name),
    };
    Ok(Decision {
        calls: call_rules(context, &name, &prepared.policy),
        prepared,
        pins,
        shown_tools: state.shown_tools(),
        budget: state.budget(),
        quarantine,
        log,
    })
}

/// What to type for this server of this manifest.
pub(super) fn command(context: &Context, verb: &str, name: &ServerName) -> String {
    if context.paths.own_manifest {
        return format!("pinfold {verb} {name}");
    }
    let manifest = context.paths.manifest.display();
    format!("pinfold --manifest {manifest} {verb} {name}")
}
