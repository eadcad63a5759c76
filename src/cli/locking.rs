//! Locking one server: resolve, get, unpack, learn. Writes nothing but the store.

use std::path::Path;
use std::time::SystemTime;

use anyhow::Context as _;

use super::behaviour::{behaviour, keep_agreed};
use super::context::Context;
use super::exit::DriftError;
use super::output;
use super::sources::{self, Asked, Bytes};
use crate::config::{RuntimeRule, Server, Settings, Source};
use crate::launch::{Launcher, StateFolder, find_interpreter, here, learn};
use crate::lockfile::{BUNDLE_FOLDER, Behaviour, Interpreter, Lock, LockedServer, ServerName};
use crate::policy::EffectivePolicy;
use crate::provenance::server_losses;
use crate::relay::{Introspection, StderrLog};
use crate::resolve::ResolveError;
use crate::resolve::bundle::{Bundle, BundleKind};
use crate::resolve::interpreter::{Program, kind as program_kind, shebang};
use crate::sandbox::Plan;
use crate::store::{Staging, Verification};

/// What becomes of the versions that were locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Versions {
    /// They stay, as long as the source is the same.
    Kept,
    /// The source is resolved as if nothing had been locked.
    Anew,
}

/// A server that was locked, and what it said of itself.
pub(super) struct Outcome {
    pub locked: LockedServer,
    pub introspection: Introspection,
    /// What was in force around it when it was asked.
    pub plan: Plan,
    /// What it says of itself otherwise than agreed, although its code is the same.
    pub drift: Vec<String>,
    /// Until it is dropped, `gc` removes nothing: what was got is not in a lock yet.
    pub staging: Staging,
    /// What it says before it is started, when it is a bundle.
    pub bundle: Option<Bundle>,
}

/// Locks `server`. When `lock` has it from the same source and its versions are kept, so are its
/// bytes, and only the rest is brought up to date; nothing is resolved then.
pub(super) async fn lock_server(
    context: &Context,
    name: &ServerName,
    server: &Server,
    settings: &Settings,
    lock: &Lock,
    versions: Versions,
) -> anyhow::Result<Outcome> {
    context.store.sweep()?;
    let staging = context.store.staging()?;
    let launcher = Launcher::new(&context.paths, &context.store, &context.environment);
    // What is wrong with the profile or the grants is found before anything is downloaded; whatever
    // it runs on, these are the same.
    launcher.policy(server, None)?;
    let previous = lock
        .servers
        .get(name)
        .filter(|locked| locked.source == server.source_text && locked.platform == here());
    let asked = Asked {
        context,
        launcher: &launcher,
        staging: &staging,
        settings,
        lock,
    };
    let kept = previous.filter(|_| versions == Versions::Kept);
    let bytes = match kept {
        Some(locked) if !matches!(server.source, Source::Path { .. }) => {
            restore(context, &staging, locked).await?;
            Bytes {
                version: locked.version.clone(),
                entry_point: sources::entry_point(context, server, locked)?,
                tree: locked.tree,
                artifacts: locked.artifacts.clone(),
            }
        }
        _ => sources::get(&asked, &server.source, server.program.as_deref()).await?,
    };
    let mut locked = LockedServer {
        source: server.source_text.clone(),
        version: bytes.version,
        locked_at: now(),
        platform: here(),
        interpreter: None,
        entry_point: bytes.entry_point,
        tree: bytes.tree,
        artifacts: bytes.artifacts,
        behaviour: Behaviour::default(),
        confinement: launcher.policy(server, None)?.confinement(),
    };
    let tree = context.store.tree(&locked.tree);
    let bundle = match locked.is_bundle() {
        true => Some(Bundle::read(&tree.join(BUNDLE_FOLDER))?),
        false => None,
    };
    let wanted = wanted_interpreter(bundle.as_ref(), &tree.join(&locked.entry_point))?;
    locked.interpreter = interpreter_of(&asked, server, kept, &locked.entry_point, wanted).await?;
    let policy = launcher.policy(server, locked.interpreter.as_ref())?;
    locked.confinement = policy.confinement();
    let (introspection, plan) = introspect(&launcher, &staging, name, &locked, policy).await?;
    keep_definitions(&staging, &introspection);
    let same_code = previous.filter(|previous| previous.tree == locked.tree);
    let (agreed, drift) = match same_code {
        Some(previous) => keep_agreed(&previous.behaviour, &introspection),
        None => (behaviour(&introspection), Vec::new()),
    };
    locked.behaviour = agreed;
    if let Some(previous) = previous {
        // The same agreement keeps its date, so that locking again changes nothing.
        let same = LockedServer {
            locked_at: previous.locked_at.clone(),
            ..locked.clone()
        };
        if same == *previous {
            locked = same;
        }
    }
    Ok(Outcome {
        locked,
        introspection,
        plan,
        drift,
        staging,
        bundle,
    })
}

/// Refuses what nobody vouches for any more as for what was locked under the same name.
pub(super) fn refuse_losses(
    name: &ServerName,
    before: Option<&LockedServer>,
    now: &LockedServer,
) -> anyhow::Result<()> {
    let Some(before) = before else {
        return Ok(());
    };
    let losses: Vec<String> = server_losses(before, now)
        .iter()
        .map(ToString::to_string)
        .collect();
    if losses.is_empty() {
        return Ok(());
    }
    Err(DriftError(format!(
        "`{name}`: {}. Somebody who took over a package can publish it, but not in the same way; nothing was locked. `pinfold update {name}` shows what changed, and there it can be accepted",
        losses.join("; ")
    ))
    .into())
}

/// Says loudly what a server says of itself otherwise than agreed, although its code is the same.
pub(super) fn warn_of_drift(name: &ServerName, drift: &[String]) {
    for what in drift {
        output::warning(&format!(
            "`{name}`: {what}, although its code is the same; the lock keeps what was agreed, and `pinfold review {name}` shows what changed"
        ));
    }
}

/// Starts the server in its box, in a throw-away place, and asks what it is.
async fn introspect(
    launcher: &Launcher<'_>,
    staging: &Staging,
    name: &ServerName,
    locked: &LockedServer,
    policy: EffectivePolicy,
) -> anyhow::Result<(Introspection, Plan)> {
    let state = StateFolder::create(staging.folder().join("state"))?;
    let grants = policy.protocol.clone();
    let prepared = launcher.prepare_agreed(name, locked, &state, policy)?;
    let log = StderrLog::open(&state.log_path())?;
    let started = launcher.start_unchecked(prepared.launch).await?;
    let introspection = learn(started.running, &grants, log).await?;
    Ok((introspection, started.plan))
}

/// The policy of a server changed, for example its allowlist: the lock's box pin follows.
pub(super) fn repin_policy(
    context: &Context,
    server: &Server,
    locked: &mut LockedServer,
) -> anyhow::Result<()> {
    let launcher = Launcher::new(&context.paths, &context.store, &context.environment);
    locked.confinement = launcher
        .policy(server, locked.interpreter.as_ref())?
        .confinement();
    Ok(())
}

/// Keeps the words of a server in the store, for `pinfold review` to show when they change.
pub(super) fn keep_definitions(staging: &Staging, introspection: &Introspection) {
    let tools = introspection
        .tools
        .iter()
        .map(|tool| tool.canonical.as_slice());
    let instructions = introspection.instructions.as_ref().map(String::as_bytes);
    for text in tools.chain(instructions) {
        if let Err(error) = staging.keep_definition(text) {
            output::warning(&format!("a definition was not kept: {error}"));
            return;
        }
    }
}

/// Makes sure that the tree of a locked server is in the store and whole.
async fn restore(
    context: &Context,
    staging: &Staging,
    locked: &LockedServer,
) -> anyhow::Result<()> {
    match context
        .store
        .verify_tree(&locked.tree, Verification::Recorded)
    {
        Ok(_) => Ok(()),
        Err(_) => sources::rebuild(context, staging, locked).await,
    }
}

/// What runs the entry point; `None` when it runs itself.
fn wanted_interpreter(
    bundle: Option<&Bundle>,
    entry: &Path,
) -> Result<Option<String>, ResolveError> {
    match bundle.map(|bundle| bundle.kind) {
        Some(BundleKind::Node) => return Ok(Some("node".to_owned())),
        Some(BundleKind::Python) => return Ok(Some("python3".to_owned())),
        Some(BundleKind::Binary) | None => {}
    }
    Ok(match shebang(entry)? {
        Program::Native => None,
        Program::Script { interpreter, .. } => Some(interpreter),
    })
}

/// The interpreter of that name: a program of the machine, or one that the manifest names a
/// package for.
async fn interpreter_of(
    asked: &Asked<'_>,
    server: &Server,
    previous: Option<&LockedServer>,
    entry_point: &str,
    wanted: Option<String>,
) -> anyhow::Result<Option<Interpreter>> {
    let Asked {
        context,
        launcher,
        staging,
        ..
    } = *asked;
    let Some(wanted) = wanted else {
        return match &server.runtime {
            RuntimeRule::Package { text, .. } => anyhow::bail!(
                "`{entry_point}` is a program itself and runs on nothing; take `runtime = \"{text}\"` out of the manifest"
            ),
            RuntimeRule::Refuse | RuntimeRule::Warn => Ok(None),
        };
    };
    let found = match &server.runtime {
        RuntimeRule::Refuse | RuntimeRule::Warn => {
            find_interpreter(launcher, staging, &wanted, context.search_path())
                .await
                .with_context(|| format!("`{entry_point}` needs `{wanted}`"))?
        }
        RuntimeRule::Package { source, text } => {
            let found = sources::packaged_runtime(asked, source, text, previous).await?;
            let kind = program_kind(Path::new(&wanted));
            anyhow::ensure!(
                found.kind == kind,
                "`{entry_point}` needs `{kind}`, and `{text}` holds `{}`",
                found.kind
            );
            found
        }
    };
    Ok(Some(found))
}

/// RFC 3339 in UTC, with seconds.
fn now() -> String {
    humantime::format_rfc3339_seconds(SystemTime::now()).to_string()
}
