//! A home of its own for each test, and the program in it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

pub(crate) struct Place {
    folder: TempDir,
}

/// A command that ran to its end.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// A server whose lock is the golden example.
pub(crate) const EXAMPLE: &str = r#"[servers.everything]
source = "npm:@modelcontextprotocol/server-everything@^2026.8"

[servers.everything.tools]
allow = ["echo", "gone"]
"#;

impl Place {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        Self { folder }
    }

    /// With a manifest of this text.
    pub(crate) fn with(manifest: &str) -> Self {
        let place = Self::new();
        fs::create_dir_all(place.manifest().parent().unwrap()).unwrap();
        fs::write(place.manifest(), manifest).unwrap();
        place
    }

    /// With manifest and lock of the golden example.
    pub(crate) fn example() -> Self {
        let place = Self::with(EXAMPLE);
        fs::copy(golden("npm.lock"), place.manifest().with_extension("lock")).unwrap();
        place
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn manifest(&self) -> PathBuf {
        self.path().join("home/.config/pinfold/pinfold.toml")
    }

    pub(crate) fn pinfold<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pinfold"));
        command
            .args(arguments)
            .env_clear()
            .env("HOME", self.path().join("home"))
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .current_dir(self.path())
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn run<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Ran {
        Ran::of(&mut self.pinfold(arguments))
    }
}

impl Ran {
    pub(crate) fn of(command: &mut Command) -> Self {
        let output = command.output().unwrap();
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// A file of `lockfile/examples`.
pub(crate) fn golden(name: &str) -> PathBuf {
    project().join("lockfile/examples").join(name)
}

pub(crate) fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
