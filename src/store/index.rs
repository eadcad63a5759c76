//! The index of a tree: what was found in it when it was last hashed, so that it needn't be hashed
//! again.
//!
//! A cache, in a compact binary form; anything odd about it and it is as if it
//! weren't there. Why it may be relied on is in `verify`.
//!
//! ```text
//! "pinfold-index-v2\n"
//! per entry: kind u8 ('d' folder, 'e' empty folder, 'f' file, 'x' executable, 'l' link)
//!   number of folders it is in u8, name: length u8, bytes, NUL
//!   stamp: inode u64, modified i64, changed i64; zeros when it was racy
//!   file: size u64, sha256 [32]
//!   link: target: length u16, bytes
//! ```
//!
//! Integers are little-endian, times nanoseconds since 1970. The first entry is
//! the tree itself, a folder without a name. Each folder is followed by all that
//! is in it; without the folders that are not empty, the entries are in the
//! order of their paths' bytes.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::ops::Range;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::entry::{self, Entries, Entry, Kind, Paths};
use super::record::{Folder, Record, TreeDigest};
use super::stamp::Stamp;
use crate::lockfile::Digest;

const HEADING: &[u8] = b"pinfold-index-v2\n";

/// Longest index that is read; a tree at its bounds needs less.
const MAX_LENGTH: u64 = 1 << 30;

/// Entries in a part. Looking up so many takes half a millisecond, some times what a thread costs.
const PART_LENGTH: usize = 512;

/// What was recorded of a tree. Nothing is proved by it but its form: see [`Index::digest`].
#[derive(Debug)]
pub(super) struct Index {
    bytes: Vec<u8>,
    parts: Vec<Part>,
    /// Files.
    pub(super) files: usize,
    /// Bytes of all files.
    pub(super) size: u64,
}

/// Entries that one thread looks up.
#[derive(Debug)]
pub(super) struct Part {
    /// Where the entries of the folders are that the first one is in, outermost first.
    folders: Vec<usize>,
    range: Range<usize>,
}

impl Index {
    /// Reads an index; `None` when it is missing or damaged.
    pub(super) fn load(path: &Path) -> Option<Self> {
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
        Self::parse(bytes)
    }

    /// Takes only what has the form: every entry is in a folder that was recorded
    /// before it, every folder but the tree itself has something in it.
    pub(super) fn parse(bytes: Vec<u8>) -> Option<Self> {
        let mut entries = Entries {
            rest: bytes.strip_prefix(HEADING)?,
        };
        let mut parts = vec![Part {
            folders: Vec::new(),
            range: HEADING.len()..bytes.len(),
        }];
        let root = entries.read()?;
        if root.depth > 0 || root.kind != Kind::Folder || !root.name.is_empty() {
            return None;
        }
        let (mut files, mut size) = (0, 0_u64);
        let mut folders = vec![HEADING.len()];
        let mut of_part = 1;
        let mut in_new_folder = false;
        while !entries.rest.is_empty() {
            let at = bytes.len() - entries.rest.len();
            let Entry { depth, kind, .. } = entries.read()?;
            if depth == 0 || depth > folders.len() || (in_new_folder && depth < folders.len()) {
                return None;
            }
            folders.truncate(depth);
            if of_part == PART_LENGTH {
                if let Some(part) = parts.last_mut() {
                    part.range.end = at;
                }
                parts.push(Part {
                    folders: folders.clone(),
                    range: at..bytes.len(),
                });
                of_part = 0;
            }
            of_part += 1;
            in_new_folder = kind == Kind::Folder;
            match kind {
                Kind::Folder => folders.push(at),
                Kind::File { size: bytes, .. } => {
                    files += 1;
                    size = size.saturating_add(bytes);
                }
                Kind::Symlink { .. } | Kind::EmptyFolder => {}
            }
        }
        (!in_new_folder).then_some(Self {
            bytes,
            parts,
            files,
            size,
        })
    }

    /// The digest of the tree that was recorded; never that of another, whatever was done to the index.
    ///
    /// So an index that has the digest of a tree is a true list of its paths, contents, targets and
    /// executable bits, and of no more. Only the stamps are nobody's word but its own.
    pub(super) fn digest(&self) -> Option<Digest> {
        let mut digest = TreeDigest::default();
        self.for_each(|path, entry| match entry.kind {
            Kind::File {
                executable,
                size,
                sha256,
            } => digest.file(path, executable, size, &sha256),
            Kind::Symlink { target } => digest.link(path, target),
            Kind::EmptyFolder => digest.empty_folder(path),
            Kind::Folder => {}
        })?;
        Some(digest.finish())
    }

    /// All that is digested, sorted by path.
    pub(super) fn records(&self) -> Option<Vec<Record>> {
        let mut records = Vec::new();
        self.for_each(|path, entry| {
            records.extend(entry.kind.to_content().map(|content| Record {
                path: path.to_vec(),
                content,
                stamp: entry.stamp,
            }));
        })?;
        Some(records)
    }

    pub(super) fn for_each(&self, mut act: impl FnMut(&[u8], &Entry<'_>)) -> Option<()> {
        let mut paths = Paths::default();
        let mut entries = self.entries(HEADING.len()..self.bytes.len())?;
        while !entries.rest.is_empty() {
            let entry = entries.read()?;
            act(paths.of(&entry), &entry);
        }
        Some(())
    }

    pub(super) fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// The folders that the first entry of a part is in, outermost first.
    pub(super) fn folders_around(&self, part: &Part) -> Option<Vec<Entry<'_>>> {
        let folder = |at: &usize| self.entries(*at..self.bytes.len())?.read();
        part.folders.iter().map(folder).collect()
    }

    pub(super) fn entries_of(&self, part: &Part) -> Option<Entries<'_>> {
        self.entries(part.range.clone())
    }

    fn entries(&self, range: Range<usize>) -> Option<Entries<'_>> {
        let rest = self.bytes.get(range)?;
        Some(Entries { rest })
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// An index that is being written. Its clock starts when it does.
pub(super) struct Draft {
    file: File,
    path: PathBuf,
    /// The file system's time, in nanoseconds since 1970.
    clock: i64,
}

impl Draft {
    /// Creates the file at `path`, in the file system of the tree.
    ///
    /// To be called before the first folder is listed and the first file is
    /// hashed: only what is older than this can be recognised later.
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
        draft.clock = Stamp::of(&draft.file)?.changed;
        Ok(draft)
    }

    /// The bytes of an index of these; `None` when they don't fit its form.
    pub(super) fn encode(&self, records: &[Record], folders: &[Folder]) -> Option<Vec<u8>> {
        encode(self.clock, records, folders)
    }

    /// Writes the index and gives it its place.
    pub(super) fn commit(mut self, bytes: &[u8], place: &Path) -> io::Result<()> {
        self.file.write_all(bytes)?;
        std::fs::rename(&self.path, place)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // After a commit there is nothing at this path any more.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// As [`Draft::encode`], at any time.
pub(super) fn encode(clock: i64, records: &[Record], folders: &[Folder]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(64 + records.len() * 100 + folders.len() * 50);
    bytes.extend_from_slice(HEADING);
    entry::write(&mut bytes, clock, records, folders)?;
    Some(bytes)
}
