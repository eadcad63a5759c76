//! `pinfold import` and `pinfold restore`, over the collection of configs in `tests/client_configs`
//! and over configs that somebody made to do harm.

mod audited;
mod collection;
mod hostile;
mod interrupted;
mod live;
mod readers;
mod restoring;
mod taking_over;
mod together;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{Home, Package, Ran, Registry};

/// The secret of the collection.
const SECRET: &str = "sk-live-0a1b2c3d4e5f60718293a4b5c6d7e8f9";

/// A user with configs, and a registry that has what they name.
struct Desk {
    home: Home,
    registry: Registry,
}

impl Desk {
    fn new() -> Self {
        let registry = Registry::new([
            Package::server("@example/notes", "2.0.0"),
            Package::server("weather", "1.2.0"),
        ]);
        let home = Home::new();
        fs::create_dir(home.path().join("work")).unwrap();
        Self { home, registry }
    }

    /// Where commands are run: the project.
    fn work(&self) -> PathBuf {
        self.home.path().join("work")
    }

    fn put(&self, path: &str, text: &str) -> PathBuf {
        let path = self.home.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.registry.pinfold(&self.home, arguments.iter().copied());
        command.current_dir(self.work());
        command
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        Ran::of(&mut self.command(arguments))
    }

    fn succeed(&self, arguments: &[&str]) -> Ran {
        let ran = self.run(arguments);
        assert_eq!(ran.code, Some(0), "{arguments:?}: {ran:#?}");
        ran
    }

    fn manifest(&self) -> String {
        fs::read_to_string(self.home.manifest()).unwrap_or_default()
    }
}

/// Content and mode of every file below a folder.
fn snapshot(folder: &Path) -> BTreeMap<PathBuf, (Vec<u8>, u32)> {
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let mode = fs::metadata(&path).unwrap().permissions().mode();
                files.insert(path.clone(), (fs::read(&path).unwrap(), mode));
            }
        }
    }
    files
}
