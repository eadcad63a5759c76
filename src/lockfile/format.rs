//! Reading JSON format v1 of the lock. No I/O; `lockfile/FORMAT.md` describes it for people.
//!
//! Strict: unknown, missing and repeated keys are refused, and so is every value
//! that `check.rs` does not know to be harmless. Writing is in `layout.rs`.

use std::collections::BTreeMap;
use std::path::Path;

use super::check::{self, ABSENT, Refusal, UNKNOWN};
use super::error::{FieldProblem, LockError};
use super::platforms::{PartInterpreter, PlatformPart, assembled};
use super::printable::printable;
use super::strict::{Object, UniqueMap, VersionOnly, WordOr, required};
use super::types::{
    Artifact, Behaviour, Build, Confinement, Digest, Interpreter, Lock, LockedServer, NameError,
    RuntimePackage, ServerName, ToolName,
};

/// The only `lockfile_version` that this program reads and writes.
pub const LOCKFILE_VERSION: u64 = 1;

/// Reads format v1. `path` is only for messages.
///
/// What is wrong with the version is said before anything else, so that the lock of a newer
/// pinfold is called that and not "damaged".
pub fn parse(bytes: &[u8], path: &Path) -> Result<Lock, LockError> {
    let text = std::str::from_utf8(bytes).map_err(|error| LockError::NotUtf8 {
        path: path.to_owned(),
        offset: error.valid_up_to(),
    })?;
    let damaged = |source: serde_json::Error| LockError::Json {
        path: path.to_owned(),
        line: source.line(),
        column: source.column(),
        message: printable_message(&source),
    };
    let raw = match serde_json::from_str::<Object<RawLock>>(text) {
        Ok(Object(raw)) if raw.lockfile_version == LOCKFILE_VERSION => raw,
        read => {
            let VersionOnly(found) = serde_json::from_str(text).map_err(damaged)?;
            if found != LOCKFILE_VERSION {
                return Err(LockError::UnknownVersion {
                    path: path.to_owned(),
                    found,
                });
            }
            read.map_err(damaged)?.0
        }
    };
    let invalid = |(location, problem): Refusal| LockError::Invalid {
        path: path.to_owned(),
        location,
        problem,
    };
    let lock = raw.into_lock().map_err(invalid)?;
    check::check(&lock).map_err(invalid)?;
    Ok(lock)
}

/// Serde repeats unknown keys as they are; escaped, they can't command a terminal.
/// The position at the end is cut off because the error has it in fields of its own.
fn printable_message(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let position = format!(" at line {} column {}", error.line(), error.column());
    let message = text.strip_suffix(&position).unwrap_or(&text);
    printable(message, 300)
}

// The file's shape in serde's words; converted to the domain types below.

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct RawLock {
    lockfile_version: u64,
    servers: UniqueMap<Object<RawServer>>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct RawServer {
    source: String,
    #[serde(deserialize_with = "required")]
    version: Option<String>,
    locked_at: String,
    platform: String,
    #[serde(deserialize_with = "required")]
    interpreter: Option<Object<RawInterpreter>>,
    entry_point: String,
    tree: String,
    artifacts: Vec<Object<RawArtifact>>,
    #[serde(deserialize_with = "required")]
    build: Option<Object<RawBuild>>,
    platforms: UniqueMap<Object<RawPart>>,
    behaviour: Object<RawBehaviour>,
    #[serde(rename = "box")]
    confinement: Object<RawConfinement>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPart {
    #[serde(deserialize_with = "required")]
    interpreter: Option<WordOr<RawInterpreter>>,
    entry_point: String,
    tree: String,
    without: Vec<String>,
    artifacts: Vec<Object<RawArtifact>>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct RawInterpreter {
    kind: String,
    path: String,
    #[serde(deserialize_with = "required")]
    version: Option<String>,
    sha256: String,
    #[serde(deserialize_with = "required")]
    package: Option<Object<RawRuntimePackage>>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRuntimePackage {
    source: String,
    version: String,
    tree: String,
    artifacts: Vec<Object<RawArtifact>>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct RawArtifact {
    name: String,
    version: String,
    path: String,
    url: String,
    integrity: String,
    sha256: String,
    size: u64,
    #[serde(deserialize_with = "required")]
    published: Option<String>,
    install_script: bool,
    publisher: String,
    signature: String,
    provenance: String,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct RawBuild {
    packages: Vec<String>,
    egress: Vec<String>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct RawBehaviour {
    protocol: String,
    instructions: String,
    tools: UniqueMap<String>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct RawConfinement {
    policy: String,
    landlock_abi: u32,
    layers: Vec<String>,
}

impl RawLock {
    fn into_lock(self) -> Result<Lock, Refusal> {
        let mut servers = BTreeMap::new();
        for (text, Object(raw)) in self.servers.0 {
            let name: ServerName = text
                .parse()
                .map_err(|error: NameError| ("servers".to_owned(), error.into()))?;
            let server = raw
                .into_server()
                .map_err(|(field, problem)| (format!("servers.{name}.{field}"), problem))?;
            servers.insert(name, server);
        }
        Ok(Lock { servers })
    }
}

impl RawServer {
    fn into_server(self) -> Result<LockedServer, Refusal> {
        let interpreter = match self.interpreter {
            None => None,
            Some(Object(raw)) => Some(raw.into_interpreter("interpreter")?),
        };
        let artifacts = artifacts(self.artifacts, "artifacts")?;
        let mut platforms = BTreeMap::new();
        for (name, Object(raw)) in self.platforms.0 {
            let place = format!("platforms.{}", printable(&name, 80));
            platforms.insert(name, raw.into_part(&artifacts, &place)?);
        }
        Ok(LockedServer {
            tree: parse_digest(&self.tree, || "tree".to_owned())?,
            interpreter,
            artifacts,
            build: self.build.map(|Object(raw)| Build {
                packages: raw.packages,
                egress: raw.egress,
            }),
            platforms,
            behaviour: self.behaviour.0.into_behaviour()?,
            confinement: Confinement {
                policy: parse_digest(&self.confinement.0.policy, || "box.policy".to_owned())?,
                landlock_abi: self.confinement.0.landlock_abi,
                layers: self.confinement.0.layers,
            },
            source: self.source,
            version: self.version,
            locked_at: self.locked_at,
            platform: self.platform,
            entry_point: self.entry_point,
        })
    }
}

impl RawPart {
    fn into_part(self, front: &[Artifact], place: &str) -> Result<PlatformPart, Refusal> {
        let at = |field: &str| format!("{place}.{field}");
        let interpreter = match self.interpreter {
            None => PartInterpreter::Recorded(None),
            Some(WordOr::Object(raw)) => {
                PartInterpreter::Recorded(Some(raw.into_interpreter(&at("interpreter"))?))
            }
            Some(WordOr::Word(word)) if word == UNKNOWN => PartInterpreter::Unknown,
            Some(WordOr::Word(word)) => {
                let reason = "the only word here is `unknown`";
                let problem = FieldProblem::Text {
                    value: word,
                    reason,
                };
                return Err((at("interpreter"), problem));
            }
        };
        let artifacts = artifacts(self.artifacts, &at("artifacts"))?;
        let listed = artifacts.iter().map(|artifact| artifact.path.as_str());
        check::sorted(listed).map_err(|problem| (at("artifacts"), problem))?;
        let without = self.without.iter().map(String::as_str);
        check::sorted(without).map_err(|problem| (at("without"), problem))?;
        let artifacts = assembled(front, &self.without, artifacts).ok_or_else(|| {
            let problem = FieldProblem::Text {
                value: String::new(),
                reason: "it names what is not in the server's own `artifacts`, or is listed here",
            };
            (at("without"), problem)
        })?;
        Ok(PlatformPart {
            interpreter,
            entry_point: self.entry_point,
            tree: parse_digest(&self.tree, || at("tree"))?,
            artifacts,
        })
    }
}

impl RawInterpreter {
    fn into_interpreter(self, place: &str) -> Result<Interpreter, Refusal> {
        let package = match self.package {
            None => None,
            Some(Object(raw)) => Some(RuntimePackage {
                tree: parse_digest(&raw.tree, || format!("{place}.package.tree"))?,
                source: raw.source,
                version: raw.version,
                artifacts: artifacts(raw.artifacts, &format!("{place}.package.artifacts"))?,
            }),
        };
        Ok(Interpreter {
            sha256: parse_digest(&self.sha256, || format!("{place}.sha256"))?,
            kind: self.kind,
            path: self.path,
            version: self.version,
            package,
        })
    }
}

/// `field` is where they are, for messages.
fn artifacts(raw: Vec<Object<RawArtifact>>, field: &str) -> Result<Vec<Artifact>, Refusal> {
    raw.into_iter()
        .enumerate()
        .map(|(index, Object(raw))| raw.into_artifact(&format!("{field}[{index}]")))
        .collect()
}

impl RawArtifact {
    fn into_artifact(self, place: &str) -> Result<Artifact, Refusal> {
        Ok(Artifact {
            sha256: parse_digest(&self.sha256, || format!("{place}.sha256"))?,
            name: self.name,
            version: self.version,
            path: self.path,
            url: self.url,
            integrity: self.integrity,
            size: self.size,
            published: self.published,
            install_script: self.install_script,
            publisher: unless_absent(self.publisher),
            signature: unless_absent(self.signature),
            provenance: unless_absent(self.provenance),
        })
    }
}

impl RawBehaviour {
    fn into_behaviour(self) -> Result<Behaviour, Refusal> {
        let instructions = unless_absent(self.instructions)
            .map(|text| parse_digest(&text, || "behaviour.instructions".to_owned()))
            .transpose()?;
        let mut tools = BTreeMap::new();
        for (name, text) in self.tools.0 {
            let tool: ToolName = name
                .parse()
                .map_err(|error: NameError| ("behaviour.tools".to_owned(), error.into()))?;
            let digest = parse_digest(&text, || format!("behaviour.tools.{tool}"))?;
            tools.insert(tool, digest);
        }
        Ok(Behaviour {
            protocol: self.protocol,
            instructions,
            tools,
        })
    }
}

fn parse_digest(text: &str, location: impl FnOnce() -> String) -> Result<Digest, Refusal> {
    text.parse()
        .map_err(|error: NameError| (location(), error.into()))
}

fn unless_absent(text: String) -> Option<String> {
    Some(text).filter(|text| text != ABSENT)
}

#[cfg(test)]
mod tests;
