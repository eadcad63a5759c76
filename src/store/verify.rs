//! Whether a tree is what was locked, at every launch.
//!
//! Hashing some thousand files takes longer than a launch may. So the index
//! beside each tree keeps, per file, the hash and the stamp the file had then:
//! inode, size, modification time, change time. A file with the same stamp
//! keeps its hash; any other is hashed again. This is git's index method, and
//! the reasoning is:
//!
//! - **Why this stamp.** Writing to a file, truncating it, changing its mode,
//!   owner or links sets its change time to the kernel's clock, and no system
//!   call sets that time to a chosen value: utimensat(2) sets the other two, and
//!   moves this one while doing so. A file put in the place of another has
//!   another inode, and its own change time. Size and modification time add
//!   little, but cost nothing and catch file systems that are sloppy.
//! - **Racy files.** The clock ticks in milliseconds; a second write within the
//!   tick of the first leaves the same stamp. So a file counts as recognised only
//!   when its times are strictly older than the index's clock, which was read
//!   before the first file was hashed. Whoever writes after that leaves a later
//!   time. An install waits for one tick, so a fresh tree has no racy files.
//! - **What is always done.** All entries are walked, whatever the index says,
//!   and the tree's digest is computed from the (recorded or fresh) hashes and
//!   compared with the locked one. So the index is only a cache of hashes: what
//!   was added, removed, replaced by a link, made executable or left as an empty
//!   folder changes the digest, and an index that is damaged, stale or another
//!   tree's costs time, never a wrong yes. When the digest is not right and some
//!   hash came from an index that doesn't itself add up to the locked digest,
//!   all is hashed before anything is said.
//! - **What it doesn't withstand.** Who can write in the store as this user can
//!   forge an index that gives today's stamps to yesterday's hashes, or write to
//!   the raw disk, or set the machine's clock to the nanosecond. The server in
//!   its box can do none of these: the store is not writable for it. Who can,
//!   can edit the lock as well. Bytes that rot on the disk keep their stamp too.
//!   `pinfold verify` believes no record and hashes everything.
//!
//! Permissions are checked as well: a file of the store is 0444 or 0555, a
//! folder 0555.

use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use super::compare;
use super::error::StoreError;
use super::index::{Draft, Index};
use super::layout::Store;
use super::record::tree_digest;
use super::scan::{Scan, scan};
use crate::lockfile::Digest;

/// How much is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verification {
    /// Hash only files whose stamp is not as recorded. For launches.
    Recorded,
    /// Hash every byte.
    Rehash,
}

/// What was verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TreeReport {
    pub files: usize,
    /// Size of all files, in bytes.
    pub bytes: u64,
    /// Files that were hashed now.
    pub hashed: usize,
}

impl Store {
    /// Checks the whole of a tree against its digest. The module's documentation has the reasoning.
    ///
    /// # Errors
    /// [`StoreError::MissingTree`]; [`StoreError::Drift`], which names what differs;
    /// and any failure to read, as what can't be read is not verified.
    pub fn verify_tree(
        &self,
        tree: &Digest,
        verification: Verification,
    ) -> Result<TreeReport, StoreError> {
        let index = Index::load(&self.index_path(tree), tree);
        let recorded = match verification {
            Verification::Recorded => index.as_ref(),
            Verification::Rehash => None,
        };
        let mut attempt = Attempt::run(self, tree, recorded)?;
        let listing = if attempt.is_right(tree) {
            None
        } else {
            // An index that adds up to the locked digest is a true list of what should be there.
            let listing = index
                .as_ref()
                .filter(|index| tree_digest(&index.records) == *tree);
            if listing.is_none() && recorded.is_some() {
                attempt = Attempt::run(self, tree, None)?;
            }
            listing
        };
        if !attempt.is_right(tree) {
            let differences = match listing {
                Some(index) => compare::compare(&index.records, &attempt.scan),
                None => compare::evident(&attempt.scan),
            };
            let listing_known = listing.is_some();
            return Err(StoreError::Drift {
                tree: *tree,
                differences,
                listing_known,
            });
        }
        let Attempt { scan: found, draft } = attempt;
        let report = TreeReport {
            files: found.files,
            bytes: found.bytes,
            hashed: found.hashed,
        };
        if let Some(draft) = draft.filter(|_| is_outdated(index.as_ref(), &found)) {
            // Best effort: on a full or read-only disk the next launch hashes again.
            let _ = draft.commit(tree, &found.records, &self.index_path(tree));
        }
        Ok(report)
    }
}

/// One walk, and the index that could come of it.
struct Attempt {
    scan: Scan,
    draft: Option<Draft>,
}

impl Attempt {
    fn run(store: &Store, tree: &Digest, recorded: Option<&Index>) -> Result<Self, StoreError> {
        // Begun once, by whoever hashes first: a later clock would vouch for files hashed before it.
        let draft = OnceLock::new();
        let begin = || {
            draft.get_or_init(|| Draft::begin(draft_path(store)).ok());
        };
        let scan = scan(&store.tree(tree), recorded, &begin)?
            .ok_or(StoreError::MissingTree { tree: *tree })?;
        Ok(Self {
            scan,
            draft: draft.into_inner().flatten(),
        })
    }

    fn is_right(&self, tree: &Digest) -> bool {
        self.scan.special.is_empty()
            && self.scan.loose.is_empty()
            && tree_digest(&self.scan.records) == *tree
    }
}

fn is_outdated(index: Option<&Index>, found: &Scan) -> bool {
    index.is_none_or(|index| {
        index.records != found.records
            || index
                .records
                .iter()
                .any(|record| record.stamp.is_racy(index.clock))
    })
}

fn draft_path(store: &Store) -> PathBuf {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let next = NEXT.fetch_add(1, Ordering::Relaxed);
    store
        .staging_folder()
        .join(format!("index-{}-{next}", std::process::id()))
}
