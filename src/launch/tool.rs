//! Running a program in the box to its end, its output kept: npm, and `--version`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};

use super::prepare::{Launcher, SpecInput, private};
use super::spawn::Running;
use super::start::Launch;
use super::{LaunchError, StateFolder};
use crate::config::{EgressRule, EgressTier};
use crate::policy::{EffectivePolicy, Runtime};
use crate::sandbox::{Exceeded, Plan, Refusal};

/// A resolution over a slow network, retries included.
const RESOLVER_TIME: Duration = Duration::from_secs(300);
/// A resolver's messages; its answer is a file.
const MAX_RESOLVER_MESSAGES: usize = 1 << 20;

/// What a tool left behind.
#[derive(Clone, Debug)]
pub struct ToolOutput {
    /// `None` when it was ended because it took too long.
    pub code: Option<i32>,
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
    /// The limit for which it was ended.
    pub exceeded: Option<Exceeded>,
    /// What was in force around it.
    pub plan: Plan,
}

/// Runs a program of this machine with an empty standard input. Of each stream the first `max_bytes` are kept; the
/// rest is read and dropped, so that the tool can't block on a full pipe.
pub(super) async fn run_tool(
    launcher: &Launcher<'_>,
    launch: Launch,
    patience: Duration,
    max_bytes: usize,
) -> Result<ToolOutput, LaunchError> {
    let started = launcher.start_unchecked(launch).await?;
    let Running {
        mut monitor,
        stdin,
        stdout: mut out,
        stderr: mut err,
        egress: _egress,
        ..
    } = started.running;
    drop(stdin);
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let finished = tokio::time::timeout(patience, async {
        tokio::join!(
            collect(&mut out, &mut stdout, max_bytes),
            collect(&mut err, &mut stderr, max_bytes)
        )
    })
    .await
    .is_ok();
    if !finished {
        monitor.kill();
    }
    let report = monitor.ended().await?;
    Ok(ToolOutput {
        code: finished.then_some(report.code),
        stdout,
        stderr,
        exceeded: report.exceeded,
        plan: started.plan,
    })
}

/// A program that chooses versions, and all that it may use.
pub(super) struct Resolver<'a> {
    /// For messages: `npm`.
    pub name: &'static str,
    pub runtime: Runtime,
    /// Registries and proxies of the user.
    pub rules: &'a BTreeSet<EgressRule>,
    pub tree: PathBuf,
    pub state: &'a StateFolder,
    pub interpreter: PathBuf,
    /// Everything that it may execute.
    pub programs: Vec<PathBuf>,
    pub program: PathBuf,
    pub arguments: Vec<String>,
    pub environment: BTreeMap<String, String>,
    pub working_directory: PathBuf,
}

/// Runs a resolver to its end; where the machine can't limit hosts, held to ports.
///
/// # Errors
/// When the box can't be built.
pub(super) async fn run_resolver(
    launcher: &Launcher<'_>,
    resolver: &Resolver<'_>,
) -> Result<ToolOutput, LaunchError> {
    let run = async |tier| {
        let rules = resolver.rules.clone();
        let mut policy = EffectivePolicy::for_resolver(resolver.runtime, rules, tier, &[])?;
        policy.layers = launcher.helpers;
        let launch = launcher.launch(SpecInput {
            policy: &policy,
            confinement: &policy.confinement(),
            tree: resolver.tree.clone(),
            state: resolver.state,
            interpreter: Some(resolver.interpreter.clone()),
            runtime: None,
            modules: Vec::new(),
            programs: resolver.programs.clone(),
            program: resolver.program.clone(),
            arguments: resolver.arguments.clone(),
            environment: private(resolver.environment.clone()),
            working_directory: resolver.working_directory.clone(),
        })?;
        run_tool(launcher, launch, RESOLVER_TIME, MAX_RESOLVER_MESSAGES).await
    };
    match run(EgressTier::Names).await {
        // Nothing was executed. A resolver is no server: it runs once, with nothing of the user's.
        Err(LaunchError::Machine(Refusal::NoEgressByName { reason })) => {
            let name = resolver.name;
            tracing::info!("{reason}, so {name} is held to the ports of its registries alone");
            run(EgressTier::Ports).await
        }
        result => result,
    }
}

async fn collect(stream: &mut (impl AsyncRead + Unpin), into: &mut Vec<u8>, max_bytes: usize) {
    let mut buffer = vec![0; 16 << 10];
    while let Ok(count @ 1..) = stream.read(&mut buffer).await {
        let room = max_bytes.saturating_sub(into.len());
        into.extend_from_slice(&buffer[..count.min(room)]);
    }
}
