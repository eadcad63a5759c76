//! What comes of an edit, byte for byte, in every dialect and spelling.

use std::path::{Path, PathBuf};

use super::super::find::{find_client_files, place_of};
use super::*;
use crate::config::Environment;

fn rewritten(path: &str, text: &str, without: &[&str]) -> Result<String, RewriteError> {
    let file =
        ClientFile::parse(&place_of(Path::new(path), None), text.as_bytes().to_vec()).unwrap();
    let rewrites: Vec<Rewrite<'_>> = file
        .servers
        .iter()
        .map(|server| to_pinfold(server, without))
        .collect();
    rewrite(&file, &rewrites).map(|bytes| String::from_utf8(bytes).unwrap())
}

fn to_pinfold<'f>(server: &'f ClientServer, without: &[&str]) -> Rewrite<'f> {
    Rewrite {
        server,
        command: "/p".to_owned(),
        args: vec!["run".to_owned(), "n".to_owned()],
        without: without.iter().map(|name| (*name).to_owned()).collect(),
    }
}

#[test]
fn only_the_command_and_the_named_variables_change() {
    for (path, before, after) in [
        (
            "/h/.mcp.json",
            r#"{"mcpServers":{"a":{"command":"npx","args":["-y","x"],"env":{"A":"1"}}}}"#,
            r#"{"mcpServers":{"a":{"command":"/p","args":["run", "n"],"env":{}}}}"#,
        ),
        // No arguments before.
        (
            "/h/.mcp.json",
            r#"{"mcpServers":{"a":{"command":"x"}}}"#,
            r#"{"mcpServers":{"a":{"command":"/p", "args": ["run", "n"]}}}"#,
        ),
        (
            "/h/.mcp.json",
            "{\"mcpServers\": {\"a\": {\r\n\t\"command\": \"x\"\r\n}}}",
            "{\"mcpServers\": {\"a\": {\r\n\t\"command\": \"/p\",\r\n\t\"args\": [\"run\", \"n\"]\r\n}}}",
        ),
        // Several lines, a comment beside a value that goes, a trailing comma.
        (
            "/h/.cursor/mcp.json",
            "{\"mcpServers\": {\"a\": {\n  \"args\": [\n    \"-y\", // yes\n    \"x\"\n  ],\n  \"command\": \"x\", // c\n  \"env\": {\n    // keep\n    \"A\": \"1\", // one\n    \"K\": \"${env:K}\",\n    \"B\": \"2\",\n  },\n}}}\n",
            "{\"mcpServers\": {\"a\": {\n  \"args\": [\n    \"run\",\n    \"n\"\n  ],\n  \"command\": \"/p\", // c\n  \"env\": {\n    // keep\n     // one\n    \"K\": \"${env:K}\",\n  },\n}}}\n",
        ),
        // The last one goes, and with it the comma before it.
        (
            "/h/.mcp.json",
            r#"{"mcpServers":{"a":{"command":"x","args":[],"env":{"K":"$K", "A":"1", "B":"2"}}}}"#,
            r#"{"mcpServers":{"a":{"command":"/p","args":["run", "n"],"env":{"K":"$K" }}}}"#,
        ),
        (
            "/h/opencode.json",
            r#"{"mcp":{"a":{"command":["npx","x"],"environment":{"A":"1","K":"{env:K}"}}}}"#,
            r#"{"mcp":{"a":{"command":["/p", "run", "n"],"environment":{"K":"{env:K}"}}}}"#,
        ),
        (
            "/h/.config/zed/settings.json",
            r#"{"context_servers":{"a":{"command":{"path":"x","args":["y"],"env":{"A":"1"}},"settings":{}}}}"#,
            r#"{"context_servers":{"a":{"command":{"path":"/p","args":["run", "n"],"env":{}},"settings":{}}}}"#,
        ),
        (
            "/h/.codex/config.toml",
            "# c\n[mcp_servers.a] # d\ncommand = 'x' # e\n\n  [mcp_servers.a.env] # f\n  A = '1' # one\n  K = '$K'\n  B = '2'\n",
            "# c\n[mcp_servers.a] # d\ncommand = \"/p\" # e\nargs = [\"run\", \"n\"]\n\n  [mcp_servers.a.env] # f\n # one\n  K = '$K'\n",
        ),
        (
            "/h/.codex/config.toml",
            "[mcp_servers]\r\na = { command = 'x', env = { A = '1', K = '$K', B = '2' } }\r\n",
            "[mcp_servers]\r\na = { command = \"/p\", args = [\"run\", \"n\"], env = { K = '$K' } }\r\n",
        ),
        (
            "/h/.codex/config.toml",
            "mcp_servers.a.command = 'x'\nmcp_servers.a.env.A = '1'\n",
            "mcp_servers.a.command = \"/p\"\nmcp_servers.a.args = [\"run\", \"n\"]\n",
        ),
        (
            "/h/.config/goose/config.yaml",
            "extensions:\n  a:\n    cmd: x # c\n    args:\n    - -y # yes\n    - 'z'\n    envs: # e\n      A: 1\n      # mine\n      B: two\n    type: stdio\n",
            "extensions:\n  a:\n    cmd: \"/p\" # c\n    args:\n    - \"run\"\n    - \"n\"\n    envs: {} # e\n      # mine\n    type: stdio\n",
        ),
        (
            "/h/.config/goose/config.yaml",
            "extensions:\n  a: {cmd: x, args: [], envs: {A: 1, K: $K}}\n  b:\n    cmd: y\n    args:\n    timeout: 3\n",
            "extensions:\n  a: {cmd: \"/p\", args: [\"run\", \"n\"], envs: {K: $K}}\n  b:\n    cmd: \"/p\"\n    args: [\"run\", \"n\"]\n    timeout: 3\n",
        ),
        (
            "/h/.continue/config.yaml",
            "mcpServers:\r\n  - command: x\r\n    name: a\r\n",
            "mcpServers:\r\n  - command: \"/p\"\r\n    args: [\"run\", \"n\"]\r\n    name: a\r\n",
        ),
    ] {
        assert_eq!(
            rewritten(path, before, &["A", "B"]).as_deref(),
            Ok(after),
            "{path}: {before}"
        );
    }
}

#[test]
fn what_can_t_be_seen_through_is_refused() {
    for (path, text) in [
        (
            "/h/.config/goose/config.yaml",
            "x: &x npx\nextensions:\n  a:\n    cmd: *x\n",
        ),
        (
            "/h/.config/goose/config.yaml",
            "extensions:\n  a: &a\n    cmd: x\n  b: *a\n",
        ),
        (
            "/h/.config/goose/config.yaml",
            "extensions:\n  a:\n    cmd: >\n      x\n",
        ),
        (
            "/h/.config/goose/config.yaml",
            "y: &y {timeout: 1}\nextensions:\n  a:\n    <<: *y\n    cmd: x\n",
        ),
        (
            "/h/opencode.json",
            r#"{"mcp":{"a":{"command":["npx","x"],"args":["y"]}}}"#,
        ),
    ] {
        let place = place_of(Path::new(path), None);
        let Ok(file) = ClientFile::parse(&place, text.as_bytes().to_vec()) else {
            continue;
        };
        let first = &file.servers[..1];
        let rewrites: Vec<_> = first.iter().map(|server| to_pinfold(server, &[])).collect();
        assert!(rewrite(&file, &rewrites).is_err(), "{text}");
    }
}

#[test]
fn every_config_of_the_collection_can_be_rewritten() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/client_configs");
    let (home, project) = (folder.join("home"), folder.join("project"));
    let found = find_client_files(&Environment::default(), Some(&home), Some(&project));
    let mut count = 0;
    for place in found.iter().filter(|place| place.path.starts_with(&folder)) {
        let before = std::fs::read(&place.path).unwrap();
        let file = ClientFile::parse(place, before.clone()).unwrap();
        let stdio = file.servers.iter().filter(|server| server.argv().is_some());
        let without = ["NOTES_API_KEY", "NOTES_LANGUAGE", "TZ"];
        let rewrites: Vec<_> = stdio.map(|server| to_pinfold(server, &without)).collect();
        let after = rewrite(&file, &rewrites)
            .unwrap_or_else(|error| panic!("{}: {error}", place.path.display()));
        assert_eq!(
            after.starts_with(b"\xef\xbb\xbf"),
            before.starts_with(b"\xef\xbb\xbf")
        );
        let bare = |bytes: &[u8]| {
            bytes
                .windows(2)
                .filter(|pair| pair[1] == b'\n' && pair[0] != b'\r')
                .count()
        };
        if bare(&before) == 0 {
            assert_eq!(bare(&after), 0, "{}", place.path.display());
        }
        count += rewrites.len();
    }
    assert!(count > 18, "{count}");
}
