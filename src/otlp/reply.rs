//! What a collector's answer means (OTLP 1.9, "OTLP/HTTP Response"). Pure.

use std::time::Duration;

use serde::Deserialize;

use crate::fetch::Reply;
use crate::lockfile::printable;

/// Characters of a collector's own words.
const MAX_MESSAGE: usize = 300;

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reception {
    /// It is there, but for so many of its items.
    Accepted { rejected: u64, message: String },
    /// It will never be taken, and the next one may be.
    Dropped { status: u16, message: String },
    /// The same request may be taken later; not before this time has passed.
    Later {
        status: u16,
        after: Option<Duration>,
    },
    /// Nothing of ours will be taken until somebody changes something.
    Unwelcome { status: u16, message: String },
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Answer {
    partial_success: Option<PartialSuccess>,
    /// Of a google.rpc.Status, which failures carry.
    message: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct PartialSuccess {
    rejected_spans: Option<Number>,
    rejected_log_records: Option<Number>,
    error_message: Option<String>,
}

/// In proto3's JSON a 64-bit integer is text, and readers take numbers, too.
#[derive(Deserialize)]
#[serde(untagged)]
enum Number {
    Number(u64),
    Text(String),
}

impl Number {
    fn value(&self) -> u64 {
        match self {
            Self::Number(number) => *number,
            Self::Text(text) => text.parse().unwrap_or(0),
        }
    }
}

/// Judges an answer.
///
/// What the specification has sent again is sent again. Of the rest, answers that are about this very
/// request cost this request only; all others are about us, where sending the next one would lose it
/// as well.
pub fn judge(reply: &Reply) -> Reception {
    // Some collectors answer with nothing, or with text.
    let answer: Answer = serde_json::from_slice(&reply.body).unwrap_or_default();
    let status = reply.status;
    let message = || {
        let text = answer.message.clone();
        let text = text.unwrap_or_else(|| String::from_utf8_lossy(&reply.body).into_owned());
        printable(text.trim(), MAX_MESSAGE)
    };
    match status {
        200..=299 => {
            let partial = answer.partial_success.unwrap_or_default();
            let numbers = [partial.rejected_spans, partial.rejected_log_records];
            Reception::Accepted {
                rejected: numbers.iter().flatten().map(Number::value).sum(),
                message: printable(&partial.error_message.unwrap_or_default(), MAX_MESSAGE),
            }
        }
        429 | 502..=504 => Reception::Later {
            status,
            after: reply.retry_after,
        },
        400 | 413 | 422 => Reception::Dropped {
            status,
            message: message(),
        },
        _ => Reception::Unwelcome {
            status,
            message: message(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(status: u16, body: &str) -> Reception {
        judge(&Reply {
            status,
            retry_after: Some(Duration::from_secs(7)),
            body: body.into(),
        })
    }

    #[test]
    fn every_answer_means_one_thing() {
        let all = |rejected, message: &str| Reception::Accepted {
            rejected,
            message: message.to_owned(),
        };
        assert_eq!(judged(200, "{}"), all(0, ""));
        assert_eq!(judged(200, ""), all(0, ""));
        assert_eq!(judged(202, "thanks"), all(0, ""));
        let partial =
            r#"{"partialSuccess":{"rejectedSpans":"3","errorMessage":"too \u001b[2J old"}}"#;
        assert_eq!(judged(200, partial), all(3, "too \\x1b[2J old"));
        let partial = r#"{"partialSuccess":{"rejectedLogRecords":2}}"#;
        assert_eq!(judged(200, partial), all(2, ""));
        for status in [429, 502, 503, 504] {
            let after = Some(Duration::from_secs(7));
            assert_eq!(judged(status, ""), Reception::Later { status, after });
        }
        for status in [400, 413, 422] {
            let message = "no such field".to_owned();
            let body = r#"{"code":3,"message":"no such field"}"#;
            assert_eq!(judged(status, body), Reception::Dropped { status, message });
        }
        for status in [301, 401, 403, 404, 405, 415, 500, 501] {
            let message = "<html>".to_owned();
            assert_eq!(
                judged(status, "<html>"),
                Reception::Unwelcome { status, message }
            );
        }
    }
}
