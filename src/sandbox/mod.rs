//! Between fork and execve: a plain spec goes in, a confined process comes out.
//!
//! This room knows neither policy nor lock nor the async runtime. The parent
//! (`launch`) writes a [`SandboxSpec`]; [`stub::main`] applies it in one visible
//! order and reports the step that failed.

mod call_search;
mod capabilities;
mod descendants;
mod disk;
mod error;
mod granted;
mod init;
mod landlock;
mod layer;
mod limits;
mod listeners;
mod monitor;
mod namespaces;
mod own_network;
mod own_root;
mod plan;
mod private_text;
mod probe;
mod process_stat;
mod reach;
mod report;
mod seccomp;
mod self_check;
mod spec;
pub mod stub;
#[cfg(test)]
pub(crate) mod testing;
mod usage;
mod watch;

pub use descendants::end_orphans;
pub use error::{CGROUP, NAMESPACES, SandboxError, StepFailure};
pub use layer::Layer;
pub use listeners::{Listeners, NAME_SERVER, NAME_SERVER_PORT};
pub use monitor::{GO, KILL, TERMINATE};
pub use own_root::SCRATCH;
pub use plan::{Plan, Refusal, Requirement, Requirements, plan};
pub use private_text::PrivateText;
pub use probe::{NamespaceSupport, Probe};
pub use reach::{FileUse, Obstacle, Reached, Walls};
pub use report::{Counted, Exceeded, Report, Resource};
pub use seccomp::{
    Architecture, CallRule, Condition, SyscallRules, Test, compile, compile_for, compile_list,
};
pub use spec::{
    Access, Link, Namespaces, Network, OwnFile, PathRule, ResourceLimits, SandboxSpec, ShortName,
};
pub use usage::{of_process_and_descendants, of_this_process_and_descendants, server_of};
