//! What servers said of themselves, kept as text under its sha256.
//!
//! The lock holds digests only; a person who reviews a change wants to see the words from
//! before it. Nothing depends on them: what is missing or damaged is simply not there.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

use super::error::StoreError;
use super::layout::{Store, digests_in};
use super::staging::Staging;
use crate::lockfile::{Digest, create_private_folder, read_guarded};

/// The largest text that is kept, in bytes; a longer one is not.
pub const MAX_DEFINITION: usize = 4 << 20;

const DEFINITIONS: &str = "definitions";

impl Staging {
    /// Keeps a text in the store, to be found by its digest.
    ///
    /// # Errors
    /// When the disk is full or read-only.
    pub fn keep_definition(&self, text: &[u8]) -> Result<(), StoreError> {
        let digest = Digest::of(text);
        if text.len() > MAX_DEFINITION || self.store().definition(&digest).is_some() {
            return Ok(());
        }
        let place = self.store().definition_path(&digest);
        let folder = self.store().root().join(DEFINITIONS);
        create_private_folder(&folder).map_err(|e| StoreError::io("create", &folder, e))?;
        let path = self.new_path("definition");
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o400)
            .open(&path)
            .and_then(|mut file| file.write_all(text))
            // Not synced: what a power cut leaves of it has another digest, so it isn't there.
            .and_then(|()| std::fs::rename(&path, &place))
            .map_err(|e| StoreError::io("write", &place, e))
    }
}

impl Store {
    /// The text with this digest, if it was kept and is whole.
    pub fn definition(&self, digest: &Digest) -> Option<Vec<u8>> {
        let text = read_guarded(&self.definition_path(digest), MAX_DEFINITION as u64).ok()?;
        (Digest::of(&text) == *digest).then_some(text)
    }

    /// All texts that were kept, sorted.
    pub(super) fn definitions(&self) -> Result<Vec<Digest>, StoreError> {
        let folder = self.root().join(DEFINITIONS);
        if folder.exists() {
            digests_in(&folder)
        } else {
            Ok(Vec::new())
        }
    }

    pub(super) fn remove_definition(&self, digest: &Digest) -> Result<(), StoreError> {
        let path = self.definition_path(digest);
        std::fs::remove_file(&path).map_err(|e| StoreError::io("remove", &path, e))
    }

    pub(super) fn definition_path(&self, digest: &Digest) -> PathBuf {
        self.root().join(DEFINITIONS).join(digest.hex())
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::write;
    use super::*;

    #[test]
    fn what_was_kept_is_found_and_what_was_damaged_is_not_there() {
        let home = tempfile::tempdir().unwrap();
        let store = Store::open(home.path().join("store")).unwrap();
        let digest = Digest::of(b"some words");
        assert_eq!(store.definition(&digest), None);
        for _ in 0..2 {
            store
                .staging()
                .unwrap()
                .keep_definition(b"some words")
                .unwrap();
            assert_eq!(store.definition(&digest).unwrap(), b"some words");
        }
        let path = store.definition_path(&digest);
        std::fs::remove_file(&path).unwrap();
        write(&path, "other words").unwrap();
        assert_eq!(store.definition(&digest), None);
        store
            .staging()
            .unwrap()
            .keep_definition(b"some words")
            .unwrap();
        assert_eq!(store.definition(&digest).unwrap(), b"some words");
    }

    #[test]
    fn what_is_too_long_is_not_kept() {
        let home = tempfile::tempdir().unwrap();
        let store = Store::open(home.path().join("store")).unwrap();
        let staging = store.staging().unwrap();
        for (length, kept) in [(MAX_DEFINITION, true), (MAX_DEFINITION + 1, false)] {
            let text = vec![b'x'; length];
            staging.keep_definition(&text).unwrap();
            assert_eq!(store.definition(&Digest::of(&text)).is_some(), kept);
        }
    }
}
