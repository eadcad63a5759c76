//! The rules as data, and what the kernel's machine makes of them, on both architectures.

mod arguments;
mod evidence;
mod expected;
mod model;

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::sandbox::testing::{ARCHITECTURES, Answer, Call, answer};
use crate::sandbox::{Architecture, compile_for};
use crate::sys::testing::calls;

const EPERM: Answer = Answer::Refused(1);
const ENOSYS: Answer = Answer::Refused(38);

/// A kind of server: its rules, and whether it has a network, a root of its own, and UNIX sockets
/// of its own.
struct Kind {
    network: bool,
    own_root: bool,
    own_sockets: bool,
    rules: SyscallRules,
}

fn kinds() -> Vec<Kind> {
    let mut kinds = Vec::new();
    for own_root in [false, true] {
        for network in [Network::Off, Network::Ports(vec![443])] {
            kinds.push(Kind {
                rules: syscall_rules(&network, own_root, false).unwrap(),
                network: network != Network::Off,
                own_root,
                own_sockets: false,
            });
        }
    }
    kinds.push(Kind {
        rules: syscall_rules(&Network::Relayed(vec![443]), true, true).unwrap(),
        network: true,
        own_root: true,
        own_sockets: true,
    });
    kinds
}

/// The programs for one kind of server on one architecture.
struct Filter {
    architecture: Architecture,
    programs: Vec<Vec<u64>>,
}

impl Filter {
    fn new(rules: &SyscallRules, architecture: Architecture) -> Self {
        Self {
            programs: compile_for(rules, architecture).unwrap(),
            architecture,
        }
    }

    fn number(&self, name: &str) -> Option<u32> {
        (self.architecture.number)(name).map(|number| number.try_into().unwrap())
    }

    fn answer(&self, number: u32, arguments: [u64; 6]) -> Answer {
        let call = Call {
            number,
            architecture: self.architecture.audit,
            arguments,
        };
        answer(&self.programs, call)
    }
}

fn words(list: &'static str) -> BTreeSet<&'static str> {
    list.split_whitespace().collect()
}

/// Every number up to some that the kernel hasn't given away yet.
const NUMBERS: std::ops::Range<u32> = 0..700;

#[test]
fn every_call_of_both_architectures_has_the_verdict_that_is_expected() {
    let lists = [
        expected::ALLOWED,
        expected::JUDGED,
        expected::METADATA,
        expected::LISTENING,
        expected::ACCEPTING,
        expected::REFUSED,
        expected::UNKNOWN,
    ]
    .map(words);
    for architecture in ARCHITECTURES {
        let names: BTreeMap<u32, &str> = calls(architecture.name)
            .iter()
            .map(|(name, number)| ((*number).try_into().unwrap(), *name))
            .collect();
        for name in names.values() {
            let times = lists.iter().filter(|list| list.contains(name)).count();
            assert_eq!(times, 1, "{name} is on {times} lists");
        }
        for kind in kinds() {
            let filter = Filter::new(&kind.rules, architecture);
            for number in NUMBERS {
                let name = names.get(&number).copied().unwrap_or("nothing");
                let place = lists.iter().position(|list| list.contains(name));
                let verdict = match place {
                    Some(0) => Answer::Allowed,
                    Some(1) => continue,
                    Some(2) if kind.own_root => Answer::Allowed,
                    Some(3 | 4) if kind.own_sockets => Answer::Allowed,
                    Some(2 | 3 | 5) => EPERM,
                    _ => ENOSYS,
                };
                // Also not by arguments that happen to be all ones.
                for arguments in [[0; 6], [u64::MAX; 6]] {
                    let found = filter.answer(number, arguments);
                    assert_eq!(found, verdict, "{name} on {}", architecture.name);
                }
            }
        }
    }
}

/// Without a root and a network of its own its sockets would be those of the machine.
#[test]
fn own_sockets_need_a_root_and_a_network_of_their_own() {
    let ports = Network::Ports(vec![443]);
    let relayed = Network::Relayed(vec![443]);
    for (network, own_root) in [(&ports, true), (&ports, false), (&relayed, false)] {
        let asked = syscall_rules(network, own_root, true).unwrap();
        assert_eq!(asked, syscall_rules(network, own_root, false).unwrap());
    }
    let without = syscall_rules(&relayed, true, false).unwrap();
    assert_ne!(syscall_rules(&relayed, true, true).unwrap(), without);
}

#[test]
fn calls_of_other_architectures_kill() {
    const OTHERS: [u32; 4] = [
        0x4000_0003, // AUDIT_ARCH_I386
        0x4000_0028, // AUDIT_ARCH_ARM
        0xC000_00F3, // AUDIT_ARCH_RISCV64
        0,
    ];
    for architecture in ARCHITECTURES {
        let kind = &kinds()[0];
        let filter = Filter::new(&kind.rules, architecture);
        let twin = ARCHITECTURES
            .iter()
            .find(|other| other.audit != architecture.audit)
            .unwrap();
        for number in NUMBERS {
            for other in OTHERS.into_iter().chain([twin.audit]) {
                let call = Call {
                    number,
                    architecture: other,
                    arguments: [0; 6],
                };
                assert_eq!(answer(&filter.programs, call), Answer::Killed);
            }
            // The x32 interface: the same architecture, a bit in the number.
            for bits in [0x4000_0000, 0x8000_0000, 0xC000_0000] {
                assert_eq!(filter.answer(number | bits, [0; 6]), Answer::Killed);
            }
        }
        assert_eq!(filter.answer(0x3fff_ffff, [0; 6]), ENOSYS);
    }
}

#[test]
fn the_programs_fit_into_the_kernel() {
    for kind in kinds() {
        for architecture in ARCHITECTURES {
            for program in Filter::new(&kind.rules, architecture).programs {
                // BPF_MAXINSNS
                assert!(program.len() <= 4096, "{} instructions", program.len());
            }
        }
    }
}

#[test]
fn every_name_is_a_call_of_one_of_the_architectures() {
    let tables = ARCHITECTURES.map(|architecture| calls(architecture.name));
    for kind in kinds() {
        let rules = kind.rules.allow.iter().chain(&kind.rules.deny);
        for name in rules.flat_map(|rule| &rule.calls) {
            let known = tables.iter().any(|table| table.contains_key(name.as_str()));
            assert!(known, "{name}");
            // Else the filter of this machine would leave it out.
            let here = calls(std::env::consts::ARCH).get(name.as_str()).copied();
            assert_eq!(crate::sys::syscall_number(name), here, "{name}");
        }
    }
}

#[test]
fn no_call_is_allowed_and_denied_without_condition() {
    for kind in kinds() {
        let unconditional = |rules: &[CallRule]| {
            rules
                .iter()
                .filter(|rule| rule.when.is_empty())
                .flat_map(|rule| rule.calls.clone())
                .collect::<BTreeSet<_>>()
        };
        let allowed = unconditional(&kind.rules.allow);
        let denied = unconditional(&kind.rules.deny);
        assert_eq!(
            allowed.intersection(&denied).collect::<Vec<_>>(),
            Vec::<&String>::new()
        );
    }
}
