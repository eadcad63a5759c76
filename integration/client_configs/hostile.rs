//! Configs that somebody made to do harm, beside one that is in order.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::process::Command;

use serde_json::json;

use super::Desk;
use crate::support::is_root;

const GOOD: &str = r#"{"mcpServers": {"notes": {"command": "npx", "args": ["@example/notes"]}}}"#;

#[test]
fn each_is_left_alone_and_the_others_go_on() {
    let desk = Desk::new();
    let good = desk.put("home/.cursor/mcp.json", GOOD);
    let many: Vec<String> = (0..100_000)
        .map(|n| format!("\"s{n}\": {{\"command\": \"x\"}}"))
        .collect();
    for (path, text) in [
        (
            "home/.claude.json",
            "{\"mcpServers\": {\n  \"a\": {\"command\": \"x\"},,\n}}".to_owned(),
        ),
        (
            "home/.lmstudio/mcp.json",
            format!("{{\"mcpServers\": {{{}}}}}", many.join(",")),
        ),
        (
            "home/.codex/config.toml",
            "[mcp_servers.a]\ncommand = 'x'\nargs = 1\n".to_owned(),
        ),
        (
            "home/.continue/config.yaml",
            "mcpServers:\n  - name: [\n".to_owned(),
        ),
        (
            "home/.gemini/settings.json",
            "{\"mcpServers\": {\"a\": {\"command\": \"x\"}, \"a\": {\"command\": \"y\"}}}"
                .to_owned(),
        ),
        ("work/.vscode/mcp.json", "[".repeat(1 << 20)),
    ] {
        desk.put(path, &text);
    }
    let fifo = desk
        .home
        .path()
        .join("home/.codeium/windsurf/mcp_config.json");
    fs::create_dir_all(fifo.parent().unwrap()).unwrap();
    assert!(
        Command::new("mkfifo")
            .arg(&fifo)
            .status()
            .unwrap()
            .success()
    );
    // A project that leads to the user's own config.
    symlink(&good, desk.work().join(".mcp.json")).unwrap();
    let not_utf8 = desk.put("home/.config/zed/settings.json", "");
    fs::write(not_utf8, b"{\"context_servers\": {\"\xff\": {}}}").unwrap();
    let closed = desk.put("home/.config/goose/config.yaml", "extensions: {}\n");
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o000)).unwrap();

    let ran = desk.run(&["import", "--yes", "--allow-all"]);
    assert_eq!(ran.code, Some(2), "{ran:#?}");
    for part in [
        ".claude.json",
        "line 2, column",
        "more than 1000 servers",
        "what the client expects",
        "not valid YAML",
        "stands there twice",
        "not valid JSON",
        "not a regular file",
        "leads out of the project",
        "not UTF-8",
    ] {
        assert!(ran.stderr.contains(part), "{part}: {}", ran.stderr);
    }
    assert!(
        is_root() || ran.stderr.contains("could not be read"),
        "{}",
        ran.stderr
    );
    let after: serde_json::Value = serde_json::from_slice(&fs::read(&good).unwrap()).unwrap();
    assert_eq!(
        after["mcpServers"]["notes"]["args"],
        json!(["run", "notes"])
    );
}

#[test]
fn names_lead_nowhere_and_command_no_terminal() {
    let desk = Desk::new();
    let servers = json!({"mcpServers": {
        "../../x": {"command": "npx", "args": ["@example/notes", "1"]},
        "\u{1b}[2Jevil\n": {"command": "npx", "args": ["@example/notes", "2"]},
        "": {"command": "npx", "args": ["@example/notes", "\u{1b}]0;x"]},
    }});
    desk.put("home/.cursor/mcp.json", &servers.to_string());
    let ran = desk.succeed(&["import", "--yes", "--allow-all"]);
    let dry = desk.succeed(&["import", "--dry-run"]);
    for text in [&ran.stdout, &ran.stderr, &dry.stdout, &dry.stderr] {
        assert!(!text.contains('\u{1b}'), "{text:?}");
    }
    let manifest = desk.manifest();
    for name in ["[servers.x]", "[servers.server]", "[servers.2jevil]"] {
        assert!(manifest.contains(name), "{manifest}");
    }
    assert!(!desk.home.path().join("state/pinfold/x").exists());
}

#[test]
fn a_large_config_is_taken_over_and_put_back() {
    let desk = Desk::new();
    let history = "x".repeat(10 << 20);
    let text = format!("{{\"history\": \"{history}\", {}", &GOOD[1..]);
    let path = desk.put("home/.claude.json", &text);
    desk.succeed(&["import", "--yes", "--allow-all"]);
    assert_ne!(fs::read(&path).unwrap(), text.as_bytes());
    desk.succeed(&["restore"]);
    assert_eq!(fs::read(&path).unwrap(), text.as_bytes());
}

#[test]
fn a_project_next_to_others_takes_none_of_them() {
    let desk = Desk::new();
    let script = "require('fs').writeSync(2, 'started');";
    desk.put(
        "package.json",
        "{\"name\": \"all\", \"version\": \"1.0.0\"}",
    );
    desk.put("other/.env", "PASSWORD=theirs");
    desk.put("work/srv.js", script);
    desk.put(
        "work/.cursor/mcp.json",
        r#"{"mcpServers": {"w": {"command": "node", "args": ["srv.js"]}}}"#,
    );
    let dry = desk.succeed(&["import", "--dry-run"]);
    let work = desk.work();
    let becomes = format!("path:{}/srv.js", work.display());
    assert!(dry.stdout.contains(&becomes), "{dry:#?}");
    // The control: a package of the project's own is taken as a whole.
    desk.put(
        "work/package.json",
        "{\"name\": \"w\", \"version\": \"1.0.0\"}",
    );
    let dry = desk.succeed(&["import", "--dry-run"]);
    assert!(
        dry.stdout.contains(&format!("path:{},", work.display())),
        "{dry:#?}"
    );
}

#[test]
fn what_pinfold_keeps_is_no_server_s_code() {
    let desk = Desk::new();
    let script = "#!/usr/bin/env node\nprocess.exit(0);\n";
    for folder in ["", "data/pinfold/own/", "apart/"] {
        let file = desk.put(&format!("{folder}srv.js"), script);
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        let source = format!("path:{}", file.parent().unwrap().display());
        let ran = desk.run(&["add", "a", &source, "--program", "srv.js", "--allow-all"]);
        assert_ne!(ran.code, Some(0), "{ran:#?}");
        let is_refused = ran.stderr.contains("are pinfold's own");
        // The control fails later: it is started, and says nothing.
        assert_eq!(is_refused, folder != "apart/", "{ran:#?}");
    }
}
