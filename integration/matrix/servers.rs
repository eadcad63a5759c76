//! The servers of the matrix: what pinfold adds, what is started without it, what is asked.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::sdk_servers::{python_server, rust_programs, typescript_server};

pub(super) struct Server {
    pub(super) name: &'static str,
    /// As `pinfold add` takes it.
    pub(super) source: String,
    /// The command without pinfold; none for one of npm, of which the lock says what belongs to it.
    pub(super) bare: Vec<String>,
    pub(super) allowed: &'static [&'static str],
    /// Of its tools, the one that is not allowed.
    pub(super) withheld: &'static str,
    /// A prompt with its arguments, and a resource.
    pub(super) prompt: (&'static str, Value),
    pub(super) resource: &'static str,
    /// Files that it may read besides its own.
    pub(super) read: Vec<String>,
    /// Whether it speaks 2026-07-28, too.
    pub(super) both_eras: bool,
}

fn of_an_sdk(name: &'static str, source: &str, bare: Vec<String>) -> Server {
    Server {
        name,
        source: format!("path:{source}"),
        bare,
        allowed: &["echo"],
        withheld: "withheld",
        prompt: ("greeting", json!({"name": "Ada"})),
        resource: "note://one",
        read: Vec::new(),
        both_eras: true,
    }
}

pub(super) fn everything() -> Result<Server, String> {
    Ok(Server {
        name: "everything",
        source: "npm:@modelcontextprotocol/server-everything@2026.8.31".to_owned(),
        bare: Vec::new(),
        allowed: &[
            "echo",
            "get-annotated-message",
            "get-resource-links",
            "get-resource-reference",
            "get-structured-content",
            "get-sum",
            "get-tiny-image",
            "gzip-file-as-resource",
            "simulate-research-query",
            "toggle-simulated-logging",
            "toggle-subscriber-updates",
            "trigger-long-running-operation",
        ],
        withheld: "get-env",
        prompt: ("args-prompt", json!({"city": "London"})),
        resource: "demo://resource/static/document/features.md",
        read: Vec::new(),
        both_eras: false,
    })
}

pub(super) fn typescript() -> Result<Server, String> {
    let folder = typescript_server()?;
    let program = folder.join("typescript-v2.mjs");
    let bare = vec!["node".to_owned(), program.to_string_lossy().into_owned()];
    Ok(of_an_sdk("typescript-2", &folder.to_string_lossy(), bare))
}

pub(super) fn python_1() -> Result<Server, String> {
    let mut server = python("python-1", "1.30.0")?;
    server.both_eras = false;
    Ok(server)
}

pub(super) fn python_2() -> Result<Server, String> {
    python("python-2", "2.3.0")
}

fn python(name: &'static str, version: &str) -> Result<Server, String> {
    let folder = python_server(version)?;
    let bare = vec![folder.join("server").to_string_lossy().into_owned()];
    let mut server = of_an_sdk(name, &folder.to_string_lossy(), bare);
    // Compiled modules in its packages want libraries of the machine that Python itself does
    // not, so the box does not have them.
    server.read = machine_libraries(&folder)?;
    Ok(server)
}

pub(super) fn rust() -> Result<Server, String> {
    let program = rust_programs()?.join("server");
    let program = program.to_string_lossy().into_owned();
    Ok(of_an_sdk("rmcp", &program.clone(), vec![program]))
}

/// What the shared objects below `folder` are linked with, outside of it.
fn machine_libraries(folder: &Path) -> Result<Vec<String>, String> {
    let output = Command::new("find")
        .arg(folder)
        .args(["-name", "*.so", "-exec", "ldd", "{}", "+"])
        .output()
        .map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout);
    let libraries: BTreeSet<String> = text
        .lines()
        .filter_map(|line| line.split_once(" => /")?.1.split(' ').next())
        .map(|path| format!("/{path}"))
        .filter(|path| !Path::new(path).starts_with(folder))
        .collect();
    Ok(libraries.into_iter().collect())
}
