//! Locking one server: resolve, get, unpack, learn. Writes nothing but the store.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::SystemTime;

use anyhow::Context as _;

use super::behaviour::{behaviour, keep_agreed};
use super::context::Context;
use super::exit::{DriftError, UsageError};
use super::output;
use super::platforms;
use super::sources::{self, Asked, Bytes};
use crate::config::{RuntimeRule, Server, Settings, Source};
use crate::launch::{self, Launcher, StateFolder, find_interpreter, learn};
use crate::lockfile::{
    BUNDLE_FOLDER, Behaviour, Digest, Interpreter, Lock, LockedServer, ServerName,
};
use crate::policy::EffectivePolicy;
use crate::provenance::server_losses;
use crate::relay::{Introspection, StderrLog};
use crate::resolve::ResolveError;
use crate::resolve::bundle::{Bundle, BundleKind};
use crate::resolve::interpreter::{Program, kind as program_kind, shebang};
use crate::resolve::npm::Platform;
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
    platforms: &BTreeSet<String>,
) -> anyhow::Result<Outcome> {
    context.store.sweep()?;
    let staging = context.store.staging()?;
    let launcher =
        Launcher::new(&context.paths, &context.store, &context.environment).for_server(server);
    // What is wrong with the profile or the grants is found before anything is downloaded; whatever
    // it runs on, these are the same.
    launcher.policy(server, None)?;
    let before = lock.servers.get(name);
    let same_source = before.filter(|locked| locked.source == server.source_text);
    let here = same_source.and_then(|locked| locked.bytes_on(&launch::here()));
    let previous = here.as_ref();
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
            let tree = restore(&asked, name, server, locked).await?;
            Bytes {
                version: locked.version.clone(),
                entry_point: sources::entry_point(context, server, locked)?,
                tree,
                artifacts: locked.artifacts.clone(),
            }
        }
        _ => {
            let source = version_agreed_elsewhere(server, same_source, previous, versions);
            let program = server.program.as_deref();
            sources::get(&asked, &source, program, &server.build).await?
        }
    };
    let mut locked = LockedServer {
        source: server.source_text.clone(),
        version: bytes.version,
        locked_at: now(),
        platform: launch::here(),
        interpreter: None,
        entry_point: bytes.entry_point,
        tree: bytes.tree,
        artifacts: bytes.artifacts,
        build: server.build.recorded(),
        platforms: BTreeMap::new(),
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
    let wanted = platforms::Wanted {
        before,
        versions,
        asked_for: platforms,
    };
    locked.platforms = platforms::parts(&asked, name, server, &locked, &wanted).await?;
    let same_code = match previous {
        Some(previous) => Some(previous).filter(|previous| previous.tree == locked.tree),
        // Agreed on another platform, for all of them.
        None => same_source.filter(|elsewhere| {
            versions == Versions::Kept
                && elsewhere.version == locked.version
                && (elsewhere.version.is_some() || elsewhere.tree == locked.tree)
        }),
    };
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

/// The source; in exactly the version that is locked, when that was for other platforms only.
fn version_agreed_elsewhere(
    server: &Server,
    elsewhere: Option<&LockedServer>,
    here: Option<&LockedServer>,
    versions: Versions,
) -> Source {
    let version = elsewhere
        .filter(|_| here.is_none() && versions == Versions::Kept)
        .and_then(|locked| locked.version.as_deref());
    match version {
        Some(version) => sources::exactly(&server.source, version),
        None => server.source.clone(),
    }
}

/// Refuses what nobody vouches for any more as for what was locked under the same name. `instead`
/// says what a person can do.
pub(super) fn refuse_losses(
    name: &ServerName,
    before: Option<&LockedServer>,
    now: &LockedServer,
    instead: &str,
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
        "`{name}`: {}. Somebody who took over a package can publish it, but not in the same way; nothing was locked. {instead}",
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
    let introspection = learn(started.running, name, &grants, prepared.secrets, log).await?;
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

/// Makes sure that the tree of a locked server is in the store and whole; returns its digest. That
/// is another one only where install scripts make it: here is the place to agree to what they make.
async fn restore(
    asked: &Asked<'_>,
    name: &ServerName,
    server: &Server,
    locked: &LockedServer,
) -> anyhow::Result<Digest> {
    let Asked {
        context,
        launcher,
        staging,
        ..
    } = *asked;
    let build = &server.build;
    let is_built = locked.build.is_some() || build.recorded().is_some();
    if !is_built {
        let whole = context
            .store
            .verify_tree(&locked.tree, Verification::Recorded);
        if whole.is_err() {
            sources::rebuild(context, launcher, staging, locked, build).await?;
        }
        return Ok(locked.tree);
    }
    let is_same = locked.build == build.recorded();
    if is_same && sources::is_build_valid(context, locked) {
        return Ok(locked.tree);
    }
    let tree = sources::tree_again(context, launcher, staging, locked, build).await?;
    if is_same && tree != locked.tree {
        output::warning(&format!(
            "`{name}`: its install scripts made other files than were locked, from the same downloads; the lock will pin those that were made here"
        ));
    }
    Ok(tree)
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
            RuntimeRule::Package { text } => Err(UsageError(format!(
                "`{entry_point}` is a program itself and runs on nothing; take `runtime = \"{text}\"` out of the manifest"
            ))
            .into()),
            RuntimeRule::Refuse | RuntimeRule::Warn => Ok(None),
        };
    };
    let found = match &server.runtime {
        RuntimeRule::Refuse | RuntimeRule::Warn => {
            find_interpreter(launcher, staging, &wanted, context.search_path())
                .await
                .with_context(|| format!("`{entry_point}` needs `{wanted}`"))?
        }
        RuntimeRule::Package { text } => {
            let source = RuntimeRule::source(text, &Platform::current().in_package_names())?;
            let found = sources::packaged_runtime(asked, &source, text, previous).await?;
            let kind = program_kind(Path::new(&wanted));
            if found.kind != kind {
                return Err(UsageError(format!(
                    "`{entry_point}` needs `{kind}`, and `{text}` holds `{}`",
                    found.kind
                ))
                .into());
            }
            found
        }
    };
    Ok(Some(found))
}

/// RFC 3339 in UTC, with seconds.
fn now() -> String {
    humantime::format_rfc3339_seconds(SystemTime::now()).to_string()
}

/// The lock is made to agree with the manifest: with this change of it, and with no other one that
/// nobody has looked at yet.
pub(super) fn refuse_other_changes(
    context: &Context,
    name: &ServerName,
    server: &Server,
    locked: &LockedServer,
) -> anyhow::Result<()> {
    let mut now = locked.clone();
    repin_policy(context, server, &mut now)?;
    if now.confinement == locked.confinement && locked.source == server.source_text {
        return Ok(());
    }
    Err(DriftError(format!(
        "what the manifest says of `{name}` is not what was locked; run `pinfold lock {name}` first"
    ))
    .into())
}
