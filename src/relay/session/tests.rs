//! The rules, one by one: each refusal with the case that passes beside it. Here what the
//! tests share.

mod approval;
mod call_log;
mod calls;
mod cleaning;
mod client;
mod grants;
mod look;
mod outside;
mod pins;
mod questions;
mod reach;
mod server;
mod task_questions;
mod task_results;
mod tasks;

use super::*;
use crate::lockfile::Digest;
use crate::relay::ToolDefinition;

fn policy(names: &[&str]) -> SessionPolicy {
    SessionPolicy {
        allow: names.iter().map(|name| name.parse().unwrap()).collect(),
        pins: None,
        calls: crate::relay::CallRules::default(),
        redaction: crate::relay::Redaction::default(),
        neutralise: false,
        grants: Grants::default(),
        granted_paths: Vec::new(),
        max_line: 1 << 20,
        passed_calls: Default::default(),
    }
}

fn session() -> Session {
    Session::new(policy(&["echo", "sum"]))
}

/// A definition of a tool with this description.
fn tool(name: &str, description: &str) -> String {
    format!(
        r#"{{"name":"{name}","description":"{description}","inputSchema":{{"type":"object"}}}}"#
    )
}

fn digest(definition: &str) -> Digest {
    let line = format!(r#"{{"tool":{definition}}}"#);
    let line = CanonicalLine::read(line.as_bytes(), 1 << 20).unwrap();
    let tool = ToolDefinition::read(line.root().find("tool").unwrap());
    tool.unwrap().unwrap().digest
}

/// A session in which `echo` and `sum` are pinned as `tool(_, "agreed")`, and `fresh` is allowed
/// but unknown to the lock.
fn pinned() -> Session {
    let pins = Pins {
        tools: ["echo", "sum"]
            .map(|name| (name.parse().unwrap(), digest(&tool(name, "agreed"))))
            .into(),
        instructions: Some(Digest::of(b"be kind")),
        review: "pinfold review files".to_owned(),
    };
    let allow = ["echo", "sum", "fresh"].map(|name| name.parse().unwrap());
    Session::new(SessionPolicy::locked(allow.into(), pins))
}

/// The client asks for a page and the server answers; what the client sees.
fn listed(
    session: &mut Session,
    cursor: Option<&str>,
    tools: &[&str],
    next: Option<&str>,
) -> String {
    let params = cursor.map_or_else(
        || "{}".to_owned(),
        |cursor| format!(r#"{{"cursor":"{cursor}"}}"#),
    );
    client_passes(session, &request("77", "tools/list", &params));
    let next = next.map_or(String::new(), |next| format!(r#","nextCursor":"{next}""#));
    let page = format!(r#"{{"tools":[{}]{next}}}"#, tools.join(","));
    let (to_server, to_client, _) = server(session, &result("77", &page));
    assert_eq!(to_server, None);
    to_client.unwrap()
}

/// Whether a call of `tool` reaches the server; if not, the client was told why in a result.
fn callable(session: &mut Session, tool: &str) -> bool {
    let call = request("78", "tools/call", &format!(r#"{{"name":"{tool}"}}"#));
    let (to_server, to_client, _) = client(session, &call);
    if to_server.is_some() {
        assert_eq!((to_server, to_client), (Some(call), None));
        server_passes(session, &result("78", r#"{"content":[]}"#));
        return true;
    }
    let answer = to_client.unwrap();
    assert!(answer.contains(r#""isError":true"#), "{answer}");
    assert!(answer.contains("`pinfold review files`"), "{answer}");
    false
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
