//! `[servers.NAME.tools]`: which tools the client may see and call, and what holds for the calls.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::Duration;

use toml::de::DeTable;

use super::call_rules::call_rule;
use super::diagnostic::Code;
use super::manifest::{PerTool, Rate, Tools};
use super::raw::{Node, Walk};
use crate::lockfile::ToolName;
use crate::schema::Schema;

/// Above this no limit is meant.
const MAX_CALLS: u32 = 1_000_000;
/// Within this a repeated call can be refused.
const MAX_REPEAT: Duration = Duration::from_secs(24 * 60 * 60);

pub(super) fn tools(
    walk: &mut Walk,
    node: Option<&Node<'_>>,
    place: &str,
    name_span: Range<usize>,
) -> Tools {
    let help = Some("name the tools that may be used: allow = [\"echo\"]".to_owned());
    let Some(node) = node else {
        walk.report_with_help(
            Code::MissingKey,
            name_span,
            format!("{place} has no `tools` table, and without an allowlist nothing is launched"),
            help,
        );
        return Tools::default();
    };
    let Some(table) = walk.table(node, "`tools`") else {
        return Tools::default();
    };
    walk.only_keys(
        table,
        &["allow", "ask", "limits", "repeat", "rules"],
        "`tools`",
    );
    if table.get("allow").is_none() {
        walk.report_with_help(
            Code::MissingKey,
            node.span(),
            "`tools` has no `allow` list, and without one nothing is launched",
            help,
        );
    }
    let mut allow = BTreeSet::new();
    names(walk, table, "allow", &mut allow);
    let always = allow.clone();
    // A tool of both lists is a mistake: one of them would be meant.
    names(walk, table, "ask", &mut allow);
    let ask = allow.difference(&always).cloned().collect();
    let limits = table
        .get("limits")
        .map(|node| per_tool(walk, node, "`tools.limits`", &allow, rate));
    let repeat = table.get("repeat").map(|node| repeat(walk, node, &allow));
    let rules = table.get("rules").map(|node| rules(walk, node, &allow));
    Tools {
        allow,
        ask,
        limits: limits.unwrap_or_default(),
        repeat: repeat.unwrap_or_default(),
        rules: rules.unwrap_or_default(),
    }
}

/// The tools of a list, each of which may be named once.
fn names(walk: &mut Walk, table: &DeTable<'_>, key: &str, names: &mut BTreeSet<ToolName>) {
    for (text, span) in walk.strings(table.get(key), &format!("`tools.{key}`")) {
        match text.parse::<ToolName>() {
            Err(error) => walk.report(Code::InvalidValue, span, error.to_string()),
            Ok(tool) => {
                if !names.insert(tool) {
                    walk.report(
                        Code::Duplicate,
                        span,
                        format!("tool `{text}` is listed twice"),
                    );
                }
            }
        }
    }
}

/// A key that has to be a tool that may be called: else what is said of it holds for nothing.
fn tool(
    walk: &mut Walk,
    key: &toml::Spanned<std::borrow::Cow<'_, str>>,
    what: &str,
    allow: &BTreeSet<ToolName>,
) -> Option<ToolName> {
    let name = key.get_ref().as_ref();
    if let Some(tool) = allow.get(name) {
        return Some(tool.clone());
    }
    walk.report(
        Code::InvalidValue,
        key.span(),
        format!("{what} speaks of the tool `{name}`, which is not allowed"),
    );
    None
}

fn per_tool<T>(
    walk: &mut Walk,
    node: &Node<'_>,
    what: &str,
    allow: &BTreeSet<ToolName>,
    read: impl Fn(&mut Walk, &Node<'_>, &str) -> Option<T>,
) -> PerTool<T> {
    let mut all = PerTool::default();
    let Some(table) = walk.table(node, what) else {
        return all;
    };
    for (key, node) in table {
        let value = read(walk, node, what);
        if key.get_ref() == "*" {
            all.others = value;
        } else if let (Some(tool), Some(value)) = (tool(walk, key, what, allow), value) {
            all.named.insert(tool, value);
        }
    }
    all
}

fn rate(walk: &mut Walk, node: &Node<'_>, what: &str) -> Option<Rate> {
    let text = walk.string(node, &format!("an entry of {what}"))?;
    let rate = read_rate(&text, MAX_CALLS);
    if rate.is_none() {
        walk.report_with_help(
            Code::InvalidValue,
            node.span(),
            format!("`{text}` is not how often a tool may be called"),
            Some("write a number of calls and s, min or h: \"10/min\"".to_owned()),
        );
    }
    rate
}

/// A number of at most `most` and a unit: `10/min`.
pub(super) fn read_rate(text: &str, most: u32) -> Option<Rate> {
    let (calls, unit) = text.split_once('/')?;
    let seconds = match unit {
        "s" => 1,
        "min" => 60,
        "h" => 3600,
        _ => return None,
    };
    // `parse` alone would take "+1".
    let digits = calls.bytes().all(|byte| byte.is_ascii_digit());
    let calls = calls.parse().ok().filter(|_| digits)?;
    (1..=most).contains(&calls).then_some(Rate {
        calls,
        period: Duration::from_secs(seconds),
    })
}

fn repeat(walk: &mut Walk, node: &Node<'_>, allow: &BTreeSet<ToolName>) -> PerTool<Duration> {
    if node.get_ref().is_table() {
        return per_tool(walk, node, "`tools.repeat`", allow, span_of_time);
    }
    PerTool {
        others: span_of_time(walk, node, "`tools.repeat`"),
        ..PerTool::default()
    }
}

fn span_of_time(walk: &mut Walk, node: &Node<'_>, what: &str) -> Option<Duration> {
    let text = walk.string(node, what)?;
    let span = humantime::parse_duration(&text).ok();
    let span = span.filter(|span| !span.is_zero() && *span <= MAX_REPEAT);
    if span.is_none() {
        walk.report_with_help(
            Code::InvalidValue,
            node.span(),
            format!("`{text}` is no time span of at most a day"),
            Some("write for example \"5s\"".to_owned()),
        );
    }
    span
}

fn rules(
    walk: &mut Walk,
    node: &Node<'_>,
    allow: &BTreeSet<ToolName>,
) -> BTreeMap<ToolName, Schema> {
    let mut rules = BTreeMap::new();
    let table = walk.table(node, "`tools.rules`");
    for (key, node) in table.into_iter().flatten() {
        let name = key.get_ref();
        let rule = call_rule(walk, node, &format!("tools.rules.{name}"));
        if let Some(tool) = tool(walk, key, "`tools.rules`", allow) {
            rules.insert(tool, rule);
        }
    }
    rules
}

#[cfg(test)]
mod tests;
