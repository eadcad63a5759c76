//! One entry of an index, read and written. The form is documented in `index`.

use std::ffi::CStr;

use super::record::{Content, Folder, Record};
use super::stamp::Stamp;
use crate::lockfile::Digest;

/// One entry of a tree, borrowed from the bytes of its index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry<'a> {
    /// Number of folders it is in; 0 for the tree itself.
    pub(super) depth: usize,
    /// One name, neither `.` nor `..`, without a slash; empty for the tree itself.
    pub(super) name: &'a CStr,
    pub(super) stamp: Stamp,
    pub(super) kind: Kind<'a>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind<'a> {
    File {
        executable: bool,
        size: u64,
        sha256: Digest,
    },
    Symlink {
        target: &'a [u8],
    },
    EmptyFolder,
    /// A folder with something in it, or the tree itself.
    Folder,
}

impl Kind<'_> {
    pub(super) fn to_content(self) -> Option<Content> {
        Some(match self {
            Self::File {
                executable,
                size,
                sha256,
            } => Content::File {
                executable,
                size,
                sha256,
            },
            Self::Symlink { target } => Content::Symlink {
                target: target.to_vec(),
            },
            Self::EmptyFolder => Content::EmptyFolder,
            Self::Folder => return None,
        })
    }
}

/// Reads entries from the bytes of an index.
#[derive(Clone, Copy)]
pub(super) struct Entries<'a> {
    pub(super) rest: &'a [u8],
}

impl<'a> Entries<'a> {
    /// The next entry; `None` when what is there is none, so also at the end.
    pub(super) fn read(&mut self) -> Option<Entry<'a>> {
        let [kind, depth, length] = self.array()?;
        let name = CStr::from_bytes_with_nul(self.take(usize::from(length) + 1)?).ok()?;
        if !is_name(name.to_bytes()) && depth > 0 {
            return None;
        }
        let mut stamp = Stamp {
            inode: u64::from_le_bytes(self.array()?),
            size: 0,
            modified: i64::from_le_bytes(self.array()?),
            changed: i64::from_le_bytes(self.array()?),
        };
        let kind = match kind {
            b'f' | b'x' => {
                stamp.size = u64::from_le_bytes(self.array()?);
                Kind::File {
                    executable: kind == b'x',
                    size: stamp.size,
                    sha256: Digest::from_bytes(self.array()?),
                }
            }
            b'l' => {
                let length = u16::from_le_bytes(self.array()?);
                let target = self.take(usize::from(length))?;
                // A NUL would end the target in what is digested.
                if memchr::memchr(0, target).is_some() {
                    return None;
                }
                Kind::Symlink { target }
            }
            b'e' => Kind::EmptyFolder,
            b'd' => Kind::Folder,
            _ => return None,
        };
        Some(Entry {
            depth: usize::from(depth),
            name,
            stamp,
            kind,
        })
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(*head)
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(head)
    }
}

fn is_name(name: &[u8]) -> bool {
    !matches!(name, b"" | b"." | b"..") && memchr::memchr(b'/', name).is_none()
}

/// Puts names together to paths, for entries in their order.
#[derive(Default)]
pub(super) struct Paths {
    path: Vec<u8>,
    /// Length of the path of each folder that the last entry is in.
    lengths: Vec<usize>,
}

impl Paths {
    /// The path of `entry`, the next one, relative to the tree.
    pub(super) fn of(&mut self, entry: &Entry<'_>) -> &[u8] {
        self.lengths.truncate(entry.depth);
        let folder = self.lengths.last().copied().unwrap_or(0);
        self.path.truncate(folder);
        if folder > 0 {
            self.path.push(b'/');
        }
        self.path.extend_from_slice(entry.name.to_bytes());
        if entry.kind == Kind::Folder {
            self.lengths.push(self.path.len());
        }
        &self.path
    }
}

/// Appends the entries of a tree. `None` when one of them has no such form: a name is too long, say.
///
/// Stamps that are racy by `clock` are left out.
pub(super) fn write(
    bytes: &mut Vec<u8>,
    clock: i64,
    records: &[Record],
    folders: &[Folder],
) -> Option<()> {
    let mut items: Vec<Item<'_>> = records.iter().map(Item::Record).collect();
    items.extend(folders.iter().map(Item::Folder));
    items.sort_by(|a, b| a.key().cmp(b.key()));
    for item in items {
        let (path, stamp) = (item.path(), item.stamp());
        let (depth, name) = match path.iter().rposition(|byte| *byte == b'/') {
            _ if path.is_empty() => (0, path),
            None => (1, path),
            Some(end) => (2 + slashes(&path[..end]), &path[end + 1..]),
        };
        bytes.push(item.letter());
        bytes.push(u8::try_from(depth).ok()?);
        bytes.push(u8::try_from(name.len()).ok()?);
        bytes.extend_from_slice(name);
        bytes.push(0);
        let stamp = if stamp.is_racy(clock) {
            Stamp::default()
        } else {
            stamp
        };
        bytes.extend_from_slice(&stamp.inode.to_le_bytes());
        bytes.extend_from_slice(&stamp.modified.to_le_bytes());
        bytes.extend_from_slice(&stamp.changed.to_le_bytes());
        match item {
            Item::Record(Record { content, .. }) => write_content(bytes, content)?,
            Item::Folder(_) => {}
        }
    }
    Some(())
}

fn write_content(bytes: &mut Vec<u8>, content: &Content) -> Option<()> {
    match content {
        Content::File { size, sha256, .. } => {
            bytes.extend_from_slice(&size.to_le_bytes());
            bytes.extend_from_slice(sha256.as_bytes());
        }
        Content::Symlink { target } => {
            bytes.extend_from_slice(&u16::try_from(target.len()).ok()?.to_le_bytes());
            bytes.extend_from_slice(target);
        }
        Content::EmptyFolder => {}
    }
    Some(())
}

fn slashes(path: &[u8]) -> usize {
    memchr::memchr_iter(b'/', path).count()
}

enum Item<'a> {
    Record(&'a Record),
    Folder(&'a Folder),
}

impl Item<'_> {
    fn path(&self) -> &[u8] {
        match self {
            Self::Record(Record { path, .. }) | Self::Folder(Folder { path, .. }) => path,
        }
    }

    fn stamp(&self) -> Stamp {
        match self {
            Self::Record(Record { stamp, .. }) | Self::Folder(Folder { stamp, .. }) => *stamp,
        }
    }

    fn letter(&self) -> u8 {
        match self {
            Self::Folder(_) => b'd',
            Self::Record(record) => match record.content {
                Content::File {
                    executable: false, ..
                } => b'f',
                Content::File {
                    executable: true, ..
                } => b'x',
                Content::Symlink { .. } => b'l',
                Content::EmptyFolder => b'e',
            },
        }
    }

    /// Orders a folder right before what is in it, and that as the digest is: by whole paths.
    fn key(&self) -> impl Iterator<Item = &u8> {
        let slash: &[u8] = match self {
            Self::Folder(folder) if !folder.path.is_empty() => b"/",
            _ => b"",
        };
        self.path().iter().chain(slash)
    }
}
