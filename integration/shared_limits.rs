//! Limits and repeats are those of a server, however many sessions of it there are.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{Client, Home, fixture, is_root, skip};

/// A home with a puppet whose table of tools has these lines, too.
fn puppet(tools: &str) -> Home {
    let home = Home::new();
    home.add_path("puppet", &fixture("puppet.py"), &[]);
    let text = fs::read_to_string(home.manifest()).unwrap();
    let allow = "allow = [\"do\"]\n";
    let written = text.replace(allow, &format!("{allow}{tools}\n"));
    assert_ne!(text, written);
    fs::write(home.manifest(), written).unwrap();
    home.succeed(["lock", "puppet"]);
    home
}

fn session(home: &Home) -> Client {
    let mut client = home.client("puppet");
    client.initialize();
    client
}

fn passed(answer: &Value) -> bool {
    let text = answer["result"]["content"][0]["text"].as_str();
    let text = text.unwrap_or_else(|| panic!("{answer}"));
    assert!(
        text.starts_with("ok:") || text.contains("called too often"),
        "{answer}"
    );
    text.starts_with("ok:")
}

/// Every session asks for several calls at once, before any reads an answer.
fn race(sessions: &mut [Client], each: i64) -> usize {
    for id in 0..each {
        for client in sessions.iter_mut() {
            let call = json!({"name": "do", "arguments": {"code": "return 1"}});
            client.ask(id, "tools/call", call);
        }
    }
    let answers = sessions.iter_mut().map(|client| {
        let answers = (0..each).map(|_| client.next().unwrap());
        answers.filter(passed).count()
    });
    answers.sum()
}

#[test]
fn sessions_that_race_get_together_what_one_gets() {
    // Slow enough that no token comes while they race.
    let home = puppet("limits = { do = \"10/h\" }");
    let mut sessions: Vec<Client> = (0..20).map(|_| session(&home)).collect();
    assert_eq!(race(&mut sessions, 2), 10);
    // One that comes later finds nothing left.
    assert_eq!(race(&mut [session(&home)], 2), 0);
    drop(sessions);
    // Each alone gets all.
    for _ in 0..2 {
        let home = puppet("limits = { do = \"10/h\" }");
        assert_eq!(race(&mut [session(&home)], 12), 10);
    }
}

#[test]
fn a_call_of_one_session_is_a_repetition_in_another() {
    let home = puppet("repeat = \"1h\"");
    let call = json!({"code": "return 1"});
    let (mut one, mut other) = (session(&home), session(&home));
    assert_eq!(one.call_text("do", call.clone()), "ok: 1");
    let text = other.call_text("do", call.clone());
    assert!(text.contains("the same call was made"), "{text}");
    assert_eq!(other.call_text("do", json!({"code": "return 2"})), "ok: 2");
    drop((one, other));
    // What a session has said outlives it.
    let text = session(&home).call_text("do", call.clone());
    assert!(text.contains("the same call was made"), "{text}");

    let free = puppet("");
    for _ in 0..2 {
        assert_eq!(session(&free).call_text("do", call.clone()), "ok: 1");
    }
    assert!(
        !free.state("puppet").join("budget").exists(),
        "it was not touched"
    );
}

#[test]
fn what_can_not_be_noted_is_not_called() {
    let home = puppet("limits = { do = \"10/h\" }");
    let budget = home.state("puppet").join("budget");
    let mut client = session(&home);
    assert_eq!(client.call_text("do", json!({"code": "return 1"})), "ok: 1");
    // The server can't touch it.
    let attack = json!({
        "code": "open(path, 'wb').close()",
        "arguments": {"path": budget.to_str().unwrap()},
    });
    let before = fs::read(&budget).unwrap();
    let text = client.call_text("do", attack);
    assert!(text.starts_with("refused: "), "{text}");
    assert_eq!(fs::read(&budget).unwrap().len(), before.len() + 64);

    fs::remove_file(&budget).unwrap();
    fs::create_dir(&budget).unwrap();
    let text = client.call_text("do", json!({"code": "return 2"}));
    assert!(text.contains("can't be noted in"), "{text}");
    assert!(text.contains(budget.to_str().unwrap()), "{text}");
    fs::remove_dir(&budget).unwrap();
    assert_eq!(client.call_text("do", json!({"code": "return 3"})), "ok: 3");
    if is_root() {
        skip(
            "a_state_folder_that_is_read_only",
            "root writes where it is not allowed to",
        );
        return;
    }
    fs::remove_file(&budget).unwrap();
    let state = home.state("puppet");
    let mode = |mode| fs::set_permissions(&state, fs::Permissions::from_mode(mode)).unwrap();
    mode(0o500);
    let text = client.call_text("do", json!({"code": "return 4"}));
    mode(0o700);
    assert!(text.contains("can't be noted in"), "{text}");
}

/// A session that is killed at any moment leaves a file that the next one can read.
#[test]
fn a_killed_session_leaves_no_damage() {
    let home = puppet("limits = { do = \"100000/h\" }");
    let begin = Instant::now();
    let mut calls = 0;
    for round in 0..8 {
        let mut client = session(&home);
        for id in 0..200 {
            let call = json!({"name": "do", "arguments": {"code": "return 1"}});
            client.ask(id, "tools/call", call);
        }
        std::thread::sleep(Duration::from_millis(3 * round));
        client.child.kill().unwrap();
        client.child.wait().unwrap();
        let mut client = session(&home);
        assert_eq!(client.call_text("do", json!({"code": "return 1"})), "ok: 1");
        let (_, stderr) = client.close();
        assert!(!stderr.contains("damaged"), "{stderr}");
        calls += 1;
    }
    assert!(calls == 8 && begin.elapsed() < Duration::from_secs(600));
}
