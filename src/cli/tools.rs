//! `pinfold tools`: what a server offered when it was locked, and what of it is allowed.

use std::path::Path;

use serde_json::json;

use super::args::Tools;
use super::context::Context;
use super::exit::Exit;
use super::output;

pub(super) fn run(manifest: Option<&Path>, arguments: &Tools) -> anyhow::Result<Exit> {
    let context = Context::open(manifest)?;
    let manifest = context.manifest()?;
    let lock = context.lock()?;
    let (name, server, locked) = context.server(&arguments.name, &manifest, &lock)?;
    let offered = &locked.behaviour.tools;
    let absent: Vec<_> = server
        .tools
        .allow
        .iter()
        .filter(|tool| !offered.contains_key(*tool))
        .collect();
    if arguments.json {
        let tools: Vec<_> = offered
            .iter()
            .map(|(tool, digest)| {
                json!({
                    "name": tool.as_str(),
                    "allowed": server.tools.allow.contains(tool),
                    "digest": digest.to_string(),
                })
            })
            .collect();
        let absent: Vec<_> = absent.iter().map(|tool| tool.as_str()).collect();
        output::data(
            &json!({ "server": name.as_str(), "tools": tools, "allowed_but_not_offered": absent })
                .to_string(),
        );
        return Ok(Exit::Success);
    }
    for tool in offered.keys() {
        let word = if server.tools.allow.contains(tool) {
            "allowed "
        } else {
            "withheld"
        };
        output::data(&format!("{word}  {tool}"));
    }
    for tool in absent {
        output::data(&format!(
            "absent    {tool}  (allowed, but the server did not offer it)"
        ));
    }
    Ok(Exit::Success)
}
