//! `pinfold tools`: what a server offered when it was locked, what of it is allowed, and what the
//! client does not get because the server last showed it otherwise.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::json;

use super::args::Tools;
use super::context::Context;
use super::exit::Exit;
use super::output;
use super::session::command;
use super::tools_edit;
use crate::launch::StateFolder;
use crate::lockfile::ToolName;

pub(super) fn run(manifest: Option<&Path>, arguments: &Tools) -> anyhow::Result<Exit> {
    let context = Context::open(manifest)?;
    let manifest = context.manifest()?;
    let lock = context.lock()?;
    let (name, server, locked) = context.server(&arguments.name, &manifest, &lock)?;
    if arguments.choose || !arguments.allow.is_empty() || !arguments.withhold.is_empty() {
        return tools_edit::run(&context, &name, server, locked, arguments);
    }
    let offered = &locked.behaviour.tools;
    let allow = &server.tools.allow;
    let state = StateFolder::planned(context.paths.server_state(&name));
    let differing = state.shown_tools().differing();
    let quarantine = state.quarantine().look();
    let names: BTreeSet<&ToolName> = offered.keys().chain(allow).collect();
    let word = |tool: &ToolName| match (allow.contains(tool), offered.contains_key(tool)) {
        (false, _) => "withheld",
        (true, true) if differing.contains(tool) => "changed",
        (true, true) if server.tools.ask.contains(tool) => "asked",
        (true, true) => "allowed",
        (true, false) if differing.contains(tool) => "new",
        (true, false) => "absent",
    };
    if arguments.json {
        let tools: Vec<_> = offered
            .iter()
            .map(|(tool, digest)| {
                json!({
                    "name": tool.as_str(),
                    "allowed": allow.contains(tool),
                    "state": word(tool),
                    "digest": digest.to_string(),
                })
            })
            .collect();
        let absent: Vec<_> = allow
            .iter()
            .filter(|tool| !offered.contains_key(*tool))
            .map(|tool| tool.as_str())
            .collect();
        let mut found =
            json!({ "server": name.as_str(), "tools": tools, "allowed_but_not_offered": absent });
        if let Some(imposed) = quarantine {
            found["quarantine"] = imposed.describe().into();
        }
        output::data(&found.to_string());
        return Ok(Exit::Success);
    }
    if let Some(imposed) = quarantine {
        let release = command(&context, "release", &name);
        output::warning(&format!(
            "`{name}` {}; nothing of it runs until `{release}`",
            imposed.describe()
        ));
    }
    for tool in names {
        let word = word(tool);
        let more = match word {
            "changed" => {
                format!("  (last seen with another definition; see `pinfold review {name}`)")
            }
            "new" => format!(
                "  (allowed, but the lock holds no definition; see `pinfold review {name}`)"
            ),
            "asked" => "  (the user is asked about each call)".to_owned(),
            "absent" => "  (allowed, but the server did not offer it)".to_owned(),
            _ => String::new(),
        };
        output::data(&format!("{word:8}  {tool}{more}"));
    }
    Ok(Exit::Success)
}
