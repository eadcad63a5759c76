//! The supervisor of sessions.

pub mod cgroup;
