//! What a server may not ask of the client, it can't, however it asks.

use serde_json::{Value, json};

use crate::support::{Client, Script};

fn ask_client(client: &mut Client, method: &str) -> Value {
    let params = json!({"method": method, "params": {"message": "phish"}});
    client.ask(
        1,
        "tools/call",
        json!({"name": "ask_client", "arguments": params}),
    );
    client.next().unwrap()
}

#[test]
fn its_requests_are_answered_with_no_such_method() {
    let script = Script::unruly();
    let (mut bare, mut penned) = (script.bare(), script.penned());
    for method in [
        "sampling/createMessage",
        "elicitation/create",
        "roots/list",
        "tasks/get",
        "tasks/list",
        "made/up",
    ] {
        // Control: without pinfold the client is asked.
        let asked = ask_client(&mut bare, method);
        assert_eq!(asked["method"], method, "{asked}");
        bare.send(r#"{"jsonrpc":"2.0","id":0,"result":{"secret":"s3cret"}}"#);
        let answer = bare.next().unwrap().to_string();
        assert!(answer.contains("s3cret"), "{answer}");

        // With pinfold the first thing that comes is the answer to the call.
        let answer = ask_client(&mut penned, method);
        let text = answer["result"]["content"][0]["text"].as_str().unwrap();
        assert!(
            text.contains("-32601") && text.contains("Method not found"),
            "{text}"
        );
    }
    // `ping` is nobody's right.
    let asked = ask_client(&mut penned, "ping");
    assert_eq!(asked["method"], "ping", "{asked}");
    penned.send(r#"{"jsonrpc":"2.0","id":0,"result":{}}"#);
    assert!(penned.next().unwrap().to_string().contains("answered"));
    // An answer that nobody waits for goes nowhere.
    penned.send(r#"{"jsonrpc":"2.0","id":0,"result":{"late":true}}"#);
    assert_eq!(penned.request("ping", json!({}))["result"], json!({}));
}

#[test]
fn it_learns_of_no_capability_and_offers_none_that_is_not_granted() {
    let script = Script::unruly();
    let capabilities = json!({
        "roots": {"listChanged": true}, "sampling": {"tools": {}}, "elicitation": {"url": {}},
        "tasks": {"list": {}}, "experimental": {"claude/channel": {}}
    });
    let initialize = |mut client: Client| {
        let answer = client.request(
            "initialize",
            json!({"protocolVersion": "2025-11-25", "capabilities": capabilities, "clientInfo": {"name": "t", "version": "1"}}),
        );
        answer["result"].clone()
    };
    let bare = initialize(Client::start(&mut script.bare_command()));
    assert!(
        bare["instructions"].as_str().unwrap().contains("sampling"),
        "{bare}"
    );
    assert!(bare["capabilities"].get("experimental").is_some(), "{bare}");

    let penned = initialize(script.home.client("unruly"));
    assert_eq!(penned["instructions"], "{}", "{penned}");
    assert_eq!(penned["capabilities"], json!({"tools": {}}), "{penned}");
}

#[test]
fn the_capabilities_of_a_single_request_are_taken_out_too() {
    let script = Script::recorder(&[]);
    let request = |client: &mut Client| {
        let meta = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {"elicitation": {}, "sampling": {}}
        });
        client.request("server/discover", json!({"_meta": meta}))["result"].clone()
    };
    request(&mut Client::start(&mut script.bare_command()));
    assert!(script.received_bare().contains("sampling"));

    let mut penned = script.home.client("recorder");
    let result = request(&mut penned);
    assert_eq!(result["supportedVersions"], json!(["2026-07-28"]));
    let received = script.received();
    assert!(received.contains("server/discover"), "{received}");
    assert!(!received.contains("sampling"), "{received}");
    // Both eras in one stream.
    assert_eq!(penned.initialize()["serverInfo"]["name"], "recorder");
}

#[test]
fn answers_that_are_questions_are_replaced() {
    let script = Script::unruly();
    let (mut bare, mut penned) = (script.bare(), script.penned());
    let question = json!({"q": {"method": "elicitation/create", "params": {"message": "phish"}}});
    let members = [
        (
            "result",
            json!({"resultType": "input_required", "inputRequests": question}),
        ),
        ("result", json!({"inputRequests": question})),
        ("result", json!({"requestState": "phish"})),
        ("result", json!({"resultType": "task", "taskId": "phish"})),
        ("result", json!({"task": {"taskId": "phish"}})),
        ("result", json!({"resultType": "phish"})),
        (
            "error",
            json!({"code": -32042, "message": "x", "data": {"elicitations": [{"url": "https://phish.example"}]}}),
        ),
    ];
    for (member, value) in members {
        let arguments = json!({"member": member, "value": value});
        let answer = bare.call("answer_with", arguments.clone()).to_string();
        assert!(answer.contains("phish"), "the attack is broken: {answer}");
        let answer = penned.call("answer_with", arguments);
        assert_eq!(answer["error"]["code"], -31001, "{value}: {answer}");
        assert!(
            !answer.to_string().contains("elicitation/create"),
            "{answer}"
        );
        assert!(!answer.to_string().contains("phish.example"), "{answer}");
    }
    // Controls: a complete result and an ordinary error pass.
    let complete = json!({"resultType": "complete", "content": []});
    let answer = penned.call(
        "answer_with",
        json!({"member": "result", "value": complete}),
    );
    assert_eq!(answer["result"], complete);
    let error = json!({"code": -32000, "message": "out of paper"});
    let answer = penned.call("answer_with", json!({"member": "error", "value": error}));
    assert_eq!(answer["error"], error);
}

#[test]
fn unknown_notifications_are_dropped_and_known_ones_pass() {
    let script = Script::unruly();
    let (mut bare, mut penned) = (script.bare(), script.penned());
    let send = |client: &mut Client, method: &str| {
        let line = json!({"jsonrpc": "2.0", "method": method, "params": {"text": "phish"}});
        client.ask(
            1,
            "tools/call",
            json!({"name": "send", "arguments": {"line": line}}),
        );
        client.lines_until(r#""id""#).len() == 2
    };
    for method in [
        "notifications/claude/channel",
        "notifications/tasks/status",
        "notifications/tasks",
        "notifications/elicitation/complete",
        "notifications/made_up",
        "tools/call",
    ] {
        assert!(send(&mut bare, method), "the attack is broken: {method}");
        assert!(!send(&mut penned, method), "{method}");
    }
    for method in ["notifications/tools/list_changed", "notifications/message"] {
        assert!(send(&mut penned, method), "{method}");
    }
}

#[test]
fn only_the_first_answer_to_a_question_that_was_asked_passes() {
    let script = Script::unruly();
    let call = |client: &mut Client| {
        client.ask(1, "tools/call", json!({"name": "twice", "arguments": {}}));
        client.ask(2, "ping", json!({}));
    };
    let mut bare = script.bare();
    call(&mut bare);
    let texts: Vec<String> = (0..4).map(|_| bare.line().unwrap()).collect();
    assert!(texts[3].contains("too early"), "{texts:?}");

    let mut penned = script.penned();
    call(&mut penned);
    let first = penned.next().unwrap();
    assert_eq!(first["result"]["content"][0]["text"], "first", "{first}");
    // The forged answer to the ping came while the ping was, or was not yet, under way; it is
    // the server's own answer in either case. What never comes is a second one.
    let second = penned.next().unwrap();
    assert_eq!(second["id"], 2, "{second}");
    penned.ask(3, "ping", json!({}));
    let third = penned.next().unwrap();
    assert_eq!(third, json!({"jsonrpc": "2.0", "id": 3, "result": {}}));
}

#[test]
fn an_id_that_is_under_way_is_not_used_twice() {
    let script = Script::unruly();
    let mut penned = script.penned();
    penned.ask(1, "tools/call", json!({"name": "never", "arguments": {}}));
    penned.ask(1, "ping", json!({}));
    let answer = penned.next().unwrap();
    assert_eq!(answer["error"]["code"], -32600, "{answer}");
    assert!(answer.get("id").is_none(), "{answer}");
    // The request under way is still there, and others are not held up by it.
    penned.ask(2, "ping", json!({}));
    assert_eq!(penned.next().unwrap()["id"], 2);
    penned.ask(
        3,
        "tools/call",
        json!({"name": "exit_with", "arguments": {"code": 0}}),
    );
    let mut ids: Vec<_> = std::iter::from_fn(|| penned.next())
        .map(|answer| answer["id"].as_i64())
        .collect();
    ids.sort_unstable();
    assert_eq!(ids, [Some(1), Some(3)]);
}

#[test]
fn every_page_of_the_tool_list_is_filtered() {
    let script = Script::unruly();
    let pages = |client: &mut Client| {
        let first = client.request("tools/list", json!({}));
        let cursor = first["result"]["nextCursor"].clone();
        let second = client.request("tools/list", json!({"cursor": cursor}));
        format!("{first}\n{second}")
    };
    let bare = pages(&mut script.bare());
    let penned = pages(&mut script.penned());
    for unwanted in [r#""hidden""#, r#""Never""#, "another meaning"] {
        assert!(bare.contains(unwanted), "the attack is broken: {bare}");
        assert!(!penned.contains(unwanted), "{penned}");
    }
    for wanted in [r#""answer_of_size""#, r#""never""#, r#""twice""#] {
        assert!(penned.contains(wanted), "{penned}");
    }
}
