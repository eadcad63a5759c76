//! After `fetch`, a launch needs no network.

use std::process::Command;

use serde_json::json;

use crate::support::{Client, Home, Ran, registry_is_reachable, skip, without_network};

const PACKAGE: &str = "@modelcontextprotocol/server-everything";

#[test]
fn a_fetched_server_runs_where_there_is_no_network() {
    let test = "without_network";
    if !registry_is_reachable() {
        return skip(test, "the npm registry can't be reached");
    }
    let home = Home::new();
    let inside = |arguments: &[&str]| without_network(&home.pinfold(arguments.iter().copied()));
    let Some(mut run) = inside(&["run", "everything"]) else {
        return skip(test, "no network namespace can be made here");
    };
    let source = format!("npm:{PACKAGE}@2026.8.31");
    home.succeed(["add", "everything", &source, "--allow", "get-sum"]);

    // As on another machine with the same manifest and lock: nothing is in the store.
    let chmod = Command::new("chmod")
        .args(["-R", "u+w"])
        .arg(home.store())
        .status();
    assert!(chmod.unwrap().success());
    std::fs::remove_dir_all(home.store()).unwrap();

    // Controls: what needs a network fails there; so does the launch before the fetch.
    let refused = Ran::of(&mut inside(&["fetch"]).unwrap());
    assert_eq!(refused.code, Some(4), "{refused:?}");
    let refused = Ran::of(&mut inside(&["run", "everything"]).unwrap());
    assert_eq!(refused.code, Some(125), "{refused:?}");
    assert!(refused.stderr.contains("pinfold fetch"), "{refused:?}");
    let mut npx = Command::new("npx");
    home.environment(&mut npx);
    npx.args(["-y", PACKAGE])
        .env("npm_config_fetch_retries", "0");
    let npx = Ran::of(&mut without_network(&npx).unwrap());
    assert_ne!(npx.code, Some(0), "{npx:?}");
    let other = "npm:@modelcontextprotocol/server-memory";
    let add = Ran::of(&mut inside(&["add", "memory", other, "--allow-all"]).unwrap());
    assert_eq!(add.code, Some(4), "{add:?}");

    home.succeed(["fetch"]);
    let mut client = Client::start(&mut run);
    client.initialize();
    assert_eq!(client.tools(), ["get-sum"]);
    let sum = client.call_text("get-sum", json!({"a": 20, "b": 22}));
    assert_eq!(sum, "The sum of 20 and 22 is 42.");
    let (status, stderr) = client.close();
    assert_eq!(status.code(), Some(0), "{stderr}");
    let verified = Ran::of(&mut inside(&["verify"]).unwrap());
    assert_eq!(verified.code, Some(0), "{verified:?}");
}
