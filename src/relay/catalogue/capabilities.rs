//! The tables of capabilities: what each side may declare to the other. What is not here is
//! taken out: `experimental`, `extensions` (that of tasks of 2026-07-28 among them), and whatever
//! comes later.

use super::Right;
use super::Right::{Completion, Elicitation, Logging, Prompts, Resources, Roots, Sampling, Tasks};

/// Capabilities of a client. Each is the right of a server to ask for something.
#[rustfmt::skip]
pub(in crate::relay) static CLIENT_CAPABILITIES: [(&str, Right); 4] = [
    // name          granted by      seen
    ("roots",        Roots),      // ABCDE
    ("sampling",     Sampling),   // ABCDE
    ("elicitation",  Elicitation),// CDE
    ("tasks",        Tasks),      // D
];

/// Capabilities of a server, and what takes them away.
#[rustfmt::skip]
pub(in crate::relay) static SERVER_CAPABILITIES: [(&str, Option<Right>); 6] = [
    // name          taken away with          seen
    ("tools",        None),                // ABCDE
    ("resources",    Some(Resources)),     // ABCDE
    ("prompts",      Some(Prompts)),       // ABCDE
    ("logging",      Some(Logging)),       // ABCDE
    ("completions",  Some(Completion)),    // BCDE
    ("tasks",        Some(Tasks)),         // D
];

/// What may stand inside a client's capability. `sampling.context` does not: it lets a server
/// have what other servers have said put before the model. `elicitation.url` is for a server
/// with that right only. What is in `tasks` is written anew: `task_capabilities.rs`.
pub(in crate::relay) fn subcapabilities(right: Right) -> &'static [&'static str] {
    match right {
        Roots => &["listChanged"],
        Sampling => &["tools"],
        Elicitation => &["form", "url"],
        _ => &[],
    }
}
