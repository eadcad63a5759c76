//! The config files of MCP clients: where they are, what they say of servers, and how an entry is
//! rewritten so that nothing else of the file changes.
//!
//! Data first: `places` and `shape` are tables. Reading knows one tree for all dialects
//! (`tree`), in which every value has its place in the text. What is done about a server is decided elsewhere.

mod backup;
mod edit;
mod entry;
mod error;
mod find;
mod parse_json;
mod parse_toml;
mod parse_yaml;
mod places;
mod read;
mod rewrite;
mod secret_shapes;
mod shape;
mod text;
mod tree;

pub use backup::{Backup, BackupError, Backups};
pub use edit::Refused;
pub use entry::{ClientServer, Transport, Variable, Word};
pub use error::ClientFileError;
pub use find::{FoundPlace, find_client_files, place_of};
pub use places::{CLIENTS, Client, Scope};
pub use read::{ClientFile, MAX_CLIENT_FILE_BYTES, MAX_CLIENT_SERVERS, read_bytes};
pub use rewrite::{Rewrite, RewriteError, rewrite};
pub use secret_shapes::{
    is_secret_by_name, known_tokens, looks_secret, secret_in_argument, secrets_in,
};
pub use shape::{Dialect, may_be_placeholder};
pub use text::{Position, SourceText};
pub use tree::{Member, Node, Value};
