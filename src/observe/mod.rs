//! What a server does in its box, watched from outside: which files, programs and system calls it
//! asks for, and what the box answers. The box stays as it is.
//!
//! `tracer` watches (ptrace(2)); everything else decides about what it is told: [`Collector`] makes
//! findings of system calls, [`Observed`] is what is kept of them, and [`propose`] says what of it the
//! manifest could grant.

mod candidates;
mod collector;
mod filter;
mod habits;
mod observed;
mod observer;
mod outside;
mod proposal;
mod table;
mod tracer;
mod unused;

pub use collector::{Collector, Process};
pub use observed::{HostSeen, Observed, Seen, Wish};
pub use observer::{Observer, TraceError};
pub use outside::{Kind, Outside, ThisMachine};
pub use proposal::{NotProposed, Proposal, Proposed, Situation, propose};
pub use unused::{Granted, Unused, unused};
