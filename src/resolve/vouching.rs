//! What vouches for the files of a closure, of whichever registry: what was verified, and how its
//! documents are had.

use std::time::Duration;

use crate::fetch::{Authorization, Client, FetchError, Url};
use crate::provenance::{BundleVerifier, ProvenanceError};

/// Attestations of one file are 10 to 40 KiB.
pub(super) const MAX_ATTESTATIONS_BYTES: u64 = 2 * 1024 * 1024;
pub(super) const REQUESTS_AT_ONCE: usize = 8;
/// For one document with all its retries. A registry that is slower is not waited for.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// What was verified about one file; `None` where its registry offers nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Vouched {
    /// The keys that signed, for example `npm:SHA256:jl3…`. PyPI has no such signatures.
    pub signature: Option<String>,
    /// Which build or account published it.
    pub provenance: Option<String>,
    /// The registry passes on that there are attestations, and they can't be had.
    pub not_mirrored: bool,
}

/// Why a document could not be had.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unavailable {
    #[error(transparent)]
    Fetch(FetchError),
    #[error("no answer within {} seconds", PATIENCE.as_secs())]
    Slow,
}

/// The verifier with the trusted root that is part of this program.
pub(super) fn verifier() -> Result<BundleVerifier, ProvenanceError> {
    BundleVerifier::public_good().map_err(|reason| ProvenanceError::TrustedRoot { reason })
}

pub(super) async fn document(
    client: &Client,
    url: &Url,
    authorization: Option<&Authorization>,
    accept: &'static str,
    max_bytes: u64,
) -> Result<Vec<u8>, Unavailable> {
    let request = client.get(url, authorization, accept, max_bytes);
    match tokio::time::timeout(PATIENCE, request).await {
        Ok(result) => result.map_err(Unavailable::Fetch),
        Err(_) => Err(Unavailable::Slow),
    }
}

/// npm takes these for "this registry has none", too.
pub(super) fn is_nothing(error: &FetchError) -> bool {
    matches!(error.status(), Some(400 | 404 | 410))
}
