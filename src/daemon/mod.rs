//! One supervisor for all servers of a user: who asks for which server, and the processes that serve
//! them. Nothing of a server, and no byte of a session, passes through it.
//!
//! Each session is a process of its own (`pinfold __session`). The daemon judges who asks, starts
//! that process, hands it the client's three descriptors and the client's connection, and forgets
//! them. The end of either end of anything ends the session: see ARCHITECTURE.md, "The daemon".

pub mod cgroup;
mod changes;
pub mod client;
mod error;
mod follow;
pub mod frames;
mod held;
mod id;
mod keeper;
pub mod notify;
mod peer;
mod process;
pub mod protocol;
mod server;
mod service_manager;
mod sessions;
mod socket;
mod warm;

pub use error::DaemonError;
pub use peer::PeerLife;
pub use server::{Questions, RecordEvent, Settings, Verdict, serve};
pub use socket::Listening;
pub use warm::{Warming, Wish};
