//! Who published the wheels of a closure: the attestations that the index offers (PEP 740), asked
//! for beside the downloads and judged by `provenance`.

use std::collections::BTreeMap;

use super::{OfferedAttestations, PypiError, PypiSettings, ResolvedWheel};
use crate::fetch::{Client, FetchError, Url, for_each_concurrent};
use crate::provenance::{BundleVerifier, ProvenanceError, PypiFile, verify_pypi};
use crate::resolve::vouching::{
    MAX_ATTESTATIONS_BYTES, REQUESTS_AT_ONCE, Unavailable, Vouched, document, is_nothing, verifier,
};

const ACCEPT: &str = "application/vnd.pypi.integrity.v1+json, application/json;q=0.5";

/// Verifies what is offered for each of `wheels`, in their order.
///
/// # Errors
/// The first thing that is offered and can't be had or does not verify.
pub async fn vouched(
    wheels: &[ResolvedWheel],
    settings: &PypiSettings,
    client: &Client,
) -> Result<Vec<Vouched>, PypiError> {
    vouched_by(wheels, settings, client, verifier).await
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
                ..Vouched::default()
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
            let authorization = authorization.as_ref();
            match document(client, url, authorization, ACCEPT, MAX_ATTESTATIONS_BYTES).await {
                Ok(document) => Ok((wheel, Some(document))),
                Err(error) if offered.passed_on && is_out_of_reach(&error) => Ok((wheel, None)),
                Err(error) => Err(unavailable(wheel, &error.to_string())),
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
fn is_out_of_reach(error: &Unavailable) -> bool {
    match error {
        Unavailable::Fetch(error) => {
            is_nothing(error) || matches!(error, FetchError::Connect { .. })
        }
        Unavailable::Slow => true,
    }
}

#[cfg(test)]
mod tests;
