//! `pinfold doctor --attack` attacks this machine in each tier, lets nothing through, leaves nothing
//! behind, and doesn't say `held` of a box that can't be built.

use std::fs;
use std::process::Command;

use pinfold::policy::LANDLOCK_FLOOR;
use pinfold::sys::landlock_abi;
use serde_json::Value;

use crate::support::{Home, Ran, fixture, processes, skip};

/// Why a test of the base tier is skipped.
const OLD: &str = "this kernel's Landlock has no ABI 4";

/// An attack that works on every machine and for every user, one of each group.
const ALWAYS_LIVE: &[&str] = &[
    "home-listed",
    "file-read",
    "file-written",
    "size-by-stat",
    "signal",
    "environment-read",
    "own-program-run",
    "clock-state",
    "randomisation-off",
    "tcp",
    "agent",
    "segment",
    "variables",
    "inherited-file",
    "log-emptied",
    "mounts-of-machine",
    "large-file",
];

/// Whether a box can be built here without namespaces: it rests on Landlock then.
fn has_base() -> bool {
    landlock_abi() >= Some(LANDLOCK_FLOOR)
}

fn attack(home: &Home) -> Command {
    let temporary = home.path().join("temporary");
    fs::create_dir_all(&temporary).unwrap();
    let mut command = home.pinfold(["doctor", "--attack", "--json"]);
    command
        .env("TMPDIR", temporary)
        .env("PINFOLD_TEST_SECRET", "kept back");
    command
}

fn report(ran: &Ran) -> Value {
    serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran:#?}"))
}

fn attacks(report: &Value) -> &[Value] {
    report["attacks"].as_array().unwrap()
}

/// The attacks with this verdict in a tier, and how.
fn with_verdict(report: &Value, tier: &str, verdict: &str) -> Vec<String> {
    attacks(report)
        .iter()
        .filter(|attack| attack[tier]["verdict"] == verdict)
        .map(|attack| format!("{}: {}", attack["name"], attack[tier]["how"]))
        .collect()
}

#[test]
fn nothing_gets_through_and_nothing_is_left() {
    let home = Home::new();
    let ran = Ran::of(&mut attack(&home));
    let report = report(&ran);
    let live = |attack: &&Value| attack["live"] == true;
    let count = attacks(&report).iter().filter(live).count();
    assert!(count >= 40, "{count} are live: {report:#}");
    for name in ALWAYS_LIVE {
        let found = attacks(&report)
            .iter()
            .find(|attack| attack["name"] == *name);
        assert_eq!(found.unwrap()["live"], true, "{name}: {report:#}");
    }

    let base = has_base();
    // `doctor` alone builds its box in the default settings, which an old kernel refuses; what was
    // attacked there can only have been the full tier.
    let full = !base || home.run(["doctor"]).stdout.contains("own-root");
    assert_eq!(report["tiers"][0]["available"], full, "{report:#}");
    assert_eq!(report["tiers"][1]["available"], base, "{report:#}");
    let tiers: Vec<&str> = [("full", full), ("base", base)]
        .into_iter()
        .filter_map(|(tier, there)| there.then_some(tier))
        .collect();
    assert!(!tiers.is_empty(), "{report:#}");
    if !full {
        skip("doctor --attack in the full tier", "no namespaces here");
    }
    if !base {
        skip("doctor --attack in the base tier", OLD);
    }
    for tier in &tiers {
        for bad in ["got-through", "unclear"] {
            let found = with_verdict(&report, tier, bad);
            assert!(found.is_empty(), "{tier}: {bad}: {found:#?}");
        }
        let held = with_verdict(&report, tier, "held").len();
        assert!(held >= 40, "{tier}: {held} held");
    }
    assert!(with_verdict(&report, "full", "documented").is_empty());
    // Not every attack is refused, so that `held` is not all that this can say.
    assert!(!base || !with_verdict(&report, "base", "documented").is_empty());
    assert_eq!((ran.code, &report["ok"]), (Some(0), &Value::Bool(true)));

    assert_eq!(fs::read_dir(home.user()).unwrap().count(), 0);
    assert_eq!(
        fs::read_dir(home.path().join("temporary")).unwrap().count(),
        0
    );
    let staging = home.store().join("staging");
    assert_eq!(
        fs::read_dir(staging).map_or(0, |entries| entries.count()),
        0
    );
    assert_eq!(processes::with_home(&home.user()), Vec::<i32>::new());
}

#[test]
fn a_person_gets_a_table() {
    let home = Home::new();
    let ran = home.succeed(["doctor", "--attack"]);
    for words in [
        "fs  ",
        "resources  ",
        "base tier",
        "  tcp  ",
        "held (",
        ", 0 got through, ",
        if has_base() {
            "documented size-by-stat"
        } else {
            "ABI 4 is required"
        },
    ] {
        assert!(ran.stdout.contains(words), "no `{words}`: {}", ran.stdout);
    }
    assert_eq!(ran.stderr, "");
}

fn on_kernel(home: &Home, wishes: &[&str]) -> Ran {
    let mut kernel = Command::new(fixture("kernel.py"));
    kernel.args(wishes).arg("--");
    Ran::of(&mut home.behind(&kernel, &attack(home)))
}

#[test]
fn a_box_that_cannot_be_built_holds_nothing() {
    let home = Home::new();
    // The injection itself harms nothing.
    let control = on_kernel(&home, &["setsid,0,77,EPERM"]);
    assert_eq!(control.code, Some(0), "{control:#?}");
    for (wish, says) in [
        ("landlock_restrict_self,EPERM", "step `landlock`"),
        ("seccomp,EPERM", "step `seccomp`"),
        ("capset,EPERM", "step `capabilities`"),
        ("prctl,0,38,EPERM", "step `no-new-privileges`"),
    ] {
        let ran = on_kernel(&home, &[wish]);
        assert_eq!(ran.code, Some(3), "{wish}: {ran:#?}");
        assert!(ran.stderr.contains(says), "{wish}: {ran:#?}");
        assert!(!ran.stdout.contains("held"), "{wish}: {ran:#?}");
    }
}

#[test]
fn without_landlock_it_says_so_and_attacks_the_full_tier() {
    for (wish, says) in [
        ("landlock_create_ruleset,ENOSYS", "no Landlock"),
        ("landlock=2", "Landlock ABI 2"),
    ] {
        let home = Home::new();
        let ran = on_kernel(&home, &[wish]);
        let report = report(&ran);
        // What of /proc nobody hides then: THREAT_MODEL.md says so.
        let through = with_verdict(&report, "full", "got-through");
        let known = [
            "settings-listed",
            "kernel-symbols",
            "kernel-settings",
            "objects-listed",
            "identity-of-start",
            "command-line-of-kernel",
            "connections-of-machine",
        ];
        let is_known = |line: &String| known.iter().any(|name| line.contains(name));
        assert!(through.iter().all(is_known), "{through:#?}");
        let code = if through.is_empty() { 0 } else { 1 };
        assert_eq!(ran.code, Some(code), "{report:#}");
        assert_eq!(report["tiers"][1]["available"], false, "{report:#}");
        let reason = report["tiers"][1]["reason"].as_str().unwrap();
        assert!(reason.contains(says), "{reason}");
        assert!(with_verdict(&report, "base", "held").is_empty());
        assert!(with_verdict(&report, "full", "held").len() >= 40);
    }
}

#[test]
fn without_namespaces_it_says_so_and_attacks_the_base_tier() {
    if !has_base() {
        return skip("doctor --attack without namespaces", OLD);
    }
    let home = Home::new();
    let ran = on_kernel(&home, &["clone,0,0x7e020011,EPERM"]);
    let report = report(&ran);
    assert_eq!(ran.code, Some(0), "{report:#}");
    assert_eq!(report["tiers"][0]["available"], false);
    let reason = report["tiers"][0]["reason"].as_str().unwrap();
    assert!(reason.contains("namespaces"), "{reason}");
    assert!(with_verdict(&report, "full", "held").is_empty());
    assert!(with_verdict(&report, "base", "held").len() >= 40);
}

#[test]
fn the_hidden_verb_does_nothing_by_itself() {
    let home = Home::new();
    for arguments in [&["__attack"][..], &["__attack", "{}"]] {
        let ran = home.run(arguments.iter().copied());
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{ran:#?}");
    }
}
