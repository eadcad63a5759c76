//! Nothing is allowed that nobody needs: each call was made by a real server while it was watched,
//! or the data says who makes it.

use super::*;

/// Who made which call; see integration/observe/record.py.
const OBSERVED: &str = include_str!("../../../../integration/fixtures/observed-calls.txt");

/// What real servers called, and what they do without: none of them missed it in the box.
const NOT_MISSED: [(&str, &str); 4] = [
    (
        "clone3",
        "libc and Go fall back to clone, whose flags can be judged",
    ),
    ("io_uring_enter", "libuv falls back to its threads"),
    ("io_uring_setup", "libuv falls back to its threads"),
    ("semget", "Chromium, which draws without it"),
];

fn observed() -> BTreeSet<&'static str> {
    OBSERVED
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once(": "))
        .filter(|(_, who)| !who.is_empty())
        .map(|(name, _)| name)
        .collect()
}

fn data() -> RulesText {
    toml::from_str(TEXT).unwrap()
}

#[test]
fn every_allowed_call_was_seen_or_has_a_reason() {
    let observed = observed();
    assert!(observed.len() > 100, "{}", observed.len());
    let mut without = Vec::new();
    for rule in data().allow {
        let mut reasons = BTreeSet::new();
        for reason in &rule.unseen {
            assert!(!reason.why.is_empty());
            for call in &reason.calls {
                assert!(rule.calls.contains(call), "{call} is not in its entry");
                assert!(reasons.insert(call.as_str()), "{call} has two reasons");
                let seen = observed.contains(call.as_str());
                assert!(!seen, "{call} was seen and needs no other reason");
            }
        }
        let needed =
            |call: &&String| !observed.contains(call.as_str()) && !reasons.contains(call.as_str());
        without.extend(rule.calls.iter().filter(needed).cloned());
    }
    assert_eq!(without, Vec::<String>::new(), "nobody needs these");
    for rule in data().deny {
        assert!(
            rule.unseen.is_empty(),
            "{:?}: only what is allowed needs a reason",
            rule.calls
        );
    }
}

#[test]
fn what_was_seen_is_allowed_or_known_not_to_be_missed() {
    let allowed: BTreeSet<String> = data()
        .allow
        .into_iter()
        .flat_map(|rule| rule.calls)
        .collect();
    let refused: Vec<&str> = observed()
        .into_iter()
        .filter(|call| !allowed.contains(*call))
        .collect();
    assert_eq!(refused, NOT_MISSED.map(|(call, _)| call));
}

/// The evidence is of this table: a misspelt or foreign name would prove nothing.
#[test]
fn what_was_seen_are_calls() {
    let table = calls("x86_64");
    for call in observed() {
        assert!(table.contains_key(call), "{call}");
    }
}
