//! The Inspector's command line: one method for each session.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::Cell;
use super::servers::Server;
use crate::support::Home;
use crate::support::tools::{inspector, node};

/// The Inspector, ready to be told a server and a method.
pub(super) fn program() -> Result<Vec<String>, String> {
    let main = "@modelcontextprotocol/inspector/clients/launcher/build/index.js";
    let main = inspector()?.join("node_modules").join(main);
    let words = [
        node()?,
        main.to_string_lossy().into_owned(),
        "--cli".to_owned(),
    ];
    Ok(words.into())
}

/// One cell for each era that the server speaks.
pub(super) fn eras(home: &Home, server: &Server, program: &[String]) -> Vec<String> {
    let eras: &[(&str, &str)] = if server.both_eras {
        &[("legacy", "2025-11-25"), ("modern", "2026-07-28")]
    } else {
        &[("legacy", "2025-11-25")]
    };
    let cells = eras.iter().map(|(era, revision)| {
        let client = format!("inspector {era}");
        let cell = Cell {
            home,
            server,
            client: &client,
        };
        format!(
            "{client}: {revision} ({})",
            in_era(&cell, program, era, revision)
        )
    });
    cells.collect()
}

fn in_era(cell: &Cell<'_>, program: &[String], era: &str, revision: &str) -> usize {
    let methods = [
        // Asks for the list first.
        vec![
            "tools/call",
            "--tool-name",
            "echo",
            "--tool-arg",
            "message=hello",
        ],
        vec!["resources/read", "--uri", cell.server.resource],
    ];
    let [bare, penned] = ["bare", "penned"].map(|how| cell.folder(how));
    for method in methods {
        let ask = |folder: &Path, with_pinfold: bool| {
            let command = cell.command(folder, with_pinfold);
            asked(cell.home, program, &command, era, &method)
        };
        let expected = ask(&bare, false);
        assert!(expected["result"].is_object(), "{expected}");
        assert_eq!(ask(&penned, true), expected, "{method:?}");
    }
    let text = std::fs::read_dir(&penned)
        .unwrap()
        .map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap());
    for text in text {
        assert!(text.contains(revision), "{text}");
    }
    cell.compare(&bare, &penned)
}

/// What the Inspector prints of one method.
fn asked(home: &Home, program: &[String], server: &[String], era: &str, method: &[&str]) -> Value {
    let mut command = Command::new(&program[0]);
    home.environment(&mut command);
    command.args(&program[1..]);
    // It gives a server a few variables of its own choice only.
    for (name, value) in command_environment(home) {
        command.arg("-e").arg(format!("{name}={value}"));
    }
    let output = command
        .args(server)
        .args(["--protocol-era", era, "--format", "json", "--method"])
        .args(method)
        .current_dir(home.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{server:?} {method:?}: {text} {stderr}"
    );
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text} {stderr}"))
}

/// Where pinfold finds the manifest and the store.
fn command_environment(home: &Home) -> Vec<(String, String)> {
    let mut command = Command::new("true");
    home.environment(&mut command);
    let named = command
        .get_envs()
        .filter_map(|(name, value)| Some((name, value?)));
    named
        .map(|(name, value)| (name.to_string_lossy(), value.to_string_lossy()))
        .filter(|(name, _)| name.starts_with("XDG_"))
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
        .collect()
}
