//! Appending: a record or a few at a time, by any number of processes, in files that are rotated.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::{Duration, SystemTime};

use super::chain::{Anchor, Link, MAX_LINE};
use super::error::AuditError;
use super::folder::{Folder, RecordFile};
use super::head::{Head, HeadFile, boot};
use super::lines::Lines;
use super::record::{Record, Sync, Torn, Who};
use super::repair::{Judged, Scanned, judge, scan};
use crate::lockfile::Digest;

/// For a process that holds the lock. An append takes less than a millisecond, with a disk that
/// has to be waited for some tens of them; on a busy machine the one that has it waits for its turn of
/// a processor, and 300 sessions that call at once wait for each other.
const PATIENCE: Duration = Duration::from_secs(5);
const SHORT_PATIENCE: Duration = Duration::from_millis(50);
/// Records that one append may have; see `repair::foreign`.
pub(super) const MAX_BATCH: usize = 64;

/// As long as most records, in bytes.
const TYPICAL: usize = 512;

/// When a file is full, and how many full ones are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes.
    pub max_size: u64,
    /// Files beside the current one; `None` keeps all.
    pub keep: Option<usize>,
}

/// The log, for one writer. Others may write it at the same time.
#[derive(Debug)]
pub struct AuditLog {
    folder: Folder,
    limits: Limits,
    boot: u64,
    lock: Arc<File>,
    /// Shorter once it was in vain, so that nobody waits again and again.
    patience: Duration,
    syncer: Syncer,
    /// As the last append of this writer left it.
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    current: File,
    head_file: File,
    head: Head,
}

impl AuditLog {
    /// Opens the log, made when it isn't there, and sees that it can be written.
    ///
    /// # Errors
    /// When it can't.
    pub fn open(folder: &Path, limits: Limits) -> Result<Self, AuditError> {
        let folder = Folder::new(folder);
        folder.create()?;
        let mut log = Self {
            lock: folder.lock_file()?,
            folder,
            limits,
            boot: boot(),
            patience: PATIENCE,
            syncer: Syncer::default(),
            open: None,
        };
        let _held = log.folder.lock(Arc::clone(&log.lock), PATIENCE)?;
        log.open = Some(log.settled()?);
        Ok(log)
    }

    /// Appends a record. When it returns, the record outlives every process of the machine, and
    /// where that is said of its kind (`Sync::Now`) a power loss, too.
    ///
    /// # Errors
    /// When it can't be written; nothing of it is in the log then, unless it is the disk itself
    /// that fails.
    pub fn append(&mut self, who: &Who, record: &Record) -> Result<Anchor, AuditError> {
        self.append_all(who, &[record])
    }

    /// As [`Self::append`], of at most [`MAX_BATCH`] records, one behind the other: all of them or
    /// none.
    pub(super) fn append_all(
        &mut self,
        who: &Who,
        records: &[&Record],
    ) -> Result<Anchor, AuditError> {
        let appended = self.append_now(who, records);
        self.patience = match appended {
            Ok(_) => PATIENCE,
            Err(_) => SHORT_PATIENCE,
        };
        appended
    }

    fn append_now(&mut self, who: &Who, records: &[&Record]) -> Result<Anchor, AuditError> {
        // When something goes wrong, the next append looks at everything again.
        let before = self.open.take();
        let held = self.folder.lock(Arc::clone(&self.lock), self.patience)?;
        let mut open = match before {
            Some(open) if self.is_unchanged(&open) => open,
            _ => self.settled()?,
        };
        let mut lines = Lined::of(who, records, &open.head)?;
        let is_full = open.head.end + lines.bytes.len() as u64 > self.limits.max_size;
        if open.head.end > 0 && is_full && self.rotate(&mut open)? {
            lines = Lined::of(who, records, &open.head)?;
        }
        self.write(&mut open, lines)?;
        let anchor = open.head.last;
        // Others need not wait for the disk.
        drop(held);
        match records.iter().map(|record| record.sync()).max() {
            Some(Sync::Now) => open
                .current
                .sync_data()
                .map_err(AuditError::io(self.folder.current()))?,
            Some(Sync::Soon) => self.syncer.sync(&open.current),
            Some(Sync::Later) | None => {}
        }
        self.open = Some(open);
        Ok(anchor)
    }

    /// Whether the current file is the one that this writer knows.
    fn is_unchanged(&self, open: &Open) -> bool {
        fs::symlink_metadata(self.folder.current())
            .is_ok_and(|found| found.ino() == open.head.inode && found.len() == open.head.end)
    }

    /// Opens the files; finds out what the last record is; reports and mends what is not in order.
    fn settled(&self) -> Result<Open, AuditError> {
        let head_path = self.folder.head();
        let files = self.folder.files()?;
        let head_file = self.folder.open(&head_path, true)?;
        let said = HeadFile::of(&head_file).map_err(AuditError::io(&head_path))?;
        let head = said.head();
        let current_path = self.folder.current();
        let current = self.folder.open(&current_path, true)?;
        let found = current.metadata().map_err(AuditError::io(&current_path))?;
        if let Some(head) = head
            && (head.inode, head.end) == (found.ino(), found.len())
        {
            return Ok(Open {
                current,
                head_file,
                head,
            });
        }
        let scanned = self.scan(&files, &current, found.len(), head.as_ref())?;
        let any_files = said == HeadFile::Damaged || files.iter().any(|file| !is_empty(file));
        let Judged {
            before,
            missing,
            altered,
            foreign,
            head_lost,
        } = judge(head.as_ref(), &scanned, any_files, self.boot);
        let oldest = head.map_or_else(|| self.oldest_there(&files), |head| head.oldest);
        let torn = self.set_aside(&current, scanned.end, found.len(), before.seq + 1)?;
        let mut open = Open {
            current,
            head_file,
            head: Head {
                last: before,
                oldest: oldest.max(1),
                inode: found.ino(),
                end: scanned.end,
                boot: self.boot,
                batch: 0,
                second: head.is_some_and(|head| head.second),
            },
        };
        let is_changed = missing.is_some() || altered.is_some() || foreign.is_some() || head_lost;
        if is_changed || torn.is_some() {
            let restarted = head.is_some_and(|head| head.boot != self.boot);
            let repair = Record::Repair {
                torn,
                missing,
                altered,
                foreign,
                head_lost,
                restarted,
            };
            let lines = Lined::of(&Who::default(), &[&repair], &open.head)?;
            self.write(&mut open, lines)?;
        } else {
            // Also of a log that has no record yet: it has a head from then on.
            open.head.write(&open.head_file, &self.folder)?;
            if files.is_empty() {
                self.folder.sync()?;
            }
        }
        Ok(open)
    }

    /// What the current file holds; where it holds no record, the one before it.
    /// `end` is always of the current file.
    fn scan(
        &self,
        files: &[RecordFile],
        current: &File,
        length: u64,
        head: Option<&Head>,
    ) -> Result<Scanned, AuditError> {
        let path = self.folder.current();
        let reopened = self.folder.open(&path, false)?;
        // Only what is behind the head has to be read, if that is still where it was.
        if let Some(head) = head
            && head.inode == current.metadata().map_err(AuditError::io(&path))?.ino()
            && length > head.end
            && ends_with(current, head).map_err(AuditError::io(&path))?
        {
            let behind =
                scan(reopened, head.end, length, Some(head)).map_err(AuditError::io(&path))?;
            if behind.last.is_none() {
                return Ok(Scanned {
                    last: Some(Link {
                        seq: head.last.seq,
                        prev: head.last.hash,
                        hash: head.last.hash,
                    })
                    .filter(|_| head.last.seq > 0),
                    ..behind
                });
            }
            return Ok(behind);
        }
        let found = scan(reopened, 0, length, head).map_err(AuditError::io(&path))?;
        if found.last.is_some() {
            return Ok(found);
        }
        let Some(before) = files.iter().rev().find(|file| file.first.is_some()) else {
            return Ok(found);
        };
        let file = self.folder.open(&before.path, false)?;
        let length = file.metadata().map_err(AuditError::io(&before.path))?.len();
        let earlier = scan(file, 0, length, head).map_err(AuditError::io(&before.path))?;
        Ok(Scanned {
            end: found.end,
            ..earlier
        })
    }

    /// The number of the first record that is there.
    fn oldest_there(&self, files: &[RecordFile]) -> u64 {
        let first = files.iter().find_map(|file| self.first_link(&file.path));
        first.map_or(1, |link| link.seq)
    }

    fn first_link(&self, path: &Path) -> Option<Link> {
        let file = self.folder.open(path, false).ok()?;
        let length = file.metadata().ok()?.len();
        Lines::between(file, 0, length).ok()?.next().ok()??.link()
    }

    /// Puts what is behind the last record into a file of its own, and takes it away here.
    fn set_aside(
        &self,
        current: &File,
        from: u64,
        to: u64,
        seq: u64,
    ) -> Result<Option<Torn>, AuditError> {
        if from >= to {
            return Ok(None);
        }
        let failed = || AuditError::io(self.folder.current());
        let digest = digest_of(current, from, to).map_err(failed())?.hex();
        let path = self.folder.torn(seq, &digest);
        let mut kept = self.folder.open(&path, true)?;
        kept.set_len(0).map_err(AuditError::io(&path))?;
        for_each_block(current, from, to, |block| kept.write_all(block))
            .and_then(|()| kept.sync_all())
            .map_err(AuditError::io(&path))?;
        current.set_len(from).map_err(failed())?;
        let name = path.file_name().unwrap_or_default();
        Ok(Some(Torn {
            bytes: to - from,
            sha256: digest,
            kept_as: name.to_string_lossy().into_owned(),
        }))
    }

    fn write(&self, open: &mut Open, lines: Lined) -> Result<(), AuditError> {
        let (old_end, old_boot) = (open.head.end, open.head.boot);
        if lines.count > 1 {
            // What a kill leaves is told from what somebody else put there by its number.
            open.head.batch = lines.count;
            open.head.write(&open.head_file, &self.folder)?;
        }
        let written = open
            .current
            .write_all_at(&lines.bytes, old_end)
            .map_err(AuditError::io(self.folder.current()));
        let mut head = Head {
            last: lines.last,
            end: old_end + lines.bytes.len() as u64,
            boot: self.boot,
            batch: 0,
            ..open.head
        };
        let written = written.and_then(|()| head.write(&open.head_file, &self.folder));
        if let Err(error) = written {
            // A record that was not written whole must not be found later as if it had been.
            let _ = open.current.set_len(old_end);
            open.head.boot = old_boot;
            return Err(error);
        }
        open.head = head;
        Ok(())
    }

    /// The current file gets the number of its first record as its name; a new one begins; those
    /// beyond the number that is kept are removed. Whether it was done.
    fn rotate(&self, open: &mut Open) -> Result<bool, AuditError> {
        let current = self.folder.current();
        let first = self.first_link(&current);
        let name = self
            .folder
            .rotated(first.map_or(open.head.last.seq, |link| link.seq));
        if name.symlink_metadata().is_ok() {
            // Nobody but somebody else has put it there; it is not overwritten.
            return Ok(false);
        }
        open.current.sync_data().map_err(AuditError::io(&current))?;
        fs::rename(&current, &name).map_err(AuditError::io(&name))?;
        open.current = self.folder.open(&current, true)?;
        let found = open.current.metadata().map_err(AuditError::io(&current))?;
        open.head.inode = found.ino();
        open.head.end = found.len();
        self.folder.sync()?;
        self.remove_oldest(open)?;
        Ok(true)
    }

    fn remove_oldest(&self, open: &mut Open) -> Result<(), AuditError> {
        let Some(keep) = self.limits.keep else {
            return Ok(());
        };
        let mut rotated = self.folder.files()?;
        rotated.retain(|file| file.first.is_some());
        if rotated.len() <= keep {
            return Ok(());
        }
        let kept = rotated.split_off(rotated.len() - keep);
        let through = match kept.first() {
            None => open.head.last,
            Some(next) => match self.first_link(&next.path) {
                Some(link) => Anchor {
                    seq: link.seq.saturating_sub(1),
                    hash: link.prev,
                },
                None => Anchor {
                    seq: next.first.unwrap_or(1).saturating_sub(1),
                    ..Anchor::NONE
                },
            },
        };
        let names = rotated.iter().filter_map(|file| {
            let name = file.path.file_name()?;
            Some(name.to_string_lossy().into_owned())
        });
        let retention = Record::Retention {
            through_seq: through.seq,
            through_hash: through.hash.hex(),
            files: names.collect(),
        };
        open.head.oldest = through.seq + 1;
        let lines = Lined::of(&Who::default(), &[&retention], &open.head)?;
        self.write(open, lines)?;
        let path = self.folder.current();
        open.current.sync_data().map_err(AuditError::io(path))?;
        for file in rotated {
            // One that stays is removed the next time; the record says that it is not needed.
            let _ = fs::remove_file(&file.path);
        }
        Ok(())
    }
}

/// Records as they are written, each hanging on the one before.
struct Lined {
    bytes: Vec<u8>,
    count: u64,
    /// The last of them.
    last: Anchor,
}

impl Lined {
    fn of(who: &Who, records: &[&Record], after: &Head) -> Result<Self, AuditError> {
        let mut lines = Self {
            bytes: Vec::with_capacity(TYPICAL * records.len()),
            count: 0,
            last: after.last,
        };
        let time = humantime::format_rfc3339_micros(SystemTime::now()).to_string();
        for record in records {
            let start = lines.bytes.len();
            record.write(who, &lines.last, &time, &mut lines.bytes)?;
            let line = lines.bytes.get(start..lines.bytes.len() - 1);
            lines.last = Anchor {
                seq: lines.last.seq + 1,
                hash: Digest::of(line.unwrap_or_default()),
            };
            lines.count += 1;
        }
        Ok(lines)
    }
}

/// Forces records onto the disk in a thread of its own, which ends with the log.
#[derive(Debug, Default)]
struct Syncer(Option<SyncSender<File>>);

impl Syncer {
    fn sync(&mut self, file: &File) {
        let Ok(file) = file.try_clone() else { return };
        let sender = self.0.get_or_insert_with(|| {
            let (sender, files) = sync_channel::<File>(1);
            let work = move || {
                for file in files {
                    if let Err(error) = file.sync_data() {
                        tracing::warn!("the audit log could not be forced onto the disk: {error}");
                    }
                }
            };
            // Without the thread the kernel gets to it by itself, later.
            let _ = std::thread::Builder::new()
                .name("audit".to_owned())
                .spawn(work);
            sender
        });
        // When one waits already, it will be for this record, too.
        let _ = sender.try_send(file);
    }
}

/// Whether the line that ends where the head says is the one that it says.
fn ends_with(current: &File, head: &Head) -> io::Result<bool> {
    let length = head.end.min(MAX_LINE as u64);
    let mut window = vec![0; usize::try_from(length).unwrap_or(MAX_LINE)];
    current.read_exact_at(&mut window, head.end - length)?;
    let Some((b'\n', text)) = window.split_last() else {
        return Ok(head.end == 0);
    };
    let start = memchr::memrchr(b'\n', text).map_or(0, |at| at + 1);
    Ok(Digest::of(text.get(start..).unwrap_or_default()) == head.last.hash)
}

fn is_empty(file: &RecordFile) -> bool {
    fs::metadata(&file.path).is_ok_and(|found| found.len() == 0)
}

fn digest_of(file: &File, from: u64, to: u64) -> io::Result<Digest> {
    use sha2::Digest as _;
    let mut hasher = sha2::Sha256::new();
    for_each_block(file, from, to, |block| {
        hasher.update(block);
        Ok(())
    })?;
    Ok(Digest::from_bytes(hasher.finalize().into()))
}

fn for_each_block(
    file: &File,
    mut from: u64,
    to: u64,
    mut each: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<()> {
    let mut block = vec![0; 64 << 10];
    while from < to {
        let most = usize::try_from(to - from).unwrap_or(usize::MAX);
        let length = most.min(block.len());
        let read = file.read_at(block.get_mut(..length).unwrap_or_default(), from)?;
        if read == 0 {
            break;
        }
        each(block.get(..read).unwrap_or_default())?;
        from += read as u64;
    }
    Ok(())
}
