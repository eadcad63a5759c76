//! `pinfold run`: the command for mcp.json. Standard output belongs to the protocol.

use std::path::Path;

use anyhow::Context as _;

use super::args::Run;
use super::context::Context;
use super::exit::Exit;
use super::session::{self, Wanted};
use super::signals::StopSignals;

pub(super) async fn run(manifest: Option<&Path>, arguments: Run) -> anyhow::Result<Exit> {
    let stop = StopSignals::listen().context("could not listen for signals")?;
    let wanted = match arguments.name {
        Some(name) => Wanted::Name(name),
        None => Wanted::Argv(arguments.argv),
    };
    let started = async {
        let context = Context::open(manifest)?;
        session::start(&context, &wanted).await
    };
    match started.await {
        Ok(service) => session::serve(service, stop.first()).await,
        Err(error) => session::refuse(&error).await,
    }
}
