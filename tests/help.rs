//! The help texts are as committed in `tests/help/`. After a wanted change, run the tests once
//! with `PINFOLD_UPDATE_HELP=1` and look at the difference.

use std::fs;

use crate::place::{Place, project};

const VERBS: &[&str] = &[
    "try",
    "add",
    "remove",
    "import",
    "restore",
    "audit",
    "lock",
    "update",
    "fetch",
    "run",
    "verify",
    "tools",
    "review",
    "explain",
    "observe",
    "log",
    "secret",
    "quarantine",
    "release",
    "gc",
    "trust",
    "doctor",
    "daemon",
    "ps",
    "stop",
    "approve",
];

/// The name of the committed file and the arguments.
fn texts() -> Vec<(String, Vec<&'static str>)> {
    let mut texts = vec![("pinfold".to_owned(), vec!["--help"])];
    texts.extend(
        VERBS
            .iter()
            .map(|verb| (format!("pinfold-{verb}"), vec![*verb, "--help"])),
    );
    texts
}

#[test]
fn every_text_is_as_committed() {
    let place = Place::new();
    for (name, arguments) in texts() {
        let ran = place.run(arguments);
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{name}");
        let file = project().join("tests/help").join(format!("{name}.txt"));
        if std::env::var_os("PINFOLD_UPDATE_HELP").is_some() {
            fs::write(&file, &ran.stdout).unwrap();
        }
        let committed = fs::read_to_string(&file).unwrap_or_default();
        assert_eq!(
            ran.stdout, committed,
            "{name}: run with PINFOLD_UPDATE_HELP=1"
        );
    }
}

#[test]
fn every_verb_has_one() {
    let place = Place::new();
    let help = place.run(["--help"]).stdout;
    let commands = help.split("Commands:\n").nth(1).unwrap();
    let commands = commands.split("\n\n").next().unwrap();
    let listed: Vec<&str> = commands
        .lines()
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|verb| *verb != "help")
        .collect();
    assert_eq!(listed, VERBS);
}

#[test]
fn no_line_is_too_wide_for_a_terminal() {
    let place = Place::new();
    for (name, arguments) in texts() {
        for line in place.run(arguments).stdout.lines() {
            assert!(line.chars().count() <= 100, "{name}: {line}");
        }
    }
}
