//! The limits that the kernel holds a whole server to. They need controllers.

use pinfold::cgroup::{Controller, Counts, Limits, ServerGroup};

use super::Ground;
use super::boxed::{Boxed, tiers};
use crate::support::Tier;

/// Runs a server to its end.
fn used_by(ground: &Ground, tier: Tier, script: &str, limits: &Limits) -> (i32, String, Counts) {
    let group = ServerGroup::make(ground.path(), limits).unwrap();
    let mut boxed = Boxed::start(tier, script, Some(group.entrance().unwrap())).unwrap();
    let output = boxed.output();
    let code = boxed.ended();
    (code, output, group.counts())
}

/// Holds 48 MiB in each of several processes, none of which exceeds anything by itself. The value
/// of a shell's variable is memory that can't be given back.
const GREEDY: &str = "
    hold() { x=$(head -c 48000000 /dev/zero | tr '\\0' x); echo held; sleep 5; }
    for n in 1 2 3 4; do hold & done
    wait; echo all";

#[test]
fn memory_is_limited_for_all_processes_together() {
    let test = "memory_is_limited_for_all_processes_together";
    let Some(ground) = Ground::with(test, &[Controller::Memory]) else {
        return;
    };
    for tier in tiers(test) {
        let unlimited = Limits::default();
        let (code, output, counts) = used_by(&ground, tier, GREEDY, &unlimited);
        assert_eq!((code, counts.out_of_memory), (0, false), "{output}");
        assert!(output.ends_with("all\n"), "{output}");

        let limited = Limits {
            memory: Some(96 << 20),
            ..Limits::default()
        };
        let (code, output, counts) = used_by(&ground, tier, GREEDY, &limited);
        assert!(counts.out_of_memory, "{counts:?} {output}");
        // All of it, not the one process that came last.
        assert_eq!(code, 128 + 9, "{output}");
        assert!(!output.contains("all"), "{output}");
        if let Some(peak) = counts.peak_memory {
            assert!(peak <= 97 << 20 && peak > 64 << 20, "{peak}");
        }
    }
}

#[test]
fn processes_are_limited_for_all_processes_together() {
    let test = "processes_are_limited_for_all_processes_together";
    let Some(ground) = Ground::with(test, &[Controller::Pids]) else {
        return;
    };
    let many = "for n in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 1 & done; wait; echo all";
    for tier in tiers(test) {
        let (code, output, counts) = used_by(&ground, tier, many, &Limits::default());
        assert_eq!((code, counts.refused_processes), (0, 0), "{output}");
        let limited = Limits {
            processes: Some(8),
            ..Limits::default()
        };
        let (_, _, counts) = used_by(&ground, tier, many, &limited);
        assert!(counts.refused_processes > 0, "{counts:?}");
        assert!(
            counts.peak_processes.is_none_or(|peak| peak <= 8),
            "{counts:?}"
        );
    }
}

#[test]
fn the_share_of_the_processors_is_limited() {
    let test = "the_share_of_the_processors_is_limited";
    let Some(ground) = Ground::with(test, &[Controller::Cpu]) else {
        return;
    };
    let limits = Limits {
        cpu: Some(10),
        ..Limits::default()
    };
    let group = ServerGroup::make(ground.path(), &limits).unwrap();
    let entrance = group.entrance().unwrap();
    let script = "n=0; while [ $n -lt 60000 ]; do n=$((n + 1)); done";
    let boxed = Boxed::start(Tier::Base, script, Some(entrance)).unwrap();
    assert_eq!(boxed.ended(), 0);
    // How often it had to wait, as the kernel counted: no time is measured here.
    let text = std::fs::read_to_string(group.path().join("cpu.stat")).unwrap();
    let throttled = text
        .lines()
        .find_map(|line| line.strip_prefix("nr_throttled "))
        .and_then(|count| count.parse::<u64>().ok());
    assert!(throttled.is_some_and(|count| count > 0), "{text}");
    assert!(group.counts().processor.is_some_and(|used| used > 0));
}
