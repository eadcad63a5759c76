//! The parent's half: manifest, lock and policy become a spec; the spec becomes a running server
//! with its relay; the session ends with every process of it.

mod alarms;
mod build_runner;
mod bundle;
mod elf;
mod embedded;
mod error;
mod explain;
mod folder_watch;
mod full_disk;
mod helper_box;
mod learn;
mod locked_interpreter;
mod meter;
mod network;
mod npm_runner;
mod observed_calls;
mod own_group;
mod prepare;
mod programs;
mod python_runner;
mod quarantine;
mod quarantine_watch;
mod read_set;
mod secret_files;
mod secret_values;
mod service;
mod session;
mod session_end;
mod shared_budget;
mod shown_tools;
mod spawn;
mod start;
mod state;
mod stdio;
mod tool;
mod uv_runner;
mod wide_pipe;

pub use build_runner::SandboxedBuild;
pub use elf::{Libraries, libraries_of};
pub use embedded::{EmbeddedSession, Registered, embedded_sessions};
pub use error::LaunchError;
pub use explain::{Explanation, LayerState, Right, RightSource};
pub use learn::learn;
pub use meter::{Meter, Reading};
pub use npm_runner::SandboxedNpm;
pub use prepare::{Launcher, PROGRAMS, Prepared, here};
pub use programs::{
    attack_box, find_interpreter, foreign_interpreter, packaged_interpreter, try_box,
};
pub use python_runner::SandboxedPython;
pub use quarantine::{Imposed, ImposedBy, QUARANTINE_FILE, Quarantine};
pub use quarantine_watch::{QuarantineWatch, Sessions};
pub use secret_files::{SecretFiles, SecretFolder};
pub use service::{Drained, Guard, Service};
pub use session::serve;
pub use session_end::{Ended, SessionEnd, Stop, StopCause, Used};
pub use shared_budget::SharedBudget;
pub use shown_tools::ShownTools;
pub use spawn::{Monitor, Running};
pub use start::{Launch, Started, TreeCheck};
pub use state::StateFolder;
pub use stdio::{input, output, streams};
pub use tool::ToolOutput;
pub use uv_runner::{SandboxedUv, without_uv};
