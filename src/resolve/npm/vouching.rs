//! What vouches for the packages of a closure: asked of their registries where it is offered,
//! judged by `provenance`.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{NpmSettings, Registry, ResolvedPackage};
use crate::fetch::{Client, FetchError, Url};
use crate::provenance::{RegistryKeys, Release, verify_signatures};
use crate::resolve::ResolveError;

/// A list of keys is a few hundred bytes.
const MAX_KEYS_BYTES: u64 = 256 * 1024;
/// For one document with all its retries. A registry that is slower is not waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// What was verified about one package; `None` where its registry offers nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Vouched {
    /// The keys that signed, for example `npm:SHA256:jl3…`.
    pub signature: Option<String>,
}

/// Verifies what is offered for each of `packages`, in their order.
///
/// # Errors
/// The first thing that is offered and can't be had or does not verify.
pub async fn vouched(
    packages: &[ResolvedPackage],
    settings: &NpmSettings,
    client: &Client,
) -> Result<Vec<Vouched>, ResolveError> {
    let keys = keys(packages, settings, client).await?;
    let mut vouched = Vec::with_capacity(packages.len());
    for package in packages {
        let registry = settings.registry_for(&package.name);
        let keys = keys.get(registry.url.as_str());
        let signature = match keys {
            Some(keys) => verify_signatures(&release(package), &package.signatures, keys)?,
            None => None,
        };
        vouched.push(Vouched { signature });
    }
    Ok(vouched)
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

/// The keys of each registry of which a package is signed. A registry is only asked for its own
/// where a signature is by a key that is not npm's.
async fn keys(
    packages: &[ResolvedPackage],
    settings: &NpmSettings,
    client: &Client,
) -> Result<BTreeMap<String, RegistryKeys>, ResolveError> {
    let npm = RegistryKeys::npm()?;
    let mut keys = BTreeMap::new();
    let mut missing: BTreeMap<String, &Registry> = BTreeMap::new();
    for package in packages.iter().filter(|one| !one.signatures.is_empty()) {
        let registry = settings.registry_for(&package.name);
        let url = registry.url.to_string();
        if package.signatures.iter().any(|one| !npm.knows(&one.keyid)) {
            missing.insert(url.clone(), registry);
        }
        keys.entry(url).or_insert_with(|| npm.clone());
    }
    for (url, registry) in missing {
        let of = || registry.host();
        let address = registry.absolute("-/npm/v1/keys")?;
        match document(client, registry, &address, MAX_KEYS_BYTES).await {
            Ok(document) => {
                if let Some(keys) = keys.get_mut(&url) {
                    keys.add_published(&of(), &document)?;
                }
            }
            // It publishes none; the signature is then by nobody that is known.
            Err(Unavailable::Fetch(error)) if is_nothing(&error) => {}
            Err(error) => {
                return Err(ResolveError::Vouching {
                    what: format!("the keys of {}", of()),
                    reason: error.to_string(),
                });
            }
        }
    }
    Ok(keys)
}

/// Why a document could not be had.
#[derive(Debug, thiserror::Error)]
enum Unavailable {
    #[error(transparent)]
    Fetch(FetchError),
    #[error("no answer within {} seconds", PATIENCE.as_secs())]
    Slow,
}

async fn document(
    client: &Client,
    registry: &Registry,
    url: &Url,
    max_bytes: u64,
) -> Result<Vec<u8>, Unavailable> {
    let authorization = registry.authorization.as_ref();
    let request = client.get(url, authorization, "application/json", max_bytes);
    match tokio::time::timeout(PATIENCE, request).await {
        Ok(result) => result.map_err(Unavailable::Fetch),
        Err(_) => Err(Unavailable::Slow),
    }
}

/// npm takes these for "this registry has none", too.
fn is_nothing(error: &FetchError) -> bool {
    matches!(error.status(), Some(400 | 404 | 410))
}
