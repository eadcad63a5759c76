//! Showing the log: its lines in order, those that were asked for, and those that come.

use std::fs::File;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use serde::Deserialize;

use super::chain::Anchor;
use super::error::AuditError;
use super::folder::Folder;
use super::head::HeadFile;
use super::lines::Lines;
use crate::lockfile::Digest;

/// Which records are wanted. What is not said matches all.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    pub server: Option<String>,
    pub kind: Option<String>,
    /// Not before this: RFC 3339 in UTC, as it is in the log, so that text compares.
    pub since: Option<String>,
    /// Only what was refused.
    pub denied: bool,
}

/// A line that matches.
#[derive(Clone, Debug)]
pub struct Shown {
    /// Exactly as it is in the file.
    pub raw: String,
    pub record: serde_json::Value,
    /// Its number, and the sha256 of its line.
    pub anchor: Anchor,
    /// What it says of the line before it.
    pub prev: Digest,
}

/// How much is read before it is time for something else.
#[derive(Clone, Copy, Debug)]
pub struct AtMost {
    pub records: usize,
    /// Of their lines; the last one may go beyond it.
    pub bytes: usize,
}

impl AtMost {
    const EVERYTHING: Self = Self {
        records: usize::MAX,
        bytes: usize::MAX,
    };

    fn is_used_up(self) -> bool {
        self.records == 0 || self.bytes == 0
    }
}

#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(borrow)]
    time: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    kind: std::borrow::Cow<'a, str>,
    server: Option<String>,
    decision: Option<String>,
    what: Option<String>,
    event: Option<String>,
}

impl Filter {
    fn matches(&self, line: &[u8]) -> bool {
        let Ok(fields) = serde_json::from_slice::<Fields<'_>>(line) else {
            return false;
        };
        let wants = |wanted: &Option<String>, found: Option<&str>| {
            wanted.as_deref().is_none_or(|wanted| found == Some(wanted))
        };
        let is_refusal = || match &*fields.kind {
            "session_refused" => true,
            "daemon" => fields.event.as_deref() == Some("refused"),
            "event" => fields
                .what
                .as_deref()
                .is_some_and(super::session::is_refusal),
            _ => fields.decision.as_deref() == Some("deny"),
        };
        wants(&self.server, fields.server.as_deref())
            && wants(&self.kind, Some(&fields.kind))
            && self
                .since
                .as_deref()
                .is_none_or(|since| &*fields.time >= since)
            && (!self.denied || is_refusal())
    }
}

/// Reads on from where it was, over rotations.
#[derive(Debug)]
pub struct Follow {
    folder: Folder,
    filter: Filter,
    /// The number of the last record that was looked at.
    last: u64,
    /// Inode of the current file and how far it was read.
    position: Option<(u64, u64)>,
}

impl Follow {
    pub fn new(folder: &Path, filter: Filter) -> Self {
        Self {
            folder: Folder::new(folder),
            filter,
            last: 0,
            position: None,
        }
    }

    /// Begins behind the record of this number.
    pub fn behind(folder: &Path, last: u64) -> Self {
        Self {
            last,
            ..Self::new(folder, Filter::default())
        }
    }

    /// Gives every record that has come since the last time.
    ///
    /// # Errors
    /// When the log can't be read. A log that isn't there has no records.
    pub fn poll(&mut self, show: impl FnMut(Shown)) -> Result<(), AuditError> {
        self.poll_some(AtMost::EVERYTHING, show)
    }

    /// Gives some of them; the next time goes on behind these.
    ///
    /// # Errors
    /// As [`Follow::poll`].
    pub fn poll_some(
        &mut self,
        mut most: AtMost,
        mut show: impl FnMut(Shown),
    ) -> Result<(), AuditError> {
        if !self.folder.exists() {
            return Ok(());
        }
        let current = self.folder.current();
        let unchanged = std::fs::symlink_metadata(&current)
            .ok()
            .is_some_and(|found| self.position == Some((found.ino(), found.len())));
        if unchanged {
            return Ok(());
        }
        let files = self.folder.files()?;
        // Of those before the last one that was begun no record is new.
        let start = files
            .iter()
            .rposition(|file| {
                file.first
                    .is_some_and(|first| first <= self.last.saturating_add(1))
            })
            .unwrap_or(0);
        for file in files.get(start..).unwrap_or_default() {
            let opened = match self.folder.open(&file.path, false) {
                Ok(opened) => opened,
                // It was rotated or removed in this moment; it comes the next time.
                Err(AuditError::Io { source, .. })
                    if source.kind() == std::io::ErrorKind::NotFound =>
                {
                    continue;
                }
                Err(error) => return Err(error),
            };
            self.read(opened, &mut most, &mut show)
                .map_err(AuditError::io(&file.path))?;
            if most.is_used_up() {
                break;
            }
        }
        Ok(())
    }

    fn read(
        &mut self,
        file: File,
        most: &mut AtMost,
        show: &mut impl FnMut(Shown),
    ) -> std::io::Result<()> {
        let found = file.metadata()?;
        let from = match self.position {
            Some((inode, read)) if inode == found.ino() && read <= found.len() => read,
            _ => 0,
        };
        let mut lines = Lines::between(file, from, found.len())?;
        let mut read = from;
        while let Some(line) = lines.next()? {
            // The rest of a record that is being written comes later.
            if !line.complete {
                break;
            }
            read = line.end;
            let Some(link) = line.link().filter(|link| link.seq > self.last) else {
                continue;
            };
            self.last = link.seq;
            if !self.filter.matches(line.bytes) {
                continue;
            }
            if let (Ok(raw), Ok(record)) = (
                std::str::from_utf8(line.bytes),
                serde_json::from_slice(line.bytes),
            ) {
                most.records -= 1;
                most.bytes = most.bytes.saturating_sub(raw.len());
                show(Shown {
                    raw: raw.to_owned(),
                    record,
                    anchor: link.anchor(),
                    prev: link.prev,
                });
                if most.is_used_up() {
                    break;
                }
            }
        }
        self.position = Some((found.ino(), read));
        Ok(())
    }
}

/// The end of the log, to be kept elsewhere; `None`: there is none.
///
/// # Errors
/// When it can't be read.
pub fn last_anchor(folder: &Path) -> Result<Option<Anchor>, AuditError> {
    let folder = Folder::new(folder);
    let path = folder.head();
    let file = match folder.open(&path, false) {
        Ok(file) => file,
        Err(AuditError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let head = HeadFile::of(&file).map_err(AuditError::io(&path))?.head();
    Ok(head.map(|head| head.last).filter(|last| last.seq > 0))
}
