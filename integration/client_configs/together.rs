//! Two imports at once.

use std::fs;
use std::process::{Child, Stdio};

use serde_json::{Value, json};

use super::Desk;
use crate::support::{Ran, say};

fn start(desk: &Desk, arguments: &[&str]) -> Child {
    let mut command = desk.command(arguments);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command.spawn().unwrap()
}

fn at_once(desk: &Desk, commands: &[Vec<&str>]) -> Vec<Ran> {
    let children: Vec<Child> = commands.iter().map(|words| start(desk, words)).collect();
    let ended = children.into_iter().map(|child| child.wait_with_output());
    ended.map(|output| Ran::from(&output.unwrap())).collect()
}

fn arguments(path: &std::path::Path, server: &str) -> Value {
    let config: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    config["mcpServers"][server]["args"].clone()
}

#[test]
fn the_same_server_in_two_configs_is_locked_once() {
    let desk = Desk::new();
    let entry = json!({"mcpServers": {"notes": {
        "command": "npx", "args": ["@example/notes"], "env": {"API_KEY": super::SECRET}}}});
    let paths = ["home/.cursor/mcp.json", "home/.gemini/settings.json"]
        .map(|path| desk.put(path, &entry.to_string()));
    let before = paths.clone().map(|path| fs::read(path).unwrap());
    let words = |path: usize| {
        vec![
            "import",
            "--yes",
            "--allow-all",
            paths[path].to_str().unwrap(),
        ]
    };
    let all = at_once(&desk, &[words(0), words(1)]);
    for ran in &all {
        assert_eq!(ran.code, Some(0), "{all:#?}");
    }
    let waited = |ran: &&Ran| ran.stderr.contains("Another `pinfold import`");
    assert_eq!(all.iter().filter(waited).count(), 1, "{all:#?}");
    for path in &paths {
        assert_eq!(arguments(path, "notes"), json!(["run", "notes"]));
    }
    assert_eq!(
        desk.manifest().matches("\nsource = ").count(),
        1,
        "{}",
        desk.manifest()
    );
    let secrets = desk.succeed(&["secret", "list", "--json"]).stdout;
    let secrets: Value = serde_json::from_str(&secrets).unwrap();
    assert_eq!(secrets["secrets"].as_array().unwrap().len(), 1, "{secrets}");
    assert_eq!(say(&mut desk.home.client("notes")), "@example/notes@2.0.0");
    desk.succeed(&["restore"]);
    assert_eq!(paths.map(|path| fs::read(path).unwrap()), before);
}

#[test]
fn different_servers_of_the_same_name_get_names_of_their_own() {
    let desk = Desk::new();
    let config = |package: &str| {
        json!({"mcpServers": {"notes": {"command": "npx", "args": [package]}}}).to_string()
    };
    let one = desk.put("home/.cursor/mcp.json", &config("@example/notes"));
    let two = desk.put("home/.gemini/settings.json", &config("weather"));
    let words = |path: &'static str| vec!["import", "--yes", "--allow-all", path];
    let paths = [&one, &two].map(|path| path.to_str().unwrap().to_owned().leak() as &'static str);
    for ran in at_once(&desk, &[words(paths[0]), words(paths[1])]) {
        assert_eq!(ran.code, Some(0), "{ran:#?}");
    }
    let names: Vec<String> = [one, two]
        .iter()
        .map(|path| arguments(path, "notes")[1].as_str().unwrap().to_owned())
        .collect();
    let said: Vec<String> = names
        .iter()
        .map(|name| say(&mut desk.home.client(name)))
        .collect();
    assert_eq!(said, ["@example/notes@2.0.0", "weather@1.2.0"], "{names:?}");
}

#[test]
fn the_second_of_two_over_everything_has_nothing_left_to_do() {
    let desk = Desk::new();
    let path = desk.put(
        "home/.cursor/mcp.json",
        r#"{"mcpServers": {"notes": {"command": "npx", "args": ["@example/notes"]}}}"#,
    );
    let before = fs::read(&path).unwrap();
    let words = vec!["import", "--yes", "--allow", "notes:say"];
    let all = at_once(&desk, &[words.clone(), words]);
    for ran in &all {
        assert_eq!(ran.code, Some(0), "{all:#?}");
    }
    let idle = |ran: &&Ran| ran.stderr.contains("Nothing is left to do");
    assert_eq!(all.iter().filter(idle).count(), 1, "{all:#?}");
    assert_eq!(arguments(&path, "notes"), json!(["run", "notes"]));
    desk.succeed(&["restore"]);
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn what_was_changed_while_one_waited_is_not_taken_over_unseen() {
    let desk = Desk::new();
    let config = |package: &str| {
        json!({"mcpServers": {"notes": {"command": "npx", "args": [package]}}}).to_string()
    };
    let other = desk.put("home/other.json", &config("weather"));
    let path = desk.put("home/.cursor/mcp.json", &config("@example/notes"));
    let file = path.to_str().unwrap();
    // Somebody holds the turn.
    let folder = desk.home.path().join("state/pinfold/import");
    fs::create_dir_all(&folder).unwrap();
    let held = fs::File::create(folder.join(".pinfold.write-lock")).unwrap();
    held.lock().unwrap();
    let child = start(&desk, &["import", "--yes", "--allow-all", file]);
    let mut child = Waiting(child);
    child.until("Another `pinfold import`");
    fs::copy(&other, &path).unwrap();
    drop(held);
    let ran = child.end();
    assert_eq!(ran.code, Some(1), "{ran:#?}");
    assert!(
        ran.stderr.contains("run `pinfold import` again"),
        "{ran:#?}"
    );
    assert_eq!(fs::read(&path).unwrap(), fs::read(&other).unwrap());
    assert_eq!(desk.manifest(), "");
    // The control.
    desk.succeed(&["import", "--yes", "--allow-all", file]);
    assert_eq!(say(&mut desk.home.client("notes")), "weather@1.2.0");
}

/// One whose standard error is read as it comes.
struct Waiting(Child);

impl Waiting {
    fn until(&mut self, words: &str) {
        use std::io::Read as _;
        let stderr = self.0.stderr.as_mut().unwrap();
        let (mut said, mut byte) = (Vec::new(), [0]);
        while !String::from_utf8_lossy(&said).contains(words) {
            assert_eq!(
                stderr.read(&mut byte).unwrap(),
                1,
                "{}",
                String::from_utf8_lossy(&said)
            );
            said.push(byte[0]);
        }
    }

    fn end(self) -> Ran {
        Ran::from(&self.0.wait_with_output().unwrap())
    }
}
