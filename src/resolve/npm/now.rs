//! What the registry says today about versions that were chosen some time ago.

use std::collections::{BTreeMap, BTreeSet};

use super::{DOCUMENTS_AT_ONCE, NpmSettings, integrity, packument};
use crate::fetch::{Client, for_each_concurrent};
use crate::resolve::ResolveError;

/// One version, as the registry has it now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PublishedNow {
    /// `sha512-BASE64`; `None` when it publishes no such digest.
    pub integrity: Option<String>,
    /// Why its authors advise against it.
    pub deprecated: Option<String>,
}

/// Asks about each package and its versions. A version that is not in the answer is no longer
/// offered; neither is any version of a package that is not.
///
/// # Errors
/// When the registry can't be asked, or gives no answer that can be read.
pub async fn published_now(
    settings: &NpmSettings,
    client: &Client,
    wanted: &BTreeMap<String, BTreeSet<String>>,
) -> Result<BTreeMap<(String, String), PublishedNow>, ResolveError> {
    let mut found = BTreeMap::new();
    for_each_concurrent(
        wanted,
        DOCUMENTS_AT_ONCE,
        |(package, versions)| async move {
            let registry = settings.registry_for(package);
            match packument::fetch(client, registry, package, versions).await {
                Ok(document) => Ok((package, document)),
                Err(ResolveError::NoSuchPackage { .. }) => Ok((package, Default::default())),
                Err(error) => Err(error),
            }
        },
        |(package, document)| {
            let versions = document.versions.into_iter();
            found.extend(versions.map(|(version, published)| {
                let integrity = published.integrity.as_deref().and_then(integrity::sha512);
                let now = PublishedNow {
                    integrity: integrity.map(str::to_owned),
                    deprecated: published.deprecated,
                };
                ((package.clone(), version), now)
            }));
            Ok(())
        },
    )
    .await?;
    Ok(found)
}
