//! The collection of fixtures.

use std::collections::BTreeSet;
use std::fs;

use super::{Desk, codes};
use crate::place::project;

/// A config of a fixture.
struct Config {
    path: String,
    mode: u32,
    text: String,
    /// Not a config, but named by one.
    is_beside: bool,
    /// Code and line; line 0 is the file.
    expected: Vec<(String, u64)>,
}

struct Fixture {
    title: String,
    configs: Vec<Config>,
}

/// `PATH [in project] [| beside] [| mode OCTAL] [| CODES of the file as a whole]`
fn config(head: &str) -> Config {
    let mut parts = head.split(" | ");
    let path = parts.next().unwrap();
    let path = match path.strip_suffix(" in project") {
        Some(path) => format!("home/work/{path}"),
        None => format!("home/{path}"),
    };
    let mut config = Config {
        path,
        mode: 0o600,
        text: String::new(),
        is_beside: false,
        expected: Vec::new(),
    };
    for part in parts {
        if part == "beside" {
            config.is_beside = true;
            continue;
        }
        match part.strip_prefix("mode ") {
            Some(mode) => config.mode = u32::from_str_radix(mode, 8).unwrap(),
            None => {
                let codes = part.split_whitespace();
                config
                    .expected
                    .extend(codes.map(|code| (code.to_owned(), 0)));
            }
        }
    }
    config
}

fn fixtures(name: &str) -> Vec<Fixture> {
    let path = project().join("tests/config_audit/fixtures").join(name);
    let text = fs::read_to_string(path).unwrap();
    let mut fixtures: Vec<Fixture> = Vec::new();
    let mut line_number = 0;
    for line in text.lines() {
        if let Some(head) = line.strip_prefix("==== ") {
            let (title, head) = head.split_once(" | ").unwrap();
            fixtures.push(Fixture {
                title: title.to_owned(),
                configs: vec![config(head)],
            });
            line_number = 0;
            continue;
        }
        let fixture = fixtures.last_mut().unwrap();
        if let Some(head) = line.strip_prefix("---- ") {
            fixture.configs.push(config(head));
            line_number = 0;
            continue;
        }
        line_number += 1;
        let config = fixture.configs.last_mut().unwrap();
        let (text, marks) = line.split_once('«').unwrap_or((line, ""));
        config.text.push_str(text.trim_end());
        config.text.push('\n');
        for code in marks.trim_end_matches('»').split_whitespace() {
            config.expected.push((code.to_owned(), line_number));
        }
    }
    fixtures
}

/// How many fixtures there were, and the codes that were found in them.
fn check(name: &str, at: impl Fn() -> Desk) -> (usize, BTreeSet<String>) {
    let fixtures = fixtures(name);
    let mut seen = BTreeSet::new();
    let mut wrong = Vec::new();
    for fixture in &fixtures {
        let desk = at();
        let mut expected = Vec::new();
        for config in &fixture.configs {
            let path = desk.put(&config.path, &config.text, config.mode);
            let path = path.to_str().unwrap().to_owned();
            let of_file = config.expected.iter();
            expected.extend(of_file.map(|(code, line)| (path.clone(), code.clone(), *line)));
        }
        expected.sort();
        let report = desk.found(&[]);
        let files = report["files"].as_array().unwrap().len();
        let beside = fixture.configs.iter().filter(|config| config.is_beside);
        let configs = fixture.configs.len() - beside.count();
        assert_eq!(files, configs, "{name}: {}", fixture.title);
        let found = codes(&report);
        seen.extend(found.iter().map(|(_, code, _)| code.clone()));
        if found != expected {
            wrong.push(format!(
                "{}\n  expected {expected:?}\n  found    {found:?}\n",
                fixture.title
            ));
        }
    }
    assert!(wrong.is_empty(), "{name}:\n{}", wrong.join("\n"));
    (fixtures.len(), seen)
}

#[test]
fn every_planted_problem_is_found_at_its_line_and_nothing_else() {
    let test =
        "config_audit::fixtures::every_planted_problem_is_found_at_its_line_and_nothing_else";
    if Desk::open_to_all(test).is_none() {
        return;
    }
    let (mut count, mut seen) = (0, BTreeSet::new());
    for name in [
        "launching.txt",
        "containers.txt",
        "secrets.txt",
        "settings.txt",
        "pinfold.txt",
    ] {
        let (of_file, codes) = check(name, || Desk::open_to_all(test).unwrap());
        count += of_file;
        seen.extend(codes);
    }
    assert!(count >= 40, "{count}");
    // What depends on the machine's files is tried apart.
    for code in [
        "unreadable-config",
        "config-writable",
        "writable-folder",
        "writable-program",
    ] {
        assert!(seen.insert(code.to_owned()), "{code}");
    }
    let sarif = Desk::new().audit(&["--format", "sarif"]).stdout;
    let sarif: serde_json::Value = serde_json::from_str(&sarif).unwrap();
    let rules = sarif["runs"][0]["tool"]["driver"]["rules"]
        .as_array()
        .unwrap();
    let all: BTreeSet<String> = rules
        .iter()
        .map(|rule| rule["id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(seen, all, "a rule has no fixture");
}

#[test]
fn nothing_is_found_in_clean_configs() {
    let (count, seen) = check("clean.txt", Desk::new);
    assert!(count >= 9, "{count}");
    assert!(seen.is_empty());
}
