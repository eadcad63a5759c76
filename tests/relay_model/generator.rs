//! Lines of both sides out of any bytes: mostly well-formed, of both eras, with few ids so
//! that they collide, and now and then with something done to them.

use super::choices::Choices;
use super::vocabulary::{
    CAPABILITIES, CLIENT_NOTIFICATIONS, METHODS, NAMES, ODD_IDS, SERVER_NOTIFICATIONS,
    SERVER_REQUESTS, VALUES,
};
use super::{From, Sent};

/// Most lines of one conversation.
const MOST: usize = 40;

/// The conversation that `bytes` decide.
pub(crate) fn conversation(bytes: &[u8]) -> Vec<Sent> {
    let mut choices = Choices::new(bytes);
    let mut lines = Vec::new();
    // The last request of the client, so that answers often find one.
    let mut last = ("1".to_owned(), "ping");
    while !choices.is_empty() && lines.len() < MOST {
        let c = &mut choices;
        let from = if c.below(2) == 0 {
            From::Client
        } else {
            From::Server
        };
        let line = match (from, c.below(8)) {
            (From::Client, 0..=4) => {
                let (line, id, method) = request(c);
                last = (id, method);
                line
            }
            (From::Client, 5..=6) => notification(c, CLIENT_NOTIFICATIONS),
            (From::Client, _) => answer(c, &("0".to_owned(), "ping")),
            (From::Server, 0..=4) => {
                let to = if c.once_in(4) {
                    (id(c), last.1)
                } else {
                    last.clone()
                };
                answer(c, &to)
            }
            (From::Server, 5..=6) => notification(c, SERVER_NOTIFICATIONS),
            (From::Server, _) => server_request(c),
        };
        let line = if choices.once_in(6) {
            mangled(&mut choices, line)
        } else {
            line.into_bytes()
        };
        lines.push(Sent { from, line });
    }
    lines
}

fn id(c: &mut Choices<'_>) -> String {
    match c.below(16) {
        0 => format!("\"{}\"", c.below(4)),
        1 => c.one_of(ODD_IDS).to_owned(),
        2 => format!("\"\\u003{}\"", c.below(4)),
        _ => c.below(12).to_string(),
    }
}

/// A key, rarely in a disguise.
fn key(c: &mut Choices<'_>, plain: &str) -> String {
    if !c.once_in(48) {
        return plain.to_owned();
    }
    let first = plain.chars().next().unwrap();
    let rest = &plain[first.len_utf8()..];
    match c.below(7) {
        0 => format!("\\u{:04x}{rest}", u32::from(first)),
        1 => plain.to_uppercase(),
        2 => format!("{}{rest}", first.to_uppercase()),
        3 => plain
            .replace('s', "ſ")
            .replace('i', "ı")
            .replace('k', "\u{212a}"),
        4 => format!("{plain}\\u0000"),
        5 => format!("{plain}\\u0000x"),
        _ => format!("{plain} "),
    }
}

/// An object of these members, each of which may get a key in disguise, or a twin.
pub(super) fn object(c: &mut Choices<'_>, members: Vec<(&str, String)>) -> String {
    let mut written = Vec::new();
    for (plain, value) in members {
        if c.once_in(32) {
            let twin = key(c, plain);
            written.push(format!("\"{twin}\":{}", c.one_of(NAMES)));
        }
        written.push(format!("\"{}\":{value}", key(c, plain)));
    }
    format!("{{{}}}", written.join(","))
}

fn meta(c: &mut Choices<'_>) -> String {
    let mut members = Vec::new();
    if c.below(2) == 1 {
        let version = r#""2026-07-28""#.to_owned();
        members.push(("io.modelcontextprotocol/protocolVersion", version));
        let capabilities = c.one_of(CAPABILITIES).to_owned();
        members.push(("io.modelcontextprotocol/clientCapabilities", capabilities));
    }
    if c.below(4) == 1 {
        members.push(("progressToken", c.below(4).to_string()));
    }
    object(c, members)
}

fn params(c: &mut Choices<'_>, method: &str) -> String {
    let mut members = Vec::new();
    if method.to_lowercase().ends_with("call") || method == "prompts/get" {
        members.push(("name", c.one_of(NAMES).to_owned()));
        members.push(("arguments", c.one_of(VALUES).to_owned()));
    }
    if method == "tools/list" && c.below(2) == 1 {
        members.push(("cursor", "\"c\"".to_owned()));
    }
    if method == "initialize" {
        members.push(("capabilities", c.one_of(CAPABILITIES).to_owned()));
    }
    if method == "notifications/cancelled" {
        members.push(("requestId", id(c)));
    }
    if c.below(3) == 1 {
        members.push(("_meta", meta(c)));
    }
    if c.once_in(16) {
        let right = c.one_of(&["task", "inputResponses", "requestState"]);
        members.push((right, c.one_of(VALUES).to_owned()));
    }
    object(c, members)
}

pub(super) fn with_version(
    c: &mut Choices<'_>,
    mut members: Vec<(&'static str, String)>,
) -> String {
    let version = if c.once_in(64) { "2.0" } else { "\"2.0\"" };
    let at = c.below(members.len() + 1);
    members.insert(at, ("jsonrpc", version.to_owned()));
    object(c, members)
}

/// A request of the client: the line, its id, its method.
fn request(c: &mut Choices<'_>) -> (String, String, &'static str) {
    let (id, method) = (id(c), METHODS[c.below(METHODS.len())]);
    let params = params(c, method);
    let mut members = vec![
        ("id", id.clone()),
        ("method", format!("\"{method}\"")),
        ("params", params),
    ];
    if c.once_in(48) {
        members.push(("result", "{}".to_owned()));
    }
    (with_version(c, members), id, method)
}

fn server_request(c: &mut Choices<'_>) -> String {
    let (id, method) = (id(c), c.one_of(SERVER_REQUESTS));
    let params = params(c, method);
    with_version(
        c,
        vec![
            ("id", id),
            ("method", format!("\"{method}\"")),
            ("params", params),
        ],
    )
}

fn notification(c: &mut Choices<'_>, methods: &[&str]) -> String {
    let method = c.one_of(methods);
    let params = params(c, method);
    with_version(
        c,
        vec![("method", format!("\"{method}\"")), ("params", params)],
    )
}

fn answer(c: &mut Choices<'_>, to: &(String, &str)) -> String {
    let (id, method) = to.clone();
    if c.once_in(8) {
        let code = c.one_of(&["-32042", "-32602", "-32042.0", "1"]);
        let error = object(
            c,
            vec![("code", code.to_owned()), ("message", "\"m\"".to_owned())],
        );
        return with_version(c, vec![("id", id), ("error", error)]);
    }
    let result = result(c, method);
    with_version(c, vec![("id", id), ("result", result)])
}

fn tools(c: &mut Choices<'_>) -> String {
    let mut tools = Vec::new();
    for _ in 0..c.below(5) {
        let name = c.one_of(NAMES).to_owned();
        tools.push(if c.once_in(12) {
            name
        } else {
            let schema = if c.below(2) == 0 {
                "{}".to_owned()
            } else {
                c.one_of(VALUES).to_owned()
            };
            object(c, vec![("name", name), ("inputSchema", schema)])
        });
    }
    format!("[{}]", tools.join(","))
}

fn result(c: &mut Choices<'_>, method: &str) -> String {
    let mut members = Vec::new();
    // Now and then the answer to another question.
    if method == "tools/list" || c.once_in(8) {
        members.push(("tools", tools(c)));
        if c.below(3) == 1 {
            members.push(("nextCursor", "\"c\"".to_owned()));
        }
    }
    if ["initialize", "server/discover"].contains(&method) {
        members.push(("capabilities", c.one_of(CAPABILITIES).to_owned()));
    }
    if ["initialize", "server/discover"].contains(&method) && c.below(3) == 1 {
        members.push(("instructions", c.one_of(VALUES).to_owned()));
    }
    if method == "tools/call" {
        members.push(("content", "[]".to_owned()));
        members.push(("structuredContent", c.one_of(VALUES).to_owned()));
    }
    if c.once_in(6) {
        let kind = c.one_of(&["\"complete\"", "\"input_required\"", "\"task\"", "null"]);
        members.push(("resultType", kind.to_owned()));
    }
    if c.once_in(12) {
        // A state alone, which the client may send back.
        return r#"{"resultType":"input_required","requestState":"x"}"#.to_owned();
    }
    if c.once_in(12) {
        let asks = c.one_of(&["inputRequests", "requestState", "task"]);
        members.push((asks, c.one_of(VALUES).to_owned()));
    }
    object(c, members)
}

/// A line with something done to it.
pub(super) fn mangled(c: &mut Choices<'_>, line: String) -> Vec<u8> {
    const BREAKS: &[&str] = &[
        "\r", "\n", "\u{85}", "\u{2028}", "\u{2029}", "\u{b}", "\u{1e}", " ", "\u{feff}", "\0",
    ];
    let separator = c.one_of(BREAKS);
    let hidden = r#"{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"evil"}}"#;
    match c.below(12) {
        0 => format!("[{line}]").into_bytes(),
        1 => format!("{line}{separator}{hidden}").into_bytes(),
        2 => format!("{separator}{line}").into_bytes(),
        3 | 4 => line.replace(",\"", &format!(",{separator}\"")).into_bytes(),
        5 => line
            .replacen('{', &format!("{{\"x\":{separator}{hidden}{separator},"), 1)
            .into_bytes(),
        6 => line
            .replacen('{', &format!("{{\"x\":\"{separator}\","), 1)
            .into_bytes(),
        7 => line
            .replacen('}', &format!(",{}", &hidden[1..]), 1)
            .into_bytes(),
        8 => line.as_bytes()[..line.len() / 2].to_vec(),
        9 => format!("{line}{separator}").into_bytes(),
        10 => line
            .replacen("\":\"", &format!("\":\"{separator}"), 1)
            .into_bytes(),
        _ => {
            let mut bytes = line.into_bytes();
            let at = c.below(256) * bytes.len() / 256;
            bytes[at] = u8::try_from(c.below(256)).unwrap();
            bytes
        }
    }
}
