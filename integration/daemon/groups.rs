//! Sessions in control groups, where the daemon was started in one that was delegated to it.

use std::fs;
use std::process::Command;

use serde_json::Value;

use super::{Daemon, pinfold, tree, unruly, wait_until, wait_until_idle, wait_until_it_answers};
use crate::cgroup::{Ground, group_of};
use crate::support::{Home, Ran};

/// A daemon that is in `ground` from its first moment.
fn start<'h>(home: &'h Home, ground: &Ground) -> Daemon<'h> {
    let daemon = pinfold(home, ["daemon"]);
    let script = "echo $$ > \"$1/cgroup.procs\" && shift && exec \"$@\"";
    let mut shell = Command::new("sh");
    shell.args(["-c", script, "sh"]).arg(ground.path());
    let mut command = home.behind(&shell, &daemon);
    command.env("XDG_RUNTIME_DIR", home.path().join("run"));
    command.env("PINFOLD_LOG", "info");
    let daemon = Daemon::start_anyhow(home, command);
    wait_until_it_answers(home);
    daemon
}

fn group_of_row(row: &Value, key: &str) -> String {
    group_of(i32::try_from(row[key].as_i64().unwrap()).unwrap())
}

#[test]
fn a_session_has_a_group_of_its_own_and_ends_with_it() {
    let test = "daemon::groups::a_session_has_a_group_of_its_own_and_ends_with_it";
    let Some(ground) = Ground::new(test) else {
        return;
    };
    ground.mark("1");
    let home = unruly();
    let text = fs::read_to_string(home.manifest()).unwrap();
    let warm = text.replace("[servers.unruly]\n", "[servers.unruly]\nwarm = 1\n");
    fs::write(home.manifest(), warm).unwrap();
    let daemon = start(&home, &ground);
    assert!(group_of(daemon.pid().as_raw()).ends_with("/supervisor"));
    wait_until("the log says so", || {
        daemon.log().contains("control groups in")
    });
    let mut client = daemon.client("unruly");
    client.initialize();
    // The one with a client, and the one that is kept warm.
    let mut sessions = Vec::new();
    wait_until("both are there", || {
        sessions = daemon.sessions();
        sessions.len() == 2 && sessions.iter().all(|row| row["server_pid"].is_i64())
    });
    let mut folders = Vec::new();
    for row in &sessions {
        let relay = group_of_row(row, "session_pid");
        let server = group_of_row(row, "server_pid");
        let folder = relay.strip_suffix("/relay").unwrap();
        assert_eq!(server.strip_suffix("/server"), Some(folder), "{row}");
        assert!(row["limits_held"].is_array(), "{row}");
        assert!(row["memory"].as_u64() > Some(0), "{row}");
        assert!(row["processor_ms"].is_u64(), "{row}");
        folders.push(ground.path().join(folder.rsplit('/').next().unwrap()));
    }
    assert_ne!(folders[0], folders[1]);
    assert!(folders.iter().all(|folder| folder.is_dir()));
    let shown = Ran::of(&mut pinfold(&home, ["ps"]));
    assert!(shown.stderr.contains("control group"), "{shown:#?}");
    // With the session its group goes.
    drop(client);
    Ran::of(&mut pinfold(&home, ["stop", "unruly"]));
    wait_until_idle(&daemon);
    wait_until("the groups are gone", || {
        folders.iter().all(|folder| !folder.exists())
    });
    let processes = tree(daemon.pid());
    assert_eq!(processes.len(), 1, "{processes:?}");
}

/// The control: nothing is touched where nothing was delegated.
#[test]
fn without_delegation_there_are_no_groups() {
    let test = "daemon::groups::without_delegation_there_are_no_groups";
    let Some(ground) = Ground::new(test) else {
        return;
    };
    let home = unruly();
    let daemon = start(&home, &ground);
    daemon.client("unruly").initialize();
    let mut client = daemon.client("unruly");
    client.initialize();
    let session = daemon.answering().pop().unwrap();
    let own = group_of(daemon.pid().as_raw());
    assert_eq!(group_of_row(&session, "session_pid"), own);
    assert_eq!(group_of_row(&session, "server_pid"), own);
    assert_eq!(session["limits_held"], serde_json::json!([]));
    assert!(session["memory"].as_u64() > Some(0));
    let shown = Ran::of(&mut pinfold(&home, ["ps"]));
    assert!(
        shown.stderr.contains("watched over by pinfold"),
        "{shown:#?}"
    );
}
