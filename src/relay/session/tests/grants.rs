//! What the manifest grants beyond tools, before 2026-07-28: capabilities, the server's own
//! requests, notifications, methods by name. Each beside what happens without the grant.

use super::*;
use crate::relay::grants::{Elicitation, Grants};

const DECLARED: &str = r#"{"experimental":{"x":{}},"roots":{"listChanged":true},"sampling":{"context":{},"tools":{}},"elicitation":{"form":{},"url":{}},"tasks":{},"extensions":{}}"#;

pub(super) fn granting(grants: Grants) -> Session {
    Session::new(SessionPolicy {
        grants,
        granted_paths: vec!["/projects".into()],
        ..policy(&["echo"])
    })
}

pub(super) fn everything() -> Grants {
    Grants {
        sampling: true,
        elicitation: Elicitation::Url,
        roots: true,
        ..Grants::default()
    }
}

/// Has the client declare; gives what the server sees.
fn initialize(session: &mut Session, capabilities: &str) -> String {
    let line = request(
        "1",
        "initialize",
        &format!(r#"{{"capabilities":{capabilities}}}"#),
    );
    let (to_server, to_client, _) = client(session, &line);
    assert_eq!(to_client, None);
    server_passes(session, &result("1", "{}"));
    let seen = to_server.unwrap();
    let (start, end) = (r#""capabilities":"#, "}}");
    let from = seen.find(start).unwrap() + start.len();
    seen[from..seen.len() - end.len()].to_owned()
}

/// The server asks, is refused with this code and text, and the client hears nothing.
#[track_caller]
fn refused(session: &mut Session, method: &str, params: &str, code: i64, message: &str) {
    let (to_server, to_client, events) = server(session, &request("7", method, params));
    assert_eq!(to_client, None, "{method} {params}");
    assert_eq!(to_server, Some(error("7", code, message)), "{params}");
    assert!(matches!(
        events.as_slice(),
        [Event::ServerRequestRefused { .. }]
    ));
}

#[test]
fn exactly_what_is_granted_is_declared() {
    for (grants, seen) in [
        (Grants::default(), "{}"),
        (
            everything(),
            r#"{"roots":{"listChanged":true},"sampling":{"tools":{}},"elicitation":{"form":{},"url":{}}}"#,
        ),
        (
            Grants {
                elicitation: Elicitation::Form,
                ..Grants::default()
            },
            r#"{"elicitation":{"form":{}}}"#,
        ),
    ] {
        assert_eq!(initialize(&mut granting(grants), DECLARED), seen);
    }
}

#[test]
fn a_granted_question_is_asked_and_answered() {
    for (method, params, answer) in [
        (
            "sampling/createMessage",
            r#"{"messages":[],"maxTokens":1,"includeContext":"none"}"#,
            r#"{"role":"assistant","model":"m"}"#,
        ),
        (
            "elicitation/create",
            r#"{"message":"m"}"#,
            r#"{"action":"decline"}"#,
        ),
        (
            "elicitation/create",
            r#"{"mode":"form","message":"m"}"#,
            r#"{"action":"decline"}"#,
        ),
        (
            "elicitation/create",
            r#"{"mode":"url","url":"https://a.test/x?y","message":"m"}"#,
            r#"{"action":"accept"}"#,
        ),
    ] {
        let mut session = granting(everything());
        initialize(&mut session, DECLARED);
        server_passes(&mut session, &request("7", method, params));
        // The client has a request with the same id; its answer is another one.
        client_passes(&mut session, &request("7", "ping", "{}"));
        client_passes(&mut session, &result("7", answer));
        let (to_server, _, events) = client(&mut session, &result("7", answer));
        assert_eq!((to_server, events.len()), (None, 1), "answered twice");
        server_passes(&mut session, &result("7", "{}"));

        // Without the grant, and without the capability.
        let message = format!("Method not found: {method}");
        let mut without = granting(Grants::default());
        initialize(&mut without, DECLARED);
        refused(&mut without, method, params, -32601, &message);
        let mut undeclared = granting(everything());
        refused(&mut undeclared, method, params, -32601, &message);
        initialize(&mut undeclared, "{}");
        refused(&mut undeclared, method, params, -32601, &message);
    }
}

#[test]
fn a_question_stays_within_what_is_granted() {
    let form = Grants {
        elicitation: Elicitation::Form,
        sampling: true,
        ..Grants::default()
    };
    let mut session = granting(form);
    initialize(
        &mut session,
        r#"{"elicitation":{"form":{},"url":{}},"sampling":{}}"#,
    );
    let ask = "elicitation/create";
    for (params, says) in [
        (
            r#"{"mode":"url","url":"https://a.test"}"#,
            "`grants.elicitation = \\\"url\\\"` does not grant it",
        ),
        (r#"{"mode":"x"}"#, "the client has not declared this mode"),
        (r#"{"mode":1}"#, "`mode` is not a string"),
        (
            r#"{"message":"m","task":{}}"#,
            "it is to be a task, and tasks are not granted",
        ),
    ] {
        refused(
            &mut session,
            ask,
            params,
            -32602,
            &format!("Refused: {says}"),
        );
    }
    let sample = "sampling/createMessage";
    for params in [r#"{"tools":[]}"#, r#"{"toolChoice":{}}"#] {
        let says = "Refused: the client has not declared `sampling.tools`";
        refused(&mut session, sample, params, -32602, says);
    }
    let task = "Refused: it is to be a task, and tasks are not granted";
    refused(&mut session, sample, r#"{"task":{}}"#, -32602, task);
    let bare = format!(r#"{{"jsonrpc":"2.0","id":7,"method":"{sample}"}}"#);
    let (to_server, to_client, _) = server(&mut session, &bare);
    assert_eq!(
        to_server,
        Some(error("7", -32602, "Refused: it has no `params`"))
    );
    assert_eq!(to_client, None);

    // A client of forms only, a server that may have pages opened.
    let mut session = granting(everything());
    initialize(&mut session, r#"{"elicitation":{},"roots":{}}"#);
    let says = "Refused: the client has not declared `elicitation.url`";
    refused(
        &mut session,
        ask,
        r#"{"mode":"url","url":"https://a"}"#,
        -32602,
        says,
    );
    // And a client of pages only.
    let mut session = granting(everything());
    initialize(&mut session, r#"{"elicitation":{"url":{}}}"#);
    let says = "Refused: the client has not declared this mode";
    refused(&mut session, ask, r#"{"message":"m"}"#, -32602, says);
}

#[test]
fn only_web_pages_are_opened() {
    let mut session = granting(everything());
    initialize(&mut session, DECLARED);
    for url in [
        "javascript:alert(1)",
        "file:///etc/passwd",
        "vscode://x",
        "HTTPS:/x",
        "https:// a",
        "https://a\\u202e",
        "https://a\\n",
        "",
    ] {
        let params = format!(r#"{{"mode":"url","url":"{url}"}}"#);
        let says = "Refused: `url` is not the address of a web page";
        refused(&mut session, "elicitation/create", &params, -32602, says);
    }
    refused(
        &mut session,
        "elicitation/create",
        r#"{"mode":"url"}"#,
        -32602,
        "Refused: `url` is not the address of a web page",
    );
}

#[test]
fn what_other_servers_said_is_not_asked_for() {
    let mut session = granting(everything());
    initialize(&mut session, DECLARED);
    for context in [r#""allServers""#, r#""thisServer""#, "1"] {
        let params = format!(r#"{{"maxTokens":1,"includeContext":{context},"messages":[]}}"#);
        let line = request("7", "sampling/createMessage", &params);
        let (_, to_client, _) = server(&mut session, &line);
        let cleaned = request(
            "7",
            "sampling/createMessage",
            r#"{"maxTokens":1,"messages":[]}"#,
        );
        assert_eq!(to_client, Some(cleaned));
        client_passes(&mut session, &result("7", "{}"));
    }
    // A reader that ignores case would still have seen it.
    let tricky = request(
        "8",
        "sampling/createMessage",
        r#"{"messages":[],"IncludeContext":"allServers"}"#,
    );
    let (to_server, to_client, _) = server(&mut session, &tricky);
    assert_eq!(to_client, None);
    assert!(to_server.unwrap().contains("-32600"));
}

#[test]
fn roots_are_reduced_to_granted_folders() {
    let mut session = granting(everything());
    initialize(&mut session, DECLARED);
    let changed = notification("notifications/roots/list_changed", "{}");
    client_passes(&mut session, &changed);
    server_passes(&mut session, &request("0", "roots/list", "{}"));
    let roots =
        r#"{"roots":[{"uri":"file:///projects/a","name":"A"},{"uri":"file:///home/me"}],"x":1}"#;
    let (to_server, to_client, events) = client(&mut session, &result("0", roots));
    let reduced = r#"{"roots":[{"uri":"file:///projects/a","name":"A"}],"x":1}"#;
    assert_eq!(to_server, Some(result("0", reduced)));
    assert_eq!(to_client, None);
    assert_eq!(events, [Event::RootsReduced { given: 2, told: 1 }]);

    let bare = r#"{"jsonrpc":"2.0","id":1,"method":"roots/list"}"#;
    server_passes(&mut session, bare);
    let (to_server, ..) = client(&mut session, &result("1", r#"{"Roots":[]}"#));
    assert_eq!(to_server, None, "a confusing key");
    let (to_server, _, events) = client(&mut session, &result("1", r#"{"x":[]}"#));
    let says = "the client's answer has no array `roots`";
    assert_eq!(to_server, Some(error("1", -32603, says)));
    assert_eq!(events.len(), 1);
    // The client may also say no.
    server_passes(&mut session, &request("2", "roots/list", "{}"));
    client_passes(&mut session, &failure("2", -32601, "{}"));

    // Without the grant.
    let mut without = granting(Grants::default());
    initialize(&mut without, DECLARED);
    let message = "Method not found: roots/list";
    refused(&mut without, "roots/list", "{}", -32601, message);
    let (to_server, _, events) = client(&mut without, &changed);
    assert_eq!((to_server, events.len()), (None, 1));
}

#[test]
fn tasks_are_not_granted_by_their_names() {
    let tricked = Grants {
        methods: ["tasks/get".to_owned(), "vendor/x".to_owned()].into(),
        notifications: ["notifications/tasks/status".to_owned()].into(),
        ..everything()
    };
    let mut session = granting(tricked);
    initialize(&mut session, DECLARED);
    for method in ["tasks/get", "tasks/list", "tasks/result", "tasks/cancel"] {
        let message = format!("Method not found: {method}");
        refused(&mut session, method, "{}", -32601, &message);
        let line = request("2", method, "{}");
        client_refused(&mut session, &line, "2", -32601, &message);
    }
    let status = notification("notifications/tasks/status", "{}");
    server_dropped(&mut session, &status, "not granted");
    let (to_server, _, events) = client(&mut session, &status);
    assert_eq!((to_server, events.len()), (None, 1));
    let call = request("2", "vendor/x", r#"{"task":{}}"#);
    let message = "Refused: tasks are not granted to this server";
    client_refused(&mut session, &call, "2", -32602, message);
    client_passes(&mut session, &request("3", "vendor/x", "{}"));
    let (_, to_client, _) = server(&mut session, &result("3", r#"{"task":{}}"#));
    assert!(to_client.unwrap().contains("-31001"));
}

#[test]
fn names_are_granted_one_by_one() {
    let named = Grants {
        methods: ["vendor/x".to_owned()].into(),
        notifications: ["notifications/x".to_owned()].into(),
        ..Grants::default()
    };
    let mut session = granting(named);
    client_passes(&mut session, &request("1", "vendor/x", r#"{"a":1.0}"#));
    server_passes(&mut session, &result("1", r#"{"b":1e1}"#));
    server_passes(&mut session, &notification("notifications/x", "{}"));
    for method in ["vendor/X", "vendor/y", "notifications/x"] {
        let message = format!("Method not found: {method}");
        let line = request("1", method, "{}");
        client_refused(&mut session, &line, "1", -32601, &message);
    }
    for method in ["notifications/X", "notifications/y", "vendor/x"] {
        server_dropped(&mut session, &notification(method, "{}"), "not granted");
    }
    refused(
        &mut session,
        "vendor/x",
        "{}",
        -32601,
        "Method not found: vendor/x",
    );
    let (to_server, ..) = client(&mut session, &notification("notifications/x", "{}"));
    assert_eq!(to_server, None);
}

#[test]
fn a_page_in_an_error_needs_the_grant() {
    let page = r#"{"elicitations":[{"mode":"url","elicitationId":"e","url":"https://a.test","message":"m"}]}"#;
    let call = request("2", "tools/call", r#"{"name":"echo"}"#);
    let complete = notification(
        "notifications/elicitation/complete",
        r#"{"elicitationId":"e"}"#,
    );

    let mut session = granting(everything());
    initialize(&mut session, DECLARED);
    client_passes(&mut session, &call);
    server_passes(&mut session, &failure("2", -32042, page));
    server_passes(&mut session, &complete);

    let form = Grants {
        elicitation: Elicitation::Form,
        ..Grants::default()
    };
    for (grants, declared, data) in [
        (form, DECLARED, page),
        (everything(), r#"{"elicitation":{}}"#, page),
        (everything(), DECLARED, "{}"),
        (
            everything(),
            DECLARED,
            r#"{"elicitations":[{"mode":"form"}]}"#,
        ),
        (
            everything(),
            DECLARED,
            r#"{"elicitations":[{"mode":"url","url":"file:///x"}]}"#,
        ),
        (
            everything(),
            DECLARED,
            r#"{"elicitations":[],"Elicitations":[{"mode":"url","url":"file:///x"}]}"#,
        ),
    ] {
        let needs_grant = data == page;
        let mut session = granting(grants);
        initialize(&mut session, declared);
        client_passes(&mut session, &call);
        let (_, to_client, events) = server(&mut session, &failure("2", -32042, data));
        let to_client = to_client.unwrap();
        assert!(to_client.contains("-31001"), "{to_client}");
        assert!(!to_client.contains("elicitationId"), "{to_client}");
        assert_eq!(events.len(), 1);
        if needs_grant {
            server_dropped(&mut session, &complete, "not granted");
        }
    }
}
