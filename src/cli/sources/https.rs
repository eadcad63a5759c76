//! One file from an address, with the digest that the manifest says.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use sha2::Digest as _;

use super::super::context::Context;
use super::archive::{entry_point, unpack};
use super::download::{Wanted, download};
use super::npm::npm_settings;
use super::{Asked, Bytes, Published};
use crate::config::Server;
use crate::fetch::{Client, FetchError, Sink, SinkError, Url};
use crate::lockfile::{Artifact, Digest, LockedServer};
use crate::store::{Staging, StoredArtifact};

/// What stands for the version of a file that has none.
const NO_VERSION: &str = "absent";

/// A file at an address.
pub(super) struct Remote<'a> {
    pub address: &'a str,
    pub sha256: Digest,
    pub file_name: &'a str,
}

pub(super) async fn get(
    asked: &Asked<'_>,
    remote: &Remote<'_>,
    program: Option<&str>,
) -> anyhow::Result<Bytes> {
    let Asked {
        context, staging, ..
    } = *asked;
    let stored = fetch(context, staging, remote).await?;
    let file = context.store.verify_artifact(&stored.sha256, stored.size)?;
    let unpacked = unpack(staging, &file, remote.file_name)?;
    let tree = context.store.tree(&unpacked.tree);
    let (entry_point, version) = entry_point(&tree, &unpacked.path, remote.file_name, program)?;
    let artifact = Artifact {
        name: remote.file_name.to_owned(),
        version: version.clone().unwrap_or_else(|| NO_VERSION.to_owned()),
        path: unpacked.path,
        url: remote.address.to_owned(),
        integrity: format!("sha256-{}", BASE64.encode(remote.sha256.as_bytes())),
        sha256: stored.sha256,
        size: stored.size,
        published: None,
        install_script: false,
        publisher: None,
        signature: None,
        provenance: None,
    };
    Ok(Bytes {
        version,
        entry_point,
        tree: unpacked.tree,
        artifacts: vec![artifact],
    })
}

pub(super) async fn rebuild(
    context: &Context,
    staging: &Staging,
    remote: &Remote<'_>,
) -> anyhow::Result<Digest> {
    let stored = fetch(context, staging, remote).await?;
    let file = context.store.verify_artifact(&stored.sha256, stored.size)?;
    Ok(unpack(staging, &file, remote.file_name)?.tree)
}

/// Whether the address still serves the same bytes. They are read and not kept.
///
/// # Errors
/// When it can't be asked.
pub(super) async fn published(context: &Context, artifact: &Artifact) -> anyhow::Result<Published> {
    let settings = npm_settings(context)?.fetch_settings();
    let client = Client::new(&settings)?;
    let mut hashed = Hashed::default();
    let url = Url::parse(&artifact.url)?;
    let limit = artifact.size.saturating_add(1);
    let answer = client
        .download(&url, None, limit, &mut hashed, &mut |_| {})
        .await;
    match answer {
        Ok(()) => {
            let found = Digest::from_bytes(hashed.0.finalize().into());
            Ok(if found == artifact.sha256 {
                Published::Same
            } else {
                Published::Changed(found.to_string())
            })
        }
        Err(FetchError::Status {
            status: 404 | 410, ..
        }) => Ok(Published::Gone),
        Err(FetchError::TooLarge { .. }) => {
            Ok(Published::Changed("a file of another size".to_owned()))
        }
        Err(error) => Err(error.into()),
    }
}

#[derive(Default)]
struct Hashed(sha2::Sha256);

impl Sink for Hashed {
    fn restart(&mut self) -> Result<(), SinkError> {
        self.0.reset();
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), SinkError> {
        self.0.update(bytes);
        Ok(())
    }
}

/// The entry point of a server whose tree is there already: the manifest may name another one now.
pub(super) fn entry_point_again(
    context: &Context,
    remote: &Remote<'_>,
    server: &Server,
    locked: &LockedServer,
) -> anyhow::Result<String> {
    let path = locked.artifacts.first().map_or("", |file| &file.path);
    let tree = context.store.tree(&locked.tree);
    let program = server.program.as_deref();
    Ok(entry_point(&tree, path, remote.file_name, program)?.0)
}

/// The file, in the store. Proxies and certificate authorities are those of the npm settings and
/// of the environment variables that they read, too; no credential is sent.
async fn fetch(
    context: &Context,
    staging: &Staging,
    remote: &Remote<'_>,
) -> anyhow::Result<StoredArtifact> {
    let settings = npm_settings(context)?.fetch_settings();
    let wanted = Wanted {
        label: remote.file_name.to_owned(),
        url: Url::parse(remote.address)?,
        integrity: None,
        sha256: Some(remote.sha256),
        authorization: None,
    };
    let stored = download(&context.store, staging, &settings, &[wanted]).await?;
    stored
        .first()
        .copied()
        .ok_or_else(|| anyhow::anyhow!("the download ended without a result"))
}
