//! `pinfold lock --sbom`: what is locked as a bill of materials, from the lock alone. Pure; equal
//! locks give equal bytes.

mod cyclonedx;
mod purl;
mod spdx;

use std::collections::BTreeSet;
use std::path::Path;

use super::args::Lock as Arguments;
use super::context::Context;
use super::exit::{Exit, UsageError};
use super::output;
use crate::lockfile::{Artifact, Digest, Interpreter, Lock, LockedServer, ServerName, digest};

/// The two formats that others read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Format {
    /// CycloneDX 1.6, JSON
    Cyclonedx,
    /// SPDX 2.3, JSON
    Spdx,
}

pub(super) fn run(
    manifest: Option<&Path>,
    arguments: &Arguments,
    format: Format,
) -> anyhow::Result<Exit> {
    let context = Context::open(manifest)?;
    let lock = chosen(context.recorded_lock()?, &arguments.names)?;
    let bill = match format {
        Format::Cyclonedx => cyclonedx::bill(&lock),
        Format::Spdx => spdx::bill(&lock),
    };
    output::data(&serde_json::to_string_pretty(&bill)?);
    Ok(Exit::Success)
}

/// The named servers of a lock, or all of them.
fn chosen(mut lock: Lock, names: &[String]) -> Result<Lock, UsageError> {
    for name in names {
        if !lock.servers.keys().any(|locked| locked.as_str() == name) {
            let name = output::foreign(name, 64);
            return Err(UsageError(format!(
                "there is no server `{name}` in the lock"
            )));
        }
    }
    if !names.is_empty() {
        lock.servers
            .retain(|locked, _| names.iter().any(|name| name == locked.as_str()));
    }
    Ok(lock)
}

/// The newest date of a lock; that of the first Unix second when nothing is locked. Equal locks
/// have equal dates, the time of day does not come in.
fn date(lock: &Lock) -> String {
    let dates = lock.servers.values().filter_map(|server| {
        // To whole seconds: one of the formats knows no fractions.
        let time = humantime::parse_rfc3339(&server.locked_at).ok()?;
        Some(humantime::format_rfc3339_seconds(time).to_string())
    });
    dates
        .max()
        .unwrap_or_else(|| "1970-01-01T00:00:00Z".to_owned())
}

/// A UUID (RFC 9562, version 8: made of something of our own) of a lock's digest.
fn uuid(lock: &Lock) -> String {
    let digest = digest(lock);
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest.as_bytes()[..16]);
    bytes[6] = bytes[6] & 0x0f | 0x80;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let (a, b, c, d, e) = (
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..],
    );
    format!("{a}-{b}-{c}-{d}-{e}")
}

/// The published sha512 in hexadecimal digits.
fn sha512(artifact: &Artifact) -> Option<String> {
    use base64::Engine as _;
    let base64 = artifact.integrity.strip_prefix("sha512-")?;
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(base64)
        .ok()?;
    Some(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Where it is downloaded; addresses that are relative to a registry name none.
fn download(artifact: &Artifact) -> Option<&str> {
    let absolute = ["https://", "http://"];
    absolute
        .iter()
        .any(|scheme| artifact.url.starts_with(scheme))
        .then_some(artifact.url.as_str())
}

/// A name for an artifact that no other one of the document has.
fn reference(owner: &str, artifact: &Artifact) -> String {
    let place = Digest::of(format!("{owner}\0{}", artifact.path).as_bytes());
    format!("artifact-{}", &place.hex()[..16])
}

/// What only other platforms have, each once: owner, source, artifact. Another platform may have
/// another file at the same path, so the owner is told by the file.
fn of_other_platforms<'a>(
    name: &ServerName,
    locked: &'a LockedServer,
) -> Vec<(String, &'a str, &'a Artifact)> {
    let mut seen = BTreeSet::new();
    locked
        .other_artifacts()
        .map(|(source, one)| (format!("{name} {}", one.sha256), source, one))
        .filter(|(owner, _, one)| seen.insert(reference(owner, one)))
        .collect()
}

fn server_reference(server: &ServerName) -> String {
    // Names hold `_`, which one of the formats does not take.
    let place = Digest::of(server.as_str().as_bytes());
    format!("server-{}", &place.hex()[..16])
}

/// Servers may share one; it is one component then.
fn interpreter_reference(interpreter: &Interpreter) -> String {
    let what = format!(
        "{}\0{}\0{}\0{}",
        interpreter.kind,
        interpreter.path,
        interpreter.version.as_deref().unwrap_or_default(),
        interpreter.sha256
    );
    format!("interpreter-{}", &Digest::of(what.as_bytes()).hex()[..16])
}

/// Each interpreter once, in order of the servers.
fn interpreters(lock: &Lock) -> Vec<&Interpreter> {
    let mut all: Vec<&Interpreter> = Vec::new();
    for interpreter in lock.servers.values().filter_map(|s| s.interpreter.as_ref()) {
        if !all.contains(&interpreter) {
            all.push(interpreter);
        }
    }
    all
}

/// How other tools call an artifact.
fn purl(source: &str, artifact: &Artifact) -> String {
    let kind = source.split(':').next().unwrap_or_default();
    purl::of(kind, &artifact.name, &artifact.version, download(artifact))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NPM: &str = include_str!("../../../lockfile/examples/npm.lock");

    fn lock(text: &str) -> Lock {
        crate::lockfile::parse(text.as_bytes(), Path::new("x.lock")).unwrap()
    }

    #[test]
    fn equal_locks_give_equal_bills_and_others_other_numbers() {
        let one = lock(NPM);
        for bill in [cyclonedx::bill, spdx::bill] {
            assert_eq!(bill(&one), bill(&lock(NPM)));
        }
        let other = lock(&NPM.replace("4.1.5", "4.1.6"));
        assert_ne!(uuid(&one), uuid(&other));
        assert_eq!(uuid(&one).len(), 36);
        assert_eq!(date(&one), "2026-11-20T12:00:00Z");
        assert_eq!(date(&Lock::default()), "1970-01-01T00:00:00Z");
    }

    #[test]
    fn everything_that_is_locked_is_in_both() {
        let lock = lock(NPM);
        let bills = [
            cyclonedx::bill(&lock).to_string(),
            spdx::bill(&lock).to_string(),
        ];
        for bill in bills {
            for text in [
                "pkg:npm/%40modelcontextprotocol/sdk@1.29.0",
                "pkg:npm/zod@4.1.5",
                "36b5ab4926902ca107ce55aadcd48208132da8cb99e0c09763220d1b5c10eea3",
                "545ea538461003efdc8c81c244531b003f6f26cfccf6c0073b3239fdedf49446",
                // The sha512 of zod.
                "1d2e01b5eea3",
                "everything",
            ] {
                assert!(bill.contains(text), "no {text}");
            }
        }
    }

    #[test]
    fn servers_are_chosen_by_name() {
        let all = lock(NPM);
        assert_eq!(chosen(all.clone(), &[]).unwrap(), all);
        let one = chosen(all.clone(), &["everything".to_owned()]).unwrap();
        assert_eq!(one, all);
        assert!(chosen(all, &["nothing".to_owned()]).is_err());
    }
}
