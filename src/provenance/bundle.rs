//! Sigstore bundles, verified. The only file that knows the crates that do it.
//!
//! A bundle holds a signed statement and why its signature can be believed: a short-lived
//! certificate of a build (or the name of a key), proof that it is in a public log, and when.
//! What is trusted for that is `trust/trusted_root.json`: sigstore's public-good instance, the
//! target `trusted_root.json` of its TUF repository as of 2026-11-21 (sha256 6494e21e…, the same
//! in the npm package `@sigstore/tuf` 5.0.1 and in the crate `sigstore-trust-root` 0.15.1). It
//! changes every few years; there is no update of it over the network.

use sigstore_trust_root::TrustedRoot;
use sigstore_verify::crypto::CertificateInfo;
use sigstore_verify::types::bundle::VerificationMaterialContent;
use sigstore_verify::types::{
    Artifact, ArtifactDigest, Bundle, DerPublicKey, HashAlgorithm, Sha256Hash, Sha512Hash,
    SignatureContent,
};
use sigstore_verify::{
    PublicKeyVerificationPolicy, SubjectAltName, VerificationPolicy, VerificationResult,
};

use super::identity::Identity;
use super::statement::{Expected, Statement};

const TRUSTED_ROOT: &str = include_str!("trust/trusted_root.json");
const GITHUB: &str = "https://token.actions.githubusercontent.com";
/// Which repositories an issuer may speak for. Others are recorded with their issuer.
const REPOSITORIES: [(&str, &str); 2] = [
    (GITHUB, "https://github.com/"),
    ("https://gitlab.com", "https://gitlab.com/"),
];

/// Verifies bundles against one trusted root.
pub struct BundleVerifier(sigstore_verify::Verifier);

/// A bundle that was read and not yet verified.
pub(super) struct Unverified(Bundle);

/// What a bundle with a certificate proves.
#[derive(Debug)]
pub(super) struct Attested {
    pub statement: Statement,
    pub identity: Identity,
}

impl BundleVerifier {
    /// With the public-good instance of sigstore.
    ///
    /// # Errors
    /// Never, unless this program was built with a damaged file.
    pub fn public_good() -> Result<Self, String> {
        Self::with_root(TRUSTED_ROOT)
    }

    /// With a trusted root of one's own: only tests have one.
    pub(super) fn with_root(json: &str) -> Result<Self, String> {
        let root = TrustedRoot::from_json(json).map_err(|error| error.to_string())?;
        let verifier = sigstore_verify::Verifier::new(&root).map_err(|error| error.to_string())?;
        Ok(Self(verifier))
    }

    /// Verifies a bundle of a build: certificate, its transparency (SCT), signature, log, times,
    /// digest; and says whose build it was.
    pub(super) fn build(
        &self,
        bundle: &Unverified,
        expected: Expected<'_>,
    ) -> Result<Attested, String> {
        let policy = VerificationPolicy::any_identity();
        let result = self
            .0
            .verify(artifact(expected)?, &bundle.0, &policy)
            .map_err(|error| error.to_string())?;
        // What the default policy asks for; said here so that another default is no surprise.
        if !(result.certificate_verified() && result.sct_verified() && result.tlog_verified()) {
            return Err("not everything of it could be verified".to_owned());
        }
        let certificate = result.certificate().ok_or("it has no certificate")?;
        let identity = identity(certificate)?;
        let statement = bundle.statement(expected)?;
        if let Some(repository) = statement.repository()
            && repository != identity.repository
        {
            return Err(format!(
                "its statement names the repository {}, its certificate {}",
                shown(&repository),
                identity.repository
            ));
        }
        Ok(Attested {
            statement,
            identity,
        })
    }

    /// Verifies a bundle that was signed with a key; also says when that was, in seconds since
    /// 1970, if the log says so.
    pub(super) fn keyed(
        &self,
        bundle: &Unverified,
        spki: &[u8],
        expected: Expected<'_>,
    ) -> Result<(Statement, Option<i64>), String> {
        let key = DerPublicKey::new(spki.to_vec());
        let policy = PublicKeyVerificationPolicy::new(key);
        let result: VerificationResult = self
            .0
            .verify(artifact(expected)?, &bundle.0, &policy)
            .map_err(|error| error.to_string())?;
        if !result.tlog_verified() {
            return Err("it is not in the log".to_owned());
        }
        let time = result.integrated_time().map(|time| time.as_second());
        Ok((bundle.statement(expected)?, time))
    }
}

impl Unverified {
    pub(super) fn read(json: &str) -> Result<Self, String> {
        let bundle =
            Bundle::from_json(json).map_err(|error| format!("it can't be read: {error}"))?;
        Ok(Self(bundle))
    }

    /// The name of the key that it says it was signed with; `None` when it has a certificate.
    pub(super) fn key_hint(&self) -> Option<&str> {
        match &self.0.verification_material.content {
            VerificationMaterialContent::PublicKey(key) => Some(&key.hint),
            _ => None,
        }
    }

    fn statement(&self, expected: Expected<'_>) -> Result<Statement, String> {
        match &self.0.content {
            SignatureContent::DsseEnvelope(envelope) => {
                Statement::read(envelope.payload.as_bytes(), expected)
            }
            _ => Err("it holds no statement".to_owned()),
        }
    }
}

fn artifact(expected: Expected<'_>) -> Result<Artifact<'static>, String> {
    let digest = match expected.algorithm {
        "sha256" => Sha256Hash::from_hex(expected.hex)
            .and_then(|hash| ArtifactDigest::new(HashAlgorithm::Sha2256, hash)),
        _ => Sha512Hash::from_hex(expected.hex)
            .and_then(|hash| ArtifactDigest::new(HashAlgorithm::Sha2512, hash)),
    };
    Ok(Artifact::from(digest.map_err(|error| error.to_string())?))
}

/// Repository, workflow and issuer of a verified certificate
/// (<https://github.com/sigstore/fulcio/blob/main/docs/oid-info.md>).
fn identity(certificate: &CertificateInfo) -> Result<Identity, String> {
    let issuer = certificate.issuer.as_deref().unwrap_or_default();
    let claims = &certificate.ci_claims;
    if let (Some(SubjectAltName::Email(address)), None, None) = (
        &certificate.identity,
        &claims.source_repository_uri,
        &claims.deprecated_github.workflow_repository,
    ) {
        return Identity::account(address, issuer);
    }
    let repository = match (
        &claims.source_repository_uri,
        &claims.deprecated_github.workflow_repository,
    ) {
        (Some(uri), _) if uri.contains("://") => uri.clone(),
        // CircleCI leaves the scheme out.
        (Some(uri), _) => format!("https://{uri}"),
        // Certificates before 2023 have the short name only.
        (None, Some(name)) if issuer == GITHUB => format!("https://github.com/{name}"),
        _ => return Err("its certificate was not issued to a build of a repository".to_owned()),
    };
    if REPOSITORIES
        .iter()
        .any(|(by, start)| *by == issuer && !repository.starts_with(start))
    {
        return Err(format!(
            "{issuer} can't speak for the repository {}",
            shown(&repository)
        ));
    }
    // What was run; without the claim, what asked for the certificate.
    let config = claims.build_config_uri.as_deref();
    let config = config.or_else(|| certificate.identity.as_ref().map(|name| name.as_str()));
    let config = config.ok_or("its certificate names no workflow")?;
    let path = config
        .strip_prefix(repository.as_str())
        .map_or(config, |rest| rest.trim_start_matches('/'));
    let workflow = path.rsplit_once('@').map_or(path, |(path, _)| path);
    Identity::new(&repository, workflow, issuer)
}

fn shown(text: &str) -> String {
    crate::lockfile::printable(text, 200)
}
