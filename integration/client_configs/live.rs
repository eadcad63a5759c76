//! As a new user would: three configs that name real servers, and an official client for each
//! rewritten entry.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::SECRET;
use super::readers::read;
use crate::support::sdk::{Sdk, session};
use crate::support::{Home, registry_is_reachable, skip};

const EVERYTHING: &str = "@modelcontextprotocol/server-everything";

#[test]
fn three_configs_and_an_official_client() {
    let test = "client_configs::live";
    if !registry_is_reachable() {
        return skip(test, "the npm registry can't be reached");
    }
    let sdk = Sdk::TypeScript1;
    if let Err(reason) = sdk.command() {
        return skip(test, &reason);
    }
    let home = Home::new();
    let entry = json!({"mcpServers": {"everything": {"command": "npx", "args": ["-y", EVERYTHING], "env": {"API_TOKEN": SECRET}}}});
    let toml = format!(
        "[mcp_servers.everything]\ncommand = \"npx\"\nargs = [\"-y\", \"{EVERYTHING}\"]\n[mcp_servers.time]\ncommand = \"uvx\"\nargs = [\"mcp-server-time\", \"--local-timezone=UTC\"]\n"
    );
    let files = [
        (
            ".config/Claude/claude_desktop_config.json",
            entry.to_string(),
        ),
        (".cursor/mcp.json", entry.to_string()),
        (".codex/config.toml", toml),
    ]
    .map(|(path, text)| {
        let path = home.user().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    });
    let start = Instant::now();
    let ran = home.run(["import", "--yes", "--allow-all"]);
    // Bounds a hang only.
    assert!(start.elapsed() < Duration::from_secs(600));
    let has_time = ran.code == Some(0);
    assert!(
        has_time || ran.stderr.contains("`time` was not locked"),
        "{ran:#?}"
    );
    if !has_time {
        skip(test, "the PyPI server could not be locked here");
    }
    let mut sessions = 0;
    for path in files {
        let bytes = fs::read(&path).unwrap();
        assert!(
            !String::from_utf8_lossy(&bytes).contains(SECRET),
            "{}",
            path.display()
        );
        let Some(config) = read(&path, &bytes) else {
            continue;
        };
        let servers = config
            .get("mcpServers")
            .or_else(|| config.get("mcp_servers"));
        for (name, entry) in servers.and_then(Value::as_object).unwrap() {
            if name == "time" && !has_time {
                continue;
            }
            let args = entry["args"].as_array().unwrap().iter();
            let words: Vec<&str> = [&entry["command"]]
                .into_iter()
                .chain(args)
                .map(|word| word.as_str().unwrap())
                .collect();
            assert_eq!(words[0], env!("CARGO_BIN_EXE_pinfold"));
            let calls = match name.as_str() {
                "time" => [("get_current_time", json!({"timezone": "UTC"}))],
                _ => [("echo", json!({"message": "hello"}))],
            };
            let report = session(&home, sdk.command().unwrap(), sdk, &words, &calls, &[]);
            let text = report["calls"][0]["text"].as_str().unwrap_or_default();
            assert!(
                text.contains("hello") || text.contains("UTC"),
                "{name}: {report}"
            );
            sessions += 1;
        }
    }
    assert!(sessions >= 3, "{sessions}");
}
