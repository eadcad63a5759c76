//! `pinfold audit` over the collection: its SARIF is what the published schema accepts, and what
//! `import` takes over it finds no more.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::collection::desk_with_the_collection;
use super::{Desk, SECRET, snapshot};
use crate::support::{Ran, fixture, sarif_schema, skip};

/// What the schema has against a log.
fn complaints(modules: &Path, log: &str) -> Ran {
    let mut command = Command::new("node");
    command.arg(fixture("sarif-schema.cjs")).arg(modules);
    Ran::with_input(&mut command, log)
}

#[test]
fn the_published_schema_accepts_the_log() {
    let modules = match sarif_schema() {
        Ok(modules) => modules,
        Err(reason) => return skip("audit_sarif", &reason),
    };
    let desk = desk_with_the_collection();
    let ran = desk.run(&["audit", "--format", "sarif"]);
    assert_eq!(ran.code, Some(1), "{ran:#?}");
    let log: Value = serde_json::from_str(&ran.stdout).unwrap();
    let results = log["runs"][0]["results"].as_array().unwrap().len();
    assert!(results > 40, "{results}");
    let checked = complaints(&modules, &ran.stdout);
    assert_eq!(checked.stdout, "", "{checked:#?}");
    assert_eq!(checked.stderr, format!("checked {results}\n"));
    // It says so when something is wrong.
    for (right, wrong) in [
        ("\"startLine\": ", "\"startLine\": -"),
        ("\"level\": \"error\"", "\"level\": \"bad\""),
        ("\"ruleId\"", "\"rules\""),
    ] {
        let checked = complaints(&modules, &ran.stdout.replace(right, wrong));
        assert_ne!(checked.stdout, "", "{wrong}: {checked:#?}");
    }
    // A log in which nothing is found is one, too.
    let clean = Desk::new().succeed(&["audit", "--format", "sarif"]).stdout;
    let checked = complaints(&modules, &clean);
    assert_eq!(
        (checked.stdout.as_str(), checked.stderr.as_str()),
        ("", "checked 0\n")
    );
}

/// Code, client and server of everything that is found.
fn found(desk: &Desk) -> BTreeSet<[String; 3]> {
    let ran = desk.run(&["audit", "--format", "json"]);
    assert!(!ran.stdout.contains(SECRET), "{ran:#?}");
    let report: Value = serde_json::from_str(&ran.stdout).unwrap();
    let mut all = BTreeSet::new();
    for file in report["files"].as_array().unwrap() {
        for finding in file["findings"].as_array().unwrap() {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            all.insert([
                text(&finding["code"]),
                text(&file["client"]),
                text(&finding["server"]),
            ]);
        }
    }
    all
}

#[test]
fn what_import_wrote_has_nothing_to_find() {
    let desk = desk_with_the_collection();
    let before = found(&desk);
    let codes: BTreeSet<&str> = before.iter().map(|one| one[0].as_str()).collect();
    for code in [
        "floating-version",
        "inline-secret",
        "repeated-secret",
        "outside-pinfold",
    ] {
        assert!(codes.contains(code), "{code}: {codes:?}");
    }
    desk.succeed(&["import", "--yes", "--allow-all"]);
    let files = snapshot(&desk.home.user());
    // What is left is what import leaves alone: a container, remote servers, and a name that two
    // different servers of one client have.
    let left = [
        ["duplicate-name", "Claude Code", "notes"],
        ["floating-image", "VS Code", "gone"],
        ["no-allowlist", "Codex CLI", "remote"],
        ["no-allowlist", "Gemini CLI", "http"],
        ["outside-pinfold", "VS Code", "gone"],
    ];
    let left: BTreeSet<[String; 3]> = left.iter().map(|one| one.map(str::to_owned)).collect();
    assert_eq!(found(&desk), left);
    assert_eq!(snapshot(&desk.home.user()), files);
}
