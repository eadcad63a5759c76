//! The audit log: one file of JSON lines for the user, written by every session and every command
//! that changes what may run. Each line carries the digest of the line before it.
//!
//! `record` says what is written, `chain` how lines hang together, `head` where the log ends.
//! `log` appends, rotates and removes; `repair` finds out what a kill or a power loss left behind
//! (judging is pure); `verify` looks for lines that were changed, taken out, moved or cut;
//! `reader` shows; `session` records one session. This room decides nothing about a launch or a
//! call, but whether it can be recorded.

mod chain;
mod error;
mod folder;
mod head;
mod lines;
mod log;
mod reader;
mod record;
mod repair;
mod session;
mod verify;

#[cfg(test)]
mod session_tests;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub use chain::Anchor;
pub use error::AuditError;
pub use log::{AuditLog, Limits};
pub use reader::{AtMost, Filter, Follow, Shown, last_anchor};
pub use record::{Arguments, Caller, Client, Decision, EgressTotal, Mode, Record, Start, Who};
pub use session::{Ended, Recorder};
pub use verify::{Finding, Verified, verify};
