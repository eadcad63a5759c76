//! As a new user would: six servers in three configs with tokens in two of them, and an official
//! client for each rewritten entry.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use serde_json::{Value, json};

use super::SECRET;
use super::readers::read;
use crate::secrets::holding;
use crate::support::index::with_uv;
use crate::support::sdk::Sdk;
use crate::support::{Home, Ran, registry_is_reachable, skip};

const TEST: &str = "client_configs::live";
const EVERYTHING: &str = "@modelcontextprotocol/server-everything";
const FILES: &str = "@modelcontextprotocol/server-filesystem";
const OTHER_SECRET: &str = "ghp_0123456789abcdefghijklmnopqrstuvwxyz";

/// The configs, and a folder of the user's.
fn configs(home: &Home) -> [PathBuf; 3] {
    let notes = home.user().join("notes");
    fs::create_dir(&notes).unwrap();
    fs::write(notes.join("a.txt"), "what is in it").unwrap();
    let desktop = json!({"mcpServers": {
        "everything": {"command": "npx", "args": ["-y", EVERYTHING], "env": {"API_TOKEN": SECRET}},
        "files": {"command": "npx", "args": ["-y", FILES, notes]},
    }});
    let cursor = format!(
        "// Cursor\n{{\"mcpServers\": {{\n  \"everything\": {{\"command\": \"npx\", \"args\": [\"-y\", \"{EVERYTHING}\"],\n    \"env\": {{\"API_TOKEN\": \"{OTHER_SECRET}\", \"MODE\": \"${{env:MODE}}\"}}}},\n  \"clock\": {{\"command\": \"uvx\", \"args\": [\"mcp-server-time\"]}},\n}}}}\n"
    );
    let codex = format!(
        "[mcp_servers.everything]\ncommand = \"npx\"\nargs = [\"-y\", \"{EVERYTHING}\"]\n[mcp_servers.time]\ncommand = \"uvx\"\nargs = [\"mcp-server-time\", \"--local-timezone=UTC\"]\n"
    );
    [
        (
            ".config/Claude/claude_desktop_config.json",
            desktop.to_string(),
        ),
        (".cursor/mcp.json", cursor),
        (".codex/config.toml", codex),
    ]
    .map(|(path, text)| {
        let path = home.user().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    })
}

/// A program of the search path; what a desktop starts has a shorter one.
fn absolute(program: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap();
    let mut found = std::env::split_paths(&path).map(|folder| folder.join(program));
    found.find(|file| file.is_file()).unwrap()
}

/// Nothing but what a desktop gives every program, and XDG's folders of the test.
fn of_a_desktop(home: &Home, command: &mut Command) {
    command
        .env_clear()
        .env("HOME", home.user())
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .env("LANG", "C.UTF-8")
        .env("XDG_CONFIG_HOME", home.path().join("config"))
        .env("XDG_DATA_HOME", home.path().join("data"))
        .env("XDG_STATE_HOME", home.path().join("state"))
        .current_dir("/");
}

/// Lets the client start an entry, as it stands in the file, and make a call.
fn session(home: &Home, client: &Command, entry: &Value, call: (&str, Value)) -> Value {
    let mut command = Command::new(absolute(client.get_program().to_str().unwrap()));
    of_a_desktop(home, &mut command);
    // The client fills its placeholders in.
    let env = entry["env"].as_object().into_iter().flatten();
    command.envs(env.map(|(name, value)| {
        assert_eq!(value, &json!(format!("${{env:{name}}}")));
        (name, format!("of {name}"))
    }));
    let args = entry["args"].as_array().unwrap().iter();
    let plan = json!({"mode": "v1", "calls": [call]});
    command
        .args(client.get_args())
        .arg(plan.to_string())
        .arg(entry["command"].as_str().unwrap())
        .args(args.map(|word| word.as_str().unwrap()));
    let ran = Ran::of(&mut command);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran:#?}"))
}

#[test]
fn six_servers_in_three_configs_and_an_official_client() {
    if !registry_is_reachable() {
        return skip(TEST, "the npm registry can't be reached");
    }
    let client = match Sdk::TypeScript1.command() {
        Ok(client) => client,
        Err(reason) => return skip(TEST, &reason),
    };
    let home = Home::new();
    let files = configs(&home);
    let mut import = home.pinfold(["import", "--yes", "--allow-all"]);
    if let Err(reason) = with_uv(&mut import) {
        skip(TEST, &reason);
    }
    let start = Instant::now();
    let ran = Ran::of(&mut import);
    let took = start.elapsed();
    let has_python = ran.code == Some(0);
    if !has_python {
        assert!(ran.stderr.contains("`time` was not locked"), "{ran:#?}");
        skip(TEST, "the PyPI server could not be locked here");
    }
    // Past the test runner's capture.
    let _ = writeln!(
        std::io::stderr(),
        "ADOPTED six servers of three configs in {:.1} s, nothing downloaded before",
        took.as_secs_f64()
    );
    // It says what it does, while it does it, and where things are now.
    for part in [
        "/.cursor/mcp.json (Cursor)",
        "into the secret store: API_TOKEN",
        "[1/6] everything: npm:@modelcontextprotocol/server-everything",
        "now started through pinfold; `pinfold restore",
        "Restart the clients.",
    ] {
        assert!(ran.stderr.contains(part), "{part}: {ran:#?}");
    }
    // No secret is anywhere but in the store and in the originals.
    let documented = ["data/pinfold/secrets", "state/pinfold/client-configs"];
    let documented = documented.map(|folder| home.path().join(folder));
    for secret in [SECRET, OTHER_SECRET] {
        assert_eq!(
            holding(home.path(), &[secret], &documented),
            Vec::<PathBuf>::new()
        );
        // The control: they are there.
        for folder in &documented {
            assert_ne!(holding(folder, &[secret], &[]), Vec::<PathBuf>::new());
        }
        assert!(
            !ran.stderr.contains(secret) && !ran.stdout.contains(secret),
            "{ran:#?}"
        );
    }
    let notes = home.user().join("notes/a.txt");
    let calls = BTreeMap::from([
        ("everything", ("get-env", json!({}))),
        ("files", ("read_text_file", json!({"path": notes}))),
        ("time", ("get_current_time", json!({"timezone": "UTC"}))),
        ("clock", ("get_current_time", json!({"timezone": "UTC"}))),
    ]);
    let mut sessions = 0;
    for path in files {
        let Some(config) = read(&path, &fs::read(&path).unwrap()) else {
            continue;
        };
        let servers = config
            .get("mcpServers")
            .or_else(|| config.get("mcp_servers"));
        for (name, entry) in servers.and_then(Value::as_object).unwrap() {
            if ["time", "clock"].contains(&name.as_str()) && !has_python {
                continue;
            }
            assert_eq!(entry["command"], env!("CARGO_BIN_EXE_pinfold"));
            let report = session(&home, &client, entry, calls[name.as_str()].clone());
            let text = report["calls"][0]["text"].as_str();
            let text = text.unwrap_or_else(|| panic!("{name}: {report}"));
            check(name, &path, text);
            sessions += 1;
        }
    }
    assert!(sessions >= if has_python { 5 } else { 3 }, "{sessions}");
}

fn check(name: &str, path: &Path, text: &str) {
    let is_in = |file: &str| path.ends_with(file);
    match name {
        "everything" => {
            // Its own token arrives, and is taken out of what it says.
            let has_token = !is_in(".codex/config.toml");
            assert_eq!(
                text.contains("\"API_TOKEN\": \"[redacted: API_TOKEN]\""),
                has_token,
                "{text}"
            );
            assert_eq!(
                text.contains("of MODE"),
                is_in(".cursor/mcp.json"),
                "{text}"
            );
        }
        "files" => assert_eq!(text, "what is in it"),
        _ => assert!(text.contains("UTC"), "{text}"),
    }
}
