//! Servers without pinfold: what a lock names, installed by npm or uv, and the lock's interpreter.

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use super::Home;
use super::index::uv;
use super::installed::{installed, npm_install, run, short_digest};

/// The lock's entry for a server.
pub(crate) fn locked(home: &Home, name: &str) -> Value {
    let lock: Value = serde_json::from_slice(&std::fs::read(home.lock()).unwrap()).unwrap();
    lock["servers"][name].clone()
}

fn interpreter(locked: &Value) -> Command {
    Command::new(locked["interpreter"]["path"].as_str().unwrap())
}

/// The interpreter of the lock with the program of the very version that was locked, as npm
/// installs it with what had been published when it was locked; the server's arguments are still
/// missing.
pub(crate) fn npm(home: &Home, name: &str, package: &str) -> Result<Command, String> {
    let locked = locked(home, name);
    let version = locked["version"].as_str().unwrap();
    let manifest = serde_json::json!({"private": true, "dependencies": {package: version}});
    let manifest = manifest.to_string();
    let artifacts = locked["artifacts"].as_array().unwrap();
    let published = artifacts.iter().filter_map(|it| it["published"].as_str());
    let settings = format!("before={}\n", published.max().unwrap());
    let digest = short_digest(locked["artifacts"].to_string().as_bytes());
    let folder = installed(&format!("bare-npm-{digest}"), |folder| {
        for (name, text) in [("package.json", &manifest), (".npmrc", &settings)] {
            std::fs::write(folder.join(name), text).map_err(|error| error.to_string())?;
        }
        npm_install(folder)
    })?;
    let folder = folder.join("node_modules").join(package);
    let own = std::fs::read(folder.join("package.json")).map_err(|error| error.to_string())?;
    let own: Value = serde_json::from_slice(&own).map_err(|error| error.to_string())?;
    let program = match &own["bin"] {
        Value::String(program) => program,
        Value::Object(programs) => programs.values().next().and_then(Value::as_str).unwrap(),
        other => return Err(format!("{package} has no program: {other}")),
    };
    let mut command = interpreter(&locked);
    home.environment(&mut command);
    command.arg(folder.join(program));
    Ok(command)
}

/// The interpreter of the lock with every package that the lock names, as uv installs it.
pub(crate) fn python(home: &Home, name: &str, package: &str) -> Result<Command, String> {
    let locked = locked(home, name);
    let wanted: Vec<String> = locked["artifacts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| {
            let field = |name: &str| it[name].as_str().unwrap();
            format!("{}=={}", field("name"), field("version"))
        })
        .collect();
    let digest = short_digest(wanted.join(" ").as_bytes());
    let folder: PathBuf = installed(&format!("bare-{package}-{digest}"), |folder| {
        run(Command::new(uv()?.join("uv"))
            .args(["pip", "install", "--quiet", "--no-deps", "--no-config"])
            .arg("--python")
            .arg(interpreter(&locked).get_program())
            .arg("--target")
            .arg(folder)
            .args(&wanted))
    })?;
    let mut command = interpreter(&locked);
    home.environment(&mut command);
    // What its console script does; not every package can be run by `-m`.
    let module = package.replace('-', "_");
    let code = format!("import sys; from {module} import main; sys.argv[0] = '{package}'; main()");
    command.env("PYTHONPATH", folder).args(["-c", &code]);
    Ok(command)
}
