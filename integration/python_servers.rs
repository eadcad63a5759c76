//! Python servers of the public index show through pinfold what they show bare, on the same
//! interpreter and the same versions.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::index::{uv, with_uv};
use crate::support::installed::{installed, run, short_digest};
use crate::support::{Client, Home, Ran, skip};

/// The folder with what the lock names, installed by uv; and the interpreter of the lock.
fn bare(home: &Home, name: &str) -> Result<(PathBuf, PathBuf), String> {
    let lock: Value = serde_json::from_str(&std::fs::read_to_string(home.lock()).unwrap()).unwrap();
    let server = &lock["servers"][name];
    let python = PathBuf::from(server["interpreter"]["path"].as_str().unwrap());
    let wanted: Vec<String> = server["artifacts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| {
            format!(
                "{}=={}",
                it["name"].as_str().unwrap(),
                it["version"].as_str().unwrap()
            )
        })
        .collect();
    let digest = short_digest(wanted.join(" ").as_bytes());
    let folder = installed(&format!("bare-{name}-{digest}"), |folder| {
        run(Command::new(uv()?.join("uv"))
            .args([
                "pip",
                "install",
                "--quiet",
                "--no-deps",
                "--no-config",
                "--python",
            ])
            .arg(&python)
            .arg("--target")
            .arg(folder)
            .args(&wanted))
    })?;
    Ok((python, folder))
}

fn tools(client: &mut Client) -> Value {
    client.initialize();
    client.request("tools/list", json!({}))["result"]["tools"].clone()
}

/// Adds `pypi:PACKAGE`, compares its tools with those of the module started bare, and hands a
/// client of each to `more`.
fn same(
    package: &str,
    arguments: &[&str],
    options: &[&str],
    more: impl Fn(&mut Client, &mut Client),
) {
    same_in(&Home::new(), package, arguments, options, more);
}

fn same_in(
    home: &Home,
    package: &str,
    arguments: &[&str],
    options: &[&str],
    more: impl Fn(&mut Client, &mut Client),
) {
    let module = package.replace('-', "_");
    let source = format!("pypi:{package}");
    let mut words = vec!["add", "it", &source, "--allow-all"];
    words.extend(options);
    if !arguments.is_empty() {
        words.push("--");
        words.extend(arguments);
    }
    let mut add = home.pinfold(words);
    if let Err(reason) = with_uv(&mut add) {
        return skip(package, &reason);
    }
    let ran = Ran::of(&mut add);
    if ran.stderr.contains("can't ask the index") {
        return skip(package, "the Python package index can't be reached");
    }
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    home.succeed(["verify"]);
    let (python, folder) = match bare(home, "it") {
        Ok(found) => found,
        Err(reason) => return skip(package, &reason),
    };
    let mut command = Command::new(python);
    home.environment(&mut command);
    // The module of the console script; not every package can be run by `-m`.
    let code = format!("import sys; from {module} import main; sys.argv[0] = '{package}'; main()");
    command
        .env("PYTHONPATH", folder)
        .args(["-c", &code])
        .args(arguments);
    let mut bare = Client::start(&mut command);
    let mut penned = home.client("it");
    let (expected, found) = (tools(&mut bare), tools(&mut penned));
    assert!(
        expected.as_array().is_some_and(|tools| !tools.is_empty()),
        "{expected}"
    );
    assert_eq!(found, expected);
    println!(
        "PYTHON {package}: {} tools",
        expected.as_array().unwrap().len()
    );
    more(&mut bare, &mut penned);
}

#[test]
fn time() {
    same(
        "mcp-server-time",
        &["--local-timezone", "UTC"],
        &[],
        |bare, penned| {
            let arguments = json!({"time": "12:30", "source_timezone": "Europe/Berlin", "target_timezone": "Asia/Tokyo"});
            let expected = bare.call_text("convert_time", arguments.clone());
            assert_eq!(penned.call_text("convert_time", arguments), expected);
        },
    );
}

#[test]
fn fetch() {
    same("mcp-server-fetch", &[], &["--profile", "web"], |_, _| {});
}

#[test]
fn git() {
    let folder = tempfile::tempdir().unwrap();
    let made = Command::new("git")
        .args(["init", "-q"])
        .arg(folder.path())
        .status();
    if !made.is_ok_and(|status| status.success()) {
        return skip("mcp-server-git", "there is no git");
    }
    let path = folder.path().canonicalize().unwrap();
    let path = path.to_str().unwrap();
    same(
        "mcp-server-git",
        &[],
        &["--exec", "git", "--read", path],
        |bare, penned| {
            let arguments = json!({"repo_path": path});
            let expected = bare.call_text("git_status", arguments.clone());
            assert!(expected.contains("No commits yet"), "{expected}");
            assert_eq!(penned.call_text("git_status", arguments), expected);
        },
    );
}

/// It has not been released since 2025 and doesn't start with the `mcp` of today, bare or not. An
/// older day's packages are had by the release age.
#[test]
fn sqlite() {
    let home = Home::new();
    let folder = home.manifest().parent().unwrap().to_owned();
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o700)).unwrap();
    std::fs::write(home.manifest(), "[settings]\nrelease_age = \"9600h\"\n").unwrap();
    let database = tempfile::tempdir().unwrap();
    let path = database.path().canonicalize().unwrap();
    let file = path.join("test.db");
    let arguments = ["--db-path", file.to_str().unwrap()];
    let options = ["--write", path.to_str().unwrap()];
    same_in(
        &home,
        "mcp-server-sqlite",
        &arguments,
        &options,
        |bare, penned| {
            let query = json!({"query": "CREATE TABLE t (x INTEGER)"});
            let answer = penned.call("create_table", query);
            assert_ne!(answer["result"]["isError"], true, "{answer}");
            // The same file: the one has made what the other sees.
            let expected = bare.call_text("list_tables", json!({}));
            assert!(expected.contains("'t'"), "{expected}");
            assert_eq!(penned.call_text("list_tables", json!({})), expected);
        },
    );
}
