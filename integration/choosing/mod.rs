//! A person chooses tools and reviews changes on a terminal; what is written is what was chosen.

mod changed_mind;
mod listing;
mod reviewing;
mod stopped;
mod without_screen;

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use pinfold::config::Manifest;
use serde_json::{Value, json};

use crate::support::{Ended, Home, Terminal, fixture};

/// A server that offers what a file says.
struct Menu {
    home: Home,
    tools: PathBuf,
}

impl Menu {
    fn new(tools: &Value) -> Self {
        let home = Home::new();
        let folder = home.path().join("menu");
        fs::create_dir(&folder).unwrap();
        let menu = Self {
            tools: folder.join("tools.json"),
            home,
        };
        menu.offer(tools);
        menu
    }

    /// Three tools, each with another claim.
    fn usual() -> Self {
        Self::new(&json!([
            tool(
                "write_file",
                "Writes a file.",
                &json!({"destructiveHint": true})
            ),
            tool("read_file", "Reads a file.", &json!({"readOnlyHint": true})),
            tool(
                "fetch",
                "Gets a page.",
                &json!({"readOnlyHint": true, "openWorldHint": true})
            ),
        ]))
    }

    fn offer(&self, tools: &Value) {
        fs::write(&self.tools, tools.to_string()).unwrap();
    }

    /// `pinfold add NAME` with these options.
    fn adding(&self, name: &str, more: &[&str]) -> Command {
        let source = format!("path:{}", fixture("menu.py").display());
        let folder = self.tools.parent().unwrap().to_str().unwrap();
        let file = self.tools.to_str().unwrap();
        let mut words = vec!["add", name, &source, "--read", folder];
        words.extend(more);
        words.extend(["--", file]);
        let mut command = self.home.pinfold(words);
        command.env("TERM", "xterm-256color");
        command
    }

    /// The same on a terminal, when it asks.
    fn add(&self, name: &str) -> Terminal {
        let mut terminal = Terminal::start(&self.adding(name, &[]), 80, 24, |_| {});
        terminal.wait_for("Enter done");
        terminal
    }

    /// What the manifest allows.
    fn allowed(&self, name: &str) -> BTreeSet<String> {
        let text = fs::read_to_string(self.home.manifest()).unwrap();
        let manifest = Manifest::parse(&text, &self.home.manifest(), Some(&self.home.user()));
        let manifest = manifest.unwrap();
        let server = &manifest.servers[&name.parse().unwrap()];
        server.tools.allow.iter().map(ToString::to_string).collect()
    }

    /// Neither of the two files is there.
    fn expect_nothing_written(&self) {
        for path in [self.home.manifest(), self.home.lock()] {
            assert!(!path.exists(), "{}", path.display());
        }
    }

    fn lock(&self) -> String {
        fs::read_to_string(self.home.lock()).unwrap()
    }
}

fn tool(name: &str, description: &str, annotations: &Value) -> Value {
    json!({"name": name, "description": description, "annotations": annotations,
        "inputSchema": {"type": "object"}})
}

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

fn expect(ended: &Ended, code: i32, words: &str) {
    assert_eq!(ended.code, Some(code), "{}", ended.said);
    assert!(ended.said.contains(words), "{}", ended.said);
}
