//! pinfold runs MCP servers pinned to the byte and penned by the kernel.
//!
//! The rooms, and what each may know of the others, are in ARCHITECTURE.md;
//! `tests/rooms.rs` checks it.

pub mod attack;
pub mod audit;
pub mod cgroup;
pub mod cli;
pub mod config;
pub mod daemon;
pub mod egress;
pub mod fetch;
pub mod launch;
pub mod lockfile;
pub mod observe;
pub mod otlp;
pub mod policy;
pub mod provenance;
pub mod relay;
pub mod resolve;
pub mod sandbox;
pub mod schema;
pub mod secrets;
pub mod sensitive;
pub mod store;
pub mod sys;
