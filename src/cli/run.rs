//! `pinfold run`: the command for mcp.json. Standard output belongs to the protocol.

use std::path::Path;

use anyhow::Context as _;

use super::args::Run;
use super::context::Context;
use super::exit::Exit;
use super::hand_over::{Outcome, hand_over};
use super::session::{self, Occasion, Started, Wanted};
use super::signals::StopSignals;
use crate::audit::Caller;
use crate::launch::{EmbeddedSession, Registered, Stop};

pub(super) async fn run(manifest: Option<&Path>, arguments: Run) -> anyhow::Result<Exit> {
    let mut stop = StopSignals::listen().context("could not listen for signals")?;
    let wanted = match arguments.name {
        Some(name) => Wanted::Name(name),
        None => Wanted::Argv(arguments.argv),
    };
    match hand_over(manifest, &wanted, arguments.daemon, &mut stop).await {
        Outcome::Served(exit) => return Ok(exit),
        Outcome::Refused(error) => return refuse(&error, &mut stop).await,
        Outcome::Here => {}
    }
    let started = async {
        let context = Context::open(manifest)?;
        let occasion = Occasion::of(Caller::embedded());
        let started = session::start(&context, &wanted, occasion).await?;
        let shown = register(&context, &started);
        anyhow::Ok((started, shown))
    };
    match started.await {
        Ok((started, _shown)) => {
            let stop = async { Stop::by_signal(stop.first().await) };
            session::serve(started.service, stop).await
        }
        Err(error) => refuse(&error, &mut stop).await,
    }
}

/// For `pinfold ps`. A session that can't be shown is served all the same.
fn register(context: &Context, started: &Started) -> Option<Registered> {
    let service = &started.service;
    let session = EmbeddedSession::here(
        service.recorder.id(),
        service.quarantine.name.to_string(),
        context.paths.manifest.display().to_string(),
        service.meter.monitor(),
    );
    let registered = session.register(&context.paths.embedded_sessions());
    if let Err(error) = &registered {
        tracing::warn!("`pinfold ps` will not show this session: {error}");
    }
    registered.ok()
}

async fn refuse(error: &anyhow::Error, stop: &mut StopSignals) -> anyhow::Result<Exit> {
    tokio::select! {
        refused = session::refuse(error) => refused,
        _ = stop.first() => Ok(Exit::Refused),
    }
}
