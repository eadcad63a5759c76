//! Attacks that are a program of their own: native.c, compiled when the test runs.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Whether there is a compiler.
pub(super) fn compiler() -> bool {
    Command::new("cc")
        .arg("--version")
        .output()
        .is_ok_and(|output| output.status.success())
}

/// Compiles native.c into `folder`, where everybody may execute it.
pub(super) fn compile(folder: &Path) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("integration/escape/native.c");
    let program = folder.join("native");
    let output = Command::new("cc")
        .args(["-O1", "-Wall", "-Wextra", "-pthread", "-o"])
        .args([&program, &source])
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    assert!(errors.is_empty(), "{errors}");
    program
}
