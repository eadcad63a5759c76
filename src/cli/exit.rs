//! Exit codes, and which of them an error means.

use std::process::ExitCode;

use super::platforms::NeedsThatMachine;
use super::screen::Interrupted;
use crate::audit::AuditError;
use crate::config::{ConfigError, SecretNameError, SourceError};
use crate::daemon::DaemonError;
use crate::fetch::FetchError;
use crate::launch::LaunchError;
use crate::lockfile::{LockError, NameError};
use crate::otlp::{PositionError, SendError, SettingsError};
use crate::policy::PolicyError;
use crate::resolve::ResolveError;
use crate::resolve::pypi::PypiError;
use crate::resolve::server_json::ServerJsonError;
use crate::secrets::SecretError;
use crate::store::{IntegrityError, StoreError};

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exit {
    Success,
    /// Drift, denial, or a verification that failed.
    Drift,
    /// Wrong usage, or a file that is not valid.
    Usage,
    /// This machine can't enforce what is asked.
    Machine,
    /// Network, registry or disk.
    Environment,
    /// `run`: the process that served the session is gone, or the daemon that started it.
    Lost,
    /// A bug of ours.
    Internal,
    /// `run`: the launch was refused.
    Refused,
    /// `run`: the server's own code.
    Server(u8),
}

impl Exit {
    pub(super) fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Drift => 1,
            Self::Usage => 2,
            Self::Machine => 3,
            Self::Environment => 4,
            // EX_UNAVAILABLE and EX_SOFTWARE of sysexits.h.
            Self::Lost => 69,
            Self::Internal => 70,
            Self::Refused => 125,
            Self::Server(code) => code,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// A mistake in how a command was called.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct UsageError(pub(super) String);

/// Something is not as it was locked, and the command has said what.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct DriftError(pub(super) String);

/// The code for an error, by the first cause that we know.
pub(super) fn exit_for(error: &anyhow::Error) -> Exit {
    error.chain().find_map(known).unwrap_or(Exit::Internal)
}

fn known(error: &(dyn std::error::Error + 'static)) -> Option<Exit> {
    if error.is::<UsageError>() {
        return Some(Exit::Usage);
    }
    if error.is::<DriftError>() {
        return Some(Exit::Drift);
    }
    if let Some(error) = error.downcast_ref::<Interrupted>() {
        return Some(error.exit());
    }
    if let Some(error) = error.downcast_ref::<LaunchError>() {
        return Some(launch(error));
    }
    if let Some(error) = error.downcast_ref::<ConfigError>() {
        return Some(config(error));
    }
    if let Some(error) = error.downcast_ref::<LockError>() {
        return Some(lock(error));
    }
    if let Some(error) = error.downcast_ref::<StoreError>() {
        return Some(store(error));
    }
    if let Some(error) = error.downcast_ref::<SecretError>() {
        return Some(secret(error));
    }
    if let Some(error) = error.downcast_ref::<ServerJsonError>() {
        return Some(match error.is_environment() {
            true => Exit::Environment,
            false => Exit::Usage,
        });
    }
    if let Some(error) = error.downcast_ref::<ResolveError>() {
        return Some(resolve(error));
    }
    if let Some(error) = error.downcast_ref::<PypiError>() {
        return Some(pypi(error));
    }
    if error.is::<DaemonError>() {
        return Some(Exit::Environment);
    }
    if error.is::<NeedsThatMachine>() {
        return Some(Exit::Usage);
    }
    if error.is::<PolicyError>()
        || error.is::<NameError>()
        || error.is::<SecretNameError>()
        || error.is::<SourceError>()
    {
        return Some(Exit::Usage);
    }
    if error.is::<SettingsError>() {
        return Some(Exit::Usage);
    }
    if error.is::<AuditError>() || error.is::<SendError>() || error.is::<PositionError>() {
        return Some(Exit::Environment);
    }
    if error.is::<FetchError>() || error.is::<IntegrityError>() || error.is::<std::io::Error>() {
        return Some(Exit::Environment);
    }
    None
}

fn resolve(error: &ResolveError) -> Exit {
    match error {
        ResolveError::Bundle(_)
        | ResolveError::InvalidName { .. }
        | ResolveError::InvalidRange { .. }
        | ResolveError::InvalidSetting { .. }
        | ResolveError::NotInClosure { .. }
        | ResolveError::NoInstallScript { .. } => Exit::Usage,
        ResolveError::IntegrityMismatch { .. } | ResolveError::Provenance(_) => Exit::Drift,
        _ => Exit::Environment,
    }
}

fn pypi(error: &PypiError) -> Exit {
    match error {
        PypiError::InvalidSetting { .. } => Exit::Usage,
        PypiError::HashMismatch { .. } | PypiError::Provenance(_) => Exit::Drift,
        _ => Exit::Environment,
    }
}

fn launch(error: &LaunchError) -> Exit {
    match error {
        LaunchError::UnknownServer { .. }
        | LaunchError::NotTrusted { .. }
        | LaunchError::NotLocked { .. }
        | LaunchError::GrantedPath { .. }
        | LaunchError::Egress(_)
        | LaunchError::Program { .. }
        | LaunchError::NoBundle { .. }
        | LaunchError::Resolve(ResolveError::Bundle(_))
        | LaunchError::Policy(_) => Exit::Usage,
        LaunchError::Quarantined { .. }
        | LaunchError::SourceChanged { .. }
        | LaunchError::RuntimeChanged { .. }
        | LaunchError::BuildChanged { .. }
        | LaunchError::PolicyChanged { .. }
        | LaunchError::OtherPlatform { .. }
        | LaunchError::InterpreterUnknown { .. }
        | LaunchError::InterpreterChanged { .. }
        | LaunchError::Tree { .. }
        | LaunchError::NotFetched { .. }
        | LaunchError::Resolve(_)
        | LaunchError::EntryPoint { .. } => Exit::Drift,
        LaunchError::Machine(_)
        | LaunchError::Sandbox(_)
        | LaunchError::Prepare(_)
        | LaunchError::Observe(_) => Exit::Machine,
        LaunchError::State { .. }
        | LaunchError::FullDisk { .. }
        | LaunchError::Watch { .. }
        | LaunchError::Build { .. }
        | LaunchError::Spawn(_)
        | LaunchError::StubDied { .. }
        | LaunchError::Relay(_)
        | LaunchError::Audit(_)
        | LaunchError::Learn { .. }
        | LaunchError::Io(_) => Exit::Environment,
        LaunchError::Secret { source, .. } => secret(source),
        LaunchError::SecretSaid { .. } => Exit::Drift,
        LaunchError::Config(error) => config(error),
        LaunchError::Lock(error) => lock(error),
        LaunchError::Store(error) => store(error),
    }
}

fn config(error: &ConfigError) -> Exit {
    if error.is_environment() {
        Exit::Environment
    } else {
        Exit::Usage
    }
}

fn secret(error: &SecretError) -> Exit {
    if error.is_environment() {
        Exit::Environment
    } else {
        Exit::Usage
    }
}

fn lock(error: &LockError) -> Exit {
    if error.is_environment() {
        Exit::Environment
    } else {
        Exit::Usage
    }
}

fn store(error: &StoreError) -> Exit {
    if error.is_environment() {
        Exit::Environment
    } else {
        Exit::Drift
    }
}
