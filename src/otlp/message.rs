//! Spans and log records as OTLP's JSON encoding has them: names in lowerCamelCase, ids in
//! hexadecimal digits, 64-bit integers as text, enumerations as numbers.

use serde::Serialize;
use serde_json::{Value, json};

/// SPAN_KIND_SERVER: for its client pinfold is the server.
const KIND_SERVER: u8 = 2;
/// STATUS_CODE_ERROR
const STATUS_ERROR: u8 = 2;

/// One attribute. Its value is an `AnyValue`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Attribute {
    pub key: String,
    pub value: Value,
}

impl Attribute {
    pub fn text(key: impl Into<String>, value: &str) -> Self {
        Self {
            key: key.into(),
            value: json!({ "stringValue": value }),
        }
    }

    pub fn number(key: impl Into<String>, value: i128) -> Self {
        Self {
            key: key.into(),
            value: json!({ "intValue": value.to_string() }),
        }
    }

    pub fn truth(key: impl Into<String>, value: bool) -> Self {
        Self {
            key: key.into(),
            value: json!({ "boolValue": value }),
        }
    }

    pub fn texts<'a>(key: impl Into<String>, values: impl Iterator<Item = &'a str>) -> Self {
        let values: Vec<Value> = values
            .map(|value| json!({ "stringValue": value }))
            .collect();
        Self {
            key: key.into(),
            value: json!({ "arrayValue": { "values": values } }),
        }
    }
}

/// A call of a tool.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    /// 32 hexadecimal digits.
    pub trace: String,
    /// 16 hexadecimal digits.
    pub id: String,
    /// The span of the client that the call is a part of.
    pub parent: Option<String>,
    /// Its trace flags.
    pub flags: u32,
    pub name: String,
    /// Nanoseconds since 1970.
    pub start: u64,
    pub end: u64,
    pub attributes: Vec<Attribute>,
    pub is_error: bool,
}

/// Anything else.
#[derive(Clone, Debug, PartialEq)]
pub struct LogRecord {
    /// Nanoseconds since 1970.
    pub time: u64,
    /// 9 INFO, 13 WARN, 17 ERROR
    pub severity: u8,
    pub event: String,
    pub body: String,
    pub attributes: Vec<Attribute>,
    /// The span that it belongs to: its trace and its id.
    pub span: Option<(String, String)>,
}

impl Span {
    fn json(&self) -> Value {
        let mut span = json!({
            "traceId": self.trace,
            "spanId": self.id,
            "flags": self.flags,
            "name": self.name,
            "kind": KIND_SERVER,
            "startTimeUnixNano": self.start.to_string(),
            "endTimeUnixNano": self.end.to_string(),
            "attributes": self.attributes,
        });
        if let Some(parent) = &self.parent {
            span["parentSpanId"] = json!(parent);
        }
        if self.is_error {
            span["status"] = json!({ "code": STATUS_ERROR });
        }
        span
    }
}

impl LogRecord {
    fn json(&self) -> Value {
        let severity = match self.severity {
            17.. => "ERROR",
            13.. => "WARN",
            _ => "INFO",
        };
        let mut record = json!({
            "timeUnixNano": self.time.to_string(),
            "observedTimeUnixNano": self.time.to_string(),
            "severityNumber": self.severity,
            "severityText": severity,
            "eventName": self.event,
            "body": { "stringValue": self.body },
            "attributes": self.attributes,
        });
        if let Some((trace, span)) = &self.span {
            record["traceId"] = json!(trace);
            record["spanId"] = json!(span);
        }
        record
    }
}

/// An `ExportTraceServiceRequest`.
pub fn traces_request(resource: &[Attribute], spans: &[Span]) -> Value {
    let spans: Vec<Value> = spans.iter().map(Span::json).collect();
    json!({ "resourceSpans": [{
        "resource": { "attributes": resource },
        "scopeSpans": [{ "scope": scope(), "spans": spans }],
    }] })
}

/// An `ExportLogsServiceRequest`.
pub fn logs_request(resource: &[Attribute], records: &[LogRecord]) -> Value {
    let records: Vec<Value> = records.iter().map(LogRecord::json).collect();
    json!({ "resourceLogs": [{
        "resource": { "attributes": resource },
        "scopeLogs": [{ "scope": scope(), "logRecords": records }],
    }] })
}

fn scope() -> Value {
    json!({ "name": "pinfold", "version": env!("CARGO_PKG_VERSION") })
}
