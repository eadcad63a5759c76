//! Why a server.json did not become a proposal.

use crate::fetch::FetchError;

/// `field` is a place in the document, for example `packages[0].packageArguments[2]`.
#[derive(Debug, thiserror::Error)]
pub enum ServerJsonError {
    #[error("the server.json can't be read: {0}")]
    Unreadable(String),
    #[error("the server.json can't be used: {field}: {reason}")]
    Field { field: String, reason: String },
    #[error("the server.json offers nothing that pinfold runs: {offered}")]
    NoPackage { offered: String },
    /// Each option with what its value is for.
    #[error("the server asks for values that have no default; give them by:\n  {}", options.join("\n  "))]
    Missing { options: Vec<String> },
    #[error("the server.json asks for no value called `{key}`; it asks for: {known}")]
    UnknownValue { key: String, known: String },

    // The registry.
    #[error(
        "`{0}` is not the name of a server in the registry: write `registry:NAMESPACE/NAME`, for example `registry:io.github.user/server`, perhaps with `@VERSION`"
    )]
    Name(String),
    #[error("the registry's address can't be used: {0}")]
    Address(String),
    #[error("the registry {registry} knows no `{name}`; look it up there")]
    NotFound { registry: String, name: String },
    #[error("can't ask the registry about `{name}`: {source}")]
    Registry { name: String, source: FetchError },
    #[error("the registry {registry} did not answer within {seconds} seconds")]
    Slow { registry: String, seconds: u64 },
    #[error("the registry was asked about `{asked}` and answered about `{found}`: refused")]
    OtherServer { asked: String, found: String },
    #[error("the registry has withdrawn `{name}`{}", because(message))]
    Deleted { name: String, message: String },
}

impl ServerJsonError {
    pub(super) fn field(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Field {
            field: field.into(),
            reason: crate::lockfile::printable(&reason.into(), 400),
        }
    }

    /// Whether somebody else is at fault, or the network: not the document.
    pub fn is_environment(&self) -> bool {
        matches!(
            self,
            Self::NotFound { .. } | Self::Registry { .. } | Self::Slow { .. }
        )
    }
}

fn because(message: &str) -> String {
    match message.is_empty() {
        true => String::new(),
        false => format!(": {}", crate::lockfile::printable(message, 200)),
    }
}
