//! A manifest's own list of system calls: what may be on it, what stays whatever it says, and what
//! `observe` proposes for it. `profiles/system-calls.toml` has the data.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use serde::Deserialize;

use super::{PolicyError, rules_text};
use crate::sandbox::SyscallRules;

const FILE: &str = "profiles/system-calls.toml";
const TEXT: &str = include_str!("../../../profiles/system-calls.toml");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ListsText {
    kept: Vec<CallsText>,
    alike: Vec<CallsText>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CallsText {
    /// Who needs them, or what they do; documentation that must be there.
    #[serde(rename = "who")]
    _who: String,
    calls: BTreeSet<String>,
}

/// Read when a manifest has a list, and not before.
static LISTS: LazyLock<Result<ListsText, String>> =
    LazyLock::new(|| toml::from_str(TEXT).map_err(|error| error.to_string()));

fn lists() -> Result<&'static ListsText, PolicyError> {
    LISTS.as_ref().map_err(|message| PolicyError::BuiltIn {
        file: FILE,
        message: message.clone(),
    })
}

/// Every call that some box lets through, with whatever arguments.
fn known() -> Result<BTreeSet<String>, PolicyError> {
    let rules = rules_text()?.allow.iter();
    Ok(rules.flat_map(|rule| rule.calls.iter().cloned()).collect())
}

/// The calls of a manifest's list with those that stay in any case.
///
/// # Errors
/// When a name on the list is none of a call that a box lets through: the list can't give it.
pub(in crate::policy) fn own_list(
    written: &BTreeSet<String>,
) -> Result<BTreeSet<String>, PolicyError> {
    let known = known()?;
    if let Some(name) = written.iter().find(|name| !known.contains(*name)) {
        return Err(PolicyError::UnknownCall { name: name.clone() });
    }
    let kept = lists()?.kept.iter().flat_map(|kept| &kept.calls);
    Ok(written.iter().chain(kept).cloned().collect())
}

/// A list for a server that made these calls: those that a manifest's list may have, with all that
/// have the same reach, and without those that stay anyway.
///
/// # Errors
/// Only when the embedded data is wrong.
pub fn proposed_list(made: &BTreeSet<String>) -> Result<BTreeSet<String>, PolicyError> {
    let lists = lists()?;
    let known = known()?;
    let mut proposed: BTreeSet<String> = made.intersection(&known).cloned().collect();
    for group in &lists.alike {
        if !group.calls.is_disjoint(made) {
            proposed.extend(group.calls.iter().cloned());
        }
    }
    for kept in &lists.kept {
        proposed.retain(|name| !kept.calls.contains(name));
    }
    Ok(proposed)
}

/// What is left of `rules` where only `list` may be called. What is refused as dangerous stays so.
#[must_use]
pub fn narrowed(mut rules: SyscallRules, list: &BTreeSet<String>) -> SyscallRules {
    for rule in &mut rules.allow {
        rule.calls.retain(|name| list.contains(name));
    }
    rules.allow.retain(|rule| !rule.calls.is_empty());
    rules
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(list: &[&str]) -> BTreeSet<String> {
        list.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn the_data_names_calls_that_a_box_lets_through() {
        let known = known().unwrap();
        let lists = lists().unwrap();
        let mut seen = BTreeSet::new();
        for group in &lists.alike {
            assert!(group.calls.len() > 1);
            for name in &group.calls {
                assert!(known.contains(name), "{name}");
                assert!(seen.insert(name), "{name} is in two groups");
            }
        }
        for name in lists.kept.iter().flat_map(|kept| &kept.calls) {
            assert!(known.contains(name), "{name}");
        }
    }

    #[test]
    fn a_list_can_only_take_away() {
        for name in ["ptrace", "io_uring_setup", "no_such_call", "mount"] {
            let refused = own_list(&names(&["read", name])).unwrap_err();
            assert!(refused.to_string().contains(name), "{refused}");
        }
        // The control; and what stays in any case.
        let list = own_list(&names(&["getdents64"])).unwrap();
        assert!(list.contains("getdents64") && list.contains("execve"));
        assert!(!list.contains("openat") && !list.contains("socket"));
        assert_eq!(own_list(&BTreeSet::new()).unwrap().len() + 1, list.len());
    }

    #[test]
    fn what_has_the_same_reach_is_proposed_together_and_nothing_else() {
        let made = names(&["newfstatat", "read", "getdents64", "no_such_call", "ptrace"]);
        let proposed = proposed_list(&made).unwrap();
        let expected = names(&[
            "fstat",
            "getdents64",
            "lstat",
            "newfstatat",
            "pread64",
            "preadv",
            "preadv2",
            "readv",
            "stat",
            "statx",
        ]);
        assert_eq!(proposed, expected);
        // It can be written into a manifest, and then it is enough.
        let list = own_list(&proposed).unwrap();
        assert!(list.contains("read"));
    }

    #[test]
    fn what_is_not_on_the_list_is_taken_out_of_the_rules() {
        use crate::sandbox::{CallRule, SyscallRules};
        let rule = |calls: &[&str]| CallRule {
            calls: calls.iter().map(|name| (*name).to_owned()).collect(),
            when: vec![],
        };
        let rules = SyscallRules {
            allow: vec![rule(&["read", "openat"]), rule(&["socket"])],
            deny: vec![rule(&["ptrace"])],
        };
        let left = narrowed(rules.clone(), &names(&["read"]));
        assert_eq!(left.allow, [rule(&["read"])]);
        assert_eq!(left.deny, rules.deny);
    }
}
