//! Servers that are kept warm: one that was started before its client is used once, by that client
//! alone, and only while everything that it was made from is as it was.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use super::{Daemon, pinfold, process, tree, wait_until, wait_until_gone};
use crate::support::processes::with_home;
use crate::support::{Client, Home, Ran, fixture};

/// A home with the server `patient`, of which so many are kept warm.
fn patient(count: u8) -> Home {
    let home = Home::new();
    home.add_path("patient", &fixture("patient.py"), &[]);
    add_key(&home, &format!("warm = {count}"));
    home
}

/// One more key of the server.
fn add_key(home: &Home, key: &str) {
    let text = fs::read_to_string(home.manifest()).unwrap();
    let text = text.replace(
        "[servers.patient]\n",
        &format!("[servers.patient]\n{key}\n"),
    );
    assert!(text.contains(key), "{text}");
    replace(&home.manifest(), &text);
}

/// As an editor does it.
fn replace(path: &Path, text: &str) {
    let beside = path.with_extension("new");
    fs::write(&beside, text).unwrap();
    fs::set_permissions(&beside, fs::Permissions::from_mode(0o600)).unwrap();
    fs::rename(&beside, path).unwrap();
}

fn warm(daemon: &Daemon<'_>) -> Vec<Value> {
    let rows = daemon.sessions().into_iter();
    rows.filter(|row| row["stage"] == "warm" && row["server_pid"].is_i64())
        .collect()
}

fn wait_until_warm(daemon: &Daemon<'_>, count: usize) -> Vec<Value> {
    let mut found = Vec::new();
    wait_until("servers are warm", || {
        std::thread::sleep(Duration::from_millis(50));
        found = warm(daemon);
        found.len() == count
    });
    found
}

fn ids(rows: &[Value]) -> BTreeSet<String> {
    let ids = rows
        .iter()
        .map(|row| row["session"].as_str().unwrap().to_owned());
    ids.collect()
}

fn number(row: &Value, key: &str) -> Pid {
    Pid::from_raw(i32::try_from(row[key].as_i64().unwrap()).unwrap())
}

/// Seconds since the machine was started.
fn uptime() -> f64 {
    let text = fs::read_to_string("/proc/uptime").unwrap();
    text.split(' ').next().unwrap().parse().unwrap()
}

fn said(client: &mut Client, tool: &str) -> Value {
    let answer = client.call(tool, json!({}));
    let text = answer["result"]["content"][0]["text"].as_str();
    serde_json::from_str(text.unwrap_or_else(|| panic!("{answer}"))).unwrap()
}

/// Which process answers, by what it says.
fn who(client: &mut Client) -> Value {
    client.initialize();
    said(client, "who")
}

fn rests(home: &Home) -> Vec<Value> {
    let output = pinfold(home, ["ps", "--json"]).output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    report["resting"].as_array().unwrap().clone()
}

#[test]
fn the_first_answer_comes_from_a_process_that_was_there_before() {
    let home = patient(1);
    let daemon = Daemon::start(&home);
    let before = wait_until_warm(&daemon, 1);
    let server = number(&before[0], "server_pid");
    let (_, process_before) = process(server.as_raw()).unwrap();
    assert_eq!(before[0]["client"]["run_pid"], 0);
    let now = uptime();
    let mut client = daemon.client("patient");
    let identity = who(&mut client);
    assert!(identity["started"].as_f64().unwrap() < now, "{identity}");
    // Nobody has spoken to it before: it has heard as much as one without a daemon.
    let mut alone = Client::start(&mut pinfold(&home, ["run", "--daemon=never", "patient"]));
    who(&mut alone);
    assert_eq!(said(&mut client, "heard"), said(&mut alone, "heard"));
    drop(alone);
    let sessions = daemon.answering();
    let used = sessions
        .iter()
        .find(|row| row["session"] == before[0]["session"]);
    let used = used.unwrap();
    assert_eq!(used["stage"], "serving");
    assert_eq!(number(used, "server_pid"), server);
    assert_eq!(process(server.as_raw()).unwrap().1, process_before);
    assert_eq!(used["client"]["run_pid"], i64::from(client.child.id()));
    // Another takes its place.
    let after = wait_until_warm(&daemon, 1);
    assert!(ids(&before).is_disjoint(&ids(&after)));
    // It ends as any other, and is not given to anybody else.
    let (status, stderr) = client.close();
    assert_eq!(status.code(), Some(0), "{stderr}");
    let mut second = daemon.client("patient");
    assert_ne!(who(&mut second)["token"], identity["token"]);
    drop(second);
    drop(daemon);
    wait_until("nothing is left", || {
        with_home(&home.server_home("patient")).is_empty()
    });
}

/// The control: without the key nothing is started before somebody asks.
#[test]
fn off_by_default() {
    let home = Home::new();
    home.add_path("patient", &fixture("patient.py"), &[]);
    let daemon = Daemon::start(&home);
    let now = uptime();
    let mut client = daemon.client("patient");
    assert!(who(&mut client)["started"].as_f64().unwrap() >= now);
    assert_eq!(daemon.sessions().len(), 1);
}

#[test]
fn ten_clients_at_once_never_share_one() {
    for count in [1, 2] {
        let home = patient(count);
        let daemon = Daemon::start(&home);
        let before = wait_until_warm(&daemon, count.into());
        let now = uptime();
        let mut clients: Vec<Client> = (0..10).map(|_| daemon.client("patient")).collect();
        let identities: Vec<Value> = clients.iter_mut().map(who).collect();
        let tokens: BTreeSet<&str> = identities
            .iter()
            .map(|identity| identity["token"].as_str().unwrap())
            .collect();
        assert_eq!(tokens.len(), 10);
        let early = |one: &&Value| one["started"].as_f64().unwrap() < now;
        assert_eq!(identities.iter().filter(early).count(), usize::from(count));
        let serving: Vec<Value> = daemon
            .sessions()
            .into_iter()
            .filter(|row| row["stage"] == "serving")
            .collect();
        assert_eq!(serving.len(), 10);
        assert!(ids(&before).is_subset(&ids(&serving)));
    }
}

/// Manifest and lock, twice: alike but for a variable that the server is given.
struct Versions {
    files: [[String; 2]; 2],
}

const LABELS: [&str; 2] = ["one", "other"];

impl Versions {
    fn make(home: &Home) -> Self {
        let original = fs::read_to_string(home.manifest()).unwrap();
        let files = LABELS.map(|label| {
            let text = format!("{original}\n[servers.patient.env]\nLABEL = \"{label}\"\n");
            replace(&home.manifest(), &text);
            home.succeed(["lock", "patient"]);
            [home.manifest(), home.lock()].map(|path| fs::read_to_string(path).unwrap())
        });
        let versions = Self { files };
        versions.put(home, 0);
        versions
    }

    fn put(&self, home: &Home, which: usize) {
        let [manifest, lock] = &self.files[which];
        replace(&home.lock(), lock);
        replace(&home.manifest(), manifest);
    }
}

#[test]
fn what_has_changed_is_never_served_from_a_stale_one() {
    const TIMES: usize = 50;
    let home = patient(1);
    let versions = Versions::make(&home);
    let daemon = Daemon::start(&home);
    for round in 0..TIMES {
        // There is one that could be taken.
        let before = wait_until_warm(&daemon, 1);
        let which = (round + 1) % 2;
        versions.put(&home, which);
        let mut client = daemon.client("patient");
        let identity = who(&mut client);
        assert_eq!(identity["label"], LABELS[which], "round {round}");
        let serving = daemon.sessions().into_iter();
        let serving: Vec<Value> = serving.filter(|row| row["stage"] == "serving").collect();
        assert!(ids(&before).is_disjoint(&ids(&serving)), "round {round}");
        drop(client);
        // The control: without a change it is the one that waits.
        if round % 10 == 0 {
            let before = wait_until_warm(&daemon, 1);
            let now = uptime();
            let mut client = daemon.client("patient");
            let identity = who(&mut client);
            assert!(identity["started"].as_f64().unwrap() < now, "round {round}");
            assert_eq!(identity["label"], LABELS[which]);
            let all = ids(&daemon.sessions());
            assert!(ids(&before).is_subset(&all), "round {round}");
        }
    }
}

#[test]
fn a_manifest_or_lock_that_refuses_refuses_the_warm_one_too() {
    let home = patient(1);
    let versions = Versions::make(&home);
    let daemon = Daemon::start(&home);
    for (path, text) in [
        (home.lock(), versions.files[1][1].clone()),
        (home.manifest(), versions.files[1][0].clone()),
        (home.lock(), "not a lock".to_owned()),
        (
            home.manifest(),
            format!("{}\nevil = 1\n", versions.files[0][0]),
        ),
    ] {
        let before = wait_until_warm(&daemon, 1);
        replace(&path, &text);
        let mut client = daemon.client("patient");
        let answer = client.request("initialize", json!({}));
        assert!(answer["error"]["message"].is_string(), "{answer}");
        drop(client);
        // Nothing stale is kept either.
        wait_until("it is discarded", || {
            ids(&daemon.sessions()).is_disjoint(&ids(&before))
        });
        assert!(warm(&daemon).is_empty());
        versions.put(&home, 0);
    }
    // The control.
    let before = wait_until_warm(&daemon, 1);
    who(&mut daemon.client("patient"));
    assert!(warm(&daemon).is_empty() || ids(&warm(&daemon)) != ids(&before));
}

#[test]
fn in_quarantine_none_is_used_and_none_is_kept() {
    let home = patient(1);
    let daemon = Daemon::start(&home);
    for with_marker in [true, false] {
        let before = wait_until_warm(&daemon, 1);
        let process = number(&before[0], "session_pid");
        let processes = tree(process);
        if with_marker {
            // Before anybody had the time to notice.
            fs::write(home.state("patient").join("quarantine.json"), "{}").unwrap();
        } else {
            // Waits until no session of it is left, those that are warm among them.
            home.succeed(["quarantine", "patient"]);
        }
        let mut client = daemon.client("patient");
        let answer = client.request("initialize", json!({}));
        let message = answer["error"]["message"].as_str().unwrap_or_default();
        assert!(message.contains("quarantine"), "{answer}");
        drop(client);
        wait_until_gone(&processes);
        wait_until("no session is left", || daemon.sessions().is_empty());
        // The control: released, it is kept again.
        home.succeed(["release", "patient"]);
    }
    wait_until_warm(&daemon, 1);
}

/// A box holds the folder that was granted when it was built. Under its name there may be another one
/// by now, and what was moved away is not granted any more.
#[test]
fn a_granted_folder_that_was_replaced_is_not_reached_through_a_stale_one() {
    let home = patient(1);
    let notes = home.path().join("notes");
    fs::create_dir(&notes).unwrap();
    fs::write(notes.join("note"), "first").unwrap();
    let text = fs::read_to_string(home.manifest()).unwrap();
    let folder = notes.display();
    let text = format!(
        "{text}\n[servers.patient.files]\nread = [\"{folder}\"]\n\n[servers.patient.env]\nNOTE = \"{folder}/note\"\n"
    );
    replace(&home.manifest(), &text);
    home.succeed(["lock", "patient"]);
    let daemon = Daemon::start(&home);
    // The control: another file in the same folder is no other folder.
    let before = wait_until_warm(&daemon, 1);
    fs::write(notes.join("note"), "second").unwrap();
    let mut client = daemon.client("patient");
    who(&mut client);
    assert_eq!(said(&mut client, "note"), "second");
    assert!(ids(&before).is_subset(&ids(&daemon.sessions())));
    drop(client);

    let before = wait_until_warm(&daemon, 1);
    fs::rename(&notes, home.path().join("private")).unwrap();
    fs::create_dir(&notes).unwrap();
    fs::write(notes.join("note"), "third").unwrap();
    let mut client = daemon.client("patient");
    who(&mut client);
    assert_eq!(said(&mut client, "note"), "third");
    let serving = daemon.sessions().into_iter();
    let serving: Vec<Value> = serving.filter(|row| row["stage"] == "serving").collect();
    assert!(ids(&before).is_disjoint(&ids(&serving)));
}

#[test]
fn a_reload_replaces_all() {
    let home = patient(2);
    let daemon = Daemon::start(&home);
    let before = ids(&wait_until_warm(&daemon, 2));
    daemon.signal(Signal::SIGHUP);
    wait_until("both are others", || {
        std::thread::sleep(Duration::from_millis(50));
        let now = ids(&warm(&daemon));
        now.len() == 2 && now.is_disjoint(&before)
    });
}

#[test]
fn one_that_is_killed_is_replaced_and_one_that_dies_again_and_again_rests() {
    let home = patient(1);
    let daemon = Daemon::start(&home);
    let before = wait_until_warm(&daemon, 1);
    kill(number(&before[0], "server_pid"), Signal::SIGKILL).unwrap();
    let mut second = Vec::new();
    wait_until("another is warm", || {
        second = warm(&daemon);
        second.len() == 1 && ids(&second).is_disjoint(&ids(&before))
    });
    // The session process, with everything below it.
    let process = number(&second[0], "session_pid");
    let processes = tree(process);
    kill(process, Signal::SIGKILL).unwrap();
    wait_until_gone(&processes);
    wait_until("a third is warm", || {
        let now = warm(&daemon);
        now.len() == 1 && ids(&now).is_disjoint(&ids(&second))
    });

    // One that can't be started.
    let lock = fs::read_to_string(home.lock()).unwrap();
    let entry = home.only_tree().join("patient.py");
    let text = fs::read_to_string(&entry).unwrap();
    fs::set_permissions(&entry, fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(&entry, "raise SystemExit(3)\n").unwrap();
    daemon.signal(Signal::SIGHUP);
    let mut rest = Value::Null;
    wait_until("it rests", || {
        std::thread::sleep(Duration::from_millis(50));
        rest = rests(&home).pop().unwrap_or_default();
        // The third may not have read its code before that was changed: then it ends by itself first.
        let says = rest["reason"].as_str().unwrap_or_default();
        rest["failures"].as_u64() >= Some(2) && says.contains("patient")
    });
    assert!(rest["next_seconds"].is_u64());
    let shown = Ran::of(&mut pinfold(&home, ["ps"]));
    assert!(
        shown.stderr.contains("`patient` is not kept warm"),
        "{shown:#?}"
    );
    // The control.
    fs::write(&entry, text).unwrap();
    fs::set_permissions(&entry, fs::Permissions::from_mode(0o555)).unwrap();
    assert_eq!(fs::read_to_string(home.lock()).unwrap(), lock);
    home.succeed(["fetch"]);
    daemon.signal(Signal::SIGHUP);
    wait_until_warm(&daemon, 1);
}

#[test]
fn nothing_warm_survives_its_daemon() {
    let home = patient(2);
    for signal in [Signal::SIGKILL, Signal::SIGTERM] {
        let mut daemon = Daemon::start(&home);
        wait_until_warm(&daemon, 2);
        let processes = tree(daemon.pid());
        assert!(processes.len() >= 7, "{processes:?}");
        daemon.signal(signal);
        daemon.child.wait().unwrap();
        wait_until_gone(&processes);
        assert_eq!(with_home(&home.server_home("patient")), Vec::<i32>::new());
    }
}

#[test]
fn stopped_ones_stay_away_until_the_server_is_used() {
    let home = patient(1);
    let daemon = Daemon::start(&home);
    let before = wait_until_warm(&daemon, 1);
    let ran = Ran::of(&mut pinfold(&home, ["stop", "patient"]));
    assert_eq!(ran.stdout.trim(), before[0]["session"].as_str().unwrap());
    super::wait_until_idle(&daemon);
    let rest = rests(&home).remove(0);
    assert!(
        rest["reason"].as_str().unwrap().contains("stopped"),
        "{rest}"
    );
    std::thread::sleep(Duration::from_millis(500));
    assert!(daemon.sessions().is_empty());
    who(&mut daemon.client("patient"));
    wait_until_warm(&daemon, 1);
}

#[test]
fn what_is_written_before_anybody_is_there_keeps_nobody_waiting() {
    const FLOOD: usize = 8 << 20;
    let home = patient(1);
    let text = fs::read_to_string(home.manifest()).unwrap();
    let text = format!("{text}\n[servers.patient.env]\nFLOOD = \"{FLOOD}\"\n");
    replace(&home.manifest(), &text);
    home.succeed(["lock", "patient"]);
    let daemon = Daemon::start(&home);
    wait_until_warm(&daemon, 1);
    // Though nobody is there, somebody reads.
    let mark = home.server_home("patient").join("flooded");
    wait_until("all of it is written", || {
        fs::read_to_string(&mark).is_ok_and(|text| text == FLOOD.to_string())
    });
    wait_until_warm(&daemon, 1);
    let now = uptime();
    let mut client = daemon.client("patient");
    assert!(who(&mut client)["started"].as_f64().unwrap() < now);
}

/// One that takes a variable from its client is never served by the daemon, warm or not.
#[test]
fn a_server_with_its_clients_variables_is_not_kept() {
    let home = patient(1);
    let text = fs::read_to_string(home.manifest()).unwrap();
    let text = format!("{text}\n[servers.patient.env]\nLABEL = {{ from = \"LABEL\" }}\n");
    replace(&home.manifest(), &text);
    home.succeed(["lock", "patient"]);
    let daemon = Daemon::start(&home);
    let explained = Ran::of(&mut pinfold(&home, ["explain", "patient"]));
    assert!(
        explained.stdout.contains("takes LABEL from its client"),
        "{explained:#?}"
    );
    std::thread::sleep(Duration::from_secs(1));
    assert!(daemon.sessions().is_empty());
    // Neither is one with a secret, which may have become another meanwhile.
    let text = fs::read_to_string(home.manifest()).unwrap();
    let variable = "{ from = \"LABEL\" }";
    let secret = text.replace(variable, "{ secret = \"label\" }");
    replace(&home.manifest(), &secret);
    let explained = Ran::of(&mut pinfold(&home, ["explain", "patient"]));
    assert!(
        explained.stdout.contains("none, as LABEL is a secret"),
        "{explained:#?}"
    );
    std::thread::sleep(Duration::from_secs(1));
    assert!(daemon.sessions().is_empty() && rests(&home).is_empty());
    // The control: without the variable it is.
    replace(&home.manifest(), &text.replace(variable, "\"x\""));
    home.succeed(["lock", "patient"]);
    wait_until_warm(&daemon, 1);
    let explained = Ran::of(&mut pinfold(&home, ["explain", "patient"]));
    assert!(
        explained.stdout.contains("1 by the daemon"),
        "{explained:#?}"
    );
}
