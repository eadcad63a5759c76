//! `docs/incidents.md` names for every incident what came of it and the tests that replay it. Each of
//! those exists, and each replay is named.

use std::collections::BTreeSet;
use std::fs;

use crate::place::project;

const VERDICTS: [&str; 3] = ["Stopped", "In part", "Not stopped"];

/// What is wrong with the page, in words.
fn problems(page: &str) -> Vec<String> {
    let mut problems = Vec::new();
    let mut named = BTreeSet::new();
    let mut incidents = page.split("\n### ");
    incidents.next();
    for incident in incidents {
        let (title, body) = incident.split_once('\n').unwrap_or((incident, ""));
        let line = body
            .trim_start()
            .strip_prefix("**")
            .and_then(|rest| rest.split_once('\n'));
        let Some((line, text)) = line else {
            problems.push(format!("{title}: no line with its verdict"));
            continue;
        };
        let Some((verdict, replays)) = line.split_once("** · ") else {
            problems.push(format!("{title}: no replays"));
            continue;
        };
        if !VERDICTS.contains(&verdict) {
            problems.push(format!("{title}: `{verdict}` is no verdict"));
        }
        // What happened, and what pinfold does about it.
        if text.split("\n\n").filter(|part| part.len() > 40).count() < 2 {
            problems.push(format!("{title}: too little is said"));
        }
        for replay in replays.split(", ").map(|replay| replay.trim_matches('`')) {
            named.insert(replay.to_owned());
            let exists = replay
                .split_once("::")
                .is_some_and(|(file, test)| tests_of(file).contains(&test.to_owned()));
            if !exists {
                problems.push(format!("{title}: there is no test `{replay}`"));
            }
        }
    }
    for replay in replays() {
        if !named.contains(&replay) {
            problems.push(format!("`{replay}` is not in the page"));
        }
    }
    problems
}

/// The names of the tests in a file of the project; none when there is no such file.
fn tests_of(file: &str) -> Vec<String> {
    let text = fs::read_to_string(project().join(file)).unwrap_or_default();
    let mut tests = Vec::new();
    let mut is_test = false;
    for line in text.lines().map(str::trim) {
        is_test |= line == "#[test]";
        if let Some(rest) = line.strip_prefix("fn ") {
            if is_test {
                tests.push(rest.split('(').next().unwrap_or_default().to_owned());
            }
            is_test = false;
        }
    }
    tests
}

/// Every test below `integration/incidents`, as the page names it.
fn replays() -> Vec<String> {
    let mut replays = Vec::new();
    for entry in fs::read_dir(project().join("integration/incidents")).unwrap() {
        let file = format!(
            "integration/incidents/{}",
            entry.unwrap().file_name().to_str().unwrap()
        );
        let tests = tests_of(&file).into_iter();
        replays.extend(tests.map(|test| format!("{file}::{test}")));
    }
    replays
}

fn text() -> String {
    fs::read_to_string(project().join("docs/incidents.md")).unwrap()
}

#[test]
fn every_incident_has_a_verdict_and_replays_that_exist() {
    let problems = problems(&text());
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    assert!(replays().len() >= 10, "{:#?}", replays());
}

#[test]
fn control_a_page_with_a_mistake_fails() {
    let text = text();
    let replay = "integration/incidents/listening.rs::nothing_listens_at_a_port";
    for (from, to, says) in [
        (
            replay,
            "integration/incidents/listening.rs::nothing",
            "there is no test",
        ),
        (
            replay,
            "integration/incidents/listening.rs::reachable",
            "there is no test",
        ),
        (
            replay,
            "integration/incidents/elsewhere.rs::nothing_listens_at_a_port",
            "there is no test",
        ),
        (
            replay,
            "tests/trust.rs::any_change_asks_again",
            "is not in the page",
        ),
        ("**In part**", "**Perhaps**", "`Perhaps` is no verdict"),
        ("**Stopped** · ", "", "no line with its verdict"),
        ("**Stopped** · ", "**Stopped** ", "no replays"),
        (
            "\nOff unless `grants` says otherwise",
            "",
            "too little is said",
        ),
    ] {
        assert!(text.contains(from), "{from}");
        let found = problems(&text.replace(from, to));
        let is_said = found.iter().any(|problem| problem.contains(says));
        assert!(is_said, "{from}: {says}: {found:#?}");
    }
}
