//! The network of a box: what its programs send out is read here before anything is done for
//! them.
//!
//! Nothing is opened, asked for or decided here; every byte that comes in is taken for hostile.

pub mod client_hello;
pub mod dns_message;
mod fields;
