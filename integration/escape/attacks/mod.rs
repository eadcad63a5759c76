//! The attacks themselves, one file for each kind.

pub(super) mod env;
pub(super) mod fs_granted;
pub(super) mod fs_metadata;
pub(super) mod fs_read;
pub(super) mod fs_write;
pub(super) mod ipc;
pub(super) mod kernel_calls;
pub(super) mod kernel_files;
pub(super) mod kernel_namespaces;
pub(super) mod native;
pub(super) mod network_learning;
pub(super) mod network_local;
pub(super) mod network_sockets;
pub(super) mod network_web;
pub(super) mod process_memory;
pub(super) mod process_privileges;
pub(super) mod process_signals;
pub(super) mod process_steering;
pub(super) mod programs;
pub(super) mod resources;
pub(super) mod resources_files;
