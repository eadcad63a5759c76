//! The attacks themselves, one file for each kind.

pub(super) mod env;
pub(super) mod fs_metadata;
pub(super) mod fs_read;
pub(super) mod fs_write;
pub(super) mod ipc;
pub(super) mod kernel;
pub(super) mod native;
pub(super) mod network;
pub(super) mod process;
pub(super) mod programs;
pub(super) mod resources;
