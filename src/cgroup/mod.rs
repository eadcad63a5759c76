//! Control groups of version 2 (cgroups(7)): what their files hold, and the folders that hold them.
//!
//! `contents` and `place` are pure. Which groups there are, and who may use them, is decided by
//! `daemon/cgroup.rs` (a group for each session) and `launch` (the server's own inside of it).

mod contents;
mod error;
mod group;
mod place;
mod server;

pub use contents::{Controller, Counts, Limits};
pub use error::GroupError;
pub use group::Group;
pub use place::{NoGroup, own_folder};
pub use server::ServerGroup;
