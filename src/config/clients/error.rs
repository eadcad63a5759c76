//! Why a client's config is left alone.

use std::io;

use super::text::Position;
use crate::lockfile::printable;

fn place(at: &Position) -> String {
    format!("line {}, column {}", at.line, at.column)
}

/// One variant for each reason. The file is named by who reports it.
#[derive(Debug, thiserror::Error)]
pub enum ClientFileError {
    #[error("it could not be read: {0}")]
    Io(#[from] io::Error),
    #[error("it is not a regular file")]
    NotAFile,
    #[error("it is larger than {limit} bytes, which no client's config is")]
    TooLarge { limit: u64 },
    #[error(
        "it is a link that leads out of the project, to `{}`; name that file if it is meant",
        printable(target, 300)
    )]
    LeadsAway { target: String },
    #[error("it is not UTF-8 ({})", place(at))]
    NotUtf8 { at: Position },
    #[error("it is not valid {dialect} ({}): {reason}", place(at))]
    Syntax {
        dialect: &'static str,
        at: Position,
        reason: String,
    },
    #[error(
        "`{}` stands there twice, and clients differ in which one counts ({})",
        printable(key, 80),
        place(at)
    )]
    DuplicateKey { key: String, at: Position },
    #[error(
        "`{}` is not what the client expects there ({}): {expected}",
        printable(key, 80),
        place(at)
    )]
    WrongShape {
        key: String,
        expected: &'static str,
        at: Position,
    },
    #[error("it has more than {limit} servers")]
    TooManyServers { limit: usize },
    #[error(
        "it is no client's config that pinfold knows: it has neither `mcpServers` nor `servers`, `context_servers`, `mcp`, `mcp_servers` or `extensions`"
    )]
    Unknown,
}

impl ClientFileError {
    /// Whether the machine is at fault, and not what somebody wrote.
    pub fn is_environment(&self) -> bool {
        matches!(self, Self::Io(_))
    }

    /// Where in the file, when that is known.
    pub fn position(&self) -> Option<Position> {
        match self {
            Self::NotUtf8 { at }
            | Self::Syntax { at, .. }
            | Self::DuplicateKey { at, .. }
            | Self::WrongShape { at, .. } => Some(*at),
            _ => None,
        }
    }
}
