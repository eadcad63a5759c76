//! What was agreed on is in the lock: a manifest or lock that was edited since is not run.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::{Client, Home, Package, Registry, fixture, refused, say};

/// A server with something in every place that is pinned, locked.
fn locked() -> (Home, Registry) {
    let home = Home::new();
    let registry = Registry::new([Package::server("victim", "1.0.0")]);
    let (docs, other) = (home.user().join("docs"), home.user().join("other"));
    fs::create_dir(&docs).unwrap();
    fs::create_dir(&other).unwrap();
    fs::create_dir_all(home.manifest().parent().unwrap()).unwrap();
    let manifest = format!(
        r#"[servers.server]
source = "npm:victim"
args = ["one"]
profile = "offline"
env = {{ LEVEL = "info" }}
exec = []

[servers.server.files]
read = ["{}"]
write = []

[servers.server.tools]
allow = ["say"]

[servers.server.limits]
processes = 64
"#,
        docs.display()
    );
    fs::write(home.manifest(), manifest).unwrap();
    let ran = registry.run(&home, ["lock"]);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    (home, registry)
}

#[test]
fn the_manifest_was_edited() {
    let (home, registry) = locked();
    let agreed = fs::read_to_string(home.manifest()).unwrap();
    let settings = "the policy of `server` (its settings in the manifest";
    for (from, to, says, code) in [
        (
            "npm:victim",
            "npm:victim@1",
            "the source of `server` was changed",
            "source",
        ),
        (r#"["one"]"#, r#"["two"]"#, settings, "policy"),
        (r#"["one"]"#, "[]", settings, "policy"),
        (r#""offline""#, r#""web""#, settings, "policy"),
        (r#""info""#, r#""debug""#, settings, "policy"),
        (r#""info""#, r#"{ from = "LEVEL" }"#, settings, "policy"),
        ("LEVEL", "PATHS", settings, "policy"),
        ("exec = []", r#"exec = ["git"]"#, settings, "policy"),
        ("/docs", "/other", settings, "policy"),
        (
            "write = []",
            &format!("write = [\"{}\"]", home.user().join("other").display()),
            settings,
            "policy",
        ),
        (r#"["say"]"#, r#"["say", "more"]"#, settings, "policy"),
        (r#"["say"]"#, "[]", settings, "policy"),
        ("processes = 64", "processes = 65", settings, "policy"),
    ] {
        let edited = agreed.replacen(from, to, 1);
        assert_ne!(edited, agreed, "{from}");
        fs::write(home.manifest(), edited).unwrap();
        refused(&home, "server", &[says, "pinfold lock server"]);
        let verify = home.run(["verify"]);
        assert_eq!(verify.code, Some(1), "{to}: {verify:#?}");
        assert!(
            verify.stdout.contains(&format!("server: {code}: ")),
            "{to}: {verify:#?}"
        );
    }
    // Control: back to what was agreed on, and with another comment.
    fs::write(home.manifest(), format!("# mine\n{agreed}")).unwrap();
    assert_eq!(say(&mut home.client("server")), "victim@1.0.0");
    // And an edit that is locked.
    fs::write(home.manifest(), agreed.replacen("info", "debug", 1)).unwrap();
    assert_eq!(registry.run(&home, ["lock"]).code, Some(0));
    assert_eq!(say(&mut home.client("server")), "victim@1.0.0");
}

/// The tree is what was locked, so it runs; but the bill of materials would name what isn't there.
#[test]
fn an_artifact_was_added_to_the_lock() {
    let (home, _registry) = locked();
    let agreed = fs::read_to_string(home.lock()).unwrap();
    let place = "\"path\": \"node_modules/victim\"";
    let line = agreed.lines().find(|line| line.contains(place)).unwrap();
    let line = line.trim_end_matches(',');
    let other = line.replace(place, "\"path\": \"node_modules/victim2\"");
    // Control: as it is.
    assert_eq!(home.run(["verify"]).code, Some(0));
    fs::write(
        home.lock(),
        agreed.replace(line, &format!("{line},\n{other}")),
    )
    .unwrap();
    let verify = home.run(["verify"]);
    assert_eq!(verify.code, Some(1), "{verify:#?}");
    for says in [
        "the lock has it at `node_modules/victim2`",
        "pinfold update server",
    ] {
        assert!(verify.stdout.contains(says), "{verify:#?}");
    }
}

/// The command that a damaged lock's message names does help.
#[test]
fn the_lock_was_cut_off() {
    let (home, registry) = locked();
    let agreed = fs::read_to_string(home.lock()).unwrap();
    fs::write(home.lock(), &agreed[..agreed.len() / 2]).unwrap();
    let lock = home.lock();
    let aside = format!("mv '{0}' '{0}.damaged'", lock.display());
    for command in ["verify", "lock"] {
        let ran = registry.run(&home, [command]);
        assert_eq!(ran.code, Some(2), "{ran:#?}");
        assert!(ran.stderr.contains(&aside), "{ran:#?}");
    }
    let moved = Command::new("sh").args(["-c", &aside]).status().unwrap();
    assert!(moved.success());
    assert_eq!(registry.run(&home, ["lock"]).code, Some(0));
    assert_eq!(say(&mut home.client("server")), "victim@1.0.0");
}

#[test]
fn the_lock_was_edited() {
    let (home, _registry) = locked();
    let agreed = fs::read_to_string(home.lock()).unwrap();
    let digests = |key: &str| {
        let start = agreed.find(&format!("\"{key}\": \"sha256:")).unwrap() + key.len() + 12;
        agreed[start..start + 64].to_owned()
    };
    let zeros = "0".repeat(64);
    for (key, says, code) in [
        ("tree", "is not in the store", "tree"),
        ("policy", "the policy of `server`", "policy"),
        // The first digest with this name is the interpreter's.
        ("sha256", "is not the one that was locked", "interpreter"),
    ] {
        fs::write(home.lock(), agreed.replace(&digests(key), &zeros)).unwrap();
        refused(&home, "server", &[says]);
        let verify = home.run(["verify"]);
        assert_eq!(verify.code, Some(1), "{key}: {verify:#?}");
        assert!(
            verify.stdout.contains(&format!("server: {code}: ")),
            "{key}: {verify:#?}"
        );
    }
    for (from, to, says) in [
        (
            "\"lockfile_version\": 1",
            "\"lockfile_version\": 2",
            "version",
        ),
        ("\"servers\"", "\"more\": 1, \"servers\"", "more"),
        ("}\n", "", "pinfold.lock"),
        ("\"platform\": \"linux-", "\"platform\": \"plan9-", "plan9"),
        (
            "\"source\": \"npm:victim\"",
            "\"source\": \"npm:other\"",
            "source",
        ),
    ] {
        assert!(agreed.contains(from), "{from}");
        fs::write(home.lock(), agreed.replacen(from, to, 1)).unwrap();
        refused(&home, "server", &[says]);
        let verify = home.run(["verify"]);
        assert!(matches!(verify.code, Some(1 | 2)), "{to}: {verify:#?}");
    }
    fs::remove_file(home.lock()).unwrap();
    refused(&home, "server", &["pinfold lock"]);
    fs::write(home.lock(), agreed).unwrap();
    assert_eq!(say(&mut home.client("server")), "victim@1.0.0");
}

/// Puts a program in its place as an update does: another file, renamed. A process of its own
/// writes it, for a thread that forks meanwhile would keep it open and so not executable.
fn install(program: &Path, bytes: &[u8]) {
    let content = program.with_extension("content");
    fs::write(&content, bytes).unwrap();
    let script = r#"cp "$0" "$1.new" && chmod 755 "$1.new" && mv "$1.new" "$1""#;
    let installed = Command::new("sh")
        .args(["-c", script])
        .arg(&content)
        .arg(program)
        .status();
    assert!(installed.unwrap().success());
}

#[test]
fn the_interpreter_was_changed() {
    let home = Home::new();
    let shell = home.user().join("shell");
    let agreed = fs::read("/bin/sh").unwrap();
    install(&shell, &agreed);
    let body = fs::read_to_string(fixture("server.sh")).unwrap();
    let script = home.user().join("server");
    fs::write(
        &script,
        body.replacen("#!/bin/sh", &format!("#!{}", shell.display()), 1),
    )
    .unwrap();
    home.add_path("server", &script, &[]);
    assert_eq!(say(&mut home.client("server")), "from the shell");

    // What is behind the last section of an ELF file changes nothing about how it runs.
    install(&shell, &[&agreed[..], b"x"].concat());
    let mut bare = Command::new(&shell);
    assert_eq!(say(&mut Client::start(bare.arg(&script))), "from the shell");
    refused(
        &home,
        "server",
        &["the interpreter of `server`", shell.to_str().unwrap()],
    );
    let verify = home.run(["verify"]);
    assert_eq!(verify.code, Some(1), "{verify:#?}");
    assert!(
        verify.stdout.contains("server: interpreter: "),
        "{verify:#?}"
    );

    install(&shell, &agreed);
    assert_eq!(say(&mut home.client("server")), "from the shell");
    fs::remove_file(&shell).unwrap();
    refused(&home, "server", &["the interpreter of `server`"]);
}
