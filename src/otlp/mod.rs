//! Records of the audit log for a collector: OTLP over HTTP in its JSON encoding (OpenTelemetry
//! Protocol 1.9), with OpenTelemetry's names for MCP (semantic-conventions-genai, `mcp.md`).
//!
//! `settings` reads the standard variables, `translate` makes spans and log records of records,
//! `message` is their JSON, `reply` judges what a collector answers: all pure. `position` keeps how
//! far the log was exported, `send` sends. Whoever exports reads the log like any other reader: no
//! session knows of it, waits for it, or needs a network for it.

mod message;
mod position;
mod reply;
mod send;
mod settings;
mod translate;

pub use message::{Attribute, LogRecord, Span, logs_request, traces_request};
pub use position::{OpenCall, Position, PositionError, PositionFile};
pub use reply::{Reception, judge};
pub use send::{SendError, Sender, Word};
pub use settings::{Settings, SettingsError, Target};
pub use translate::{Batch, Translator};
