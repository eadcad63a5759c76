//! The folder of the log: its files, their names, and the lock that writers take in turn.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{
    DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _,
};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use rustix::fs::{FlockOperation, flock};

use super::error::AuditError;

const CURRENT: &str = "audit.jsonl";
/// Between two looks at a lock that another process holds: doubled each time, because hundreds that
/// look all the time leave the one that has it no processor.
const FIRST_PAUSE: Duration = Duration::from_micros(200);
const LONGEST_PAUSE: Duration = Duration::from_millis(5);

/// `$XDG_STATE_HOME/pinfold/audit`
#[derive(Clone, Debug)]
pub(super) struct Folder {
    path: PathBuf,
}

/// The right to write, given back when it is dropped (flock(2)).
#[derive(Debug)]
pub(super) struct Held(Arc<File>);

impl Drop for Held {
    fn drop(&mut self) {
        // Else it ends with the descriptor.
        let _ = flock(&self.0, FlockOperation::Unlock);
    }
}

/// A file of records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RecordFile {
    pub(super) path: PathBuf,
    /// The number of its first record, as its name says; `None` of the current one.
    pub(super) first: Option<u64>,
}

impl Folder {
    pub(super) fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
        }
    }

    /// Makes it when it isn't there; in any case nobody else may look into it afterwards.
    pub(super) fn create(&self) -> Result<(), AuditError> {
        let failed = || AuditError::io(&self.path);
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.path)
            .map_err(failed())?;
        let found = fs::symlink_metadata(&self.path).map_err(failed())?;
        if !found.is_dir() || !is_mine(found.uid()) {
            return Err(AuditError::Foreign {
                path: self.path.clone(),
            });
        }
        if found.mode() & 0o077 != 0 {
            fs::set_permissions(&self.path, fs::Permissions::from_mode(0o700)).map_err(failed())?;
        }
        Ok(())
    }

    pub(super) fn exists(&self) -> bool {
        self.path.is_dir()
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn current(&self) -> PathBuf {
        self.path.join(CURRENT)
    }

    pub(super) fn head(&self) -> PathBuf {
        self.path.join("head")
    }

    pub(super) fn rotated(&self, first: u64) -> PathBuf {
        self.path.join(format!("audit-{first:08}.jsonl"))
    }

    /// Where the beginning of a record is kept whose end was never written.
    pub(super) fn torn(&self, seq: u64, digest: &str) -> PathBuf {
        let digest = digest.get(..8).unwrap_or_default();
        self.path.join(format!("torn-{seq:08}-{digest}"))
    }

    /// Files of records in order, the current one last if it is there.
    pub(super) fn files(&self) -> Result<Vec<RecordFile>, AuditError> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.path).map_err(AuditError::io(&self.path))? {
            let entry = entry.map_err(AuditError::io(&self.path))?;
            let name = entry.file_name();
            let number = name.to_str().and_then(|name| {
                let digits = name.strip_prefix("audit-")?.strip_suffix(".jsonl")?;
                let all_digits = digits.bytes().all(|byte| byte.is_ascii_digit());
                all_digits.then(|| digits.parse::<u64>().ok())?
            });
            if number.is_some() {
                files.push(RecordFile {
                    path: entry.path(),
                    first: number,
                });
            }
        }
        files.sort_by_key(|file| file.first);
        let current = self.current();
        if current.symlink_metadata().is_ok() {
            files.push(RecordFile {
                path: current,
                first: None,
            });
        }
        Ok(files)
    }

    /// Opens for reading and, with `write`, for writing; made when it isn't there and `write`.
    pub(super) fn open(&self, path: &Path, write: bool) -> Result<File, AuditError> {
        let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
        let file = OpenOptions::new()
            .read(true)
            .write(write)
            .create(write)
            .truncate(false)
            .mode(0o600)
            .custom_flags(flags.bits())
            .open(path)
            .map_err(|source| match source.raw_os_error() {
                Some(code) if code == Errno::ELOOP as i32 => AuditError::Foreign {
                    path: path.to_owned(),
                },
                _ => AuditError::Io {
                    path: path.to_owned(),
                    source,
                },
            })?;
        let found = file.metadata().map_err(AuditError::io(path))?;
        if !found.is_file() || !is_mine(found.uid()) {
            return Err(AuditError::Foreign {
                path: path.to_owned(),
            });
        }
        Ok(file)
    }

    pub(super) fn lock_path(&self) -> PathBuf {
        self.path.join("lock")
    }

    pub(super) fn lock_file(&self) -> Result<Arc<File>, AuditError> {
        self.open(&self.lock_path(), true).map(Arc::new)
    }

    /// Waits until nobody else holds the lock, at most so long. It ends with the process.
    pub(super) fn lock(&self, file: Arc<File>, patience: Duration) -> Result<Held, AuditError> {
        let path = self.lock_path();
        let start = Instant::now();
        let mut pause = FIRST_PAUSE;
        // So that those who came together don't come back together.
        let apart = Duration::from_micros(
            u64::from(nix::unistd::getpid().as_raw().unsigned_abs() % 16) * 50,
        );
        loop {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(Held(file)),
                Err(rustix::io::Errno::WOULDBLOCK | rustix::io::Errno::INTR) => {}
                Err(errno) => return Err(AuditError::io(path)(errno.into())),
            }
            if start.elapsed() >= patience {
                return Err(AuditError::Busy { path });
            }
            thread::sleep(pause + apart);
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Makes new and renamed names last (fsync(2) of the folder).
    pub(super) fn sync(&self) -> Result<(), AuditError> {
        let synced: io::Result<()> = File::open(&self.path).and_then(|folder| folder.sync_all());
        synced.map_err(AuditError::io(&self.path))
    }
}

fn is_mine(owner: u32) -> bool {
    owner == nix::unistd::geteuid().as_raw()
}
