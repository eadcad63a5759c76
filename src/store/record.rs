//! What a tree consists of, and the digest over it.
//!
//! Pure apart from hashing. The form that is digested is frozen: a changed byte
//! here is another digest for every tree that people have locked.

use std::fs::File;
use std::io::{self, Read, Write as _};

use sha2::Digest as _;

use super::stamp::Stamp;
use crate::lockfile::Digest;

/// First line of what is digested; the number is the version of the form.
const HEADING: &[u8] = b"pinfold-tree-v1\n";

/// One entry of a tree. Folders are entries only when they are empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    /// Relative to the tree, components separated by one slash.
    pub(super) path: Vec<u8>,
    pub(super) content: Content,
    /// As it was when the content was hashed; all zeros when it is not known. Not digested.
    pub(super) stamp: Stamp,
}

/// A folder with something in it, or the tree itself. Not digested: the paths of what it holds name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Folder {
    /// Relative to the tree; empty for the tree itself.
    pub(super) path: Vec<u8>,
    /// As it was before its names were read.
    pub(super) stamp: Stamp,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Content {
    File {
        executable: bool,
        size: u64,
        sha256: Digest,
    },
    Symlink {
        target: Vec<u8>,
    },
    EmptyFolder,
}

/// The digest of a tree: sha256 over a heading and one record per entry, sorted by the path's bytes.
///
/// - a file is `f x SIZE HEX PATH\0`, with `-` for `x` when it is not executable;
/// - a link is `l TARGET\0PATH\0`;
/// - an empty folder is `d PATH\0`.
///
/// SIZE is decimal, HEX 64 lower-case digits. Neither path nor target can hold
/// a NUL, so no two trees have the same form. `records` must be sorted.
pub(super) fn tree_digest<'a>(records: impl IntoIterator<Item = &'a Record>) -> Digest {
    let mut digest = TreeDigest::default();
    for Record { path, content, .. } in records {
        match content {
            Content::File {
                executable,
                size,
                sha256,
            } => digest.file(path, *executable, *size, sha256),
            Content::Symlink { target } => digest.link(path, target),
            Content::EmptyFolder => digest.empty_folder(path),
        }
    }
    digest.finish()
}

/// [`tree_digest`], one entry after the other.
pub(super) struct TreeDigest {
    hasher: sha2::Sha256,
    /// Not hashed yet: many short lines are hashed faster together.
    pending: Vec<u8>,
}

const HASHED_TOGETHER: usize = 1 << 13;

impl Default for TreeDigest {
    fn default() -> Self {
        let mut pending = Vec::with_capacity(2 * HASHED_TOGETHER);
        pending.extend_from_slice(HEADING);
        Self {
            hasher: sha2::Sha256::new(),
            pending,
        }
    }
}

impl TreeDigest {
    pub(super) fn file(&mut self, path: &[u8], executable: bool, size: u64, sha256: &Digest) {
        let start = if executable { b"f x " } else { b"f - " };
        self.pending.extend_from_slice(start);
        // Writing to a vector can't fail.
        let _ = write!(self.pending, "{size} ");
        self.pending.extend_from_slice(&sha256.hex_digits());
        self.pending.push(b' ');
        self.end(path);
    }

    pub(super) fn link(&mut self, path: &[u8], target: &[u8]) {
        self.pending.extend_from_slice(b"l ");
        self.pending.extend_from_slice(target);
        self.pending.push(0);
        self.end(path);
    }

    pub(super) fn empty_folder(&mut self, path: &[u8]) {
        self.pending.extend_from_slice(b"d ");
        self.end(path);
    }

    fn end(&mut self, path: &[u8]) {
        self.pending.extend_from_slice(path);
        self.pending.push(0);
        if self.pending.len() >= HASHED_TOGETHER {
            self.hasher.update(&self.pending);
            self.pending.clear();
        }
    }

    pub(super) fn finish(mut self) -> Digest {
        self.hasher.update(&self.pending);
        Digest::from_bytes(self.hasher.finalize().into())
    }
}

/// The digest and length of everything that `reader` yields.
pub(super) fn hash(reader: &mut impl Read) -> io::Result<(Digest, u64)> {
    let mut hasher = sha2::Sha256::new();
    let mut buffer = vec![0; 1 << 17];
    let mut size = 0;
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok((Digest::from_bytes(hasher.finalize().into()), size)),
            Ok(n) => {
                hasher.update(&buffer[..n]);
                size += n as u64;
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}

/// Hashes a file; `None` when it was changed while it was read.
pub(super) fn hash_stable(mut file: &File) -> io::Result<Option<(Digest, Stamp)>> {
    let before = Stamp::of(file)?;
    let (digest, size) = hash(&mut file)?;
    let after = Stamp::of(file)?;
    Ok((before == after && size == after.size).then_some((digest, after)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(path: &str, content: Content) -> Record {
        Record {
            path: path.into(),
            content,
            stamp: Stamp::default(),
        }
    }

    /// Frozen: computed once by hand with `printf … | sha256sum`.
    #[test]
    fn the_digested_form_is_as_documented() {
        assert_eq!(tree_digest([]), Digest::of(b"pinfold-tree-v1\n"));
        let empty = Digest::of(b"");
        let records = [
            record("bin", Content::EmptyFolder),
            record(
                "x",
                Content::File {
                    executable: true,
                    size: 0,
                    sha256: empty,
                },
            ),
            record(
                "y",
                Content::Symlink {
                    target: b"x".to_vec(),
                },
            ),
            record(
                "z",
                Content::File {
                    executable: false,
                    size: 12,
                    sha256: empty,
                },
            ),
        ];
        let hex = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let form = format!("pinfold-tree-v1\nd bin\0f x 0 {hex} x\0l x\0y\0f - 12 {hex} z\0");
        assert_eq!(tree_digest(&records), Digest::of(form.as_bytes()));
        assert_eq!(
            tree_digest(&records).hex(),
            "d6c3521581610ba6f471d6bf62e267f95c45d6d15d474ebfc068512569f36a99"
        );
    }
}
