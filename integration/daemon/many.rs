//! Many sessions at once through one daemon.

use std::time::{Duration, Instant};

use serde_json::json;

use super::{Daemon, native, tree, wait_until, wait_until_gone};
use crate::support::Client;
use crate::support::processes::with_home;

/// All answer; then all clients are killed, and nothing is left.
fn at_once(test: &str, number: usize) {
    let Some(home) = native(test) else {
        return;
    };
    let daemon = Daemon::start(&home);
    let idle = daemon.descriptors();
    let began = Instant::now();
    let mut clients: Vec<Client> = (0..number).map(|_| daemon.client("native")).collect();
    for client in &mut clients {
        client.initialize();
    }
    let started = began.elapsed();
    let began = Instant::now();
    for client in &mut clients {
        client.ask(1, "tools/call", json!({"name": "work", "arguments": {}}));
    }
    for client in &mut clients {
        let answer = client.next().unwrap();
        // All write the same file, so what one reads there is anybody's.
        let text = answer["result"]["content"][0]["text"].as_str();
        assert!(
            text.is_some_and(|text| text.starts_with("ok: ")),
            "{answer}"
        );
    }
    let answered = began.elapsed();
    let sessions = daemon.sessions();
    assert_eq!(sessions.len(), number);
    let memory = |one: &serde_json::Value| one["memory"].as_u64();
    let memory: u64 = sessions.iter().filter_map(memory).sum();
    println!(
        "{number} sessions: started in {started:?}, answered in {answered:?}, {} KiB each",
        memory / 1024 / number as u64
    );
    let processes = tree(daemon.pid());
    let of_sessions: Vec<_> = processes.iter().skip(1).cloned().collect();
    assert!(of_sessions.len() >= 3 * number);
    for client in &mut clients {
        client.child.kill().unwrap();
    }
    for client in &mut clients {
        client.child.wait().unwrap();
    }
    wait_until_gone(&of_sessions);
    assert_eq!(with_home(&home.server_home("native")), Vec::<i32>::new());
    wait_until("the daemon has forgotten them", || {
        std::thread::sleep(Duration::from_millis(50));
        daemon.sessions().is_empty() && daemon.descriptors() <= idle
    });
}

#[test]
fn fifty() {
    at_once("daemon::many::fifty", 50);
}

#[test]
#[ignore = "half a minute, and a thousand processes"]
fn three_hundred() {
    at_once("daemon::many::three_hundred", 300);
}
