//! The index of a tree: what was last hashed in it, so that it needn't be hashed again.
//!
//! A cache, in a compact binary form; anything odd about it and it is as if it
//! weren't there. Why it may be relied on is in `verify`.
//!
//! ```text
//! "pinfold-index-v1\n"  tree digest [32]  clock i64  number of records u32
//! per record: kind u8 ('f' file, 'x' executable, 'l' link, 'd' empty folder)
//!   path: length u16, bytes
//!   file: size u64, sha256 [32], inode u64, modified i64, changed i64
//!   link: target: length u16, bytes
//! ```
//!
//! Integers are little-endian, times nanoseconds since 1970, records sorted by path.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::record::{Content, Record};
use super::stamp::FileStamp;
use crate::lockfile::Digest;

const HEADING: &[u8] = b"pinfold-index-v1\n";

/// Longest index that is read; a tree at its bounds needs less.
const MAX_LENGTH: u64 = 1 << 30;

/// What was recorded of a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Index {
    /// The file system's time, in nanoseconds since 1970, before the first file was hashed.
    pub(super) clock: i64,
    /// Sorted by path.
    pub(super) records: Vec<Record>,
}

impl Index {
    /// Reads the index of `tree`; `None` when it is missing, damaged or another tree's.
    pub(super) fn load(path: &Path, tree: &Digest) -> Option<Self> {
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
            .open(path)
            .ok()?;
        let found = file.metadata().ok()?;
        if !found.is_file() || found.len() > MAX_LENGTH {
            return None;
        }
        let mut bytes = Vec::with_capacity(usize::try_from(found.len()).ok()?);
        file.take(MAX_LENGTH).read_to_end(&mut bytes).ok()?;
        parse(&bytes, tree)
    }
}

/// An index that is being written. Its clock starts when it does.
pub(super) struct Draft {
    file: File,
    path: PathBuf,
    clock: i64,
}

impl Draft {
    /// Creates the file at `path`, in the file system of the tree.
    ///
    /// To be called before hashing: only files that are older than this can be
    /// recognised by what the index says of them.
    pub(super) fn begin(path: PathBuf) -> io::Result<Self> {
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)?;
        let mut draft = Self {
            file,
            path,
            clock: 0,
        };
        draft.clock = FileStamp::of(&draft.file)?.changed;
        Ok(draft)
    }

    /// Writes the records, sorted by path, and gives the index its place.
    pub(super) fn commit(
        mut self,
        tree: &Digest,
        records: &[Record],
        place: &Path,
    ) -> io::Result<()> {
        let bytes = encode(tree, self.clock, records).ok_or(io::ErrorKind::InvalidData)?;
        self.file.write_all(&bytes)?;
        std::fs::rename(&self.path, place)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // After a commit there is nothing at this path any more.
        let _ = std::fs::remove_file(&self.path);
    }
}

fn encode(tree: &Digest, clock: i64, records: &[Record]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(64 + records.len() * 160);
    bytes.extend_from_slice(HEADING);
    bytes.extend_from_slice(tree.as_bytes());
    bytes.extend_from_slice(&clock.to_le_bytes());
    bytes.extend_from_slice(&u32::try_from(records.len()).ok()?.to_le_bytes());
    let text = |bytes: &mut Vec<u8>, text: &[u8]| {
        bytes.extend_from_slice(&u16::try_from(text.len()).ok()?.to_le_bytes());
        bytes.extend_from_slice(text);
        Some(())
    };
    for record in records {
        bytes.push(match &record.content {
            Content::File {
                executable: false, ..
            } => b'f',
            Content::File {
                executable: true, ..
            } => b'x',
            Content::Symlink { .. } => b'l',
            Content::EmptyFolder => b'd',
        });
        text(&mut bytes, &record.path)?;
        match &record.content {
            Content::File { size, sha256, .. } => {
                bytes.extend_from_slice(&size.to_le_bytes());
                bytes.extend_from_slice(sha256.as_bytes());
                bytes.extend_from_slice(&record.stamp.inode.to_le_bytes());
                bytes.extend_from_slice(&record.stamp.modified.to_le_bytes());
                bytes.extend_from_slice(&record.stamp.changed.to_le_bytes());
            }
            Content::Symlink { target } => text(&mut bytes, target)?,
            Content::EmptyFolder => {}
        }
    }
    Some(bytes)
}

fn parse(bytes: &[u8], tree: &Digest) -> Option<Index> {
    let mut rest = Cursor {
        rest: bytes.strip_prefix(HEADING)?,
    };
    if rest.array::<32>()? != *tree.as_bytes() {
        return None;
    }
    let clock = i64::from_le_bytes(rest.array()?);
    let count = u32::from_le_bytes(rest.array()?);
    let mut records: Vec<Record> = Vec::new();
    for _ in 0..count {
        let [kind] = rest.array()?;
        let path = rest.text()?;
        let mut stamp = FileStamp::default();
        let content = match kind {
            b'f' | b'x' => {
                let size = u64::from_le_bytes(rest.array()?);
                let sha256 = Digest::from_bytes(rest.array()?);
                stamp = FileStamp {
                    inode: u64::from_le_bytes(rest.array()?),
                    size,
                    modified: i64::from_le_bytes(rest.array()?),
                    changed: i64::from_le_bytes(rest.array()?),
                };
                Content::File {
                    executable: kind == b'x',
                    size,
                    sha256,
                }
            }
            b'l' => Content::Symlink {
                target: rest.text()?,
            },
            b'd' => Content::EmptyFolder,
            _ => return None,
        };
        if records.last().is_some_and(|last| last.path >= path) {
            return None;
        }
        records.push(Record {
            path,
            content,
            stamp,
        });
    }
    rest.rest.is_empty().then_some(Index { clock, records })
}

struct Cursor<'a> {
    rest: &'a [u8],
}

impl Cursor<'_> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(*head)
    }

    fn text(&mut self) -> Option<Vec<u8>> {
        let length = usize::from(u16::from_le_bytes(self.array()?));
        let (head, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(head.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records() -> Vec<Record> {
        let stamp = FileStamp {
            inode: 7,
            size: 3,
            modified: -1,
            changed: i64::MAX,
        };
        let sha256 = Digest::of(b"abc");
        vec![
            Record {
                path: b"a".to_vec(),
                content: Content::EmptyFolder,
                stamp: FileStamp::default(),
            },
            Record {
                path: b"b\xff".to_vec(),
                content: Content::File {
                    executable: true,
                    size: 3,
                    sha256,
                },
                stamp,
            },
            Record {
                path: b"c".to_vec(),
                content: Content::Symlink {
                    target: b"b".to_vec(),
                },
                stamp: FileStamp::default(),
            },
        ]
    }

    #[test]
    fn reads_back_what_was_written() {
        let tree = Digest::of(b"tree");
        let bytes = encode(&tree, 42, &records()).unwrap();
        assert_eq!(
            parse(&bytes, &tree).unwrap(),
            Index {
                clock: 42,
                records: records()
            }
        );
    }

    #[test]
    fn no_damage_is_read_as_an_index() {
        let tree = Digest::of(b"tree");
        let bytes = encode(&tree, 42, &records()).unwrap();
        assert!(parse(&bytes, &Digest::of(b"another")).is_none());
        for length in 0..bytes.len() {
            assert!(parse(&bytes[..length], &tree).is_none(), "{length}");
        }
        let longer = [bytes.as_slice(), b"x"].concat();
        assert!(parse(&longer, &tree).is_none());
        let mut unsorted = records();
        unsorted.swap(0, 1);
        assert!(parse(&encode(&tree, 42, &unsorted).unwrap(), &tree).is_none());
    }

    #[test]
    fn a_draft_that_is_dropped_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("index");
        drop(Draft::begin(folder.path().join("draft")).unwrap());
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
        let tree = Digest::of(b"tree");
        let draft = Draft::begin(folder.path().join("draft")).unwrap();
        draft.commit(&tree, &records(), &place).unwrap();
        assert_eq!(Index::load(&place, &tree).unwrap().records, records());
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1);
    }
}
