//! `profiles/seccomp.toml` as rules for one server.

mod own_list;

use std::sync::LazyLock;

use serde::Deserialize;

use super::PolicyError;
use crate::sandbox::{CallRule, Condition, Network, SyscallRules, Test};

pub(super) use own_list::own_list;
pub use own_list::{narrowed, proposed_list};

const FILE: &str = "profiles/seccomp.toml";
const TEXT: &str = include_str!("../../profiles/seccomp.toml");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RulesText {
    allow: Vec<RuleText>,
    deny: Vec<RuleText>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleText {
    /// Who needs it; documentation that must be there.
    #[serde(rename = "who")]
    _who: String,
    calls: Vec<String>,
    /// Only with, or only without network; absent means both.
    network: Option<bool>,
    /// Only with, or only without a root of its own; absent means both.
    own_root: Option<bool>,
    /// Only with, or only without UNIX sockets of its own; absent means both.
    own_sockets: Option<bool>,
    #[serde(default)]
    when: Vec<Vec<ConditionText>>,
    /// Of the allowed ones, those that no server made while it was watched, and who makes them.
    #[serde(default)]
    #[cfg_attr(
        not(test),
        expect(
            dead_code,
            reason = "documentation, which a test holds against the evidence"
        )
    )]
    unseen: Vec<Unseen>,
    /// Any of these bits set: one alternative per bit.
    when_any_bit: Option<BitsText>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(
    not(test),
    expect(
        dead_code,
        reason = "documentation, which a test holds against the evidence"
    )
)]
struct Unseen {
    calls: Vec<String>,
    why: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ConditionText {
    argument: u8,
    width: u8,
    mask: Option<u64>,
    equals: Option<u64>,
    differs: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BitsText {
    argument: u8,
    width: u8,
    mask: u64,
}

/// The rules for a server with this network, and with or without a root of its own: a mount
/// namespace in which everything that it may not change is mounted read-only. `own_sockets` lets
/// its processes talk to each other by UNIX sockets; it counts only with a root of its own.
///
/// # Errors
/// Only when the embedded data is wrong, which a test rules out.
pub fn syscall_rules(
    network: &Network,
    own_root: bool,
    own_sockets: bool,
) -> Result<SyscallRules, PolicyError> {
    let text = rules_text()?;
    let has_network = *network != Network::Off;
    let own_sockets = own_sockets && own_root && network.is_own();
    let rules = |texts: &[RuleText]| {
        texts
            .iter()
            .filter(|rule| rule.network.is_none_or(|wanted| wanted == has_network))
            .filter(|rule| rule.own_root.is_none_or(|wanted| wanted == own_root))
            .filter(|rule| rule.own_sockets.is_none_or(|wanted| wanted == own_sockets))
            .map(rule)
            .collect::<Result<Vec<_>, _>>()
    };
    Ok(SyscallRules {
        allow: rules(&text.allow)?,
        deny: rules(&text.deny)?,
    })
}

/// Read once: a server with a list of its own, or without a root of its own, needs it twice.
static RULES: LazyLock<Result<RulesText, String>> =
    LazyLock::new(|| toml::from_str(TEXT).map_err(|error| error.to_string()));

fn rules_text() -> Result<&'static RulesText, PolicyError> {
    RULES.as_ref().map_err(|message| wrong(message))
}

fn rule(text: &RuleText) -> Result<CallRule, PolicyError> {
    let mut when = text
        .when
        .iter()
        .map(|conditions| conditions.iter().map(condition).collect())
        .collect::<Result<Vec<Vec<_>>, _>>()?;
    if let Some(bits) = &text.when_any_bit {
        let lower_half = lower_half(bits.width)?;
        for bit in (0..64)
            .map(|shift| 1_u64 << shift)
            .filter(|bit| bits.mask & bit != 0)
        {
            let test = Test::Masked {
                mask: bit,
                equals: bit,
            };
            when.push(vec![Condition {
                argument: bits.argument,
                lower_half,
                test,
            }]);
        }
    }
    Ok(CallRule {
        calls: text.calls.clone(),
        when,
    })
}

fn condition(text: &ConditionText) -> Result<Condition, PolicyError> {
    let test = match (text.mask, text.equals, text.differs) {
        (Some(mask), Some(equals), None) => Test::Masked { mask, equals },
        (None, Some(value), None) => Test::Equals(value),
        (None, None, Some(value)) => Test::Differs(value),
        _ => {
            return Err(wrong(
                "a condition needs `equals`, `differs`, or `mask` with `equals`",
            ));
        }
    };
    Ok(Condition {
        argument: text.argument,
        lower_half: lower_half(text.width)?,
        test,
    })
}

fn lower_half(width: u8) -> Result<bool, PolicyError> {
    match width {
        32 => Ok(true),
        64 => Ok(false),
        _ => Err(wrong("`width` is 32 or 64")),
    }
}

fn wrong(message: &str) -> PolicyError {
    PolicyError::BuiltIn {
        file: FILE,
        message: message.to_owned(),
    }
}

#[cfg(test)]
mod tests;
