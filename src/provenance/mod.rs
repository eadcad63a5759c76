//! Who vouches for the bytes of a package: signatures of registries, and attestations of the
//! build that made it (sigstore). Judged here, from documents that others fetched.
//!
//! Two statements are told apart. A *registry signature* says that a registry published a
//! version with this digest. *Provenance* says which workflow of which repository built the file,
//! and is recorded as an [`Identity`]. Neither says that the code is harmless; both say that a
//! later version without them, or with another repository, did not come the same way.
//!
//! What is offered and does not verify refuses the artifact. What is not offered is recorded as
//! absent, and [`losses`] finds what an earlier lock had; `add`, `lock` and `update` judge by it alike.
//!
//! Only `bundle.rs` knows the crates that verify sigstore bundles.

mod bundle;
mod compare;
mod identity;
mod npm;
mod pypi;
mod registry_keys;
mod registry_signature;
mod statement;

#[cfg(test)]
pub(crate) mod testing;

pub use bundle::BundleVerifier;
pub use compare::{Loss, LossKind, losses, server_losses};
pub use identity::Identity;
pub use npm::NpmAttestations;
pub use pypi::{PypiFile, verify_pypi};
pub use registry_keys::RegistryKeys;
pub use registry_signature::{RegistrySignature, Release, verify_signatures};

/// Why what vouches for an artifact was not believed.
#[derive(Debug, thiserror::Error)]
pub enum ProvenanceError {
    // Registry signatures.
    #[error("the keys of {registry} can't be read: {reason}")]
    Keys { registry: String, reason: String },
    #[error(
        "{package} has a signature by the key {keyid}, which is neither a key of npm nor published \
         by its registry, so it can't be checked: refused"
    )]
    UnknownKey { package: String, keyid: String },
    #[error(
        "{package} was published {published}, and is signed with the key {keyid}, which expired \
         {expired}: refused"
    )]
    ExpiredKey {
        package: String,
        keyid: String,
        published: String,
        expired: String,
    },
    #[error(
        "the registry's signature of {package} does not fit its digest ({keyid}): the registry's \
         answer was changed on its way, or there; refused"
    )]
    BadSignature { package: String, keyid: String },

    // Attestations.
    #[error("what is attested of the origin of {package} does not hold: {reason}; refused")]
    Attestation { package: String, reason: String },
    #[error("the trusted root of sigstore can't be used: {reason}")]
    TrustedRoot { reason: String },
}
