//! How findings are said: text, JSON, SARIF, exit codes. No secret is in any of them.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::Desk;

const TOKEN: &str = "ghp_0123456789abcdefghijklmnopqrstuvwxyz";
const PASSWORD: &str = "hunter2-hunter2";

fn bad() -> String {
    format!(
        r#"{{"mcpServers": {{
  "notes": {{
    "command": "npx", "args": ["-y", "@example/notes", "--password={PASSWORD}"],
    "env": {{"GITHUB_TOKEN": "{TOKEN}"}}
  }}
}}}}"#
    )
}

#[test]
fn the_text_is_grouped_and_says_what_to_do() {
    let desk = Desk::new();
    let clean = desk.audit(&[]);
    assert_eq!(
        (clean.code, clean.stdout.as_str()),
        (Some(0), "nothing found in 0 files\n")
    );
    let path = desk.put("home/.cursor/mcp.json", &bad(), 0o600);
    let path = path.display();
    let ran = desk.audit(&[]);
    assert_eq!(ran.code, Some(1));
    assert_eq!(ran.stderr, "");
    assert_eq!(
        ran.stdout,
        format!(
            "{path} (Cursor)
   2:3   warning  outside-pinfold      notes: `npx` starts it
  3:38   warning  floating-version     notes: `npx` starts whatever version of `@example/notes` is newest
  3:56   error    secret-in-arguments  notes: `password` is a secret (15 characters)
  4:29   error    inline-secret        notes: `GITHUB_TOKEN` holds a secret (ghp_…, 40 characters)
  fix outside-pinfold, floating-version: `pinfold import {path}`
  fix secret-in-arguments: pass it by a variable, if the server knows one, then `pinfold import {path}`; give it out anew
  fix inline-secret: `pinfold import {path}` moves it into the secret store; then give it out anew

2 errors, 2 warnings in 1 file
"
        )
        .replace("   2:3   warning", "   2:3  warning")
        .replace("3:38   warning", "3:38  warning")
        .replace("3:56   error", "3:56  error")
        .replace("4:29   error", "4:29  error")
    );
}

/// The command that would leave an entry as it is is not named.
#[test]
fn no_fix_says_that_import_takes_a_container_over() {
    let with = |command: &str| {
        let desk = Desk::new();
        let digest = "0".repeat(64);
        let text = format!(
            r#"{{"mcpServers": {{"notes": {{
  "command": "{command}", "args": ["run", "-i", "-e", "GITHUB_TOKEN", "example/notes@sha256:{digest}"],
  "env": {{"GITHUB_TOKEN": "{TOKEN}"}}
}}}}}}"#
        );
        desk.put("home/.cursor/mcp.json", &text, 0o600);
        desk.audit(&[]).stdout
    };
    let text = with("docker");
    assert!(text.contains("inline-secret"), "{text}");
    assert!(text.contains("takes no containers over"), "{text}");
    assert!(!text.contains("moves it into the secret store"), "{text}");
    // The control.
    let text = with("/usr/bin/notes");
    assert!(text.contains("moves it into the secret store"), "{text}");
}

#[test]
fn no_report_holds_a_secret_and_nothing_is_changed() {
    let desk = Desk::new();
    let path = desk.put("home/.cursor/mcp.json", &bad(), 0o600);
    let before = names(desk.0.path());
    for format in ["text", "json", "sarif"] {
        let ran = desk.audit(&["--format", format]);
        assert_eq!(ran.code, Some(1), "{ran:#?}");
        for secret in [&TOKEN[..8], &PASSWORD[..4]] {
            assert!(!ran.stdout.contains(secret), "{ran:#?}");
            assert!(!ran.stderr.contains(secret), "{ran:#?}");
        }
    }
    assert_eq!(names(desk.0.path()), before);
    assert_eq!(fs::read_to_string(path).unwrap(), bad());
}

/// Everything below a folder.
fn names(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(names(&path));
        }
        all.push(path);
    }
    all.sort();
    all
}

#[test]
fn the_exit_code_follows_the_worst() {
    let with = |text: &str, fail_on: &[&str]| {
        let desk = Desk::new();
        desk.put("home/.gemini/settings.json", text, 0o600);
        desk.audit(fail_on).code
    };
    let note = r#"{"mcpServers": {"a": {"httpUrl": "https://example.test/mcp"}}}"#;
    let warning = r#"{"mcpServers": {"a": {"command": "/opt/a", "includeTools": ["x"]}}}"#;
    let error = r#"{"mcpServers": {"a": {"url": "http://example.test", "includeTools": ["x"]}}}"#;
    for (text, codes) in [(note, [0, 0, 1]), (warning, [0, 1, 1]), (error, [1, 1, 1])] {
        for (severity, code) in ["error", "warning", "note"].into_iter().zip(codes) {
            let found = with(text, &["--fail-on", severity]);
            assert_eq!(found, Some(code), "{severity}: {text}");
        }
    }
    assert_eq!(with(note, &[]), Some(0));
    assert_eq!(with(warning, &[]), Some(1));
    assert_eq!(with(note, &["--fail-on", "worse"]), Some(2));
}

#[test]
fn json_has_a_shape() {
    let desk = Desk::new();
    let text = r#"{"mcpServers": {"a": {"httpUrl": "https://example.test/mcp"}}}"#;
    let path = desk.put("home/.gemini/settings.json", text, 0o600);
    let mut report = desk.found(&[]);
    let finding = &mut report["files"][0]["findings"][0];
    let fingerprint = finding["fingerprint"].take();
    assert_eq!(fingerprint.as_str().unwrap().len(), 32);
    assert_eq!(
        report,
        json!({
            "version": 1,
            "files": [{
                "path": path,
                "client": "Gemini CLI",
                "findings": [{
                    "code": "no-allowlist",
                    "severity": "note",
                    "line": 1,
                    "column": 17,
                    "server": "a",
                    "title": "Every tool of the server is offered",
                    "message": "it has no `includeTools`",
                    "means": "A tool that a new version adds is there at once. The client has a setting for the tools that are meant.",
                    "fix": format!("name the tools in the client's setting; or `pinfold import {}`, which keeps an allowlist", path.display()),
                    "fingerprint": null,
                }],
            }],
            "errors": 0,
            "warnings": 0,
            "notes": 1,
        })
    );
}

/// The results of a log: rule, line, fingerprint.
fn results(log: &Value) -> Vec<(String, u64, String)> {
    let results = log["runs"][0]["results"].as_array().unwrap().iter();
    results
        .map(|result| {
            let region = &result["locations"][0]["physicalLocation"]["region"];
            (
                result["ruleId"].as_str().unwrap().to_owned(),
                region["startLine"].as_u64().unwrap(),
                result["partialFingerprints"]["pinfoldFinding/v1"]
                    .as_str()
                    .unwrap()
                    .to_owned(),
            )
        })
        .collect()
}

#[test]
fn fingerprints_stay_when_lines_move_and_on_another_machine() {
    let log = |text: &str| {
        let desk = Desk::new();
        desk.put("home/work/.vscode/mcp.json", text, 0o600);
        desk.put(
            "home/.cursor/mcp.json",
            text.replace("servers", "mcpServers").as_str(),
            0o600,
        );
        let ran = desk.audit(&["--format", "sarif"]);
        serde_json::from_str::<Value>(&ran.stdout).unwrap()
    };
    let text = r#"{"servers": {"a": {"command": "/opt/a"}, "b": {"command": "/opt/b", "args": ["--no-sandbox"]}}}"#;
    let (one, moved) = (log(text), log(&format!("\n\n{text}")));
    let prints = |log: &Value| {
        let found = results(log).into_iter();
        let prints: Vec<String> = found.map(|(_, _, print)| print).collect();
        prints
    };
    assert_eq!(prints(&one).len(), 6);
    assert_eq!(prints(&one), prints(&moved));
    let mut different = prints(&one);
    different.sort();
    different.dedup();
    assert_eq!(different.len(), 6);
    assert_eq!(results(&one)[0].1 + 2, results(&moved)[0].1);
    // Of the project the path alone, so that code scanning finds the file in the repository.
    let locations: Vec<&Value> = one["runs"][0]["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|result| &result["locations"][0]["physicalLocation"]["artifactLocation"])
        .collect();
    assert!(locations.contains(&&json!({"uri": ".vscode/mcp.json", "uriBaseId": "%SRCROOT%"})));
}
