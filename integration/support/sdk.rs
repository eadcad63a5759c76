//! The official clients, and one run of a client against a server.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use serde_json::{Value, json};

use super::Home;
use super::installed::{installed, npm_install, once, run, short_digest};
use super::sdk_servers::rust_programs;

const PYTHONS: &[&str] = &[
    "python3",
    "/usr/bin/python3",
    "python3.13",
    "python3.12",
    "python3.11",
    "python3.10",
];

/// One official client. `mode` is how it learns which revision the server speaks.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Sdk {
    TypeScript1,
    TypeScript2 { mode: &'static str },
    Python1,
    Python2 { mode: &'static str },
    Rust { mode: &'static str },
}

impl Sdk {
    pub(crate) const ALL: [Self; 6] = [
        Self::TypeScript1,
        Self::TypeScript2 { mode: "legacy" },
        Self::TypeScript2 { mode: "auto" },
        Self::Python1,
        Self::Python2 { mode: "legacy" },
        Self::Python2 { mode: "auto" },
    ];

    /// The client's program, ready to be given a plan and a server; or why there is none.
    pub(crate) fn command(self) -> Result<Command, String> {
        match self {
            Self::TypeScript1 => Ok(node(&node_clients()?, "typescript-v1.mjs")),
            Self::TypeScript2 { .. } => Ok(node(&node_clients()?, "typescript-v2.mjs")),
            Self::Python1 => python_client("1.30.0"),
            Self::Python2 { .. } => python_client("2.3.0"),
            Self::Rust { .. } => Ok(Command::new(rust_programs()?.join("client"))),
        }
    }

    fn mode(self) -> &'static str {
        match self {
            Self::TypeScript1 | Self::Python1 => "v1",
            Self::TypeScript2 { mode } | Self::Python2 { mode } | Self::Rust { mode } => mode,
        }
    }
}

/// Lets `sdk` start `server` (a program and its arguments) in `home`, list its tools and make
/// `calls`. `planted` is in the client's environment, which it hands to the server.
pub(crate) fn session(
    home: &Home,
    mut client: Command,
    sdk: Sdk,
    server: &[&str],
    calls: &[(&str, Value)],
    planted: &[(&str, &str)],
) -> Value {
    let plan = json!({"mode": sdk.mode(), "calls": calls});
    client.envs(planted.iter().copied());
    drive(home, client, &plan, server)
}

/// Lets `sdk` carry out a plan with `calls` and `prompts` (a name and arguments each) and
/// `resources` (addresses).
pub(crate) fn driven(home: &Home, sdk: Sdk, server: &[&str], plan: &Value) -> Value {
    let mut plan = plan.clone();
    plan["mode"] = sdk.mode().into();
    drive(home, sdk.command().unwrap(), &plan, server)
}

/// Lets a client carry out `plan` with `server` in `home`; gives its report.
pub(crate) fn drive(home: &Home, mut client: Command, plan: &Value, server: &[&str]) -> Value {
    let own: Vec<(OsString, OsString)> = client
        .get_envs()
        .filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())))
        .collect();
    home.environment(&mut client);
    let output = client
        .envs(own)
        .arg(plan.to_string())
        .args(server)
        .current_dir(home.path())
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{client:?}: {stderr}");
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{client:?}: {error}: {stderr}"))
}

/// A script of `integration/clients`, ready to be run beside its dependencies; or why not.
pub(crate) fn node_script(name: &str) -> Result<Command, String> {
    Ok(node(&node_clients()?, name))
}

/// Where the packages of the TypeScript clients are.
pub(crate) fn node_modules() -> Result<PathBuf, String> {
    Ok(node_clients()?.join("node_modules"))
}

pub(crate) fn script_source(name: &str) -> PathBuf {
    sources().join(name)
}

/// The program of server-everything as npm installs it, without pinfold.
pub(crate) fn bare_everything() -> Result<PathBuf, String> {
    let clients = node_clients()?;
    Ok(clients.join("node_modules/@modelcontextprotocol/server-everything/dist/index.js"))
}

fn node(clients: &Path, script: &str) -> Command {
    let mut command = Command::new("node");
    command.arg(clients.join(script));
    command
}

fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("integration/clients")
}

/// The folder with the TypeScript clients and their dependencies.
pub(crate) fn node_clients() -> Result<PathBuf, String> {
    static INSTALLED: Mutex<Option<Result<PathBuf, String>>> = Mutex::new(None);
    once(&INSTALLED, || {
        let package = fs::read(sources().join("package.json")).unwrap();
        let name = format!("clients-{}", short_digest(&package));
        let folder = installed(&name, |folder| {
            fs::write(folder.join("package.json"), &package).unwrap();
            npm_install(folder)
        })?;
        // The scripts are beside their dependencies, where node looks for those; a folder for
        // each state of the scripts, so that two checkouts can share one installation.
        let mut scripts = Vec::new();
        for entry in fs::read_dir(sources()).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|end| end == "mjs") {
                let name = path.file_name().unwrap().to_owned();
                scripts.push((name, fs::read(path).unwrap()));
            }
        }
        scripts.sort();
        let all: Vec<u8> = scripts.iter().flat_map(|(_, text)| text.clone()).collect();
        let beside = installed(&format!("{name}-{}", short_digest(&all)), |target| {
            std::os::unix::fs::symlink(folder.join("node_modules"), target.join("node_modules"))
                .map_err(|error| error.to_string())?;
            for (name, text) in &scripts {
                fs::write(target.join(name), text).map_err(|error| error.to_string())?;
            }
            Ok(())
        })?;
        Ok(beside)
    })
}

/// Python with `mcp` of this version on its path, about to run the client.
fn python_client(version: &str) -> Result<Command, String> {
    let (program, folder) = python_packages(version)?;
    let mut command = Command::new(&program);
    command
        .arg(sources().join("python.py"))
        .env("PYTHONPATH", folder);
    Ok(command)
}

/// A Python, and the folder with `mcp` of this version and all that it needs.
pub(super) fn python_packages(version: &str) -> Result<(String, PathBuf), String> {
    static LOCK: Mutex<()> = Mutex::new(());
    let _one_at_a_time = LOCK.lock();
    let mut reasons = Vec::new();
    for python in PYTHONS {
        let (program, series) = match python_series(python) {
            Ok(found) => found,
            Err(reason) => {
                reasons.push(format!("{python}: {reason}"));
                continue;
            }
        };
        let folder = installed(&format!("mcp-{version}-python{series}"), |folder| {
            run(Command::new(&program)
                .args(["-m", "pip", "install", "--quiet", "--no-input"])
                .args(["--only-binary", ":all:", "--target"])
                .arg(folder)
                .arg(format!("mcp=={version}")))
        });
        match folder {
            Ok(folder) => return Ok((program, folder)),
            Err(reason) => reasons.push(format!("{python}: {reason}")),
        }
    }
    Err(format!(
        "no Python here can install mcp {version}: {}",
        reasons.join("; ")
    ))
}

/// The program itself, past version managers that look at HOME, and its `3.11`.
fn python_series(python: &str) -> Result<(String, String), String> {
    let script = "import sys; print(sys.executable); print('%d.%d' % sys.version_info[:2]); sys.exit(sys.version_info < (3, 10))";
    let output = Command::new(python)
        .args(["-c", script])
        .output()
        .map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout);
    match (
        output.status.success(),
        text.lines().collect::<Vec<_>>().as_slice(),
    ) {
        (true, [program, series]) => Ok(((*program).to_owned(), (*series).to_owned())),
        _ => Err(format!("it is too old or does not start: {text}")),
    }
}
