//! Questions of the server that the client is to work on as tasks (2025-11-25), and what a
//! message says that it belongs to.

use super::grants::{everything, granting};
use super::*;
use crate::relay::grants::Grants;

const DECLARED: &str = r#"{"sampling":{},"elicitation":{"form":{}},"tasks":{"cancel":{},"requests":{"sampling":{"createMessage":{}},"elicitation":{"create":{}}}}}"#;
const SAMPLE: &str = r#"{"messages":[],"task":{"ttl":1}}"#;
const FORM: &str = r#"{"message":"m","task":{}}"#;

fn asked(capabilities: &str) -> Session {
    let grants = Grants {
        tasks: true,
        ..everything()
    };
    let mut session = granting(grants);
    let params = format!(r#"{{"capabilities":{capabilities}}}"#);
    let _ = client(&mut session, &request("0", "initialize", &params));
    server_passes(&mut session, &result("0", "{}"));
    session
}

fn state(task: &str, status: &str) -> String {
    format!(r#"{{"taskId":"{task}","status":"{status}"}}"#)
}

fn about(name: &str, task: &str) -> String {
    let params = format!(r#"{{"taskId":"{task}"}}"#);
    request("8", &format!("tasks/{name}"), &params)
}

/// The server asks, and the client makes a task of it.
fn make(session: &mut Session, method: &str, params: &str, task: &str) {
    server_passes(session, &request("7", method, params));
    let made = format!(r#"{{"task":{}}}"#, state(task, "working"));
    client_passes(session, &result("7", &made));
}

/// The server's request is refused with a text that has this in it.
#[track_caller]
fn refused(session: &mut Session, line: &str, says: &str) {
    let (back, to_client, events) = server(session, line);
    let back = back.unwrap();
    assert_eq!(to_client, None, "{line}");
    assert!(back.contains(says), "{back}");
    assert!(matches!(
        events.as_slice(),
        [Event::ServerRequestRefused { .. }]
    ));
}

const UNKNOWN: &str = "this session has no such task";

#[test]
fn a_question_is_made_a_task_and_its_answer_fetched() {
    for (method, params, answer) in [
        ("sampling/createMessage", SAMPLE, r#"{"role":"assistant"}"#),
        ("elicitation/create", FORM, r#"{"action":"decline"}"#),
    ] {
        let mut session = asked(DECLARED);
        make(&mut session, method, params, "t");
        server_passes(&mut session, &about("get", "t"));
        client_passes(&mut session, &result("8", &state("t", "input_required")));
        let status = notification("notifications/tasks/status", &state("t", "completed"));
        client_passes(&mut session, &status);
        for _ in 0..2 {
            server_passes(&mut session, &about("result", "t"));
            client_passes(&mut session, &result("8", answer));
        }
        make(&mut session, method, params, "u");
        let wished = request("8", "tasks/get", r#"{"task":{},"taskId":"u"}"#);
        let (_, to_client, _) = server(&mut session, &wished);
        assert_eq!(to_client, Some(about("get", "u")));
        client_passes(&mut session, &result("8", &state("u", "working")));
        server_passes(&mut session, &about("cancel", "u"));
        client_passes(&mut session, &result("8", &state("u", "cancelled")));
        // The client may also answer at once.
        server_passes(&mut session, &request("7", method, params));
        client_passes(&mut session, &result("7", answer));
    }
}

#[test]
fn what_holds_for_a_question_holds_for_one_that_is_a_task() {
    let task = r#","task":{}}"#;
    let with = |params: &str| params.replace('}', task);
    let mut session = asked(DECLARED);
    for (method, params, says) in [
        (
            "elicitation/create",
            r#"{"mode":"url","url":"https://a.test"}"#,
            "this mode|url",
        ),
        ("elicitation/create", r#"{"mode":1}"#, "not a string"),
        (
            "sampling/createMessage",
            r#"{"tools":[]}"#,
            "sampling.tools",
        ),
        ("roots/list", "{}", "Method not found"),
    ] {
        let params = with(params).replace("{,", "{");
        let (back, to_client, _) = server(&mut session, &request("7", method, &params));
        let back = back.unwrap();
        assert_eq!(to_client, None, "{params}");
        assert!(says.split('|').any(|says| back.contains(says)), "{back}");
    }
    // Context of other servers is taken out.
    let params = r#"{"messages":[],"includeContext":"allServers","task":{"ttl":1}}"#;
    let (_, to_client, _) = server(
        &mut session,
        &request("7", "sampling/createMessage", params),
    );
    let expected = params.replace(r#""includeContext":"allServers","#, "");
    assert_eq!(
        to_client,
        Some(request("7", "sampling/createMessage", &expected))
    );
    for bad in ["null", "[]", r#"{"ttl":"1"}"#, r#"{"taskId":"t"}"#] {
        let params = format!(r#"{{"messages":[],"task":{bad}}}"#);
        refused(
            &mut session,
            &request("9", "sampling/createMessage", &params),
            "`task`",
        );
    }
    let list = request("9", "roots/list", r#"{"task":{}}"#);
    let grants = r#"{"roots":{},"tasks":{"requests":{"sampling":{"createMessage":{}}}},"sampling":{},"elicitation":{}}"#;
    let mut session = asked(grants);
    let says = "has not declared that it can";
    refused(&mut session, &list, says);
    refused(
        &mut session,
        &request("9", "elicitation/create", FORM),
        says,
    );
    server_passes(
        &mut session,
        &request("9", "sampling/createMessage", SAMPLE),
    );
    server_passes(
        &mut session,
        &request("10", "elicitation/create", r#"{"message":"m"}"#),
    );
    // One inside a result never is a task.
    let meta = format!(
        r#""_meta":{{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{DECLARED}}}"#
    );
    let call = request("1", "tools/call", &format!(r#"{{"name":"echo",{meta}}}"#));
    let question = |params: &str| {
        let inner = format!(r#"{{"k":{{"method":"sampling/createMessage","params":{params}}}}}"#);
        result(
            "1",
            &format!(r#"{{"resultType":"input_required","inputRequests":{inner}}}"#),
        )
    };
    for (params, passes) in [(SAMPLE, false), (r#"{"messages":[]}"#, true)] {
        let (to_server, ..) = client(&mut session, &call);
        assert!(to_server.is_some());
        let (_, to_client, _) = server(&mut session, &question(params));
        assert_eq!(
            to_client.unwrap().contains("createMessage\",\"params"),
            passes
        );
    }
}

#[test]
fn a_server_knows_its_own_tasks_only() {
    let mut session = asked(DECLARED);
    make(&mut session, "elicitation/create", FORM, "t");
    for task in ["u", "T", "t\\u0000", ""] {
        for name in ["get", "result", "cancel"] {
            refused(&mut session, &about(name, task), "-32602");
        }
    }
    refused(&mut session, &request("8", "tasks/get", "{}"), "not an id");
    let two = r#"{"taskId":"u","TaskId":"t"}"#;
    refused(&mut session, &request("8", "tasks/get", two), "two ways");
    refused(
        &mut session,
        &request("8", "tasks/list", "{}"),
        "Method not found",
    );
    // What the server works on is no task of the client's, and the other way round.
    let call = request("1", "tools/call", r#"{"name":"echo","task":{}}"#);
    client_passes(&mut session, &call);
    let made = |task| result("1", &format!(r#"{{"task":{}}}"#, state(task, "working")));
    server_passes(&mut session, &made("s"));
    refused(&mut session, &about("result", "s"), UNKNOWN);
    let line = about("result", "t");
    let says = format!("Refused: {UNKNOWN}");
    client_refused(&mut session, &line, "8", -32602, &says);
    // Each side has ids of its own.
    client_passes(&mut session, &call);
    server_passes(&mut session, &made("t"));
    client_passes(&mut session, &line);
    server_passes(&mut session, &line);
    for (task, passes) in [("t", true), ("u", false), ("s", false)] {
        let status = notification("notifications/tasks/status", &state(task, "working"));
        assert_eq!(client(&mut session, &status).0.is_some(), passes, "{task}");
    }
}

#[test]
fn an_answer_is_about_the_task_that_was_asked_for() {
    let says = |line: Option<String>, says: &str| {
        let line = line.unwrap();
        assert!(line.contains("-32603") && line.contains(says), "{line}");
    };
    let mut session = asked(DECLARED);
    make(&mut session, "elicitation/create", FORM, "t");
    make(&mut session, "elicitation/create", FORM, "u");
    make(&mut session, "elicitation/create", FORM, "w");
    // A list of tasks in the place of the one, or another one.
    for answer in [state("u", "working"), r#"{"tasks":[]}"#.to_owned()] {
        server_passes(&mut session, &about("get", "t"));
        says(client(&mut session, &result("8", &answer)).0, "refused");
    }
    let task = format!(r#"{{"task":{}}}"#, state("v", "working"));
    server_passes(&mut session, &about("result", "w"));
    says(
        client(&mut session, &result("8", &task)).0,
        "in the place of a result",
    );
    refused(&mut session, &about("result", "w"), UNKNOWN);
    // One id for two.
    server_passes(&mut session, &request("7", "elicitation/create", FORM));
    let again = format!(r#"{{"task":{}}}"#, state("t", "working"));
    says(
        client(&mut session, &result("7", &again)).0,
        "that of another one",
    );
    // A question that is no task makes none.
    server_passes(
        &mut session,
        &request("7", "elicitation/create", r#"{"message":"m"}"#),
    );
    let _ = client(&mut session, &result("7", &task));
    refused(&mut session, &about("result", "v"), UNKNOWN);
    // An error is the end.
    server_passes(&mut session, &about("result", "t"));
    client_passes(&mut session, &failure("8", -1, "{}"));
    refused(&mut session, &about("result", "t"), UNKNOWN);
    server_passes(&mut session, &about("result", "u"));
}

#[test]
fn a_message_belongs_to_a_task_of_this_session_or_to_none() {
    let key = "io.modelcontextprotocol/related-task";
    let ask = |related: &str| {
        request(
            "7",
            "elicitation/create",
            &format!(r#"{{"message":"m","_meta":{{"a":1,"{key}":{related},"b":2}}}}"#),
        )
    };
    let without = request(
        "7",
        "elicitation/create",
        r#"{"message":"m","_meta":{"a":1,"b":2}}"#,
    );
    let seen = |session: &mut Session, line: &str| {
        let (_, to_client, _) = server(session, line);
        client_passes(session, &result("7", r#"{"action":"accept"}"#));
        to_client.unwrap()
    };
    let mut session = asked(DECLARED);
    let call = request("1", "tools/call", r#"{"name":"echo","task":{}}"#);
    client_passes(&mut session, &call);
    let made = format!(
        r#"{{"task":{},"_meta":{{"{key}":{{"taskId":"t"}}}}}}"#,
        state("t", "working")
    );
    server_passes(&mut session, &result("1", &made));
    let known = ask(r#"{"taskId":"t"}"#);
    assert_eq!(seen(&mut session, &known), known);
    for foreign in [
        r#"{"taskId":"u"}"#,
        "{}",
        "1",
        r#"{"taskId":"t","TaskId":"u"}"#,
    ] {
        assert_eq!(seen(&mut session, &ask(foreign)), without, "{foreign}");
    }
    // In notifications and results, and in sessions without tasks.
    let progress = |related: &str| {
        let params = format!(r#"{{"progress":1,"_meta":{{{related}}}}}"#);
        notification("notifications/progress", &params)
    };
    let foreign = format!(r#""{key}":{{"taskId":"u"}}"#);
    let (_, to_client, _) = server(&mut session, &progress(&foreign));
    assert_eq!(to_client, Some(progress("")));
    server_passes(&mut session, &progress(&foreign.replace("\"u\"", "\"t\"")));
    client_passes(&mut session, &request("2", "ping", "{}"));
    let (_, to_client, _) = server(
        &mut session,
        &result("2", &format!(r#"{{"_meta":{{{foreign}}}}}"#)),
    );
    assert_eq!(to_client, Some(result("2", r#"{"_meta":{}}"#)));
    let mut ungranted = granting(everything());
    let (_, to_client, _) = server(
        &mut ungranted,
        &progress(&foreign.replace("\"u\"", "\"t\"")),
    );
    assert_eq!(to_client, Some(progress("")));
    // Only where it means that.
    let text = format!(r#"{{"content":[],"structuredContent":{{"_meta":{{{foreign}}}}}}}"#);
    client_passes(
        &mut session,
        &request("3", "tools/call", r#"{"name":"echo"}"#),
    );
    server_passes(&mut session, &result("3", &text));
}
