//! The secrets of configs on their way into the store.

use std::time::Instant;

use anyhow::Context as _;
use zeroize::Zeroizing;

use super::super::context::Context;
use super::groups::{Group, secrets};
use crate::config::SecretName;
use crate::secrets::{PATIENCE, Secret, SecretStore};

/// A secret that is in the store, if that can be seen.
pub(super) fn stored(context: &Context, name: &SecretName) -> Option<Secret> {
    let store = SecretStore::decided(&context.paths.data).ok()??;
    store.get(name, Instant::now() + PATIENCE).ok()
}

/// Stores the secrets of a server, before it is locked: it may need them to start.
pub(super) fn store(context: &Context, group: &Group) -> anyhow::Result<()> {
    let secrets = secrets(group);
    if secrets.is_empty() {
        return Ok(());
    }
    let mut store = SecretStore::for_setting(&context.paths.data, None)?;
    for (name, value) in secrets {
        let value = Secret::new(Zeroizing::new(value.as_bytes().to_vec()))?;
        store
            .set(&name, &value, PATIENCE)
            .with_context(|| format!("the secret `{name}` was not stored"))?;
    }
    Ok(())
}

/// Takes them out again, when nothing came of the server.
pub(super) fn forget(context: &Context, group: &Group) {
    let Ok(Some(store)) = SecretStore::decided(&context.paths.data) else {
        return;
    };
    for (name, _) in secrets(group) {
        let _ = store.remove(&name, PATIENCE);
    }
}
