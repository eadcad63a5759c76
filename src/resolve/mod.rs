//! From what a manifest names to exact artifacts: npm packages, Python packages and local paths.
//!
//! Nothing is executed here. npm and uv are asked through [`npm::NpmRunner`] and
//! [`pypi::UvRunner`], which another room implements inside the sandbox; what they answer is
//! checked against the registry by us.

pub mod archive;
pub mod bundle;
pub mod interpreter;
pub mod npm;
pub mod path;
pub mod pypi;
pub mod server_json;
pub mod settings;
pub mod vouching;

use std::path::PathBuf;
use std::time::Duration;

use crate::fetch::FetchError;
use crate::provenance::ProvenanceError;

/// Why a source could not be turned into exact artifacts.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    // What was asked for.
    #[error("`{name}` is not the name of an npm package")]
    InvalidName { name: String },
    #[error(
        "`{range}` is not an npm version, range or tag (addresses and aliases are not accepted)"
    )]
    InvalidRange { range: String },

    #[error(
        "`build` names {name}, which is not a package of this server; it can name {}",
        in_words(possible)
    )]
    NotInClosure { name: String, possible: Vec<String> },
    #[error("`build` names {name}, which has no install script; take it out of the list")]
    NoInstallScript { name: String },

    // npm's settings.
    #[error("can't read the npm settings in {}", path.display())]
    Settings {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("the npm setting `{key}` has a value that can't be used: {reason}")]
    InvalidSetting { key: String, reason: String },

    // npm itself.
    #[error("npm could not be run: {source}")]
    RunNpm {
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("no such package: {package} is not known to {registry}")]
    NoSuchPackage { package: String, registry: String },
    #[error("no version of {specifier} can be used{}", explain_age(release_age))]
    NoMatchingVersion {
        specifier: String,
        release_age: Option<Duration>,
    },
    #[error(
        "npm can't reach {registry} ({code}): check the network, and `proxy`, `https-proxy` \
         and `cafile` in your npmrc"
    )]
    Unreachable {
        registry: String,
        code: String,
        output: String,
    },
    #[error(
        "{registry} refuses access to {package} ({code}): `npm login`, or a token in your npmrc"
    )]
    Denied {
        package: String,
        registry: String,
        code: String,
    },
    #[error(
        "a package of the closure comes from git or an address, which has no published digest: {detail}"
    )]
    NotFromRegistry { detail: String },
    #[error("npm failed ({code}): {summary}")]
    NpmFailed {
        code: String,
        summary: String,
        output: String,
    },
    #[error("npm reported success but wrote no package-lock.json: npm 9 or newer is needed")]
    NoPackageLock,

    // npm's answer.
    #[error("npm's package-lock.json can't be read: {reason}")]
    PackageLock { reason: String },
    #[error("npm's package-lock.json has version {found}, expected 3: npm 9 or newer is needed")]
    PackageLockVersion { found: u64 },
    #[error("the closure has an install path that leaves its folder or is malformed: {path:?}")]
    InstallPath { path: String },
    #[error("{path} is a link to a folder, not a published package")]
    Link { path: String },
    #[error(
        "{path} comes from `{resolved}`, not from a registry: such a package has no published digest"
    )]
    ForeignSource { path: String, resolved: String },
    #[error("{name}@{version} can't run here: it is for {wanted}, this machine is {machine}")]
    Platform {
        name: String,
        version: String,
        wanted: String,
        machine: String,
    },
    #[error("npm chose {found} of {name}, but exactly {asked} was asked for")]
    OtherVersion {
        name: String,
        asked: String,
        found: String,
    },

    // The registry's word.
    #[error("can't ask the registry about {package}: {source}")]
    Registry { package: String, source: FetchError },
    #[error("the registry's document about {package} can't be read: {reason}")]
    Packument { package: String, reason: String },
    #[error(
        "npm chose {name}@{version}, and asked again the registry does not offer {name}@{version}: it changes just now, or answers differently; try again later"
    )]
    NotPublished { name: String, version: String },
    #[error("{name}@{version} has no published sha512 digest, so its bytes can't be pinned")]
    NoIntegrity { name: String, version: String },
    #[error(
        "{name}@{version}: npm was told the digest {locked}, the registry publishes {published}. \
         One of them was changed; nothing was installed"
    )]
    IntegrityMismatch {
        name: String,
        version: String,
        locked: String,
        published: String,
    },
    #[error(
        "{registry} does not say when {name}@{version} was published, so its age can't be checked: \
         ask for it by exact version, or set settings.release_age = \"0\""
    )]
    NoPublishTime {
        name: String,
        version: String,
        registry: String,
    },
    #[error(
        "{name}@{version} was published {published}, less than {} ago: \
         wait, ask for it by exact version, or set settings.release_age",
        hours(release_age)
    )]
    TooYoung {
        name: String,
        version: String,
        published: String,
        release_age: Duration,
    },

    // What vouches for a package.
    #[error("{what} can't be had ({reason}); what is offered is checked, so nothing was installed")]
    Vouching { what: String, reason: String },
    #[error(transparent)]
    Provenance(#[from] ProvenanceError),

    // The unpacked package.
    #[error("can't read {}", path.display())]
    Read {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("{} can't be used: {reason}", path.display())]
    Unusable { path: PathBuf, reason: String },
    #[error("{package} offers no program: its package.json has no `bin`")]
    NoProgram { package: String },
    #[error("{package} offers several programs and none is named like it: {}", names.join(", "))]
    SeveralPrograms { package: String, names: Vec<String> },
    #[error("the program of {package} is at `{path}`, outside of the package")]
    ProgramOutside { package: String, path: String },

    #[error(transparent)]
    Bundle(bundle::BundleError),

    // The interpreter.
    #[error("{name} is needed to run this server, and is not on PATH")]
    NoInterpreter { name: String },
    #[error(
        "`{name}` is on PATH only as a wrapper script ({}), which can't be pinned: \
         put the folder of the real program on PATH",
        found.display()
    )]
    OnlyScripts { name: String, found: PathBuf },
}

/// `72h`: the way the setting is written.
pub(crate) fn hours(age: &Duration) -> String {
    match age.as_secs() {
        seconds if seconds > 0 && seconds % 3600 == 0 => format!("{}h", seconds / 3600),
        _ => humantime::format_duration(*age).to_string(),
    }
}

/// Names for a sentence; what a registry calls its packages goes to a terminal.
fn in_words(names: &[String]) -> String {
    match names.is_empty() {
        true => "nothing, for none of its packages has an install script".to_owned(),
        false => crate::lockfile::printable(&names.join(", "), 400),
    }
}

fn explain_age(release_age: &Option<Duration>) -> String {
    match release_age {
        Some(age) => format!(
            ": none matches (versions younger than {} are not considered; \
             ask for one exactly, or set settings.release_age)",
            hours(age)
        ),
        None => ": none matches".to_owned(),
    }
}
