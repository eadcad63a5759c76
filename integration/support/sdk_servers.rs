//! Servers of the official SDKs, each a folder or a file that `pinfold add NAME path:…` takes,
//! with what it needs beside it. Made once per machine.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use super::installed::{installed, npm_install, once, run, short_digest};
use super::sdk::python_packages;

fn integration() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("integration")
}

fn source(name: &str) -> Vec<u8> {
    fs::read(integration().join("servers").join(name)).unwrap()
}

fn said(error: impl ToString) -> String {
    error.to_string()
}

/// The folder of the server of the second generation of the TypeScript SDK; its program is
/// `typescript-v2.mjs`.
pub(crate) fn typescript_server() -> Result<PathBuf, String> {
    typescript_folder("typescript-v2")
}

/// The folder of the one that the conformance suite wants; its program is
/// `conformance-modern.mjs`.
pub(crate) fn conformance_server() -> Result<PathBuf, String> {
    typescript_folder("conformance-modern")
}

fn typescript_folder(name: &str) -> Result<PathBuf, String> {
    let program = format!("{name}.mjs");
    let package = String::from_utf8(source("package.json")).unwrap();
    let package = package.replace("typescript-v2", name);
    let script = source(&program);
    let digest = short_digest(&[package.as_bytes(), &script].concat());
    installed(&format!("server-{name}-{digest}"), |folder| {
        fs::write(folder.join("package.json"), &package).map_err(said)?;
        fs::write(folder.join(&program), &script).map_err(said)?;
        npm_install(folder)
    })
}

/// The folder of the server of the Python SDK, `mcp` of this version; its program is `server`.
pub(crate) fn python_server(version: &str) -> Result<PathBuf, String> {
    let (program, packages) = python_packages(version)?;
    // The very interpreter that these packages were chosen for, which need not be the first on
    // PATH.
    let text = String::from_utf8(source("python.py")).unwrap();
    let (_, rest) = text.split_once('\n').unwrap();
    let script = format!("#!{program}\n{rest}");
    let digest = short_digest(script.as_bytes());
    installed(&format!("server-python-{version}-{digest}"), |folder| {
        let target = folder.join("packages");
        run(Command::new("cp").arg("-r").arg(&packages).arg(&target))?;
        // The store gives files other times, and compiled code is out of date by them; nobody
        // may write there, so Python would compile everything at each start.
        run(Command::new(&program)
            .args(["-m", "compileall", "-q", "-f"])
            .args(["--invalidation-mode", "unchecked-hash"])
            .arg(&target))?;
        let path = folder.join("server");
        fs::write(&path, &script).map_err(said)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).map_err(said)
    })
}

/// The folder with `client` and `server` of the Rust SDK.
pub(crate) fn rust_programs() -> Result<PathBuf, String> {
    static BUILT: Mutex<Option<Result<PathBuf, String>>> = Mutex::new(None);
    once(&BUILT, || {
        let project = integration().join("rust");
        let mut all = Vec::new();
        for name in [
            "Cargo.toml",
            "Cargo.lock",
            "src/bin/client.rs",
            "src/bin/server.rs",
        ] {
            all.extend(fs::read(project.join(name)).map_err(said)?);
        }
        installed(&format!("rmcp-{}", short_digest(&all)), |folder| {
            let target = folder.join("target");
            run(Command::new("cargo")
                .args(["build", "--locked", "--quiet", "--manifest-path"])
                .arg(project.join("Cargo.toml"))
                .arg("--target-dir")
                .arg(&target))?;
            for name in ["client", "server"] {
                fs::copy(target.join("debug").join(name), folder.join(name)).map_err(said)?;
            }
            fs::remove_dir_all(&target).map_err(said)
        })
    })
}
