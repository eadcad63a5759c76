//! The official clients, given `pinfold run NAME`, see and reach the allowed tools only.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::processes::{wait_until, with_home};
use crate::support::sdk::{Sdk, bare_everything, session};
use crate::support::{Home, fixture, registry_is_reachable, skip};

/// In the environment of every client below, as secrets usually are.
const PLANTED: &[(&str, &str)] = &[
    ("AWS_SECRET_ACCESS_KEY", "planted-aws-secret"),
    ("GITHUB_TOKEN", "planted-github-token"),
    ("SSH_AUTH_SOCK", "/run/planted-agent"),
];

fn expect_planted(text: &str, present: bool, sdk: Sdk) {
    for (name, value) in PLANTED {
        assert_eq!(text.contains(name), present, "{sdk:?}: {name} in {text}");
        assert_eq!(text.contains(value), present, "{sdk:?}: {value} in {text}");
    }
}

#[test]
fn they_list_and_reach_the_allowed_tools_of_everything_only() {
    let test = "official_clients::everything";
    if !registry_is_reachable() {
        return skip(test, "the npm registry can't be reached");
    }
    let bare = match bare_everything() {
        Ok(path) => path,
        Err(reason) => return skip(test, &reason),
    };
    let home = Home::new();
    home.succeed([
        "add",
        "everything",
        "npm:@modelcontextprotocol/server-everything@2026.8.31",
        "--allow",
        "echo",
        "--allow",
        "get-env",
    ]);
    for sdk in Sdk::ALL {
        match sdk.command() {
            Ok(client) => everything(&home, sdk, client, &bare),
            Err(reason) => skip(&format!("{test} with {sdk:?}"), &reason),
        }
    }
}

fn everything(home: &Home, sdk: Sdk, client: Command, bare: &Path) {
    let calls = [
        ("echo", json!({"message": "hello"})),
        ("get-sum", json!({"a": 2, "b": 3})),
        ("get-env", json!({})),
    ];

    // Control: without pinfold there are 13 tools, all answer, and the secrets are told.
    let server = ["node", bare.to_str().unwrap()];
    let report = session(home, client, sdk, &server, &calls, PLANTED);
    assert_eq!(report["tools"].as_array().unwrap().len(), 13, "{report}");
    assert_eq!(report["calls"][0]["text"], "Echo: hello", "{report}");
    assert_eq!(
        report["calls"][1]["text"], "The sum of 2 and 3 is 5.",
        "{report}"
    );
    expect_planted(report["calls"][2]["text"].as_str().unwrap(), true, sdk);

    let server = [env!("CARGO_BIN_EXE_pinfold"), "run", "everything"];
    let report = session(home, sdk.command().unwrap(), sdk, &server, &calls, PLANTED);
    assert_eq!(report["tools"], json!(["echo", "get-env"]), "{report}");
    assert_eq!(report["calls"][0]["text"], "Echo: hello", "{report}");
    expect_refused(&report["calls"][1], "get-sum");
    let environment = report["calls"][2]["text"].as_str().unwrap();
    assert!(environment.contains("PATH"), "{environment}");
    expect_planted(environment, false, sdk);
    // The client has closed, so nothing of the server is left. (It kills whoever takes long.)
    wait_until("the server is gone", || {
        with_home(&home.server_home("everything")).is_empty()
    });
}

fn expect_refused(call: &Value, tool: &str) {
    assert_eq!(call["error"]["code"], -32602, "{call}");
    // The first TypeScript client puts the code before the message.
    let message = call["error"]["message"].as_str().unwrap();
    assert!(
        message.ends_with(&format!("Unknown tool: {tool}")),
        "{call}"
    );
}

/// The same with a server that keeps what reaches it.
fn recorder(test: &str, sdk: Sdk) {
    if let Err(reason) = sdk.command() {
        return skip(test, &reason);
    }
    let home = Home::new();
    let calls = [
        ("allowed", json!({})),
        ("hidden", json!({"decoy": "xyzzy"})),
    ];
    let script = fixture("recorder.py");

    // Control: without pinfold the call gets there.
    let server = ["python3", script.to_str().unwrap()];
    let report = session(&home, sdk.command().unwrap(), sdk, &server, &calls, PLANTED);
    assert_eq!(report["calls"][1]["text"], "hidden", "{report}");
    let received = fs::read_to_string(home.user().join("received.log")).unwrap();
    assert!(
        received.contains("\"hidden\"") && received.contains("xyzzy"),
        "{received}"
    );

    let source = format!("path:{}", script.display());
    home.succeed(["add", "recorder", &source, "--allow", "allowed"]);
    let server = [env!("CARGO_BIN_EXE_pinfold"), "run", "recorder"];
    let report = session(&home, sdk.command().unwrap(), sdk, &server, &calls, PLANTED);
    assert_eq!(report["tools"], json!(["allowed"]), "{report}");
    assert_eq!(report["calls"][0]["text"], "allowed", "{report}");
    expect_refused(&report["calls"][1], "hidden");
    let received = home.server_home("recorder").join("received.log");
    let received = fs::read_to_string(received).unwrap();
    assert!(received.contains("\"allowed\""), "{received}");
    assert!(
        !received.contains("hidden") && !received.contains("xyzzy"),
        "{received}"
    );
    // A client that asks for the newest revision gets it, through pinfold too.
    let modern = matches!(
        sdk,
        Sdk::TypeScript2 { mode: "auto" } | Sdk::Python2 { mode: "auto" }
    );
    let revision = if modern { "2026-07-28" } else { "2025-11-25" };
    assert_eq!(report["protocol"], revision, "{report}");
    assert_eq!(received.contains("server/discover"), modern, "{received}");
}

/// A client of a server that may not start shows the reason and what to do.
fn refused_launch(test: &str, sdk: Sdk) {
    if let Err(reason) = sdk.command() {
        return skip(test, &reason);
    }
    let home = Home::new();
    let script = home.path().join("server.py");
    fs::copy(fixture("recorder.py"), &script).unwrap();
    let source = format!("path:{}", script.display());
    home.succeed(["add", "recorder", &source, "--allow", "allowed"]);
    let server = [env!("CARGO_BIN_EXE_pinfold"), "run", "recorder"];
    let attempt = || session(&home, sdk.command().unwrap(), sdk, &server, &[], PLANTED);

    // Control: as it was locked, it starts.
    assert_eq!(attempt()["connectError"], Value::Null);

    let manifest = fs::read_to_string(home.manifest()).unwrap();
    let more = format!("{manifest}\n[servers.recorder.files]\nread = [\"/etc\"]\n");
    fs::write(home.manifest(), more).unwrap();
    let report = attempt();
    let message = report["connectError"]["message"]
        .as_str()
        .unwrap_or_default();
    assert!(message.contains("pinfold refused to start"), "{report}");
    assert!(message.contains("pinfold lock recorder"), "{report}");
    assert_eq!(report["connectError"]["code"], -31125, "{report}");
    assert_eq!(report["tools"], Value::Null);
}

macro_rules! each_client {
    ($($name:ident: $sdk:expr;)*) => {$(
        mod $name {
            use super::Sdk;
            #[test]
            fn never_makes_the_server_hear_of_other_tools() {
                super::recorder(concat!(stringify!($name), "::recorder"), $sdk);
            }
            #[test]
            fn shows_why_a_launch_was_refused() {
                super::refused_launch(concat!(stringify!($name), "::refused_launch"), $sdk);
            }
        }
    )*};
}

each_client! {
    typescript_1: Sdk::TypeScript1;
    typescript_2_legacy: Sdk::TypeScript2 { mode: "legacy" };
    typescript_2_auto: Sdk::TypeScript2 { mode: "auto" };
    python_1: Sdk::Python1;
    python_2_legacy: Sdk::Python2 { mode: "legacy" };
    python_2_auto: Sdk::Python2 { mode: "auto" };
}
