//! Walking a stored tree: what is there now.
//!
//! Lists every folder. Finds and hashes, decides nothing. Files whose stamp is as
//! recorded keep the recorded hash; special files are named and never opened.

use std::ffi::{CStr, CString};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, readlinkat};
use nix::sys::stat::{FileStat, fstat, fstatat};

use super::directory::{self, Beneath, MAX_DEPTH, is_file, is_folder, is_link};
use super::error::StoreError;
use super::record::{Content, Folder, Record, hash_stable};
use super::stamp::Stamp;
use crate::lockfile::Digest;

/// Most entries that are looked at; no tree of ours has as many.
const MAX_ENTRIES: usize = 1_000_000;

/// Depth of the folders that are shared out.
const SHARED_DEPTH: usize = 2;

/// A thread costs about as much as this many folders.
const FOLDERS_PER_THREAD: usize = 16;

const MAX_THREADS: usize = 8;

/// What a tree holds. All paths are relative to it.
#[derive(Default)]
pub(super) struct Scan {
    /// Sorted by path.
    pub(super) records: Vec<Record>,
    /// In no order; those without anything in them are records.
    pub(super) folders: Vec<Folder>,
    /// Devices, pipes and sockets.
    pub(super) special: Vec<Vec<u8>>,
    /// Files and folders with other permissions than the store gives.
    pub(super) loose: Vec<Vec<u8>>,
    /// Files.
    pub(super) files: usize,
    /// Bytes of all files.
    pub(super) bytes: u64,
    /// Folders, the tree itself included.
    pub(super) listed: usize,
    /// Files that were hashed, not recognised.
    pub(super) hashed: usize,
}

/// Walks `tree`. `known`, sorted by path, has the hashes of files whose stamps it has.
///
/// Nearly all of the time is the kernel's, looking up names. So the folders at
/// the second level (the packages in `node_modules`, mostly) are shared out to
/// a few threads when there are many.
///
/// # Errors
/// `None` in place of a scan when there is nothing at `tree`.
pub(super) fn scan(tree: &Path, known: &[Record]) -> Result<Option<Scan>, StoreError> {
    let root = match Beneath::open(tree) {
        Ok(root) => root,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(StoreError::io("open the tree", tree, e)),
    };
    let task = Task { tree, root, known };
    let mut top = Walk {
        postponed: Some(Vec::new()),
        ..Walk::new(&task)
    };
    let stat = fstat(task.root.root()).map_err(|e| top.failed(e))?;
    // The top may still be writable by its owner: that comes last when a tree is moved into place.
    if stat.st_mode & 0o022 != 0 {
        top.scan.loose.push(Vec::new());
    }
    top.folder_at(Vec::new())?;
    let mut scan = top.scan;
    for part in walk_all(&task, top.postponed.unwrap_or_default()) {
        scan.add(part?);
    }
    scan.records.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(Some(scan))
}

/// Walks folders by as many threads as are worth their while.
fn walk_all(task: &Task<'_>, folders: Vec<Vec<u8>>) -> Vec<Result<Scan, StoreError>> {
    let threads = match folders.len() / FOLDERS_PER_THREAD {
        // Asking how many processors there are costs as much as walking a small tree.
        0 | 1 => 1,
        useful => std::thread::available_parallelism()
            .map_or(1, usize::from)
            .min(MAX_THREADS)
            .min(useful),
    };
    let queue = Mutex::new(folders);
    // A list of paths is whole, whatever happened to the thread that had it last.
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).pop();
    let work = || {
        let mut walk = Walk::new(task);
        while let Some(folder) = next() {
            walk.folder_at(folder)?;
        }
        Ok(walk.scan)
    };
    // A thread that panicked met something unexpected: the tree is not verified.
    let panicked = || StoreError::io("walk", task.tree, io::Error::other("a thread panicked"));
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        let mut parts = vec![work()];
        parts.extend(
            others
                .into_iter()
                .map(|t| t.join().unwrap_or_else(|_| Err(panicked()))),
        );
        parts
    })
}

impl Scan {
    fn add(&mut self, mut part: Self) {
        self.records.append(&mut part.records);
        self.folders.append(&mut part.folders);
        self.special.append(&mut part.special);
        self.loose.append(&mut part.loose);
        self.files += part.files;
        self.bytes = self.bytes.saturating_add(part.bytes);
        self.listed += part.listed;
        self.hashed += part.hashed;
    }
}

/// What all threads of one scan share.
struct Task<'a> {
    tree: &'a Path,
    root: Beneath,
    known: &'a [Record],
}

/// Looks up what is known of a file. Made for a walk in the order of the records.
struct Recorded<'a> {
    records: &'a [Record],
    next: usize,
}

impl Recorded<'_> {
    fn find(&mut self, path: &[u8]) -> Option<(Stamp, Digest)> {
        let at = match self.records.get(self.next) {
            Some(record) if record.path == path => self.next,
            _ => self
                .records
                .binary_search_by(|record| record.path.as_slice().cmp(path))
                .ok()?,
        };
        self.next = at + 1;
        match &self.records.get(at)?.content {
            Content::File { sha256, .. } => Some((self.records[at].stamp, *sha256)),
            Content::Symlink { .. } | Content::EmptyFolder => None,
        }
    }
}

/// Orders the entries of a folder as the paths below them: `a.js` comes before `a/x`.
fn in_path_order((name, stat): &(CString, FileStat)) -> impl Iterator<Item = &u8> {
    let slash: &[u8] = if is_folder(stat.st_mode) { b"/" } else { b"" };
    name.to_bytes().iter().chain(slash)
}

/// The walk of one thread.
struct Walk<'a> {
    task: &'a Task<'a>,
    recorded: Recorded<'a>,
    seen: usize,
    path: Vec<u8>,
    /// Folders of the second level that were seen and not entered; `None` to enter them.
    postponed: Option<Vec<Vec<u8>>>,
    scan: Scan,
}

impl<'a> Walk<'a> {
    fn new(task: &'a Task<'a>) -> Self {
        Self {
            task,
            recorded: Recorded {
                records: task.known,
                next: 0,
            },
            seen: 0,
            path: Vec::new(),
            postponed: None,
            scan: Scan::default(),
        }
    }

    /// Walks the folder at a path of the tree; an empty path is the tree itself.
    fn folder_at(&mut self, path: Vec<u8>) -> Result<(), StoreError> {
        self.path = path;
        let folder = self
            .task
            .root
            .folder(self.path.as_slice())
            .and_then(|folder| Ok(Dir::from_fd(folder)?))
            .map_err(|e| StoreError::io("open", &self.here(), e))?;
        let depth = match self.path.as_slice() {
            b"" => 0,
            path => 1 + path.iter().filter(|byte| **byte == b'/').count(),
        };
        self.folder(folder, depth)
    }

    fn folder(&mut self, mut folder: Dir, depth: usize) -> Result<(), StoreError> {
        if depth > MAX_DEPTH {
            return Err(self.unbounded("folders are nested too deep"));
        }
        // Asked first: a name that is added or removed later leaves another stamp.
        let stamp = Stamp::from(&fstat(&folder).map_err(|e| self.failed(e))?);
        let names = directory::names_in(&mut folder, MAX_ENTRIES - self.seen)
            .map_err(|e| self.failed(e))?
            .ok_or_else(|| self.unbounded("there are more than a million files"))?;
        self.seen += names.len();
        self.scan.listed += 1;
        if names.is_empty() && !self.path.is_empty() {
            self.record(Content::EmptyFolder, stamp);
        } else {
            let path = self.path.clone();
            self.scan.folders.push(Folder { path, stamp });
        }
        let mut entries = Vec::with_capacity(names.len());
        for name in names {
            let stat = fstatat(&folder, name.as_c_str(), AtFlags::AT_SYMLINK_NOFOLLOW)
                .map_err(|e| self.failed(e))?;
            entries.push((name, stat));
        }
        entries.sort_unstable_by(|a, b| in_path_order(a).cmp(in_path_order(b)));
        let length = self.path.len();
        for (name, stat) in entries {
            if length > 0 {
                self.path.push(b'/');
            }
            self.path.extend_from_slice(name.to_bytes());
            self.entry(&folder, &name, &stat, depth)?;
            self.path.truncate(length);
        }
        Ok(())
    }

    fn entry(
        &mut self,
        folder: &Dir,
        name: &CStr,
        stat: &FileStat,
        depth: usize,
    ) -> Result<(), StoreError> {
        let mode = stat.st_mode & 0o7777;
        if is_folder(stat.st_mode) {
            if mode != directory::READ_ONLY_FOLDER.bits() {
                self.scan.loose.push(self.path.clone());
            }
            if let Some(postponed) = self
                .postponed
                .as_mut()
                .filter(|_| depth + 1 == SHARED_DEPTH)
            {
                postponed.push(self.path.clone());
                return Ok(());
            }
            let inner = directory::open_folder_at(folder, name)
                .and_then(Dir::from_fd)
                .map_err(|e| self.failed(e))?;
            self.folder(inner, depth + 1)?;
        } else if is_link(stat.st_mode) {
            let target = readlinkat(folder, name).map_err(|e| self.failed(e))?;
            let target = target.as_bytes().to_vec();
            self.record(Content::Symlink { target }, Stamp::from(stat));
        } else if is_file(stat.st_mode) {
            if mode != directory::READ_ONLY.bits() && mode != directory::EXECUTABLE.bits() {
                self.scan.loose.push(self.path.clone());
            }
            self.file(folder, name, stat)?;
        } else {
            self.scan.special.push(self.path.clone());
        }
        Ok(())
    }

    fn file(&mut self, folder: &Dir, name: &CStr, stat: &FileStat) -> Result<(), StoreError> {
        let stamp = Stamp::from(stat);
        let recorded = self
            .recorded
            .find(&self.path)
            .filter(|(recorded, _)| recorded.vouches_for(&stamp));
        let (sha256, stamp) = match recorded {
            Some((_, sha256)) => (sha256, stamp),
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

    fn hash(&mut self, folder: &Dir, name: &CStr) -> Result<(Digest, Stamp), StoreError> {
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

    fn record(&mut self, content: Content, stamp: Stamp) {
        self.scan.records.push(Record {
            path: self.path.clone(),
            content,
            stamp,
        });
    }

    fn here(&self) -> PathBuf {
        self.task.tree.join(std::ffi::OsStr::from_bytes(&self.path))
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
