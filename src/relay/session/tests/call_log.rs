//! Every call is recorded before it is passed on, and not passed on when it can't be.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use super::*;
use crate::relay::{Approval, CallDecision, CallLog, CallOutcome, CallRecord, Redaction};

#[derive(Debug, Default)]
struct Kept {
    lines: Vec<String>,
    fails: bool,
    wants: bool,
}

#[derive(Clone, Debug, Default)]
struct Log(Arc<Mutex<Kept>>);

impl Log {
    fn lines(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap().lines)
    }

    fn keep(&self, call: &CallRecord<'_>) {
        let decision = match call.decision {
            CallDecision::Allow => "allow",
            CallDecision::Deny => "deny",
            CallDecision::Ask => "ask",
        };
        let mut line = format!("{decision} {}", call.tool);
        let parts = [call.reason.as_deref(), call.redacted.as_deref(), call.trace];
        for part in parts.into_iter().flatten() {
            line.push_str(&format!(" | {part}"));
        }
        line.push_str(match call.approval {
            Approval::None => "",
            Approval::Client => " | approved",
            Approval::Terminal => " | approved in a terminal",
        });
        self.0.lock().unwrap().lines.push(line);
    }
}

impl CallLog for Log {
    fn begin(&mut self, call: &CallRecord<'_>) -> u64 {
        if !self.0.lock().unwrap().fails {
            self.keep(call);
        }
        7
    }

    fn confirm(&mut self, _: u64) -> Result<(), String> {
        if self.0.lock().unwrap().fails {
            return Err("the disk is full".to_owned());
        }
        Ok(())
    }

    fn settle(&mut self) {}

    fn refused(&mut self, call: &CallRecord<'_>) {
        self.keep(call);
    }

    fn end(&mut self, call: u64, outcome: CallOutcome, bytes: usize) {
        let line = format!("end {call} {outcome:?} {}", bytes > 0);
        self.0.lock().unwrap().lines.push(line);
    }

    fn wants_arguments(&self) -> bool {
        self.0.lock().unwrap().wants
    }
}

fn recorded(policy: SessionPolicy) -> (Session, Log) {
    let log = Log::default();
    let session = Session::new(policy).recorded_in(Box::new(log.clone()));
    (session, log)
}

fn call(id: u64, tool: &str, more: &str) -> Vec<u8> {
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"{tool}"{more}}}}}"#
    )
    .into_bytes()
}

#[test]
fn calls_and_how_they_end() {
    let (mut session, log) = recorded(policy(&["echo"]));
    for (answer, outcome) in [
        (r#""result":{"content":[]}"#, "Ok"),
        (r#""result":{"content":[],"isError":true}"#, "ToolError"),
        (r#""error":{"code":1,"message":"no"}"#, "Error"),
        (r#""result":{"task":{}}"#, "Refused"),
        (r#""result":{"a":1,"a":2}"#, "Refused"),
    ] {
        let outcome_of_call = session.from_client(&call(1, "echo", ""));
        assert!(outcome_of_call.to_server.is_some());
        assert_eq!(log.lines(), ["allow echo"]);
        let line = format!(r#"{{"jsonrpc":"2.0","id":1,{answer}}}"#);
        let _ = session.from_server(line.as_bytes());
        let lines = log.lines();
        assert_eq!(lines.len(), 1, "{answer}");
        assert!(
            lines[0].starts_with(&format!("end 7 {outcome} ")),
            "{lines:?}"
        );
    }
    // Nothing else is a call.
    let _ = session.from_client(br#"{"jsonrpc":"2.0","id":2,"method":"tools/list"}"#);
    assert!(log.lines().is_empty());
}

/// The end of a call that is made a task is the result that is fetched, however often.
#[test]
fn tasks_and_how_they_end() {
    let grants = Grants {
        tasks: true,
        ..Grants::default()
    };
    let task = |status: &str| format!(r#"{{"taskId":"t","status":"{status}"}}"#);
    for (answer, outcome) in [
        (r#""result":{"content":[]}"#, "Ok"),
        (r#""result":{"content":[],"isError":true}"#, "ToolError"),
        (r#""error":{"code":1,"message":"no"}"#, "Error"),
        (r#""result":{"inputRequests":{}}"#, "Refused"),
        (r#""result":{"task":{}}"#, "Refused"),
        (r#""result":{"a":1,"a":2}"#, "Refused"),
    ] {
        let (mut session, log) = recorded(SessionPolicy {
            grants: grants.clone(),
            ..policy(&["echo"])
        });
        client_passes(
            &mut session,
            &request("1", "tools/call", r#"{"name":"echo","task":{}}"#),
        );
        assert_eq!(log.lines(), ["allow echo"]);
        let made = format!(r#"{{"task":{}}}"#, task("working"));
        server_passes(&mut session, &result("1", &made));
        let about = |name: &str| request("2", &format!("tasks/{name}"), r#"{"taskId":"t"}"#);
        client_passes(&mut session, &about("get"));
        server_passes(&mut session, &result("2", &task("completed")));
        assert!(log.lines().is_empty());
        client_passes(&mut session, &about("result"));
        let answer = format!(r#"{{"jsonrpc":"2.0","id":2,{answer}}}"#);
        let _ = session.from_server(answer.as_bytes());
        let lines = log.lines();
        assert!(
            matches!(lines.as_slice(), [end] if end.starts_with(&format!("end 7 {outcome} "))),
            "{answer}: {lines:?}"
        );
        // Fetched again, if it can be, it is no other end.
        let _ = session.from_client(about("result").as_bytes());
        let _ = session.from_server(answer.as_bytes());
        assert!(log.lines().is_empty(), "{answer}");
    }
    // One that is refused ends at once; one that is forgotten, when it is.
    let (mut session, log) = recorded(SessionPolicy {
        grants,
        ..policy(&["echo"])
    });
    let call = request("1", "tools/call", r#"{"name":"echo","task":{}}"#);
    client_passes(&mut session, &call);
    let _ = server(&mut session, &result("1", r#"{"task":{}}"#));
    assert_eq!(log.lines(), ["allow echo", "end 7 Refused true"]);
    for number in 0..=crate::relay::tasks::MAX_OVER {
        client_passes(&mut session, &call);
        let made = format!(r#"{{"task":{{"taskId":"{number}","status":"failed"}}}}"#);
        assert!(!log.lines().iter().any(|line| line.starts_with("end")));
        server_passes(&mut session, &result("1", &made));
    }
    assert_eq!(log.lines(), ["end 7 None false"]);
}

#[test]
fn calls_that_are_refused() {
    let (mut session, log) = recorded(policy(&["echo"]));
    for line in [
        call(1, "nope", ""),
        br#"{"jsonrpc":"2.0","method":"tools/call","params":{"name":"echo"}}"#.to_vec(),
        br#"{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":1}}"#.to_vec(),
    ] {
        assert!(session.from_client(&line).to_server.is_none());
        let lines = log.lines();
        assert_eq!(lines.len(), 1);
        assert!(lines[0].starts_with("deny "), "{lines:?}");
    }
    // The second with the same id while the first is under way.
    assert!(
        session
            .from_client(&call(4, "echo", ""))
            .to_server
            .is_some()
    );
    assert!(
        session
            .from_client(&call(4, "echo", ""))
            .to_server
            .is_none()
    );
    let lines = log.lines();
    assert_eq!(lines[0], "allow echo");
    assert!(
        lines[1].starts_with("deny echo | its id is already in use"),
        "{lines:?}"
    );
}

#[test]
fn a_call_that_cannot_be_recorded_is_not_passed_on() {
    let (mut session, log) = recorded(policy(&["echo"]));
    log.0.lock().unwrap().fails = true;
    let outcome = session.from_client(&call(1, "echo", ""));
    assert!(outcome.to_server.is_none());
    let answer = String::from_utf8(outcome.to_client.unwrap()).unwrap();
    assert!(
        answer.contains("the disk is full") && answer.contains("isError"),
        "{answer}"
    );
    // It is not waited for: the id is free, and an answer to it is nobody's.
    let late = br#"{"jsonrpc":"2.0","id":1,"result":{}}"#;
    assert!(session.from_server(late).to_client.is_none());
    // The control, and everything but calls passes in any case.
    let list = br#"{"jsonrpc":"2.0","id":2,"method":"tools/list"}"#;
    assert!(session.from_client(list).to_server.is_some());
    log.0.lock().unwrap().fails = false;
    assert!(
        session
            .from_client(&call(1, "echo", ""))
            .to_server
            .is_some()
    );
    assert!(session.from_server(late).to_client.is_some());
}

#[test]
fn of_calls_that_are_judged_together_none_passes_unrecorded() {
    for fails in [false, true] {
        let (mut session, log) = recorded(policy(&["echo"]));
        let lines = [
            call(1, "echo", ""),
            br#"{"jsonrpc":"2.0","id":2,"method":"tools/list"}"#.to_vec(),
            call(3, "nope", ""),
            call(4, "echo", ""),
        ];
        let judged = lines.map(|line| session.judge_client(&line));
        log.0.lock().unwrap().fails = fails;
        let passed = judged.map(|judged| session.release(judged).to_server.is_some());
        assert_eq!(passed, [!fails, true, false, !fails]);
        // Those that were refused are not waited for.
        for (id, waits) in [(1, !fails), (2, true), (3, false), (4, !fails)] {
            let answer = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"tools":[]}}}}"#);
            let outcome = session.from_server(answer.as_bytes());
            assert_eq!(outcome.to_client.is_some(), waits, "{id} {fails}");
        }
        let calls = session.policy.passed_calls.load(Ordering::Relaxed);
        assert_eq!(calls, if fails { 0 } else { 2 });
    }
}

#[test]
fn arguments_only_where_they_are_wanted_and_traces_only_if_they_are_some() {
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let more =
        format!(r#","arguments":{{"a":"s3cret-value","b":1}},"_meta":{{"traceparent":"{trace}"}}"#);
    let redaction = Redaction::new([("KEY".to_owned(), "s3cret-value".to_owned())]);
    let policy = SessionPolicy {
        redaction,
        ..policy(&["echo"])
    };
    let (mut session, log) = recorded(policy);
    let _ = session.from_client(&call(1, "echo", &more));
    assert_eq!(log.lines(), [format!("allow echo | {trace}")]);
    log.0.lock().unwrap().wants = true;
    let other = more.replace(trace, "s3cret-value");
    let _ = session.from_client(&call(2, "echo", &other));
    assert_eq!(
        log.lines(),
        [r#"allow echo | {"a":"[redacted: KEY]","b":1}"#]
    );
    let long = format!(r#","arguments":{{"a":"{}"}}"#, "x".repeat(20_000));
    let _ = session.from_client(&call(3, "echo", &long));
    assert_eq!(log.lines(), ["allow echo"]);
}

#[test]
fn approvals() {
    use crate::relay::{CallRules, Ruled};
    let place = "`tools.ask`, line 7".to_owned();
    let mut policy = policy(&["echo"]);
    let ask = [("echo".parse().unwrap(), Ruled { what: (), place })];
    policy.calls = CallRules {
        ask: ask.into(),
        ..CallRules::default()
    };
    let (mut session, log) = recorded(policy);
    let now = std::time::Instant::now();
    session.set_time(now);
    let initialize = br#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{"elicitation":{}}}}"#;
    let _ = session.from_client(initialize);
    let _ = session.from_server(br#"{"jsonrpc":"2.0","id":0,"result":{}}"#);
    let mut decide = |action: &str, fails: bool| {
        log.0.lock().unwrap().fails = false;
        let asked = session.from_client(&call(5, "echo", ""));
        assert_eq!(log.lines(), ["ask echo"]);
        let question: serde_json::Value =
            serde_json::from_slice(&asked.to_client.unwrap()).unwrap();
        let answer = format!(
            r#"{{"jsonrpc":"2.0","id":{},"result":{{"action":"{action}"}}}}"#,
            question["id"]
        );
        log.0.lock().unwrap().fails = fails;
        let passed = session.from_client(answer.as_bytes()).to_server.is_some();
        if passed {
            let _ = session.from_server(br#"{"jsonrpc":"2.0","id":5,"result":{}}"#);
        }
        (passed, log.lines())
    };
    let (passed, lines) = decide("decline", false);
    assert!(!passed);
    assert_eq!(lines, ["deny echo | the user declined it"]);
    let (passed, lines) = decide("accept", false);
    assert!(passed);
    assert_eq!(lines, ["allow echo | approved", "end 7 Ok true"]);
    assert_eq!(decide("accept", true), (false, Vec::new()));
    // Nobody answers.
    log.0.lock().unwrap().fails = false;
    let _ = session.from_client(&call(5, "echo", ""));
    session.set_time(now + std::time::Duration::from_secs(3600));
    let _ = session.expire();
    let lines = log.lines();
    assert_eq!(lines[0], "ask echo");
    assert!(
        lines[1].starts_with("deny echo | the user did not answer"),
        "{lines:?}"
    );
}
