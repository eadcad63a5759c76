//! `pinfold stop`: ends sessions, those that the daemon serves and those of `run` itself.

use std::path::Path;

use super::args::Stop;
use super::exit::{Exit, UsageError};
use super::output;
use crate::config::{Environment, Paths};
use crate::daemon::protocol::Target;
use crate::daemon::{DaemonError, client};
use crate::launch::embedded_sessions;

pub(super) async fn run(manifest: Option<&Path>, arguments: &Stop) -> anyhow::Result<Exit> {
    let paths = Paths::resolve(&Environment::current(), manifest)?;
    let mut stopped = by_daemon(&paths, arguments.target.as_deref()).await?;
    stopped.extend(embedded(&paths, arguments.target.as_deref())?);
    match (&arguments.target, stopped.as_slice()) {
        (Some(name), []) => {
            return Err(UsageError(format!(
                "no session of `{name}` runs; `pinfold ps` shows those that do"
            ))
            .into());
        }
        (None, []) => output::note("no session was there to end"),
        (_, ids) => {
            for id in ids {
                output::data(&output::foreign(id, 80));
            }
        }
    }
    Ok(Exit::Success)
}

async fn by_daemon(paths: &Paths, name: Option<&str>) -> Result<Vec<String>, DaemonError> {
    let Some(socket) = paths.control_socket() else {
        return Ok(Vec::new());
    };
    let target = match name {
        Some(name) => Target::Named(name.to_owned()),
        None => Target::All,
    };
    match client::stop(&socket, target).await {
        Err(DaemonError::NotRunning { .. }) => Ok(Vec::new()),
        stopped => stopped,
    }
}

/// A name means the server of this manifest; a session's own name means it, whosever it is.
fn embedded(paths: &Paths, name: Option<&str>) -> anyhow::Result<Vec<String>> {
    let manifest = paths.manifest.display().to_string();
    let mut stopped = Vec::new();
    for session in embedded_sessions(&paths.embedded_sessions())? {
        let is_meant = name.is_none_or(|name| {
            session.session == name || session.server == name && session.manifest == manifest
        });
        if is_meant && session.stop()? {
            stopped.push(session.session);
        }
    }
    Ok(stopped)
}
