//! Programs, archives and bundles from an address or a file: had, pinned, run; and what is refused.

pub(crate) mod bundles;
mod hostile;
mod looked_at;
mod online;
pub(crate) mod real_bundle;

use std::process::Command;

use serde_json::{Value, json};

use crate::support::{Home, HttpsFolder, Ran, skip, static_program, zipped};

/// A script that answers with what JavaScript gives.
const SERVER: &[u8] = include_bytes!("../fixtures/server.js");

fn answering(expression: &str) -> Vec<u8> {
    format!("module.exports = () => {expression};\n").into_bytes()
}

/// Adds a server with all its tools; it must work.
fn add(https: &HttpsFolder, home: &Home, name: &str, source: &str, more: &[&str]) -> Ran {
    let ran = https.run(
        home,
        &[&["add", name, source, "--allow-all"], more].concat(),
    );
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    ran
}

/// The lock's entry for a server.
fn locked(home: &Home, name: &str) -> Value {
    let lock: Value = serde_json::from_slice(&std::fs::read(home.lock()).unwrap()).unwrap();
    lock["servers"][name].clone()
}

fn say(home: &Home, name: &str) -> String {
    let mut client = home.client(name);
    client.initialize();
    client.call_text("say", json!({}))
}

#[test]
fn a_static_program_from_an_address() {
    let test = "archives::a_static_program_from_an_address";
    let home = Home::new();
    let Some(https) = HttpsFolder::new(test, &home) else {
        return;
    };
    let program = match static_program() {
        Ok(program) => std::fs::read(program).unwrap(),
        Err(reason) => return skip(test, &reason),
    };
    let source = https.publish("native-server", &program);
    add(&https, &home, "native", &source, &[]);
    let mut client = home.client("native");
    assert_eq!(client.initialize()["serverInfo"]["name"], "native");
    assert_eq!(client.call_text("work", json!({})), "ok: 42");
    drop(client);

    let entry = locked(&home, "native");
    assert_eq!(entry["entry_point"], "program/native-server");
    assert_eq!(entry["version"], Value::Null);
    assert_eq!(entry["interpreter"], Value::Null);
    let artifact = &entry["artifacts"][0];
    assert_eq!(artifact["name"], "native-server");
    assert_eq!(artifact["version"], "absent");
    assert!(
        artifact["integrity"]
            .as_str()
            .unwrap()
            .starts_with("sha256-")
    );
    assert!(source.starts_with(artifact["url"].as_str().unwrap()));

    home.succeed(["verify"]);
    home.remove_store();
    let refused = home.run(["run", "native"]);
    assert_eq!(refused.code, Some(125), "{refused:#?}");
    let fetched = https.run(&home, &["fetch"]);
    assert_eq!(fetched.code, Some(0), "{fetched:#?}");
    let mut client = home.client("native");
    client.initialize();
    assert_eq!(client.call_text("work", json!({})), "ok: 42");
    // A script is a program as well.
    let script = String::from_utf8(SERVER.to_vec()).unwrap();
    let script = script.replace("require(\"./answer.js\")()", "'a script'");
    let source = https.publish("get", script.as_bytes());
    add(&https, &home, "script", &source, &[]);
    assert_eq!(say(&home, "script"), "a script");
}

#[test]
fn other_bytes_are_never_installed() {
    let test = "archives::other_bytes_are_never_installed";
    let home = Home::new();
    let Some(https) = HttpsFolder::new(test, &home) else {
        return;
    };
    let script = String::from_utf8(SERVER.to_vec()).unwrap();
    let script = script.replace("require(\"./answer.js\")()", "'right'");
    let right = script.as_bytes();
    let source = https.publish("server", right);
    https.publish("server", script.replace("right", "wrong").as_bytes());
    let nothing = |home: &Home| {
        for folder in ["trees", "artifacts", "staging"] {
            let left = std::fs::read_dir(home.store().join(folder))
                .unwrap()
                .count();
            assert_eq!(left, 0, "{folder}");
        }
        assert!(!home.lock().exists());
    };
    for (source, says) in [
        (source.clone(), "not the ones that are pinned"),
        (
            https.source("to-https/server", right),
            "not the ones that are pinned",
        ),
        (https.source("to-http/server", right), "plain http"),
        (https.source("gone", right), "404"),
    ] {
        let ran = https.run(&home, &["add", "server", &source, "--allow-all"]);
        assert!(matches!(ran.code, Some(1 | 4)), "{ran:#?}");
        assert!(ran.stderr.contains(says), "{says}: {ran:#?}");
        nothing(&home);
    }
    // Without the authority nobody is believed.
    let ran = home.run(["add", "server", &source, "--allow-all"]);
    assert_eq!(ran.code, Some(4), "{ran:#?}");
    nothing(&home);
    let plain = source.replace("https:", "http:");
    let ran = https.run(&home, &["add", "server", &plain, "--allow-all"]);
    assert_eq!(ran.code, Some(2), "{ran:#?}");

    // The control: the same with the bytes that are meant, also by way of a redirect.
    https.publish("server", right);
    let detour = https.source("to-https/server", right);
    add(&https, &home, "server", &detour, &[]);
    assert_eq!(say(&home, "server"), "right");
}

#[test]
fn archives_say_or_are_told_what_is_run() {
    let test = "archives::archives_say_or_are_told_what_is_run";
    let home = Home::new();
    let Some(https) = HttpsFolder::new(test, &home) else {
        return;
    };
    let answer = answering("'from an archive'");
    let files: [(&str, u32, &[u8]); 3] = [
        ("server-1.0/bin/server", 0o100_755, SERVER),
        ("server-1.0/bin/answer.js", 0o100_644, &answer),
        ("server-1.0/README", 0o100_644, b"text"),
    ];
    let zip = zipped(&home, &files);
    let source = https.publish("server.zip", &zip);
    add(&https, &home, "zip", &source, &[]);
    assert_eq!(say(&home, "zip"), "from an archive");
    assert_eq!(
        locked(&home, "zip")["entry_point"],
        "archive/server-1.0/bin/server"
    );

    // The same as a tarball, with a second program in it.
    let folder = home.path().join("tar/server-1.0/bin");
    std::fs::create_dir_all(&folder).unwrap();
    for (name, content) in [
        ("server", SERVER),
        ("answer.js", &answer),
        ("other", b"#!/bin/sh\n"),
    ] {
        std::fs::write(folder.join(name), content).unwrap();
    }
    let tar = Command::new("sh")
        .args(["-c", "chmod 755 server-1.0/bin/server server-1.0/bin/other; tar czf ../server.tar.gz server-1.0"])
        .current_dir(home.path().join("tar"))
        .status();
    assert!(tar.unwrap().success());
    let tar = std::fs::read(home.path().join("server.tar.gz")).unwrap();
    let source = https.publish("server.tar.gz", &tar);
    let ran = https.run(&home, &["add", "tar", &source, "--allow-all"]);
    assert!(
        ran.stderr.contains("2 files in it are executable"),
        "{ran:#?}"
    );
    assert!(
        ran.stderr
            .contains("server-1.0/bin/other, server-1.0/bin/server"),
        "{ran:#?}"
    );
    let program = "server-1.0/bin/server";
    add(&https, &home, "tar", &source, &["--program", program]);
    assert_eq!(say(&home, "tar"), "from an archive");

    // Another program in the manifest is another agreement.
    let text = std::fs::read_to_string(home.manifest()).unwrap();
    let other = text.replace(
        "program = \"server-1.0/bin/server\"",
        "program = \"server-1.0/bin/answer.js\"",
    );
    assert_ne!(text, other);
    std::fs::write(home.manifest(), other).unwrap();
    let ran = home.run(["run", "tar"]);
    assert_eq!(ran.code, Some(125), "{ran:#?}");
    assert!(ran.stderr.contains("policy"), "{ran:#?}");
    std::fs::write(home.manifest(), text).unwrap();
    assert_eq!(say(&home, "tar"), "from an archive");

    // `path:` folders take it, too.
    let source = format!("path:{}", home.path().join("tar").display());
    let named = [
        "add",
        "folder",
        &source,
        "--allow-all",
        "--program",
        "server-1.0/bin/server",
    ];
    home.succeed(named);
    assert_eq!(say(&home, "folder"), "from an archive");
}
