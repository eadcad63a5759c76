//! Removing what no lock file names any more.
//!
//! The caller knows the lock files; here it is known what is in the store and who uses it. The order
//! matters: first every writer is kept out ([`Store::collector`]), then the lock files are read, then
//! is removed what they don't name. Read earlier, they could miss what was locked meanwhile.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

use super::error::StoreError;
use super::in_use;
use super::layout::Store;
use super::staging::Staging;
use crate::lockfile::{Digest, Lock};

/// The right to remove from the store; while it lives nobody puts anything there.
#[derive(Debug)]
pub struct Collector {
    store: Store,
    staging: Staging,
}

/// Everything that some lock file names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Referenced {
    trees: BTreeSet<Digest>,
    artifacts: BTreeSet<Digest>,
    definitions: BTreeSet<Digest>,
}

/// One thing in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored {
    pub digest: Digest,
    /// What it takes on the disk, in bytes.
    pub size: u64,
}

/// What was found, and removed unless it was only asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    pub trees: Vec<Stored>,
    pub artifacts: Vec<Stored>,
    pub definitions: Vec<Stored>,
    /// Trees that no lock file names and a session runs.
    pub in_use: Vec<Stored>,
    /// How many things stay because a lock file names them.
    pub kept: usize,
}

impl Referenced {
    /// Adds what `lock` names.
    pub fn add(&mut self, lock: &Lock) {
        for server in lock.servers.values() {
            self.trees.extend(server.all_trees());
            self.artifacts
                .extend(server.all_artifacts().map(|artifact| artifact.sha256));
            self.definitions
                .extend(server.behaviour.tools.values().copied());
            self.definitions.extend(server.behaviour.instructions);
        }
    }
}

impl Collected {
    /// What is or would be free on the disk, in bytes.
    pub fn size(&self) -> u64 {
        let all = self.trees.iter().chain(&self.artifacts);
        all.chain(&self.definitions).map(|one| one.size).sum()
    }
}

impl Store {
    /// Keeps everybody out who would put something into the store, for whom it waits at most
    /// `patience`.
    ///
    /// # Errors
    /// [`StoreError::Busy`] when somebody still does.
    pub fn collector(&self, patience: Duration) -> Result<Collector, StoreError> {
        let alone = in_use::alone(self, patience)?;
        Ok(Collector {
            store: self.clone(),
            staging: Staging::create_under(self, alone)?,
        })
    }
}

impl Collector {
    /// Removes what `referenced` lacks; with `dry_run` only says what it would remove. What is not
    /// named by a digest is none of ours and stays.
    ///
    /// # Errors
    /// When the disk doesn't allow it. What was removed before stays removed.
    pub fn collect(&self, referenced: &Referenced, dry_run: bool) -> Result<Collected, StoreError> {
        let mut collected = Collected::default();
        for digest in self.store.trees()? {
            if referenced.trees.contains(&digest) {
                collected.kept += 1;
                continue;
            }
            let path = self.store.tree(&digest);
            let found = stored(digest, &path);
            // Held until the tree is gone: who comes later finds no tree.
            let Some(_unused) = in_use::unused(&path)? else {
                collected.in_use.push(found);
                continue;
            };
            if !dry_run {
                self.store.discard_tree_into(&digest, &self.staging)?;
            }
            collected.trees.push(found);
        }
        for digest in self.store.artifacts()? {
            if referenced.artifacts.contains(&digest) {
                collected.kept += 1;
                continue;
            }
            let found = stored(digest, &self.store.artifact_path(&digest));
            if !dry_run {
                self.store.remove_artifact(&digest)?;
            }
            collected.artifacts.push(found);
        }
        for digest in self.store.definitions()? {
            if referenced.definitions.contains(&digest) {
                collected.kept += 1;
                continue;
            }
            let found = stored(digest, &self.store.definition_path(&digest));
            if !dry_run {
                self.store.remove_definition(&digest)?;
            }
            collected.definitions.push(found);
        }
        Ok(collected)
    }
}

fn stored(digest: Digest, path: &Path) -> Stored {
    Stored {
        digest,
        size: size_of(path),
    }
}

/// Blocks of a file or of everything in a folder. What can't be read counts nothing.
fn size_of(path: &Path) -> u64 {
    let Ok(found) = std::fs::symlink_metadata(path) else {
        return 0;
    };
    // st_blocks counts units of 512 bytes, whatever the file system's own are (stat(2)).
    let own = found.blocks().saturating_mul(512);
    let inside: u64 = if found.is_dir() {
        std::fs::read_dir(path)
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| size_of(&entry.path()))
            .sum()
    } else {
        0
    };
    own.saturating_add(inside)
}

#[cfg(test)]
mod tests {
    use super::super::artifact::Expected;
    use super::super::testing::write;
    use super::*;

    const AT_ONCE: Duration = Duration::ZERO;

    struct Place {
        home: tempfile::TempDir,
        store: Store,
    }

    impl Place {
        fn new() -> Self {
            let home = tempfile::tempdir().unwrap();
            let store = Store::open(home.path().join("store")).unwrap();
            Self { home, store }
        }

        fn tree(&self, content: &str) -> Digest {
            let file = self.home.path().join("file");
            write(&file, content).unwrap();
            let mut tree = self.store.staging().unwrap().tree().unwrap();
            tree.copy_path(&file, &super::super::Bounds::default())
                .unwrap();
            tree.finish().unwrap()
        }

        fn artifact(&self, content: &[u8]) -> Digest {
            let mut writer = self.store.staging().unwrap().artifact(100).unwrap();
            writer.write(content).unwrap();
            let sha256 = Some(Digest::of(content));
            let expected = Expected {
                integrity: None,
                sha256,
            };
            writer.finish(&expected).unwrap().sha256
        }

        fn definition(&self, text: &[u8]) -> Digest {
            let staging = self.store.staging().unwrap();
            staging.keep_definition(text).unwrap();
            Digest::of(text)
        }

        fn collect(&self, referenced: &Referenced, dry_run: bool) -> Collected {
            let collector = self.store.collector(AT_ONCE).unwrap();
            collector.collect(referenced, dry_run).unwrap()
        }
    }

    fn digests(all: &[Stored]) -> Vec<Digest> {
        assert!(all.iter().all(|one| one.size > 0));
        all.iter().map(|one| one.digest).collect()
    }

    #[test]
    fn what_is_named_stays_and_the_rest_goes() {
        let place = Place::new();
        let (kept, gone) = (place.tree("kept"), place.tree("gone"));
        let (file, other) = (place.artifact(b"kept"), place.artifact(b"gone"));
        let (words, old) = (place.definition(b"kept"), place.definition(b"gone"));
        let referenced = Referenced {
            trees: [kept].into(),
            artifacts: [file].into(),
            definitions: [words].into(),
        };
        let planned = place.collect(&referenced, true);
        assert_eq!(place.store.trees().unwrap().len(), 2);
        let done = place.collect(&referenced, false);
        assert_eq!(planned, done);
        assert_eq!(digests(&done.trees), [gone]);
        assert_eq!(digests(&done.artifacts), [other]);
        assert_eq!(digests(&done.definitions), [old]);
        assert_eq!((done.kept, done.in_use.len()), (3, 0));
        assert_eq!(place.store.trees().unwrap(), [kept]);
        assert_eq!(place.store.artifacts().unwrap(), [file]);
        assert!(place.store.definition(&words).is_some() && place.store.definition(&old).is_none());
        assert!(!place.store.index_path(&gone).exists() && place.store.index_path(&kept).exists());
        assert_eq!(place.collect(&referenced, false).size(), 0);
    }

    #[test]
    fn a_tree_in_use_stays_until_it_is_not() {
        let place = Place::new();
        let tree = place.tree("run");
        let first = place.store.use_tree(&tree).unwrap();
        let second = place.store.use_tree(&tree).unwrap();
        drop(first);
        let found = place.collect(&Referenced::default(), false);
        assert_eq!((digests(&found.in_use), found.trees.len()), (vec![tree], 0));
        assert!(place.store.tree(&tree).exists());
        drop(second);
        let found = place.collect(&Referenced::default(), false);
        assert_eq!(digests(&found.trees), [tree]);
        assert!(matches!(
            place.store.use_tree(&tree).unwrap_err(),
            StoreError::MissingTree { .. }
        ));
    }

    #[test]
    fn nobody_collects_while_somebody_writes_nor_the_other_way_round() {
        let place = Place::new();
        let writer = place.store.staging().unwrap();
        let copy = writer.clone();
        drop(writer);
        let busy = place.store.collector(AT_ONCE).unwrap_err();
        assert!(matches!(busy, StoreError::Busy { .. }), "{busy}");
        drop(copy);
        let collector = place.store.collector(AT_ONCE).unwrap();
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| place.store.staging().map(drop));
            std::thread::sleep(Duration::from_millis(60));
            assert!(!waiting.is_finished());
            drop(collector);
            waiting.join().unwrap().unwrap();
        });
    }

    #[test]
    fn foreign_files_are_left_alone() {
        let place = Place::new();
        place.definition(b"x");
        let foreign = [
            "notes",
            "trees/notes",
            "artifacts/notes.tgz",
            "definitions/y",
        ];
        for name in foreign {
            write(place.store.root().join(name), "mine").unwrap();
        }
        place.collect(&Referenced::default(), false);
        for name in foreign {
            assert!(place.store.root().join(name).exists(), "{name}");
        }
    }
}
