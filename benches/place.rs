//! Where the measurements happen: homes and caches below one temporary folder.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// Variables that say how this machine reaches its registry; they pass to npm and to `pinfold add`,
/// never to a server: NODE_EXTRA_CA_CERTS makes each start of node slower by tens of milliseconds,
/// and `pinfold run` withholds it, so a node that got it would be an unfair peer.
const NETWORK: &[&str] = &[
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "npm_config_registry",
    "npm_config_cafile",
    "NPM_CONFIG_USERCONFIG",
];

pub(crate) struct Place {
    folder: TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        let folder = tempfile::Builder::new()
            .prefix("pinfold-bench-")
            .tempdir()
            .unwrap();
        // pinfold refuses a manifest below a folder that others can write to.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        fs::create_dir(folder.path().join("home")).unwrap();
        Self { folder }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// pinfold as `cargo bench` built it, with this place as its home.
    pub(crate) fn pinfold(&self, arguments: &[&str]) -> Command {
        self.command(Path::new(env!("CARGO_BIN_EXE_pinfold")), arguments)
    }

    /// `npx`, its cache in this place. Extra certificates reach npm by its own setting, which the
    /// server that it starts doesn't read.
    pub(crate) fn npx(&self, arguments: &[&str]) -> Command {
        let mut command = self.command(Path::new("npx"), arguments);
        command.env("npm_config_cache", self.path().join("npm-cache"));
        with_network(&mut command);
        if let Some(certificates) = std::env::var_os("NODE_EXTRA_CA_CERTS") {
            command.env("npm_config_cafile", certificates);
        }
        command
    }

    /// Any program, with this place as its home and nothing else but PATH.
    pub(crate) fn command(&self, program: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command
            .args(arguments)
            .current_dir(self.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.path().join("home"))
            .env("XDG_CONFIG_HOME", self.path().join("config"))
            .env("XDG_DATA_HOME", self.path().join("data"))
            .env("XDG_STATE_HOME", self.path().join("state"))
            .stdin(Stdio::null())
            .stderr(Stdio::null());
        command
    }

    /// Adds a server with all its tools allowed.
    pub(crate) fn add(&self, name: &str, source: &str, arguments: &[&str]) {
        self.add_with(name, source, &[], arguments);
    }

    /// The same, with options of `pinfold add`.
    pub(crate) fn add_with(&self, name: &str, source: &str, options: &[&str], arguments: &[&str]) {
        let mut all = vec!["add", name, source, "--allow-all"];
        all.extend(options);
        all.push("--");
        all.extend(arguments);
        succeeds(self.pinfold(&all));
    }

    /// The same, with a search path on which there is uv.
    pub(crate) fn add_on_path(&self, name: &str, source: &str, path: &OsStr) {
        let mut command = self.pinfold(&["add", name, source, "--allow-all"]);
        command.env("PATH", path);
        succeeds(command);
    }

    /// A server that was added goes without namespaces.
    pub(crate) fn use_base_tier(&self, name: &str) {
        let manifest = self.path().join("config/pinfold/pinfold.toml");
        let mut text = fs::read_to_string(&manifest).unwrap();
        text.push_str(&format!(
            "\n[servers.{name}.layers]\nnamespaces = \"off\"\n"
        ));
        fs::write(&manifest, text).unwrap();
        let output = self.pinfold(&["lock", name]).output().unwrap();
        assert!(output.status.success());
    }

    /// One more line of a server in the manifest, of no concern to its lock.
    pub(crate) fn set(&self, name: &str, line: &str) {
        let manifest = self.path().join("config/pinfold/pinfold.toml");
        let text = fs::read_to_string(&manifest).unwrap();
        let head = format!("[servers.{name}]\n");
        let text = text.replace(&head, &format!("{head}{line}\n"));
        fs::write(manifest, text).unwrap();
    }

    /// What the lock says of a server.
    pub(crate) fn locked(&self, name: &str) -> serde_json::Value {
        let text = fs::read_to_string(self.path().join("config/pinfold/pinfold.lock")).unwrap();
        let lock: serde_json::Value = serde_json::from_str(&text).unwrap();
        lock["servers"][name].clone()
    }

    /// The program that a locked server starts with.
    pub(crate) fn entry_point(&self, name: &str) -> PathBuf {
        let server = self.locked(name);
        let digest = server["tree"].as_str().unwrap();
        let digest = digest.rsplit([':', '-']).next().unwrap();
        let trees = self.path().join("data/pinfold/store/trees");
        let tree = fs::read_dir(trees)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .find(|path| path.is_dir() && path.to_string_lossy().contains(digest))
            .expect("the tree is in the store");
        tree.join(server["entry_point"].as_str().unwrap())
    }
}

/// Runs a command that changes what is locked.
fn succeeds(mut command: Command) {
    with_network(&mut command);
    if let Some(certificates) = std::env::var_os("NODE_EXTRA_CA_CERTS") {
        command.env("NODE_EXTRA_CA_CERTS", certificates);
    }
    let output = command
        .stderr(Stdio::piped())
        .output()
        .expect("pinfold starts");
    assert!(
        output.status.success(),
        "pinfold add: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Hands on how this machine reaches its registries.
pub(crate) fn with_network(command: &mut Command) {
    for name in NETWORK {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    // The machine's own npm settings stay in force although HOME is another.
    let own = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".npmrc"));
    if let Some(own) = own.filter(|path| path.exists()) {
        command.env("NPM_CONFIG_USERCONFIG", own);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // Trees are read-only; an ordinary user must make their folders writable first.
        let _ = Command::new("chmod")
            .arg("-R")
            .arg("u+w")
            .arg(self.path())
            .output();
    }
}
