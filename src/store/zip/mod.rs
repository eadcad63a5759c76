//! Reading a zip archive, one accepted entry at a time, so that it has one reading or is refused.
//!
//! A zip archive states its files twice: in a directory at its end and before
//! each content. Readers that trust the one and readers that trust the other
//! were made to see different files (CVE-2025-54368 in uv is one of many), so
//! what was looked at was not what was installed. Here both must say the same,
//! and the files fill the archive from its first byte to its directory:
//!
//! ```text
//! 0          offset of the 2nd          start of the directory         end of the file
//! |header|content|descriptor?|header|content| … |directory: one entry for each|end|comment|
//! ```
//!
//! Accepted are stored and deflated files, data descriptors where a reader can
//! find them, and zip64 sizes; everything else of PKWARE's APPNOTE is refused by
//! name. We read it ourselves because libraries are built to get at the files of
//! an archive in spite of its faults.

mod central;
mod extra;
mod local;
mod rule;

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek as _, SeekFrom};
use std::path::Path;

pub use self::rule::ZipRule;

use self::central::{Kind, Listed};
use super::archive::{EntryKind, SinkError};
use super::bounds::Bounds;
use super::error::{Rule, StoreError};

/// Whether symbolic links are accepted. A wheel has none; a bundle may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Links {
    Refused,
    /// Accepted where they stay below the place that the archive is unpacked at.
    Inside,
}

/// An entry of the archive. Its name is plain and was not seen before.
pub(super) struct ZipEntry<'a> {
    /// Without the slash that ends the name of a folder.
    pub(super) name: &'a str,
    pub(super) kind: EntryKind,
    /// Bytes that `content` must yield, when it is a file.
    pub(super) size: u64,
    pub(super) content: &'a mut dyn Read,
}

/// Why reading stopped, before the archive is named.
#[derive(Debug)]
enum Fault {
    Read(io::Error),
    Rule { entry: Vec<u8>, rule: Rule },
}

impl Fault {
    fn of(entry: &[u8], rule: Rule) -> Self {
        Self::Rule {
            entry: entry.to_owned(),
            rule,
        }
    }

    fn at(self, archive: &Path) -> StoreError {
        match self {
            Self::Read(source) => StoreError::UnreadableZip {
                archive: archive.to_owned(),
                source,
            },
            Self::Rule { entry, rule } => StoreError::refused(archive, &entry, rule),
        }
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::Read(error)
    }
}

impl From<Rule> for Fault {
    fn from(rule: Rule) -> Self {
        Self::of(b"", rule)
    }
}

impl From<ZipRule> for Fault {
    fn from(rule: ZipRule) -> Self {
        Self::from(Rule::Zip(rule))
    }
}

/// Hands every entry to `sink`, in the order of their contents. What the sink
/// leaves unread is read and checked all the same.
pub(super) fn read_zip(
    archive: &Path,
    bounds: &Bounds,
    links: Links,
    mut sink: impl FnMut(ZipEntry<'_>) -> Result<(), SinkError>,
) -> Result<(), StoreError> {
    let (mut file, entries, directory) = open(archive, bounds)?;
    let mut names = HashSet::new();
    let first = entries.first().map_or(directory, |entry| entry.offset);
    if first != 0 {
        return Err(Fault::from(ZipRule::Gap).at(archive));
    }
    for (place, listed) in entries.iter().enumerate() {
        let name = listed.name.trim_end_matches('/');
        if !names.insert(name) {
            return Err(Fault::of(name.as_bytes(), Rule::Duplicate).at(archive));
        }
        let next = entries
            .get(place + 1)
            .map_or(directory, |following| following.offset);
        read_entry(&mut file, archive, bounds, links, listed, next, &mut sink)?;
    }
    Ok(())
}

/// Reads one file of the archive, checked as all are; `None` when there is none of that name.
///
/// # Errors
/// When the archive is refused, or the file is longer than `max_bytes`.
pub fn read_zip_file(
    archive: &Path,
    name: &str,
    max_bytes: u64,
    bounds: &Bounds,
) -> Result<Option<Vec<u8>>, StoreError> {
    let mut found = None;
    read_zip(archive, bounds, Links::Inside, |entry| {
        if entry.name == name && matches!(entry.kind, EntryKind::File { .. }) {
            let too_long =
                || StoreError::refused(archive, name.as_bytes(), Rule::FileTooLong(max_bytes));
            if entry.size > max_bytes {
                return Err(too_long().into());
            }
            let mut bytes = Vec::new();
            let mut content = entry.content.take(max_bytes.saturating_add(1));
            content.read_to_end(&mut bytes).map_err(SinkError::Read)?;
            if bytes.len() as u64 > max_bytes {
                return Err(too_long().into());
            }
            found = Some(bytes);
        }
        Ok(())
    })?;
    Ok(found)
}

fn open(
    archive: &Path,
    bounds: &Bounds,
) -> Result<(BufReader<File>, Vec<Listed>, u64), StoreError> {
    let mut file = File::open(archive).map_err(|e| StoreError::io("open", archive, e))?;
    let length = file
        .metadata()
        .map_err(|e| StoreError::io("read", archive, e))?
        .len();
    let end = central::end(&mut file, length).map_err(|fault| fault.at(archive))?;
    let entries = central::entries(&mut file, end, bounds).map_err(|fault| fault.at(archive))?;
    Ok((BufReader::with_capacity(1 << 16, file), entries, end.start))
}

fn read_entry(
    file: &mut BufReader<File>,
    archive: &Path,
    bounds: &Bounds,
    links: Links,
    listed: &Listed,
    next: u64,
    sink: &mut impl FnMut(ZipEntry<'_>) -> Result<(), SinkError>,
) -> Result<(), StoreError> {
    let fault = |rule: Rule| Fault::of(listed.name.as_bytes(), rule).at(archive);
    let begin = local::header(file, listed).map_err(|fault| fault.at(archive))?;
    let end = begin.saturating_add(listed.compressed);
    local::after_content(file, listed, end, next).map_err(|fault| fault.at(archive))?;
    file.seek(SeekFrom::Start(begin))
        .map_err(|e| StoreError::io("read", archive, e))?;

    let mut content = local::Content::new(file, listed);
    let passed = match kind(&mut content, bounds, links, listed) {
        Ok(Ok(kind)) => sink(ZipEntry {
            name: listed.name.trim_end_matches('/'),
            kind,
            size: listed.size,
            content: &mut content,
        }),
        Ok(Err(rule)) => Err(SinkError::Store(fault(rule))),
        Err(source) => Err(SinkError::Read(source)),
    };
    // What was left unread is checked too.
    let passed = passed.and_then(|()| {
        io::copy(&mut content, &mut io::sink())
            .map(drop)
            .map_err(SinkError::Read)
    });
    match (passed, content.broken) {
        (Ok(()), None) => Ok(()),
        (_, Some(rule)) => Err(fault(Rule::Zip(rule))),
        (Err(SinkError::Read(source)), None) => Err(Fault::Read(source).at(archive)),
        (Err(SinkError::Store(error)), None) => Err(error),
    }
}

/// What an entry is; of a link, the target is read.
fn kind(
    content: &mut dyn Read,
    bounds: &Bounds,
    links: Links,
    listed: &Listed,
) -> io::Result<Result<EntryKind, Rule>> {
    Ok(match listed.kind {
        Kind::File { executable } => Ok(EntryKind::File { executable }),
        Kind::Folder => Ok(EntryKind::Folder),
        Kind::Symlink if links == Links::Refused => Err(Rule::Zip(ZipRule::Link)),
        Kind::Symlink if listed.size > bounds.max_path as u64 => {
            Err(Rule::PathTooLong(bounds.max_path))
        }
        Kind::Symlink => {
            let mut target = Vec::new();
            content.read_to_end(&mut target)?;
            Ok(EntryKind::Symlink { target })
        }
    })
}
