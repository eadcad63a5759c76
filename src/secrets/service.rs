//! The desktop's Secret Service (org.freedesktop.secrets, version 0.2 of its specification), in a
//! thread and a runtime of its own: it may be absent, locked, or never answer, and whoever asks waits
//! for a time and no longer.

use std::collections::HashMap;
use std::future::Future;
use std::sync::mpsc;
use std::time::{Duration, Instant, SystemTime};

use secret_service::{Collection, EncryptionType, Error, Item, SecretService};
use zeroize::Zeroizing;

use super::{Secret, SecretError, StoredSecret};
use crate::config::SecretName;

/// Attributes of our items; whoever looks into the keyring sees them.
const APPLICATION: (&str, &str) = ("application", "pinfold");
const NAME: &str = "name";
const CONTENT: &str = "text/plain; charset=utf8";

/// Whether there is one, locked or not, that has a place for secrets.
pub(super) fn is_there(patience: Duration) -> Result<(), SecretError> {
    within(patience, async || {
        let service = connect().await?;
        service.get_default_collection().await.map(drop)?;
        Ok(())
    })
}

/// `None` when it is not there.
pub(super) fn get(name: &SecretName, patience: Duration) -> Result<Option<Secret>, SecretError> {
    let name = name.clone();
    within(patience, async move || {
        let service = connect().await?;
        let found = service.search_items(attributes(Some(&name))).await?;
        if let Some(item) = found.unlocked.first() {
            let bytes = Zeroizing::new(item.get_secret().await?);
            return Ok(Some(Secret::new(bytes)?));
        }
        // A locked item is not opened here: that would ask on a screen where nobody may be.
        if !found.locked.is_empty() {
            return Err(SecretError::ServiceLocked);
        }
        // What isn't found in a locked keyring may be in it.
        opened(&service).await.map(|_| None)
    })
}

pub(super) fn set(
    name: &SecretName,
    value: &Secret,
    patience: Duration,
) -> Result<(), SecretError> {
    let (name, value) = (name.clone(), value.clone());
    within(patience, async move || {
        let service = connect().await?;
        let collection = opened(&service).await?;
        let label = format!("pinfold: {name}");
        // In the place of the one with the same attributes.
        collection
            .create_item(
                &label,
                attributes(Some(&name)),
                value.bytes(),
                true,
                CONTENT,
            )
            .await?;
        Ok(())
    })
}

/// Whether it was there.
pub(super) fn remove(name: &SecretName, patience: Duration) -> Result<bool, SecretError> {
    let name = name.clone();
    within(patience, async move || {
        let service = connect().await?;
        let found = service.search_items(attributes(Some(&name))).await?;
        if !found.locked.is_empty() {
            return Err(SecretError::ServiceLocked);
        }
        opened(&service).await?;
        for item in &found.unlocked {
            item.delete().await?;
        }
        Ok(!found.unlocked.is_empty())
    })
}

/// Sorted by name. A locked keyring doesn't say what its items are called.
pub(super) fn list(patience: Duration) -> Result<Vec<StoredSecret>, SecretError> {
    within(patience, async || {
        let service = connect().await?;
        opened(&service).await?;
        let found = service.search_items(attributes(None)).await?;
        let mut listed = Vec::new();
        for item in &found.unlocked {
            listed.extend(described(item).await?);
        }
        listed.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(listed)
    })
}

/// Asks for the keyring's password, if it is locked.
pub(super) fn unlock(patience: Duration) -> Result<(), SecretError> {
    within(patience, async || {
        let service = connect().await?;
        let collection = service.get_default_collection().await?;
        if collection.is_locked().await? {
            collection.unlock().await?;
        }
        Ok(())
    })
}

async fn connect() -> Result<SecretService<'static>, SecretError> {
    Ok(SecretService::connect(EncryptionType::Dh).await?)
}

async fn opened<'a>(service: &'a SecretService<'a>) -> Result<Collection<'a>, SecretError> {
    let collection = service.get_default_collection().await?;
    match collection.is_locked().await? {
        true => Err(SecretError::ServiceLocked),
        false => Ok(collection),
    }
}

async fn described(item: &Item<'_>) -> Result<Option<StoredSecret>, SecretError> {
    let attributes = item.get_attributes().await?;
    // Anybody may put an item with our attributes there.
    let Some(name) = attributes.get(NAME).and_then(|name| name.parse().ok()) else {
        return Ok(None);
    };
    let changed = Duration::from_secs(item.get_modified().await?);
    Ok(Some(StoredSecret {
        name,
        changed: SystemTime::UNIX_EPOCH
            .checked_add(changed)
            .unwrap_or(SystemTime::UNIX_EPOCH),
    }))
}

fn attributes(name: Option<&SecretName>) -> HashMap<&str, &str> {
    let name = name.map(|name| (NAME, name.as_str()));
    [APPLICATION].into_iter().chain(name).collect()
}

/// Does `work` in a thread of its own and waits for it no longer than `patience`. A thread that hangs
/// is left behind; it gives up by itself a little later.
fn within<T, W, F>(patience: Duration, work: W) -> Result<T, SecretError>
where
    T: Send + 'static,
    W: FnOnce() -> F + Send + 'static,
    F: Future<Output = Result<T, SecretError>>,
{
    let silent = || SecretError::ServiceSilent {
        seconds: patience.as_secs_f32(),
    };
    let unable = |reason: String| SecretError::Service { reason };
    let deadline = Instant::now() + patience;
    let (answer, answered) = mpsc::sync_channel(1);
    std::thread::Builder::new()
        .name("secret-service".to_owned())
        .spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            let result = match runtime {
                Ok(runtime) => {
                    let result = runtime
                        .block_on(async { tokio::time::timeout_at(deadline.into(), work()).await });
                    runtime.shutdown_background();
                    result
                }
                Err(error) => Ok(Err(unable(error.to_string()))),
            };
            // Nobody may be waiting any more.
            let _ = answer.send(result);
        })
        .map_err(|error| unable(error.to_string()))?;
    // A little later than the thread's own end, which says the same.
    let grace = Duration::from_millis(100);
    match answered.recv_timeout(patience + grace) {
        Ok(Ok(result)) => result,
        Ok(Err(_)) | Err(mpsc::RecvTimeoutError::Timeout) => Err(silent()),
        Err(mpsc::RecvTimeoutError::Disconnected) => {
            Err(unable("the thread that speaks to it died".to_owned()))
        }
    }
}

/// What a session bus says when nobody is there by that name (D-Bus Specification, "Error names").
const NOBODY: [&str; 2] = ["DBus.Error.ServiceUnknown", "DBus.Error.NameHasNoOwner"];

impl From<Error> for SecretError {
    fn from(error: Error) -> Self {
        match error {
            Error::Locked | Error::Prompt | Error::PromptDisconnected => Self::ServiceLocked,
            Error::NoResult => Self::Service {
                reason: "it has no default keyring".to_owned(),
            },
            other => {
                let said = other.to_string();
                let nobody = matches!(other, Error::Unavailable)
                    || NOBODY.iter().any(|name| said.contains(name));
                Self::Service {
                    reason: match nobody {
                        true => "there is none in this session (no session bus, or nobody on it)"
                            .to_owned(),
                        false => crate::lockfile::printable(&said, 300),
                    },
                }
            }
        }
    }
}
