//! Why a Python package could not be turned into exact wheels.

use std::path::PathBuf;
use std::time::Duration;

use crate::fetch::FetchError;
use crate::provenance::ProvenanceError;
use crate::resolve::hours;

/// Each names the package, and what would help.
#[derive(Debug, thiserror::Error)]
pub enum PypiError {
    // The user's settings.
    #[error("can't read the settings of pip or uv in {}", path.display())]
    Settings {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("the setting `{key}` has a value that can't be used: {reason}")]
    InvalidSetting { key: String, reason: String },

    // uv.
    #[error("uv could not be run: {source}")]
    RunUv {
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error(
        "uv could not ask the index for all that it needs to choose the packages of `{requirement}`, so nothing was chosen: try again later, or check the network and the index of your pip or uv settings:\n{output}"
    )]
    Unreachable { requirement: String, output: String },
    #[error("uv found no set of packages for `{requirement}`{hint}:\n{output}")]
    Unresolved {
        requirement: String,
        hint: String,
        output: String,
    },
    #[error("what uv wrote (pylock.toml, PEP 751) can't be used: {reason}")]
    Pylock { reason: String },
    #[error("uv chose {found} of {name}, but exactly {asked} was asked for")]
    OtherVersion {
        name: String,
        asked: String,
        found: String,
    },

    // The index's word.
    #[error("no such package: {name} is not known to {index}")]
    NoSuchPackage { name: String, index: String },
    #[error(
        "{index} refuses access to {name} (status {status}): put `user:token@` into the index address of your pip or uv settings"
    )]
    Denied {
        name: String,
        index: String,
        status: u16,
    },
    #[error("can't ask the index about {name}: {source}")]
    Index { name: String, source: FetchError },
    #[error("the index's page about {name} can't be read: {reason}")]
    Page { name: String, reason: String },
    #[error("{name} is {status} on the index, which means that nobody should install it now")]
    Withheld { name: String, status: String },
    #[error(
        "{name} {version} is offered as source only; building it would run its code, so pinfold takes wheels alone. Ask its authors for wheels, or another version"
    )]
    SourceOnly { name: String, version: String },
    #[error(
        "{name} is offered as source only; building it would run its code, so pinfold takes wheels alone"
    )]
    NoWheels { name: String },
    #[error("the index does not offer {name} {version}")]
    NotPublished { name: String, version: String },
    #[error(
        "no wheel of {name} {version} is for this machine (Python {python}, {platform}); there are: {offered}"
    )]
    Platform {
        name: String,
        version: String,
        python: String,
        platform: String,
        offered: String,
    },
    #[error("{file} has no published sha256, so its bytes can't be pinned")]
    NoHash { file: String },
    #[error(
        "{file}: uv was told the sha256 {resolved}, the index publishes {published}. \
         One of them was changed; nothing was installed"
    )]
    HashMismatch {
        file: String,
        resolved: String,
        published: String,
    },
    #[error(
        "{name} {version} was withdrawn by its authors (yanked): {reason}. Ask for it by `=={version}` to have it all the same"
    )]
    Yanked {
        name: String,
        version: String,
        reason: String,
    },
    #[error("{name} {version} needs Python {required}; this is {python}")]
    RequiresPython {
        name: String,
        version: String,
        required: String,
        python: String,
    },
    #[error("{file} is at an address that can't be used: {reason}")]
    Address { file: String, reason: &'static str },
    #[error(
        "{index} does not say when {name} was published, so its age can't be checked: \
         use an index that does, or set settings.release_age = \"0\""
    )]
    NoPublishTime { name: String, index: String },
    #[error(
        "{name} {version} was published {published}, less than {} ago: \
         wait, ask for it by exact version, or set settings.release_age",
        hours(release_age)
    )]
    TooYoung {
        name: String,
        version: String,
        published: String,
        release_age: Duration,
    },

    // What vouches for a wheel.
    #[error(
        "the attestations of {file} can't be had ({reason}); what is offered is checked, so nothing was installed"
    )]
    Vouching { file: String, reason: String },
    #[error(transparent)]
    Provenance(#[from] ProvenanceError),

    // The unpacked wheels.
    #[error("{name} offers no program: it has no console script")]
    NoProgram { name: String },
    #[error("{name} offers several programs and none is named like it: {}; pinfold starts the one that `uvx {name}` would", names.join(", "))]
    SeveralPrograms { name: String, names: Vec<String> },
    #[error("{wheel}: its {file} can't be used: {reason}")]
    Metadata {
        wheel: String,
        file: &'static str,
        reason: String,
    },
}
