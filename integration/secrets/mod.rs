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

/// How a value may be spelled where nobody looks for it: as it is, in base64 (of both alphabets), in
/// hex, and as in an address.
fn spellings(value: &str) -> Vec<String> {
    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
    let hex = |format: fn(u8) -> String| value.bytes().map(format).collect::<String>();
    let percent = |byte: u8| match byte {
        byte if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) => {
            char::from(byte).to_string()
        }
        byte => format!("%{byte:02X}"),
    };
    let mut all = vec![
        value.to_owned(),
        STANDARD_NO_PAD.encode(value),
        URL_SAFE_NO_PAD.encode(value),
        hex(|byte| format!("{byte:02x}")),
        hex(|byte| format!("{byte:02X}")),
        value.bytes().map(percent).collect(),
    ];
    all.sort();
    all.dedup();
    all
}

/// Files below `folder` that hold one of these, but for those in `known`.
pub(crate) fn holding(
    folder: &Path,
    needles: &[impl AsRef<str>],
    known: &[PathBuf],
) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            let kind = entry.file_type().unwrap();
            if known.iter().any(|known| path.starts_with(known)) {
            } else if kind.is_dir() {
                folders.push(path);
            } else if kind.is_file() {
                let bytes = fs::read(&path).unwrap_or_default();
                if needles
                    .iter()
                    .any(|needle| contains(&bytes, needle.as_ref()))
                {
                    found.push(path);
                }
            }
        }
    }
    found
}

fn contains(bytes: &[u8], needle: &str) -> bool {
    memchr::memmem::find(bytes, needle.as_bytes()).is_some()
}
