//! Why a bundle can't be used, in the words that the user reads.

use crate::lockfile::printable;

/// What is wrong with a bundle's manifest.json, or with the values it is given.
///
/// Names and texts from the bundle are shown escaped.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    #[error("the bundle's manifest.json can't be read: {}", printable(.0, 200))]
    Manifest(String),
    #[error(
        "the bundle's manifest.json is of version `{}`; this pinfold reads 0.1, 0.2, 0.3 and 0.4",
        printable(.0, 20)
    )]
    Version(String),
    #[error("the bundle's `{field}` can't be used: {}", printable(reason, 200))]
    Field { field: String, reason: String },
    #[error(
        "the bundle's `{field}` holds `${{{}}}`, which pinfold doesn't know",
        printable(variable, 60)
    )]
    Variable { field: String, variable: String },
    #[error("the bundle is for {}, not for Linux", printable(.0, 80))]
    Platform(String),
    #[error("`config.{}`: {reason}", printable(key, 60))]
    Config { key: String, reason: String },
    #[error(
        "the bundle has no value called `{}` (`config` in the manifest); it has: {known}",
        printable(key, 60)
    )]
    UnknownConfig { key: String, known: String },
    #[error(
        "the bundle's `{field}` needs a value for `config.{}`, and there is none",
        printable(key, 60)
    )]
    NoValue { field: String, key: String },
}

impl BundleError {
    pub(super) fn field(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Field {
            field: field.into(),
            reason: reason.into(),
        }
    }

    pub(super) fn config(key: &str, reason: impl Into<String>) -> Self {
        Self::Config {
            key: key.to_owned(),
            reason: reason.into(),
        }
    }
}
