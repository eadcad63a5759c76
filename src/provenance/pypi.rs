//! PyPI's attestations of one file (PEP 740): the document that the `provenance` of a file in the
//! Simple API leads to.
//!
//! <https://peps.python.org/pep-0740/>, <https://docs.pypi.org/attestations/>

use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::bundle::{BundleVerifier, Unverified};
use super::statement::{Expected, PYPI_PUBLISH, SLSA_V1};
use super::{Identity, ProvenanceError};

/// A file has one or two.
const MAX_ATTESTATIONS: usize = 16;
const VERSION: u64 = 1;

/// A file of an index, as it was downloaded.
#[derive(Clone, Copy, Debug)]
pub struct PypiFile<'a> {
    /// For example `mcp-1.2.0-py3-none-any.whl`.
    pub name: &'a str,
    /// 64 hexadecimal digits.
    pub sha256: &'a str,
}

#[derive(Deserialize)]
struct Provenance {
    version: u64,
    attestation_bundles: Vec<AttestationBundle>,
}

#[derive(Deserialize)]
struct AttestationBundle {
    publisher: Publisher,
    attestations: Vec<Attestation>,
}

/// Who the index says had the right to publish. Not signed; compared with what is.
#[derive(Deserialize)]
struct Publisher {
    kind: String,
    #[serde(default)]
    repository: Option<String>,
    #[serde(default)]
    workflow: Option<String>,
    #[serde(default)]
    workflow_filepath: Option<String>,
    #[serde(default)]
    email: Option<String>,
}

#[derive(Deserialize)]
struct Attestation {
    version: u64,
    verification_material: VerificationMaterial,
    envelope: Envelope,
}

#[derive(Deserialize)]
struct VerificationMaterial {
    certificate: String,
    transparency_entries: Vec<Box<RawValue>>,
}

#[derive(Deserialize)]
struct Envelope {
    statement: String,
    signature: String,
}

/// Verifies every attestation of `document` for `file`, and says who published it; `None` when
/// the document holds none.
///
/// # Errors
/// When one does not verify, is about another file, or of another publisher than the index says.
pub fn verify_pypi(
    file: &PypiFile<'_>,
    document: &[u8],
    verifier: &BundleVerifier,
) -> Result<Option<Identity>, ProvenanceError> {
    let refuse = |reason: &str| ProvenanceError::Attestation {
        package: crate::lockfile::printable(file.name, 200),
        reason: crate::lockfile::printable(reason, 400),
    };
    let document: Provenance =
        serde_json::from_slice(document).map_err(|error| refuse(&error.to_string()))?;
    if document.version != VERSION {
        return Err(refuse("it is of an unknown version"));
    }
    let count = document
        .attestation_bundles
        .iter()
        .map(|bundle| bundle.attestations.len())
        .sum::<usize>();
    if count > MAX_ATTESTATIONS {
        return Err(refuse(&format!("there are more than {MAX_ATTESTATIONS}")));
    }
    let mut publishers: Vec<Identity> = Vec::new();
    for bundle in &document.attestation_bundles {
        for attestation in &bundle.attestations {
            let identity =
                verify_one(file, attestation, verifier).map_err(|reason| refuse(&reason))?;
            if !bundle.publisher.is(&identity) {
                return Err(refuse(&format!(
                    "the index says that another publisher had the right to; it was {identity}"
                )));
            }
            publishers.push(identity);
        }
    }
    publishers.dedup();
    match publishers.as_slice() {
        [] => Ok(None),
        [publisher] => Ok(Some(publisher.clone())),
        [one, other, ..] => Err(refuse(&format!(
            "two publishers claim it: {one} and {other}"
        ))),
    }
}

fn verify_one(
    file: &PypiFile<'_>,
    attestation: &Attestation,
    verifier: &BundleVerifier,
) -> Result<Identity, String> {
    if attestation.version != VERSION {
        return Err("it is of an unknown version".to_owned());
    }
    let expected = Expected {
        algorithm: "sha256",
        hex: file.sha256,
    };
    let attested = verifier.build(&Unverified::read(&bundle(attestation))?, expected)?;
    let statement = attested.statement;
    if ![PYPI_PUBLISH, SLSA_V1].contains(&statement.predicate_type.as_str()) {
        return Err("its statement is of a kind that PyPI does not have".to_owned());
    }
    if !same_file(&statement.subject, file.name) {
        return Err(format!("its statement is about {}", statement.subject));
    }
    Ok(attested.identity)
}

/// The same as a sigstore bundle: PEP 740 has its parts under other names.
fn bundle(attestation: &Attestation) -> String {
    let material = &attestation.verification_material;
    json!({
        "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "verificationMaterial": {
            "certificate": { "rawBytes": material.certificate },
            "tlogEntries": material.transparency_entries,
        },
        "dsseEnvelope": {
            "payload": attestation.envelope.statement,
            "payloadType": "application/vnd.in-toto+json",
            "signatures": [{ "sig": attestation.envelope.signature }],
        },
    })
    .to_string()
}

impl Publisher {
    /// Whether what the index says of the publisher fits what is signed. Of kinds that are not
    /// known here it says nothing that could be compared.
    fn is(&self, identity: &Identity) -> bool {
        let repository = |host: &str| {
            let name = self.repository.as_deref().unwrap_or_default();
            identity
                .repository
                .eq_ignore_ascii_case(&format!("{host}{name}"))
        };
        match self.kind.as_str() {
            "GitHub" => {
                let file = identity.workflow.strip_prefix(".github/workflows/");
                repository("https://github.com/") && self.workflow.as_deref() == file
            }
            "GitLab" => {
                let file = Some(identity.workflow.as_str());
                repository("https://gitlab.com/") && self.workflow_filepath.as_deref() == file
            }
            "Google" => {
                let address = identity.repository.strip_prefix("mailto:");
                address.is_some() && self.email.as_deref() == address
            }
            _ => true,
        }
    }
}

/// Whether two names are of one file: case, and the separators of the project's name, don't count.
fn same_file(one: &str, other: &str) -> bool {
    let normalised = |name: &str| name.to_ascii_lowercase().replace(['-', '.'], "_");
    normalised(one) == normalised(other)
}

#[cfg(test)]
mod tests;
