//! `pinfold audit`: each planted problem is found with its code at its line and nothing else is,
//! neither there nor in clean configs.
//!
//! A fixture says what is found in it: `«code code»` at the end of a line. The marks are taken out
//! before the config is written.

mod fixtures;
mod machine;
mod reports;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use serde_json::Value;

use crate::place::{NO_OPEN_FOLDER, Place, Ran, golden, skip};

/// The server of the golden lock, and one that isn't locked.
const MANIFEST: &str = r#"[servers.everything]
source = "npm:@modelcontextprotocol/server-everything@^2026.8"
tools.allow = ["echo"]

[servers.fresh]
source = "npm:fresh"
tools.allow = []
"#;

/// Another, with the same lock beside it.
const OTHER: &str = r#"[servers.everything]
source = "npm:@modelcontextprotocol/server-everything@^2027"
tools.allow = ["echo"]
"#;

/// A user with a manifest, a lock and a project.
struct Desk(Place);

impl Desk {
    fn new() -> Self {
        Self::at(Place::new())
    }

    /// Whose files are closed to others by nothing but their modes. `None` has been said.
    fn open_to_all(test: &str) -> Option<Self> {
        let place = Place::open_to_all();
        if place.is_none() {
            skip(test, NO_OPEN_FOLDER);
        }
        place.map(Self::at)
    }

    fn at(place: Place) -> Self {
        let desk = Self(place.and(MANIFEST));
        let lock = fs::read_to_string(golden("npm.lock")).unwrap();
        fs::write(desk.0.manifest().with_extension("lock"), &lock).unwrap();
        desk.put("other/pinfold.toml", OTHER, 0o600);
        desk.put("other/pinfold.lock", &lock, 0o600);
        fs::create_dir_all(desk.project()).unwrap();
        desk.put("bin/pinfold", "", 0o755);
        desk
    }

    fn project(&self) -> PathBuf {
        self.0.path().join("home/work")
    }

    /// A file below the place.
    fn put(&self, path: &str, text: &str, mode: u32) -> PathBuf {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let place = self.0.path().to_str().unwrap();
        fs::write(&path, text.replace("{place}", place)).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    /// No program is found by its name: what this machine has doesn't count.
    fn audit(&self, arguments: &[&str]) -> Ran {
        let words = ["audit"].into_iter().chain(arguments.iter().copied());
        let mut command = self.0.pinfold(words);
        command.env("PATH", "/nowhere").current_dir(self.project());
        Ran::of(&mut command)
    }

    fn found(&self, arguments: &[&str]) -> Value {
        let words: Vec<&str> = ["--format", "json"]
            .into_iter()
            .chain(arguments.iter().copied())
            .collect();
        let ran = self.audit(&words);
        assert_eq!(ran.stderr, "", "{ran:#?}");
        serde_json::from_str(&ran.stdout).unwrap()
    }
}

/// Every code with its line, of all files.
fn codes(report: &Value) -> Vec<(String, String, u64)> {
    let mut all = Vec::new();
    for file in report["files"].as_array().unwrap() {
        for finding in file["findings"].as_array().unwrap() {
            all.push((
                file["path"].as_str().unwrap().to_owned(),
                finding["code"].as_str().unwrap().to_owned(),
                finding["line"].as_u64().unwrap_or(0),
            ));
        }
    }
    all.sort();
    all
}
