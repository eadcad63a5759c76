//! The tools of the two formats for bills of materials.

use std::path::PathBuf;
use std::process::Command;
use std::sync::Mutex;

use super::installed::{installed, once, run};

const PACKAGES: [&str; 2] = [
    "cyclonedx-python-lib[json-validation]==11.12.0",
    "spdx-tools==0.8.5",
];

/// The folder that Python finds them in.
pub(crate) fn sbom_tools() -> Result<PathBuf, String> {
    static INSTALLED: Mutex<Option<Result<PathBuf, String>>> = Mutex::new(None);
    once(&INSTALLED, || {
        installed("sbom-tools-1", |folder| {
            run(Command::new("python3")
                .args(["-m", "pip", "install", "--quiet", "--no-input"])
                .args(["--only-binary", ":all:", "--target"])
                .arg(folder)
                .args(PACKAGES))
        })
    })
}
