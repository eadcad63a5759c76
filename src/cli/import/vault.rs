//! The secrets of configs on their way into the store.
//!
//! A name that has a value already is never given another one, whoever stored it, and only what this
//! very run put there is taken out again.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use zeroize::Zeroizing;

use super::super::context::Context;
use super::groups::{Group, secret_variables, with_end};
use crate::config::{EnvValue, NewServer, SecretName, SecretSource, SecretUse};
use crate::lockfile::WriteLock;
use crate::secrets::{PATIENCE, Secret, SecretError, SecretStore};

/// How long to wait for another import that chooses names.
const TURN: Duration = Duration::from_secs(60);

/// A secret that is in the store, if that can be seen.
pub(super) fn stored(context: &Context, name: &SecretName) -> Option<Secret> {
    let store = SecretStore::decided(&context.paths.data).ok()??;
    store.get(name, Instant::now() + PATIENCE).ok()
}

/// Stores the secrets of a server, before it is locked: it may need them to start. Returns it with
/// the names that they have now; those that were made are put into `created`, also on failure.
pub(super) fn store(
    context: &Context,
    group: &Group,
    created: &mut Vec<SecretName>,
) -> anyhow::Result<NewServer> {
    let mut wanted = group.wanted.clone();
    if secret_variables(&group.converted).next().is_none() {
        return Ok(wanted);
    }
    // One at a time, whatever their manifests: they have the store in common.
    let _turn = WriteLock::acquire(&context.paths.data, TURN)?;
    let mut store = SecretStore::for_setting(&context.paths.data, None)?;
    for (variable, value) in secret_variables(&group.converted) {
        let Some(EnvValue::Secret(SecretUse {
            source: SecretSource::Stored(name),
            ..
        })) = wanted.env.get_mut(variable)
        else {
            continue;
        };
        let value = Secret::new(Zeroizing::new(value.as_bytes().to_vec()))?;
        match place_for(&store, name, &value)
            .with_context(|| format!("the secret `{name}` was not stored"))?
        {
            Place::Kept(there) => *name = there,
            Place::Free(free) => {
                created.push(free.clone());
                store
                    .set(&free, &value, PATIENCE)
                    .with_context(|| format!("the secret `{free}` was not stored"))?;
                *name = free;
            }
        }
    }
    Ok(wanted)
}

enum Place {
    Free(SecretName),
    /// Whoever stored it there: it has this very value.
    Kept(SecretName),
}

/// The first name that has this value already or nothing at all: `name`, or one with a number at
/// its end.
fn place_for(store: &SecretStore, name: &SecretName, value: &Secret) -> anyhow::Result<Place> {
    let mut candidate = name.clone();
    for number in 2_usize.. {
        match store.get(&candidate, Instant::now() + PATIENCE) {
            Err(SecretError::Missing { .. }) => return Ok(Place::Free(candidate)),
            Err(error) => return Err(error.into()),
            Ok(there) if there == *value => return Ok(Place::Kept(candidate)),
            Ok(_) => candidate = with_end(name.as_str(), &number.to_string()).parse()?,
        }
    }
    Err(anyhow::anyhow!("too many secrets are called `{name}`"))
}

/// Takes those out again that this run made, when nothing came of their server.
pub(super) fn forget(context: &Context, created: &[SecretName]) {
    // Its entry may be there although something failed afterwards.
    let Ok(manifest) = context.manifest_or_empty() else {
        return;
    };
    let is_used = |name: &SecretName| {
        let mut values = manifest
            .servers
            .values()
            .flat_map(|server| server.env.values());
        values.any(|value| {
            matches!(value, EnvValue::Secret(SecretUse { source: SecretSource::Stored(used), .. }) if used == name)
        })
    };
    let Ok(Some(store)) = SecretStore::decided(&context.paths.data) else {
        return;
    };
    for name in created.iter().filter(|name| !is_used(name)) {
        let _ = store.remove(name, PATIENCE);
    }
}
