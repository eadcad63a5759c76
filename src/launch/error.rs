//! Why a launch was refused, or failed.

use std::io;
use std::path::{Path, PathBuf};

use crate::audit::AuditError;
use crate::config::{ConfigError, nearest, shell_word};
use crate::egress::EgressError;
use crate::lockfile::{LockError, ServerName};
use crate::policy::PolicyError;
use crate::relay::RelayError;
use crate::resolve::ResolveError;
use crate::sandbox::{Refusal, SandboxError, StepFailure};
use crate::secrets::SecretError;
use crate::store::StoreError;

#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    #[error("there is no server `{name}` in {}; {help}", manifest.display())]
    UnknownServer {
        name: String,
        manifest: PathBuf,
        /// Which one may be meant, or how one is made.
        help: String,
    },
    #[error(
        "{} is not your own manifest, and it or its lock was not trusted in its present content; read them, then run `pinfold trust {}`",
        manifest.display(),
        shell_word(&manifest.to_string_lossy())
    )]
    NotTrusted { manifest: PathBuf },
    #[error("`{name}` {imposed}; nothing of it runs until `{release}`")]
    Quarantined {
        name: ServerName,
        /// Since when, by whom, and why.
        imposed: String,
        /// The command that lifts it.
        release: String,
    },
    #[error(
        "a quarantine of the server could not be noticed, so it is not started: {} can't be watched (if too many files are: fs.inotify.max_user_instances in sysctl)",
        path.display()
    )]
    Watch { path: PathBuf, source: io::Error },
    #[error("the server can't be observed, so it was not started")]
    Observe(#[source] crate::observe::TraceError),
    #[error("`{name}` is in the manifest but not locked; run `pinfold lock {name}`")]
    NotLocked { name: ServerName },
    #[error(
        "the source of `{name}` was changed in the manifest from `{locked}` to `{written}` without a new lock; run `pinfold lock {name}`"
    )]
    SourceChanged {
        name: ServerName,
        locked: String,
        written: String,
    },
    #[error(
        "the runtime of `{name}` was changed in the manifest from {locked} to {written} without a new lock; run `pinfold lock {name}`"
    )]
    RuntimeChanged {
        name: ServerName,
        locked: String,
        written: String,
    },
    #[error(
        "the install scripts that are run for `{name}` were changed in the manifest from {locked} to {written} without a new lock; run `pinfold lock {name}`"
    )]
    BuildChanged {
        name: ServerName,
        locked: String,
        written: String,
    },
    #[error("the `{event}` script of {package}, which `build` names, {reason}; {last_words}")]
    Build {
        /// With its version.
        package: String,
        event: &'static str,
        reason: String,
        last_words: String,
    },
    #[error(
        "the policy of `{name}` (its settings in the manifest, or the profiles of this pinfold) is not what was locked; look at it and run `pinfold lock {name}`"
    )]
    PolicyChanged { name: ServerName },
    #[error(
        "`{name}` was locked for {locked} and this machine is {here}; run `pinfold lock {name}` here, which adds this platform"
    )]
    OtherPlatform {
        name: ServerName,
        locked: String,
        here: String,
    },
    #[error(
        "the lock has the files of `{name}` for this platform ({here}) and not yet what runs them here; run `pinfold lock {name}`, which adds it"
    )]
    InterpreterUnknown { name: ServerName, here: String },
    #[error(
        "the interpreter of `{name}`, {}, is not the one that was locked ({reason}); if you updated it, run `pinfold lock {name}`",
        path.display()
    )]
    InterpreterChanged {
        name: ServerName,
        path: PathBuf,
        reason: String,
    },
    #[error(
        "the code of `{name}` is not what was locked; run `pinfold verify {name}` to see more, `pinfold fetch` to repair: {source}"
    )]
    Tree {
        name: ServerName,
        source: StoreError,
    },
    #[error("the code of `{name}` is not in the store; run `pinfold fetch`")]
    NotFetched { name: ServerName },
    #[error(
        "`config.{key}` is a value for a bundle (.mcpb), and this server is none; tell it by `args` or `env`"
    )]
    NoBundle { key: String },
    #[error("the entry point {} of `{name}` is not in its tree", path.display())]
    EntryPoint { name: ServerName, path: PathBuf },
    #[error(
        "{} is to be granted, but can't be opened: {source}; create it, or take it out of the manifest (then `pinfold lock`) or of the command",
        path.display()
    )]
    GrantedPath { path: PathBuf, source: io::Error },
    #[error("`{variable}` of `{name}` has no value: {source}")]
    Secret {
        name: ServerName,
        variable: String,
        source: SecretError,
    },
    #[error(
        "`{name}` says one of its secrets in {place}, which pinfold would keep and show; nothing was kept of it"
    )]
    SecretSaid { name: ServerName, place: String },
    #[error("the program `{program}` can't be used: {reason}")]
    Program { program: String, reason: String },
    #[error(
        "{program} could not write: the disk of {} is full; free some of it (`pinfold gc` removes what no lock names, `df -h` shows what is full) and try again",
        path.display()
    )]
    FullDisk {
        program: &'static str,
        /// Where it works.
        path: PathBuf,
    },
    #[error("could not make the server's own folder {}: {source}; is the disk full or read-only?", path.display())]
    State { path: PathBuf, source: io::Error },
    #[error("{0}")]
    Machine(#[from] Refusal),
    #[error("the sandbox could not be set up, step `{}`: {}; `pinfold doctor` shows what this machine offers", .0.step, .0.message)]
    Sandbox(StepFailure),
    #[error("the sandbox could not be prepared: {0}")]
    Prepare(#[from] SandboxError),
    #[error("the server could not be started: {0}")]
    Spawn(#[source] io::Error),
    #[error("the stub ended without saying why (exit code {code:?})")]
    StubDied { code: Option<i32> },
    #[error("the server's network can't be served: {0}")]
    Egress(#[source] EgressError),
    #[error(
        "the audit log can't be written, and nothing runs unrecorded: {0}; is the disk full or read-only?"
    )]
    Audit(#[from] AuditError),
    #[error("the relay failed: {0}")]
    Relay(#[from] RelayError),
    #[error("the server could not be asked for its tools: {source}; {last_words}")]
    Learn {
        source: RelayError,
        last_words: String,
    },
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    #[error(transparent)]
    Policy(#[from] PolicyError),
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Lock(#[from] LockError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("a file of the command, or its input, could not be read or written: {0}")]
    Io(#[from] io::Error),
}

impl LaunchError {
    /// For a name that `manifest`, whose servers these are, doesn't have.
    pub fn unknown_server<'s>(
        name: &str,
        manifest: &Path,
        servers: impl IntoIterator<Item = &'s ServerName>,
    ) -> Self {
        let servers: Vec<&str> = servers.into_iter().map(ServerName::as_str).collect();
        let help = match nearest(name, &servers) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("`pinfold add {name} SOURCE` makes one"),
        };
        Self::UnknownServer {
            name: name.to_owned(),
            manifest: manifest.to_owned(),
            help,
        }
    }
}
