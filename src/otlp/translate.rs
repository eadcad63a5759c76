//! What of a record goes to a collector, and under which names. Pure.
//!
//! A call that was passed on and its end are one span. Every other record is a log record; a call that
//! was refused is both. Nothing of arguments but their digest and length is in either, unless the log
//! has them and they are asked for.

use std::collections::BTreeMap;
use std::time::UNIX_EPOCH;

use serde_json::Value;

use super::message::{Attribute, LogRecord, Span};
use super::position::{OpenCall, Position};
use crate::audit::{Anchor, Shown};
use crate::lockfile::printable;

/// Calls whose end is waited for. Of killed sessions no end comes.
const MAX_OPEN: usize = 10_000;
/// Characters of a text, and of arguments.
const MAX_TEXT: usize = 2000;
const MAX_ARGUMENTS: usize = 16_000;

const INFO: u8 = 9;
const WARN: u8 = 13;
const ERROR: u8 = 17;

/// These have names of their own, or stay here: names of variables, and what was in arguments.
const NOT_AS_THEY_ARE: [&str; 10] = [
    "seq", "time", "kind", "session", "server", "tool", "host", "port", "withheld", "redacted",
];

/// What goes to a collector at once.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    pub spans: Vec<Span>,
    pub logs: Vec<LogRecord>,
}

/// Makes batches of records that come in their order.
#[derive(Clone, Debug, Default)]
pub struct Translator {
    open: BTreeMap<(String, u64), OpenCall>,
    last: Option<Anchor>,
    wants_arguments: bool,
    /// What was found wrong with the log since the last record.
    found: Vec<String>,
}

impl Translator {
    /// Goes on behind a position.
    ///
    /// # Errors
    /// When the position's last record is none.
    pub fn new(position: Position, wants_arguments: bool) -> Result<Self, String> {
        let calls = position.open.into_iter();
        Ok(Self {
            open: calls
                .map(|call| ((call.session.clone(), call.call), call))
                .collect(),
            last: position.through.map(|anchor| anchor.parse()).transpose()?,
            wants_arguments,
            found: Vec::new(),
        })
    }

    /// Where it is now.
    pub fn position(&self) -> Position {
        Position::new(
            self.last.map(|last| last.to_string()),
            self.open.values().cloned().collect(),
        )
    }

    /// The last record that came.
    pub fn last(&self) -> Option<Anchor> {
        self.last
    }

    /// The collector is told with the next record.
    pub fn found(&mut self, what: String) {
        self.found.push(what);
    }

    /// The log is not the one that was exported, and begins anew.
    pub fn begin_again(&mut self) {
        self.open.clear();
        self.last = None;
    }

    /// Takes one record.
    pub fn record(&mut self, shown: &Shown, batch: &mut Batch) {
        let Shown {
            record,
            anchor,
            prev,
            ..
        } = shown;
        let time = time_of(record);
        let found = self.found.drain(..).map(|what| broken(time, what));
        batch.logs.extend(found);
        if let Some(last) = self.last {
            if anchor.seq > last.seq + 1 {
                batch.logs.push(broken(
                    time,
                    format!(
                        "records {} to {} are not in the log: they were removed before they could be exported, or taken out",
                        last.seq + 1,
                        anchor.seq - 1
                    ),
                ));
            } else if *prev != last.hash {
                batch.logs.push(broken(
                    time,
                    format!(
                        "record {} does not hang on the record {} that was exported: one of them was changed",
                        anchor.seq, last.seq
                    ),
                ));
            }
        }
        self.last = Some(*anchor);
        let text = |key: &str| record.get(key).and_then(Value::as_str);
        match (text("kind").unwrap_or_default(), text("decision")) {
            ("call", Some("allow")) => self.begin_call(shown, time, batch),
            ("call", Some("deny")) => {
                let call = self.call(shown, time);
                let span = span(&call, time, "denied");
                let belongs = (span.trace.clone(), span.id.clone());
                batch.spans.push(span);
                batch.logs.push(LogRecord {
                    span: Some(belongs),
                    ..log(shown, time)
                });
            }
            ("call_end", _) => self.end_call(record, batch),
            (kind, _) => {
                if kind == "session_end"
                    && let Some(session) = text("session")
                {
                    self.end_session(session, time, batch);
                }
                batch.logs.push(log(shown, time));
            }
        }
    }

    fn call(&self, shown: &Shown, start: u64) -> OpenCall {
        let text = |key: &str| {
            let value = shown.record.get(key).and_then(Value::as_str);
            value.map(|value| printable(value, MAX_TEXT))
        };
        let number = |key: &str| shown.record.get(key).and_then(Value::as_u64);
        let arguments = shown.record.get("redacted").and_then(Value::as_str);
        OpenCall {
            session: text("session").unwrap_or_default(),
            call: number("call").unwrap_or_default(),
            server: text("server"),
            tool: text("tool").unwrap_or_default(),
            seq: shown.anchor.seq,
            hash: shown.anchor.hash.hex(),
            start,
            trace: text("trace"),
            digest: text("arguments"),
            bytes: number("arguments_bytes"),
            approved: shown.record.get("approved") == Some(&Value::Bool(true)),
            arguments: arguments
                .filter(|_| self.wants_arguments)
                .map(|arguments| arguments.chars().take(MAX_ARGUMENTS).collect()),
        }
    }

    fn begin_call(&mut self, shown: &Shown, time: u64, batch: &mut Batch) {
        let call = self.call(shown, time);
        self.open.insert((call.session.clone(), call.call), call);
        if self.open.len() <= MAX_OPEN {
            return;
        }
        let oldest = self.open.values().min_by_key(|call| call.seq).cloned();
        if let Some(call) = oldest {
            self.open.remove(&(call.session.clone(), call.call));
            batch.spans.push(span(&call, call.start, "unknown"));
        }
    }

    fn end_call(&mut self, record: &Value, batch: &mut Batch) {
        let number = |key: &str| record.get(key).and_then(Value::as_u64);
        let text = |key: &str| record.get(key).and_then(Value::as_str);
        let session = text("session").unwrap_or_default().to_owned();
        let Some(call) = number("call").and_then(|call| self.open.remove(&(session, call))) else {
            return;
        };
        // Times of day may jump in between.
        let nanoseconds = number("duration_us").unwrap_or_default();
        let end = call.start.saturating_add(nanoseconds.saturating_mul(1000));
        let mut span = span(&call, end, text("outcome").unwrap_or("unknown"));
        if let Some(bytes) = number("bytes") {
            let bytes = Attribute::number("pinfold.answer.bytes", bytes.into());
            span.attributes.push(bytes);
        }
        batch.spans.push(span);
    }

    /// The end of a session is the end of its calls.
    fn end_session(&mut self, session: &str, time: u64, batch: &mut Batch) {
        let from = (session.to_owned(), 0);
        let calls = self.open.range(from..);
        let of_it: Vec<(String, u64)> = calls
            .map(|(key, _)| key.clone())
            .take_while(|(of, _)| of == session)
            .collect();
        for key in of_it {
            if let Some(call) = self.open.remove(&key) {
                batch.spans.push(span(&call, time.max(call.start), "none"));
            }
        }
    }
}

/// `outcome`: as the log has it, `denied`, or `unknown`.
fn span(call: &OpenCall, end: u64, outcome: &str) -> Span {
    let is_denied = outcome == "denied";
    let error = match outcome {
        "ok" | "input" => None,
        // Of CallToolResult.
        "tool_error" => Some("tool_error"),
        "denied" => Some("denied"),
        "refused" => Some("answer_refused"),
        "none" => Some("no_answer"),
        // The log has no JSON-RPC codes.
        _ => Some("_OTHER"),
    };
    let mut attributes = vec![
        Attribute::text("mcp.method.name", "tools/call"),
        Attribute::text("gen_ai.operation.name", "execute_tool"),
        Attribute::text("gen_ai.tool.name", &call.tool),
        Attribute::text("network.transport", "pipe"),
        Attribute::text("mcp.session.id", &call.session),
    ];
    attributes.extend(error.map(|error| Attribute::text("error.type", error)));
    attributes.extend(
        call.arguments
            .as_deref()
            .map(|arguments| Attribute::text("gen_ai.tool.call.arguments", arguments)),
    );
    attributes.extend(
        call.server
            .as_deref()
            .map(|server| Attribute::text("pinfold.server", server)),
    );
    attributes.push(Attribute::text("pinfold.outcome", outcome));
    attributes.extend(
        call.digest
            .as_deref()
            .map(|digest| Attribute::text("pinfold.arguments.digest", digest)),
    );
    attributes.extend(
        call.bytes
            .map(|bytes| Attribute::number("pinfold.arguments.bytes", bytes.into())),
    );
    if call.approved {
        attributes.push(Attribute::truth("pinfold.approved", true));
    }
    attributes.extend(of_line(call.seq, &call.hash));
    let given = call.trace.as_deref().and_then(Parent::read);
    let hash = |from: usize, to: usize| call.hash.get(from..to).unwrap_or_default().to_owned();
    let (trace, parent, flags) = match given {
        // 0x300: whether the parent is another process's is known, and it is.
        Some(parent) => (parent.trace, Some(parent.span), parent.flags | 0x300),
        // Of a line that is there once; 16 of its 32 bytes, so that it is the same when it is sent again.
        None => (hash(0, 32), None, 0),
    };
    Span {
        trace,
        id: hash(32, 48),
        parent,
        flags,
        // What a client calls a tool that is not on the list may be anything.
        name: if is_denied {
            "tools/call".to_owned()
        } else {
            format!("tools/call {}", call.tool)
        },
        start: call.start,
        end,
        attributes,
        is_error: error.is_some(),
    }
}

/// W3C Trace Context, `traceparent`.
struct Parent {
    trace: String,
    span: String,
    flags: u32,
}

impl Parent {
    fn read(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let (version, trace, span, flags) =
            (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let is_hex = |part: &str, length: usize| {
            part.len() == length
                && part
                    .bytes()
                    .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
        };
        let is_zero = |part: &str| part.bytes().all(|byte| byte == b'0');
        let is_one = is_hex(version, 2)
            && version != "ff"
            && is_hex(trace, 32)
            && is_hex(span, 16)
            && is_hex(flags, 2)
            && !is_zero(trace)
            && !is_zero(span);
        is_one.then(|| Self {
            trace: trace.to_owned(),
            span: span.to_owned(),
            flags: u32::from_str_radix(flags, 16).unwrap_or(0),
        })
    }
}

fn log(shown: &Shown, time: u64) -> LogRecord {
    let record = &shown.record;
    let text = |key: &str| record.get(key).and_then(Value::as_str);
    let kind = text("kind").unwrap_or_default();
    let mut attributes = Vec::new();
    for (key, name) in [
        ("session", "mcp.session.id"),
        ("server", "pinfold.server"),
        ("tool", "gen_ai.tool.name"),
        ("host", "server.address"),
    ] {
        let value = text(key).map(|value| Attribute::text(name, &printable(value, MAX_TEXT)));
        attributes.extend(value);
    }
    let port = record.get("port").and_then(Value::as_u64);
    attributes.extend(port.map(|port| Attribute::number("server.port", port.into())));
    for (key, value) in record.as_object().into_iter().flatten() {
        if !NOT_AS_THEY_ARE.contains(&key.as_str()) && key != "prev" {
            attributes.extend(attribute(format!("pinfold.{key}"), value));
        }
    }
    attributes.extend(of_line(shown.anchor.seq, &shown.anchor.hash.hex()));
    let what = ["what", "event", "decision", "command", "how"];
    let what = what.into_iter().find_map(text);
    let why = ["text", "reason"].into_iter().find_map(text);
    let parts = [Some(kind), text("server"), what, why];
    let body: Vec<&str> = parts.into_iter().flatten().collect();
    LogRecord {
        time,
        severity: severity(kind, record),
        event: format!("pinfold.{kind}"),
        body: printable(&body.join(": "), MAX_TEXT),
        attributes,
        span: None,
    }
}

/// What goes to a collector can be compared with the log later: `pinfold log verify --head`.
fn of_line(seq: u64, hash: &str) -> [Attribute; 2] {
    [
        Attribute::number("pinfold.record.seq", seq.into()),
        Attribute::text("pinfold.record.sha256", hash),
    ]
}

fn attribute(key: String, value: &Value) -> Option<Attribute> {
    Some(match value {
        Value::Null => return None,
        Value::Bool(value) => Attribute::truth(key, *value),
        Value::String(text) => Attribute::text(key, &printable(text, MAX_TEXT)),
        Value::Number(number) => match (number.as_u64(), number.as_i64()) {
            (Some(number), _) => Attribute::number(key, number.into()),
            (None, Some(number)) => Attribute::number(key, number.into()),
            (None, None) => Attribute::text(key, &number.to_string()),
        },
        Value::Array(values) if values.iter().all(Value::is_string) => {
            Attribute::texts(key, values.iter().filter_map(Value::as_str))
        }
        Value::Array(_) | Value::Object(_) => {
            Attribute::text(key, &printable(&value.to_string(), MAX_TEXT))
        }
    })
}

fn severity(kind: &str, record: &Value) -> u8 {
    let is = |key: &str, value: &str| record.get(key).and_then(Value::as_str) == Some(value);
    let has = |key: &str| record.get(key).is_some();
    match kind {
        "alarm" => ERROR,
        "repair"
            if ["missing", "altered", "foreign", "head_lost"]
                .into_iter()
                .any(has) =>
        {
            ERROR
        }
        "quarantine" | "session_refused" | "resumed" | "repair" | "event" => WARN,
        "daemon" if is("event", "refused") => WARN,
        _ if is("decision", "deny") => WARN,
        _ => INFO,
    }
}

fn broken(time: u64, what: String) -> LogRecord {
    LogRecord {
        time,
        severity: ERROR,
        event: "pinfold.chain_broken".to_owned(),
        body: format!("the audit log is not what was written: {what}"),
        attributes: vec![Attribute::text("pinfold.reason", &what)],
        span: None,
    }
}

/// Nanoseconds since 1970; 0 where there is no such time.
fn time_of(record: &Value) -> u64 {
    let text = record.get("time").and_then(Value::as_str);
    let time = text.and_then(|text| humantime::parse_rfc3339(text).ok());
    let since = time.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    since.map_or(0, |since| u64::try_from(since.as_nanos()).unwrap_or(0))
}

#[cfg(test)]
mod tests;
