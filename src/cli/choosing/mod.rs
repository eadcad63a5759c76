//! Which tools the client may use: as it was said beforehand, or as a person chooses on the
//! terminal, or an error that lists the tools and the options that choose them.

mod by_lines;
mod claims;
mod tool_list;
mod tool_list_view;

use std::collections::{BTreeMap, BTreeSet};

use super::context::Context;
use super::exit::UsageError;
use super::proposal::Proposal;
use super::{output, screen, summary};
use crate::lockfile::{Digest, ServerName, ToolName};
use crate::relay::Introspection;
use tool_list::{Tool, ToolList};

/// Longest list in an error, in tools.
const MAX_LISTED: usize = 200;

/// Which tools the client may use, as far as it was said beforehand.
pub(super) struct Choice {
    pub allow: Vec<String>,
    pub allow_all: bool,
    /// What stands before a tool's name in `--allow`, for the message.
    pub prefix: String,
}

/// The allowlist of the server `name`.
pub(super) fn choose(
    context: &Context,
    name: &ServerName,
    choice: &Choice,
    introspection: &Introspection,
    proposal: &Proposal,
) -> anyhow::Result<BTreeSet<ToolName>> {
    let offered: BTreeSet<ToolName> = introspection
        .tools
        .iter()
        .filter_map(|tool| tool.name.parse().ok())
        .collect();
    if choice.allow_all {
        return Ok(offered);
    }
    if !choice.allow.is_empty() {
        let chosen = tool_names(&choice.allow)?;
        if let Some(absent) = chosen.iter().find(|tool| !offered.contains(*tool)) {
            return Err(UsageError(format!(
                "the server offers no tool `{absent}`; it offers:\n{}",
                listed(introspection)
            ))
            .into());
        }
        return Ok(chosen);
    }
    if offered.is_empty() {
        return Ok(offered);
    }
    if !output::at_a_terminal() {
        return Err(UsageError(format!(
            "which tools may the client use? There is no terminal to choose them on: say --allow {}TOOL for each, or --allow-all.{} The server offers:\n{}",
            choice.prefix,
            proposal.as_options(),
            listed(introspection)
        ))
        .into());
    }
    let nothing = format!(
        "no tools of `{name}` were chosen; nothing was written for it; `--allow {}TOOL` chooses without asking",
        choice.prefix
    );
    let chosen = if screen::is_drawable(&context.environment) {
        let mut list = ToolList::new(name, introspection, &proposal.tools);
        screen::ask(&mut list, &context.environment)
            .map_err(|error| error.context(nothing.clone()))?
    } else {
        by_lines::ask(introspection, &offered, proposal)
    };
    chosen.ok_or_else(|| UsageError(nothing).into())
}

/// Of the tools as they were locked, those that a person marks on the terminal; `allowed` are
/// marked beforehand. `None` when they leave.
pub(super) fn choose_again(
    context: &Context,
    name: &ServerName,
    offered: &BTreeMap<ToolName, Digest>,
    allowed: &BTreeSet<ToolName>,
) -> anyhow::Result<Option<BTreeSet<ToolName>>> {
    if !output::at_a_terminal() || !screen::is_drawable(&context.environment) {
        return Err(UsageError(format!(
            "there is no terminal that a list can be drawn on; `pinfold tools {name} --allow TOOL` and `--withhold TOOL` do the same"
        ))
        .into());
    }
    let tools = offered.iter().map(|(tool, digest)| {
        let definition = context.store.definition(digest).unwrap_or_default();
        let words: Option<serde_json::Value> = serde_json::from_slice(&definition).ok();
        let text = words
            .as_ref()
            .map_or("(its definition is not on this machine)", |words| {
                words["description"].as_str().unwrap_or("")
            });
        let mut tool = Tool::new(tool.clone(), text, definition.clone());
        tool.is_marked = allowed.contains(&tool.name);
        tool
    });
    let mut list = ToolList::of(name, tools.collect());
    screen::ask(&mut list, &context.environment)
        .map_err(|error| error.context("nothing was written"))
}

fn listed(introspection: &Introspection) -> String {
    let mut lines = summary::tools(introspection);
    let more = lines.len().saturating_sub(MAX_LISTED);
    if more > 0 {
        lines.truncate(MAX_LISTED);
        lines.push(format!("  … and {more} more"));
    }
    lines.join("\n")
}

pub(super) fn tool_names(names: &[String]) -> anyhow::Result<BTreeSet<ToolName>> {
    names
        .iter()
        .map(|name| {
            name.parse::<ToolName>()
                .map_err(|error| UsageError(error.to_string()).into())
        })
        .collect()
}
