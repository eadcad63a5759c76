//! Digests of files outside the store, remembered between launches: the interpreter, mostly.
//!
//! The same method as for trees (see `verify`), with one difference: the files
//! are on other file systems than the cache, whose clocks may tick in seconds,
//! so a digest is remembered only of a file that was left alone for a while.
//!
//! ```text
//! pinfold-file-digests-v1
//! DEVICE INODE SIZE MODIFIED CHANGED HEX PATH      one line per file
//! HEX                                              sha256 of all before this line
//! ```

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use nix::sys::stat::{FileStat, fstat};

use super::directory::is_file;
use super::error::StoreError;
use super::record::hash_stable;
use super::stamp::{Stamp, system_clock};
use crate::lockfile::{Digest, replace_atomically};

const HEADING: &str = "pinfold-file-digests-v1\n";

/// How long a file must have been left alone before its digest is remembered.
const SETTLED_NANOSECONDS: i64 = 3_000_000_000;

/// Files that are remembered; an interpreter per server is far fewer.
const MAX_FILES: usize = 256;

const MAX_LENGTH: u64 = 1 << 20;

/// How often a file that changes while it is read is read again.
const ATTEMPTS: usize = 3;

/// A cache of digests by path. It is never an error that it can't be read or written.
#[derive(Debug)]
pub struct FileDigests {
    cache: PathBuf,
    known: BTreeMap<String, Known>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Known {
    device: u64,
    stamp: Stamp,
    sha256: Digest,
}

impl FileDigests {
    /// Reads the cache file at `path`; a missing or damaged one is an empty one.
    pub fn open(path: PathBuf) -> Self {
        let known = load(&path).unwrap_or_default();
        Self { cache: path, known }
    }

    /// The sha256 of the file at `path`, links followed.
    ///
    /// # Errors
    /// When it is not a regular file, can't be read, or changes meanwhile.
    pub fn digest_of(&mut self, path: &Path) -> Result<Digest, StoreError> {
        let (file, stat) = open_regular(path)?;
        let name = path.to_str();
        let known = name.and_then(|name| self.known.get(name));
        if let Some(known) = known
            && known.device == stat.st_dev
            && known.stamp == Stamp::from(&stat)
        {
            return Ok(known.sha256);
        }
        let clock = system_clock().saturating_sub(SETTLED_NANOSECONDS);
        let (sha256, stamp) = hash_at_rest(&file, path)?;
        if let Some(name) = name.filter(|name| !name.contains('\n') && !stamp.is_racy(clock)) {
            self.remember(
                name,
                Known {
                    device: stat.st_dev,
                    stamp,
                    sha256,
                },
            );
        }
        Ok(sha256)
    }

    /// The sha256 of the file at `path`, hashed now, whatever is remembered of it.
    ///
    /// # Errors
    /// As [`Self::digest_of`].
    pub fn hashed_now(path: &Path) -> Result<Digest, StoreError> {
        let (file, _) = open_regular(path)?;
        Ok(hash_at_rest(&file, path)?.0)
    }

    fn remember(&mut self, name: &str, known: Known) {
        if self.known.len() >= MAX_FILES {
            self.known.clear();
        }
        self.known.insert(name.to_owned(), known);
        // Best effort: without the cache the next launch hashes again.
        let _ = replace_atomically(&self.cache, encode(&self.known).as_bytes(), 0o600);
    }
}

fn load(path: &Path) -> Option<BTreeMap<String, Known>> {
    let mut text = String::new();
    File::open(path)
        .ok()?
        .take(MAX_LENGTH)
        .read_to_string(&mut text)
        .ok()?;
    parse(&text)
}

fn open_regular(path: &Path) -> Result<(File, FileStat), StoreError> {
    let failed = |e| StoreError::io("read", path, e);
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(path)
        .map_err(failed)?;
    let stat = fstat(&file).map_err(|e| failed(e.into()))?;
    if is_file(stat.st_mode) {
        Ok((file, stat))
    } else {
        Err(StoreError::NotAFile {
            path: path.to_owned(),
        })
    }
}

/// Hashes a file from its beginning. A new link to it, or its being read while it is backed up,
/// changes its stamp for a moment, so it gets a second chance.
fn hash_at_rest(mut file: &File, path: &Path) -> Result<(Digest, Stamp), StoreError> {
    let failed = |e| StoreError::io("read", path, e);
    for _ in 0..ATTEMPTS {
        file.seek(SeekFrom::Start(0)).map_err(failed)?;
        if let Some(found) = hash_stable(file).map_err(failed)? {
            return Ok(found);
        }
    }
    Err(StoreError::Unstable {
        path: path.to_owned(),
    })
}

fn encode(known: &BTreeMap<String, Known>) -> String {
    let mut text = HEADING.to_owned();
    for (
        path,
        Known {
            device,
            stamp,
            sha256,
        },
    ) in known
    {
        let Stamp {
            inode,
            size,
            modified,
            changed,
        } = stamp;
        let hex = sha256.hex();
        // Writing to a string can't fail.
        let _ = writeln!(
            text,
            "{device} {inode} {size} {modified} {changed} {hex} {path}"
        );
    }
    let sum = Digest::of(text.as_bytes()).hex();
    text + &sum + "\n"
}

fn parse(text: &str) -> Option<BTreeMap<String, Known>> {
    let body = text.strip_suffix('\n')?;
    let end = body.rfind('\n')? + 1;
    if Digest::of(&text.as_bytes()[..end]).hex() != body[end..] {
        return None;
    }
    text[..end]
        .strip_prefix(HEADING)?
        .lines()
        .map(parse_line)
        .collect()
}

fn parse_line(line: &str) -> Option<(String, Known)> {
    let mut fields = line.splitn(7, ' ');
    let mut next = || fields.next();
    let device = next()?.parse().ok()?;
    let stamp = Stamp {
        inode: next()?.parse().ok()?,
        size: next()?.parse().ok()?,
        modified: next()?.parse().ok()?,
        changed: next()?.parse().ok()?,
    };
    let sha256 = Digest::from_hex(next()?).ok()?;
    Some((
        next()?.to_owned(),
        Known {
            device,
            stamp,
            sha256,
        },
    ))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::super::testing::write;
    use super::*;

    /// A folder with a file that was left alone for long enough.
    fn settled(content: &str) -> (tempfile::TempDir, PathBuf) {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("node");
        write(&file, content).unwrap();
        (home, file)
    }

    fn known(path: &Path) -> usize {
        load(path).map_or(0, |known| known.len())
    }

    /// A stamp's change time can't be set, so the cache is told that the file is old.
    fn insert(cache: &mut FileDigests, file: &Path, sha256: Digest) {
        let opened = File::open(file).unwrap();
        let device = fstat(&opened).unwrap().st_dev;
        let stamp = Stamp::of(&opened).unwrap();
        cache.remember(
            file.to_str().unwrap(),
            Known {
                device,
                stamp,
                sha256,
            },
        );
    }

    #[test]
    fn a_recorded_file_is_not_read_again_until_it_changes() {
        let (home, file) = settled("one");
        let path = home.path().join("cache");
        let mut cache = FileDigests::open(path.clone());
        let marker = Digest::of(b"marker");
        insert(&mut cache, &file, marker);
        let mut cache = FileDigests::open(path);
        assert_eq!(cache.digest_of(&file).unwrap(), marker);
        // Some kernels count the time of a change in ticks.
        std::thread::sleep(Duration::from_millis(30));
        write(&file, "two").unwrap();
        assert_eq!(cache.digest_of(&file).unwrap(), Digest::of(b"two"));
        let other = home.path().join("other");
        write(&other, "one").unwrap();
        std::fs::rename(&other, &file).unwrap();
        assert_eq!(cache.digest_of(&file).unwrap(), Digest::of(b"one"));
    }

    #[test]
    fn a_file_that_was_just_written_is_not_recorded() {
        let (home, file) = settled("one");
        let path = home.path().join("cache");
        let mut cache = FileDigests::open(path.clone());
        assert_eq!(cache.digest_of(&file).unwrap(), Digest::of(b"one"));
        File::open(&file)
            .unwrap()
            .set_modified(SystemTime::now() - Duration::from_secs(99))
            .unwrap();
        assert_eq!(cache.digest_of(&file).unwrap(), Digest::of(b"one"));
        assert_eq!(known(&path), 0);
    }

    #[test]
    fn an_old_file_is_recorded() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("cache");
        let program = std::env::current_exe().unwrap();
        let mut cache = FileDigests::open(path.clone());
        let digest = cache.digest_of(&program).unwrap();
        assert_eq!(cache.digest_of(&program).unwrap(), digest);
        assert_eq!(FileDigests::open(path).digest_of(&program).unwrap(), digest);
    }

    #[test]
    fn a_damaged_cache_is_an_empty_one() {
        let (home, file) = settled("one");
        let path = home.path().join("cache");
        let marker = Digest::of(b"marker");
        insert(&mut FileDigests::open(path.clone()), &file, marker);
        let good = std::fs::read_to_string(&path).unwrap();
        let other = Digest::of(b"other").hex();
        for bad in [
            String::new(),
            good[..good.len() - 1].to_owned(),
            good.replace(&marker.hex(), &other),
            good.replace("v1", "v2"),
            "\u{0}".repeat(200),
        ] {
            write(&path, bad).unwrap();
            let found = FileDigests::open(path.clone()).digest_of(&file).unwrap();
            assert_eq!(found, Digest::of(b"one"));
        }
        write(&path, good).unwrap();
        assert_eq!(FileDigests::open(path).digest_of(&file).unwrap(), marker);
    }

    #[test]
    fn a_cache_that_cannot_be_written_and_what_is_no_file() {
        let (home, file) = settled("one");
        let mut cache = FileDigests::open(home.path().join("no/such/folder/cache"));
        insert(&mut cache, &file, Digest::of(b"one"));
        assert_eq!(cache.digest_of(&file).unwrap(), Digest::of(b"one"));
        let refusal = cache.digest_of(home.path()).unwrap_err();
        assert!(matches!(refusal, StoreError::NotAFile { .. }));
        assert!(cache.digest_of(&home.path().join("missing")).is_err());
    }
}
