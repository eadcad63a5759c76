//! What this machine has, and how a test says that it can't run here.

use std::io::Write;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

/// Says that a test did not run, past the test runner's capture. Use as `return skip(…)`.
pub(crate) fn skip(test: &str, reason: &str) {
    let _ = writeln!(std::io::stderr(), "SKIPPED {test}: {reason}");
}

pub(crate) fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
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
    *REACHABLE.get_or_init(|| {
        Command::new("npm")
            .args(["view", "is-number@7.0.0", "version"])
            .output()
            .is_ok_and(|output| output.status.success())
    })
}
