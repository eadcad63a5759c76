//! What this machine has, and how a test says that it can't run here.

use std::io::Write;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use super::installed::npm;

/// Says that a test did not run, past the test runner's capture. Use as `return skip(…)`.
pub(crate) fn skip(test: &str, reason: &str) {
    let _ = writeln!(std::io::stderr(), "SKIPPED {test}: {reason}");
}

pub(crate) fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// Which of the two boxes a test is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tier {
    /// With namespaces.
    Full,
    /// Without, as on machines that refuse them.
    Base,
}

impl Tier {
    /// The tier that a test's module stands for: those of the box are compiled twice.
    pub(crate) fn of_module(path: &str) -> Self {
        if path.contains("_in_the_base_tier") {
            Self::Base
        } else {
            Self::Full
        }
    }

    /// The errors by which a box of this tier refuses. ENOSYS is the filter's answer to calls that
    /// nobody needs.
    pub(crate) fn refusals(self) -> &'static [&'static str] {
        match self {
            Self::Base => &["EACCES", "EPERM", "ENOSYS", "EXDEV"],
            // What isn't there can't be opened, and what is there is mounted read-only.
            Self::Full => &[
                "EACCES", "EPERM", "ENOSYS", "EXDEV", "ENOENT", "EROFS", "ESRCH", "ENXIO", "EBUSY",
                // no user of another number exists in its user namespace
                "EINVAL",
            ],
        }
    }
}

/// A file of `integration/fixtures`.
pub(crate) fn fixture(name: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("integration/fixtures")
        .join(name);
    assert!(path.exists(), "no fixture {}", path.display());
    path
}

/// Whether npm can ask its registry. Tried once.
pub(crate) fn registry_is_reachable() -> bool {
    static REACHABLE: OnceLock<bool> = OnceLock::new();
    *REACHABLE
        .get_or_init(|| npm_view("is-number@7.0.0").is_ok_and(|output| output.status.success()))
}

/// The version of a package, asked of the registry itself: from a cache npm answers without a
/// network, too.
pub(crate) fn npm_view(package: &str) -> std::io::Result<std::process::Output> {
    let nothing = tempfile::tempdir()?;
    npm()
        .args(["view", package, "version"])
        .args(["--fetch-retries=1", "--fetch-retry-mintimeout=1000"])
        .arg("--cache")
        .arg(nothing.path())
        .output()
}

/// A shell in a mount namespace of its own that runs `script` and then its arguments; `None` where
/// the kernel denies that to this user.
pub(crate) fn with_mounts(test: &str, script: &str) -> Option<Command> {
    let flags = if is_root() { "-m" } else { "-Urm" };
    let able = Command::new("unshare")
        .args([flags, "true"])
        .output()
        .is_ok_and(|output| output.status.success());
    if !able {
        skip(test, "no mount namespace for this user");
        return None;
    }
    let mut command = Command::new("unshare");
    command
        .args([flags, "sh", "-e", "-c"])
        .arg(format!("{script}\nexec \"$@\""))
        .arg("sh");
    Some(command)
}
