//! Everything that can go wrong in this room: why one line is refused, and why a whole
//! step of talking to a server failed. No decisions, only their names and words.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// Why a line is not accepted as one JSON-RPC message with exactly one reading.
///
/// Positions are byte offsets into the line as it was received.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("the line is longer than {limit} bytes")]
    TooLong { limit: usize },
    #[error("the line is not UTF-8 (byte {at})")]
    NotUtf8 { at: usize },
    #[error("the line starts with a byte order mark")]
    ByteOrderMark,
    #[error("the line is a batch; MCP removed batches in 2025-06-18")]
    Batch,
    #[error("the line is not a JSON object")]
    NotAnObject,
    #[error("the line ends in the middle of a JSON value")]
    UnexpectedEnd,
    #[error("the line is not JSON (byte {at})")]
    Syntax { at: usize },
    #[error("something follows the JSON object (byte {at})")]
    TrailingData { at: usize },
    #[error("values are nested more than {limit} deep")]
    TooDeep { limit: usize },
    #[error("a key occurs twice in one object (object ending at byte {at})")]
    DuplicateKey { at: usize },
    #[error("half of a surrogate pair stands alone (byte {at})")]
    LoneSurrogate { at: usize },
    #[error("a raw control character stands in a string (byte {at})")]
    ControlCharacter { at: usize },

    #[error("`jsonrpc` is not \"2.0\"")]
    Version,
    #[error("the message is neither a request, a notification nor a response")]
    NotAMessage,
    #[error("the message is a request and a response at once")]
    RequestAndResponse,
    #[error("the response has both a result and an error")]
    ResultAndError,
    #[error("the response has a result but no id")]
    ResultWithoutId,
    #[error("`id` is neither a string nor an integer of at most 53 bits")]
    BadId,
    #[error("`id` is longer than {limit} bytes")]
    LongId { limit: usize },
    #[error("`method` is not a string")]
    BadMethod,
    #[error("`params` is not an object")]
    BadParams,
    #[error("`result` is not an object")]
    BadResult,
    #[error("`error` is not an object with an integer `code` and a string `message`")]
    BadError,
    #[error("a key can be taken for `{routed}` by some parsers, but is not")]
    ConfusingKey { routed: &'static str },
}

impl Refusal {
    /// Whether the line failed as JSON (−32700), not as a message (−32600).
    pub fn is_parse_error(&self) -> bool {
        matches!(
            self,
            Self::NotUtf8 { .. }
                | Self::ByteOrderMark
                | Self::UnexpectedEnd
                | Self::Syntax { .. }
                | Self::TrailingData { .. }
                | Self::LoneSurrogate { .. }
                | Self::ControlCharacter { .. }
        )
    }
}

/// The part of learning a server's tools that was under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Initialize,
    Discover,
    ListTools,
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Initialize => "initialize",
            Self::Discover => "server/discover",
            Self::ListTools => "tools/list",
        })
    }
}

/// A step that failed.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    #[error("can't read what the client sends")]
    ReadClient(#[source] io::Error),
    #[error("can't write to the client")]
    WriteClient(#[source] io::Error),
    #[error("can't read what the server sends")]
    ReadServer(#[source] io::Error),
    #[error("can't write to the server during `{step}`")]
    WriteServer { step: Step, source: io::Error },
    #[error("the server did not answer `{step}` within {} s", .limit.as_secs_f32())]
    Timeout { step: Step, limit: Duration },
    #[error("the server closed its output during `{step}`")]
    Closed { step: Step },
    #[error("the server refused `{step}`: {message} (code {code})")]
    Refused {
        step: Step,
        code: i64,
        message: String,
    },
    #[error("the server's answer to `{step}` can't be used: {reason}")]
    BadAnswer { step: Step, reason: String },
    #[error("can't open the server's log {}", .path.display())]
    OpenLog { path: PathBuf, source: io::Error },
}
