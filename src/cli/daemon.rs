//! `pinfold daemon`: one supervisor for all servers of this user.

use std::path::Path;

use anyhow::Context as _;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use super::auditing;
use super::context::{Context, named};
use super::exit::Exit;
use super::fingerprint;
use super::hand_over::places;
use super::output;
use super::session_process::VERB;
use crate::audit::{Record, Who};
use crate::config::{ConfigValue, EnvValue, Environment, Manifest, Paths, Server};
use crate::daemon::cgroup::Delegated;
use crate::daemon::{DaemonError, Listening, Questions, Settings, Verdict, Warming, serve};
use crate::launch::QUARANTINE_FILE;
use crate::lockfile::read;

/// Enough for every session that it takes, each of which needs two.
const OPEN_FILES: u64 = 8192;

/// Characters of what is recorded.
const MAX_TEXT: usize = 1000;

pub(super) async fn run(manifest: Option<&Path>) -> anyhow::Result<Exit> {
    let paths = Paths::resolve(&Environment::current(), manifest)?;
    let socket = paths.control_socket().ok_or(DaemonError::NoRuntimeFolder)?;
    let places = places(&paths).context(
        "the path of the manifest or of a folder is not UTF-8; the daemon can't name it",
    )?;
    let listening = Listening::open(&socket)?;
    allow_many_files();
    // Before there is anything else of it: what it starts is then in its group.
    let groups = Delegated::find();
    let mut arguments = Vec::new();
    if !paths.own_manifest {
        arguments.push(places.manifest.clone());
    }
    let (judged, checked) = (paths.clone(), paths.clone());
    let settings = Settings {
        places,
        lock: paths.lock.clone(),
        verb: VERB,
        arguments,
        questions: Questions {
            judge: Box::new(move |name| judge(&judged, name)),
            check: Box::new(move || check(&checked)),
            record: Box::new(recorder(&paths)),
        },
        groups,
        warming: warming(&paths),
    };
    serve(listening, settings).await?;
    Ok(Exit::Success)
}

/// What a session needs of its client beyond three descriptors can't come this way. Everything else
/// is judged by the session itself, which reads manifest and lock again.
fn judge(paths: &Paths, name: &str) -> Verdict {
    let manifest = match Manifest::load(paths) {
        Ok(manifest) => manifest,
        Err(error) => return Verdict::Refused(error.to_string()),
    };
    let server = match named(&manifest, &paths.manifest, name) {
        Ok((_, server)) => server,
        Err(unknown) => return Verdict::Refused(unknown.to_string()),
    };
    match client_variable(server) {
        Some(variable) => Verdict::Unserved(format!(
            "the server `{name}` takes {variable} from its client's environment, which is not handed over"
        )),
        None => Verdict::Serve,
    }
}

fn warming(paths: &Paths) -> Warming {
    let of = |paths: &Paths| {
        let manifest = (!paths.own_manifest).then(|| paths.manifest.clone());
        move || Context::open(manifest.as_deref()).ok()
    };
    let (first, second) = (of(paths), of(paths));
    Warming {
        wishes: Box::new(move || {
            first()
                .map(|context| fingerprint::wishes(&context))
                .unwrap_or_default()
        }),
        fingerprint: Box::new(move |name| fingerprint::of_now(&second()?, name)),
        files: vec![paths.manifest.clone(), paths.lock.clone(), paths.trusted()],
        markers: vec![QUARANTINE_FILE],
    }
}

/// A variable that the manifest takes from the client.
pub(super) fn client_variable(server: &Server) -> Option<&str> {
    let of_env = server.env.values().find_map(|value| match value {
        EnvValue::FromClient { name } => Some(name.as_str()),
        EnvValue::Literal(_) | EnvValue::Secret(_) => None,
    });
    of_env.or_else(|| {
        server.config.values().find_map(|value| match value {
            ConfigValue::FromClient { name } => Some(name.as_str()),
            _ => None,
        })
    })
}

fn check(paths: &Paths) -> Result<String, String> {
    let manifest = Manifest::load(paths).map_err(|error| error.to_string())?;
    let lock = read(&paths.lock).map_err(|error| error.to_string())?;
    Ok(format!(
        "manifest and lock are valid: {} servers, {} locked",
        manifest.servers.len(),
        lock.servers.len()
    ))
}

/// The daemon goes on where that can't be recorded: each of its sessions then refuses to start.
fn recorder(paths: &Paths) -> impl Fn(&'static str, Option<&str>) + Send + Sync + use<> {
    let manifest = (!paths.own_manifest).then(|| paths.manifest.clone());
    move |event, text| {
        let record = Record::Daemon {
            event,
            text: text.map(|text| output::foreign(text, MAX_TEXT)),
            pid: std::process::id(),
            pinfold: env!("CARGO_PKG_VERSION"),
        };
        let recorded = Context::open(manifest.as_deref())
            .and_then(|context| Ok(auditing::append(&context, &Who::default(), &record)?));
        if let Err(error) = recorded {
            tracing::warn!(
                "this could not be recorded in the audit log: {}",
                output::chain(&error)
            );
        }
    }
}

/// As many as the machine lets this user have; with fewer, fewer sessions are served.
fn allow_many_files() {
    let raised = getrlimit(Resource::RLIMIT_NOFILE).and_then(|(soft, hard)| {
        let wanted = OPEN_FILES.min(hard);
        if soft >= wanted {
            return Ok(());
        }
        setrlimit(Resource::RLIMIT_NOFILE, wanted, hard)
    });
    if let Err(error) = raised {
        tracing::warn!("the number of open files can't be raised: {error}");
    }
}
