//! The compiled programs against the rules that they are made of, at the edges of every condition.

use super::*;

/// What the rules say, read straight from them.
fn verdict(rules: &SyscallRules, name: &str, arguments: [u64; 6]) -> Answer {
    let matches = |rules: &[CallRule]| {
        rules.iter().any(|rule| {
            rule.calls.iter().any(|call| call == name)
                && (rule.when.is_empty()
                    || rule.when.iter().any(|alternative| {
                        alternative
                            .iter()
                            .all(|condition| holds(condition, arguments))
                    }))
        })
    };
    if matches(&rules.deny) {
        EPERM
    } else if matches(&rules.allow) {
        Answer::Allowed
    } else {
        ENOSYS
    }
}

fn holds(condition: &Condition, arguments: [u64; 6]) -> bool {
    let mut value = arguments[usize::from(condition.argument)];
    if condition.lower_half {
        value &= 0xffff_ffff;
    }
    match condition.test {
        Test::Equals(wanted) => value == wanted,
        Test::Differs(other) => value != other,
        Test::Masked { mask, equals } => value & mask == equals,
    }
}

/// Values on both sides of a condition, with and without the upper half of the register.
fn edges(condition: &Condition) -> Vec<u64> {
    let mut values = match condition.test {
        Test::Equals(value) | Test::Differs(value) => {
            vec![value, value.wrapping_sub(1), value.wrapping_add(1)]
        }
        Test::Masked { mask, equals } => {
            let bits = (0..64)
                .map(|shift| 1 << shift)
                .filter(|bit| mask & bit != 0);
            let mut values: Vec<u64> = bits.map(|bit| equals ^ bit).collect();
            values.extend([equals, equals | !mask, 0]);
            values
        }
    };
    values.extend(values.clone().into_iter().map(|value| value ^ 1 << 32));
    values.extend([0, u64::MAX]);
    values.sort_unstable();
    values.dedup();
    values
}

/// Arguments in which every combination of the edges of `conditions` occurs.
fn combinations(conditions: &[Condition]) -> Vec<[u64; 6]> {
    conditions.iter().fold(vec![[0; 6]], |vectors, condition| {
        let place = usize::from(condition.argument);
        vectors
            .iter()
            .flat_map(|vector| {
                edges(condition).into_iter().map(|value| {
                    let mut vector = *vector;
                    vector[place] = value;
                    vector
                })
            })
            .collect()
    })
}

#[test]
fn the_programs_say_what_the_rules_say_on_both_sides_of_every_condition() {
    let mut compared = 0;
    for kind in kinds() {
        for architecture in ARCHITECTURES {
            let filter = Filter::new(&kind.rules, architecture);
            for rule in kind.rules.allow.iter().chain(&kind.rules.deny) {
                for name in &rule.calls {
                    let Some(number) = filter.number(name) else {
                        continue;
                    };
                    for alternative in &rule.when {
                        let (mut inside, mut outside) = (false, false);
                        for arguments in combinations(alternative) {
                            let all = alternative
                                .iter()
                                .all(|condition| holds(condition, arguments));
                            inside |= all;
                            outside |= !all;
                            let found = filter.answer(number, arguments);
                            let wanted = verdict(&kind.rules, name, arguments);
                            assert_eq!(found, wanted, "{name}({arguments:x?})");
                            compared += 1;
                        }
                        assert!(inside && outside, "{name}: {alternative:?}");
                    }
                }
            }
        }
    }
    assert!(compared > 10_000, "only {compared}");
}
