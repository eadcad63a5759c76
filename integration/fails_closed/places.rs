//! A machine without the places that a launch needs.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::{Launch, refusal};
use crate::support::{is_root, with_mounts};

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_state_folder_that_cannot_be_made() {
    let launch = Launch::new();
    let state = launch.home.state("puppet");
    fs::remove_dir_all(&state).unwrap();
    fs::write(&state, "in the way").unwrap();
    launch.refused(&["own folder", "servers/puppet"]);
    fs::remove_file(&state).unwrap();
    launch.works();
    // A link would hand the server a folder of somebody's choosing.
    let elsewhere = launch.home.user().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    fs::remove_dir_all(state.join("home")).unwrap();
    std::os::unix::fs::symlink(&elsewhere, state.join("home")).unwrap();
    launch.refused(&["own folder"]);
    assert!(!elsewhere.join("ran").exists());
    fs::remove_file(state.join("home")).unwrap();
    launch.works();
}

#[test]
fn a_state_folder_that_is_read_only_or_full() {
    const TEST: &str = "a_state_folder_that_is_read_only_or_full";
    let launch = Launch::new();
    let state = launch.home.path().join("state");
    let folder = text(&state);
    let run = &["run", "puppet"];
    let Some(good) = with_mounts(TEST, &format!("mount -t tmpfs -o size=1m none {folder}")) else {
        return;
    };
    // The marker is on the throw-away disk, where this test doesn't see it.
    let mut client = crate::support::Client::start(&mut launch.behind(&good, run));
    assert_eq!(client.initialize()["serverInfo"]["name"], "puppet");
    drop(client);
    for (mount, says) in [
        (format!("mount -t tmpfs -o ro none {folder}"), "Read-only"),
        (
            format!("mount -t tmpfs -o size=4k,nr_inodes=2 none {folder}"),
            "No space left",
        ),
        (
            // Room for the folders and none for the log.
            format!(
                "mount -t tmpfs -o nr_inodes=6 none {folder}; mkdir -p {folder}/pinfold/servers/puppet/home {folder}/pinfold/servers/puppet/tmp"
            ),
            "No space left",
        ),
    ] {
        let starter = with_mounts(TEST, &mount).unwrap();
        launch.refused_with(&mut launch.behind(&starter, run), &[says]);
    }
    launch.works();
}

#[test]
fn no_proc() {
    const TEST: &str = "no_proc";
    let launch = Launch::new();
    let Some(starter) = with_mounts(TEST, "mount -t tmpfs none /proc") else {
        return;
    };
    launch.refused_with(
        &mut launch.behind(&starter, &["run", "puppet"]),
        &["/proc is not mounted", "mount -t proc"],
    );
    let doctor = launch.behind(&starter, &["doctor"]).output().unwrap();
    let report = String::from_utf8_lossy(&doctor.stdout).into_owned();
    assert_eq!(doctor.status.code(), Some(3), "{report}");
    assert!(report.contains("missing  proc"), "{report}");
}

#[test]
fn no_home() {
    let launch = Launch::new();
    let without = |command: &mut Command| {
        for name in ["HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME"] {
            command.env_remove(name);
        }
    };
    // The user database knows a home, too; here it has one that is none.
    let user = if is_root() {
        0
    } else {
        nix::unistd::geteuid().as_raw()
    };
    let database = launch.home.path().join("passwd");
    let lines = format!("root:x:0:0::relative:/bin/sh\nuser:x:{user}:{user}::relative:/bin/sh\n");
    fs::write(&database, lines).unwrap();
    let script = format!("mount --bind {} /etc/passwd", text(&database));
    let Some(starter) = with_mounts("no_home", &script) else {
        return;
    };
    let mut command = launch.behind(&starter, &["run", "puppet"]);
    without(&mut command);
    refusal(&mut command, &["no home directory", "set HOME"]);
    assert!(!launch.ran().exists());
    let mut command = launch.behind(&starter, &["run", "puppet"]);
    launch.works_with(&mut command);
}
