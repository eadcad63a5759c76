//! A home of its own for each test, and the program in it.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs};

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

/// Why a test is skipped that `Place::open_to_all` has no place for.
pub(crate) const NO_OPEN_FOLDER: &str = "no temporary folder that every user can enter";

impl Place {
    pub(crate) fn new() -> Self {
        Self::below(&env::temp_dir())
    }

    fn below(parent: &Path) -> Self {
        let folder = tempfile::tempdir_in(parent).unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        Self { folder }
    }

    /// One that every user of the machine can enter, which a temporary folder of the user's own is not.
    /// Not at all where there is no such folder.
    pub(crate) fn open_to_all() -> Option<Self> {
        let folders = [env::temp_dir(), "/tmp".into(), "/var/tmp".into()];
        let open = |folder: &&PathBuf| {
            let mut ancestors = folder.ancestors();
            ancestors.all(|one| fs::metadata(one).is_ok_and(|one| one.mode() & 0o001 != 0))
        };
        folders.iter().find(open).map(|folder| Self::below(folder))
    }

    /// With a manifest of this text.
    pub(crate) fn with(manifest: &str) -> Self {
        Self::new().and(manifest)
    }

    pub(crate) fn and(self, manifest: &str) -> Self {
        fs::create_dir_all(self.manifest().parent().unwrap()).unwrap();
        fs::write(self.manifest(), manifest).unwrap();
        self
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

/// Says that a test did not run, past the test runner's capture.
pub(crate) fn skip(test: &str, reason: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "SKIPPED {test}: {reason}");
}
