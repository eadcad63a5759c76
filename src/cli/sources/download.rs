//! Files that are wanted, had: what all sources have in common.

use anyhow::Context as _;

use super::super::output;
use crate::fetch::{
    Authorization, Client, DOWNLOADS_AT_ONCE, FetchSettings, Sink, SinkError, Url,
    for_each_concurrent,
};
use crate::lockfile::{Digest, Lock, LockedServer};
use crate::store::{ArtifactWriter, Expected, Integrity, Staging, Store, StoredArtifact};

/// Largest file that is downloaded.
const MAX_DOWNLOAD: u64 = 512 << 20;

/// A file to be had.
pub(super) struct Wanted {
    /// For messages, for example `zod@3.25.0`.
    pub label: String,
    pub url: Url,
    pub integrity: Integrity,
    /// When it has been had before.
    pub sha256: Option<Digest>,
    /// What its server wants to see before it hands the file out.
    pub authorization: Option<Authorization>,
}

/// Gets every wanted file into the store, several at once; files that are there and whole are not
/// downloaded again. The result has the order of `wanted`.
pub(super) async fn download(
    store: &Store,
    staging: &Staging,
    settings: &FetchSettings,
    wanted: &[Wanted],
) -> anyhow::Result<Vec<StoredArtifact>> {
    let bar = output::bar(wanted.len() as u64, "downloading");
    let mut stored: Vec<Option<StoredArtifact>> =
        wanted.iter().map(|file| at_hand(store, file)).collect();
    bar.inc(stored.iter().flatten().count() as u64);
    let missing: Vec<usize> = (0..wanted.len())
        .filter(|index| stored[*index].is_none())
        .collect();
    if !missing.is_empty() {
        let client = Client::new(settings)?;
        let client = &client;
        for_each_concurrent(
            missing,
            DOWNLOADS_AT_ONCE,
            |index| async move {
                let file = &wanted[index];
                let artifact = download_one(client, staging, file)
                    .await
                    .with_context(|| format!("could not get {}", file.label))?;
                anyhow::Ok((index, artifact))
            },
            |(index, artifact)| {
                stored[index] = Some(artifact);
                bar.inc(1);
                anyhow::Ok(())
            },
        )
        .await?;
    }
    bar.finish_and_clear();
    stored
        .into_iter()
        .map(|artifact| artifact.context("a download ended without a result"))
        .collect()
}

fn at_hand(store: &Store, wanted: &Wanted) -> Option<StoredArtifact> {
    let sha256 = wanted.sha256?;
    let size = std::fs::metadata(store.artifact(&sha256)?).ok()?.len();
    store.verify_artifact(&sha256, size).ok()?;
    Some(StoredArtifact { sha256, size })
}

async fn download_one(
    client: &Client,
    staging: &Staging,
    wanted: &Wanted,
) -> anyhow::Result<StoredArtifact> {
    let mut sink = ArtifactSink {
        staging,
        writer: None,
    };
    client
        .download(
            &wanted.url,
            wanted.authorization.as_ref(),
            MAX_DOWNLOAD,
            &mut sink,
            &mut |_| {},
        )
        .await?;
    let writer = sink.writer.context("the download was empty")?;
    let expected = Expected {
        integrity: Some(wanted.integrity),
        sha256: wanted.sha256,
    };
    Ok(writer.finish(&expected)?)
}

struct ArtifactSink<'a> {
    staging: &'a Staging,
    writer: Option<ArtifactWriter>,
}

impl Sink for ArtifactSink<'_> {
    fn restart(&mut self) -> Result<(), SinkError> {
        self.writer = Some(self.staging.artifact(MAX_DOWNLOAD)?);
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), SinkError> {
        match &mut self.writer {
            Some(writer) => Ok(writer.write(bytes)?),
            None => Err("the download was not begun".into()),
        }
    }
}

/// The digest of a file that was published as `integrity`, if any server of the lock has it.
pub(super) fn known_digest(lock: &Lock, integrity: &str) -> Option<Digest> {
    lock.servers
        .values()
        .flat_map(LockedServer::all_artifacts)
        .find(|artifact| artifact.integrity == integrity)
        .map(|artifact| artifact.sha256)
}
