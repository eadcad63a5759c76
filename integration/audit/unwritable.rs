//! A log that can't be written.

use std::fs;
use std::path::PathBuf;

use pinfold::audit::verify;
use serde_json::{Value, json};

use super::{folder, neutralise, of_kind, puppet, says};
use crate::support::processes::wait_until;
use crate::support::{Client, with_mounts};

#[test]
fn without_a_log_nothing_starts_and_nothing_is_changed() {
    let home = puppet("");
    let place = folder(&home);
    let lock = fs::read(home.lock()).unwrap();
    let away = home.path().join("away");
    fs::rename(&place, &away).unwrap();
    fs::write(&place, "in the way").unwrap();
    let ran = home.run(["run", "puppet"]);
    assert_eq!(ran.code, Some(125), "{ran:#?}");
    assert!(ran.stderr.contains("nothing runs unrecorded"), "{ran:#?}");
    let mut client = home.client("puppet");
    let answer = client.request("initialize", json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}));
    assert!(
        answer["error"]["message"]
            .as_str()
            .unwrap()
            .contains("audit log"),
        "{answer}"
    );
    drop(client);
    neutralise(&home);
    let ran = home.run(["lock", "puppet"]);
    assert_eq!(ran.code, Some(4), "{ran:#?}");
    assert!(ran.stderr.contains("nothing was changed"), "{ran:#?}");
    assert_eq!(fs::read(home.lock()).unwrap(), lock);
    // The control.
    fs::remove_file(&place).unwrap();
    fs::rename(&away, &place).unwrap();
    home.succeed(["lock", "puppet"]);
    let mut client = home.client("puppet");
    client.initialize();
    client.close();
}

/// The log can be opened and has no room for the first record.
#[test]
fn a_disk_that_is_full_at_the_start() {
    const TEST: &str = "a_disk_that_is_full_at_the_start";
    let home = puppet("");
    let place = folder(&home);
    let marked = |size: &str| {
        let mount = format!(
            "mount -t tmpfs -o size={size},mode=700 none {}",
            place.display()
        );
        let starter = with_mounts(TEST, &mount)?;
        let mut client =
            Client::start(&mut home.behind(&starter, &home.pinfold(["run", "puppet"])));
        let parameters = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}});
        let answer = client.request("initialize", parameters);
        let (status, _) = client.close();
        Some((answer, status.code()))
    };
    let Some((answer, code)) = marked("4k") else {
        return;
    };
    let message = answer["error"]["message"].as_str().unwrap();
    let says = message.contains("No space left") && message.contains("nothing runs unrecorded");
    assert!(says && code == Some(125), "{message} {code:?}");
    // The control.
    let (answer, code) = marked("64k").unwrap();
    assert_eq!(answer["result"]["serverInfo"]["name"], "puppet", "{answer}");
    assert_eq!(code, Some(0));
}

/// A real disk that becomes full in the middle of a session, and has room again.
#[test]
fn a_full_disk() {
    const TEST: &str = "a_full_disk";
    let home = puppet("");
    let place = folder(&home);
    let script = format!(
        "mount -t tmpfs -o size=128k,mode=700 none {}",
        place.display()
    );
    let Some(starter) = with_mounts(TEST, &script) else {
        return;
    };
    let mut client = Client::start(&mut home.behind(&starter, &home.pinfold(["run", "puppet"])));
    client.initialize();
    // The disk as the session sees it (proc_pid_root(5)).
    let inside = format!("/proc/{}/root{}", client.child.id(), place.display());
    let inside = PathBuf::from(inside);
    let filler = inside.join("filler");
    let mark = || {
        says("with open(os.environ['HOME'] + '/marks', 'a') as marks: marks.write('x')\nreturn 1")
    };
    assert_eq!(client.call_text("do", mark()), "ok: 1");
    // Under way while the disk becomes full: its answer passes.
    let slow = says("time.sleep(5)\nreturn 'late'");
    client.ask(0, "tools/call", json!({"name": "do", "arguments": slow}));
    wait_until("it is recorded", || {
        fs::read_to_string(inside.join("audit.jsonl"))
            .is_ok_and(|text| text.matches("\"kind\":\"call\"").count() == 2)
    });
    let full = fs::write(&filler, vec![0; 1 << 20]).unwrap_err();
    assert_eq!(full.kind(), std::io::ErrorKind::StorageFull, "{full}");
    // The file's last page has some room.
    for id in 1..=40 {
        client.ask(id, "tools/call", json!({"name": "do", "arguments": mark()}));
    }
    let (mut passed, mut refused) = (0, 0);
    while passed + refused < 41 {
        let answer = client.next().unwrap();
        let text = answer["result"]["content"][0]["text"].as_str().unwrap();
        if answer["result"]["isError"] == true {
            refused += 1;
            let says = text.contains("No space left") && text.contains("audit log");
            assert!(says, "{text}");
        } else {
            passed += 1;
            assert_eq!(text == "ok: \"late\"", answer["id"] == 0, "{answer}");
        }
    }
    assert!(refused > 20, "{refused}");
    fs::remove_file(&filler).unwrap();
    assert_eq!(client.call_text("do", mark()), "ok: 1");
    let copy = home.path().join("copy");
    fs::create_dir(&copy).unwrap();
    for name in ["audit.jsonl", "head"] {
        fs::copy(inside.join(name), copy.join(name)).unwrap();
    }
    client.close();
    let marks = fs::read_to_string(home.server_home("puppet").join("marks")).unwrap();
    assert_eq!(
        marks.len(),
        passed + 1,
        "those that were refused did not reach the server"
    );
    let found = verify(&copy, None).unwrap();
    assert!(found.ok(), "{found:#?}");
    let text = fs::read_to_string(copy.join("audit.jsonl")).unwrap();
    let records: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let [resumed] = of_kind(&records, "resumed")[..] else {
        panic!("{text}");
    };
    assert_eq!(resumed["calls_refused"], refused);
    // Ends of calls that were under way.
    assert!(resumed["records_lost"].as_u64().unwrap() > 0, "{resumed}");
}
