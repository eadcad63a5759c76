//! Proving the chain: every line hangs on the one before it, and the last one is the last one.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::chain::{Anchor, Link};
use super::error::AuditError;
use super::folder::{Folder, RecordFile};
use super::head::{Head, HeadFile, boot};
use super::lines::Lines;
use super::repair::foreign;
use crate::lockfile::Digest;

/// Findings that are told one by one.
const MAX_FINDINGS: usize = 1000;
/// For writers; afterwards the log is looked at as it is.
const PATIENCE: Duration = Duration::from_secs(2);

/// One thing that is not as it was written, or is worth knowing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The file's name in the folder.
    pub file: String,
    /// Its line, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// The number of the record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
    pub what: String,
}

/// What came of looking at every line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    pub files: usize,
    pub records: u64,
    pub oldest: Option<u64>,
    pub last: Option<Anchor>,
    /// Any of these: the log is not what was written.
    pub problems: Vec<Finding>,
    /// Reported, but nothing that was written is gone.
    pub notes: Vec<Finding>,
    /// Problems beyond those.
    pub untold: usize,
}

/// The files as they were at one moment.
struct Snapshot {
    files: Vec<(String, Option<u64>, File, u64)>,
    torn: Vec<String>,
    head: HeadFile,
}

/// Looks at the whole log. `outside`: an end of it that was kept elsewhere.
///
/// # Errors
/// When it can't be read.
pub fn verify(folder: &Path, outside: Option<&Anchor>) -> Result<Verified, AuditError> {
    let folder = Folder::new(folder);
    if !folder.exists() {
        let mut nothing = Verified::default();
        if let Some(outside) = outside {
            nothing.problem(
                "",
                None,
                Some(outside.seq),
                "there is no log at all".to_owned(),
            );
        }
        return Ok(nothing);
    }
    let snapshot = Snapshot::take(&folder)?;
    let mut walk = Walk {
        found: Verified::default(),
        before: None,
        retained: BTreeMap::new(),
        first: None,
        outside,
        outside_seen: None,
        at_head: None,
        head: snapshot.head.head(),
        unfinished: None,
    };
    for (name, number, file, length) in snapshot.files {
        walk.file(&name, number, file, length)
            .map_err(AuditError::io(folder.path().join(&name)))?;
    }
    for name in snapshot.torn {
        let what = "holds the beginning of a record whose writer was killed".to_owned();
        walk.found.note(&name, None, None, what);
    }
    Ok(walk.end(snapshot.head))
}

impl Snapshot {
    fn take(folder: &Folder) -> Result<Self, AuditError> {
        // Of a folder that can't be written to there are no writers.
        let lock = folder
            .lock_file()
            .and_then(|file| folder.lock(file, PATIENCE));
        let _lock = match lock {
            Err(error @ AuditError::Busy { .. }) => return Err(error),
            other => other.ok(),
        };
        let head_path = folder.head();
        let head = match folder.open(&head_path, false) {
            Ok(file) => HeadFile::of(&file).map_err(AuditError::io(&head_path))?,
            Err(AuditError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                HeadFile::Missing
            }
            Err(error) => return Err(error),
        };
        let mut files = Vec::new();
        for RecordFile { path, first } in folder.files()? {
            let file = folder.open(&path, false)?;
            let length = file.metadata().map_err(AuditError::io(&path))?.len();
            files.push((name_of(&path), first, file, length));
        }
        let mut torn = Vec::new();
        let entries = std::fs::read_dir(folder.path()).map_err(AuditError::io(folder.path()))?;
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with("torn-") {
                torn.push(name);
            }
        }
        torn.sort();
        Ok(Self { files, torn, head })
    }
}

/// Where a record is.
#[derive(Clone, Debug)]
struct Place {
    file: String,
    line: u64,
    link: Link,
}

struct Walk<'a> {
    found: Verified,
    before: Option<Place>,
    /// What records of removals say: the last record that was removed.
    retained: BTreeMap<u64, String>,
    first: Option<Place>,
    outside: Option<&'a Anchor>,
    outside_seen: Option<Digest>,
    head: Option<Head>,
    at_head: Option<Place>,
    /// File, length and line of bytes at the end that are no record.
    unfinished: Option<(String, u64, u64)>,
}

#[derive(Deserialize)]
struct Told {
    kind: String,
    through_seq: Option<u64>,
    through_hash: Option<String>,
    missing: Option<(u64, u64)>,
    altered: Option<u64>,
    foreign: Option<(u64, u64)>,
    #[serde(default)]
    head_lost: bool,
    #[serde(default)]
    restarted: bool,
    torn: Option<ToldTorn>,
}

#[derive(Deserialize)]
struct ToldTorn {
    bytes: u64,
    kept_as: String,
}

impl Walk<'_> {
    fn file(
        &mut self,
        name: &str,
        number: Option<u64>,
        file: File,
        length: u64,
    ) -> std::io::Result<()> {
        self.found.files += 1;
        if let Some((file, line, bytes)) = self.unfinished.take() {
            let what = format!("{bytes} bytes without an end: the line was cut");
            self.found.problem(&file, Some(line), None, what);
        }
        let mut lines = Lines::between(file, 0, length)?;
        let mut line_number = 0;
        while let Some(line) = lines.next()? {
            line_number += 1;
            if !line.complete {
                self.unfinished = Some((name.to_owned(), line_number, line.end - line.at));
                continue;
            }
            let Some(link) = line.link() else {
                let what = "this line is no record: it was changed, or put there".to_owned();
                self.found.problem(name, Some(line_number), None, what);
                continue;
            };
            let place = Place {
                file: name.to_owned(),
                line: line_number,
                link,
            };
            if line_number == 1 && number.is_some_and(|number| number != link.seq) {
                let what = "the file's name is not the number of its first record".to_owned();
                self.found.problem_at(&place, what);
            }
            self.record(place, line.bytes);
        }
        Ok(())
    }

    fn record(&mut self, place: Place, line: &[u8]) {
        self.found.records += 1;
        let link = place.link;
        if let Some(before) = &self.before {
            let last = before.link.anchor();
            if link.seq <= last.seq {
                let what = format!("it is out of its place, behind number {}", last.seq);
                self.found.problem_at(&place, what);
                return;
            }
            if link.seq > last.seq + 1 {
                let what = missing(last.seq + 1, link.seq - 1, "before this line");
                self.found.problem_at(&place, what);
            } else if link.prev != last.hash {
                let what = format!(
                    "it is not the line on which number {} hangs: it was changed, or that one was",
                    link.seq
                );
                let before = before.clone();
                self.found.problem_at(&before, what);
            }
        } else {
            self.first = Some(place.clone());
        }
        self.listen(&place, line);
        if self.outside.is_some_and(|outside| outside.seq == link.seq) {
            self.outside_seen = Some(link.hash);
        }
        if self.head.is_some_and(|head| head.last.seq == link.seq) {
            self.at_head = Some(place.clone());
        }
        self.before = Some(place);
    }

    /// What the log says of itself.
    fn listen(&mut self, place: &Place, line: &[u8]) {
        // Most records are of calls.
        let says = |kind: &[u8]| memchr::memmem::find(line, kind).is_some();
        if !says(b"\"kind\":\"retention\"") && !says(b"\"kind\":\"repair\"") {
            return;
        }
        let Ok(told) = serde_json::from_slice::<Told>(line) else {
            return;
        };
        match (told.kind.as_str(), told.through_seq, told.through_hash) {
            ("retention", Some(seq), Some(hash)) => {
                self.retained.insert(seq, hash);
            }
            ("repair", ..) => {
                let restarted = if told.restarted {
                    "; the machine was started anew in between, and records of allowed calls are not kept through a power loss"
                } else {
                    ""
                };
                if let Some((first, last)) = told.missing {
                    let what = missing(first, last, "when this was written");
                    self.found.problem_at(place, format!("{what}{restarted}"));
                }
                if let Some(seq) = told.altered {
                    let what = format!("number {seq} was not as it had been written when this was");
                    self.found.problem_at(place, what);
                }
                if let Some(numbers) = told.foreign {
                    self.found.problem_at(place, put_there(numbers));
                }
                if told.head_lost {
                    let what = "the file `head` was gone or damaged when this was written: whether records had been cut off is not known";
                    self.found.problem_at(place, what.to_owned());
                }
                if let Some(ToldTorn { bytes, kept_as }) = told.torn {
                    let what = format!("a torn record of {bytes} bytes was set aside: `{kept_as}`");
                    self.found
                        .note(&place.file, Some(place.line), Some(place.link.seq), what);
                }
            }
            _ => {}
        }
    }

    fn end(mut self, head_file: HeadFile) -> Verified {
        self.judge_first();
        self.judge_last(head_file);
        self.judge_outside();
        self.found.oldest = self.first.map(|place| place.link.seq);
        self.found.last = self.before.map(|place| place.link.anchor());
        self.found
    }

    /// The first record is the first of all, or hangs on the last that was removed.
    fn judge_first(&mut self) {
        let Some(first) = self.first.clone() else {
            return;
        };
        let Link { seq, prev, .. } = first.link;
        let oldest = self.head.map_or(1, |head| head.oldest);
        if seq == 1 {
            if prev != Anchor::NONE.hash {
                let what = "it is the first record and hangs on another".to_owned();
                self.found.problem_at(&first, what);
            }
            return;
        }
        if seq < oldest {
            let what = format!("records before number {oldest} were to be removed");
            self.found
                .note(&first.file, Some(first.line), Some(seq), what);
            return;
        }
        match self.retained.get(&(seq - 1)) {
            Some(hash) if *hash == prev.hex() => {}
            Some(_) => {
                let what = "it does not hang on the last record that was removed".to_owned();
                self.found.problem_at(&first, what);
            }
            None => {
                let from = self
                    .retained
                    .keys()
                    .next_back()
                    .map_or(1, |seq| seq.saturating_add(1));
                let what = missing(from.min(seq - 1), seq - 1, "before this line");
                self.found.problem_at(&first, what);
            }
        }
    }

    /// The last record is the one that the head has.
    fn judge_last(&mut self, head_file: HeadFile) {
        let (last, unfinished) = (self.before.clone(), self.unfinished.take());
        let name = "head";
        let last_seq = last.as_ref().map_or(0, |last| last.link.seq);
        let Some(head) = head_file.head() else {
            if last.is_some() || unfinished.is_some() || head_file == HeadFile::Damaged {
                let what =
                    "it is gone or damaged: whether records were cut off at the end can't be told";
                self.found.problem(name, None, None, what.to_owned());
            }
            return;
        };
        let is_cut = last_seq < head.last.seq;
        if let Some((file, line, bytes)) = unfinished {
            if is_cut {
                let what = format!("{bytes} bytes without an end: the line was cut");
                let seq = Some(last_seq + 1);
                self.found.problem(&file, Some(line), seq, what);
            } else {
                let what = format!(
                    "{bytes} bytes of a record whose writer was killed; the next record sets them aside"
                );
                self.found.note(&file, Some(line), None, what);
            }
        }
        if is_cut {
            let from = last.as_ref().map_or(head.oldest, |_| last_seq + 1);
            let what = missing(from, head.last.seq, "at the end");
            match &last {
                Some(last) => self.found.problem_at(last, what),
                None => self.found.problem(name, None, Some(head.last.seq), what),
            }
            return;
        }
        if let (Some(numbers), Some(last)) = (foreign(&head, last_seq, boot()), &last) {
            self.found.problem_at(last, put_there(numbers));
        } else if last_seq > head.last.seq.saturating_add(1) {
            let what = format!(
                "it ends with number {}, as after a power loss; whether the records behind it are ours can't be told",
                head.last.seq
            );
            self.found.note(name, None, Some(head.last.seq), what);
        }
        match &self.at_head {
            Some(place) if place.link.hash != head.last.hash => {
                let what = "it is not the record that the file `head` has: it was changed";
                let place = place.clone();
                self.found.problem_at(&place, what.to_owned());
            }
            None if head.last.seq > 0 => {
                let what = format!("it ends with number {}, which is not there", head.last.seq);
                self.found.problem(name, None, Some(head.last.seq), what);
            }
            _ => {}
        }
    }

    fn judge_outside(&mut self) {
        let Some(outside) = self.outside else { return };
        let first = self.first.as_ref().map_or(0, |first| first.link.seq);
        let what = match self.outside_seen {
            Some(hash) if hash == outside.hash => return,
            Some(_) => "it is not the record that you kept the digest of",
            None if outside.seq == 0 => return,
            None if outside.seq < first => {
                "the record that you kept the digest of has been removed with its file, so it can't be compared"
            }
            None => "the record that you kept the digest of is not there",
        };
        self.found
            .problem("", None, Some(outside.seq), what.to_owned());
    }
}

impl Verified {
    pub fn ok(&self) -> bool {
        self.problems.is_empty()
    }

    fn problem(&mut self, file: &str, line: Option<u64>, seq: Option<u64>, what: String) {
        if self.problems.len() >= MAX_FINDINGS {
            self.untold += 1;
            return;
        }
        self.problems.push(Finding {
            file: file.to_owned(),
            line,
            seq,
            what,
        });
    }

    fn problem_at(&mut self, place: &Place, what: String) {
        self.problem(&place.file, Some(place.line), Some(place.link.seq), what);
    }

    fn note(&mut self, file: &str, line: Option<u64>, seq: Option<u64>, what: String) {
        if self.notes.len() < MAX_FINDINGS {
            self.notes.push(Finding {
                file: file.to_owned(),
                line,
                seq,
                what,
            });
        }
    }
}

/// `FILE:LINE (number SEQ): WHAT`
impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        match (self.seq, self.file.is_empty()) {
            (Some(seq), true) => write!(f, "number {seq}: ")?,
            (Some(seq), false) => write!(f, " (number {seq}): ")?,
            (None, _) => f.write_str(": ")?,
        }
        f.write_str(&self.what)
    }
}

fn missing(first: u64, last: u64, place: &str) -> String {
    if first == last {
        format!("number {first} is missing {place}")
    } else {
        format!("numbers {first} to {last} are missing {place}")
    }
}

fn put_there((first, last): (u64, u64)) -> String {
    format!(
        "numbers {first} to {last} are behind the record that the file `head` has, more than a killed writer leaves: somebody else put them there, or put an older `head` back"
    )
}

fn name_of(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}
