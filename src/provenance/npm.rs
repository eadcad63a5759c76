//! npm's attestations of one version: the registry's own (publish), signed with its key, and
//! provenance (SLSA), signed by the build.
//!
//! The document is what a registry serves at `/-/npm/v1/attestations/NAME@VERSION`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::bundle::{BundleVerifier, Unverified};
use super::registry_keys::{RegistryKeys, Usage};
use super::registry_signature::Release;
use super::statement::{Expected, NPM_PUBLISH, SLSA_V0_2, SLSA_V1, Statement};
use super::{Identity, ProvenanceError};

/// A version has two.
const MAX_ATTESTATIONS: usize = 16;

/// The attestations of one version, read and not yet verified.
pub struct NpmAttestations {
    attestations: Vec<(String, Unverified)>,
}

#[derive(Deserialize)]
struct Document {
    attestations: Vec<RawAttestation>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawAttestation {
    predicate_type: String,
    bundle: Box<RawValue>,
}

impl NpmAttestations {
    /// Reads the registry's document about `package` (`NAME@VERSION`, for messages).
    pub fn read(package: &str, document: &[u8]) -> Result<Self, ProvenanceError> {
        let refuse = |reason: String| refused(package, &reason);
        let document: Document =
            serde_json::from_slice(document).map_err(|error| refuse(error.to_string()))?;
        if document.attestations.len() > MAX_ATTESTATIONS {
            return Err(refuse(format!("there are more than {MAX_ATTESTATIONS}")));
        }
        let read = |raw: RawAttestation| {
            let bundle = Unverified::read(raw.bundle.get()).map_err(refuse)?;
            Ok((raw.predicate_type, bundle))
        };
        let attestations = document.attestations.into_iter().map(read);
        Ok(Self {
            attestations: attestations.collect::<Result<_, _>>()?,
        })
    }

    /// The keys by which they say to be signed.
    pub fn keyids(&self) -> impl Iterator<Item = &str> {
        self.attestations
            .iter()
            .filter_map(|(_, bundle)| bundle.key_hint())
    }

    /// Verifies every one, and says who built the version; `None` when none is about that.
    pub fn verify(
        &self,
        release: &Release<'_>,
        verifier: &BundleVerifier,
        keys: &RegistryKeys,
    ) -> Result<Option<Identity>, ProvenanceError> {
        let mut builds = Vec::new();
        for (predicate_type, bundle) in &self.attestations {
            let one = verify_one(predicate_type, bundle, release, verifier, keys);
            builds.extend(one.map_err(|reason| refused(&release.package(), &reason))?);
        }
        builds.dedup();
        match builds.as_slice() {
            [] => Ok(None),
            [build] => Ok(Some(build.clone())),
            [one, other, ..] => Err(refused(
                &release.package(),
                &format!("two builds claim it: {one} and {other}"),
            )),
        }
    }
}

fn verify_one(
    predicate_type: &str,
    bundle: &Unverified,
    release: &Release<'_>,
    verifier: &BundleVerifier,
    keys: &RegistryKeys,
) -> Result<Option<Identity>, String> {
    let hex = sha512_hex(release.integrity).ok_or("its digest is malformed")?;
    let expected = Expected {
        algorithm: "sha512",
        hex: &hex,
    };
    let (statement, identity) = match bundle.key_hint() {
        Some(keyid) => (keyed(keyid, bundle, expected, verifier, keys)?, None),
        None => {
            let attested = verifier.build(bundle, expected)?;
            (attested.statement, Some(attested.identity))
        }
    };
    if statement.predicate_type != predicate_type {
        return Err("its statement is of another kind than the registry says".to_owned());
    }
    if statement.subject != purl(release) {
        return Err(format!("its statement is about {}", statement.subject));
    }
    match (predicate_type, identity) {
        (SLSA_V1 | SLSA_V0_2, Some(identity)) if identity.is_build() => Ok(Some(identity)),
        (SLSA_V1 | SLSA_V0_2, _) => Err("its provenance is not signed by a build".to_owned()),
        (NPM_PUBLISH, None) => published(&statement, release).map(|()| None),
        (NPM_PUBLISH, Some(_)) => Err("its publication is not signed by a registry".to_owned()),
        // Others say nothing about who built it.
        _ => Ok(None),
    }
}

fn keyed(
    keyid: &str,
    bundle: &Unverified,
    expected: Expected<'_>,
    verifier: &BundleVerifier,
    keys: &RegistryKeys,
) -> Result<Statement, String> {
    let key = keys
        .find(keyid, Usage::Attestations)
        .ok_or("it is signed with a key that is neither npm's nor published by its registry")?;
    let (statement, logged) = verifier.keyed(bundle, &key.spki, expected)?;
    if let Some(expires) = key.expires {
        let expires = expires.duration_since(std::time::UNIX_EPOCH);
        let expires = expires.map_or(0, |time| time.as_secs());
        let before = logged.and_then(|time| u64::try_from(time).ok());
        if before.is_none_or(|time| time >= expires) {
            return Err("it was signed with a key that had expired".to_owned());
        }
    }
    Ok(statement)
}

/// The registry's own statement repeats what it is about.
fn published(statement: &Statement, release: &Release<'_>) -> Result<(), String> {
    let says = |key: &str| {
        statement
            .predicate
            .get(key)
            .and_then(|value| value.as_str())
    };
    if says("name") == Some(release.name) && says("version") == Some(release.version) {
        Ok(())
    } else {
        Err("it is about the publication of another version".to_owned())
    }
}

/// As npm writes it: only the `@` of a scope is escaped.
fn purl(release: &Release<'_>) -> String {
    let name = match release.name.strip_prefix('@') {
        Some(rest) => format!("%40{rest}"),
        None => release.name.to_owned(),
    };
    format!("pkg:npm/{name}@{}", release.version)
}

fn sha512_hex(integrity: &str) -> Option<String> {
    let bytes = BASE64.decode(integrity.strip_prefix("sha512-")?).ok()?;
    Some(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn refused(package: &str, reason: &str) -> ProvenanceError {
    ProvenanceError::Attestation {
        package: package.to_owned(),
        reason: crate::lockfile::printable(reason, 400),
    }
}

#[cfg(test)]
mod tests;
