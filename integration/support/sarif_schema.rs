//! The JSON Schema of SARIF 2.1.0, and a validator for it: Microsoft's package for JavaScript has
//! both.

use std::fs;
use std::path::PathBuf;
use std::sync::Mutex;

use super::installed::{installed, npm_install, once};

const PACKAGE: &str = r#"{
  "private": true,
  "dependencies": { "@microsoft/jest-sarif": "1.0.0-beta.0", "ajv": "6.12.6" }
}"#;

/// The folder with the packages.
pub(crate) fn sarif_schema() -> Result<PathBuf, String> {
    static INSTALLED: Mutex<Option<Result<PathBuf, String>>> = Mutex::new(None);
    let folder = once(&INSTALLED, || {
        installed("sarif-schema-1", |folder| {
            fs::write(folder.join("package.json"), PACKAGE).map_err(|error| error.to_string())?;
            npm_install(folder)
        })
    })?;
    Ok(folder.join("node_modules"))
}
