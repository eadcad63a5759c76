//! The official clients, installed once per machine below the target folder, and one run of
//! a client against a server.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use nix::fcntl::{Flock, FlockArg};
use serde_json::{Value, json};

use super::Home;

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
        }
    }

    fn mode(self) -> &'static str {
        match self {
            Self::TypeScript1 | Self::Python1 => "v1",
            Self::TypeScript2 { mode } | Self::Python2 { mode } => mode,
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
            run(Command::new("npm")
                .args([
                    "install",
                    "--ignore-scripts",
                    "--no-package-lock",
                    "--no-audit",
                    "--no-fund",
                ])
                .current_dir(folder))
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
            Ok(folder) => {
                let mut command = Command::new(&program);
                command
                    .arg(sources().join("python.py"))
                    .env("PYTHONPATH", folder);
                return Ok(command);
            }
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

fn once(
    cell: &Mutex<Option<Result<PathBuf, String>>>,
    make: impl FnOnce() -> Result<PathBuf, String>,
) -> Result<PathBuf, String> {
    cell.lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
        .get_or_insert_with(make)
        .clone()
}

/// The folder `name`, filled by `fill` if it is not there yet. Two programs at once are fine:
/// one waits for the other. A fill that was killed is done anew.
fn installed(name: &str, fill: impl Fn(&Path) -> Result<(), String>) -> Result<PathBuf, String> {
    let places = places();
    if let Some(ready) = places
        .iter()
        .map(|place| place.join(name))
        .find(|folder| is_ready(folder))
    {
        return Ok(ready);
    }
    let mut reason = "no folder to install to".to_owned();
    for place in places {
        let lock = match lock(&place, name) {
            Ok(lock) => lock,
            Err(failed) => {
                reason = failed;
                continue;
            }
        };
        let folder = place.join(name);
        if is_ready(&folder) {
            return Ok(folder);
        }
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir(&folder).map_err(|error| error.to_string())?;
        match fill(&folder) {
            Ok(()) => {
                fs::write(folder.join(READY), "").map_err(|error| error.to_string())?;
                drop(lock);
                return Ok(folder);
            }
            Err(failed) => {
                reason = failed;
                let _ = fs::remove_dir_all(&folder);
            }
        }
    }
    Err(reason)
}

const READY: &str = ".installed";

fn is_ready(folder: &Path) -> bool {
    folder.join(READY).exists()
}

/// The target folder, and for a user who may not write there a folder of their own.
fn places() -> Vec<PathBuf> {
    let user = nix::unistd::geteuid();
    let own = std::env::temp_dir().join(format!("pinfold-integration-{user}"));
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent();
    let shared = target.map(|target| target.join("integration"));
    shared
        .into_iter()
        .chain((!own.exists() || is_own_folder(&own)).then_some(own))
        .collect()
}

fn is_own_folder(path: &Path) -> bool {
    fs::symlink_metadata(path)
        .is_ok_and(|is| is.is_dir() && is.uid() == nix::unistd::geteuid().as_raw())
}

fn lock(place: &Path, name: &str) -> Result<Flock<File>, String> {
    let made = DirBuilder::new().mode(0o755).create(place);
    // Somebody else could have made the one with the name that anybody can guess.
    if !is_own_folder(place) {
        return Err(format!(
            "{} is no folder of this user: {made:?}",
            place.display()
        ));
    }
    let file =
        File::create(place.join(format!("{name}.lock"))).map_err(|error| error.to_string())?;
    Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, error)| error.to_string())
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    let last: Vec<&str> = stderr.lines().rev().take(3).collect();
    Err(format!("{} {}", output.status, last.join(" | ")))
}

fn short_digest(bytes: &[u8]) -> String {
    use sha2::Digest as _;
    sha2::Sha256::digest(bytes)[..6]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
