//! The file `head`: which record is the last. A chain alone does not show that its end was cut.
//!
//! Two slots of 256 bytes, each a line with a digest of its own. Each append overwrites the older
//! one, so a write that was torn leaves the other.

use std::fs::File;
use std::os::unix::fs::FileExt as _;

use serde::{Deserialize, Serialize};

use super::chain::{Anchor, MAX_SEQ};
use super::error::AuditError;
use super::folder::Folder;
use super::log::MAX_BATCH;
use crate::lockfile::Digest;

const SLOT: usize = 256;

/// Where the log ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// The last record.
    pub(super) last: Anchor,
    /// The number of the first record that was not removed.
    pub(super) oldest: u64,
    /// The inode of the current file.
    pub(super) inode: u64,
    /// Its length, in bytes.
    pub(super) end: u64,
    /// The machine's start (random/boot_id, proc(5)), shortened.
    pub(super) boot: u64,
    /// So many records are being appended to it at once; 0 but for that moment, and for one alone.
    pub(super) batch: u64,
    /// Whether it is in the second slot of the file.
    pub(super) second: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawHead {
    seq: u64,
    hash: String,
    oldest: u64,
    inode: u64,
    end: u64,
    boot: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    batch: u64,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// What the file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HeadFile {
    /// It isn't there, or holds nothing.
    Missing,
    /// No slot can be read.
    Damaged,
    Is(Head),
}

impl HeadFile {
    pub(super) fn head(self) -> Option<Head> {
        match self {
            Self::Is(head) => Some(head),
            Self::Missing | Self::Damaged => None,
        }
    }

    /// Reads both slots; the higher number counts, and of one number what was said later.
    pub(super) fn read(bytes: &[u8]) -> Self {
        if bytes.is_empty() {
            return Self::Missing;
        }
        let slots = bytes.chunks(SLOT).zip([false, true]);
        slots
            .filter_map(|(slot, second)| Head::read(slot, second))
            .max_by_key(|head| (head.last.seq, head.batch))
            .map_or(Self::Damaged, Self::Is)
    }

    pub(super) fn of(file: &File) -> std::io::Result<Self> {
        let mut bytes = [0; 2 * SLOT];
        let mut length = 0;
        while let Some(rest) = bytes.get_mut(length..).filter(|rest| !rest.is_empty()) {
            match file.read_at(rest, length as u64)? {
                0 => break,
                read => length += read,
            }
        }
        Ok(Self::read(bytes.get(..length).unwrap_or_default()))
    }
}

impl Head {
    fn read(slot: &[u8], second: bool) -> Option<Self> {
        let text = std::str::from_utf8(slot).ok()?.strip_suffix('\n')?;
        let (json, sum) = text.trim_end().rsplit_once(' ')?;
        if Digest::of(json.as_bytes()).hex().get(..16)? != sum {
            return None;
        }
        let raw: RawHead = serde_json::from_str(json).ok()?;
        let is_sound = raw.seq <= MAX_SEQ && raw.oldest <= MAX_SEQ + 1;
        (is_sound && raw.batch <= MAX_BATCH as u64).then_some(())?;
        Some(Self {
            last: Anchor {
                seq: raw.seq,
                hash: Digest::from_hex(&raw.hash).ok()?,
            },
            oldest: raw.oldest,
            inode: raw.inode,
            end: raw.end,
            boot: raw.boot,
            batch: raw.batch,
            second,
        })
    }

    /// The bytes of its slot: a line that is filled with spaces.
    pub(super) fn slot(&self) -> Result<Vec<u8>, AuditError> {
        let json = serde_json::to_string(&RawHead {
            seq: self.last.seq,
            hash: self.last.hash.hex(),
            oldest: self.oldest,
            inode: self.inode,
            end: self.end,
            boot: self.boot,
            batch: self.batch,
        })?;
        let sum = Digest::of(json.as_bytes()).hex();
        let mut slot = format!("{json} {}", sum.get(..16).unwrap_or_default()).into_bytes();
        slot.resize(SLOT - 1, b' ');
        slot.push(b'\n');
        Ok(slot)
    }

    /// Writes it into the slot beside the one that it has now.
    pub(super) fn write(&mut self, file: &File, folder: &Folder) -> Result<(), AuditError> {
        let second = !self.second;
        let at = if second { SLOT as u64 } else { 0 };
        file.write_all_at(&self.slot()?, at)
            .map_err(AuditError::io(folder.head()))?;
        self.second = second;
        Ok(())
    }
}

/// Tells one start of the machine from another; 0 where /proc can't say.
pub(super) fn boot() -> u64 {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let digits: String = id
        .chars()
        .filter(char::is_ascii_hexdigit)
        .take(12)
        .collect();
    u64::from_str_radix(&digits, 16).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(seq: u64) -> Head {
        Head {
            last: Anchor {
                seq,
                hash: Digest::of(&seq.to_le_bytes()),
            },
            oldest: MAX_SEQ,
            inode: u64::MAX,
            end: u64::MAX,
            boot: u64::MAX >> 16,
            batch: MAX_BATCH as u64,
            second: false,
        }
    }

    #[test]
    fn the_longest_fits_and_is_read_back() {
        let longest = head(MAX_SEQ);
        let slot = longest.slot().unwrap();
        assert_eq!(slot.len(), SLOT);
        assert_eq!(HeadFile::read(&slot), HeadFile::Is(longest));
        // No number overflows when one is added.
        let beyond = head(u64::MAX).slot().unwrap();
        assert_eq!(beyond.len(), SLOT);
        assert_eq!(HeadFile::read(&beyond), HeadFile::Damaged);
    }

    #[test]
    fn a_torn_slot_leaves_the_other() {
        let both = [head(2).slot().unwrap(), head(3).slot().unwrap()].concat();
        let newest = Head {
            second: true,
            ..head(3)
        };
        assert_eq!(HeadFile::read(&both), HeadFile::Is(newest));
        for at in 0..SLOT {
            let mut torn = both.clone();
            torn[SLOT + at] ^= 1;
            assert_eq!(HeadFile::read(&torn), HeadFile::Is(head(2)), "{at}");
            let mut torn = both.clone();
            torn[at] ^= 1;
            assert_eq!(HeadFile::read(&torn), HeadFile::Is(newest), "{at}");
        }
        for cut in 1..both.len() {
            let expected = if cut >= SLOT {
                HeadFile::Is(head(2))
            } else {
                HeadFile::Damaged
            };
            assert_eq!(HeadFile::read(&both[..cut]), expected, "{cut}");
        }
        assert_eq!(HeadFile::read(b""), HeadFile::Missing);
    }

    #[test]
    fn the_newest_is_never_overwritten() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::new(place.path());
        let file = folder.open(&folder.head(), true).unwrap();
        let mut written = Head {
            second: true,
            ..head(0)
        };
        // Several records may be appended at once, so odd and even numbers don't take turns.
        for seq in [1, 3, 5, 6, 8] {
            let before = HeadFile::of(&file).unwrap().head();
            written.last = head(seq).last;
            written.write(&file, &folder).unwrap();
            assert_eq!(HeadFile::of(&file).unwrap(), HeadFile::Is(written));
            assert!(before.is_none_or(|before| before.second != written.second));
        }
    }
}
