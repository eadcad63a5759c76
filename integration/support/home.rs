//! A home of its own for each test: manifest, store and state below one temporary folder.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

use super::{Client, Tier};

/// Variables that say how this machine reaches its registries; they pass to pinfold.
const NETWORK: &[&str] = &[
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "NODE_EXTRA_CA_CERTS",
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

/// The folders of one test. Removed at the end.
pub(crate) struct Home {
    folder: TempDir,
}

/// A command that ran to its end.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Home {
    pub(crate) fn new() -> Self {
        // Not in /tmp: in a root of its own a server has another one.
        // Not below a folder that others can write to by group: pinfold refuses such manifests.
        let folder = tempfile::Builder::new()
            .prefix("pinfold-test-")
            .tempdir_in("/var/tmp")
            .unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let home = Self { folder };
        fs::create_dir(home.user()).unwrap();
        home
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// `$HOME`
    pub(crate) fn user(&self) -> PathBuf {
        self.path().join("home")
    }

    pub(crate) fn manifest(&self) -> PathBuf {
        self.path().join("config/pinfold/pinfold.toml")
    }

    pub(crate) fn lock(&self) -> PathBuf {
        self.path().join("config/pinfold/pinfold.lock")
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.path().join("data/pinfold/store")
    }

    pub(crate) fn state(&self, server: &str) -> PathBuf {
        self.path().join("state/pinfold/servers").join(server)
    }

    /// The server's own `$HOME`.
    pub(crate) fn server_home(&self, server: &str) -> PathBuf {
        self.state(server).join("home")
    }

    /// The one tree in the store.
    pub(crate) fn only_tree(&self) -> PathBuf {
        let trees: Vec<PathBuf> = fs::read_dir(self.store().join("trees"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.is_dir())
            .collect();
        assert_eq!(trees.len(), 1, "{trees:?}");
        trees[0].clone()
    }

    /// Takes away what was downloaded and unpacked.
    pub(crate) fn remove_store(&self) {
        make_writable(&self.store());
        fs::remove_dir_all(self.store()).unwrap();
    }

    /// pinfold with this home and an otherwise nearly empty environment.
    pub(crate) fn pinfold<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pinfold"));
        command.args(arguments).current_dir(self.path());
        self.environment(&mut command);
        command
    }

    /// `program` with this home, started by another program as the last of its arguments.
    pub(crate) fn behind(&self, starter: &Command, program: &Command) -> Command {
        let mut command = Command::new(starter.get_program());
        self.environment(&mut command);
        command
            .args(starter.get_args())
            .arg(program.get_program())
            .args(program.get_args())
            .current_dir(self.path());
        command
    }

    /// Gives a command this home.
    pub(crate) fn environment(&self, command: &mut Command) {
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.user())
            .env("XDG_CONFIG_HOME", self.path().join("config"))
            .env("XDG_DATA_HOME", self.path().join("data"))
            .env("XDG_STATE_HOME", self.path().join("state"))
            .stdin(Stdio::null());
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

    /// Runs pinfold to its end.
    pub(crate) fn run<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Ran {
        Ran::of(&mut self.pinfold(arguments))
    }

    /// Runs pinfold to its end and expects success.
    pub(crate) fn succeed<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Ran {
        let ran = self.run(arguments);
        assert_eq!(ran.code, Some(0), "{ran:#?}");
        ran
    }

    /// Adds a server whose code is `fixture`, with all its tools allowed.
    pub(crate) fn add_path(&self, name: &str, fixture: &Path, more: &[&str]) -> Ran {
        let source = format!("path:{}", fixture.display());
        let mut arguments = vec!["add", name, source.as_str(), "--allow-all"];
        arguments.extend(more);
        self.succeed(arguments)
    }

    /// Puts a server that was added into a tier, and locks it again.
    pub(crate) fn set_tier(&self, name: &str, tier: Tier) {
        if tier == Tier::Full {
            return;
        }
        // Hosts can't be limited there.
        let mut text = fs::read_to_string(self.manifest()).unwrap().replace(
            "profile = \"web\"",
            "profile = \"web\"\negress_tier = \"ports\"",
        );
        text.push_str(&format!(
            "\n[servers.{name}.layers]\nnamespaces = \"off\"\n"
        ));
        fs::write(self.manifest(), text).unwrap();
        self.succeed(["lock", name]);
    }

    /// Starts `pinfold run NAME` with a raw client at its pipes.
    pub(crate) fn client(&self, name: &str) -> Client {
        Client::start(&mut self.pinfold(["run", name]))
    }
}

/// A program's start at a terminal of its own, with what a person answers there; the program and
/// its arguments follow.
pub(crate) fn at_terminal(answers: &[&str]) -> Command {
    let mut command = Command::new("python3");
    command
        .arg(super::fixture("terminal.py"))
        .args(answers)
        .arg("--");
    command
}

impl Ran {
    /// With this on standard input. One that refuses before it reads has closed it.
    pub(crate) fn with_input(command: &mut Command, input: &str) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        Self::from(&child.wait_with_output().unwrap())
    }

    pub(crate) fn of(command: &mut Command) -> Self {
        Self::from(&command.output().unwrap())
    }
}

impl From<&Output> for Ran {
    fn from(output: &Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        // Trees are read-only; an ordinary user must make their folders writable first.
        make_writable(self.path());
    }
}

fn make_writable(path: &Path) {
    let _ = Command::new("chmod").args(["-R", "u+w"]).arg(path).output();
}
