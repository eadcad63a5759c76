//! The relay's own look at the tools: when it is made, what it changes, and that nobody can
//! use it.

use std::time::{Duration, Instant};

use super::*;
use crate::relay::message::Kind;

const CHANGED: &str = r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#;
const INITIALIZED: &str = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;

fn agreed(name: &str) -> String {
    tool(name, "agreed")
}

/// A session whose client has initialized and listed both tools as agreed.
fn ready() -> Session {
    let mut session = pinned();
    client_passes(&mut session, INITIALIZED);
    let tools = [agreed("echo"), agreed("sum")];
    let tools: Vec<&str> = tools.iter().map(String::as_str).collect();
    listed(&mut session, None, &tools, None);
    session
}

/// The server says that its tools changed, which the client hears; what the relay asks.
#[track_caller]
fn changed(session: &mut Session) -> Option<String> {
    let outcome = session.from_server(CHANGED.as_bytes());
    assert_eq!(text(outcome.to_client).as_deref(), Some(CHANGED));
    assert_eq!(outcome.to_server, None);
    text(outcome.own_request)
}

/// The id of one of the relay's requests, in JSON.
fn id_of(request: &str) -> String {
    let line = CanonicalLine::read(request.as_bytes(), 4096).unwrap();
    assert_eq!(line.as_bytes(), request.as_bytes());
    let message = Message::read(&line).unwrap();
    let Kind::Request { id, method } = &message.kind else {
        panic!("{request}");
    };
    assert_eq!(method, "tools/list");
    let mut json = Vec::new();
    id.write(&mut json);
    String::from_utf8(json).unwrap()
}

/// The server answers the relay: the client hears nothing. What the relay asks next.
#[track_caller]
fn answered(session: &mut Session, line: &str) -> Option<String> {
    let outcome = session.from_server(line.as_bytes());
    assert_eq!(
        (outcome.to_client, outcome.to_server),
        (None, None),
        "{line}"
    );
    text(outcome.own_request)
}

fn tools(id: &str, tools: &[&str]) -> String {
    result(id, &format!(r#"{{"tools":[{}]}}"#, tools.join(",")))
}

#[test]
fn a_change_that_is_announced_is_looked_at_although_the_client_does_not_ask() {
    let mut session = ready();
    let id = id_of(&changed(&mut session).unwrap());
    // While the server has not answered, nothing waits for it.
    assert!(callable(&mut session, "echo"));
    let evil = tool("echo", "evil");
    assert_eq!(
        answered(&mut session, &tools(&id, &[&evil, &agreed("sum")])),
        None
    );
    assert!(!callable(&mut session, "echo"));
    assert!(callable(&mut session, "sum"));
    // And back again.
    let id = id_of(&changed(&mut session).unwrap());
    assert!(!callable(&mut session, "echo"));
    answered(
        &mut session,
        &tools(&id, &[&agreed("echo"), &agreed("sum")]),
    );
    assert!(callable(&mut session, "echo"));
    // Control: a relay that doesn't pin doesn't look, and the call arrives.
    let mut open = super::session();
    client_passes(&mut open, INITIALIZED);
    assert_eq!(changed(&mut open), None);
    assert!(callable(&mut open, "echo"));
}

#[test]
fn it_asks_as_the_session_speaks() {
    let mut session = ready();
    let request = changed(&mut session).unwrap();
    assert!(
        request.ends_with(r#""method":"tools/list","params":{}}"#),
        "{request}"
    );

    let mut session = pinned();
    // Nobody has spoken yet: the request waits for the first that does.
    assert_eq!(changed(&mut session), None);
    let meta = r#"{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}"#;
    let outcome = session.from_client(request_line("tools/list", meta).as_bytes());
    assert!(outcome.to_server.is_some());
    let request = text(outcome.own_request).unwrap();
    for part in [
        r#""io.modelcontextprotocol/protocolVersion":"2026-07-28""#,
        r#""io.modelcontextprotocol/clientCapabilities":{}"#,
    ] {
        assert!(request.contains(part), "{request}");
    }
    id_of(&request);
}

fn request_line(method: &str, params: &str) -> String {
    request("5", method, params)
}

#[test]
fn a_call_of_a_tool_that_was_never_listed_is_looked_after_once() {
    let mut session = pinned();
    let call = request("1", "tools/call", r#"{"name":"echo"}"#);
    let outcome = session.from_client(call.as_bytes());
    // The lock knows it, so the call is not held up.
    assert_eq!(text(outcome.to_server), Some(call));
    let id = id_of(&text(outcome.own_request).unwrap());
    let again = request("2", "tools/call", r#"{"name":"echo"}"#);
    assert_eq!(session.from_client(again.as_bytes()).own_request, None);
    answered(&mut session, &tools(&id, &[&tool("echo", "evil")]));
    assert!(!callable(&mut session, "echo"));
    // Control: a client that has listed it causes no look.
    let mut session = ready();
    let outcome = session.from_client(request("1", "tools/call", r#"{"name":"echo"}"#).as_bytes());
    assert_eq!(outcome.own_request, None);
}

#[test]
fn all_pages_are_asked_for_and_the_list_has_an_end() {
    let mut session = ready();
    let first = id_of(&changed(&mut session).unwrap());
    let page = format!(r#"{{"tools":[{}],"nextCursor":"a\"b"}}"#, agreed("echo"));
    let next = answered(&mut session, &result(&first, &page)).unwrap();
    assert!(next.ends_with(r#""params":{"cursor":"a\"b"}}"#), "{next}");
    let second = id_of(&next);
    assert_ne!(second, first);
    let evil = tool("sum", "evil");
    // On the second page the same name is a duplicate, whatever it says.
    let last = tools(&second, &[&tool("echo", "evil"), &evil]);
    assert_eq!(answered(&mut session, &last), None);
    assert!(callable(&mut session, "echo") && !callable(&mut session, "sum"));

    let mut session = ready();
    let mut request = changed(&mut session).unwrap();
    for count in 1.. {
        assert!(count <= 100, "it asks for ever");
        let page = format!(r#"{{"tools":[],"nextCursor":"{count}"}}"#);
        match answered(&mut session, &result(&id_of(&request), &page)) {
            Some(next) => request = next,
            None => break,
        }
    }
    assert!(
        !callable(&mut session, "echo"),
        "nobody knows what it is now"
    );
}

#[test]
fn a_look_that_fails_withholds_until_the_tool_is_shown_again() {
    let answers: [fn(&str) -> String; 6] = [
        |id| failure(id, -32000, "{}"),
        |id| result(id, "{}"),
        |id| result(id, r#"{"tools":[],"nextCursor":7}"#),
        |id| result(id, r#"{"tools":[],"inputRequests":{}}"#),
        |id| format!(r#"{{"jsonrpc":"2.0","id":{id},"result":7}}"#),
        |id| format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"tools":[]}}"#),
    ];
    for answer in answers {
        let mut session = ready();
        let id = id_of(&changed(&mut session).unwrap());
        assert!(callable(&mut session, "echo"));
        assert_eq!(answered(&mut session, &answer(&id)), None);
        assert!(!callable(&mut session, "echo"), "{}", answer(&id));
        // Announcing more changes buys no time.
        assert!(changed(&mut session).is_some());
        assert!(!callable(&mut session, "echo"), "{}", answer(&id));
        // What the client lists counts, for the tools that are in it.
        listed(&mut session, None, &[&agreed("echo")], None);
        assert!(callable(&mut session, "echo") && !callable(&mut session, "sum"));
    }
}

#[test]
fn an_answer_that_is_too_long_fails_the_look_and_tells_the_client_nothing() {
    let mut session = ready();
    let id = id_of(&changed(&mut session).unwrap());
    let head = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"tools":["#);
    let outcome = session.from_server_too_long(head.as_bytes(), b"");
    assert_eq!((outcome.to_client, outcome.to_server), (None, None));
    assert!(!callable(&mut session, "echo"));
}

#[test]
fn a_server_that_never_answers_has_its_time_and_no_more() {
    let start = Instant::now();
    let mut session = ready();
    session.set_time(start);
    let id = id_of(&changed(&mut session).unwrap());
    for (seconds, passes) in [(0, true), (9, true), (10, false), (1000, false)] {
        session.set_time(start + Duration::from_secs(seconds));
        // Announcing changes all the time buys no time, and is no second look.
        assert_eq!(changed(&mut session), None);
        assert_eq!(callable(&mut session, "echo"), passes, "{seconds}");
    }
    // Better late than never: this look is answered, and the next has its own time.
    let next = answered(
        &mut session,
        &tools(&id, &[&agreed("echo"), &agreed("sum")]),
    );
    let id = id_of(&next.unwrap());
    assert!(callable(&mut session, "echo"));
    assert_eq!(
        answered(&mut session, &tools(&id, &[&agreed("echo")])),
        None
    );
    assert!(callable(&mut session, "echo"));
    // A tool that is gone is for the server to refuse.
    assert!(callable(&mut session, "sum"));
}

#[test]
fn a_server_that_changes_whenever_it_is_asked_is_not_asked_for_ever() {
    let mut session = ready();
    let mut request = changed(&mut session);
    let mut count = 0;
    while let Some(asked) = request {
        count += 1;
        assert!(count <= 20_000, "it asks for ever");
        assert_eq!(changed(&mut session), None, "one look at a time");
        let answer = tools(&id_of(&asked), &[&agreed("echo"), &agreed("sum")]);
        request = answered(&mut session, &answer);
    }
    assert!(!callable(&mut session, "echo"));
}

#[test]
fn its_ids_are_nobody_elses() {
    let mut session = ready();
    let id = id_of(&changed(&mut session).unwrap());
    // The client can't use the id, nor cancel the request.
    let (to_server, to_client, _) = client(&mut session, &request(&id, "ping", "{}"));
    assert_eq!(to_server, None);
    assert!(to_client.unwrap().contains("already in use"));
    let cancel = notification(
        "notifications/cancelled",
        &format!(r#"{{"requestId":{id}}}"#),
    );
    assert_eq!(client(&mut session, &cancel), (None, None, vec![]));
    answered(&mut session, &tools(&id, &[&tool("echo", "evil")]));
    assert!(!callable(&mut session, "echo"));
    // Answered once. A second answer is one that nobody asked for.
    server_dropped(
        &mut session,
        &tools(&id, &[&agreed("echo")]),
        "waits for no answer",
    );
    assert!(!callable(&mut session, "echo"));
    // Two sessions have different ids, so none can be guessed.
    assert_ne!(id_of(&changed(&mut ready()).unwrap()), id);
}

#[test]
fn an_id_that_the_client_uses_is_passed_over() {
    let mut session = ready();
    let id = id_of(&changed(&mut session).unwrap());
    answered(
        &mut session,
        &tools(&id, &[&agreed("echo"), &agreed("sum")]),
    );
    // The next id, as whoever saw this one might guess it.
    let (prefix, number) = id.trim_matches('"').rsplit_once('-').unwrap();
    let next = format!("\"{prefix}-{}\"", number.parse::<u64>().unwrap() + 1);
    client_passes(&mut session, &request(&next, "resources/list", "{}"));
    let own = id_of(&changed(&mut session).unwrap());
    assert_ne!(own, next);
    // Each answer goes to who asked.
    server_passes(&mut session, &result(&next, r#"{"resources":[]}"#));
    answered(
        &mut session,
        &tools(&own, &[&agreed("echo"), &agreed("sum")]),
    );
    assert!(callable(&mut session, "echo"));
}

#[test]
fn its_requests_are_not_answered_for_when_the_server_is_gone() {
    let mut session = ready();
    changed(&mut session).unwrap();
    assert_eq!(session.answer_outstanding("gone"), Vec::<Vec<u8>>::new());
}
