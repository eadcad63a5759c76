//! Secrets: that each kind reaches its server, that nothing else ever holds a value, and that a
//! secret which can't be had refuses the launch, soon and in plain words.

mod everywhere;
mod refused;
mod service;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::support::{Client, Home, Ran, Tier, fixture};

/// A puppet in a home.
struct Puppet {
    home: Home,
    name: &'static str,
}

impl Puppet {
    fn new(tier: Tier) -> Self {
        let home = Home::new();
        let puppet = Self {
            home,
            name: "puppet",
        };
        puppet
            .home
            .add_path(puppet.name, &fixture("puppet.py"), &[]);
        puppet.home.set_tier(puppet.name, tier);
        puppet
    }

    /// Writes variables into the manifest and locks them.
    fn with(self, env: &str) -> Self {
        self.write(env);
        self.home.succeed(["lock", self.name]);
        self
    }

    fn write(&self, env: &str) {
        let text = fs::read_to_string(self.home.manifest()).unwrap();
        let head = format!("[servers.{}]\n", self.name);
        assert!(text.contains(&head), "{text}");
        let text = text.replacen(&head, &format!("{head}env = {{ {env} }}\n"), 1);
        fs::write(self.home.manifest(), text).unwrap();
    }

    fn client(&self) -> Client {
        let mut client = self.home.client(self.name);
        client.initialize();
        client
    }
}

/// Runs Python in the server; what it returned.
fn answer(client: &mut Client, code: &str) -> String {
    client.call_text("do", json!({ "code": code }))
}

/// A word spelled backwards, which nobody redacts.
fn backwards(word: &str) -> String {
    word.chars().rev().collect()
}

/// `pinfold secret set`, the value on standard input.
fn set(home: &Home, name: &str, value: &str, more: &[&str]) -> Ran {
    let arguments = ["secret", "set", name].into_iter();
    let mut command = home.pinfold(arguments.chain(more.iter().copied()));
    Ran::with_input(&mut command, value)
}

/// Files below `folder` that hold `needle`, but for those in `known`.
fn holding(folder: &Path, needle: &str, known: &[PathBuf]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            let kind = entry.file_type().unwrap();
            if known.iter().any(|known| path.starts_with(known)) {
            } else if kind.is_dir() {
                folders.push(path);
            } else if kind.is_file() && contains(&fs::read(&path).unwrap_or_default(), needle) {
                found.push(path);
            }
        }
    }
    found
}

fn contains(bytes: &[u8], needle: &str) -> bool {
    bytes
        .windows(needle.len())
        .any(|window| window == needle.as_bytes())
}
