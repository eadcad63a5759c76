//! A small static server, compiled once.

use std::path::PathBuf;
use std::process::Command;

use super::fixture;
use super::installed::{installed, run, short_digest};

/// The program, or why there is none.
pub(crate) fn static_program() -> Result<PathBuf, String> {
    let digest = short_digest(include_bytes!("../fixtures/native.rs"));
    let folder = installed(&format!("native-{digest}"), |folder| {
        run(Command::new("rustc")
            .args(["-O", "-C", "target-feature=+crt-static", "-o"])
            .arg(folder.join("native"))
            .arg(fixture("native.rs")))
    });
    let folder = folder.map_err(|_| "rustc can't link a static program here".to_owned())?;
    Ok(folder.join("native"))
}
