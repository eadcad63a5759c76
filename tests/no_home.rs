//! Without HOME the user database is asked; without either, the folders must be named.

use std::os::unix::process::CommandExt as _;

use crate::place::{NO_OPEN_FOLDER, Place, Ran, skip};

#[test]
fn named_folders_are_enough() {
    let place = Place::new();
    let mut command = place.pinfold(["verify"]);
    command.env_remove("HOME");
    for name in ["CONFIG", "DATA", "STATE"] {
        command.env(format!("XDG_{name}_HOME"), place.path().join(name));
    }
    let ran = Ran::of(&mut command);
    assert_eq!(ran.code, Some(2), "{ran:#?}");
    let manifest = place.path().join("CONFIG/pinfold/pinfold.toml");
    assert!(ran.stderr.contains(manifest.to_str().unwrap()), "{ran:#?}");
}

#[test]
fn nobody_at_all_is_told_what_to_set() {
    // A number that no user database has; only root can become it.
    const NOBODY: u32 = 3_999_999_999;
    let test = "no_home::nobody_at_all_is_told_what_to_set";
    if !nix::unistd::geteuid().is_root() {
        return skip(test, "only root can become another user");
    }
    let Some(place) = Place::open_to_all() else {
        return skip(test, NO_OPEN_FOLDER);
    };
    let program = place.path().join("pinfold");
    // Copied by a process of its own: a thread that forks meanwhile would keep the file open for
    // writing, and it could not be executed.
    let mut copy = std::process::Command::new("cp");
    copy.arg(env!("CARGO_BIN_EXE_pinfold")).arg(&program);
    assert!(copy.status().unwrap().success());
    let mut command = std::process::Command::new(program);
    command
        .arg("verify")
        .env_clear()
        .current_dir("/")
        .uid(NOBODY)
        .gid(NOBODY);
    let ran = Ran::of(&mut command);
    assert_eq!(ran.code, Some(4), "{ran:#?}");
    assert!(
        ran.stderr.contains("set HOME, or all of XDG_CONFIG_HOME"),
        "{ran:#?}"
    );
}

/// A home in which no folder can be made, whoever asks.
#[test]
fn who_only_looks_needs_no_store() {
    let place = Place::new();
    let home = place.path().join("home");
    std::fs::write(&home, "").unwrap();
    let config = place.path().join("mcp.json");
    std::fs::write(
        &config,
        r#"{"mcpServers": {"notes": {"command": "npx", "args": ["@example/notes"]}}}"#,
    )
    .unwrap();
    let says = |text: &str| {
        let parts = [home.to_str().unwrap(), "Not a directory", "XDG_DATA_HOME"];
        assert!(parts.iter().all(|part| text.contains(part)), "{text}");
    };

    let doctor = place.run(["doctor"]);
    assert_eq!(doctor.code, Some(3), "{doctor:#?}");
    let line = |name: &str| {
        let mut lines = doctor.stdout.lines();
        let found = lines.find(|line| line.split_whitespace().nth(1) == Some(name));
        found.unwrap_or_else(|| panic!("{name}: {doctor:#?}"))
    };
    says(line("store"));
    assert!(line("store").starts_with("missing"), "{doctor:#?}");
    // The rest is looked at all the same.
    for name in ["landlock", "box", "egress", "daemon"] {
        line(name);
    }
    let uv = line("uv");
    assert!(
        uv.starts_with("ok") || uv.contains("`pipx install uv`"),
        "{uv}"
    );

    let listed = place.run(["secret", "list"]);
    assert_eq!(listed.code, Some(0), "{listed:#?}");
    assert!(listed.stderr.contains("No secret"), "{listed:#?}");
    let file = config.to_str().unwrap();
    let plan = place.run(["import", "--dry-run", file]);
    assert_eq!(plan.code, Some(0), "{plan:#?}");
    assert!(
        plan.stdout.contains("becomes `pinfold run notes`"),
        "{plan:#?}"
    );
    says(&plan.stderr);
    // The control: who has something to keep is told the same, and keeps nothing.
    for words in [
        &["import", "--yes", "--allow-all", file][..],
        &["secret", "set", "token"],
    ] {
        let ran = place.run(words.iter().copied());
        assert_eq!(ran.code, Some(4), "{ran:#?}");
        says(&ran.stderr);
    }
}
