//! Conversations about what has to be granted: servers that ask, in each place where they can,
//! and clients that say what they can and answer. Out of any bytes, as `generator`.

use super::choices::{Choices, bytes_of_seed};
use super::generator::{conversation, mangled, object, with_version};
use super::task_lines::task_exchange;
use super::vocabulary::VALUES;
use super::{From, Sent};

/// Most lines of one conversation.
const MOST: usize = 40;

const CAPABILITIES: &[&str] = &[
    r#"{"roots":{"listChanged":true},"sampling":{"tools":{}},"elicitation":{"form":{},"url":{}}}"#,
    r#"{"roots":{"listChanged":true},"sampling":{"tools":{}},"elicitation":{"form":{},"url":{}}}"#,
    r#"{"roots":{"x":1},"sampling":{"x":{}},"elicitation":{},"experimental":{},"tasks":{}}"#,
    r#"{"elicitation":{"url":{}},"extensions":{"x":{}}}"#,
    r#"{"sampling":[],"roots":1}"#,
    "{}",
];

const ASKED: &[&str] = &[
    r#""tools/call""#,
    r#""tools/call""#,
    r#""tools/call""#,
    r#""prompts/get""#,
    r#""resources/read""#,
    r#""tools/list""#,
    r#""skills/list""#,
    r#""vendor/secret""#,
];

const QUESTIONS: &[(&str, &str)] = &[
    ("roots/list", "{}"),
    ("roots/list", r#"{"task":{}}"#),
    ("sampling/createMessage", r#"{"messages":[]}"#),
    (
        "sampling/createMessage",
        r#"{"messages":[],"includeContext":"allServers"}"#,
    ),
    (
        "sampling/createMessage",
        r#"{"messages":[],"includeContext":"none","tools":[]}"#,
    ),
    ("elicitation/create", r#"{"message":"m"}"#),
    ("elicitation/create", r#"{"mode":"form","message":"m"}"#),
    (
        "elicitation/create",
        r#"{"mode":"url","url":"https://a.test"}"#,
    ),
    (
        "elicitation/create",
        r#"{"mode":"url","url":"file:///etc"}"#,
    ),
    ("elicitation/create", r#"{"mode":"other"}"#),
    ("tasks/get", "{}"),
];

const ANSWERS: &[&str] = &[
    r#"{"action":"accept","content":{"a":1}}"#,
    r#"{"role":"assistant","content":{}}"#,
    r#"{"roots":[{"uri":"file:///projects/a","name":"A","x":1},{"uri":"file:///home"}]}"#,
    r#"{"roots":[{"uri":"file:///"},{"uri":"file:///projects/%2e%2e/home"},{"uri":"file:///projectsx"}]}"#,
    r#"{"roots":{}}"#,
];

const CLIENT_NOTIFICATIONS: &[&str] = &[
    "notifications/roots/list_changed",
    "notifications/initialized",
    "notifications/tasks/status",
    "notifications/claude/channel/permission_request",
];

const SERVER_NOTIFICATIONS: &[&str] = &[
    "notifications/claude/channel",
    "notifications/claude/channel/permission",
    "notifications/elicitation/complete",
    "notifications/tasks",
    "notifications/message",
    "sampling/createMessage",
];

/// The conversation that `bytes` decide.
pub(crate) fn asking_conversation(bytes: &[u8]) -> Vec<Sent> {
    let mut choices = Choices::new(bytes);
    let mut lines = Vec::new();
    let mut next = 0;
    // The last request of each side.
    let mut last = [String::new(), String::new()];
    while !choices.is_empty() && lines.len() < MOST {
        let c = &mut choices;
        let opens = lines.is_empty() && !c.once_in(4);
        let asks = if opens { 0 } else { c.below(10) };
        let from = if opens || c.below(2) == 0 {
            From::Client
        } else {
            From::Server
        };
        let mut id = || {
            next += 1;
            format!("{next}")
        };
        let line = match (from, asks) {
            (From::Client, 0) => {
                let params = format!("{{\"capabilities\":{}}}", c.one_of(CAPABILITIES));
                request(c, id(), r#""initialize""#, params)
            }
            (From::Client, 1) => {
                lines.extend(match c.below(3) {
                    0 => task_exchange(c, id),
                    _ => exchange(c, [id(), id()]),
                });
                continue;
            }
            (From::Client, 2..=5) => {
                last[0] = id();
                let params = params(c);
                let method = c.one_of(ASKED);
                request(c, last[0].clone(), method, params)
            }
            (From::Client, 6..=8) => {
                let answer = c.one_of(ANSWERS).to_owned();
                with_version(c, vec![("id", last[1].clone()), ("result", answer)])
            }
            (From::Client, _) => notification(c, CLIENT_NOTIFICATIONS),
            (From::Server, 0..=3) => {
                last[1] = id();
                let (method, params) = QUESTIONS[c.below(QUESTIONS.len())];
                request(
                    c,
                    last[1].clone(),
                    &format!("\"{method}\""),
                    params.to_owned(),
                )
            }
            (From::Server, 4..=8) => {
                let id = ("id", last[0].clone());
                let (key, answer) = asking_answer(c);
                with_version(c, vec![id, (key, answer)])
            }
            (From::Server, _) => notification(c, SERVER_NOTIFICATIONS),
        };
        let line = if choices.once_in(12) {
            mangled(&mut choices, line)
        } else {
            line.into_bytes()
        };
        lines.push(Sent { from, line });
        if choices.once_in(24) {
            let seed = u64::try_from(choices.below(256)).unwrap();
            lines.extend(conversation(&bytes_of_seed(seed, 60)));
        }
    }
    lines
}

/// A call before 2026-07-28, and an error that has a page opened.
fn page(c: &mut Choices<'_>, id: String) -> Vec<Sent> {
    let call = request(
        c,
        id.clone(),
        r#""tools/call""#,
        r#"{"name":"echo"}"#.to_owned(),
    );
    let error = page_error(c);
    let error = with_version(c, vec![("id", id), ("error", error)]);
    let said = [(From::Client, call), (From::Server, error)];
    said.map(|(from, line)| Sent {
        from,
        line: line.into_bytes(),
    })
    .into()
}

fn page_error(c: &mut Choices<'_>) -> String {
    let page = c.one_of(&[
        r#"{"mode":"url","url":"https://a.test"}"#,
        r#"{"mode":"url","url":"https://a.test"}"#,
        r#"{"mode":"url","url":"javascript:1"}"#,
        r#"{"mode":"form"}"#,
    ]);
    format!(r#"{{"code":-32042,"message":"m","data":{{"elicitations":[{page}]}}}}"#)
}

/// A call of 2026-07-28, a result that asks, and the call again with answers, more or fewer.
fn exchange(c: &mut Choices<'_>, [first, second]: [String; 2]) -> Vec<Sent> {
    if c.once_in(3) {
        return page(c, first);
    }
    let declared = c.one_of(CAPABILITIES);
    let meta = format!(
        r#"{{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{declared}}}"#
    );
    let (method, params) = QUESTIONS[c.below(QUESTIONS.len())];
    let state = c.one_of(&["", r#","requestState":"s""#]);
    let question = format!(
        r#"{{"resultType":"input_required","inputRequests":{{"a":{{"method":"{method}","params":{params}}}}}{state}}}"#
    );
    let answers = format!(r#""a":{},"d":{}"#, c.one_of(ANSWERS), c.one_of(ANSWERS));
    let again =
        format!(r#"{{"name":"echo","inputResponses":{{{answers}}}{state},"_meta":{meta}}}"#);
    let call = format!(r#"{{"name":"echo","_meta":{meta}}}"#);
    let call = request(c, first.clone(), r#""tools/call""#, call);
    let result = with_version(c, vec![("id", first), ("result", question)]);
    let again = request(c, second, r#""tools/call""#, again);
    let said = [
        (From::Client, call),
        (From::Server, result),
        (From::Client, again),
    ];
    said.map(|(from, line)| Sent {
        from,
        line: line.into_bytes(),
    })
    .into()
}

fn request(c: &mut Choices<'_>, id: String, method: &str, params: String) -> String {
    let members = vec![
        ("id", id),
        ("method", method.to_owned()),
        ("params", params),
    ];
    with_version(c, members)
}

fn notification(c: &mut Choices<'_>, methods: &[&str]) -> String {
    let method = format!("\"{}\"", c.one_of(methods));
    with_version(c, vec![("method", method), ("params", "{}".to_owned())])
}

/// Params of a request, mostly of 2026-07-28; now and then with answers.
fn params(c: &mut Choices<'_>) -> String {
    let mut members = vec![("name", r#""echo""#.to_owned())];
    if c.once_in(12) {
        members = vec![("uri", r#""demo://a""#.to_owned())];
    }
    // Before anything was asked a request with answers is refused, so mostly without.
    if c.below(3) == 1 {
        let mut answers = Vec::new();
        for name in ["a", "b", "c"] {
            if c.below(2) == 1 {
                answers.push((name, c.one_of(ANSWERS).to_owned()));
            }
        }
        members.push(("inputResponses", object(c, answers)));
        if c.below(2) == 1 {
            let state = c.one_of(&["\"s\"", "\"t\""]).to_owned();
            members.push(("requestState", state));
        }
    }
    if c.once_in(24) {
        members.push(("requestState", c.one_of(&["\"s\"", "\"t\""]).to_owned()));
    }
    if !c.once_in(6) {
        let version = (
            "io.modelcontextprotocol/protocolVersion",
            r#""2026-07-28""#.to_owned(),
        );
        let name = "io.modelcontextprotocol/clientCapabilities";
        let meta = vec![version, (name, c.one_of(CAPABILITIES).to_owned())];
        members.push(("_meta", object(c, meta)));
    }
    object(c, members)
}

/// The key and the value of an answer that asks, or of one that does not.
fn asking_answer(c: &mut Choices<'_>) -> (&'static str, String) {
    match c.below(8) {
        0 => return ("error", page_error(c)),
        1 => return ("result", c.one_of(VALUES).to_owned()),
        2 => return ("result", r#"{"content":[]}"#.to_owned()),
        _ => {}
    }
    let mut questions = Vec::new();
    // One that is not granted is enough for the result not to pass, so mostly the same ones.
    let mut question = c.below(QUESTIONS.len());
    for name in ["a", "b", "c"] {
        if c.below(2) == 1 {
            if c.once_in(6) {
                question = c.below(QUESTIONS.len());
            }
            let (method, params) = QUESTIONS[question];
            let question = vec![
                ("method", format!("\"{method}\"")),
                ("params", params.to_owned()),
            ];
            questions.push((name, object(c, question)));
        }
    }
    let questions = object(c, questions);
    let mut members = vec![
        ("resultType", r#""input_required""#.to_owned()),
        ("inputRequests", questions),
    ];
    if c.below(2) == 1 {
        members.push(("requestState", c.one_of(&["\"s\"", "\"t\""]).to_owned()));
    }
    ("result", object(c, members))
}
