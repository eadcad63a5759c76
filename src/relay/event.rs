//! What the relay noticed: one typed event per thing that a person or the audit log should
//! know. The relay itself writes them nowhere.

use std::fmt;

use super::errors::Refusal;
use super::pins::{Differing, Drift};
use crate::lockfile::{ToolName, printable};

/// Longest piece of foreign text that an event keeps, in characters.
const KEPT: usize = 128;

/// Which way a line was going.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    FromClient,
    FromServer,
}

/// One thing that happened. Foreign text in it is already cut and made safe to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The client called a tool that is not on the list.
    Denied { tool: String },
    /// Another request of the client was answered by the relay.
    RequestRefused { method: String, reason: String },
    /// A notification or response of the client did not reach the server.
    DroppedFromClient { reason: String },
    /// A notification or response of the server did not reach the client.
    DroppedFromServer { reason: String },
    /// A line was not one message with exactly one reading.
    RefusedLine {
        direction: Direction,
        reason: Refusal,
    },
    /// The server asked the client for something that is not granted.
    ServerRequestRefused { method: String, reason: String },
    /// The server's answer was replaced by an error.
    AnswerReplaced { method: String, reason: String },
    /// Tools that a page of `tools/list` held and the client does not see.
    ToolsHidden {
        unlisted: usize,
        malformed: usize,
        duplicates: usize,
    },
    /// Resources or prompts that a page of a list held and the client does not reach.
    Hidden { what: &'static str, count: usize },
    /// The server asked for the client's roots and was told of some only, or of folders in them.
    RootsReduced { given: usize, told: usize },
    /// The server shows a tool on the list otherwise than it was agreed; once for each tool.
    DefinitionDiffers {
        tool: ToolName,
        drift: Drift,
        review: String,
    },
    /// A call of a tool on the list was refused, because it is not as it was agreed.
    CallWithheld { tool: ToolName, drift: Drift },
    /// A call of a tool on the list was refused by what the manifest says of it.
    CallRefused { tool: ToolName, reason: String },
    /// A call waits until the user has decided about it.
    ApprovalAsked { tool: ToolName },
    /// The same, of a client that can't ask: somebody outside is to decide.
    CallHeld { tool: ToolName },
    /// The server's instructions are not those that were agreed; the client doesn't see them.
    InstructionsWithheld { review: String },
    /// The server has shown all its tools. These are not as they were agreed.
    ToolsShown { differing: Vec<Differing> },
    /// The relay asked the server for its tools in vain.
    LookFailed { reason: String },
    /// The stream ended in the middle of a line, which was not forwarded.
    IncompleteLine { direction: Direction, length: usize },
    /// The server does not read its input; an answer of the relay to it was dropped.
    ReplyToServerDropped,
}

/// Foreign text as an event or an error message keeps it.
pub(super) fn kept(text: &str) -> String {
    printable(text, KEPT)
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::FromClient => "client",
            Self::FromServer => "server",
        })
    }
}

/// One line of safe text.
impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The fields are public, so they are made safe again here.
        let safe = |text: &str| printable(text, KEPT * 12);
        match self {
            Self::Denied { tool } => write!(f, "denied tool call: `{}`", safe(tool)),
            Self::RequestRefused { method, reason } => {
                write!(f, "refused request `{}`: {}", safe(method), safe(reason))
            }
            Self::DroppedFromClient { reason } => {
                write!(f, "dropped from client: {}", safe(reason))
            }
            Self::DroppedFromServer { reason } => {
                write!(f, "dropped from server: {}", safe(reason))
            }
            Self::RefusedLine { direction, reason } => {
                write!(f, "refused line from {direction}: {reason}")
            }
            Self::ServerRequestRefused { method, reason } => write!(
                f,
                "refused the server's request `{}`: {}",
                safe(method),
                safe(reason)
            ),
            Self::AnswerReplaced { method, reason } => {
                write!(
                    f,
                    "replaced the answer to `{}`: {}",
                    safe(method),
                    safe(reason)
                )
            }
            Self::ToolsHidden {
                unlisted,
                malformed,
                duplicates,
            } => {
                let counts = [
                    (unlisted, "not on the list"),
                    (malformed, "malformed"),
                    (duplicates, "duplicate"),
                ];
                let counts = counts.into_iter().filter(|(count, _)| **count > 0);
                let parts: Vec<String> = counts
                    .map(|(count, which)| format!("{count} {which}"))
                    .collect();
                write!(f, "hid tools: {}", parts.join(", "))
            }
            Self::Hidden { what, count } => {
                write!(f, "hid {count} `{what}` that are not granted")
            }
            Self::RootsReduced { given, told } => write!(
                f,
                "the client has {given} roots; the server was told of {told} in granted folders"
            ),
            Self::DefinitionDiffers {
                tool,
                drift,
                review,
            } => write!(
                f,
                "withheld the tool `{tool}`: {drift}; `{}` shows what changed",
                safe(review)
            ),
            Self::CallWithheld { tool, drift } => {
                write!(f, "refused a call of the tool `{tool}`: {drift}")
            }
            Self::CallRefused { tool, reason } => {
                write!(f, "refused a call of the tool `{tool}`: {}", safe(reason))
            }
            Self::CallHeld { tool } => write!(
                f,
                "a call of the tool `{tool}` waits for the user's approval, for which this client can't ask: `pinfold approve` does"
            ),
            Self::ApprovalAsked { tool } => {
                write!(
                    f,
                    "a call of the tool `{tool}` waits for the user's approval"
                )
            }
            Self::InstructionsWithheld { review } => write!(
                f,
                "withheld the server's instructions: they are not those that were locked; \
                 `{}` shows what changed",
                safe(review)
            ),
            Self::ToolsShown { differing } => {
                write!(f, "tools that are not as locked: {}", differing.len())
            }
            Self::LookFailed { reason } => write!(
                f,
                "the server can't be asked for its tools: {}",
                safe(reason)
            ),
            Self::IncompleteLine { direction, length } => {
                write!(
                    f,
                    "the {direction}'s last line has no end ({length} bytes), dropped"
                )
            }
            Self::ReplyToServerDropped => {
                f.write_str("the server does not read its input; dropped an answer to it")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_line_of_safe_text() {
        let event = Event::Denied {
            tool: "a\n\u{1b}[2J\u{202e}b".into(),
        };
        assert_eq!(
            event.to_string(),
            "denied tool call: `a\\x0a\\x1b[2J\\u{202e}b`"
        );
        let event = Event::RefusedLine {
            direction: Direction::FromServer,
            reason: Refusal::Syntax { at: 3 },
        };
        assert_eq!(
            event.to_string(),
            "refused line from server: the line is not JSON (byte 3)"
        );
    }

    #[test]
    fn kept_text_is_short() {
        assert_eq!(kept(&"x".repeat(5000)).chars().count(), KEPT + 1);
        assert_eq!(kept("tools/call"), "tools/call");
    }
}
