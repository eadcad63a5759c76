//! The rules, one by one: each refusal with the case that passes beside it. Here what the
//! tests share.

mod client;
mod server;

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
