//! `pinfold stop`: ends sessions that the daemon serves.

use std::path::Path;

use super::args::Stop;
use super::exit::{Exit, UsageError};
use super::output;
use crate::config::{Environment, Paths};
use crate::daemon::protocol::Target;
use crate::daemon::{DaemonError, client};

pub(super) async fn run(manifest: Option<&Path>, arguments: &Stop) -> anyhow::Result<Exit> {
    let paths = Paths::resolve(&Environment::current(), manifest)?;
    let socket = paths.control_socket().ok_or(DaemonError::NoRuntimeFolder)?;
    let target = match &arguments.target {
        Some(name) => Target::Named(name.clone()),
        None => Target::All,
    };
    let stopped = client::stop(&socket, target).await?;
    match (&arguments.target, stopped.as_slice()) {
        (Some(name), []) => {
            return Err(UsageError(format!(
                "the daemon serves no session of `{name}`; `pinfold ps` shows those that it serves"
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
