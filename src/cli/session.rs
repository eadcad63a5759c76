//! One session of one server, from the decision to its last process: what `pinfold run` does itself,
//! and what it has the daemon do.

use std::io::IsTerminal as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

use super::argv::server_for_argv;
use super::auditing;
use super::calls::call_rules;
use super::context::{Agreed, Context};
use super::exit::{Exit, UsageError};
use super::fingerprint::Fingerprint;
use super::{output, signals, stderr, summary};

use crate::audit::{Caller, Recorder, Start};
use crate::config::shell_word;
use crate::launch::{
    self, Guard, LaunchError, Launcher, Meter, Service, SessionEnd, SharedBudget, ShownTools,
    StateFolder, Stop,
};
use crate::lockfile::ServerName;
use crate::observe::Observer;
use crate::relay::{self, CallRules, LineSink as _, Pins, Redaction, SessionPolicy, StderrLog};
use crate::sandbox::{Layer, Plan};

/// Names of withheld variables that are recorded; a client has a hundred or so.
const MAX_WITHHELD: usize = 500;

/// Which server is meant.
#[derive(Clone, Debug)]
pub(super) enum Wanted {
    Name(String),
    /// The command that was in mcp.json before.
    Argv(Vec<String>),
}

/// That it may start, and how.
struct Decision {
    name: ServerName,
    prepared: launch::Prepared,
    pins: Pins,
    calls: CallRules,
    shown_tools: ShownTools,
    budget: SharedBudget,
    quarantine: Guard,
    log: StderrLog,
    /// What is recorded of it, but for the layers.
    start: Start,
    fingerprint: Fingerprint,
}

/// For whom a session is started, and what it is started with.
pub(super) struct Occasion {
    pub caller: Caller,
    pub meter: Meter,
    /// The session's name in the audit log, if it has one already.
    pub id: Option<String>,
    /// The folder of the session's control group, where it has one.
    pub group: Option<PathBuf>,
    /// Who watches the server, if anybody is to.
    pub observer: Option<Observer>,
}

impl Occasion {
    /// Nothing but a caller.
    pub(super) fn of(caller: Caller) -> Self {
        Self {
            caller,
            meter: Meter::default(),
            id: None,
            group: None,
            observer: None,
        }
    }
}

/// A server that runs, and that nobody has spoken to.
pub(super) struct Started {
    pub service: Service,
    /// What its client has to know, which was said on standard error when it was started.
    pub notice: Option<String>,
    /// What it was started from.
    pub fingerprint: Fingerprint,
}

/// Starts the server in its box, once everything is found to be as it was locked.
pub(super) async fn start(
    context: &Context,
    wanted: &Wanted,
    occasion: Occasion,
) -> anyhow::Result<Started> {
    let started = start_recorded(context, wanted, occasion).await;
    if let Err(error) = &started {
        let name = match wanted {
            Wanted::Name(name) => Some(name.as_str()),
            // It may hold anything.
            Wanted::Argv(_) => None,
        };
        auditing::launch_refused(context, name, error);
    }
    started
}

async fn start_recorded(
    context: &Context,
    wanted: &Wanted,
    occasion: Occasion,
) -> anyhow::Result<Started> {
    let Occasion {
        caller,
        meter,
        id,
        group,
        observer,
    } = occasion;
    let mut launcher = Launcher::new(&context.paths, &context.store, &context.environment);
    if let Some(group) = group {
        launcher = launcher.in_group(group);
    }
    // Everything that decides runs here. If it panics the answer is no, like on any error.
    let decided = catch_unwind(AssertUnwindSafe(|| {
        decide(context, &launcher, wanted, &caller)
    }));
    let Decision {
        name,
        mut prepared,
        pins,
        calls,
        shown_tools,
        budget,
        quarantine,
        mut log,
        start,
        fingerprint,
    } = decided.unwrap_or_else(|_| {
        Err(anyhow::anyhow!(
            "the decision failed, which is a bug of pinfold"
        ))
    })?;
    let (audit, arguments) = auditing::open_log(context).map_err(LaunchError::Audit)?;
    let recorder = Recorder::new(audit, name.as_str(), id, arguments);
    let redaction = Redaction::new(prepared.secrets);
    recorder.redact(redaction.clone());
    prepared.launch.recorder = Some(recorder.clone());
    prepared.launch.observer.clone_from(&observer);
    if !prepared.withheld.is_empty() {
        tracing::info!("withheld from the server: {}", prepared.withheld.join(", "));
    }
    if let Some(notice) = &prepared.notice {
        stderr::warning(notice);
        log.write_line(&format!("pinfold: {notice}"))?;
    }
    for limitation in &prepared.policy.limitations {
        tracing::info!("{limitation}");
    }
    let announce = |plan: &Plan| Ok(recorder.start(with_layers(start, plan))?);
    // Dropped in the middle, a launch takes its box down.
    let started = tokio::select! {
        biased;
        imposed = quarantine.watch.imposed() => return Err(quarantine.error(&imposed).into()),
        started = launcher.start_announced(prepared.launch, prepared.code, announce) => started?,
    };
    log.write_line(&format!(
        "pinfold: session begins; in force: {}",
        summary::layers(&started.plan)
    ))?;
    for limitation in &started.plan.limitations {
        tracing::info!("{limitation}");
    }
    meter.watch(&started.running);
    meter.confined(&started.plan);
    let service = Service {
        running: started.running.drained(log, redaction.clone()),
        policy: SessionPolicy {
            calls,
            redaction,
            neutralise: prepared.policy.calls.neutralise,
            granted_paths: prepared.policy.granted_paths(),
            grants: prepared.policy.protocol,
            passed_calls: meter.passed_calls(),
            ..SessionPolicy::locked(prepared.policy.tools, pins)
        },
        shown_tools,
        budget,
        quarantine,
        meter,
        recorder,
        observer,
        inquiries: None,
    };
    Ok(Started {
        service,
        notice: prepared.notice,
        fingerprint,
    })
}

fn with_layers(start: Start, plan: &Plan) -> Start {
    let names = |layers: &[Layer]| layers.iter().copied().map(Layer::name).collect();
    Start {
        layers: names(&plan.layers),
        missing: names(&plan.missing()),
        ..start
    }
}

/// Serves it on standard input and output until one side, or `stop`, ends it.
pub(super) async fn serve(
    service: Service,
    stop: impl Future<Output = Stop>,
) -> anyhow::Result<Exit> {
    let streams = launch::input().and_then(|input| Ok((input, launch::output()?)));
    let (input, output) = match streams {
        Ok(streams) => streams,
        // The daemon's client hands over whatever it likes. It was begun, so its end is recorded.
        Err(error) => {
            service.end().await?;
            return Err(anyhow::Error::new(error)
                .context("standard input or output is none that can be read or written"));
        }
    };
    let ended = launch::serve(service, input, output, stop).await?;
    Ok(match ended.end {
        SessionEnd::ClientClosed => Exit::Success,
        SessionEnd::Stopped { signal, .. } => signals::code(signal),
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
    stderr::error(error);
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

fn decide(
    context: &Context,
    launcher: &Launcher<'_>,
    wanted: &Wanted,
    caller: &Caller,
) -> anyhow::Result<Decision> {
    let agreed = context.agreed()?;
    let Agreed {
        manifest,
        manifest_digest,
        lock,
        lock_digest,
    } = &agreed;
    let name = match wanted {
        Wanted::Name(name) => name.clone(),
        Wanted::Argv(argv) => server_for_argv(argv, manifest)
            .map_err(UsageError)?
            .to_string(),
    };
    let (name, server, locked) = context.server(&name, manifest, lock)?;
    // Before anything of it is looked at: what changes later is then seen.
    let fingerprint = Fingerprint::of(context, launcher, &agreed, (&name, server, locked));
    let state = StateFolder::create(context.paths.server_state(&name))?;
    // Watched first and then looked at: one that comes between is seen by the watch.
    let quarantine = Guard {
        watch: state.watch_quarantine()?,
        name: name.clone(),
        release: command(context, "release", &name),
        explain: command(context, "explain", &name),
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
    let start = Start {
        pinfold: env!("CARGO_PKG_VERSION"),
        mode: caller.mode,
        client: caller.client.clone(),
        version: locked
            .version
            .as_deref()
            .map(|version| output::foreign(version, 100)),
        tree: locked.tree.to_string(),
        manifest: manifest_digest.to_string(),
        lock: lock_digest.to_string(),
        layers: Vec::new(),
        missing: Vec::new(),
        withheld: prepared
            .withheld
            .iter()
            .take(MAX_WITHHELD)
            .map(|name| output::foreign(name, 128))
            .collect(),
    };
    Ok(Decision {
        calls: call_rules(context, &name, &prepared.policy),
        name,
        prepared,
        pins,
        shown_tools: state.shown_tools(),
        budget: state.budget(),
        quarantine,
        log,
        start,
        fingerprint,
    })
}

/// What to type for this server of this manifest.
pub(super) fn command(context: &Context, verb: &str, name: &ServerName) -> String {
    if context.paths.own_manifest {
        return format!("pinfold {verb} {name}");
    }
    let manifest = shell_word(&context.paths.manifest.to_string_lossy());
    format!("pinfold --manifest {manifest} {verb} {name}")
}
