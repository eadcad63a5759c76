//! The command line from outside: offline, on any kernel, with nothing downloaded and no server
//! started; and the rules of the source tree itself.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test that panics has failed, and its files are thrown away"
)]

mod config_audit;
mod documentation;
mod explaining;
mod generated;
mod help;
mod hostile_lines;
mod incidents;
mod listing;
mod manifest_mistakes;
mod manifest_reference;
mod no_home;
mod place;
mod relay_model;
mod rooms;
mod session_model;
mod trust;
mod usage;
