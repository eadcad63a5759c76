//! `pinfold approve`: a call of a client that can't ask its user waits, and passes or not by the word
//! of a person at a terminal.

use std::fs;
use std::process::Stdio;

use serde_json::{Value, json};

use super::{Daemon, Raw, message, pinfold};
use crate::support::processes::wait_until;
use crate::support::{Client, Home, Ran, at_terminal, fixture};

/// A home with a puppet whose one tool the user decides about.
fn asked() -> Home {
    let home = Home::new();
    home.add_path("puppet", &fixture("puppet.py"), &[]);
    let text = fs::read_to_string(home.manifest()).unwrap();
    let allow = "allow = [\"do\"]\n";
    assert!(text.contains(allow), "{text}");
    let text = text.replace(allow, "allow = []\nask = [\"do\"]\n");
    fs::write(home.manifest(), text).unwrap();
    home.succeed(["lock", "puppet"]);
    home
}

/// How often a call reached the server.
fn marks(home: &Home) -> usize {
    let marks = home.server_home("puppet").join("marks");
    fs::read_to_string(marks).unwrap_or_default().len()
}

/// Asks for a call that leaves a mark.
fn ask(client: &mut Client, id: i64, owner: &str) {
    let code = "with open(os.path.join(os.environ['HOME'], 'marks'), 'a') as file: file.write('x')\nreturn owner";
    let arguments = json!({"code": code, "arguments": {"owner": owner}});
    let call = json!({"name": "do", "arguments": arguments});
    client.ask(id, "tools/call", call);
}

fn approve<'a>(home: &Home, arguments: impl IntoIterator<Item = &'a str>) -> Ran {
    let mut command = pinfold(home, ["approve"]);
    command.args(arguments).stdin(Stdio::null());
    Ran::of(&mut command)
}

/// What `pinfold approve CALL` shows at a terminal where this is typed, and its code.
fn typed(home: &Home, call: &str, answer: &str) -> (String, Option<i32>) {
    let program = pinfold(home, ["approve", call]);
    let mut command = home.behind(&at_terminal(&[answer]), &program);
    command.env("XDG_RUNTIME_DIR", home.path().join("run"));
    let output = command.stdin(Stdio::null()).output().unwrap();
    (
        String::from_utf8_lossy(&output.stdout).into_owned(),
        output.status.code(),
    )
}

/// The ids of all calls that wait, once there are so many.
fn waiting(home: &Home, count: usize) -> Vec<String> {
    let mut ids = Vec::new();
    wait_until("the calls wait", || {
        let listed = approve(home, []).stdout;
        let heads = listed.lines().filter(|line| line.starts_with("puppet@"));
        ids = heads
            .map(|line| line.split(' ').next().unwrap().to_owned())
            .collect();
        ids.len() == count
    });
    ids
}

fn records(home: &Home) -> Vec<Value> {
    let told = home.succeed(["log", "--json", "--kind", "call"]).stdout;
    told.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn a_person_at_a_terminal_decides() {
    let home = asked();
    let daemon = Daemon::start(&home);
    let none = approve(&home, []);
    assert!(none.stderr.contains("No call waits"), "{none:#?}");
    let mut client = daemon.client("puppet");
    client.initialize();
    for (id, answer) in [(1, "y"), (2, "n"), (3, ""), (4, "y")] {
        let before = marks(&home);
        ask(&mut client, id, "me\u{1b}[2J");
        let call = &waiting(&home, 1)[0];
        let mut listed = String::new();
        wait_until("it is listed", || {
            listed = approve(&home, []).stdout;
            listed.contains("the tool `do` of `puppet`")
        });
        assert!(listed.contains("file.write('x')"), "{listed}");
        assert!(!listed.contains('\u{1b}'), "{listed}");
        assert_eq!(marks(&home), before, "held until then");
        let (shown, code) = typed(&home, call, answer);
        assert!(shown.contains("file.write('x')"), "{shown}");
        assert_eq!(code, Some(0), "{shown}");
        let passes = answer == "y";
        let told = client.next().unwrap();
        assert_eq!(told["id"], id, "{told}");
        assert_eq!(told["result"]["isError"] != true, passes, "{told}");
        if !passes {
            assert!(
                told.to_string().contains("declined it in a terminal"),
                "{told}"
            );
        }
        assert_eq!(marks(&home) - before, usize::from(passes));
        // Once.
        let (again, code) = typed(&home, call, "y");
        assert_eq!(code, Some(2), "{again}");
        assert!(again.contains("was decided about"), "{again}");
        assert_eq!(marks(&home) - before, usize::from(passes));
    }
    assert!(waiting(&home, 0).is_empty());
    let records = records(&home);
    let passed: Vec<_> = records
        .iter()
        .filter(|record| record["decision"] == "allow")
        .collect();
    assert_eq!(passed.len(), 2);
    for record in passed {
        assert_eq!(
            (&record["approved"], &record["approved_by"]),
            (&json!(true), &json!("terminal"))
        );
    }
    let asked = records.iter().filter(|record| record["decision"] == "ask");
    assert_eq!(asked.count(), 4);
}

#[test]
fn without_a_terminal_it_can_only_be_declined() {
    let home = asked();
    let daemon = Daemon::start(&home);
    let mut client = daemon.client("puppet");
    client.initialize();
    ask(&mut client, 1, "me");
    let call = waiting(&home, 1).remove(0);
    let ran = approve(&home, [call.as_str()]);
    assert_eq!(ran.code, Some(2), "{ran:#?}");
    assert!(ran.stderr.contains("in a terminal"), "{ran:#?}");
    // Nor with a yes that comes through a pipe.
    let mut piped = pinfold(&home, ["approve", &call]);
    piped.stdin(Stdio::from(fs::File::open(home.manifest()).unwrap()));
    assert_eq!(Ran::of(&mut piped).code, Some(2));
    assert_eq!(waiting(&home, 1), [call.as_str()], "it still waits");
    let ran = approve(&home, ["--deny", &call]);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    let told = client.next().unwrap();
    assert_eq!(told["result"]["isError"], true, "{told}");
    assert!(
        told.to_string().contains("declined it in a terminal"),
        "{told}"
    );
    let ran = approve(&home, ["--deny", &call]);
    assert_eq!(ran.code, Some(2), "{ran:#?}");
    for wrong in ["puppet", "puppet@xxxxxxx/1", "/1", "x/y"] {
        assert_eq!(approve(&home, ["--deny", wrong]).code, Some(2), "{wrong}");
    }
    assert_eq!(marks(&home), 0);
    // The control: without a daemon nobody outside can decide, and the call is refused at once.
    let mut alone = Client::start(&mut pinfold(&home, ["run", "--daemon=never", "puppet"]));
    alone.initialize();
    ask(&mut alone, 1, "me");
    let told = alone.next().unwrap();
    assert!(told.to_string().contains("this client can't ask"), "{told}");
}

#[test]
fn a_client_that_asks_too_is_told_that_it_was_decided() {
    let home = asked();
    let daemon = Daemon::start(&home);
    let mut client = daemon.client("puppet");
    client.request(
        "initialize",
        json!({"protocolVersion": "2025-11-25", "capabilities": {"elicitation": {}}, "clientInfo": {"name": "test", "version": "1"}}),
    );
    ask(&mut client, 1, "me");
    let question = client.next().unwrap();
    assert_eq!(question["method"], "elicitation/create", "{question}");
    let call = waiting(&home, 1).remove(0);
    let (shown, code) = typed(&home, &call, "y");
    assert_eq!(code, Some(0), "{shown}");
    let cancelled = client.next().unwrap();
    assert_eq!(
        cancelled["method"], "notifications/cancelled",
        "{cancelled}"
    );
    assert_eq!(cancelled["params"]["requestId"], question["id"]);
    let told = client.next().unwrap();
    assert_eq!(told["result"]["content"][0]["text"], "ok: \"me\"", "{told}");
    // Its user's answer comes too late, and changes nothing.
    let answer = json!({"jsonrpc": "2.0", "id": question["id"], "result": {"action": "accept"}});
    client.send(&answer.to_string());
    client.request("ping", json!({}));
    assert_eq!(marks(&home), 1);
}

#[test]
fn what_can_not_be_seen_whole_is_not_approved() {
    let home = asked();
    let daemon = Daemon::start(&home);
    let mut client = daemon.client("puppet");
    client.initialize();
    ask(&mut client, 1, &"x".repeat(100_000));
    let call = waiting(&home, 1).remove(0);
    let (shown, code) = typed(&home, &call, "y");
    assert_eq!(code, Some(2), "{shown}");
    assert!(shown.contains("characters more") && shown.contains("too long"));
    assert!(!shown.contains("[y/N]"));
    // Nor by whoever asks the daemon itself.
    let raw = Raw::open(&home);
    raw.send(&message(&json!({"decide": {"call": call, "accept": true}})));
    assert_eq!(
        raw.receive().unwrap()["message"],
        json!({"decided": "too-long"})
    );
    assert_eq!(approve(&home, ["--deny", &call]).code, Some(0));
    assert_eq!(client.next().unwrap()["result"]["isError"], true);
    assert_eq!(marks(&home), 0);
    // The control: one that fits passes.
    ask(&mut client, 2, &"x".repeat(40_000));
    let call = waiting(&home, 1).remove(0);
    let (_, code) = typed(&home, &call, "y");
    assert_eq!(code, Some(0));
    assert_eq!(client.next().unwrap()["id"], 2);
    assert_eq!(marks(&home), 1);
}
