//! A launch that is refused starts nothing, says why in the client's protocol, and ends
//! with 125.

use std::fs;
use std::process::Stdio;

use serde_json::json;

use crate::support::{Ran, Script};

/// What goes wrong, how, and what the message holds.
type Injury = (&'static str, fn(&Script), &'static str);

const INJURIES: &[Injury] = &[
    (
        "no manifest",
        |script| fs::remove_file(script.home.manifest()).unwrap(),
        "pinfold add",
    ),
    (
        "no lock",
        |script| fs::remove_file(script.home.lock()).unwrap(),
        "pinfold lock",
    ),
    (
        "a key nobody knows",
        |script| append(script, "\n[servers.recorder.files]\nraed = []\n"),
        "raed",
    ),
    ("no TOML", |script| append(script, "\n[[["), "pinfold.toml"),
    (
        "no allowlist",
        |script| edit(script, "allow = ", "ask = "),
        "allow",
    ),
    (
        "another policy",
        |script| append(script, "\n[servers.recorder.files]\nread = [\"/etc\"]\n"),
        "pinfold lock recorder",
    ),
    (
        "another source",
        |script| edit(script, "recorder.py", "unruly.py"),
        "pinfold lock recorder",
    ),
    (
        "a lock of tomorrow",
        |script| {
            let lock = fs::read_to_string(script.home.lock()).unwrap();
            let tomorrow = lock.replacen("\"lockfile_version\": 1", "\"lockfile_version\": 999", 1);
            assert_ne!(lock, tomorrow);
            fs::write(script.home.lock(), tomorrow).unwrap();
        },
        "999",
    ),
    (
        "half a lock",
        |script| {
            let lock = fs::read_to_string(script.home.lock()).unwrap();
            fs::write(script.home.lock(), &lock[..lock.len() / 2]).unwrap();
        },
        "pinfold.lock",
    ),
    (
        "other code in the store",
        |script| {
            let program = script.home.only_tree().join("recorder.py");
            let chmod = std::process::Command::new("chmod")
                .arg("-R")
                .arg("u+w")
                .arg(script.home.store())
                .status();
            assert!(chmod.unwrap().success());
            fs::write(program, "print('hijacked')").unwrap();
        },
        "recorder",
    ),
];

fn append(script: &Script, text: &str) {
    let manifest = fs::read_to_string(script.home.manifest()).unwrap();
    fs::write(script.home.manifest(), manifest + text).unwrap();
}

fn edit(script: &Script, from: &str, to: &str) {
    let manifest = fs::read_to_string(script.home.manifest()).unwrap();
    assert!(manifest.contains(from), "{manifest}");
    fs::write(script.home.manifest(), manifest.replace(from, to)).unwrap();
}

#[test]
fn every_request_is_told_the_reason_and_the_server_never_starts() {
    for (what, injure, hint) in INJURIES {
        let script = Script::recorder(&[]);
        // Control: before the injury it runs.
        let mut client = script.penned();
        assert_eq!(client.call_text("allowed", json!({})), "allowed");
        client.close();
        let received = script.received();
        injure(&script);

        let mut client = script.home.client("recorder");
        // As clients of the newest revision do: first this, then that.
        for method in ["server/discover", "initialize", "tools/list", "tools/call"] {
            let answer = client.request(method, json!({"name": "allowed"}));
            assert_eq!(answer["error"]["code"], -31125, "{what}: {answer}");
            let message = answer["error"]["message"].as_str().unwrap();
            assert!(message.contains(hint), "{what}: {message}");
        }
        let (status, stderr) = client.close();
        assert_eq!(status.code(), Some(125), "{what}: {stderr}");
        assert!(stderr.contains(hint), "{what}: {stderr}");
        assert_eq!(script.received(), received, "{what}");
        assert!(script.processes().is_empty(), "{what}");
    }
}

#[test]
fn it_ends_when_nobody_speaks_to_it() {
    let script = Script::recorder(&[]);
    let mut command = script.home.pinfold(["run", "no-such-server"]);
    let ran = Ran::of(command.stdin(Stdio::null()));
    assert_eq!(ran.code, Some(125), "{ran:?}");
    assert_eq!(ran.stdout, "");
    assert!(ran.stderr.contains("pinfold add no-such-server"), "{ran:?}");
}
