//! The values that servers get and nobody else: where they are kept, how they are had, and a type
//! that doesn't give them away.
//!
//! Kept either by the desktop's Secret Service or in files of the user's own; which of the two is
//! decided once (`store.rs`). Had from there, from a command, a file, or systemd (`supply.rs`), all of
//! it within [`PATIENCE`], so that nothing that is locked or hangs can hold up a launch for longer.

mod command;
mod error;
mod file_store;
#[cfg(feature = "secret-service")]
mod service;
mod store;
mod supply;
mod value;

use std::time::Duration;

pub use self::error::SecretError;
pub use self::store::{SecretStore, StoreKind, StoredSecret};
pub use self::supply::Supply;
pub use self::value::{MAX_SECRET_BYTES, Secret};

/// For all secrets of a launch together.
pub const PATIENCE: Duration = Duration::from_millis(4500);

/// Keeps this process's memory out of core dumps, and out of reach of other programs of the user
/// that have no right to trace it (PR_SET_DUMPABLE(2const), core(5)). What it starts writes no core
/// dumps either.
///
/// # Errors
/// What prctl(2) or setrlimit(2) report.
pub fn keep_out_of_dumps() -> std::io::Result<()> {
    use nix::sys::resource::{Resource, setrlimit};
    nix::sys::prctl::set_dumpable(false)?;
    setrlimit(Resource::RLIMIT_CORE, 0, 0)?;
    Ok(())
}
