//! Which values a lock may hold. Pure; used when a lock is read and before one is written.
//!
//! Names and digests need no check here: their types can't hold a bad one.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::error::FieldProblem;
use super::platforms::{PartInterpreter, PlatformPart};
use super::printable::is_hidden;
use super::types::{
    Artifact, Behaviour, Build, Confinement, Interpreter, Lock, LockedServer, RuntimePackage,
    ServerName,
};

/// The word that records that something was not there. A real value can't be spelled like it.
pub(super) const ABSENT: &str = "absent";

/// The word for an interpreter that no machine has recorded yet.
pub(super) const UNKNOWN: &str = "unknown";

/// Longest text or path of a lock, in bytes. The kernel's `PATH_MAX` is 4096.
const MAX_TEXT_BYTES: usize = 4096;

/// Where in the lock, and what is wrong there.
pub(super) type Refusal = (String, FieldProblem);

pub(super) fn check(lock: &Lock) -> Result<(), Refusal> {
    lock.servers
        .iter()
        .try_for_each(|(name, server)| check_server(name, server))
}

fn check_server(name: &ServerName, server: &LockedServer) -> Result<(), Refusal> {
    let at = |field: &str| format!("servers.{name}.{field}");
    let in_field = |field: &'static str| move |problem| (at(field), problem);
    text(&server.source).map_err(in_field("source"))?;
    optional_text(server.version.as_deref()).map_err(in_field("version"))?;
    time(&server.locked_at).map_err(in_field("locked_at"))?;
    text(&server.platform).map_err(in_field("platform"))?;
    if let Some(interpreter) = &server.interpreter {
        check_interpreter(interpreter)
            .map_err(|(field, problem)| (at(&format!("interpreter.{field}")), problem))?;
    }
    tree_path(&server.entry_point).map_err(in_field("entry_point"))?;
    check_artifacts(&server.artifacts, published_algorithm(&server.source))
        .map_err(|(field, problem)| (at(&field), problem))?;
    if let Some(build) = &server.build {
        check_build(build, &server.artifacts)
            .map_err(|(field, problem)| (at(&format!("build.{field}")), problem))?;
    }
    for (platform, part) in &server.platforms {
        check_part(server, platform, part)
            .map_err(|(field, problem)| (at(&format!("platforms.{field}")), problem))?;
    }
    check_behaviour(&server.behaviour).map_err(in_field("behaviour.protocol"))?;
    check_confinement(&server.confinement).map_err(in_field("box.layers"))
}

fn check_part(server: &LockedServer, platform: &str, part: &PlatformPart) -> Result<(), Refusal> {
    let at = |field: &str| format!("{platform}.{field}");
    text(platform).map_err(|problem| ("NAME".to_owned(), problem))?;
    if platform == server.platform {
        let problem = FieldProblem::Text {
            value: platform.to_owned(),
            reason: "the server's own fields are for this platform",
        };
        return Err((platform.to_owned(), problem));
    }
    if let PartInterpreter::Recorded(Some(interpreter)) = &part.interpreter {
        check_interpreter(interpreter)
            .map_err(|(field, problem)| (at(&format!("interpreter.{field}")), problem))?;
    }
    tree_path(&part.entry_point).map_err(|problem| (at("entry_point"), problem))?;
    check_artifacts(&part.artifacts, published_algorithm(&server.source))
        .map_err(|(field, problem)| (at(&field), problem))
}

fn check_interpreter(interpreter: &Interpreter) -> Result<(), Refusal> {
    check_program(interpreter).map_err(|(field, problem)| (field.to_owned(), problem))?;
    match &interpreter.package {
        Some(package) => {
            check_package(package).map_err(|(field, problem)| (format!("package.{field}"), problem))
        }
        None => Ok(()),
    }
}

fn check_program(interpreter: &Interpreter) -> Result<(), (&'static str, FieldProblem)> {
    text(&interpreter.kind).map_err(|problem| ("kind", problem))?;
    let path = match interpreter.package {
        Some(_) => tree_path(&interpreter.path),
        None => program_path(&interpreter.path),
    };
    path.map_err(|problem| ("path", problem))?;
    optional_text(interpreter.version.as_deref()).map_err(|problem| ("version", problem))
}

fn check_package(package: &RuntimePackage) -> Result<(), Refusal> {
    text(&package.source).map_err(|problem| ("source".to_owned(), problem))?;
    text(&package.version).map_err(|problem| ("version".to_owned(), problem))?;
    check_artifacts(&package.artifacts, published_algorithm(&package.source))
}

fn check_artifacts(artifacts: &[Artifact], algorithm: Algorithm) -> Result<(), Refusal> {
    for (index, artifact) in artifacts.iter().enumerate() {
        check_artifact(artifact, algorithm)
            .map_err(|(field, problem)| (format!("artifacts[{index}].{field}"), problem))?;
    }
    sorted(artifacts.iter().map(|artifact| artifact.path.as_str()))
        .map_err(|problem| ("artifacts".to_owned(), problem))
}

fn check_artifact(
    artifact: &Artifact,
    algorithm: Algorithm,
) -> Result<(), (&'static str, FieldProblem)> {
    text(&artifact.name).map_err(|problem| ("name", problem))?;
    text(&artifact.version).map_err(|problem| ("version", problem))?;
    tree_path(&artifact.path).map_err(|problem| ("path", problem))?;
    text(&artifact.url).map_err(|problem| ("url", problem))?;
    integrity(&artifact.integrity, algorithm).map_err(|problem| ("integrity", problem))?;
    artifact
        .published
        .as_deref()
        .map_or(Ok(()), time)
        .map_err(|problem| ("published", problem))?;
    recorded_text(artifact.publisher.as_deref()).map_err(|problem| ("publisher", problem))?;
    recorded_text(artifact.signature.as_deref()).map_err(|problem| ("signature", problem))?;
    recorded_text(artifact.provenance.as_deref()).map_err(|problem| ("provenance", problem))
}

/// Only what the lock itself says to ask for a script can have had one run.
fn check_build(build: &Build, artifacts: &[Artifact]) -> Result<(), (&'static str, FieldProblem)> {
    let refuse = |value: &str, reason| FieldProblem::Text {
        value: value.to_owned(),
        reason,
    };
    for (field, values) in [("packages", &build.packages), ("egress", &build.egress)] {
        values
            .iter()
            .try_for_each(|value| text(value))
            .and_then(|()| sorted(values.iter().map(String::as_str)))
            .map_err(|problem| (field, problem))?;
    }
    if build.packages.is_empty() {
        return Err(("packages", refuse("", "it is empty")));
    }
    let asks = |name: &&String| {
        artifacts
            .iter()
            .any(|artifact| artifact.install_script && artifact.name == **name)
    };
    match build.packages.iter().find(|name| !asks(name)) {
        Some(name) => Err((
            "packages",
            refuse(name, "no artifact of this name asks for an install script"),
        )),
        None => Ok(()),
    }
}

fn check_behaviour(behaviour: &Behaviour) -> Result<(), FieldProblem> {
    text(&behaviour.protocol)
}

fn check_confinement(confinement: &Confinement) -> Result<(), FieldProblem> {
    confinement
        .layers
        .iter()
        .try_for_each(|layer| text(layer))?;
    sorted(confinement.layers.iter().map(String::as_str))
}

/// Text that is shown to people: no control or invisible direction-changing characters,
/// so that a lock can't paint something else on the reviewer's terminal.
fn text(value: &str) -> Result<(), FieldProblem> {
    let refuse = |reason| {
        Err(FieldProblem::Text {
            value: value.to_owned(),
            reason,
        })
    };
    if value.is_empty() {
        return refuse("it is empty");
    }
    if value.len() > MAX_TEXT_BYTES {
        // The value itself is left out: it may be megabytes long.
        return Err(FieldProblem::Text {
            value: String::new(),
            reason: "it is longer than 4096 bytes",
        });
    }
    // Nearly every value is nothing else.
    let is_plain = value.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    if !is_plain && value.chars().any(is_hidden) {
        return refuse("it holds a control or invisible character");
    }
    Ok(())
}

fn optional_text(value: Option<&str>) -> Result<(), FieldProblem> {
    value.map_or(Ok(()), text)
}

fn recorded_text(value: Option<&str>) -> Result<(), FieldProblem> {
    match value {
        Some(ABSENT) => Err(FieldProblem::Text {
            value: ABSENT.to_owned(),
            reason: "this word records that there is none",
        }),
        other => optional_text(other),
    }
}

fn tree_path(value: &str) -> Result<(), FieldProblem> {
    let refuse = |reason| {
        Err(FieldProblem::TreePath {
            value: value.to_owned(),
            reason,
        })
    };
    text(value)?;
    if value.starts_with('/') {
        return refuse("it is absolute");
    }
    if value.contains('\\') {
        return refuse("components are separated by `/`");
    }
    components(value).or_else(refuse)
}

fn program_path(value: &str) -> Result<(), FieldProblem> {
    let refuse = |reason| {
        Err(FieldProblem::ProgramPath {
            value: value.to_owned(),
            reason,
        })
    };
    text(value)?;
    match value.strip_prefix('/') {
        Some(rest) => components(rest).or_else(refuse),
        None => refuse("it is relative"),
    }
}

fn components(value: &str) -> Result<(), &'static str> {
    for component in value.split('/') {
        match component {
            "" => return Err("it has an empty component"),
            "." => return Err("it has a `.` component"),
            ".." => return Err("it has a `..` component"),
            _ => {}
        }
    }
    Ok(())
}

/// What a registry publishes of its files: prefix of the integrity, bytes of the digest.
type Algorithm = (&'static str, usize);

/// One algorithm for each kind of source, the strongest that it publishes: weaker ones must not
/// slip in.
fn published_algorithm(source: &str) -> Algorithm {
    match source.split_once(':') {
        // The one publishes that, the other says it itself.
        Some(("pypi" | "https", _)) => ("sha256-", 32),
        _ => ("sha512-", 64),
    }
}

fn integrity(value: &str, (prefix, length): Algorithm) -> Result<(), FieldProblem> {
    let decoded = value
        .strip_prefix(prefix)
        .and_then(|text| BASE64.decode(text).ok());
    match decoded {
        Some(bytes) if bytes.len() == length => Ok(()),
        _ => Err(FieldProblem::Integrity {
            value: shortened(value),
        }),
    }
}

fn time(value: &str) -> Result<(), FieldProblem> {
    match humantime::parse_rfc3339(value) {
        Ok(_) => Ok(()),
        Err(_) => Err(FieldProblem::Time {
            value: shortened(value),
        }),
    }
}

fn shortened(value: &str) -> String {
    value.chars().take(120).collect()
}

pub(super) fn sorted<'a>(values: impl Iterator<Item = &'a str>) -> Result<(), FieldProblem> {
    let mut before: Option<&str> = None;
    for value in values {
        if let Some(first) = before.filter(|first| *first >= value) {
            return Err(FieldProblem::Order {
                first: first.to_owned(),
                second: value.to_owned(),
            });
        }
        before = Some(value);
    }
    Ok(())
}
