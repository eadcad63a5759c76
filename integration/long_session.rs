//! One long session: memory stays flat, whatever passes; and neither a server that stops reading
//! nor one that floods standard error makes pinfold grow or hang.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::processes::own_memory;
use crate::support::{Client, Script};

/// What the memory may grow by between a tenth of the session and its end, in KiB. The tables of
/// requests that are never answered become full meanwhile.
const GROWTH: u64 = 3 * 1024;
/// What it may ever be. The outboxes hold up to 4 MiB of pinfold's own answers.
const MOST: u64 = 32 * 1024;

/// The lines of one round: everything that leaves a trace in a session. `id` is not used again
/// before `id + ROUND_IDS`.
fn round(id: usize) -> Vec<String> {
    let request = |id: usize, method: &str, params: Value| {
        json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}).to_string()
    };
    let text = "x".repeat(2000);
    let mut lines = vec![
        request(id, "tools/call", json!({"name": "echo", "arguments": {"text": text}})),
        request(id + 1, "tools/list", json!({"_meta": {"progressToken": id}})),
        request(id + 2, "tools/list", json!({"cursor": format!("page-{id}"), "_meta": {"x": 1}})),
        request(id + 3, "tools/call", json!({"name": "hidden"})),
        request(id + 4, "sampling/createMessage", json!({})),
        request(id + 5, "tools/call", json!({"name": "silent"})),
        json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": id + 5}})
            .to_string(),
        json!({"jsonrpc": "2.0", "id": format!("text-{id}"), "method": "ping"}).to_string(),
        json!({"jsonrpc": "2.0", "id": id, "result": {}}).to_string(),
        format!("[{id}"),
        format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping","Method":"x"}}"#),
    ];
    lines.push(request(id + 6, "ping", json!({"_meta": {"last": id}})));
    lines
}
const ROUND_IDS: usize = 7;

/// A session of at least `messages` lines in both directions; the memory after one round, after
/// a tenth, and at the end, in KiB, and how many bytes passed.
fn talk(script: &Script, messages: usize) -> ([u64; 3], usize) {
    let mut child = script
        .home
        .pinfold(["run", "busy"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let hello = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}});
    writeln!(stdin, "{hello}").unwrap();
    let (mut passed, mut bytes, mut id) = (0, 0, 1);
    let mut memory = Vec::new();
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    while passed < messages {
        let mut said = round(id).join("\n");
        said.push('\n');
        stdin.write_all(said.as_bytes()).unwrap();
        passed += said.matches('\n').count();
        bytes += said.len();
        let last = format!("\"id\":{},\"result\"", id + 6);
        loop {
            line.clear();
            assert!(stdout.read_line(&mut line).unwrap() > 0, "it ended early");
            passed += 1;
            bytes += line.len();
            assert!(!line.contains("hidden\",\"input"), "{line}");
            if line.contains("\"method\":\"ping\"") {
                let ping: Value = serde_json::from_str(&line).unwrap();
                let answer = json!({"jsonrpc": "2.0", "id": ping["id"], "result": {}});
                writeln!(stdin, "{answer}").unwrap();
                passed += 1;
            }
            if line.contains(&last) {
                break;
            }
        }
        id += ROUND_IDS;
        if memory.is_empty() || (memory.len() == 1 && passed > messages / 10) {
            memory.push(own_memory(child.id()));
        }
    }
    memory.push(own_memory(child.id()));
    drop(stdin);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    (memory.try_into().unwrap(), bytes)
}

fn stays_flat(messages: usize) {
    let script = Script::busy();
    let ([start, tenth, end], bytes) = talk(&script, messages);
    println!(
        "{messages} messages: {start}, {tenth}, {end} KiB at the start, after a tenth, at the end"
    );
    assert!(end <= tenth + GROWTH, "{start} {tenth} {end} KiB");
    assert!(end < MOST, "{end} KiB");
    // Control: a session that kept a part of what passes could not be that small.
    assert!(
        bytes / 1024 > 5 * usize::try_from(GROWTH).unwrap(),
        "{bytes}"
    );
}

#[test]
fn memory_is_flat_over_a_hundred_thousand_messages() {
    stays_flat(100_000);
}

#[test]
#[ignore = "takes minutes"]
fn memory_is_flat_over_a_million_messages() {
    stays_flat(1_000_000);
}

/// Looks at the memory of a process until it is stopped.
struct Watch {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<u64>,
}

impl Watch {
    fn new(child: &Child) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (seen, pid) = (Arc::clone(&stop), child.id());
        let thread = std::thread::spawn(move || {
            let mut peak = 0;
            while !seen.load(Ordering::Relaxed) {
                peak = peak.max(own_memory(pid));
                std::thread::sleep(Duration::from_millis(5));
            }
            peak
        });
        Self { stop, thread }
    }

    /// The most that was seen, in KiB.
    fn peak(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

/// Lines for a server that is deaf: more than pipes and outboxes hold.
const FLOOD: usize = 64 * 1024 * 1024;

/// Lets the server stop reading, then writes at it until nothing goes any more, and listens all
/// the while: how many bytes went, how many lines came, and the most memory that was used.
fn talk_to_the_deaf(command: &mut std::process::Command, requests: usize) -> (usize, usize, u64) {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let arguments = json!({"requests": requests, "seconds": 6});
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "deaf", "arguments": arguments}});
    writeln!(stdin, "{call}").unwrap();
    let stdout = BufReader::new(child.stdout.take().unwrap());
    let (told, went) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let listener = std::thread::spawn({
        let told = Arc::clone(&told);
        move || {
            for line in stdout.lines().map_while(Result::ok) {
                told.fetch_add(usize::from(line.contains("still here")), Ordering::Relaxed);
            }
        }
    });
    let began = Instant::now();
    while told.load(Ordering::Relaxed) == 0 {
        assert!(began.elapsed() < Duration::from_secs(60), "it says nothing");
        std::thread::sleep(Duration::from_millis(5));
    }
    let watch = Watch::new(&child);
    let talker = std::thread::spawn({
        let went = Arc::clone(&went);
        move || {
            let line = json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progressToken": "x".repeat(1000), "progress": 1}});
            let line = format!("{line}\n");
            // Ends with an error when the server does.
            while went.load(Ordering::Relaxed) < FLOOD && stdin.write_all(line.as_bytes()).is_ok() {
                went.fetch_add(line.len(), Ordering::Relaxed);
            }
        }
    });
    // The server is deaf for six seconds, and slow machines are slow: look after three.
    std::thread::sleep(Duration::from_secs(3));
    let (written, before) = (went.load(Ordering::Relaxed), told.load(Ordering::Relaxed));
    std::thread::sleep(Duration::from_secs(1));
    let stopped = went.load(Ordering::Relaxed) == written;
    let heard = told.load(Ordering::Relaxed) - before;
    let peak = watch.peak();
    child.kill().unwrap();
    child.wait().unwrap();
    talker.join().unwrap();
    listener.join().unwrap();
    assert!(stopped, "the server reads, so this tests nothing");
    (written, heard, peak)
}

#[test]
fn a_server_that_stops_reading_stops_the_client_and_not_itself() {
    let script = Script::busy();
    // Control: without pinfold, the client is stopped as soon as a pipe is full.
    let (written, heard, _) = talk_to_the_deaf(&mut script.bare_command(), 0);
    assert!(written < 1024 * 1024 && heard > 0, "{written} {heard}");
    let (written, heard, peak) = talk_to_the_deaf(&mut script.home.pinfold(["run", "busy"]), 0);
    assert!(written < 2 * 1024 * 1024, "{written} bytes are somewhere");
    assert!(heard > 0, "the server is not heard any more");
    assert!(peak > 0 && peak < MOST, "{peak} KiB");
}

/// It asks without end and reads no answer: what pinfold would answer is dropped at some point.
#[test]
fn a_server_that_asks_and_does_not_listen_fills_no_memory() {
    let script = Script::busy();
    let requests = 200_000;
    let mut command = script.home.pinfold(["run", "busy"]);
    let (_, heard, peak) = talk_to_the_deaf(&mut command, requests);
    assert!(heard > 0, "the server is not heard any more");
    assert!(peak > 0 && peak < MOST, "{peak} KiB");
}

#[test]
fn a_flood_on_standard_error_fills_no_memory() {
    let script = Script::busy();
    for newlines in [true, false] {
        let mut penned: Client = script.penned();
        let watch = Watch::new(&penned.child);
        let arguments = json!({"mebibytes": 64, "newlines": newlines});
        assert_eq!(penned.call_text("stderr", arguments), "done");
        let peak = watch.peak();
        assert!(peak > 0 && peak < MOST, "{peak} KiB, newlines: {newlines}");
        let (status, stderr) = penned.close();
        assert_eq!(status.code(), Some(0), "{stderr}");
    }
}
