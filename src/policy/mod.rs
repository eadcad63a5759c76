//! Pure decisions: which rights a server has, and where each of them comes from.
//!
//! No I/O and no waiting: paths are templates here; `launch` finds out what
//! they are on this machine.
#![forbid(unsafe_code)]

mod address;
mod calls;
mod effective;
mod egress;
mod environment;
mod error;
mod grants;
mod network;
mod profile;
mod settings;
mod syscalls;

pub use address::{Kind, kind};
pub use calls::CallPolicy;
pub use effective::{EffectivePolicy, LANDLOCK_FLOOR, Limits, OwnRoot};
pub use egress::{EgressPolicy, Literal};
pub use environment::{
    EnvironmentDecision, Places, VariableSource, decide_environment, variable_sources,
};
pub use error::PolicyError;
pub use grants::{Grant, Origin, OwnFolders, check_grant};
pub use profile::{PROFILES, Profile, Runtime};
pub use syscalls::{narrowed, proposed_list, syscall_rules};
