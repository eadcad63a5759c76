//! Where pinfold keeps things, and their counterparts in a world without it.

use std::path::{Path, PathBuf};

use crate::support::Home;

#[derive(Clone, Debug)]
pub(super) struct Places {
    /// The server's `$HOME` and `$TMPDIR`.
    pub(super) own: PathBuf,
    pub(super) temporary: PathBuf,
    /// The server's code.
    pub(super) tree: PathBuf,
    pub(super) manifest: PathBuf,
    pub(super) lock: PathBuf,
    pub(super) store: PathBuf,
    /// Holds `home`, `tmp` and `stderr.log` of the server.
    pub(super) state: PathBuf,
    /// The home of another server.
    pub(super) neighbour: PathBuf,
}

impl Places {
    /// Whether pinfold has no part in it.
    pub(super) fn is_bare(&self) -> bool {
        self.tree.ends_with("pinfold/tree")
    }

    /// Of a world without pinfold.
    pub(super) fn bare(root: &Path) -> Self {
        let place = |name: &str| root.join("pinfold").join(name);
        Self {
            own: place("state/home"),
            temporary: place("state/tmp"),
            tree: place("tree"),
            manifest: place("pinfold.toml"),
            lock: place("pinfold.lock"),
            store: place("store"),
            state: place("state"),
            neighbour: place("neighbour/home"),
        }
    }

    /// Of the server `name` behind pinfold.
    pub(super) fn boxed(home: &Home, name: &str) -> Self {
        let state = home.state(name);
        Self {
            own: state.join("home"),
            temporary: state.join("tmp"),
            tree: home.only_tree(),
            manifest: home.manifest(),
            lock: home.lock(),
            store: home.store(),
            neighbour: home.state(&format!("neighbour-of-{name}")).join("home"),
            state,
        }
    }
}
