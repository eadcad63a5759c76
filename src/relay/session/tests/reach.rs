//! Resources, prompts, completion and logging: switched off, or held to patterns.

use super::grants::granting;
use super::*;
use crate::relay::grants::{Grants, Reach};

fn matching(patterns: &[&str]) -> Reach {
    Reach::Matching(patterns.iter().map(|text| text.parse().unwrap()).collect())
}

fn some() -> Grants {
    Grants {
        resources: matching(&["demo://docs/*"]),
        prompts: matching(&["greet*"]),
        ..Grants::default()
    }
}

fn off() -> Grants {
    Grants {
        resources: Reach::Off,
        prompts: Reach::Off,
        completion: false,
        logging: false,
        ..Grants::default()
    }
}

const MODERN: &str = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}"#;

#[test]
fn what_is_switched_off_is_not_there() {
    let mut session = granting(off());
    for method in [
        "resources/list",
        "resources/templates/list",
        "resources/read",
        "resources/subscribe",
        "resources/unsubscribe",
        "prompts/list",
        "prompts/get",
        "completion/complete",
        "logging/setLevel",
    ] {
        let message = format!("Method not found: {method}");
        let line = request("1", method, "{}");
        client_refused(&mut session, &line, "1", -32601, &message);
        client_passes(&mut granting(Grants::default()), &line);
    }
    for method in [
        "notifications/message",
        "notifications/resources/updated",
        "notifications/resources/list_changed",
        "notifications/prompts/list_changed",
    ] {
        let line = notification(method, "{}");
        server_dropped(&mut session, &line, "not granted");
        server_passes(&mut granting(Grants::default()), &line);
    }
    for method in ["initialize", "server/discover"] {
        client_passes(&mut session, &request("1", method, "{}"));
        let announced = r#"{"capabilities":{"tools":{},"resources":{},"prompts":{},"logging":{},"completions":{}}}"#;
        let (_, to_client, _) = server(&mut session, &result("1", announced));
        let left = r#"{"capabilities":{"tools":{}}}"#;
        assert_eq!(to_client, Some(result("1", left)));
    }
    let meta = r#"{"name":"echo","_meta":{"io.modelcontextprotocol/logLevel":"debug","x":1}}"#;
    let (to_server, ..) = client(&mut session, &request("1", "tools/call", meta));
    let left = r#"{"name":"echo","_meta":{"x":1}}"#;
    assert_eq!(to_server, Some(request("1", "tools/call", left)));
    let mut session = granting(Grants::default());
    client_passes(&mut session, &request("1", "tools/call", meta));
}

#[test]
fn resources_are_held_to_their_patterns() {
    for method in [
        "resources/read",
        "resources/subscribe",
        "resources/unsubscribe",
    ] {
        let mut session = granting(some());
        let read = request("1", method, r#"{"uri":"demo://docs/a"}"#);
        client_passes(&mut session, &read);
        for uri in ["demo://other", "demo://docs/../other", "DEMO://docs/a", ""] {
            let line = request("2", method, &format!(r#"{{"uri":"{uri}"}}"#));
            let message = format!("Resource not found: {uri}");
            client_refused(&mut session, &line, "2", -32002, &message);
            let line = request("2", method, &format!(r#"{{"uri":"{uri}",{MODERN}}}"#));
            client_refused(&mut session, &line, "2", -32602, &message);
            client_passes(&mut granting(Grants::default()), &line);
        }
        for params in ["{}", r#"{"uri":1}"#] {
            let line = request("2", method, params);
            client_refused(
                &mut session,
                &line,
                "2",
                -32602,
                "Refused: `uri` is not a string",
            );
        }
        let line = request("2", method, r#"{"uri":"demo://docs/a","Uri":"demo://x"}"#);
        let (to_server, ..) = client(&mut session, &line);
        assert_eq!(to_server, None);
    }
}

#[test]
fn prompts_are_held_to_their_patterns() {
    let mut session = granting(some());
    let line = request("1", "prompts/get", r#"{"name":"greeting"}"#);
    client_passes(&mut session, &line);
    let line = request("2", "prompts/get", r#"{"name":"evil"}"#);
    client_refused(&mut session, &line, "2", -32602, "Unknown prompt: evil");
    client_passes(&mut granting(Grants::default()), &line);
    let line = request("2", "prompts/get", "{}");
    client_refused(
        &mut session,
        &line,
        "2",
        -32602,
        "Refused: `name` is not a string",
    );
}

#[test]
fn every_page_of_a_list_is_filtered() {
    for (method, list, page, left) in [
        (
            "resources/list",
            "resources",
            r#"[{"uri":"demo://docs/a","name":"evil"},{"uri":"demo://other","name":"a"},{"URI":"demo://docs/b"},1,{"uri":"demo://docs/c","Uri":"x"}]"#,
            r#"[{"uri":"demo://docs/a","name":"evil"}]"#,
        ),
        (
            "resources/templates/list",
            "resourceTemplates",
            r#"[{"uriTemplate":"demo://{x}","name":"a"},{"uriTemplate":"demo://docs/{x}","d":1.0}]"#,
            r#"[{"uriTemplate":"demo://docs/{x}","d":1.0}]"#,
        ),
        (
            "prompts/list",
            "prompts",
            r#"[{"name":"evil"},{"name":"greeting"},{"Name":"greeting"},{}]"#,
            r#"[{"name":"greeting"}]"#,
        ),
    ] {
        let mut session = granting(some());
        for (id, cursor) in [("1", "{}"), ("2", r#"{"cursor":"n"}"#)] {
            client_passes(&mut session, &request(id, method, cursor));
            let given = format!(r#"{{"{list}":{page},"nextCursor":"n","ttlMs":1}}"#);
            let (_, to_client, events) = server(&mut session, &result(id, &given));
            let expected = format!(r#"{{"{list}":{left},"nextCursor":"n","ttlMs":1}}"#);
            assert_eq!(to_client, Some(result(id, &expected)));
            assert!(matches!(events.as_slice(), [Event::Hidden { what, .. }] if *what == list));
        }
        client_passes(&mut session, &request("3", method, "{}"));
        server_passes(
            &mut session,
            &result("3", &format!(r#"{{"{list}":{left}}}"#)),
        );
        // What is no list can't be looked at.
        client_passes(&mut session, &request("4", method, "{}"));
        let (_, to_client, _) = server(&mut session, &result("4", r#"{"x":[]}"#));
        assert!(to_client.unwrap().contains("-32603"));
        // Where everything is reached nothing is looked at.
        let mut open = granting(Grants::default());
        client_passes(&mut open, &request("1", method, "{}"));
        server_passes(&mut open, &result("1", &format!(r#"{{"{list}":{page}}}"#)));
    }
}

#[test]
fn completion_is_for_what_is_reached() {
    let complete = |reference: &str| {
        let params = format!(r#"{{"ref":{reference},"argument":{{"name":"a","value":"secret"}}}}"#);
        request("1", "completion/complete", &params)
    };
    for reference in [
        r#"{"type":"ref/prompt","name":"greeting"}"#,
        r#"{"type":"ref/resource","uri":"demo://docs/{x}"}"#,
    ] {
        client_passes(&mut granting(some()), &complete(reference));
    }
    for (reference, code) in [
        (r#"{"type":"ref/prompt","name":"evil"}"#, -32602),
        (r#"{"type":"ref/resource","uri":"demo://x"}"#, -32002),
        (r#"{"type":"ref/x","name":"greeting"}"#, -32602),
        (r#"{"type":"ref/prompt","Name":"greeting"}"#, -32602),
        (
            r#"{"type":"ref/prompt","Type":"x","name":"greeting"}"#,
            -32602,
        ),
        ("1", -32602),
    ] {
        let (to_server, to_client, _) = client(&mut granting(some()), &complete(reference));
        assert_eq!(to_server, None, "{reference}");
        assert!(
            to_client.unwrap().contains(&code.to_string()),
            "{reference}"
        );
        client_passes(&mut granting(Grants::default()), &complete(reference));
    }
}

#[test]
fn news_of_what_is_not_reached_does_not_arrive() {
    let updated = |params: &str| notification("notifications/resources/updated", params);
    let mut session = granting(some());
    server_passes(&mut session, &updated(r#"{"uri":"demo://docs/a"}"#));
    for params in [r#"{"uri":"demo://other"}"#, "{}", r#"{"uri":1}"#] {
        server_dropped(&mut session, &updated(params), "not granted");
        server_passes(&mut granting(Grants::default()), &updated(params));
    }
}

#[test]
fn subscriptions_are_to_what_is_granted() {
    let listen = |notifications: &str| {
        let params = format!(r#"{{"notifications":{notifications},{MODERN}}}"#);
        request("1", "subscriptions/listen", &params)
    };
    let wanted = r#"{"toolsListChanged":true,"promptsListChanged":true,"resourcesListChanged":true,"resourceSubscriptions":["demo://docs/a","demo://other",1],"taskIds":["t"],"x":true}"#;
    for (grants, left) in [
        (
            Grants::default(),
            r#"{"toolsListChanged":true,"promptsListChanged":true,"resourcesListChanged":true,"resourceSubscriptions":["demo://docs/a","demo://other",1]}"#,
        ),
        (
            some(),
            r#"{"toolsListChanged":true,"promptsListChanged":true,"resourcesListChanged":true,"resourceSubscriptions":["demo://docs/a"]}"#,
        ),
        (off(), r#"{"toolsListChanged":true}"#),
    ] {
        let (to_server, to_client, _) = client(&mut granting(grants), &listen(wanted));
        assert_eq!(to_client, None);
        assert_eq!(to_server, Some(listen(left)));
    }
    let odd = listen(r#"{"resourceSubscriptions":"demo://other"}"#);
    let (to_server, ..) = client(&mut granting(some()), &odd);
    assert_eq!(to_server, Some(listen(r#"{"resourceSubscriptions":[]}"#)));
    let mut session = granting(Grants::default());
    client_passes(&mut session, &listen(r#"{"toolsListChanged":true}"#));
}
