//! What a server writes beside the protocol neither reaches the client nor stops the session.

use std::fs;
use std::io::Read;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::support::processes::wait_until;
use crate::support::{Client, Script};

#[test]
fn lines_that_are_no_messages_do_not_reach_the_client() {
    let script = Script::unruly();
    let call = |client: &mut Client| {
        client.ask(1, "tools/call", json!({"name": "garbage", "arguments": {}}));
        client.lines_until("done")
    };
    let lines = call(&mut script.bare());
    assert!(lines.len() > 10, "the attack is broken: {lines:?}");

    let mut penned = script.penned();
    let lines = call(&mut penned);
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!(penned.request("ping", json!({}))["result"], json!({}));
    let (status, stderr) = penned.close();
    assert_eq!(status.code(), Some(0), "{stderr}");
    // It is said, in a form that can't play with the terminal.
    assert!(stderr.contains("refused line from server"), "{stderr}");
    assert!(!stderr.contains(['\0', '\u{1}']), "{stderr:?}");
}

/// 40 MiB: more than any pipe holds, so a server whose standard error nobody reads hangs.
const FLOOD: (usize, usize) = (40 * 1024, 1024);

#[test]
fn a_flood_on_standard_error_is_drained_and_kept_within_bounds() {
    let script = Script::unruly();
    let arguments = json!({"count": FLOOD.0, "size": FLOOD.1});

    // Control: with nobody reading, the call is not answered and the writer is blocked.
    let mut child = script
        .bare_command()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "stderr", "arguments": arguments}});
    std::io::Write::write_all(
        child.stdin.as_mut().unwrap(),
        format!("{call}\n").as_bytes(),
    )
    .unwrap();
    let blocked = || {
        let stack = fs::read_to_string(format!("/proc/{}/wchan", child.id())).unwrap_or_default();
        stack.contains("pipe_write")
    };
    wait_until("the bare server blocks on standard error", blocked);
    child.kill().unwrap();
    let mut answer = String::new();
    child
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut answer)
        .unwrap();
    child.wait().unwrap();
    assert_eq!(answer, "");

    let mut penned = script.penned();
    assert_eq!(penned.call_text("stderr", arguments), "done");
    let (status, stderr) = penned.close();
    assert_eq!(status.code(), Some(0), "{stderr}");
    assert!(
        !stderr.contains("yyyy"),
        "the flood is not for the client's eyes"
    );
    let kept: u64 = ["stderr.log", "stderr.log.1"]
        .iter()
        .filter_map(|name| fs::metadata(script.home.state("unruly").join(name)).ok())
        .map(|file| file.len())
        .sum();
    assert!(kept > 0 && kept < 3 * 1024 * 1024, "{kept} bytes were kept");
}

#[test]
fn its_last_words_are_shown_without_control_over_the_terminal() {
    let script = Script::unruly();
    let exit = json!({"name": "exit_with", "arguments": {"code": 3}});
    let mut bare = script.bare();
    bare.ask(1, "tools/call", exit.clone());
    let (_, stderr) = bare.close();
    assert!(
        stderr.contains("\u{1b}[31m"),
        "the attack is broken: {stderr:?}"
    );

    let mut penned = script.penned();
    penned.ask(1, "tools/call", exit);
    let answer: Value = penned.next().unwrap();
    assert_eq!(answer["error"]["code"], -31002, "{answer}");
    let (_, stderr) = penned.close();
    assert!(
        stderr.contains("words") && stderr.contains("of the server"),
        "{stderr:?}"
    );
    assert!(
        !stderr.contains("\u{1b}[31m") && !stderr.contains('\u{202e}'),
        "{stderr:?}"
    );
}
