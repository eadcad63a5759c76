//! The lock: what was agreed. Domain types, JSON format v1, reading and writing.

mod types;

pub use types::{
    Artifact, Behaviour, Confinement, Digest, Interpreter, Lock, LockedServer, NameError,
    ServerName, ToolName,
};
