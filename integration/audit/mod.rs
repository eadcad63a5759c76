//! The audit log of real sessions and commands: what is in it and what is never, what happens when
//! it can't be written, and what is left of it when its writers are killed.

mod killed;
mod recorded;
mod unwritable;

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::support::{Home, fixture};

fn folder(home: &Home) -> PathBuf {
    home.path().join("state/pinfold/audit")
}

/// Every record, with the control that the chain holds.
#[track_caller]
fn records(home: &Home) -> Vec<Value> {
    let verified = home.run(["log", "verify"]);
    assert_eq!(verified.code, Some(0), "{verified:#?}");
    home.succeed(["log", "--json"])
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn of_kind<'a>(records: &'a [Value], kind: &str) -> Vec<&'a Value> {
    records
        .iter()
        .filter(|record| record["kind"] == kind)
        .collect()
}

/// A home with one server, the puppet, whose table in the manifest has these lines.
fn puppet(server: &str) -> Home {
    let home = Home::new();
    home.add_path("puppet", &fixture("puppet.py"), &[]);
    if !server.is_empty() {
        let text = fs::read_to_string(home.manifest()).unwrap();
        let text = text.replacen(
            "[servers.puppet]\n",
            &format!("[servers.puppet]\n{server}\n"),
            1,
        );
        fs::write(home.manifest(), text).unwrap();
        home.succeed(["lock", "puppet"]);
    }
    home
}

fn says(code: &str) -> Value {
    json!({"code": code})
}

/// Changes the puppet's policy in the manifest.
fn neutralise(home: &Home) {
    let text = fs::read_to_string(home.manifest()).unwrap();
    let head = "[servers.puppet]\n";
    assert!(text.contains(head), "{text}");
    let text = text.replace(head, &format!("{head}neutralise = true\n"));
    fs::write(home.manifest(), text).unwrap();
}
