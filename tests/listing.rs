//! What programs read: `verify --json`, `tools --json`, and the same for people.

use serde_json::{Value, json};

use crate::place::Place;

fn parsed(text: &str) -> Value {
    assert_eq!(text.lines().count(), 1, "{text}");
    serde_json::from_str(text).unwrap()
}

#[test]
fn tools_are_allowed_withheld_or_absent() {
    let place = Place::example();
    let ran = place.run(["tools", "everything"]);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    assert_eq!(
        ran.stdout,
        "withheld  add\nallowed   echo\nabsent    gone  (allowed, but the server did not offer it)\n"
    );
    let found = parsed(&place.run(["tools", "everything", "--json"]).stdout);
    let digest = |tail: &str| format!("sha256:{tail}");
    assert_eq!(
        found,
        json!({
            "server": "everything",
            "tools": [
                {"name": "add", "allowed": false, "state": "withheld", "digest": digest("7e9e5ac30f2216fd0fd6f5faed316f2d5983361a4203c3330cfa46ef65bb4767")},
                {"name": "echo", "allowed": true, "state": "allowed", "digest": digest("092c79e8f80e559e404bcf660c48f3522b67aba9ff1484b0367e1a4ddef7431d")},
            ],
            "allowed_but_not_offered": ["gone"],
        })
    );
}

#[test]
fn gc_has_a_shape() {
    let place = Place::example();
    let ran = place.run(["gc", "--json", "--dry-run"]);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    let found = parsed(&ran.stdout);
    let keys: Vec<&String> = found.as_object().unwrap().keys().collect();
    let expected = [
        "artifacts",
        "definitions",
        "dry_run",
        "in_use",
        "kept",
        "locks",
        "size",
        "trees",
    ];
    assert_eq!(keys, expected);
    assert_eq!(found["locks"][0]["servers"], 1, "{found}");
}

#[test]
fn a_bill_of_materials_is_made_of_the_lock_alone() {
    let place = Place::example();
    for (format, marks) in [
        (
            "cyclonedx",
            ["\"specVersion\": \"1.6\"", "pkg:npm/zod@4.1.5"],
        ),
        (
            "spdx",
            ["\"spdxVersion\": \"SPDX-2.3\"", "pkg:npm/zod@4.1.5"],
        ),
    ] {
        let ran = place.run(["lock", "--sbom", format]);
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{ran:#?}");
        let _: Value = serde_json::from_str(&ran.stdout).unwrap();
        assert!(
            marks.iter().all(|mark| ran.stdout.contains(mark)),
            "{ran:#?}"
        );
        assert_eq!(place.run(["lock", "--sbom", format, "none"]).code, Some(2));
    }
    assert_eq!(place.run(["lock", "--sbom", "other"]).code, Some(2));
}

#[test]
fn verify_has_a_shape() {
    let place = Place::example();
    let ran = place.run(["verify", "--json"]);
    assert_eq!(ran.code, Some(1), "{ran:#?}");
    let found = parsed(&ran.stdout);
    let keys =
        |value: &Value| -> Vec<String> { value.as_object().unwrap().keys().cloned().collect() };
    assert_eq!(keys(&found), ["ok", "servers"]);
    assert_eq!(found["ok"], false);
    let server = &found["servers"][0];
    assert_eq!(keys(server), ["files", "name", "ok", "online", "problems"]);
    assert_eq!(
        (&server["name"], &server["ok"], &server["files"]),
        (&json!("everything"), &json!(false), &json!(0))
    );
    let mut codes = Vec::new();
    for problem in server["problems"].as_array().unwrap() {
        assert_eq!(keys(problem), ["code", "message"]);
        assert!(!problem["message"].as_str().unwrap().is_empty());
        codes.push(problem["code"].as_str().unwrap());
    }
    for code in ["policy", "interpreter", "artifact", "tree"] {
        assert!(codes.contains(&code), "{codes:?}");
    }

    let text = place.run(["verify"]);
    assert_eq!(text.code, Some(1));
    assert!(text.stdout.contains("everything: tree: "), "{text:#?}");
}

#[test]
fn a_server_that_is_in_one_of_the_two_files_only() {
    let place = Place::example();
    let more = "\n[servers.new]\nsource = \"npm:new\"\ntools.allow = []\n";
    let manifest = std::fs::read_to_string(place.manifest()).unwrap();
    let renamed = manifest
        .replace("everything]", "other]")
        .replace("everything.tools]", "other.tools]");
    std::fs::write(place.manifest(), renamed + more).unwrap();
    let found = parsed(&place.run(["verify", "--json"]).stdout);
    let problems: Vec<(&str, &str)> = found["servers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|server| {
            (
                server["name"].as_str().unwrap(),
                server["problems"][0]["code"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        problems,
        [
            ("new", "not-locked"),
            ("other", "not-locked"),
            ("everything", "not-in-manifest")
        ]
    );
    let ran = place.run(["tools", "new"]);
    assert_eq!(ran.code, Some(2), "{ran:#?}");
    assert!(ran.stderr.contains("run `pinfold lock new`"), "{ran:#?}");
}

#[test]
fn nothing_to_verify_is_fine() {
    let place = Place::with("");
    let ran = place.run(["verify", "--json"]);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    assert_eq!(parsed(&ran.stdout), json!({"ok": true, "servers": []}));
}

#[test]
fn a_closed_pipe_is_no_error() {
    use std::process::Stdio;
    let place = Place::example();
    let mut child = place
        .pinfold(["tools", "everything"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(
        output.stderr.is_empty(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
