//! The only room with `unsafe`: thin, safe wrappers over the calls that `nix` does not offer.
//!
//! Every wrapper is complete in itself: no caller has to keep an invariant for it.
#![expect(
    unsafe_code,
    reason = "this room exists to hold it; each block states why it is sound"
)]

mod descriptors;
mod landlock;
mod memory;
mod mounts;
pub mod probes;
mod process;
pub mod ptrace;
mod signals;
mod syscalls;
#[cfg(test)]
pub(crate) mod testing;

pub use descriptors::{
    adopt, close_all_except, close_standard_streams, keep_across_exec, null_standard_streams,
    signal_changes, watch,
};
pub use landlock::{landlock_abi, landlock_errata};
pub use memory::{give_back_code, give_back_heap};
pub use mounts::add_mount_attributes;
pub use process::{
    Forked, PidFd, clone_single_threaded, default_signal_dispositions, drop_from_bounding_set,
    exit_without_cleanup, fork_single_threaded, lock_secure_bits, send_sigkill_when_parent_dies,
};
pub use signals::CaughtSignals;
pub use syscalls::{AUDIT_ARCH, NAMES as SYSCALL_NAMES, number as syscall_number};
