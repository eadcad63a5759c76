//! Who published the wheels of a closure: the attestations that the index offers (PEP 740), asked
//! for beside the downloads and judged by `provenance`.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{OfferedAttestations, PypiError, PypiSettings, ResolvedWheel};
use crate::fetch::{Client, FetchError, Url, for_each_concurrent};
use crate::provenance::{BundleVerifier, ProvenanceError, PypiFile, verify_pypi};

/// One attestation is about 10 KiB.
const MAX_BYTES: u64 = 2 * 1024 * 1024;
const REQUESTS_AT_ONCE: usize = 8;
/// For one document with all its retries.
const PATIENCE: Duration = Duration::from_secs(60);
const ACCEPT: &str = "application/vnd.pypi.integrity.v1+json, application/json;q=0.5";

/// What was verified about one wheel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Vouched {
    /// Which build or account published it; `None` where nothing is offered.
    pub provenance: Option<String>,
    /// The index says that there are attestations elsewhere, and they can't be had there.
    pub not_mirrored: bool,
}

/// Verifies what is offered for each of `wheels`, in their order.
///
/// # Errors
/// The first thing that is offered and can't be had or does not verify.
pub async fn vouched(
    wheels: &[ResolvedWheel],
    settings: &PypiSettings,
    client: &Client,
) -> Result<Vec<Vouched>, PypiError> {
    vouched_by(wheels, settings, client, || {
        BundleVerifier::public_good().map_err(|reason| ProvenanceError::TrustedRoot { reason })
    })
    .await
}

async fn vouched_by(
    wheels: &[ResolvedWheel],
    settings: &PypiSettings,
    client: &Client,
    verifier: impl Fn() -> Result<BundleVerifier, ProvenanceError>,
) -> Result<Vec<Vouched>, PypiError> {
    let documents = documents(wheels, settings, client).await?;
    let verifier = match documents.is_empty() {
        true => None,
        false => Some(verifier()?),
    };
    let mut vouched = Vec::with_capacity(wheels.len());
    for wheel in wheels {
        let mut found = Vouched {
            not_mirrored: wheel.attestations.is_some(),
            ..Vouched::default()
        };
        if let (Some(document), Some(verifier)) = (documents.get(wheel.file.as_str()), &verifier) {
            let file = PypiFile {
                name: &wheel.file,
                sha256: &wheel.sha256,
            };
            let publisher = verify_pypi(&file, document, verifier)?
                .ok_or_else(|| unavailable(wheel, "there is none among them"))?;
            found = Vouched {
                provenance: Some(publisher.to_string()),
                not_mirrored: false,
            };
        }
        vouched.push(found);
    }
    Ok(vouched)
}

/// The documents that there are, by the names of the files.
async fn documents<'a>(
    wheels: &'a [ResolvedWheel],
    settings: &PypiSettings,
    client: &Client,
) -> Result<BTreeMap<&'a str, Vec<u8>>, PypiError> {
    let asked: Vec<(&ResolvedWheel, &OfferedAttestations, &Url)> = wheels
        .iter()
        .filter_map(|wheel| {
            let offered = wheel.attestations.as_ref()?;
            Some((wheel, offered, offered.url.as_ref()?))
        })
        .collect();
    let mut found = BTreeMap::new();
    for_each_concurrent(
        asked,
        REQUESTS_AT_ONCE,
        |(wheel, offered, url)| async move {
            let authorization = settings.index.authorization_for(url);
            let request = client.get(url, authorization.as_ref(), ACCEPT, MAX_BYTES);
            match tokio::time::timeout(PATIENCE, request).await {
                Ok(Ok(document)) => Ok((wheel, Some(document))),
                Ok(Err(error)) if offered.passed_on && is_out_of_reach(&error) => Ok((wheel, None)),
                Err(_) if offered.passed_on => Ok((wheel, None)),
                Ok(Err(error)) => Err(unavailable(wheel, &error.to_string())),
                Err(_) => {
                    let reason = format!("no answer within {} seconds", PATIENCE.as_secs());
                    Err(unavailable(wheel, &reason))
                }
            }
        },
        |(wheel, document)| {
            if let Some(document) = document {
                found.insert(wheel.file.as_str(), document);
            }
            Ok(())
        },
    )
    .await?;
    Ok(found)
}

fn unavailable(wheel: &ResolvedWheel, reason: &str) -> PypiError {
    PypiError::Vouching {
        file: wheel.file.clone(),
        reason: reason.to_owned(),
    }
}

/// Whoever uses a mirror may not reach the public index, and needn't.
fn is_out_of_reach(error: &FetchError) -> bool {
    matches!(error.status(), Some(400 | 404 | 410)) || matches!(error, FetchError::Connect { .. })
}

#[cfg(test)]
mod tests;
