//! The reference servers are added, list their tools, and work; the filesystem server reaches
//! what it was granted, because the kernel says so.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::support::{Client, Home, Tier, fixture, registry_is_reachable, skip};

const REGISTRY: &str = "the npm registry can't be reached";

fn add(home: &Home, name: &str, more: &[&str]) -> Vec<String> {
    let source = format!("npm:@modelcontextprotocol/server-{name}@2026.8.31");
    let mut words = vec!["add", name, &source, "--allow-all"];
    words.extend(more);
    home.succeed(words);
    home.set_tier(name, Tier::of_module(module_path!()));
    let mut client = home.client(name);
    client.initialize();
    client.tools()
}

fn started(home: &Home, name: &str) -> Client {
    let mut client = home.client(name);
    client.initialize();
    client
}

#[test]
fn everything_adds() {
    if !registry_is_reachable() {
        return skip("reference_servers::everything", REGISTRY);
    }
    let home = Home::new();
    assert_eq!(add(&home, "everything", &[]).len(), 13);
    let sum = started(&home, "everything").call_text("get-sum", json!({"a": 2, "b": 3}));
    assert_eq!(sum, "The sum of 2 and 3 is 5.");
}

#[test]
fn memory_remembers_from_one_session_to_the_next() {
    if !registry_is_reachable() {
        return skip("reference_servers::memory", REGISTRY);
    }
    let home = Home::new();
    // Its default is a file beside its own code, which nobody may write.
    let tools = add(
        &home,
        "memory",
        &["--env", "MEMORY_FILE_PATH=~/memory.jsonl"],
    );
    assert!(tools.contains(&"create_entities".to_owned()), "{tools:?}");
    let entity =
        json!({"name": "pinfold", "entityType": "pound", "observations": ["keeps strays"]});
    let answer = started(&home, "memory").call("create_entities", json!({"entities": [entity]}));
    assert_ne!(answer["result"]["isError"], true, "{answer}");
    let graph = started(&home, "memory").call_text("read_graph", json!({}));
    let graph: Value = serde_json::from_str(&graph).unwrap();
    assert_eq!(
        graph["entities"][0]["observations"],
        json!(["keeps strays"]),
        "{graph}"
    );
    assert!(home.server_home("memory").join("memory.jsonl").exists());
}

#[test]
fn sequential_thinking_counts_thoughts() {
    if !registry_is_reachable() {
        return skip("reference_servers::sequential-thinking", REGISTRY);
    }
    let home = Home::new();
    assert_eq!(
        add(&home, "sequential-thinking", &[]),
        ["sequentialthinking"]
    );
    let mut client = started(&home, "sequential-thinking");
    for number in [1, 2] {
        let thought = json!({"thought": "hm", "nextThoughtNeeded": true, "thoughtNumber": number, "totalThoughts": 3});
        let answer = client.call_text("sequentialthinking", thought);
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!(answer["thoughtHistoryLength"], number, "{answer}");
    }
}

/// A folder to grant, with a file, and a link to a secret outside.
struct Granted {
    folder: PathBuf,
    file: PathBuf,
    link: PathBuf,
    secret: PathBuf,
}

impl Granted {
    fn make(home: &Home) -> Self {
        let folder = home.user().join("granted");
        fs::create_dir(&folder).unwrap();
        let granted = Self {
            file: folder.join("file"),
            link: folder.join("link"),
            secret: home.user().join("secret"),
            folder,
        };
        fs::write(&granted.file, "for everybody").unwrap();
        fs::write(&granted.secret, "do not tell").unwrap();
        symlink(&granted.secret, &granted.link).unwrap();
        granted
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn filesystem_reads_and_writes_what_it_was_granted() {
    if !registry_is_reachable() {
        return skip("reference_servers::filesystem", REGISTRY);
    }
    let home = Home::new();
    let granted = Granted::make(&home);
    let folder = text(&granted.folder);
    let tools = add(&home, "filesystem", &["--write", folder, "--", folder]);
    assert_eq!(tools.len(), 14, "{tools:?}");
    let mut client = started(&home, "filesystem");
    let read = client.call_text("read_text_file", json!({"path": text(&granted.file)}));
    assert_eq!(read, "for everybody");
    let new = granted.folder.join("new");
    client.call_text(
        "write_file",
        json!({"path": text(&new), "content": "written"}),
    );
    assert_eq!(fs::read_to_string(&new).unwrap(), "written");
    for path in [&granted.secret, &granted.link] {
        let answer = client.call("read_text_file", json!({"path": text(path)}));
        assert_eq!(answer["result"]["isError"], true, "{answer}");
    }
}

/// The server checks paths itself. Here it is told that all of `/` is fine, and only the
/// kernel knows better.
#[test]
fn filesystem_is_held_by_the_kernel_and_not_by_itself() {
    if !registry_is_reachable() {
        return skip("reference_servers::filesystem held by the kernel", REGISTRY);
    }
    let home = Home::new();
    let granted = Granted::make(&home);
    add(
        &home,
        "filesystem",
        &["--read", text(&granted.folder), "--", "/"],
    );

    // Control: the very same files, started by node alone.
    let program = home
        .only_tree()
        .join("node_modules/@modelcontextprotocol/server-filesystem/dist/index.js");
    let mut bare = Command::new("node");
    home.environment(&mut bare);
    let mut bare = Client::start(bare.arg(program).arg("/"));
    bare.initialize();
    let mut penned = started(&home, "filesystem");
    for path in [&granted.secret, &granted.link] {
        let arguments = json!({"path": text(path)});
        assert_eq!(
            bare.call_text("read_text_file", arguments.clone()),
            "do not tell"
        );
        let refusal = penned.call_text("read_text_file", arguments);
        assert!(is_refusal(&refusal), "{refusal}");
    }
    let arguments = json!({"path": text(&granted.file)});
    assert_eq!(
        penned.call_text("read_text_file", arguments),
        "for everybody"
    );
    // Granted to be read only.
    let arguments = json!({"path": text(&granted.file), "content": "changed"});
    let refusal = penned.call_text("write_file", arguments.clone());
    assert!(is_refusal(&refusal), "{refusal}");
    assert_eq!(fs::read_to_string(&granted.file).unwrap(), "for everybody");
    bare.call_text("write_file", arguments);
    assert_eq!(fs::read_to_string(&granted.file).unwrap(), "changed");
}

/// What isn't granted isn't there in a root of its own, and what is there is mounted read-only.
fn is_refusal(answer: &str) -> bool {
    ["EACCES", "ENOENT", "EROFS"]
        .iter()
        .any(|errno| answer.contains(errno))
}

/// The same grants for a server that checks nothing.
#[test]
fn a_hostile_server_is_held_to_the_same_grants() {
    let home = Home::new();
    let granted = Granted::make(&home);
    let (read_only, writable) = (text(&granted.folder), home.user().join("writable"));
    fs::create_dir(&writable).unwrap();
    let way_out = writable.join("way-out");
    symlink(&granted.secret, &way_out).unwrap();
    let mut bare = Client::start(Command::new("python3").arg(fixture("puppet.py")));
    bare.initialize();
    home.add_path(
        "puppet",
        &fixture("puppet.py"),
        &["--read", read_only, "--write", text(&writable)],
    );
    let mut penned = started(&home, "puppet");
    let read =
        |path: &Path| json!({"code": "return open(path).read()", "arguments": {"path": path}});
    let write =
        |path: &Path| json!({"code": "open(path, 'w').write('x')", "arguments": {"path": path}});

    for path in [&granted.secret, &granted.link, &way_out] {
        assert_eq!(bare.call_text("do", read(path)), r#"ok: "do not tell""#);
        let refusal = penned.call_text("do", read(path));
        assert!(
            refusal.starts_with("refused: ") && is_refusal(&refusal),
            "{refusal}"
        );
    }
    assert_eq!(
        penned.call_text("do", read(&granted.file)),
        r#"ok: "for everybody""#
    );
    for path in [&granted.file, &way_out] {
        let refusal = penned.call_text("do", write(path));
        assert!(
            refusal.starts_with("refused: ") && is_refusal(&refusal),
            "{refusal}"
        );
    }
    assert_eq!(fs::read_to_string(&granted.secret).unwrap(), "do not tell");
    let inside = writable.join("new");
    assert!(penned.call_text("do", write(&inside)).starts_with("ok"));
    assert_eq!(fs::read_to_string(&inside).unwrap(), "x");
    // Control: nothing but pinfold was in the way.
    for path in [&granted.file, &way_out] {
        assert!(bare.call_text("do", write(path)).starts_with("ok"));
    }
    assert_eq!(fs::read_to_string(&granted.secret).unwrap(), "x");
}
