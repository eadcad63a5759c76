//! The suite itself: it is large enough, it says what it lets through, and it can fail.

use std::collections::HashSet;

use super::attack::{Attack, Effect, Needs, Stopped};
use super::report::{Report, Verdict, judge_bare, judge_boxed};
use super::runner::{self, Suite};
use super::subject::Outcome;
use super::world::Traces;

fn every_attack() -> impl Iterator<Item = &'static Attack> {
    super::ALL
        .iter()
        .flat_map(|suite| suite.attacks.iter().copied().flatten())
}

/// Those that need nothing special are live on every machine, or their suite fails.
#[test]
fn there_are_enough_attacks_for_every_user() {
    let everywhere = every_attack().filter(|attack| attack.needs == Needs::Nothing);
    assert!(everywhere.count() >= 200);
}

#[test]
fn names_are_unique_and_ideas_are_sentences() {
    let mut names = HashSet::new();
    for Attack { name, idea, .. } in every_attack() {
        assert!(names.insert(name), "{name} twice");
        assert!(
            idea.ends_with('.') && idea.len() > 18 && !idea.contains('\n'),
            "{name}: {idea}"
        );
    }
}

#[test]
fn what_is_let_through_is_in_the_threat_model() {
    let page = include_str!("../../THREAT_MODEL.md");
    for Attack { name, stopped, .. } in every_attack() {
        match stopped {
            Stopped::Always => {}
            Stopped::ByNamespaces(words) | Stopped::Never(words) => {
                assert!(
                    page.contains(words),
                    "{name}: THREAT_MODEL.md lacks: {words}"
                );
            }
        }
    }
}

/// One of each kind that must make a suite fail, and one of each that mustn't.
const SPECIMENS: &[Attack] = &[
    Attack::new(
        "stopped",
        "A living attack that the box stops.",
        Effect::Tells("key"),
        "return open(key).read()",
    ),
    Attack::new(
        "dead",
        "An attack that does nothing, so that stopping it is no merit.",
        Effect::Tells("key"),
        "return 'nothing'",
    ),
    Attack::new(
        "dead-by-mistake",
        "An attack with an error in it.",
        Effect::ChangesFiles,
        "open(no_such_name, 'w')",
    ),
    Attack::new(
        "escaping",
        "An attack that no box stops.",
        Effect::Happens,
        "return True",
    ),
    Attack::new(
        "escaping-otherwise",
        "An attack that is stopped at what it is after, but writes to the client's log on the way.",
        Effect::ReachesVictim,
        "
        open(own + '/other', 'w').close()
        os.write(2, b'x')
        socket.create_connection(('127.0.0.1', ports['tcp']), 5)",
    ),
    Attack::new(
        "broken-inside",
        "An attack that fails in the box for a reason of its own.",
        Effect::Happens,
        "
        if 'PYTHONNOUSERSITE' in os.environ: raise ValueError('in the box')
        return True",
    ),
    Attack::new(
        "documented",
        "An attack that is let through, and said to be.",
        Effect::Happens,
        "return True",
    )
    .stopped(Stopped::Never("UDP is not limited")),
    Attack::new(
        "documented-wrongly",
        "An attack that is stopped, and said to be let through.",
        Effect::Tells("key"),
        "return open(key).read()",
    )
    .stopped(Stopped::Never("UDP is not limited")),
];

#[test]
fn a_dead_an_escaping_and_a_broken_attack_fail_the_suite() {
    let report = runner::run(&Suite {
        name: "specimens",
        manifest: "",
        prelude: "",
        attacks: &[SPECIMENS],
    });
    assert!(!report.is_good());
    let failed = |name: &str, how: &str| {
        let start = format!("{name} {how}");
        report
            .failures
            .iter()
            .any(|failure| failure.starts_with(&start))
    };
    assert!(failed("dead", "is dead"), "{report}");
    assert!(failed("dead-by-mistake", "is dead"), "{report}");
    let boxes = report.boxes.clone();
    assert!(boxes.contains(&"base"));
    for tier in &boxes {
        let in_box = format!("in box `{tier}`");
        assert!(
            failed("escaping", &format!("gets out of box `{tier}`")),
            "{report}"
        );
        assert!(
            failed("broken-inside", &format!("breaks {in_box}")),
            "{report}"
        );
        assert!(
            report.documented.contains(&(*tier, "documented")),
            "{report}"
        );
        assert!(
            report.better.contains(&(*tier, "documented-wrongly")),
            "{report}"
        );
        for name in ["stopped", "escaping-otherwise", "documented-wrongly"] {
            let stopped = report
                .stopped
                .iter()
                .any(|(box_, stopped, _)| (box_, *stopped) == (tier, name));
            assert!(stopped, "{report}");
        }
    }
    assert_eq!(report.failures.len(), 2 + 2 * boxes.len(), "{report}");
    assert_eq!(report.live, SPECIMENS.len() - 2, "{report}");
}

#[test]
fn any_trace_counts_in_the_box_but_only_the_wanted_one_without() {
    let attack = Attack::new("x", "x", Effect::Tells("key"), "");
    let nothing = Outcome::Returned(serde_json::Value::Null);
    let traces = [
        Traces {
            told: vec!["key"],
            ..Traces::default()
        },
        Traces {
            told: vec!["size"],
            ..Traces::default()
        },
        Traces {
            files: vec!["x".to_owned()],
            ..Traces::default()
        },
        Traces {
            victim: vec!["x".to_owned()],
            ..Traces::default()
        },
        Traces {
            log: vec!["x".to_owned()],
            ..Traces::default()
        },
    ];
    for (index, traces) in traces.iter().enumerate() {
        let alive = matches!(judge_bare(&attack, &nothing, traces), Verdict::Succeeded(_));
        assert_eq!(alive, index == 0, "{traces:?}");
        // Also when the attempt then ran into a refusal.
        for outcome in [&nothing, &Outcome::Refused("EACCES".to_owned())] {
            let verdict = judge_boxed(&attack, outcome, traces);
            assert!(matches!(verdict, Verdict::Succeeded(_)), "{traces:?}");
        }
    }
    for (outcome, stopped) in [
        (nothing, true),
        (Outcome::Refused("EACCES".to_owned()), true),
        (Outcome::Refused("EFAULT".to_owned()), false),
        (Outcome::Killed("SIGSYS".to_owned()), true),
        (Outcome::Killed("SIGSEGV".to_owned()), false),
        (Outcome::SessionEnded("why".to_owned()), true),
        (Outcome::Broken("late".to_owned()), false),
    ] {
        let verdict = judge_boxed(&attack, &outcome, &Traces::default());
        assert_eq!(
            matches!(verdict, Verdict::Stopped(_)),
            stopped,
            "{outcome:?}"
        );
    }
}

#[test]
fn a_machine_that_lacks_something_is_no_failure_but_is_counted() {
    let attack = Attack::new("x", "x", Effect::Happens, "");
    let mut report = Report::new("x");
    let dead = Verdict::Broken("why".to_owned());
    assert!(!report.add_bare(&attack, &dead, Some("a thing")));
    report.add_boxed(&attack, false, "base", false, dead.clone());
    assert!(report.is_good());
    assert_eq!(report.skipped, [("x", "a thing")]);
    // It must still not work in the box.
    report.add_boxed(
        &attack,
        false,
        "base",
        false,
        Verdict::Succeeded(String::new()),
    );
    assert!(!report.is_good());
}
