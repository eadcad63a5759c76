//! A client that reads slowly gets everything, and slows the server instead of filling memory.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::Script;
use crate::support::processes::own_memory;

const COUNT: u64 = 10_000;
const SIZE: usize = 8 * 1024;
/// Of 80 MiB that are sent.
const MEMORY_KIB: u64 = 32 * 1024;
/// Lines between two looks at the memory.
const LOOK_EVERY: u64 = 20;

/// Lets the server send, reads the start slowly; the indexes that arrived and the most memory of
/// its own that the process was seen to use, in KiB.
fn read_slowly(command: &mut Command) -> (Vec<u64>, u64) {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let arguments = json!({"count": COUNT, "size": SIZE});
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "notify", "arguments": arguments}});
    stdin.write_all(format!("{call}\n").as_bytes()).unwrap();
    let mut stdout = BufReader::with_capacity(4096, child.stdout.take().unwrap());
    let mut indexes = Vec::new();
    let mut line = String::new();
    let mut peak = 0;
    loop {
        line.clear();
        assert!(stdout.read_line(&mut line).unwrap() > 0, "it ended early");
        let message: Value = serde_json::from_str(&line).unwrap();
        if message["id"] == 1 {
            break;
        }
        let index = message["params"]["data"]["index"].as_u64().unwrap();
        indexes.push(index);
        if index.is_multiple_of(LOOK_EVERY) {
            peak = peak.max(own_memory(child.id()));
        }
        if index < 400 {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    drop(stdin);
    child.wait().unwrap();
    (indexes, peak)
}

#[test]
fn ten_thousand_notifications_arrive_in_order_and_in_little_memory() {
    let script = Script::unruly();
    let all: Vec<u64> = (0..COUNT).collect();
    let (indexes, _) = read_slowly(&mut script.bare_command());
    assert_eq!(indexes, all, "control");
    let (indexes, peak) = read_slowly(&mut script.home.pinfold(["run", "unruly"]));
    assert_eq!(indexes, all);
    assert!(peak > 0 && peak < MEMORY_KIB, "{peak} KiB");
}
