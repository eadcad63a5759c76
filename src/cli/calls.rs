//! From the policy to what the relay enforces of calls and answers, with the lines of the manifest
//! for its messages.

use std::collections::BTreeMap;

use super::context::Context;
use crate::config::{Lines, Manifest, PerTool};
use crate::lockfile::{ServerName, ToolName};
use crate::policy::{CallPolicy, EffectivePolicy};
use crate::relay::{CallRules, Rate, Ruled};

/// What holds for calls.
pub(super) fn call_rules(
    context: &Context,
    name: &ServerName,
    policy: &EffectivePolicy,
) -> CallRules {
    let calls = &policy.calls;
    let CallPolicy {
        rules,
        limits,
        repeat,
        ask,
        ..
    } = calls;
    if rules.is_empty() && limits.is_empty() && repeat.is_empty() && ask.is_empty() {
        return CallRules::default();
    }
    // Only for messages, so what can't be read a second time is no reason to stop.
    let text = Manifest::load_text(&context.paths).unwrap_or_default();
    let lines = Lines::of(&text, name);
    let manifest = context.paths.manifest.display();
    let place = |key: &str| {
        let line = lines.get(&format!("tools.{key}"));
        let line = line.or_else(|| lines.get(&format!("tools.{}", key.split('.').next()?)));
        let line = line.map_or(String::new(), |line| format!(", line {line}"));
        format!("`servers.{name}.tools.{key}` in {manifest}{line}")
    };
    CallRules {
        arguments: rules
            .iter()
            .map(|(tool, rule)| {
                let what = rule.clone();
                let place = place(&format!("rules.{tool}"));
                (tool.clone(), Ruled { what, place })
            })
            .collect(),
        limits: each_tool(policy, limits, |rate, key| Ruled {
            what: Rate {
                calls: rate.calls,
                period: rate.period,
            },
            place: place(&format!("limits.{key}")),
        }),
        repeat: each_tool(policy, repeat, |window, key| Ruled {
            what: *window,
            place: match (key, repeat.named.is_empty()) {
                ("*", true) => place("repeat"),
                _ => place(&format!("repeat.{key}")),
            },
        }),
        ask: ask
            .iter()
            .map(|tool| {
                let place = place("ask");
                (tool.clone(), Ruled { what: (), place })
            })
            .collect(),
    }
}

/// What is said of each tool that may be called.
fn each_tool<T, R>(
    policy: &EffectivePolicy,
    said: &PerTool<T>,
    ruled: impl Fn(&T, &str) -> R,
) -> BTreeMap<ToolName, R> {
    let tools = policy.tools.iter();
    tools
        .filter_map(|tool| {
            let (what, key) = said.of(tool)?;
            Some((tool.clone(), ruled(what, key)))
        })
        .collect()
}
