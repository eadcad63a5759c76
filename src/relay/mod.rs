//! The relay: everything that is said between an MCP client and a server passes here.
//!
//! `strict` and `json` know JSON, `message` and `confusion` know JSON-RPC, `session` with
//! `client_rules`, `server_rules`, `tool_list`, `pins` and `look` decides (pure, synchronous), `framing`,
//! `outbox` and `pump` move bytes. `call_gate`, `call_rules`, `budget`, `call_approval`
//! and `approval` decide about calls of tools on the list, `call_log` has each call recorded, `cleaning` with `redaction` and
//! `neutralise` about the text of answers, `tasks` with `task_rules` and `task_questions` about
//! results that come later. `client` asks a server for its tools, `refusal` speaks for a launch that was refused, `stderr` keeps what a server says on the side.
//!
//! This room does not know how the server was started, and reads no manifest and no lock.

mod approval;
mod budget;
mod call_approval;
mod call_gate;
mod call_log;
mod call_rules;
mod canonical_form;
mod capabilities;
mod catalogue;
mod cleaning;
mod client;
mod client_edits;
mod client_rules;
pub mod codes;
mod confusion;
mod definition;
mod edited;
mod errors;
mod event;
mod framing;
mod grants;
mod json;
mod look;
mod message;
mod neutralise;
mod outbox;
mod outside;
mod passage;
mod pattern;
mod pending;
mod pins;
mod pump;
mod questions;
mod reach;
mod recover;
mod redaction;
mod refusal;
mod reply;
mod roots;
mod server_rules;
mod session;
mod stderr;
mod stderr_log;
mod strict;
mod task_capabilities;
mod task_questions;
mod task_rules;
mod tasks;
mod tool_list;
mod trace_context;

pub use budget::{Budget, Cost, Ledger, OwnBudget, Rate, SpendingKey, Spent, Unpaid};
pub use call_gate::{CallRules, Ruled};
pub use call_log::{Approval, CallDecision, CallLog, CallOutcome, CallRecord, Judged};
pub use catalogue::{refused_method, refused_notification};
pub use client::{Introspection, introspect};
pub use definition::ToolDefinition;
pub use errors::{Refusal, RelayError, Step};
pub use event::{Direction, Event};
pub use framing::{Line, LineReader};
pub use grants::{Elicitation, Grants, Reach};
pub use json::{Elements, Member, Members, Object, Value};
pub use message::{Answer, Id, Kind, Message, NotAMessage};
pub use outside::{Decided, HeldCall};
pub use passage::{DecidedBy, Passage};
pub use pattern::{Pattern, PatternError};
pub use pins::{Differing, Drift, Pins};
pub use pump::{End, Inquiry, Pump};
pub use redaction::Redaction;
pub use refusal::refuse;
pub use reply::{empty_result_line, error_line};
pub use session::{Outcome, Session, SessionPolicy};
pub use stderr::{LineSink, StderrReport, StderrTail, drain_stderr};
pub use stderr_log::StderrLog;
pub use strict::{CanonicalLine, DEFAULT_MAX_LINE, MAX_DEPTH, write_string};
