//! What two sides say about tasks (2025-11-25), rightly and wrongly, out of any bytes.

use super::choices::Choices;
use super::generator::with_version;
use super::tasks::RELATED_TASK;
use super::{From, Sent};

/// Most lines of one conversation.
const MOST: usize = 40;

const IDS: &[&str] = &["t", "t", "t", "t", "u", "T", "\\u0074", "t\\u0000", ""];
const STATUSES: &[&str] = &[
    "working",
    "working",
    "completed",
    "input_required",
    "failed",
    "odd",
];
const WISHES: &[&str] = &[
    r#","task":{"ttl":1}"#,
    r#","task":{"ttl":1}"#,
    r#","task":{"ttl":1}"#,
    r#","task":{}"#,
    r#","task":{"ttl":"1"}"#,
    r#","task":null"#,
    r#","Task":{}"#,
    "",
];
/// Beside the state of a task.
const MORE: &[&str] = &[
    "",
    "",
    "",
    "",
    "",
    "",
    "",
    "",
    r#","result":{}"#,
    r#","inputRequests":{}"#,
    r#","TaskId":"u""#,
];
const MODERN: &str = r#","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}"#;
const CAPABILITIES: &[&str] = &[
    r#"{"sampling":{},"elicitation":{"form":{}},"tasks":{"list":{},"cancel":{},"requests":{"sampling":{"createMessage":{}},"elicitation":{"create":{}},"roots":{"list":{}}}}}"#,
    r#"{"sampling":{},"elicitation":{"form":{}},"tasks":{"list":{},"cancel":{},"requests":{"sampling":{"createMessage":{}},"elicitation":{"create":{}},"roots":{"list":{}}}}}"#,
    r#"{"sampling":{},"elicitation":{"form":{}},"tasks":{"requests":{"sampling":{}}}}"#,
    r#"{"sampling":{},"elicitation":{"form":{}}}"#,
];
const PROMISES: &[&str] = &[
    r#"{"tools":{},"tasks":{"list":{},"cancel":{},"requests":{"tools":{"call":{}},"prompts":{"get":{}}}}}"#,
    r#"{"tools":{},"tasks":{}}"#,
];
const QUESTIONS: &[(&str, &str)] = &[
    ("sampling/createMessage", r#""messages":[]"#),
    ("elicitation/create", r#""message":"m""#),
    ("roots/list", r#""x":1"#),
];

fn state(c: &mut Choices<'_>, id: &str) -> String {
    let (status, more) = (c.one_of(STATUSES), c.one_of(MORE));
    format!(r#"{{"taskId":"{id}","status":"{status}"{more}}}"#)
}

fn request(c: &mut Choices<'_>, id: &str, method: &str, params: String) -> String {
    let method = format!("\"{method}\"");
    let members = vec![
        ("id", id.to_owned()),
        ("method", method),
        ("params", params),
    ];
    with_version(c, members)
}

fn result(c: &mut Choices<'_>, id: &str, result: String) -> String {
    with_version(c, vec![("id", id.to_owned()), ("result", result)])
}

fn related(c: &mut Choices<'_>) -> String {
    format!(
        r#""_meta":{{"{RELATED_TASK}":{{"taskId":"{}"}}}}"#,
        c.one_of(IDS)
    )
}

/// The answer of the side that works on a task; `original`: what the request itself is answered with.
fn answer(c: &mut Choices<'_>, id: &str, about: &str, task: &str, original: &str) -> String {
    if c.once_in(8) {
        let code = c.one_of(&["-32603", "-32042"]);
        let error = format!(r#"{{"code":{code},"message":"m"}}"#);
        return with_version(c, vec![("id", id.to_owned()), ("error", error)]);
    }
    let task = if c.once_in(6) { c.one_of(IDS) } else { task };
    let state = state(c, task);
    let body = match (about, c.below(10)) {
        (_, 9) => format!(r#"{{"task":{state}}}"#),
        (_, 8) => {
            r#"{"resultType":"input_required","inputRequests":{"k":{"method":"roots/list"}}}"#
                .to_owned()
        }
        ("result", 7) => format!("{{{},\"content\":[]}}", related(c)),
        ("result", _) => original.to_owned(),
        ("make", 0) => original.to_owned(),
        ("make", 1) => format!(r#"{{"task":{state},"content":[]}}"#),
        ("make", _) => format!(r#"{{"task":{state}}}"#),
        _ => state,
    };
    result(c, id, body)
}

/// The conversation about tasks that `bytes` decide.
pub(crate) fn task_conversation(bytes: &[u8]) -> Vec<Sent> {
    let mut choices = Choices::new(bytes);
    let c = &mut choices;
    let mut number = 0;
    let mut next = || {
        number += 1;
        format!("{number}")
    };
    let mut lines = introduction(c, &next(), 0, 0);
    while !c.is_empty() && lines.len() < MOST {
        lines.extend(task_exchange(c, &mut next));
    }
    lines
}

/// What both sides say of themselves.
fn introduction(c: &mut Choices<'_>, id: &str, client: usize, server: usize) -> Vec<Sent> {
    let params = format!("{{\"capabilities\":{}}}", CAPABILITIES[client]);
    let asked = request(c, id, "initialize", params);
    let answer = format!("{{\"capabilities\":{}}}", PROMISES[server]);
    let answered = result(c, id, answer);
    let said = [(From::Client, asked), (From::Server, answered)];
    said.map(|(from, line)| Sent {
        from,
        line: line.into_bytes(),
    })
    .into()
}

/// A task from its beginning on, of a call or of a question, with what may go wrong on the way.
/// `next` gives ids of requests.
pub(crate) fn task_exchange(c: &mut Choices<'_>, mut next: impl FnMut() -> String) -> Vec<Sent> {
    let is_call = c.below(2) == 0;
    let (asks, works) = if is_call {
        (From::Client, From::Server)
    } else {
        (From::Server, From::Client)
    };
    let mut said = Vec::new();
    if c.once_in(6) {
        let (client, server) = (c.below(CAPABILITIES.len()), c.below(PROMISES.len()));
        said = introduction(c, &next(), client, server);
    }
    let mut say = |from, line: String| {
        let line = line.into_bytes();
        said.push(Sent { from, line });
    };
    let task = if c.once_in(4) { "u" } else { "t" };
    let wish = c.one_of(WISHES);
    let modern = if c.once_in(8) { MODERN } else { "" };
    let (method, params, original) = if is_call {
        let name = c.one_of(&["echo", "echo", "echo", "evil"]);
        (
            "tools/call",
            format!(r#""name":"{name}""#),
            r#"{"content":[]}"#,
        )
    } else {
        let (method, params) = QUESTIONS[c.below(QUESTIONS.len())];
        (method, params.to_owned(), r#"{"action":"accept"}"#)
    };
    let id = next();
    say(
        asks,
        request(c, &id, method, format!("{{{params}{wish}{modern}}}")),
    );
    say(works, answer(c, &id, "make", task, original));
    for _ in 0..c.below(4) {
        let name = c.one_of(&["get", "result", "cancel", "result", "list", "update"]);
        let asked = if c.once_in(4) { c.one_of(IDS) } else { task };
        let modern = if c.once_in(12) { MODERN } else { "" };
        let id = next();
        let again = if c.once_in(8) {
            r#","task":{"ttl":1}"#
        } else {
            ""
        };
        let params = format!(r#"{{"taskId":"{asked}"{again}{modern}}}"#);
        say(asks, request(c, &id, &format!("tasks/{name}"), params));
        // Between the question and its answer: a tool changes, a status, something related.
        match c.below(12) {
            0 => {
                let list = next();
                say(
                    From::Client,
                    request(c, &list, "tools/list", "{}".to_owned()),
                );
                let other = r#"{"tools":[{"name":"echo","inputSchema":{"x":1}}]}"#;
                say(From::Server, result(c, &list, other.to_owned()));
            }
            1 | 2 => {
                let told = if c.once_in(3) { c.one_of(IDS) } else { task };
                let params = state(c, told);
                let method = "\"notifications/tasks/status\"".to_owned();
                let from = if c.once_in(4) { asks } else { works };
                say(
                    from,
                    with_version(c, vec![("method", method), ("params", params)]),
                );
            }
            3 => {
                let params = format!("{{\"message\":\"m\",{}}}", related(c));
                let id = next();
                say(From::Server, request(c, &id, "elicitation/create", params));
            }
            _ => {}
        }
        say(works, answer(c, &id, name, task, original));
    }
    said
}
