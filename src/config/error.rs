//! What can go wrong with the manifest, its places and the trust in it.

use std::io;
use std::path::PathBuf;

use super::diagnostic::Diagnostics;
use crate::lockfile::{GuardedReadError, LockError, ServerName};

impl ConfigError {
    /// Whether the disk or the machine is at fault, and not what somebody wrote.
    pub fn is_environment(&self) -> bool {
        matches!(
            self,
            Self::NoHome { .. }
                | Self::CurrentFolder { .. }
                | Self::Read(_)
                | Self::TrustWrite { .. }
                | Self::TrustLock(_)
        )
    }
}

/// One variant per failing step.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error(
        "there is no home directory: HOME is not set and the user database has none for user id {user}; set HOME, or all of XDG_CONFIG_HOME, XDG_DATA_HOME and XDG_STATE_HOME"
    )]
    NoHome { user: u32 },
    #[error("`{}` is relative and the current folder could not be read; give an absolute path", path.display())]
    CurrentFolder { path: PathBuf, source: io::Error },
    #[error("`{}` can't be a manifest, because its lock would have the same name; call it `pinfold.toml`", path.display())]
    ManifestName { path: PathBuf },
    #[error("there is no manifest at `{}`; `pinfold add NAME SOURCE` makes one", path.display())]
    MissingManifest { path: PathBuf },
    #[error(transparent)]
    Read(GuardedReadError),
    #[error("the manifest `{}` is not UTF-8 (byte {offset}); save it as UTF-8", path.display())]
    NotUtf8 { path: PathBuf, offset: usize },
    #[error(transparent)]
    Invalid(Diagnostics),
    #[error(
        "the manifest can't be edited because it is not TOML: {reason}; `pinfold verify` shows where"
    )]
    NotToml { reason: String },
    #[error(
        "the manifest already has a server `{name}`; choose another name, or change its entry by hand and run `pinfold lock {name}`"
    )]
    ServerExists { name: ServerName },
    #[error("the manifest has no server `{name}`")]
    NoSuchServer { name: ServerName },
    #[error(
        "the entry of `{name}` can't be edited without changing the rest of the manifest; edit it by hand, then run `pinfold lock`"
    )]
    EditByHand { name: ServerName },
    #[error("the record of trusted manifests `{}` is damaged ({reason}), so nothing in it counts; remove it and run `pinfold trust` again for each manifest", path.display())]
    TrustDamaged { path: PathBuf, reason: String },
    #[error("`{}` can't be recorded as trusted: {reason}", manifest.display())]
    TrustRefused {
        manifest: PathBuf,
        reason: &'static str,
    },
    #[error("the record of trusted manifests `{}` could not be written; nothing was recorded", path.display())]
    TrustWrite { path: PathBuf, source: io::Error },
    #[error(transparent)]
    TrustLock(LockError),
}
