//! What vouches for the packages of a closure: asked of their registries where it is offered,
//! judged by `provenance`.
//!
//! First the documents are had, then the keys by which they say to be signed, then all is
//! verified. Usually that is one small request for each package with provenance and none for the
//! others, because npm's keys are part of this program.

use std::collections::{BTreeMap, BTreeSet};

use super::{NpmSettings, Registry, ResolvedPackage};
use crate::fetch::{Client, Url, for_each_concurrent};
use crate::provenance::{
    BundleVerifier, NpmAttestations, ProvenanceError, RegistryKeys, Release, verify_signatures,
};
use crate::resolve::ResolveError;
use crate::resolve::vouching::{
    self, MAX_ATTESTATIONS_BYTES, REQUESTS_AT_ONCE, Unavailable, Vouched, is_nothing, verifier,
};

/// A list of keys is a few hundred bytes.
const MAX_KEYS_BYTES: u64 = 256 * 1024;

/// Verifies what is offered for each of `packages`, in their order.
///
/// # Errors
/// The first thing that is offered and can't be had or does not verify.
pub async fn vouched(
    packages: &[ResolvedPackage],
    settings: &NpmSettings,
    client: &Client,
) -> Result<Vec<Vouched>, ResolveError> {
    vouched_by(packages, settings, client, verifier).await
}

/// A version, which may be at several places of the closure.
type Version<'a> = (&'a str, &'a str);

async fn vouched_by(
    packages: &[ResolvedPackage],
    settings: &NpmSettings,
    client: &Client,
    verifier: impl Fn() -> Result<BundleVerifier, ProvenanceError>,
) -> Result<Vec<Vouched>, ResolveError> {
    let attestations = attestations(packages, settings, client).await?;
    let keys = keys(packages, &attestations, settings, client).await?;
    let verifier = match attestations.is_empty() {
        true => None,
        false => Some(verifier()?),
    };
    let mut vouched = Vec::with_capacity(packages.len());
    for package in packages {
        let mut found = Vouched::default();
        let registry = settings.registry_for(&package.name);
        let release = release(package);
        let keys = keys.get(registry.url.as_str());
        if let Some(keys) = keys {
            found.signature = verify_signatures(&release, &package.signatures, keys)?;
        }
        match (attestations.get(&version(package)), &verifier, keys) {
            (Some(Some(offered)), Some(verifier), Some(keys)) => {
                let build = offered.verify(&release, verifier, keys)?;
                let promised = package
                    .attestations
                    .as_ref()
                    .is_some_and(|one| one.provenance);
                if build.is_none() && promised {
                    return Err(unavailable(package, "there is no provenance among them"));
                }
                found.provenance = build.map(|build| build.to_string());
            }
            (Some(None), ..) => found.not_mirrored = true,
            _ => {}
        }
        vouched.push(found);
    }
    Ok(vouched)
}

fn version(package: &ResolvedPackage) -> Version<'_> {
    (&package.name, &package.version)
}

fn release(package: &ResolvedPackage) -> Release<'_> {
    let published = package.published.as_deref();
    Release {
        name: &package.name,
        version: &package.version,
        integrity: &package.integrity,
        published: published.and_then(|time| humantime::parse_rfc3339(time).ok()),
    }
}

/// The attestations of each version that has some; `None` of one whose mirror has none.
async fn attestations<'a>(
    packages: &'a [ResolvedPackage],
    settings: &NpmSettings,
    client: &Client,
) -> Result<BTreeMap<Version<'a>, Option<NpmAttestations>>, ResolveError> {
    let offered: BTreeMap<Version<'a>, &'a ResolvedPackage> = packages
        .iter()
        .filter(|package| package.attestations.is_some())
        .map(|package| (version(package), package))
        .collect();
    let mut found = BTreeMap::new();
    for_each_concurrent(
        offered.into_values(),
        REQUESTS_AT_ONCE,
        |package| async move {
            let Some(offered) = &package.attestations else {
                return Ok((package, None));
            };
            let Some(url) = &offered.url else {
                return Ok((package, None));
            };
            let registry = settings.registry_for(&package.name);
            match document(client, registry, url, MAX_ATTESTATIONS_BYTES).await {
                Ok(document) => {
                    let label = format!("{}@{}", package.name, package.version);
                    Ok((package, Some(NpmAttestations::read(&label, &document)?)))
                }
                Err(Unavailable::Fetch(error)) if offered.passed_on && is_nothing(&error) => {
                    Ok((package, None))
                }
                Err(error) => Err(unavailable(package, &error.to_string())),
            }
        },
        |(package, document)| {
            found.insert(version(package), document);
            Ok(())
        },
    )
    .await?;
    Ok(found)
}

fn unavailable(package: &ResolvedPackage, reason: &str) -> ResolveError {
    ResolveError::Vouching {
        what: format!("the attestations of {}@{}", package.name, package.version),
        reason: reason.to_owned(),
    }
}

/// The keys of each registry of which a package is signed. A registry is only asked for its own
/// where something is signed with a key that is not npm's.
async fn keys(
    packages: &[ResolvedPackage],
    attestations: &BTreeMap<Version<'_>, Option<NpmAttestations>>,
    settings: &NpmSettings,
    client: &Client,
) -> Result<BTreeMap<String, RegistryKeys>, ResolveError> {
    let npm = RegistryKeys::npm()?;
    let mut keys = BTreeMap::new();
    let mut missing: BTreeMap<String, &Registry> = BTreeMap::new();
    for package in packages {
        let mut keyids: BTreeSet<&str> = package
            .signatures
            .iter()
            .map(|signature| signature.keyid.as_str())
            .collect();
        if let Some(Some(offered)) = attestations.get(&version(package)) {
            keyids.extend(offered.keyids());
        }
        let registry = settings.registry_for(&package.name);
        let url = registry.url.to_string();
        if keyids.iter().any(|keyid| !npm.knows(keyid)) {
            missing.insert(url.clone(), registry);
        }
        keys.entry(url).or_insert_with(|| npm.clone());
    }
    for (url, registry) in missing {
        let address = registry.absolute("-/npm/v1/keys")?;
        match document(client, registry, &address, MAX_KEYS_BYTES).await {
            Ok(document) => {
                if let Some(keys) = keys.get_mut(&url) {
                    keys.add_published(&registry.host(), &document)?;
                }
            }
            // It publishes none; the signature is then by nobody that is known.
            Err(Unavailable::Fetch(error)) if is_nothing(&error) => {}
            Err(error) => {
                return Err(ResolveError::Vouching {
                    what: format!("the keys of {}", registry.host()),
                    reason: error.to_string(),
                });
            }
        }
    }
    Ok(keys)
}

async fn document(
    client: &Client,
    registry: &Registry,
    url: &Url,
    max_bytes: u64,
) -> Result<Vec<u8>, Unavailable> {
    let authorization = registry.authorization.as_ref();
    vouching::document(client, url, authorization, "application/json", max_bytes).await
}

#[cfg(test)]
mod tests;
