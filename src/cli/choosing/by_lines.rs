//! Choosing tools line by line, where a terminal can't be drawn on (`TERM=dumb`), or is not to be:
//! screen readers follow lines more easily.

use std::collections::BTreeSet;

use super::super::difference::laid_out;
use super::super::proposal::Proposal;
use super::super::{output, summary};
use super::claims::Claims;
use crate::lockfile::ToolName;
use crate::relay::Introspection;

/// `None` at the end of input.
pub(super) fn ask(
    introspection: &Introspection,
    offered: &BTreeSet<ToolName>,
    proposal: &Proposal,
) -> Option<BTreeSet<ToolName>> {
    output::note(&format!("It offers {} tools:", offered.len()));
    for line in summary::tools(introspection) {
        output::note(&line);
    }
    loop {
        let answer = output::ask(proposal.question())?;
        match answer.as_str() {
            "all" => return Some(offered.clone()),
            "proposed" if !proposal.tools.is_empty() => return Some(proposal.tools.clone()),
            "none" => return Some(BTreeSet::new()),
            "" => continue,
            _ => {}
        }
        if let Some(name) = answer.strip_prefix('?') {
            explain(introspection, name.trim());
            continue;
        }
        let words = answer.split([' ', ',']).filter(|word| !word.is_empty());
        let chosen: Result<BTreeSet<ToolName>, _> = words
            .map(|word| match word.parse::<ToolName>() {
                Ok(tool) if offered.contains(&tool) => Ok(tool),
                _ => Err(word.to_owned()),
            })
            .collect();
        match chosen {
            Ok(chosen) => return Some(chosen),
            Err(word) => absent(&word),
        }
    }
}

fn explain(introspection: &Introspection, name: &str) {
    let Some(tool) = introspection.tools.iter().find(|tool| tool.name == name) else {
        return absent(name);
    };
    let claims = Claims::of(&tool.canonical).sentence();
    output::note(&format!("{}: {claims}", output::foreign(name, 128)));
    for line in laid_out(&tool.canonical) {
        output::note(&line);
    }
}

fn absent(name: &str) {
    output::note(&format!(
        "There is no tool `{}`.",
        output::foreign(name, 80)
    ));
}
