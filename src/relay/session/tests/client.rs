//! What the client sends: passed, rewritten, answered by the relay, or dropped.

use super::*;

#[test]
fn a_listed_tool_is_called_and_answered() {
    let mut session = session();
    let call = request(
        "1",
        "tools/call",
        r#"{"name":"echo","arguments":{"name":"evil","x":1.0}}"#,
    );
    client_passes(&mut session, &call);
    server_passes(
        &mut session,
        &result("1", r#"{"content":[],"isError":false}"#),
    );
}

#[test]
fn a_tool_that_is_not_on_the_list_is_unknown() {
    for (name, shown) in [
        ("evil", "evil"),
        ("Echo", "Echo"),
        ("echo ", "echo "),
        ("echo\\u0000", "echo\\\\x00"),
        ("", ""),
        ("\\u202eevil\\n", "\\\\u{202e}evil\\\\x0a"),
        ("есho", "есho"),
    ] {
        let call = request("\"a\"", "tools/call", &format!(r#"{{"name":"{name}"}}"#));
        let message = format!("Unknown tool: {shown}");
        client_refused(&mut session(), &call, "\"a\"", -32602, &message);
    }
    let long = request(
        "1",
        "tools/call",
        &format!(r#"{{"name":"{}"}}"#, "é".repeat(5000)),
    );
    let (to_server, to_client, _) = client(&mut session(), &long);
    assert_eq!(to_server, None);
    assert!(to_client.unwrap().len() < 500);
}

#[test]
fn an_escaped_name_is_the_name() {
    let mut session = session();
    let call = request("1", "tools/call", r#"{"name":"\u0065cho"}"#);
    let (to_server, ..) = client(&mut session, &call);
    assert_eq!(
        to_server,
        Some(request("1", "tools/call", r#"{"name":"echo"}"#))
    );
}

#[test]
fn an_empty_list_allows_no_tool() {
    let mut session = Session::new(policy(&[]));
    let call = request("1", "tools/call", r#"{"name":"echo"}"#);
    client_refused(&mut session, &call, "1", -32602, "Unknown tool: echo");
}

#[test]
fn a_call_without_a_name_that_is_a_string_is_refused() {
    for params in [
        "{}",
        r#"{"name":1}"#,
        r#"{"name":["echo"]}"#,
        r#"{"name":null}"#,
    ] {
        let message = "Refused: `params.name` is not a string";
        let call = request("1", "tools/call", params);
        client_refused(&mut session(), &call, "1", -32602, message);
    }
    let call = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call"}"#;
    let message = "Refused: `params.name` is not a string";
    client_refused(&mut session(), call, "1", -32602, message);
}

#[test]
fn a_call_without_id_is_dropped() {
    let (to_server, to_client, events) = client(
        &mut session(),
        &notification("tools/call", r#"{"name":"echo"}"#),
    );
    assert_eq!((to_server, to_client), (None, None));
    assert_eq!(
        events,
        [Event::Denied {
            tool: "echo".into()
        }]
    );
}

#[test]
fn known_requests_pass_and_others_are_unknown() {
    for method in [
        "ping",
        "tools/list",
        "resources/list",
        "resources/templates/list",
        "resources/read",
        "resources/subscribe",
        "resources/unsubscribe",
        "prompts/list",
        "prompts/get",
        "completion/complete",
        "logging/setLevel",
        "subscriptions/listen",
        "initialize",
        "server/discover",
    ] {
        let mut session = session();
        client_passes(&mut session, &request("1", method, "{}"));
    }
    for method in [
        "tasks/get",
        "tasks/result",
        "tasks/list",
        "tasks/cancel",
        "tasks/update",
        "skills/list",
        "tools/Call",
        "tools/call ",
        "roots/list",
        "sampling/createMessage",
        "notifications/initialized",
        "x",
        "",
    ] {
        let message = format!("Method not found: {method}");
        let line = request("1", method, r#"{"name":"echo"}"#);
        client_refused(&mut session(), &line, "1", -32601, &message);
    }
}

#[test]
fn tasks_and_answers_to_nobody_are_refused_in_params() {
    for (key, what) in [
        ("task", "tasks are not granted to this server"),
        ("inputResponses", "the server has not asked for this input"),
        ("requestState", "the server has not asked for this input"),
    ] {
        let message = format!("Refused: {what}");
        let call = request(
            "1",
            "tools/call",
            &format!(r#"{{"name":"echo","{key}":{{}}}}"#),
        );
        client_refused(&mut session(), &call, "1", -32602, &message);
    }
    let inside = request(
        "1",
        "tools/call",
        r#"{"name":"echo","arguments":{"task":1}}"#,
    );
    client_passes(&mut session(), &inside);
}

#[test]
fn the_clients_notifications_pass_when_known() {
    let mut session = session();
    client_passes(
        &mut session,
        &notification("notifications/initialized", "{}"),
    );
    client_passes(
        &mut session,
        &notification("notifications/progress", r#"{"progress":1}"#),
    );
    for method in [
        "notifications/roots/list_changed",
        "notifications/x",
        "ping",
        "notifications/tasks/status",
    ] {
        let (to_server, to_client, events) = client(&mut session, &notification(method, "{}"));
        assert_eq!(
            (to_server, to_client, events.len()),
            (None, None, 1),
            "{method}"
        );
    }
}

#[test]
fn a_duplicate_id_is_refused_without_ending_the_first() {
    let mut session = session();
    client_passes(&mut session, &request("1", "ping", "{}"));
    let message = "Refused: its id is already in use by a request that is under way";
    client_refused(
        &mut session,
        &request("1", "tools/list", "{}"),
        "",
        -32600,
        message,
    );
    // Another kind of id is another id.
    client_passes(&mut session, &request("\"1\"", "ping", "{}"));
    // A refused line with that id gets no id either.
    let bad = r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":[]}"#;
    client_refused(
        &mut session,
        bad,
        "",
        -32600,
        "Refused: `params` is not an object",
    );
    server_passes(&mut session, &result("1", "{}"));
    client_passes(&mut session, &request("1", "ping", "{}"));
}

#[test]
fn too_many_outstanding_requests_are_refused() {
    let mut session = session();
    for id in 0..crate::relay::pending::MAX_OUTSTANDING {
        client_passes(&mut session, &request(&id.to_string(), "ping", "{}"));
    }
    let message = "Refused: too many requests are waiting for an answer";
    let one_more = request("99999", "ping", "{}");
    client_refused(&mut session, &one_more, "99999", -31003, message);
    server_passes(&mut session, &result("0", "{}"));
    client_passes(&mut session, &one_more);
}

#[test]
fn a_cancelled_request_may_be_answered_late() {
    let mut session = session();
    client_passes(&mut session, &request("1", "ping", "{}"));
    client_passes(
        &mut session,
        &notification("notifications/cancelled", r#"{"requestId":1}"#),
    );
    server_passes(&mut session, &result("1", "{}"));
    server_dropped(&mut session, &result("1", "{}"), "no answer");
    for params in [r#"{"requestId":1}"#, r#"{"requestId":null}"#, "{}"] {
        let outcome = client(
            &mut session,
            &notification("notifications/cancelled", params),
        );
        assert_eq!(outcome, (None, None, vec![]), "{params}");
    }
}

#[test]
fn the_clients_answers_must_answer_something() {
    let mut session = session();
    for line in [
        result("5", "{}"),
        result("5", r#"{"action":"accept","content":{"password":"x"}}"#),
        r#"{"jsonrpc":"2.0","error":{"code":1,"message":""}}"#.to_owned(),
    ] {
        let (to_server, to_client, events) = client(&mut session, &line);
        assert_eq!(
            (to_server, to_client, events.len()),
            (None, None, 1),
            "{line}"
        );
    }
    server_passes(&mut session, &request("5", "ping", "{}"));
    client_passes(&mut session, &result("5", "{}"));
    let (to_server, ..) = client(&mut session, &result("5", "{}"));
    assert_eq!(to_server, None);
}

#[test]
fn capabilities_do_not_reach_the_server() {
    let mut session = session();
    let capabilities = r#"{"roots":{"listChanged":true},"sampling":{},"elicitation":{},"tasks":{},
        "experimental":{"x":{}},"extensions":{},"Sampling":{},"later":{}}"#;
    let line = request(
        "1",
        "initialize",
        &format!(
            r#"{{"protocolVersion":"2025-11-25","capabilities":{capabilities},"clientInfo":{{"name":"c"}}}}"#
        ),
    );
    let (to_server, to_client, _) = client(&mut session, &line);
    let params = r#"{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"c"}}"#;
    assert_eq!(to_server, Some(request("1", "initialize", params)));
    assert_eq!(to_client, None);

    let line = request(
        "2",
        "tools/call",
        &format!(
            r#"{{"name":"echo","_meta":{{"a":1,"io.modelcontextprotocol/clientCapabilities":{capabilities},"traceparent":"00-1"}},"arguments":{{}}}}"#
        ),
    );
    let (to_server, ..) = client(&mut session, &line);
    let params = r#"{"name":"echo","_meta":{"a":1,"io.modelcontextprotocol/clientCapabilities":{},"traceparent":"00-1"},"arguments":{}}"#;
    assert_eq!(to_server, Some(request("2", "tools/call", params)));

    let line = notification(
        "notifications/initialized",
        r#"{"_meta":{"io.modelcontextprotocol/clientCapabilities":{"sampling":{}}}}"#,
    );
    let (to_server, ..) = client(&mut session, &line);
    let params = r#"{"_meta":{"io.modelcontextprotocol/clientCapabilities":{}}}"#;
    assert_eq!(
        to_server,
        Some(notification("notifications/initialized", params))
    );

    let both = r#"{"capabilities":{"a":1},"_meta":{"io.modelcontextprotocol/clientCapabilities":{"a":1}}}"#;
    let (to_server, ..) = client(&mut session, &request("3", "initialize", both));
    let params = r#"{"capabilities":{},"_meta":{"io.modelcontextprotocol/clientCapabilities":{}}}"#;
    assert_eq!(to_server, Some(request("3", "initialize", params)));
    // `capabilities` of another method is something else.
    client_passes(
        &mut session,
        &request("4", "prompts/get", r#"{"capabilities":{"a":1}}"#),
    );
}

#[test]
fn a_refused_line_of_the_client_is_answered() {
    for (line, id, code, message) in [
        (
            "nonsense",
            "",
            -32700,
            "Refused: the line is not JSON (byte 0)",
        ),
        (
            "[]",
            "",
            -32600,
            "Refused: the line is a batch; MCP removed batches in 2025-06-18",
        ),
        (
            r#"{"jsonrpc":"2.0","id":4,"method":"tools/call","params":{"name":"echo","Name":"evil"}}"#,
            "4",
            -32600,
            "Refused: a key can be taken for `name` by some parsers, but is not",
        ),
        (
            r#"{"jsonrpc":"2.0","id":4,"method":"tools/call","params":{"name":"echo","name":"evil"}}"#,
            "",
            -32600,
            "Refused: a key occurs twice in one object (object ending at byte 83)",
        ),
        (
            r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#,
            "",
            -32600,
            "Refused: `id` is neither a string nor an integer of at most 53 bits",
        ),
    ] {
        client_refused(&mut session(), line, id, code, message);
    }
    let (to_server, to_client, events) = parts(session().from_client_too_long().outcome);
    assert_eq!(to_server, None);
    assert_eq!(
        to_client,
        Some(error(
            "",
            -32600,
            "Refused: the line is longer than 1048576 bytes"
        ))
    );
    assert_eq!(events.len(), 1);
}

#[test]
fn both_eras_share_one_stream() {
    let mut session = session();
    let meta = r#"{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}"#;
    client_passes(
        &mut session,
        &request("\"server-discover-probe-1\"", "server/discover", meta),
    );
    server_passes(
        &mut session,
        &failure("\"server-discover-probe-1\"", -32601, "{}"),
    );
    client_passes(
        &mut session,
        &request("0", "initialize", r#"{"capabilities":{}}"#),
    );
    server_passes(
        &mut session,
        &result("0", r#"{"protocolVersion":"2025-11-25"}"#),
    );
    client_passes(&mut session, &request("1", "tools/list", meta));
    server_passes(
        &mut session,
        &result("1", r#"{"tools":[],"resultType":"complete"}"#),
    );
}

#[test]
fn a_call_hidden_between_carriage_returns_stays_hidden() {
    let mut session = session();
    let call = r#"{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"evil"}}"#;
    let line = format!(
        "{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\",\"params\":{{\"_meta\":\r{call}\r}}}}"
    );
    let (to_server, ..) = client(&mut session, &line);
    assert_eq!(to_server, Some(line.replace('\r', "")));
}
