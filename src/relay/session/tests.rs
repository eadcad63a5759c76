//! The rules, one by one: each refusal with the case that passes beside it.

use super::*;

fn policy(names: &[&str]) -> SessionPolicy {
    SessionPolicy {
        allow: names.iter().map(|name| name.parse().unwrap()).collect(),
        max_line: 1 << 20,
    }
}

fn session() -> Session {
    Session::new(policy(&["echo", "sum"]))
}

fn text(line: Option<Vec<u8>>) -> Option<String> {
    line.map(|line| String::from_utf8(line).unwrap())
}

/// (to the server, to the client, events)
fn parts(outcome: Outcome) -> (Option<String>, Option<String>, Vec<Event>) {
    (
        text(outcome.to_server),
        text(outcome.to_client),
        outcome.events,
    )
}

fn client(session: &mut Session, line: &str) -> (Option<String>, Option<String>, Vec<Event>) {
    parts(session.from_client(line.as_bytes()))
}

fn server(session: &mut Session, line: &str) -> (Option<String>, Option<String>, Vec<Event>) {
    parts(session.from_server(line.as_bytes()))
}

/// The client's line reaches the server as it is.
#[track_caller]
fn client_passes(session: &mut Session, line: &str) {
    assert_eq!(client(session, line), (Some(line.to_owned()), None, vec![]));
}

/// The server's line reaches the client as it is.
#[track_caller]
fn server_passes(session: &mut Session, line: &str) {
    assert_eq!(server(session, line), (None, Some(line.to_owned()), vec![]));
}

/// The client's line is answered with an error, and nothing reaches the server.
#[track_caller]
fn client_refused(session: &mut Session, line: &str, id: &str, code: i64, message: &str) {
    let (to_server, to_client, events) = client(session, line);
    assert_eq!(to_server, None, "{line}");
    assert_eq!(to_client, Some(error(id, code, message)), "{line}");
    assert_eq!(events.len(), 1, "{line}");
}

/// The server's line is dropped, with one event that holds `word`.
#[track_caller]
fn server_dropped(session: &mut Session, line: &str, word: &str) {
    let (to_server, to_client, events) = server(session, line);
    assert_eq!((to_server, to_client), (None, None), "{line}");
    assert!(
        matches!(events.as_slice(), [event] if event.to_string().contains(word)),
        "{events:?}"
    );
}

fn error(id: &str, code: i64, message: &str) -> String {
    let id = if id.is_empty() {
        String::new()
    } else {
        format!("\"id\":{id},")
    };
    format!(r#"{{"jsonrpc":"2.0",{id}"error":{{"code":{code},"message":"{message}"}}}}"#)
}

fn request(id: &str, method: &str, params: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{params}}}"#)
}

fn notification(method: &str, params: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","method":"{method}","params":{params}}}"#)
}

fn result(id: &str, result: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#)
}

fn failure(id: &str, code: i64, data: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":{code},"message":"m","data":{data}}}}}"#
    )
}

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
        ("task", "tasks are"),
        ("inputResponses", "requests for input are"),
        ("requestState", "requests for input are"),
    ] {
        let message = format!("Refused: {what} not granted to this server");
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
fn the_servers_answers_must_answer_something_once() {
    let mut session = session();
    server_dropped(&mut session, &result("1", "{}"), "no answer with id 1");
    client_passes(&mut session, &request("1", "ping", "{}"));
    server_dropped(&mut session, &result("\"1\"", "{}"), "no answer with id");
    server_passes(&mut session, &result("1", "{}"));
    server_dropped(&mut session, &result("1", "{}"), "no answer with id 1");
    client_passes(&mut session, &request("2", "ping", "{}"));
    server_passes(&mut session, &failure("2", -32601, "{}"));
    let without_id = r#"{"jsonrpc":"2.0","error":{"code":1,"message":""}}"#;
    server_dropped(&mut session, without_id, "without id");
}

#[test]
fn an_answer_the_relay_gave_is_not_given_again() {
    let mut session = session();
    let call = request("1", "tools/call", r#"{"name":"evil"}"#);
    client_refused(&mut session, &call, "1", -32602, "Unknown tool: evil");
    server_dropped(&mut session, &result("1", "{}"), "no answer with id 1");
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
fn tool_lists_are_filtered_on_every_page() {
    let mut session = session();
    client_passes(&mut session, &request("1", "tools/list", "{}"));
    let page = r#"{"tools":[{"name":"evil"},{"name":"echo","d":1.0}],"nextCursor":"n","ttlMs":5}"#;
    let (_, to_client, events) = server(&mut session, &result("1", page));
    let filtered = r#"{"tools":[{"name":"echo","d":1.0}],"nextCursor":"n","ttlMs":5}"#;
    assert_eq!(to_client, Some(result("1", filtered)));
    assert_eq!(
        events,
        [Event::ToolsHidden {
            unlisted: 1,
            malformed: 0,
            duplicates: 0
        }]
    );

    // The second page, twice: what the first page showed is a duplicate, the rest is not.
    for id in ["2", "3"] {
        client_passes(
            &mut session,
            &request(id, "tools/list", r#"{"cursor":"n"}"#),
        );
        let page = r#"{"tools":[{"name":"echo","d":2},{"name":"sum"},{"name":"evil2"}]}"#;
        let (_, to_client, _) = server(&mut session, &result(id, page));
        assert_eq!(to_client, Some(result(id, r#"{"tools":[{"name":"sum"}]}"#)));
    }
    // A new listing starts afresh.
    client_passes(&mut session, &request("4", "tools/list", "{}"));
    server_passes(
        &mut session,
        &result("4", r#"{"tools":[{"name":"echo","d":1.0}]}"#),
    );
}

#[test]
fn a_tool_list_that_is_none_is_an_error() {
    for list in ["{}", r#"{"tools":{}}"#, r#"{"tools":"x"}"#, r#"{"x":[]}"#] {
        let mut session = session();
        client_passes(&mut session, &request("1", "tools/list", "{}"));
        let (_, to_client, events) = server(&mut session, &result("1", list));
        let message = "The server's tool list has no array `tools`";
        assert_eq!(to_client, Some(error("1", -32603, message)));
        assert!(matches!(events.as_slice(), [Event::AnswerReplaced { .. }]));
    }
    // Only the answer to `tools/list` is a tool list.
    let mut session = session();
    client_passes(&mut session, &request("1", "resources/list", "{}"));
    server_passes(&mut session, &result("1", r#"{"resources":[]}"#));
}

#[test]
fn the_server_may_only_ping() {
    let mut session = session();
    server_passes(&mut session, &request("0", "ping", "{}"));
    server_dropped(&mut session, &request("0", "ping", "{}"), "second request");
    // The client's own id 0 is another one.
    client_passes(&mut session, &request("0", "ping", "{}"));
    client_passes(&mut session, &result("0", "{}"));
    for method in [
        "sampling/createMessage",
        "elicitation/create",
        "roots/list",
        "tasks/get",
        "tasks/list",
        "tools/call",
        "Ping",
        "x",
    ] {
        let (to_server, to_client, events) = server(&mut session, &request("7", method, "{}"));
        assert_eq!(
            to_server,
            Some(error("7", -32601, &format!("Method not found: {method}")))
        );
        assert_eq!(to_client, None);
        assert_eq!(
            events,
            [Event::ServerRequestRefused {
                method: method.into()
            }]
        );
    }
    let bad = r#"{"jsonrpc":"2.0","id":8,"method":"ping","params":1}"#;
    let (to_server, to_client, _) = server(&mut session, bad);
    assert_eq!(
        to_server,
        Some(error("8", -32600, "`params` is not an object"))
    );
    assert_eq!(to_client, None);
}

#[test]
fn the_servers_pings_are_bounded() {
    let mut session = session();
    for id in 0..crate::relay::pending::MAX_OUTSTANDING {
        server_passes(&mut session, &request(&id.to_string(), "ping", "{}"));
    }
    let (to_server, to_client, events) = server(&mut session, &request("99999", "ping", "{}"));
    let text = "too many requests are waiting for an answer";
    assert_eq!(to_server, Some(error("99999", -31003, text)));
    assert_eq!((to_client, events.len()), (None, 1));
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
fn the_server_announces_only_what_passes() {
    for method in ["initialize", "server/discover"] {
        let mut session = session();
        client_passes(&mut session, &request("1", method, "{}"));
        let announced = r#"{"capabilities":{"tools":{"listChanged":true},"tasks":{},"experimental":{"claude/channel":{}},"extensions":{},"logging":{}},"instructions":"i"}"#;
        let (_, to_client, _) = server(&mut session, &result("1", announced));
        let granted =
            r#"{"capabilities":{"tools":{"listChanged":true},"logging":{}},"instructions":"i"}"#;
        assert_eq!(to_client, Some(result("1", granted)));
        client_passes(&mut session, &request("2", method, "{}"));
        server_passes(&mut session, &result("2", granted));
    }
}

#[test]
fn requests_for_input_and_tasks_in_the_place_of_results_are_refused() {
    let input =
        "The server asked for input from the user or the model; this right is not granted to it";
    let task = "The server asked for a task; this right is not granted to it";
    let other = "The server asked for a result of type `x`; this right is not granted to it";
    let unreadable = "The server asked for a result of type ``; this right is not granted to it";
    for (given, message) in [
        (
            r#"{"resultType":"input_required","inputRequests":{"k":{"method":"elicitation/create"}}}"#,
            input,
        ),
        (r#"{"inputRequests":{}}"#, input),
        (r#"{"resultType":"input_required"}"#, input),
        (r#"{"resultType":"complete","inputRequests":null}"#, input),
        (r#"{"requestState":"s"}"#, input),
        (r#"{"task":{"taskId":"t"}}"#, task),
        (r#"{"resultType":"task"}"#, task),
        (r#"{"resultType":"x"}"#, other),
        (r#"{"resultType":1}"#, unreadable),
    ] {
        for asked in [
            request("1", "tools/call", r#"{"name":"echo"}"#),
            request("1", "tools/list", "{}"),
            request("1", "prompts/get", "{}"),
        ] {
            let mut session = session();
            client_passes(&mut session, &asked);
            let (_, to_client, events) = server(&mut session, &result("1", given));
            assert_eq!(to_client, Some(error("1", -31001, message)), "{given}");
            assert!(matches!(events.as_slice(), [Event::AnswerReplaced { .. }]));
        }
    }
    let mut session = session();
    client_passes(
        &mut session,
        &request("1", "tools/call", r#"{"name":"echo"}"#),
    );
    server_passes(
        &mut session,
        &result(
            "1",
            r#"{"resultType":"complete","structuredContent":{"task":1}}"#,
        ),
    );
}

#[test]
fn url_elicitation_in_an_error_is_replaced() {
    let mut session = session();
    client_passes(
        &mut session,
        &request("1", "tools/call", r#"{"name":"echo"}"#),
    );
    let url = r#"{"elicitations":[{"mode":"url","url":"https://evil.example"}]}"#;
    let (_, to_client, _) = server(&mut session, &failure("1", -32042, url));
    let message = "The server asked for that a page be opened (URL elicitation); this right is not granted to it";
    assert_eq!(to_client, Some(error("1", -31001, message)));
    client_passes(&mut session, &request("2", "ping", "{}"));
    server_passes(
        &mut session,
        &failure("2", -32022, r#"{"supported":["2026-07-28"]}"#),
    );
}

#[test]
fn the_servers_notifications_pass_when_known() {
    let mut session = session();
    for method in [
        "notifications/progress",
        "notifications/message",
        "notifications/cancelled",
        "notifications/tools/list_changed",
        "notifications/prompts/list_changed",
        "notifications/resources/list_changed",
        "notifications/resources/updated",
        "notifications/subscriptions/acknowledged",
    ] {
        server_passes(&mut session, &notification(method, "{}"));
    }
    for method in [
        "notifications/elicitation/complete",
        "notifications/tasks",
        "notifications/tasks/status",
        "notifications/claude/channel",
        "notifications/Message",
        "tools/call",
    ] {
        server_dropped(
            &mut session,
            &notification(method, "{}"),
            "unknown or not granted",
        );
    }
}

#[test]
fn a_subscription_ends_in_either_order() {
    for cancel_first in [true, false] {
        let mut session = session();
        client_passes(
            &mut session,
            &request("\"listen:0\"", "subscriptions/listen", "{}"),
        );
        let cancelled = notification("notifications/cancelled", r#"{"requestId":"listen:0"}"#);
        let done = result("\"listen:0\"", "{}");
        if cancel_first {
            server_passes(&mut session, &cancelled);
            server_passes(&mut session, &done);
        } else {
            server_passes(&mut session, &done);
            server_passes(&mut session, &cancelled);
        }
    }
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
    let (to_server, to_client, events) = parts(session().from_client_too_long());
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
fn a_refused_answer_of_the_server_does_not_leave_the_client_waiting() {
    let refused = |line: &[u8], reason: &str| {
        let mut session = session();
        client_passes(&mut session, &request("1", "ping", "{}"));
        let (to_server, to_client, events) = parts(session.from_server(line));
        assert_eq!(to_server, None);
        let message = format!("The server's answer was refused: {reason}");
        assert_eq!(to_client, Some(error("1", -31002, &message)));
        assert_eq!(events.len(), 1);
        server_dropped(&mut session, &result("1", "{}"), "no answer");
    };
    refused(
        br#"{"jsonrpc":"2.0","id":1,"result":{"a":1,"a":1}}"#,
        "a key occurs twice in one object (object ending at byte 45)",
    );
    refused(
        b"{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"a\":\"\xff\"}}",
        "the line is not UTF-8 (byte 39)",
    );
    refused(
        br#"{"jsonrpc":"2.0","id":1,"result":[]}"#,
        "`result` is not an object",
    );
    refused(br#"{"result":{},"id":1}"#, "`jsonrpc` is not \\\"2.0\\\"");

    // Not an answer, or an answer to nothing: dropped, nobody is told.
    for line in [
        "Listening on stdio",
        r#"{"id":1,"method":1}"#,
        r#"{"id":2,"result":{}}"#,
        "[]",
    ] {
        let mut session = session();
        client_passes(&mut session, &request("1", "ping", "{}"));
        server_dropped(&mut session, line, "refused line from server");
        server_passes(&mut session, &result("1", "{}"));
    }
}

#[test]
fn an_over_long_answer_does_not_leave_the_client_waiting() {
    let limit = 1 << 20;
    let message = format!("The server's answer was refused: the line is longer than {limit} bytes");
    for (head, tail) in [
        (
            &br#"{"jsonrpc":"2.0","id":1,"result":{"text":"xxx"#[..],
            &b"xxx\"}}"[..],
        ),
        (
            br#"{"result":{"text":"xxx"#,
            br#"xxx"},"jsonrpc":"2.0","id":1}"#,
        ),
    ] {
        let mut session = session();
        client_passes(&mut session, &request("1", "ping", "{}"));
        let (to_server, to_client, events) = parts(session.from_server_too_long(head, tail));
        assert_eq!(to_server, None);
        assert_eq!(to_client, Some(error("1", -31002, &message)));
        assert_eq!(events.len(), 1);
    }
    let (_, to_client, events) = parts(session().from_server_too_long(b"xxx", b"xxx"));
    assert_eq!((to_client, events.len()), (None, 1));
}

#[test]
fn a_dead_server_leaves_nobody_waiting() {
    let mut session = session();
    client_passes(&mut session, &request("1", "ping", "{}"));
    client_passes(&mut session, &request("2", "ping", "{}"));
    client_passes(
        &mut session,
        &notification("notifications/cancelled", r#"{"requestId":2}"#),
    );
    let lines: Vec<_> = session
        .answer_outstanding("gone")
        .into_iter()
        .map(|line| text(Some(line)))
        .collect();
    assert_eq!(lines, [Some(error("1", -31002, "gone"))]);
    assert!(session.answer_outstanding("gone").is_empty());
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

mod properties;
