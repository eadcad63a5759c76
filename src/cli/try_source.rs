//! `pinfold try`: a quick look that keeps nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::json;

use super::add::{config, parsed};
use super::args::Try;
use super::context::Context;
use super::exit::Exit;
use super::locking::{Versions, lock_server};
use super::signals::{self, StopSignals};
use super::{output, summary};
use crate::config::{Environment, NewServer, Paths, Server, Settings};
use crate::launch::Launcher;
use crate::lockfile::{Lock, ServerName};
use crate::store::Store;

pub(super) async fn run(arguments: &Try) -> anyhow::Result<Exit> {
    let place = tempfile::Builder::new().prefix("pinfold-try-").tempdir()?;
    let environment = Environment::current();
    let home = Paths::resolve(&environment, None)
        .ok()
        .and_then(|paths| paths.home);
    let paths = Paths::below(place.path(), home);
    let store = Store::open(paths.store())?;
    let context = Context {
        environment,
        paths,
        store,
    };
    let mut stop = StopSignals::listen()?;
    let result = tokio::select! {
        result = look(&context, arguments) => result,
        signal = stop.first() => Ok(signals::code(signal)),
    };
    for tree in context.store.trees()? {
        context.store.discard_tree(&tree)?;
    }
    place.close()?;
    result
}

/// The server as `add` would write it, read back: the same mistakes are found by the same rules.
/// Relative paths mean the present folder.
fn described(
    arguments: &Try,
    name: &ServerName,
    folder: &Path,
    home: Option<&Path>,
) -> anyhow::Result<Server> {
    let wanted = NewServer {
        build: Vec::new(),
        build_egress: Vec::new(),
        name: name.clone(),
        source: arguments.source.clone(),
        program: arguments.program.clone(),
        args: arguments.arguments.clone(),
        config: config(&arguments.config, &arguments.config_from)?,
        runtime: None,
        profile: None,
        egress: Vec::new(),
        env: BTreeMap::new(),
        exec: Vec::new(),
        read: Vec::new(),
        write: Vec::new(),
        allow: Vec::new(),
    };
    parsed(&wanted, &folder.join("pinfold.toml"), home)
}

async fn look(context: &Context, arguments: &Try) -> anyhow::Result<Exit> {
    let folder = std::env::current_dir()?;
    let name: ServerName = "try".parse()?;
    let server = described(arguments, &name, &folder, context.paths.home.as_deref())?;
    let outcome = lock_server(
        context,
        &name,
        &server,
        &Settings::default(),
        &Lock::default(),
        Versions::Kept,
        &BTreeSet::new(),
    )
    .await?;
    let launcher = Launcher::new(&context.paths, &context.store, &context.environment);
    let policy = launcher.policy(&server, outcome.locked.interpreter.as_ref())?;
    let plan = &outcome.plan;
    let tools = &outcome.introspection.tools;
    if arguments.json {
        let listed: Vec<_> = tools
            .iter()
            .map(|tool| json!({ "name": tool.name, "description": tool.description, "digest": tool.digest.to_string() }))
            .collect();
        let artifacts = &outcome.locked.artifacts;
        let signed = artifacts.iter().filter(|one| one.signature.is_some());
        let built = artifacts.iter().filter(|one| one.provenance.is_some());
        let layers: Vec<_> = plan.layers.iter().map(|layer| layer.name()).collect();
        output::data(
            &json!({
                "source": arguments.source,
                "version": outcome.locked.version,
                "artifacts": outcome.locked.artifacts.len(),
                "signed": signed.count(),
                "with_provenance": built.count(),
                "tree": outcome.locked.tree.to_string(),
                "layers": layers,
                "landlock_abi": plan.landlock_abi,
                "protocol": outcome.introspection.protocol,
                "tools": listed,
            })
            .to_string(),
        );
        return Ok(Exit::Success);
    }
    let said = Some(summary::layers(plan));
    for line in summary::agreement(&outcome.locked, &policy, said, &plan.limitations) {
        output::data(&line);
    }
    output::data(&format!("tools      {}", tools.len()));
    for line in summary::tools(&outcome.introspection) {
        output::data(&line);
    }
    output::note(&format!(
        "\nNothing was kept. To use it: pinfold add NAME {} --allow TOOL",
        arguments.source
    ));
    Ok(Exit::Success)
}
