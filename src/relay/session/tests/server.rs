//! What the server sends: passed, filtered, replaced, or dropped.

use super::*;

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
                method: method.into(),
                reason: if ["sampling/createMessage", "elicitation/create", "roots/list"]
                    .contains(&method)
                {
                    let setting = method.split('/').next().unwrap();
                    format!("`grants.{setting}` does not grant it")
                } else {
                    "it is unknown or never granted".into()
                }
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
    let message = r#"The server asked for a page to be opened (URL elicitation) and may not: `grants.elicitation = \"url\"` does not grant it"#;
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
