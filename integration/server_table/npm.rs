//! Servers of the npm registry.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::pair::{Pair, Row, in_registry};
use crate::support::page::Page;

pub(super) fn everything() -> Result<Row, String> {
    let package = "@modelcontextprotocol/server-everything";
    in_registry(package)?;
    let mut pair = Pair::npm(package, &[], &[])?;
    let sum = pair.agree("get-sum", json!({"a": 2, "b": 3}));
    assert_eq!(sum, "The sum of 2 and 3 is 5.");
    Ok(pair.row("a sum", sum))
}

pub(super) fn filesystem() -> Result<Row, String> {
    let package = "@modelcontextprotocol/server-filesystem";
    in_registry(package)?;
    // Not in /tmp: in a root of its own a server has another one.
    let folder = tempfile::tempdir_in("/var/tmp").unwrap();
    let folder = folder.path().canonicalize().unwrap();
    fs::create_dir_all(&folder).unwrap();
    let path = folder.to_str().unwrap();
    let mut pair = Pair::npm(package, &["--write", path], &[path])?;
    let file = folder.join("file");
    let arguments = json!({"path": file, "content": "written in the box"});
    pair.boxed.call_text("write_file", arguments);
    assert_eq!(fs::read_to_string(&file).unwrap(), "written in the box");
    let read = pair.agree("read_text_file", json!({"path": file}));
    assert_eq!(read, "written in the box");
    Ok(pair.row("a file written and read", read))
}

pub(super) fn memory() -> Result<Row, String> {
    let package = "@modelcontextprotocol/server-memory";
    in_registry(package)?;
    let bare = tempfile::tempdir().unwrap();
    let bare = bare.path().join("memory.jsonl");
    let mut pair = Pair::npm_with(
        package,
        &["--env", "MEMORY_FILE_PATH=~/memory.jsonl"],
        &[],
        &[("MEMORY_FILE_PATH", bare.to_str().unwrap())],
    )?;
    let entity =
        json!({"name": "pinfold", "entityType": "pound", "observations": ["keeps strays"]});
    pair.agree("create_entities", json!({"entities": [entity]}));
    let found = pair.agree("search_nodes", json!({"query": "strays"}));
    let found: Value = serde_json::from_str(&found).unwrap();
    assert_eq!(found["entities"][0]["name"], "pinfold", "{found}");
    assert!(pair.home.server_home("it").join("memory.jsonl").exists());
    Ok(pair.row("an entity stored and found", "pinfold"))
}

pub(super) fn sequential_thinking() -> Result<Row, String> {
    let package = "@modelcontextprotocol/server-sequential-thinking";
    in_registry(package)?;
    let mut pair = Pair::npm(package, &[], &[])?;
    let thought =
        json!({"thought": "hm", "nextThoughtNeeded": true, "thoughtNumber": 1, "totalThoughts": 3});
    let answer = pair.agree("sequentialthinking", thought);
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(answer["thoughtHistoryLength"], 1, "{answer}");
    Ok(pair.row("a thought", "1 in its history"))
}

/// What the server's own API says of libraries, in its shape.
const LIBRARIES: &str = r#"{"results": [{"id": "/pinfold/strays", "title": "Strays", "description": "Where they are kept",
    "branch": "main", "lastUpdateDate": "2026-01-01", "state": "finalized", "totalTokens": 7, "totalSnippets": 3,
    "trustScore": 9, "versions": []}]}"#;

/// Its API is on the Internet; here on loopback, by the server's own variable for that.
pub(super) fn context7() -> Result<Row, String> {
    let package = "@upstash/context7-mcp";
    in_registry(package)?;
    let page = Page::new("application/json", LIBRARIES);
    let host = page.host();
    let address = format!("http://{host}");
    let variable = format!("CONTEXT7_API_URL={address}");
    let options = ["--egress", host.as_str(), "--env", variable.as_str()];
    let environment = [("CONTEXT7_API_URL", address.as_str())];
    let mut pair = Pair::npm_with(package, &options, &[], &environment)?;
    let arguments = json!({"query": "where", "libraryName": "strays"});
    let found = pair.agree("resolve-library-id", arguments);
    assert!(found.contains("/pinfold/strays"), "{found}");
    Ok(pair.row("a library found (API on loopback)", "/pinfold/strays"))
}

const PAGE: &str = "<!DOCTYPE html><title>x</title><h1>Hello from loopback</h1>\
    <script>document.title = 'six times ' + 6 * 7</script>";

/// Debian's Chromium: the program itself, not the script that starts it.
fn chromium() -> Option<&'static str> {
    [
        "/usr/lib/chromium/chromium",
        "/usr/lib/chromium/chromium-headless-shell",
    ]
    .into_iter()
    .find(|path| Path::new(path).exists())
}

pub(super) fn playwright() -> Result<Row, String> {
    let package = "@playwright/mcp";
    in_registry(package)?;
    let program = chromium().ok_or("there is no Chromium of Debian")?;
    let page = Page::new("text/html", PAGE);
    let host = page.host();
    // The path of a UNIX socket has at most 107 bytes (unix(7)); TMPDIR may be longer. Outside of
    // the box a folder of our own: another user's would be in the way.
    let sockets = tempfile::Builder::new().tempdir_in("/tmp").unwrap();
    let mut pair = Pair::npm_with(
        package,
        &[
            "--profile",
            "browser",
            "--egress",
            &host,
            "--exec",
            program,
            "--env",
            "PWTEST_SOCKETS_DIR=/tmp",
        ],
        &[
            "--headless",
            "--isolated",
            "--no-sandbox",
            "--browser",
            "chromium",
            "--executable-path",
            program,
        ],
        &[("PWTEST_SOCKETS_DIR", sockets.path().to_str().unwrap())],
    )?;
    let address = format!("http://{host}/");
    for client in [&mut pair.bare, &mut pair.boxed] {
        let opened = client.call_text("browser_navigate", json!({"url": address}));
        assert!(opened.contains("six times 42"), "{opened}");
    }
    let seen = pair.agree("browser_snapshot", json!({}));
    assert!(seen.contains("Hello from loopback"), "{seen}");
    Ok(pair.row(
        "a loopback page in Chromium",
        "its script ran, its text is seen",
    ))
}
