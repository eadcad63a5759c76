//! Any sequence of lines, real and hostile: no call of an unlisted tool reaches the server,
//! and no unlisted tool is shown. The lines that leave are judged by readers of other
//! habits: last key wins, case-insensitive keys, splitting at every kind of line break.

use proptest::prelude::*;
use serde_json::Value as Json;

use super::{policy, result};
use crate::relay::session::Session;

const LISTED: [&str; 2] = ["echo", "sum"];

/// One line of one side.
#[derive(Clone, Debug)]
struct Sent {
    by_client: bool,
    line: String,
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => Just("\"echo\"".to_owned()),
        3 => Just("\"evil\"".to_owned()),
        1 => Just("\"\\u0065vil\"".to_owned()),
        1 => Just("\"\\u0065cho\"".to_owned()),
        1 => Just("\"echo\\u0000\"".to_owned()),
        1 => Just("\"Echo\"".to_owned()),
        1 => Just("[\"echo\"]".to_owned()),
        1 => Just("1".to_owned()),
    ]
}

fn id() -> impl Strategy<Value = String> {
    prop_oneof![
        16 => (0..8).prop_map(|id: i32| id.to_string()),
        1 => (0..8).prop_map(|id: i32| format!("\"{id}\"")),
        1 => prop::sample::select(vec!["null", "1.0", "1e0", "-0", "[1]", "99999999999999999999"])
            .prop_map(str::to_owned),
    ]
}

fn key(plain: &'static str) -> impl Strategy<Value = String> {
    let first = plain.chars().next().unwrap();
    prop_oneof![
        40 => Just(plain.to_owned()),
        1 => Just(format!("\\u{:04x}{}", u32::from(first), &plain[1..])),
        1 => Just(plain.to_uppercase()),
        1 => Just(plain.replace('s', "ſ").replace('i', "ı")),
        1 => Just(format!("{plain}\\u0000")),
    ]
}

fn method() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "tools/call",
        "tools/call",
        "tools/call",
        "tools/list",
        "tools/list",
        "ping",
        "initialize",
        "server/discover",
        "tasks/get",
        "sampling/createMessage",
        "tools/Call",
        "tools\\/call",
        "resources/list",
        "notifications/cancelled",
        "notifications/tasks",
    ])
    .prop_map(|method| format!("\"{method}\""))
}

fn members(parts: Vec<(String, String)>) -> String {
    let members: Vec<_> = parts
        .iter()
        .map(|(key, value)| format!("\"{key}\":{value}"))
        .collect();
    members.join(",")
}

fn params() -> impl Strategy<Value = String> {
    let member = prop_oneof![
        4 => (key("name"), name()),
        2 => (key("cursor"), Just("\"c\"".to_owned())),
        1 => (key("task"), Just("{}".to_owned())),
        1 => (key("requestId"), id()),
        1 => (key("_meta"), Just("{\"progressToken\":1}".to_owned())),
    ];
    prop::collection::vec(member, 0..3).prop_map(|parts| format!("{{{}}}", members(parts)))
}

fn tools() -> impl Strategy<Value = String> {
    let tool = prop_oneof![
        6 => (key("name"), name()).prop_map(|part| format!("{{{}}}", members(vec![part]))),
        2 => (key("name"), name(), key("name"), name())
            .prop_map(|(a, b, c, d)| format!("{{{}}}", members(vec![(a, b), (c, d)]))),
        1 => name(),
    ];
    prop::collection::vec(tool, 0..5).prop_map(|tools| format!("[{}]", tools.join(",")))
}

fn list() -> impl Strategy<Value = String> {
    let more = prop_oneof![
        3 => Just(None),
        2 => Just(Some(("nextCursor".to_owned(), "\"c\"".to_owned()))),
        1 => tools().prop_map(|tools| Some(("Tools".to_owned(), tools))),
        1 => tools().prop_map(|tools| Some(("toolſ".to_owned(), tools))),
        1 => tools().prop_map(|tools| Some(("inputRequests".to_owned(), tools))),
    ];
    (key("tools"), tools(), more).prop_map(|(key, tools, more)| {
        format!(
            "{{{}}}",
            members([(key, tools)].into_iter().chain(more).collect())
        )
    })
}

fn request() -> impl Strategy<Value = String> {
    (
        key("id"),
        id(),
        key("method"),
        method(),
        key("params"),
        params(),
    )
        .prop_map(|(id_key, id, method_key, method, params_key, params)| {
            let parts = vec![
                ("jsonrpc".to_owned(), "\"2.0\"".to_owned()),
                (id_key, id),
                (method_key, method),
                (params_key, params),
            ];
            format!("{{{}}}", members(parts))
        })
}

/// A line as it is, or with something done to it.
fn mangled(line: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    let breaks = prop::sample::select(vec![
        "\r", "\r", "\r", "\u{85}", "\u{2028}", "\n", " ", "\u{feff}", "\0",
    ]);
    (line, request(), breaks, 0..16).prop_map(|(line, hidden, separator, how)| match how {
        0 => format!("[{line}]"),
        1 => format!("{line}{separator}{hidden}"),
        2 => format!("{separator}{line}"),
        3 | 8 | 9 => line.replace(",\"", &format!(",{separator}\"")),
        4 => line.replacen('{', &format!("{{\"x\":{separator}{hidden}{separator},"), 1),
        5 => line.replacen('{', &format!("{{\"x\":\"{separator}\","), 1),
        6 => line.replacen('}', &format!(",{}", hidden.trim_start_matches('{')), 1),
        7 => line.chars().take(line.len() / 2).collect(),
        _ => line,
    })
}

fn sent() -> impl Strategy<Value = Sent> {
    let answer = (id(), list()).prop_map(|(id, list)| result(&id, &list));
    let from_client = prop_oneof![8 => request(), 1 => answer];
    let answer = (id(), list()).prop_map(|(id, list)| result(&id, &list));
    let from_server = prop_oneof![6 => answer, 1 => request()];
    prop_oneof![
        mangled(from_client).prop_map(|line| Sent {
            by_client: true,
            line
        }),
        mangled(from_server).prop_map(|line| Sent {
            by_client: false,
            line
        }),
    ]
}

/// How other readers split what they receive.
fn split_widely(line: &str) -> Vec<&str> {
    line.split([
        '\n', '\r', '\u{b}', '\u{c}', '\u{1c}', '\u{1d}', '\u{1e}', '\u{85}', '\u{2028}',
        '\u{2029}',
    ])
    .collect()
}

/// A key as the most lenient reader sees it.
fn loose(key: &str) -> String {
    key.replace('\0', "")
        .replace('ſ', "s")
        .replace('ı', "i")
        .to_lowercase()
}

/// Every value that some reader may take for `object[key]`.
fn readings<'a>(object: &'a Json, key: &str) -> Vec<&'a Json> {
    let Json::Object(members) = object else {
        return Vec::new();
    };
    members
        .iter()
        .filter(|(found, _)| loose(found) == loose(key))
        .map(|(_, value)| value)
        .collect()
}

/// No reader of this line sees a call of a tool that is not listed.
fn calls_nothing_unlisted(line: &str) -> Result<(), TestCaseError> {
    let pieces = split_widely(line);
    prop_assert_eq!(
        pieces.len(),
        1,
        "more than one line for some readers: {:?}",
        line
    );
    let message: Json = serde_json::from_str(line).unwrap();
    prop_assert!(message.is_object());
    let methods = readings(&message, "method");
    prop_assert!(methods.len() <= 1);
    if methods
        .iter()
        .any(|method| method.as_str().is_some_and(|m| loose(m) == "tools/call"))
    {
        for params in readings(&message, "params") {
            for name in readings(params, "name") {
                prop_assert!(
                    name.as_str().is_some_and(|name| LISTED.contains(&name)),
                    "{}",
                    line
                );
            }
        }
    }
    Ok(())
}

/// No reader of this line sees a tool that is not listed, or one twice.
fn shows_nothing_unlisted(line: &str) -> Result<(), TestCaseError> {
    prop_assert_eq!(split_widely(line).len(), 1);
    let message: Json = serde_json::from_str(line).unwrap();
    for result in readings(&message, "result") {
        for tools in readings(result, "tools") {
            let mut seen = Vec::new();
            for tool in tools.as_array().unwrap() {
                let names = readings(tool, "name");
                prop_assert_eq!(names.len(), 1);
                let name = names[0].as_str().unwrap();
                prop_assert!(LISTED.contains(&name) && !seen.contains(&name), "{}", line);
                seen.push(name);
            }
        }
    }
    Ok(())
}

/// Whether the message answers a `tools/list` that was forwarded, by the oracle's own book.
fn answers_a_listing(line: &str, listings: &mut Vec<Json>) -> bool {
    let message: Json = serde_json::from_str(line).unwrap();
    let Some(at) = listings.iter().position(|id| Some(id) == message.get("id")) else {
        return false;
    };
    listings.remove(at);
    message.get("result").is_some()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn no_unlisted_tool_is_called_or_shown(lines in prop::collection::vec(sent(), 1..25)) {
        let mut session = Session::new(policy(&LISTED));
        let mut listings: Vec<Json> = Vec::new();
        for Sent { by_client, line } in lines {
            let outcome = if by_client {
                session.from_client(line.as_bytes())
            } else {
                session.from_server(line.as_bytes())
            };
            if let Some(line) = outcome.to_server {
                let line = String::from_utf8(line).unwrap();
                calls_nothing_unlisted(&line)?;
                let message: Json = serde_json::from_str(&line).unwrap();
                if message["method"] == "tools/list" {
                    listings.push(message["id"].clone());
                }
            }
            if let Some(line) = outcome.to_client {
                let line = String::from_utf8(line).unwrap();
                prop_assert_eq!(split_widely(&line).len(), 1);
                if !by_client && answers_a_listing(&line, &mut listings) {
                    shows_nothing_unlisted(&line)?;
                }
            }
            for event in &outcome.events {
                prop_assert!(!event.to_string().contains(char::is_control));
            }
        }
    }
}
