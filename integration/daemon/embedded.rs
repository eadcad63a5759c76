//! Sessions that `run` serves itself: `ps` shows them and `stop` ends them, whether a daemon is there
//! or not, and nothing of them stays.

use std::fs;
use std::path::PathBuf;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::{Daemon, pinfold, tree, unruly, wait_until, wait_until_gone};
use crate::support::{Client, Home, Ran};

fn listing(home: &Home) -> Value {
    let ran = Ran::of(&mut pinfold(home, ["ps", "--json"]));
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    serde_json::from_str(&ran.stdout).unwrap()
}

fn sessions(home: &Home) -> Vec<Value> {
    let mut sessions = listing(home)["sessions"].as_array().unwrap().clone();
    sessions.retain(|session| session["mode"] == "embedded");
    sessions
}

fn files(home: &Home) -> usize {
    let folder: PathBuf = home.path().join("state/pinfold/sessions");
    fs::read_dir(folder).map_or(0, Iterator::count)
}

fn start(home: &Home) -> Client {
    let mut client = Client::start(&mut pinfold(home, ["run", "--daemon=never", "unruly"]));
    client.initialize();
    client
}

#[test]
fn they_are_shown_and_stopped_with_and_without_a_daemon() {
    let home = unruly();
    for with_daemon in [false, true] {
        let daemon = with_daemon.then(|| Daemon::start(&home));
        assert_eq!(listing(&home)["daemon"], with_daemon);
        assert!(sessions(&home).is_empty());
        let mut served = daemon.as_ref().map(|daemon| daemon.client("unruly"));
        if let Some(served) = &mut served {
            served.initialize();
        }
        let mut one = start(&home);
        let mut other = start(&home);
        let shown = sessions(&home);
        assert_eq!(shown.len(), 2, "{shown:#?}");
        for session in &shown {
            assert_eq!(session["server"], "unruly");
            assert_eq!(session["client"]["pid"], std::process::id());
            assert!(session["memory"].as_u64().unwrap() > 1 << 20, "{session}");
            let server = session["server_pid"].as_i64().unwrap();
            assert!(fs::exists(format!("/proc/{server}")).unwrap());
        }
        assert_eq!(
            daemon.as_ref().map_or(0, |daemon| daemon.sessions().len()),
            usize::from(with_daemon)
        );
        let table = Ran::of(&mut pinfold(&home, ["ps"])).stdout;
        assert_eq!(
            table.matches("served by `pinfold run` itself").count(),
            2,
            "{table}"
        );
        // One, as the audit log names it; the other goes on.
        let id = |client: &Client| {
            let run = i64::from(client.child.id());
            let mut all = sessions(&home).into_iter();
            let found = all.find(|session| session["session_pid"] == run).unwrap();
            found["session"].as_str().unwrap().to_owned()
        };
        let name = id(&other);
        let records = home
            .succeed(["log", "--json", "--kind", "session_start"])
            .stdout;
        assert!(records.contains(&name), "{records}");
        let ran = Ran::of(&mut pinfold(&home, ["stop", &name]));
        assert_eq!(
            (ran.code, ran.stdout.trim()),
            (Some(0), name.as_str()),
            "{ran:#?}"
        );
        // Not by the end of its input.
        assert_eq!(other.child.wait().unwrap().code(), Some(143));
        assert!(one.call("answer_of_size", json!({"size": 1}))["result"].is_object());
        wait_until("one is left", || sessions(&home).len() == 1);
        // Another server's name means none of them.
        let ran = Ran::of(&mut pinfold(&home, ["stop", "other"]));
        assert_eq!(ran.code, Some(2), "{ran:#?}");
        assert_eq!(sessions(&home).len(), 1);
        // By the server's name: whoever serves them.
        let ran = Ran::of(&mut pinfold(&home, ["stop", "unruly"]));
        assert_eq!(
            ran.stdout.lines().count(),
            1 + usize::from(with_daemon),
            "{ran:#?}"
        );
        one.close();
        if let Some(served) = served {
            served.close();
        }
        wait_until("nothing is left", || files(&home) == 0);
    }
}

#[test]
fn a_killed_one_leaves_nothing_that_is_shown() {
    let home = unruly();
    let client = start(&home);
    let run = client.child.id();
    assert_eq!(sessions(&home).len(), 1);
    let processes = tree(nix::unistd::Pid::from_raw(i32::try_from(run).unwrap()));
    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(i32::try_from(run).unwrap()),
        Signal::SIGKILL,
    )
    .unwrap();
    wait_until_gone(&processes);
    // The control: its file is there, and the next look removes it.
    assert_eq!(files(&home), 1);
    assert!(sessions(&home).is_empty());
    assert_eq!(files(&home), 0);
    drop(client);
}

#[test]
fn quarantine_ends_them() {
    let home = unruly();
    let mut client = start(&home);
    assert_eq!(sessions(&home).len(), 1);
    home.succeed(["quarantine", "unruly"]);
    assert_eq!(client.child.wait().unwrap().code(), Some(125));
    assert_eq!((sessions(&home).len(), files(&home)), (0, 0));
}
