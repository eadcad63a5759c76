//! What the calls of one server have cost, shared by all its sessions: a small file in its state
//! folder, which the server can't reach.
//!
//! A call is judged and paid for under flock(2), so that sessions which race for the last call get
//! it once. The file is a header and a record for each call, appended; what no longer matters is
//! left out when the file is written anew (a temporary file, rename(2)). A record lies within one
//! page and is written by one pwrite(2), so a killed session leaves a whole one or none. Each
//! session remembers how far it has read. Nothing is synced to the disk: times are those of
//! CLOCK_MONOTONIC (clock_gettime(2)) and count for one boot, so after a loss of power the file means
//! nothing in any case.
//!
//! A file that is damaged is neither believed nor a lock for ever: everything counts as spent at the
//! moment when that was noticed, for as long as the limits and windows say. An empty file is one that
//! was just made.

mod layout;

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg, OFlag};
use nix::time::{ClockId, clock_gettime};

use crate::lockfile::open_lock_file;
use crate::relay::{Budget, Cost, Ledger, Spent, Unpaid};
use layout::{Boot, Header, LENGTH, SIZE};

/// Those who hold the file do so for microseconds; longer means that one of them was stopped.
const PATIENCE: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(1);
/// Records from which on it may be worth leaving some out.
const MANY: u64 = 1024;
/// Far more than the records of everything that is remembered.
const MAX_BYTES: u64 = 8 << 20;

/// The file of one server, as one session sees it. Nothing is opened before a call costs something.
#[derive(Debug)]
pub struct SharedBudget {
    path: PathBuf,
    boot: Option<Boot>,
    /// What was read of the file; `None` before that, and whenever it is not certain any more.
    read: Option<Read>,
}

#[derive(Debug)]
struct Read {
    header: Header,
    ledger: Ledger,
    /// Of the records, those of them that were read.
    records: u64,
    /// So many records, and it is time to leave some out.
    many: u64,
}

/// What a session that has the lock found.
struct Found {
    read: Read,
    /// The file has to be replaced, because it is of another boot or damaged.
    stale: bool,
}

impl Budget for SharedBudget {
    fn spend(&mut self, cost: &Cost<'_>, _now: Instant) -> Result<(), Unpaid> {
        self.spend_as_of(cost, monotonic, Boot::current)
    }
}

impl SharedBudget {
    pub(super) fn new(path: PathBuf) -> Self {
        Self {
            path,
            boot: None,
            read: None,
        }
    }

    fn spend_as_of(
        &mut self,
        cost: &Cost<'_>,
        now: impl Fn() -> io::Result<Duration>,
        boot: impl Fn() -> io::Result<Boot>,
    ) -> Result<(), Unpaid> {
        self.take(cost, now, boot).unwrap_or_else(|error| {
            self.read = None;
            let path = self.path.display();
            let reason = format!("how often it was called can't be noted in {path}: {error}");
            Err(Unpaid::Unknown { reason })
        })
    }

    /// One step for everybody: who has the lock judges and notes.
    fn take(
        &mut self,
        cost: &Cost<'_>,
        now: impl Fn() -> io::Result<Duration>,
        boot: impl Fn() -> io::Result<Boot>,
    ) -> io::Result<Result<(), Unpaid>> {
        let boot = match self.boot {
            Some(boot) => boot,
            None => *self.boot.insert(boot()?),
        };
        let file = self.lock()?;
        // Not before: what others have just taken was taken before it.
        let now = now()?;
        let before = self.read.take();
        let Found { mut read, stale } = self.catch_up(&file, before, boot, now)?;
        let spent = match read.ledger.judge(cost, now, read.header.unknown_at) {
            Ok(spent) => spent,
            Err(unpaid) => {
                // That it was damaged must be known to others, too.
                if stale && read.header.unknown_at.is_some() {
                    self.replace(&mut read, now)?;
                }
                self.read = Some(read);
                return Ok(Err(unpaid));
            }
        };
        if stale || read.records >= read.many {
            read.ledger.note(&spent, now);
            self.replace(&mut read, now)?;
        } else {
            let end = SIZE * (1 + read.records);
            file.write_all_at(&layout::record(&spent), end)?;
            read.ledger.note(&spent, now);
            read.records += 1;
        }
        self.read = Some(read);
        Ok(Ok(()))
    }

    /// The file, locked; made when there is none.
    fn lock(&self) -> io::Result<Flock<File>> {
        let begin = Instant::now();
        loop {
            let mut file = open_lock_file(&self.path)?;
            if !file.metadata()?.is_file() {
                return Err(io::Error::other("it is not a regular file"));
            }
            let locked = loop {
                match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                    Ok(locked) => break locked,
                    Err((unlocked, Errno::EWOULDBLOCK | Errno::EINTR)) => file = unlocked,
                    Err((_, errno)) => return Err(errno.into()),
                }
                if begin.elapsed() >= PATIENCE {
                    return Err(io::Error::other(
                        "another session holds it and does not go on",
                    ));
                }
                thread::sleep(PAUSE);
            };
            // It may have been replaced while we waited for it.
            let ours = locked.metadata()?;
            match fs::symlink_metadata(&self.path) {
                Ok(there) if (there.dev(), there.ino()) == (ours.dev(), ours.ino()) => {
                    return Ok(locked);
                }
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
            if begin.elapsed() >= PATIENCE {
                return Err(io::Error::other("it is replaced all the time"));
            }
        }
    }

    /// Reads what others have appended, or all when it is not the file that was read before.
    fn catch_up(
        &self,
        file: &File,
        before: Option<Read>,
        boot: Boot,
        now: Duration,
    ) -> io::Result<Found> {
        let empty = |unknown_at| Read::empty(Header::new(boot, now, unknown_at));
        let size = file.metadata()?.len();
        if size == 0 {
            let read = empty(None);
            file.write_all_at(&read.header.bytes(), 0)?;
            return Ok(Found { read, stale: false });
        }
        let damaged = |what: &str| {
            let path = self.path.display();
            tracing::warn!(
                "{path} was damaged ({what}): limits and repeats count as spent from now on"
            );
            Found {
                read: empty(Some(now)),
                stale: true,
            }
        };
        if !(SIZE..=MAX_BYTES).contains(&size) {
            return Ok(damaged("its size"));
        }
        let mut bytes = [0; LENGTH];
        file.read_exact_at(&mut bytes, 0)?;
        let Some(header) = Header::read(&bytes) else {
            return Ok(damaged("its header"));
        };
        if header.boot != boot {
            return Ok(Found {
                read: empty(None),
                stale: true,
            });
        }
        if header.unknown_at.is_some_and(|time| time > now) {
            return Ok(damaged("its time"));
        }
        // A last record that is not whole was never acted upon.
        let there = size / SIZE - 1;
        let again = before.filter(|before| before.header == header);
        let is_new = again.is_none();
        let mut read = again.unwrap_or_else(|| Read::empty(header));
        let Some(more) = there.checked_sub(read.records) else {
            return Ok(damaged("records are missing"));
        };
        let mut bytes = vec![0; usize::try_from(more * SIZE).unwrap_or_default()];
        file.read_exact_at(&mut bytes, SIZE * (1 + read.records))?;
        for bytes in bytes.chunks_exact(LENGTH) {
            let Some(spent) = layout::read_record(bytes, now) else {
                return Ok(damaged("a record"));
            };
            read.ledger.note(&spent, now);
        }
        read.records = there;
        if is_new {
            read.many = many(&read.ledger, now);
        }
        Ok(Found { read, stale: false })
    }

    /// Writes the file anew with what still matters. Whoever waits for the old one's lock sees that.
    fn replace(&self, read: &mut Read, now: Duration) -> io::Result<()> {
        read.header = Header::new(read.header.boot, now, read.header.unknown_at);
        let entries: Vec<Spent> = read.ledger.entries(now).collect();
        let mut bytes = read.header.bytes().to_vec();
        bytes.extend(entries.iter().flat_map(layout::record));
        // Only who holds the lock makes one; a killed session's is written over.
        let new = self.path.with_extension("new");
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .custom_flags(OFlag::O_NOFOLLOW.bits())
            .open(&new)?;
        let written = file
            .write_all_at(&bytes, 0)
            .and_then(|()| fs::rename(&new, &self.path));
        if written.is_err() {
            let _ = fs::remove_file(&new);
        }
        read.records = entries.len() as u64;
        read.many = many(&read.ledger, now);
        written
    }
}

impl Read {
    fn empty(header: Header) -> Self {
        Self {
            header,
            ledger: Ledger::default(),
            records: 0,
            many: MANY,
        }
    }
}

/// Twice what matters, so that writing anew costs little for each call.
fn many(ledger: &Ledger, now: Duration) -> u64 {
    MANY.max(2 * ledger.entries(now).count() as u64)
}

fn monotonic() -> io::Result<Duration> {
    Ok(clock_gettime(ClockId::CLOCK_MONOTONIC)?.into())
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests damage files")]
mod tests;
