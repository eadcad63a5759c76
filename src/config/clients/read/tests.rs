//! Configs of every client, and such as nobody should have to read.

use std::os::unix::fs::symlink;
use std::path::PathBuf;

use super::super::entry::Transport;
use super::super::find::{find_client_files, place_of};
use super::*;
use crate::config::Environment;

fn parse_as(path: &str, text: &str) -> Result<ClientFile, ClientFileError> {
    ClientFile::parse(&place_of(Path::new(path), None), text.as_bytes().to_vec())
}

fn names(file: &ClientFile) -> Vec<&str> {
    file.servers
        .iter()
        .map(|server| server.name.as_str())
        .collect()
}

#[test]
fn the_same_server_is_read_from_the_words_of_every_client() {
    for (path, text) in [
        (
            "/h/.mcp.json",
            r#"{"mcpServers": {"time": {"type": "stdio", "command": "uvx", "args": ["t", "--x"], "env": {"A": "1"}}}}"#,
        ),
        (
            "/h/.claude.json",
            r#"{"projects": {"/p": {"mcpServers": {"time": {"command": "uvx", "args": ["t", "--x"], "env": {"A": "1"}}}}}}"#,
        ),
        (
            "/h/.vscode/mcp.json",
            r#"{"servers": {"time": {"command": "uvx", "args": ["t", "--x"], "env": {"A": 1,}}}}"#,
        ),
        (
            "/h/.config/zed/settings.json",
            r#"{"context_servers": {"time": {"command": {"path": "uvx", "args": ["t", "--x"], "env": {"A": "1"}}, "settings": {}}}}"#,
        ),
        (
            "/h/.codex/config.toml",
            "[mcp_servers.time]\ncommand = 'uvx'\nargs = ['t', '--x']\n[mcp_servers.time.env]\nA = '1'\n",
        ),
        (
            "/h/.continue/config.yaml",
            "mcpServers:\n  - name: time\n    command: uvx\n    args: [t, --x]\n    env:\n      A: 1\n",
        ),
        (
            "/h/.config/goose/config.yaml",
            "extensions:\n  time:\n    type: stdio\n    cmd: uvx\n    args:\n      - t\n      - --x\n    envs:\n      A: '1'\n",
        ),
        (
            "/h/opencode.json",
            r#"{"mcp": {"time": {"type": "local", "command": ["uvx", "t", "--x"], "environment": {"A": "1"}}}}"#,
        ),
        (
            "/h/whatever.toml",
            "[mcp_servers.time]\ncommand = 'uvx'\nargs = ['t', '--x']\nenv.A = '1'\n",
        ),
    ] {
        let file = parse_as(path, text).unwrap();
        assert_eq!(names(&file), ["time"], "{path}");
        let server = &file.servers[0];
        assert_eq!(server.argv().unwrap(), ["uvx", "t", "--x"], "{path}");
        assert_eq!(
            (server.env[0].name.as_str(), server.env[0].value.as_str()),
            ("A", "1"),
            "{path}"
        );
        assert!(!server.disabled);
        let at = |offset: usize| file.text.position(text.find("time").unwrap() + offset);
        assert!(
            [at(0), file.text.position(text.find("time").unwrap() - 1)].contains(&server.at),
            "{path}"
        );
    }
}

#[test]
fn remote_and_built_in_servers_are_told_apart() {
    let file = parse_as("/h/.config/goose/config.yaml", "extensions:\n  a: {type: builtin, name: a}\n  b: {type: streamable_http, uri: 'https://b.test/mcp'}\n  c: {type: stdio, cmd: c, enabled: false}\n").unwrap();
    assert_eq!(file.servers[0].transport, Transport::BuiltIn);
    assert!(
        matches!(&file.servers[1].transport, Transport::Remote { url: Some(url) } if url.text == "https://b.test/mcp")
    );
    assert!(file.servers[2].disabled && file.servers[2].argv() == Some(vec!["c"]));
    let zed = parse_as(
        "/h/.config/zed/settings.json",
        r#"{"context_servers": {"x": {"settings": {}}}}"#,
    )
    .unwrap();
    assert_eq!(zed.servers[0].transport, Transport::BuiltIn);
}

#[test]
fn a_file_with_a_mistake_is_refused_with_its_place() {
    for (path, text, part) in [
        (
            "/h/.mcp.json",
            "{\"mcpServers\": {\n\"a\": {\"command\": 1}, \"a\": {}}}",
            "line 2, column 22",
        ),
        (
            "/h/.mcp.json",
            "{\"mcpServers\": {},\n \"mcpServers\": {}}",
            "stands there twice",
        ),
        (
            "/h/.mcp.json",
            "{\"mcpServers\": {\"a\": {\"command\": \"x\",\n\"command\": \"y\"}}}",
            "line 2, column 1",
        ),
        (
            "/h/.mcp.json",
            "{\"mcpServers\": {\"a\": {\"command\": \"x\", \"env\": {\"A\": \"1\", \"A\": \"2\"}}}}",
            "`A` stands there twice",
        ),
        (
            "/h/.mcp.json",
            "{\"mcpServers\": []}",
            "servers by their names",
        ),
        (
            "/h/.mcp.json",
            "{\"mcpServers\": {\"a\": []}}",
            "keys and values",
        ),
        (
            "/h/.mcp.json",
            "{\"mcpServers\": {\"a\": {\"command\": \"x\", \"args\": \"y\"}}}",
            "a list of texts",
        ),
        (
            "/h/.mcp.json",
            "{\"mcpServers\": {\"a\": {\"command\": \"x\", \"env\": {\"A\": []}}}}",
            "a text",
        ),
        ("/h/.mcp.json", "{\n  \"mcpServers\": {", "line 2"),
        ("/h/.codex/config.toml", "a = 1\n[mcp_servers\n", "line 2"),
        (
            "/h/.codex/config.toml",
            "[mcp_servers.a]\n[mcp_servers.a]\n",
            "TOML",
        ),
        (
            "/h/.config/goose/config.yaml",
            "extensions:\n  a: [\n",
            "YAML",
        ),
        ("/h/x.json", "{}", "no client's config"),
    ] {
        let error = parse_as(path, text).unwrap_err().to_string();
        assert!(error.contains(part), "{path}: {text}: {error}");
    }
    let control = parse_as(
        "/h/.mcp.json",
        "{\"mcpServers\": {\"a\": {\"command\": \"x\"}, \"b\": {\"command\": \"x\"}}}",
    );
    assert_eq!(names(&control.unwrap()), ["a", "b"]);
}

#[test]
fn names_may_be_anything_and_are_kept() {
    let file = parse_as("/h/.mcp.json", r#"{"mcpServers": {"../x": {"command": "a"}, "": {"command": "b"}, "a\u001b[2J": {"command": "c"}}}"#).unwrap();
    assert_eq!(names(&file), ["../x", "", "a\u{1b}[2J"]);
}

#[test]
fn what_is_huge_is_read_or_refused_and_never_waited_for() {
    let server = |n: usize| format!("\"s{n}\": {{\"command\": \"x\"}}");
    let many = |count: usize| {
        let servers: Vec<String> = (0..count).map(server).collect();
        format!("{{\"mcpServers\": {{{}}}}}", servers.join(","))
    };
    assert_eq!(
        parse_as("/h/.mcp.json", &many(1_000))
            .unwrap()
            .servers
            .len(),
        1_000
    );
    let error = parse_as("/h/.mcp.json", &many(100_000)).unwrap_err();
    assert!(matches!(error, ClientFileError::TooManyServers { .. }));
    // Claude Code keeps its history there.
    let history = format!(
        "{{\"history\": \"{}\", {}",
        "x".repeat(10 << 20),
        &many(1)[1..]
    );
    assert_eq!(
        parse_as("/h/.claude.json", &history).unwrap().servers.len(),
        1
    );
}

#[test]
#[expect(clippy::disallowed_methods, reason = "tests make plain files")]
fn special_files_and_links_out_of_the_project_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let project = folder.path().join("project");
    fs::create_dir(&project).unwrap();
    let outside = folder.path().join("outside.json");
    fs::write(&outside, r#"{"mcpServers": {"a": {"command": "x"}}}"#).unwrap();
    let config = project.join(".mcp.json");
    let find = || {
        let found = find_client_files(&Environment::default(), None, Some(&project));
        let of_project = found
            .into_iter()
            .filter(|place| place.path.starts_with(&project));
        of_project
            .map(|place| ClientFile::read(&place))
            .collect::<Vec<_>>()
    };
    symlink(&outside, &config).unwrap();
    assert!(matches!(
        find().as_slice(),
        [Err(ClientFileError::LeadsAway { .. })]
    ));
    // Named, it is meant.
    assert_eq!(
        ClientFile::read(&place_of(&config, None))
            .unwrap()
            .servers
            .len(),
        1
    );
    fs::remove_file(&config).unwrap();
    symlink(folder.path().join("nothing"), &config).unwrap();
    assert!(matches!(find().as_slice(), [Err(ClientFileError::Io(_))]));
    fs::remove_file(&config).unwrap();
    nix::unistd::mkfifo(&config, nix::sys::stat::Mode::S_IRUSR).unwrap();
    assert!(matches!(
        find().as_slice(),
        [Err(ClientFileError::NotAFile)]
    ));
    fs::remove_file(&config).unwrap();
    let large = fs::File::create(&config).unwrap();
    large.set_len(MAX_CLIENT_FILE_BYTES + 1).unwrap();
    assert!(matches!(
        find().as_slice(),
        [Err(ClientFileError::TooLarge { .. })]
    ));
    fs::remove_file(&config).unwrap();
    fs::write(&config, r#"{"mcpServers": {"a": {"command": "x"}}}"#).unwrap();
    assert!(matches!(find().as_slice(), [Ok(_)]));
}

#[test]
fn the_collection_of_configs_is_read_whole() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/client_configs");
    let (home, project) = (folder.join("home"), folder.join("project"));
    let environment =
        Environment::from_pairs([("CODEX_HOME", home.join("codex").to_str().unwrap())]);
    let found = find_client_files(&environment, Some(&home), Some(&project));
    let inside = found.iter().filter(|place| place.path.starts_with(&folder));
    let mut clients = std::collections::BTreeSet::new();
    for place in inside {
        let file = ClientFile::read(place)
            .unwrap_or_else(|error| panic!("{}: {error}", place.path.display()));
        assert!(!file.servers.is_empty(), "{}", place.path.display());
        clients.insert(place.client);
    }
    let all = crate::config::clients::CLIENTS;
    assert!(
        all.iter().all(|client| clients.contains(client)),
        "{clients:?}"
    );
}
