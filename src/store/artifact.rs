//! Downloads on their way into the store: hashed while they stream, named when they are right.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

use sha2::Digest as _;

use super::directory::READ_ONLY;
use super::error::StoreError;
use super::integrity::Integrity;
use super::layout::sync_folder_of;
use super::staging::Staging;
use crate::lockfile::Digest;

/// What a download must turn out to be. At least one must be given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Expected {
    /// As the registry published it.
    pub integrity: Option<Integrity>,
    /// As it was locked.
    pub sha256: Option<Digest>,
}

/// A download that is in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredArtifact {
    pub sha256: Digest,
    /// Bytes.
    pub size: u64,
}

/// Takes the bytes of one download. Dropped unfinished, it leaves nothing behind.
#[derive(Debug)]
pub struct ArtifactWriter {
    staging: Staging,
    path: PathBuf,
    file: File,
    sha256: sha2::Sha256,
    sha512: sha2::Sha512,
    size: u64,
    max_bytes: u64,
}

impl ArtifactWriter {
    pub(super) fn create(staging: Staging, max_bytes: u64) -> Result<Self, StoreError> {
        let path = staging.new_path("artifact");
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .map_err(|e| StoreError::io("create", &path, e))?;
        let (sha256, sha512) = (sha2::Sha256::new(), sha2::Sha512::new());
        Ok(Self {
            staging,
            path,
            file,
            sha256,
            sha512,
            size: 0,
            max_bytes,
        })
    }

    /// Appends `bytes`.
    ///
    /// # Errors
    /// When the download gets longer than was agreed, or the disk is full.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        let size = self.size.saturating_add(bytes.len() as u64);
        if size > self.max_bytes {
            return Err(StoreError::DownloadTooLong {
                limit: self.max_bytes,
            });
        }
        self.file
            .write_all(bytes)
            .map_err(|e| StoreError::io("write", &self.path, e))?;
        self.sha256.update(bytes);
        self.sha512.update(bytes);
        self.size = size;
        Ok(())
    }

    /// Compares with what was expected and, when it is that, gives the file its name.
    ///
    /// A file of that name is replaced: it has the same bytes, or was damaged.
    pub fn finish(self, expected: &Expected) -> Result<StoredArtifact, StoreError> {
        let sha256 = Digest::from_bytes(self.sha256.finalize().into());
        let sha512: [u8; 64] = self.sha512.finalize().into();
        judge(expected, sha256, sha512)?;
        let failed = |e| StoreError::io("write to disk", &self.path, e);
        nix::sys::stat::fchmod(&self.file, READ_ONLY).map_err(|e| failed(e.into()))?;
        self.file.sync_all().map_err(failed)?;
        let place = self.staging.store().artifact_path(&sha256);
        std::fs::rename(&self.path, &place)
            .map_err(|e| StoreError::io("move a download to", &place, e))?;
        sync_folder_of(&place)?;
        Ok(StoredArtifact {
            sha256,
            size: self.size,
        })
    }
}

fn judge(expected: &Expected, sha256: Digest, sha512: [u8; 64]) -> Result<(), StoreError> {
    if *expected == Expected::default() {
        return Err(StoreError::NothingExpected);
    }
    if let Some(expected) = expected
        .integrity
        .filter(|integrity| !integrity.matches(&sha256, &sha512))
    {
        let found = Box::new(expected.alike(sha256, sha512));
        let expected = Box::new(expected);
        return Err(StoreError::IntegrityMismatch { expected, found });
    }
    if let Some(expected) = expected.sha256.filter(|expected| *expected != sha256) {
        return Err(StoreError::Sha256Mismatch {
            expected,
            found: sha256,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::layout::Store;
    use super::super::testing::write;
    use super::*;

    fn store() -> (tempfile::TempDir, Store) {
        let home = tempfile::tempdir().unwrap();
        let store = Store::open(home.path().join("store")).unwrap();
        (home, store)
    }

    fn integrity(bytes: &[u8]) -> Integrity {
        Integrity::from_bytes(sha2::Sha512::digest(bytes).into())
    }

    fn download(
        store: &Store,
        bytes: &[u8],
        expected: Expected,
    ) -> Result<StoredArtifact, StoreError> {
        let mut writer = store.staging().unwrap().artifact(1000).unwrap();
        for piece in bytes.chunks(3) {
            writer.write(piece)?;
        }
        writer.finish(&expected)
    }

    #[test]
    fn what_was_expected_is_stored_and_can_be_verified() {
        let (_home, store) = store();
        let sha256 = Digest::of(b"some bytes");
        assert!(store.artifact(&sha256).is_none());
        for expected in [
            Expected {
                integrity: Some(integrity(b"some bytes")),
                sha256: None,
            },
            Expected {
                integrity: None,
                sha256: Some(sha256),
            },
            Expected {
                integrity: Some(integrity(b"some bytes")),
                sha256: Some(sha256),
            },
        ] {
            let stored = download(&store, b"some bytes", expected).unwrap();
            assert_eq!(stored, StoredArtifact { sha256, size: 10 });
        }
        let path = store.artifact(&sha256).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"some bytes");
        assert_eq!(store.verify_artifact(&sha256, 10).unwrap(), path);
        assert_eq!(store.artifacts().unwrap(), [sha256]);
        store.remove_artifact(&sha256).unwrap();
        store.remove_artifact(&sha256).unwrap();
        assert!(store.artifacts().unwrap().is_empty());
    }

    #[test]
    fn anything_else_is_refused_and_leaves_nothing() {
        let (_home, store) = store();
        let (right, wrong) = (Digest::of(b"some bytes"), Digest::of(b"other"));
        let refusal = |expected| download(&store, b"some bytes", expected).unwrap_err();
        assert!(matches!(
            refusal(Expected::default()),
            StoreError::NothingExpected
        ));
        let sha256 = Some(wrong);
        assert!(matches!(
            refusal(Expected {
                integrity: None,
                sha256
            }),
            StoreError::Sha256Mismatch { .. }
        ));
        assert!(matches!(
            refusal(Expected {
                integrity: Some(integrity(b"some bytes")),
                sha256
            }),
            StoreError::Sha256Mismatch { .. }
        ));
        assert!(matches!(
            refusal(Expected {
                integrity: Some(integrity(b"other")),
                sha256: Some(right)
            }),
            StoreError::IntegrityMismatch { .. }
        ));
        assert!(store.artifacts().unwrap().is_empty());
        assert_eq!(
            std::fs::read_dir(store.staging_folder()).unwrap().count(),
            0
        );
    }

    #[test]
    fn a_download_over_its_limit_is_stopped() {
        let (_home, store) = store();
        let bytes = [7; 1001];
        let expect = |bytes: &[u8]| Expected {
            integrity: None,
            sha256: Some(Digest::of(bytes)),
        };
        assert!(matches!(
            download(&store, &bytes, expect(&bytes)).unwrap_err(),
            StoreError::DownloadTooLong { limit: 1000 }
        ));
        download(&store, &bytes[..1000], expect(&bytes[..1000])).unwrap();
    }

    #[test]
    fn damage_is_found_and_healed_by_downloading_again() {
        let (_home, store) = store();
        let sha256 = Digest::of(b"some bytes");
        let expected = Expected {
            integrity: None,
            sha256: Some(sha256),
        };
        download(&store, b"some bytes", expected).unwrap();
        let path = store.artifact(&sha256).unwrap();
        std::fs::remove_file(&path).unwrap();
        write(&path, "some bytez").unwrap();
        let refusal = store.verify_artifact(&sha256, 10).unwrap_err();
        assert!(matches!(
            refusal,
            StoreError::DamagedArtifact { size: 10, .. }
        ));
        download(&store, b"some bytes", expected).unwrap();
        store.verify_artifact(&sha256, 10).unwrap();
        assert!(store.verify_artifact(&sha256, 11).is_err());
        let missing = Digest::of(b"missing");
        let refusal = store.verify_artifact(&missing, 0).unwrap_err();
        assert!(matches!(refusal, StoreError::MissingArtifact { .. }));
    }
}
