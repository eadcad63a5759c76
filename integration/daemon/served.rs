//! Which daemon there is: one, in a folder of its own, with a manifest that may change.

use std::fs;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::{Daemon, pinfold, socket_path, unruly, wait_until};
use crate::support::{Home, Ran};

#[test]
fn a_second_one_is_refused() {
    let home = unruly();
    let daemon = Daemon::start(&home);
    let ran = Ran::of(&mut pinfold(&home, ["daemon"]));
    assert_eq!(ran.code, Some(4), "{ran:#?}");
    assert!(ran.stderr.contains("another daemon is running"), "{ran:#?}");
    // The first one is unharmed.
    daemon.client("unruly").initialize();
    drop(daemon);
    // Killed, it has left its socket and its lock file.
    assert!(socket_path(&home).exists());
    Daemon::start(&home).client("unruly").initialize();
}

#[test]
fn a_folder_that_others_can_reach_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = unruly();
    let folder = socket_path(&home).parent().unwrap().to_owned();
    pinfold(&home, ["ps"]);
    fs::create_dir(&folder).unwrap();
    for (mode, code) in [(0o755, Some(4)), (0o770, Some(4))] {
        fs::set_permissions(&folder, fs::Permissions::from_mode(mode)).unwrap();
        let ran = Ran::of(&mut pinfold(&home, ["daemon"]));
        assert_eq!(ran.code, code, "{ran:#?}");
        assert!(ran.stderr.contains("mode 0700"), "{ran:#?}");
    }
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).unwrap();
    Daemon::start(&home).client("unruly").initialize();
}

#[test]
fn an_invalid_manifest_refuses_sessions_and_keeps_the_daemon() {
    let home = unruly();
    let daemon = Daemon::start(&home);
    let mut before = daemon.client("unruly");
    before.initialize();
    let manifest = fs::read_to_string(home.manifest()).unwrap();
    fs::write(home.manifest(), format!("{manifest}\nevil = 1\n")).unwrap();
    daemon.signal(Signal::SIGHUP);
    wait_until("the daemon says so", || {
        daemon.log().contains("sessions will be refused")
    });
    let mut refused = daemon.client("unruly");
    let answer = refused.request("initialize", json!({}));
    let message = answer["error"]["message"].as_str().unwrap();
    assert!(message.contains("evil"), "{message}");
    assert_eq!(refused.close().0.code(), Some(125));
    // One that ran goes on with what it began with.
    assert!(before.call("answer_of_size", json!({"size": 1}))["result"].is_object());
    assert_eq!(daemon.sessions()[0]["outdated"], true);
    fs::write(home.manifest(), manifest).unwrap();
    daemon.signal(Signal::SIGHUP);
    daemon.client("unruly").initialize();
}

#[test]
fn doctor_says_whether_one_answers() {
    let home = Home::new();
    let found = |name: &str| {
        let output = pinfold(&home, ["doctor", "--json"]).output().unwrap();
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        let checks = report["checks"].as_array().unwrap().clone();
        let one = checks.into_iter().find(|check| check["name"] == name);
        let one = one.unwrap_or_else(|| panic!("{name}: {report}"));
        let text = one["found"].as_str().unwrap().to_owned();
        (one["ok"].clone(), text, output.status.code())
    };
    let (ok, text, code) = found("daemon");
    assert_eq!(ok, false);
    assert!(
        text.contains("no daemon listens") && text.contains("enable --now pinfold.socket"),
        "{text}"
    );
    let daemon = Daemon::start(&home);
    let (ok, text, with) = found("daemon");
    assert_eq!(ok, true);
    assert!(text.contains(env!("CARGO_PKG_VERSION")), "{text}");
    assert!(text.contains("sessions: 0"), "{text}");
    // No server needs one.
    assert_eq!(with, code);
    drop(daemon);
    let (_, text, _) = found("inotify");
    assert!(text.contains("instances for each user"), "{text}");
}
