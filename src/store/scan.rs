//! Walking a stored tree: what is there now.
//!
//! Finds and hashes, decides nothing. Files whose stamp is as recorded keep the
//! recorded hash; special files are named and never opened.

use std::collections::HashMap;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, readlinkat};
use nix::sys::stat::{FileStat, fstat, fstatat};

use super::directory::{self, MAX_DEPTH, is_file, is_folder, is_link};
use super::error::StoreError;
use super::index::Index;
use super::record::{Content, Record, hash_stable};
use super::stamp::FileStamp;
use crate::lockfile::Digest;

/// Most entries that are looked at; no tree of ours has as many.
const MAX_ENTRIES: usize = 1_000_000;

/// What a tree holds. All paths are relative to it.
#[derive(Default)]
pub(super) struct Scan {
    /// Sorted by path.
    pub(super) records: Vec<Record>,
    /// Devices, pipes and sockets.
    pub(super) special: Vec<Vec<u8>>,
    /// Files and folders with other permissions than the store gives.
    pub(super) loose: Vec<Vec<u8>>,
    /// Files.
    pub(super) files: usize,
    /// Bytes of all files.
    pub(super) bytes: u64,
    /// Files that were hashed, not recognised.
    pub(super) hashed: usize,
}

/// Walks `tree`. `before_hashing` is called once, before the first file is hashed.
///
/// # Errors
/// `None` in place of a scan when there is nothing at `tree`.
pub(super) fn scan(
    tree: &Path,
    known: Option<&Index>,
    before_hashing: &mut dyn FnMut(),
) -> Result<Option<Scan>, StoreError> {
    let root = match directory::open_folder(tree) {
        Ok(root) => root,
        Err(Errno::ENOENT) => return Ok(None),
        Err(e) => return Err(StoreError::io("open the tree", tree, e)),
    };
    let mut recorded = HashMap::new();
    for record in known
        .map(|index| index.records.as_slice())
        .unwrap_or_default()
    {
        if let Content::File { sha256, .. } = record.content {
            recorded.insert(record.path.as_slice(), (record.stamp, sha256));
        }
    }
    let clock = known.map_or(0, |index| index.clock);
    let mut walk = Walk {
        tree,
        recorded,
        clock,
        before_hashing,
        seen: 0,
        path: Vec::new(),
        scan: Scan::default(),
    };
    let stat = fstat(&root).map_err(|e| walk.failed(e))?;
    // The top may still be writable by its owner: that comes last when a tree is moved into place.
    if stat.st_mode & 0o022 != 0 {
        walk.scan.loose.push(Vec::new());
    }
    let root = Dir::from_fd(root).map_err(|e| walk.failed(e))?;
    walk.folder(root, 0)?;
    let mut scan = walk.scan;
    scan.records.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    Ok(Some(scan))
}

struct Walk<'a> {
    tree: &'a Path,
    recorded: HashMap<&'a [u8], (FileStamp, Digest)>,
    clock: i64,
    before_hashing: &'a mut dyn FnMut(),
    seen: usize,
    path: Vec<u8>,
    scan: Scan,
}

impl Walk<'_> {
    fn folder(&mut self, mut folder: Dir, depth: usize) -> Result<(), StoreError> {
        if depth > MAX_DEPTH {
            return Err(self.unbounded("folders are nested too deep"));
        }
        let names = directory::names_in(&mut folder, MAX_ENTRIES - self.seen)
            .map_err(|e| self.failed(e))?
            .ok_or_else(|| self.unbounded("there are more than a million files"))?;
        self.seen += names.len();
        if names.is_empty() && !self.path.is_empty() {
            self.record(Content::EmptyFolder, FileStamp::default());
        }
        let length = self.path.len();
        for name in names {
            if length > 0 {
                self.path.push(b'/');
            }
            self.path.extend_from_slice(name.to_bytes());
            self.entry(&folder, &name, depth)?;
            self.path.truncate(length);
        }
        Ok(())
    }

    fn entry(
        &mut self,
        folder: &Dir,
        name: &std::ffi::CStr,
        depth: usize,
    ) -> Result<(), StoreError> {
        let stat =
            fstatat(folder, name, AtFlags::AT_SYMLINK_NOFOLLOW).map_err(|e| self.failed(e))?;
        let mode = stat.st_mode & 0o7777;
        if is_folder(stat.st_mode) {
            if mode != directory::READ_ONLY_FOLDER.bits() {
                self.scan.loose.push(self.path.clone());
            }
            let inner = directory::open_folder_at(folder, name)
                .and_then(Dir::from_fd)
                .map_err(|e| self.failed(e))?;
            self.folder(inner, depth + 1)?;
        } else if is_link(stat.st_mode) {
            let target = readlinkat(folder, name).map_err(|e| self.failed(e))?;
            let target = target.as_bytes().to_vec();
            self.record(Content::Symlink { target }, FileStamp::default());
        } else if is_file(stat.st_mode) {
            if mode != directory::READ_ONLY.bits() && mode != directory::EXECUTABLE.bits() {
                self.scan.loose.push(self.path.clone());
            }
            self.file(folder, name, &stat)?;
        } else {
            self.scan.special.push(self.path.clone());
        }
        Ok(())
    }

    fn file(
        &mut self,
        folder: &Dir,
        name: &std::ffi::CStr,
        stat: &FileStat,
    ) -> Result<(), StoreError> {
        let stamp = FileStamp::from(stat);
        let recorded = self
            .recorded
            .get(self.path.as_slice())
            .filter(|(recorded, _)| *recorded == stamp && !stamp.is_racy(self.clock));
        let (sha256, stamp) = match recorded {
            Some((_, sha256)) => (*sha256, stamp),
            None => self.hash(folder, name)?,
        };
        self.scan.files += 1;
        self.scan.bytes = self.scan.bytes.saturating_add(stamp.size);
        let executable = stat.st_mode & 0o111 != 0;
        self.record(
            Content::File {
                executable,
                size: stamp.size,
                sha256,
            },
            stamp,
        );
        Ok(())
    }

    fn hash(
        &mut self,
        folder: &Dir,
        name: &std::ffi::CStr,
    ) -> Result<(Digest, FileStamp), StoreError> {
        if self.scan.hashed == 0 {
            (self.before_hashing)();
        }
        self.scan.hashed += 1;
        let file = directory::open_file_at(folder, name).map_err(|e| self.failed(e))?;
        let stat = fstat(&file).map_err(|e| self.failed(e))?;
        if !is_file(stat.st_mode) {
            return Err(StoreError::Unstable { path: self.here() });
        }
        hash_stable(&file)
            .map_err(|e| StoreError::io("read", &self.here(), e))?
            .ok_or_else(|| StoreError::Unstable { path: self.here() })
    }

    fn record(&mut self, content: Content, stamp: FileStamp) {
        self.scan.records.push(Record {
            path: self.path.clone(),
            content,
            stamp,
        });
    }

    fn here(&self) -> PathBuf {
        self.tree.join(std::ffi::OsStr::from_bytes(&self.path))
    }

    fn failed(&self, error: Errno) -> StoreError {
        StoreError::io("read", &self.here(), error)
    }

    fn unbounded(&self, limit: &'static str) -> StoreError {
        StoreError::Unbounded {
            path: self.here(),
            limit,
        }
    }
}
