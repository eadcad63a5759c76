//! `pinfold tools NAME --choose`, `--allow`, `--withhold`: another allowlist, in manifest and lock.

use std::collections::BTreeSet;

use anyhow::Context as _;

use super::args::Tools;
use super::choosing::{choose_again, tool_names};
use super::context::Context;
use super::exit::{DriftError, Exit, UsageError};
use super::locking::{refuse_other_changes, repin_policy};
use super::output;
use crate::config::{ConfigError, Manifest, Server, set_tools};
use crate::lockfile::{LockedServer, ServerName, ToolName};

pub(super) fn run(
    context: &Context,
    name: &ServerName,
    server: &Server,
    locked: &LockedServer,
    arguments: &Tools,
) -> anyhow::Result<Exit> {
    refuse_other_changes(context, name, server, locked)?;
    let before = &server.tools.allow;
    let chosen = if arguments.choose {
        let offered = &locked.behaviour.tools;
        // What was not offered is not in the list, and stays as it is.
        let absent = before.iter().filter(|tool| !offered.contains_key(*tool));
        let chosen = choose_again(context, name, offered, before)?;
        chosen.map(|chosen| chosen.into_iter().chain(absent.cloned()).collect())
    } else {
        Some(edited(name, before, locked, arguments)?)
    };
    let Some(chosen) = chosen else {
        output::note("Nothing was written.");
        return Ok(Exit::Success);
    };
    if chosen == *before {
        output::note("The allowlist is like that already; nothing was written.");
        return Ok(Exit::Success);
    }
    write(context, name, server, locked, &chosen)?;
    for tool in chosen.difference(before) {
        output::note(&format!("allowed: `{tool}`"));
    }
    for tool in before.difference(&chosen) {
        output::note(&format!("withheld: `{tool}`"));
    }
    output::note("Sessions that run already keep what they began with.");
    if !context.paths.own_manifest {
        output::note("Manifest and lock changed, so this manifest has to be trusted again.");
    }
    Ok(Exit::Success)
}

fn edited(
    name: &ServerName,
    before: &BTreeSet<ToolName>,
    locked: &LockedServer,
    arguments: &Tools,
) -> anyhow::Result<BTreeSet<ToolName>> {
    let (allow, withhold) = (
        tool_names(&arguments.allow)?,
        tool_names(&arguments.withhold)?,
    );
    if let Some(both) = allow.intersection(&withhold).next() {
        return Err(UsageError(format!("`{both}` is to be allowed and withheld")).into());
    }
    let is_known = |tool: &&ToolName| locked.behaviour.tools.contains_key(*tool);
    if let Some(absent) = allow.iter().find(|tool| !is_known(tool)) {
        return Err(UsageError(format!(
            "`{name}` offered no tool `{absent}` when it was locked; `pinfold tools {name}` lists those that it did, `pinfold review {name}` what is new"
        ))
        .into());
    }
    if let Some(absent) = withhold
        .iter()
        .find(|tool| !is_known(tool) && !before.contains(*tool))
    {
        return Err(UsageError(format!("`{name}` has no tool `{absent}`")).into());
    }
    let chosen: BTreeSet<ToolName> = before.union(&allow).cloned().collect();
    Ok(chosen.difference(&withhold).cloned().collect())
}

fn write(
    context: &Context,
    name: &ServerName,
    server: &Server,
    reviewed: &LockedServer,
    chosen: &BTreeSet<ToolName>,
) -> anyhow::Result<()> {
    let path = &context.paths.manifest;
    let _guard = context.write_lock()?;
    let changed = || {
        DriftError(format!(
            "`{name}` was changed meanwhile; nothing was written; run `pinfold tools {name}` again"
        ))
    };
    let mut lock = context.lock()?;
    let locked = lock
        .servers
        .get_mut(name)
        .filter(|locked| *locked == reviewed)
        .ok_or_else(changed)?;
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("could not read {}", path.display()))?;
    let parse = |text: &str| {
        Manifest::parse(text, path, context.paths.home.as_deref())
            .map_err(|diagnostics| UsageError(diagnostics.to_string()))
    };
    if parse(&text)?.servers.get(name) != Some(server) {
        return Err(changed().into());
    }
    let text = set_tools(&text, name, chosen)?;
    let manifest = parse(&text)?;
    let after = manifest.servers.get(name);
    let after = after
        .filter(|after| after.tools.allow == *chosen)
        .ok_or_else(|| ConfigError::EditByHand { name: name.clone() })?;
    repin_policy(context, after, locked)?;
    // One without the other is refused at a launch, and `pinfold lock` mends it.
    context.save(lock, "tools")?;
    context.save_manifest(&text)
}
