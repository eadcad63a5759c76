//! Tasks (2025-11-25) with the grant: whose result is fetched, and what that may be. Each
//! refusal beside what passes.

use super::grants::{everything, granting};
use super::*;
use crate::relay::grants::Grants;

pub(super) const DECLARED: &str = r#"{"sampling":{},"elicitation":{"form":{},"url":{}},"tasks":{"list":{},"cancel":{},"requests":{"sampling":{"createMessage":{}},"elicitation":{"create":{}}}}}"#;
const MODERN: &str = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}"#;
pub(super) const RELATED: &str = "io.modelcontextprotocol/related-task";

pub(super) fn granted() -> Grants {
    Grants {
        tasks: true,
        ..everything()
    }
}

/// After the client has declared all that it can.
pub(super) fn session() -> Session {
    let mut session = granting(granted());
    declare(&mut session, DECLARED);
    session
}

pub(super) fn declare(session: &mut Session, capabilities: &str) -> String {
    let params = format!(r#"{{"capabilities":{capabilities}}}"#);
    let (seen, ..) = client(session, &request("0", "initialize", &params));
    server_passes(session, &result("0", "{}"));
    seen.unwrap()
}

pub(super) fn call(id: &str, more: &str) -> String {
    let params = format!(r#"{{"name":"echo"{more}}}"#);
    request(id, "tools/call", &params)
}

pub(super) fn about(id: &str, request_name: &str, task: &str) -> String {
    let params = format!(r#"{{"taskId":"{task}"}}"#);
    request(id, &format!("tasks/{request_name}"), &params)
}

pub(super) fn state(task: &str, status: &str) -> String {
    format!(
        r#"{{"taskId":"{task}","status":"{status}","createdAt":"2026-01-01T00:00:00Z","ttl":null}}"#
    )
}

pub(super) fn made(id: &str, task: &str) -> String {
    result(id, &format!(r#"{{"task":{}}}"#, state(task, "working")))
}

pub(super) const WISH: &str = r#","task":{"ttl":60000}"#;
pub(super) const TEXT: &str = r#"{"content":[{"type":"text","text":"x"}]}"#;

/// The client calls and the server makes a task of it.
pub(super) fn make(session: &mut Session, id: &str, task: &str) {
    client_passes(session, &call(id, WISH));
    server_passes(session, &made(id, task));
}

/// The client gets an error in the place of the server's answer.
#[track_caller]
pub(super) fn replaced(session: &mut Session, line: &str, says: &str) {
    let (to_server, to_client, events) = server(session, line);
    let answer = to_client.unwrap();
    assert_eq!(to_server, None, "{line}");
    assert!(answer.contains(r#""error":{"code":-3100"#), "{answer}");
    assert!(answer.contains(says), "{answer}");
    assert!(matches!(events.as_slice(), [Event::AnswerReplaced { .. }]));
}

pub(super) const UNKNOWN: &str = "Refused: this session has no such task";

#[test]
fn a_call_is_made_a_task_and_its_result_fetched() {
    let mut session = session();
    make(&mut session, "1", "t");
    for status in ["working", "input_required"] {
        client_passes(&mut session, &about("2", "get", "t"));
        server_passes(&mut session, &result("2", &state("t", status)));
    }
    let status = notification("notifications/tasks/status", &state("t", "completed"));
    server_passes(&mut session, &status);
    // Fetched, and fetched again.
    for id in ["3", "4"] {
        client_passes(&mut session, &about(id, "result", "t"));
        let related = format!(r#"{{"content":[],"_meta":{{"{RELATED}":{{"taskId":"t"}}}}}}"#);
        server_passes(&mut session, &result(id, &related));
    }
    make(&mut session, "5", "u");
    // The wish for a task, which some clients repeat with each request about it, is taken out.
    for name in ["get", "result", "cancel"] {
        let params = r#"{"taskId":"u","task":{"ttl":1}}"#;
        let line = request("6", &format!("tasks/{name}"), params);
        let (to_server, ..) = client(&mut session, &line);
        assert_eq!(to_server, Some(about("6", name, "u")));
        server_passes(&mut session, &result("6", &state("u", "working")));
    }
    client_passes(&mut session, &about("6", "cancel", "u"));
    server_passes(&mut session, &result("6", &state("u", "cancelled")));
    // One that is answered at once, because its server makes no tasks.
    client_passes(&mut session, &call("7", r#","task":{}"#));
    server_passes(&mut session, &result("7", TEXT));
}

#[test]
fn without_the_grant_nothing_of_it_passes() {
    let mut session = granting(everything());
    let seen = declare(&mut session, DECLARED);
    assert!(!seen.contains("tasks"), "{seen}");
    let says = "Refused: tasks are not granted to this server";
    client_refused(&mut session, &call("1", WISH), "1", -32602, says);
    for name in ["get", "result", "cancel"] {
        let message = format!("Method not found: tasks/{name}");
        client_refused(&mut session, &about("1", name, "t"), "1", -32601, &message);
        let (back, to_client, _) = server(&mut session, &about("1", name, "t"));
        assert_eq!(
            (back, to_client),
            (Some(error("1", -32601, &message)), None)
        );
    }
    let (_, to_client, _) = server(
        &mut session,
        &request(
            "1",
            "sampling/createMessage",
            r#"{"messages":[],"task":{}}"#,
        ),
    );
    assert_eq!(to_client, None);
    let status = notification("notifications/tasks/status", &state("t", "completed"));
    server_dropped(&mut session, &status, "not granted");
    assert_eq!(client(&mut session, &status).0, None);
    // Control: with the grant the same call passes.
    client_passes(&mut self::session(), &call("1", WISH));
}

#[test]
fn the_capability_is_reduced_to_what_is_granted() {
    let seen = declare(&mut granting(granted()), DECLARED);
    let tasks = r#""tasks":{"cancel":{},"requests":{"sampling":{"createMessage":{}},"elicitation":{"create":{}}}}"#;
    assert!(seen.contains(tasks), "{seen}");
    let only_sampling = Grants {
        sampling: true,
        tasks: true,
        ..Grants::default()
    };
    let seen = declare(&mut granting(only_sampling), DECLARED);
    let tasks = r#""tasks":{"cancel":{},"requests":{"sampling":{"createMessage":{}}}}"#;
    assert!(seen.contains(tasks), "{seen}");
    let only_tasks = Grants {
        tasks: true,
        ..Grants::default()
    };
    let seen = declare(&mut granting(only_tasks.clone()), DECLARED);
    assert!(seen.contains(r#""capabilities":{}"#), "{seen}");
    // In 2026-07-28 there is no such capability, whoever declares it.
    let mut session = granting(granted());
    let modern = format!(
        r#"{{{},"io.modelcontextprotocol/clientCapabilities":{DECLARED}}}}}"#,
        MODERN.strip_suffix('}').unwrap()
    );
    let (seen, ..) = client(&mut session, &request("1", "tools/list", &modern));
    let seen = seen.unwrap();
    assert!(
        !seen.contains("tasks") && seen.contains("sampling"),
        "{seen}"
    );
    // And the server's.
    let announced = r#"{"capabilities":{"tasks":{"list":{},"cancel":{},"requests":{"tools":{"call":{}}}},"tools":{}}}"#;
    let mut session = granting(only_tasks);
    client_passes(&mut session, &request("1", "initialize", "{}"));
    let (_, seen, _) = server(&mut session, &result("1", announced));
    assert_eq!(
        seen.unwrap(),
        result("1", &announced.replace(r#""list":{},"#, ""))
    );
    client_passes(&mut session, &request("2", "server/discover", "{}"));
    let (_, seen, _) = server(&mut session, &result("2", announced));
    assert_eq!(
        seen.unwrap(),
        result("2", r#"{"capabilities":{"tools":{}}}"#)
    );
}

#[test]
fn only_calls_are_made_tasks_and_only_in_their_revision() {
    let mut session = session();
    let wish = |wish: &str| format!(r#","task":{wish}"#);
    for bad in [
        "null",
        "1",
        r#"{"ttl":"1"}"#,
        r#"{"x":1}"#,
        r#"{"ttl":1.5}"#,
    ] {
        let (to_server, to_client, _) = client(&mut session, &call("1", &wish(bad)));
        assert_eq!(to_server, None, "{bad}");
        assert!(to_client.unwrap().contains("-32602"), "{bad}");
    }
    let only = "Refused: only a call of 2025-11-25 can be made a task";
    let prompt = request("1", "prompts/get", r#"{"name":"p","task":{}}"#);
    client_refused(&mut session, &prompt, "1", -32602, only);
    let modern = call("1", &format!("{WISH},{MODERN}"));
    client_refused(&mut session, &modern, "1", -32602, only);
    // The extension's requests have the same names.
    make(&mut session, "2", "t");
    for name in ["get", "result", "cancel"] {
        let line = request(
            "3",
            &format!("tasks/{name}"),
            &format!(r#"{{"taskId":"t",{MODERN}}}"#),
        );
        let message = format!("Method not found: tasks/{name}");
        client_refused(&mut session, &line, "3", -32601, &message);
    }
    for name in ["list", "update"] {
        let message = format!("Method not found: tasks/{name}");
        client_refused(&mut session, &about("3", name, "t"), "3", -32601, &message);
    }
    client_passes(&mut session, &about("3", "get", "t"));
}

#[test]
fn only_the_tasks_of_this_session_are_known() {
    let mut session = session();
    make(&mut session, "1", "t");
    for task in ["u", "T", "t ", "", "t\\u0000", "\\u0074\\u0301"] {
        for name in ["get", "result", "cancel"] {
            let (to_server, to_client, _) = client(&mut session, &about("2", name, task));
            assert_eq!(to_server, None, "{task}");
            assert!(to_client.unwrap().contains("-32602"), "{task}");
        }
    }
    let nothing = request("2", "tasks/get", "{}");
    client_refused(
        &mut session,
        &nothing,
        "2",
        -32602,
        "Refused: `taskId` is not an id",
    );
    // Another way to write it is the same id, and is written in the one way.
    let (to_server, ..) = client(&mut session, &about("2", "get", "\\u0074"));
    assert_eq!(to_server, Some(about("2", "get", "t")));
    // Another session's is not this one's, and a call that was refused made none.
    let mut other = self::session();
    client_refused(&mut other, &about("2", "result", "t"), "2", -32602, UNKNOWN);
    let unlisted = request("3", "tools/call", r#"{"name":"evil","task":{}}"#);
    client_refused(&mut other, &unlisted, "3", -32602, "Unknown tool: evil");
    let (_, to_client, _) = server(&mut other, &made("3", "t"));
    assert_eq!(to_client, None);
    client_refused(&mut other, &about("2", "result", "t"), "2", -32602, UNKNOWN);
    // A status of another one does not reach the client.
    let status = |task: &str| notification("notifications/tasks/status", &state(task, "working"));
    server_dropped(&mut session, &status("u"), "not granted");
    server_passes(&mut session, &status("t"));
    let whole = notification(
        "notifications/tasks/status",
        r#"{"taskId":"t","status":"completed","result":{}}"#,
    );
    server_dropped(&mut session, &whole, "not granted");
}

#[test]
fn a_task_that_nobody_wished_for_is_refused() {
    let mut session = session();
    client_passes(&mut session, &call("1", ""));
    replaced(&mut session, &made("1", "t"), "asked for a task");
    client_refused(
        &mut session,
        &about("2", "result", "t"),
        "2",
        -32602,
        UNKNOWN,
    );
    client_passes(
        &mut session,
        &request("3", "prompts/get", r#"{"name":"p"}"#),
    );
    replaced(&mut session, &made("3", "t"), "asked for a task");
    // Nor that of the extension, whatever was wished for.
    client_passes(&mut session, &call("4", WISH));
    let extension = r#"{"resultType":"task","taskId":"t","status":"working"}"#;
    replaced(&mut session, &result("4", extension), "asked for a task");
    client_refused(&mut session, &about("5", "get", "t"), "5", -32602, UNKNOWN);
    make(&mut session, "6", "t");
}

#[test]
fn what_is_no_proper_task_is_refused() {
    let long = "x".repeat(257);
    for (bad, says) in [
        (r#"{"task":{}}"#.to_owned(), "not an id"),
        (r#"{"task":[]}"#.to_owned(), "not an object"),
        (
            format!(r#"{{"task":{}}}"#, state(&long, "working")),
            "not an id",
        ),
        (
            format!(r#"{{"task":{}}}"#, state("a b", "working")),
            "not an id",
        ),
        (format!(r#"{{"task":{}}}"#, state("t", "strange")), "status"),
        (
            format!(r#"{{"task":{},"content":[]}}"#, state("t", "working")),
            "a task and a result at once",
        ),
        (
            r#"{"task":{"taskId":"t","status":"working","TaskId":"u"}}"#.to_owned(),
            "two ways",
        ),
        (
            r#"{"task":{"taskId":"t","status":"completed","result":{}}}"#.to_owned(),
            "holds more",
        ),
    ] {
        let mut session = session();
        client_passes(&mut session, &call("1", WISH));
        replaced(&mut session, &result("1", &bad), says);
        client_refused(&mut session, &about("2", "get", "t"), "2", -32602, UNKNOWN);
    }
}

#[test]
fn an_id_belongs_to_one_task() {
    let mut session = session();
    make(&mut session, "1", "t");
    let taken = "the id of a new task is that of another one";
    client_passes(&mut session, &call("2", WISH));
    replaced(&mut session, &made("2", "t"), taken);
    // Also when it is over,
    client_passes(&mut session, &about("3", "result", "t"));
    server_passes(&mut session, &result("3", TEXT));
    client_passes(&mut session, &call("4", WISH));
    replaced(&mut session, &made("4", "t"), taken);
    // but not when it has ended in an error.
    client_passes(&mut session, &about("5", "result", "t"));
    server_passes(&mut session, &failure("5", -32603, "{}"));
    client_refused(&mut session, &about("6", "get", "t"), "6", -32602, UNKNOWN);
    make(&mut session, "7", "t");
}

#[test]
fn what_was_asked_of_one_task_is_not_answered_by_the_next_of_its_id() {
    let mut session = session();
    make(&mut session, "1", "t");
    client_passes(&mut session, &about("2", "result", "t"));
    client_passes(&mut session, &about("3", "result", "t"));
    server_passes(&mut session, &failure("2", -32603, "{}"));
    make(&mut session, "4", "t");
    replaced(&mut session, &result("3", TEXT), "no such task");
    client_passes(&mut session, &about("5", "result", "t"));
    server_passes(&mut session, &result("5", TEXT));
}
