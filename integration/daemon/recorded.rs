//! What the audit log has of sessions of the daemon: who runs them, for whom, and under which name.

use std::collections::BTreeSet;
use std::fs;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::{Daemon, unruly, wait_until_idle};
use crate::support::Home;
use crate::support::processes::wait_until;

/// Every record, with the control that the chain holds.
fn records(home: &Home) -> Vec<Value> {
    home.succeed(["log", "verify"]);
    let told = home.succeed(["log", "--json"]).stdout;
    told.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Those of one session, by their kinds.
fn kinds(records: &[Value], session: &Value) -> Vec<String> {
    let of_it = records
        .iter()
        .filter(|record| record["session"] == *session);
    of_it
        .map(|record| record["kind"].as_str().unwrap().to_owned())
        .collect()
}

#[track_caller]
fn only<'a>(records: &'a [Value], session: &Value, kind: &str) -> &'a Value {
    let mut found = records
        .iter()
        .filter(|record| record["session"] == *session && record["kind"] == kind);
    let one = found
        .next()
        .unwrap_or_else(|| panic!("{kind}: {records:#?}"));
    assert_eq!(found.next(), None);
    one
}

#[test]
fn a_session_names_its_client_and_no_other_session_has_its_name() {
    let home = unruly();
    let mut names = BTreeSet::new();
    for _ in 0..2 {
        let daemon = Daemon::start(&home);
        let mut client = daemon.client("unruly");
        client.initialize();
        client.call("answer_of_size", json!({"size": 1}));
        let id = daemon.sessions()[0]["session"].clone();
        client.close();
        wait_until_idle(&daemon);
        let records = records(&home);
        let start = only(&records, &id, "session_start");
        assert_eq!(start["mode"], "daemon");
        // This test started `run`, and so is what it is run for.
        assert_eq!(start["client"]["pid"], std::process::id());
        assert_eq!(
            kinds(&records, &id),
            ["session_start", "call", "call_end", "session_end"]
        );
        names.insert(id.as_str().unwrap().to_owned());
    }
    // A daemon that is started anew does not begin again.
    assert_eq!(names.len(), 2, "{names:?}");
    // The control: the same without a daemon.
    let mut client = home.client("unruly");
    client.initialize();
    client.close();
    let records = records(&home);
    let last = records
        .iter()
        .rfind(|record| record["kind"] == "session_start");
    let last = last.unwrap();
    assert_eq!(last["mode"], "embedded");
    assert_eq!(last["client"]["pid"], std::process::id());
}

#[test]
fn what_the_daemon_itself_does() {
    let home = unruly();
    let mut daemon = Daemon::start(&home);
    let pid = daemon.pid().as_raw();
    daemon.signal(Signal::SIGHUP);
    let events = |home: &Home| -> Vec<String> {
        let mut all = records(home);
        all.retain(|record| record["kind"] == "daemon");
        let of = |record: &Value| {
            assert_eq!(record["pid"], pid);
            record["event"].as_str().unwrap().to_owned()
        };
        all.iter().map(of).collect()
    };
    wait_until("it has looked again", || {
        events(&home) == ["start", "reload"]
    });
    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.code(), Some(0));
    assert_eq!(events(&home), ["start", "reload", "stop"]);
    let all = records(&home);
    let start = all.iter().find(|record| record["event"] == "start");
    let text = start.unwrap()["text"].as_str().unwrap();
    assert!(text.contains("manifest and lock are valid"), "{text}");
}

#[test]
fn one_that_was_kept_warm_says_who_took_it_or_that_nobody_did() {
    let home = unruly();
    let text = fs::read_to_string(home.manifest()).unwrap();
    let text = text.replacen("[servers.unruly]\n", "[servers.unruly]\nwarm = 1\n", 1);
    fs::write(home.manifest(), text).unwrap();
    home.succeed(["lock", "unruly"]);
    let daemon = Daemon::start(&home);
    let warm = |daemon: &Daemon<'_>| {
        let mut rows = daemon.sessions().into_iter();
        rows.find(|row| row["stage"] == "warm")
            .map(|row| row["session"].clone())
    };
    wait_until("one is warm", || warm(&daemon).is_some());
    let taken = warm(&daemon).unwrap();
    let mut client = daemon.client("unruly");
    client.initialize();
    wait_until("another is warm", || warm(&daemon).is_some());
    let unused = warm(&daemon).unwrap();
    client.close();
    drop(daemon);
    wait_until("both have ended", || {
        let records = records(&home);
        let ended = |id: &Value| kinds(&records, id).last().unwrap() == "session_end";
        ended(&taken) && ended(&unused)
    });
    let records = records(&home);
    for id in [&taken, &unused] {
        let start = only(&records, id, "session_start");
        assert_eq!(
            (&start["mode"], &start["client"]),
            (&json!("warm"), &Value::Null)
        );
    }
    let by = only(&records, &taken, "session_taken");
    assert_eq!(by["client"]["pid"], std::process::id());
    assert_ne!(only(&records, &taken, "session_end")["how"], "unused");
    assert_eq!(kinds(&records, &unused), ["session_start", "session_end"]);
    assert_eq!(only(&records, &unused, "session_end")["how"], "unused");
}
