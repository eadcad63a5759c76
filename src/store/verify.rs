//! Whether a tree is what was locked, at every launch.
//!
//! Hashing some thousand files takes longer than a launch may, and so does
//! listing some hundred folders. So the index beside each tree keeps what was
//! found in it when it was last hashed, and of every file, folder and link the
//! stamp it had then: inode, size, modification time, change time. This is git's
//! index method, for folders as well (its "untracked cache"), and the reasoning
//! is:
//!
//! - **What is always computed.** The tree's digest, from the index: from the
//!   names, hashes, targets and executable bits in it. Only an index with the
//!   locked digest is used at all. It is then a true list of what should be there,
//!   whoever wrote it; only its stamps are nobody's word but its own. So an index
//!   that is damaged, stale or another tree's costs time, never a wrong yes.
//! - **What is always looked at.** Every file, folder and link of that list: it
//!   must have the kind and permissions that it should have, and the recorded
//!   stamp. If all of them do, the tree is what was locked. If one does not, every
//!   folder is listed, whatever its stamp is; files with the recorded stamp keep
//!   their hash, all others are hashed; and the digest is computed from that.
//! - **Why the stamp of a file.** Writing to a file, truncating it, changing its
//!   mode, owner or links sets its change time to the kernel's clock, and no system
//!   call sets that time to a chosen value: utimensat(2) sets the other two, and
//!   moves this one while doing so. A file put in the place of another has
//!   another inode, and its own change time. Size and modification time add
//!   little, but cost nothing and catch file systems that are sloppy.
//! - **Why the stamp of a folder.** Adding a name to a folder, removing or
//!   replacing one is writing to the folder: it sets both of its times in the same
//!   way. So a folder with the recorded stamp has the recorded names, and nothing
//!   else, and need not be read. It says nothing of what is in the files and in
//!   the folders below: each has its own stamp.
//! - **Why the stamp of a link.** The target of a link can't be changed, only
//!   another link put in its place, which has another inode and change time and
//!   changes the folder. So its target need not be read.
//! - **No way around a folder.** An entry is looked up by its name in the
//!   descriptor of its folder, which was opened without following a link and is
//!   itself recognised by that descriptor. So a link in the place of a folder is
//!   never passed, not even one that is there for a moment. Whoever can write in
//!   the store can always change what was looked at already: that is the same as
//!   a change right after the verification, when the server runs.
//! - **Racy stamps.** The clock ticks in milliseconds; a second write within the
//!   tick of the first leaves the same stamp. So a stamp is recorded only when its
//!   times are strictly older than the index's clock, which was read before the
//!   first folder was listed and the first file hashed. Whoever writes after that
//!   leaves a later time. An install waits for one tick after its last change, and
//!   then records the tree, so that its first launch recognises all of it.
//! - **Why no device.** Its number may be another one after each boot. A file or
//!   folder mounted over another one has another inode, or, on a file system that
//!   was made for the purpose, at least needs somebody who may mount it.
//! - **What it doesn't withstand.** Who can write in the store as this user can
//!   forge an index that gives today's stamps to yesterday's content, or write to
//!   the raw disk, or set the machine's clock to the nanosecond. The server in
//!   its box can do none of these: the store is not writable for it. Who can,
//!   can edit the lock as well. Bytes that rot on the disk keep their stamp too. A
//!   network file system may show a change that was made on another machine some
//!   seconds late.
//!   `pinfold verify` believes no record, lists and hashes everything.
//!
//! Permissions are checked as well: a file of the store is 0444 or 0555, a
//! folder 0555.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use super::compare;
use super::error::StoreError;
use super::index::{Draft, Index};
use super::layout::Store;
use super::recognise::is_recognised;
use super::record::{Record, tree_digest};
use super::scan::{Scan, scan};
use super::stamp;
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
    /// Folders that were listed now, the tree itself included: all or, when everything was
    /// recognised, none.
    pub listed: usize,
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
        let index = Index::load(&self.index_path(tree));
        if let (Verification::Recorded, Some(index)) = (verification, &index)
            && is_recognised(&self.tree(tree), index, tree)
        {
            return Ok(TreeReport {
                files: index.files,
                bytes: index.size,
                listed: 0,
                hashed: 0,
            });
        }
        let listing = index
            .as_ref()
            .filter(|index| index.digest() == Some(*tree))
            .and_then(Index::records);
        let known = match verification {
            Verification::Recorded => listing.as_deref(),
            Verification::Rehash => None,
        };
        let (found, draft) = self.walk(tree, known.unwrap_or_default())?;
        if !is_right(&found, tree) {
            let differences = match &listing {
                Some(listing) => compare::compare(listing, &found),
                None => compare::evident(&found),
            };
            return Err(StoreError::Drift {
                tree: *tree,
                differences,
                listing_known: listing.is_some(),
            });
        }
        self.record(tree, &found, draft, index.as_ref());
        Ok(TreeReport {
            files: found.files,
            bytes: found.bytes,
            listed: found.listed,
            hashed: found.hashed,
        })
    }

    /// Records a tree that was just made of `records`, after waiting until it is not racy.
    ///
    /// Best effort: a tree without an index is hashed again at its first launch.
    pub(super) fn index_new_tree(&self, tree: &Digest, records: &[Record]) {
        // The tree itself was changed last: it was moved, then made read-only.
        let Ok(changed) = stamp::change_of(&self.tree(tree)) else {
            return;
        };
        let newest = records
            .iter()
            .map(|record| record.stamp.changed.max(record.stamp.modified))
            .fold(changed, i64::max);
        if stamp::after(newest, &self.staging_folder()).is_err() {
            return;
        }
        if let Ok((found, draft)) = self.walk(tree, records)
            && is_right(&found, tree)
        {
            self.record(tree, &found, draft, None);
        }
    }

    /// Walks a tree, after the clock of the index that could come of it was read.
    fn walk(&self, tree: &Digest, known: &[Record]) -> Result<(Scan, Option<Draft>), StoreError> {
        let draft = Draft::begin(self.draft_path()).ok();
        let found =
            scan(&self.tree(tree), known)?.ok_or(StoreError::MissingTree { tree: *tree })?;
        Ok((found, draft))
    }

    /// Writes the index of a tree that is right, unless `present` says the same already.
    ///
    /// Best effort: on a full or read-only disk the next launch walks and hashes again.
    fn record(&self, tree: &Digest, found: &Scan, draft: Option<Draft>, present: Option<&Index>) {
        let Some(draft) = draft else { return };
        let Some(bytes) = draft.encode(&found.records, &found.folders) else {
            return;
        };
        if present.is_none_or(|index| index.as_bytes() != bytes) {
            let _ = draft.commit(&bytes, &self.index_path(tree));
        }
    }

    fn draft_path(&self) -> PathBuf {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        self.staging_folder()
            .join(format!("index-{}-{next}", std::process::id()))
    }
}

fn is_right(found: &Scan, tree: &Digest) -> bool {
    found.special.is_empty() && found.loose.is_empty() && tree_digest(&found.records) == *tree
}
