//! Whichever side ends, the other is told, and nothing is left.

use std::process::Stdio;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

use crate::support::processes::{wait_until, with_home};
use crate::support::{Client, Script};

fn pid(client: &Client) -> Pid {
    Pid::from_raw(i32::try_from(client.child.id()).unwrap())
}

fn call(client: &mut Client, id: i64, tool: &str, arguments: serde_json::Value) {
    client.ask(
        id,
        "tools/call",
        json!({"name": tool, "arguments": arguments}),
    );
}

#[test]
fn a_server_that_ends_in_the_middle_fails_what_is_under_way_and_leaves_its_code() {
    let script = Script::unruly();
    for (tool, arguments, code) in [
        ("exit_with", json!({"code": 3}), 3),
        ("exit_with", json!({"code": 0}), 0),
        ("killed", json!({}), 128 + 9),
    ] {
        // Control: without pinfold a client learns nothing.
        let mut bare = script.bare();
        call(&mut bare, 1, tool, arguments.clone());
        assert_eq!(bare.line(), None);

        let mut penned = script.penned();
        call(&mut penned, 1, "never", json!({}));
        call(&mut penned, 2, tool, arguments);
        let mut ids = Vec::new();
        while let Some(answer) = penned.next() {
            assert_eq!(answer["error"]["code"], -31002, "{answer}");
            let message = answer["error"]["message"].as_str().unwrap();
            assert!(message.contains(&format!("exit code {code}")), "{message}");
            ids.push(answer["id"].as_i64().unwrap());
        }
        ids.sort_unstable();
        assert_eq!(ids, [1, 2]);
        let (status, stderr) = penned.close();
        assert_eq!(status.code(), Some(code), "{stderr}");
        assert_eq!(script.processes(), Vec::<i32>::new());
    }
}

#[test]
fn a_server_that_closes_its_output_is_ended() {
    let script = Script::unruly();
    for (tool, arguments, code, says) in [
        ("close_output", json!({}), 128 + 15, "closed its output"),
        ("close_and_linger", json!({"code": 3}), 3, "exit code 3"),
    ] {
        let mut penned = script.penned();
        assert!(!script.processes().is_empty());
        call(&mut penned, 1, tool, arguments);
        let answer = penned.next().unwrap();
        assert_eq!(answer["error"]["code"], -31002, "{answer}");
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(message.contains(says), "{message}");
        assert_eq!(penned.line(), None);
        let (status, stderr) = penned.close();
        assert_eq!(status.code(), Some(code), "{stderr}");
        assert_eq!(script.processes(), Vec::<i32>::new());
    }
}

#[test]
fn when_the_client_closes_answers_under_way_still_come() {
    let script = Script::recorder(&[]);
    let mut penned = script.penned();
    call(&mut penned, 1, "allowed", json!({}));
    penned.close_input();
    let answer = penned.next().unwrap();
    assert_eq!(answer["id"], 1, "{answer}");
    assert_eq!(penned.line(), None);
    let (status, stderr) = penned.close();
    assert_eq!(status.code(), Some(0), "{stderr}");
    assert_eq!(script.processes(), Vec::<i32>::new());
}

#[test]
fn a_server_that_will_not_go_is_ended_when_the_client_closes() {
    let script = Script::unruly();
    // Control: on its own it survives the end of input and SIGTERM.
    let mut bare = script.bare();
    assert_eq!(bare.call_text("stubborn", json!({})), "done");
    let bare_pid = pid(&bare);
    bare.close_input();
    kill(bare_pid, Signal::SIGTERM).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(500));
    assert!(with_home(&script.home.user()).contains(&bare_pid.as_raw()));
    drop(bare);

    let mut penned = script.penned();
    assert_eq!(penned.call_text("stubborn", json!({})), "done");
    assert!(!script.processes().is_empty());
    let (status, stderr) = penned.close();
    assert_eq!(status.code(), Some(0), "{stderr}");
    assert_eq!(script.processes(), Vec::<i32>::new());
}

#[test]
fn a_signal_to_pinfold_ends_all() {
    let script = Script::unruly();
    for (signal, stubborn) in [
        (Signal::SIGTERM, false),
        (Signal::SIGTERM, true),
        (Signal::SIGINT, false),
        (Signal::SIGHUP, false),
    ] {
        let mut penned = script.penned();
        if stubborn {
            assert_eq!(penned.call_text("stubborn", json!({})), "done");
        }
        assert!(!script.processes().is_empty());
        kill(pid(&penned), signal).unwrap();
        assert_eq!(penned.line(), None);
        let status = penned.child.wait().unwrap();
        assert_eq!(status.code(), Some(128 + signal as i32));
        assert_eq!(script.processes(), Vec::<i32>::new());
    }
}

#[test]
fn a_client_that_no_longer_reads_ends_the_session() {
    let script = Script::unruly();
    let mut child = script
        .home
        .pinfold(["run", "unruly"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "notify", "arguments": {"count": 100_000, "size": 1000}}});
    std::io::Write::write_all(&mut stdin, format!("{call}\n").as_bytes()).unwrap();
    wait_until("the server is there", || !script.processes().is_empty());
    drop(child.stdout.take());
    child.wait().unwrap();
    assert_eq!(script.processes(), Vec::<i32>::new());
}
