//! `pinfold quarantine` and `pinfold release`.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;

use super::args::{Quarantine, Release};
use super::auditing;
use super::context::{Context, named};
use super::exit::Exit;
use super::output;
use super::session::command;
use crate::audit::{Record, Who};
use crate::launch::{ImposedBy, Sessions, StateFolder};
use crate::lockfile::ServerName;

/// How long to wait for sessions to end. They need less than half a second, and more where the
/// processors have much else to do.
const PATIENCE: Duration = Duration::from_secs(10);
/// Characters of a reason that are recorded.
const MAX_REASON: usize = 1000;

pub(super) fn impose(manifest: Option<&Path>, arguments: &Quarantine) -> anyhow::Result<Exit> {
    let context = Context::open(manifest)?;
    let (name, state) = server(&context, &arguments.name)?;
    let reason = arguments.reason.as_deref();
    // Some have ended before the marker is safe on the disk.
    let was_running = matches!(state.wait_for_sessions(Duration::ZERO), Ok(Sessions::Left));
    let already = state
        .quarantine()
        .impose(ImposedBy::Command, reason)
        .with_context(|| format!("`{name}` could not be put into quarantine, and may still run"))?;
    let release = command(&context, "release", &name);
    output::note(&match &already {
        Some(imposed) => format!("`{name}` {}", imposed.describe()),
        None => format!("`{name}` is in quarantine: it does not start until `{release}`."),
    });
    let sessions = state.wait_for_sessions(PATIENCE);
    if already.is_none() {
        let reason = reason.map(|reason| output::foreign(reason, MAX_REASON));
        // Afterwards: nothing that the log has to say keeps a server running.
        let recorded = auditing::append(&context, &of(&name), &Record::Quarantine { reason });
        if let Err(error) = recorded {
            output::warning(&format!(
                "the quarantine is in force; it could not be recorded in the audit log: {error}"
            ));
        }
    }
    match sessions {
        Ok(Sessions::None) if !was_running => output::note("No session of it was running."),
        Ok(Sessions::None | Sessions::Ended) => output::note("Every session of it has ended."),
        Ok(Sessions::Left) => {
            output::warning(&format!(
                "a session of `{name}` was told to end and has not ended within {} s; `pgrep -a pinfold` shows it",
                PATIENCE.as_secs()
            ));
            return Ok(Exit::Environment);
        }
        Err(error) => {
            output::warning(&format!(
                "the sessions of `{name}` were told to end; whether they have can't be said: {error}"
            ));
            return Ok(Exit::Environment);
        }
    }
    Ok(Exit::Success)
}

pub(super) fn release(manifest: Option<&Path>, arguments: &Release) -> anyhow::Result<Exit> {
    let context = Context::open(manifest)?;
    let (name, state) = server(&context, &arguments.name)?;
    let quarantine = state.quarantine();
    if let Some(imposed) = quarantine.look() {
        let was = imposed.describe();
        if output::interactive() {
            output::note(&format!("`{name}` {was}"));
        }
        auditing::append(&context, &of(&name), &Record::Release { was }).with_context(|| {
            format!(
                "`{name}` stays in quarantine: that it is released can't be recorded in the audit log"
            )
        })?;
    }
    let lifted = quarantine
        .lift()
        .with_context(|| format!("`{name}` could not be released"))?;
    output::note(&match lifted {
        true => format!("`{name}` is released and can be started again."),
        false => format!("`{name}` was not in quarantine."),
    });
    Ok(Exit::Success)
}

fn of(name: &ServerName) -> Who {
    Who {
        session: None,
        server: Some(name.to_string()),
    }
}

/// A server of the manifest, whether it is locked or not.
fn server(context: &Context, name: &str) -> anyhow::Result<(ServerName, StateFolder)> {
    let manifest = context.manifest()?;
    let (name, _) = named(&manifest, &context.paths.manifest, name)?;
    let state = StateFolder::planned(context.paths.server_state(name));
    Ok((name.clone(), state))
}
