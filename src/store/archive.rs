//! Reading a gzip-compressed tar archive, one accepted entry at a time.
//!
//! Nothing is written here. The `tar` crate splits the stream into raw entries;
//! long names, pax headers and every judgement on kinds and sizes are ours, so
//! that an entry has one reading or is refused. What is read is bounded before
//! it is read: headers by fixed limits, content by the sink, and the whole
//! stream by what the decompressor may produce.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::rc::Rc;

use flate2::bufread::GzDecoder;

use super::bounds::Bounds;
use super::error::{Rule, StoreError};
use super::pax::{self, Pax};

/// An entry as the archive states it; its name has not been judged.
pub(super) struct ArchiveEntry<'a> {
    pub(super) name: Vec<u8>,
    pub(super) kind: EntryKind,
    /// Bytes that `content` must yield; 0 unless it is a file.
    pub(super) size: u64,
    pub(super) content: &'a mut dyn Read,
}

/// Why a sink stopped.
pub(super) enum SinkError {
    /// The archive couldn't be read any further.
    Read(io::Error),
    Store(StoreError),
}

impl From<StoreError> for SinkError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

pub(super) enum EntryKind {
    File { executable: bool },
    Folder,
    Symlink { target: Vec<u8> },
}

/// Hands every entry to `sink`, in order, and checks that nothing hides behind the last.
///
/// An archive without its two closing zero blocks is accepted when it ends
/// between entries, as every other reader does; its bytes are pinned in any case.
pub(super) fn read_tar_gz(
    archive: &Path,
    bounds: &Bounds,
    mut sink: impl FnMut(ArchiveEntry<'_>) -> Result<(), SinkError>,
) -> Result<(), StoreError> {
    let file = File::open(archive).map_err(|e| StoreError::io("open", archive, e))?;
    let stop = Rc::new(Cell::new(None));
    let stream = Metered {
        inner: GzipMembers::new(BufReader::with_capacity(1 << 16, file), Rc::clone(&stop)),
        left: bounds.max_stream(),
        rule: Rule::TooManyBytes(bounds.max_bytes),
        stop: Rc::clone(&stop),
    };
    let failed = |source: io::Error| match stop.take() {
        Some(rule) => StoreError::refused(archive, b"", rule),
        None => StoreError::UnreadableArchive {
            archive: archive.to_owned(),
            source,
        },
    };

    let mut tar = tar::Archive::new(stream);
    let mut pending = Pending::default();
    for entry in tar.entries().map_err(failed)?.raw(true) {
        let mut entry = entry.map_err(failed)?;
        let kind = entry.header().entry_type().as_byte();
        let size = entry.size();
        let refuse = |rule| StoreError::refused(archive, &entry_name(&entry), rule);
        match kind {
            b'L' | b'K' | b'x' | b'g' => {
                let limit = header_limit(kind, bounds);
                if size > limit {
                    return Err(refuse(too_long(kind, bounds)));
                }
                let name = entry_name(&entry);
                let mut data = Vec::new();
                entry
                    .by_ref()
                    .take(limit)
                    .read_to_end(&mut data)
                    .map_err(failed)?;
                if data.len() as u64 != size {
                    return Err(failed(io::ErrorKind::UnexpectedEof.into()));
                }
                pending
                    .add(kind, data)
                    .map_err(|rule| StoreError::refused(archive, &name, rule))?;
            }
            _ => {
                let meant = std::mem::take(&mut pending).complete(entry.header(), size);
                let (name, kind) = meant.map_err(refuse)?;
                match sink(ArchiveEntry {
                    name,
                    kind,
                    size,
                    content: &mut entry,
                }) {
                    Ok(()) => {}
                    Err(SinkError::Read(source)) => return Err(failed(source)),
                    Err(SinkError::Store(error)) => return Err(error),
                }
            }
        }
    }
    if pending != Pending::default() {
        return Err(StoreError::refused(archive, b"", Rule::HeaderWithoutFile));
    }
    only_zeros(tar.into_inner())
        .map_err(failed)?
        .map_err(|rule| StoreError::refused(archive, b"", rule))
}

/// Headers that describe the entry after them.
#[derive(Default, PartialEq, Eq)]
struct Pending {
    long_name: Option<Vec<u8>>,
    long_target: Option<Vec<u8>>,
    pax: Option<Pax>,
}

impl Pending {
    fn add(&mut self, kind: u8, data: Vec<u8>) -> Result<(), Rule> {
        let twice = match kind {
            b'L' => self.long_name.replace(without_padding(data)).is_some(),
            b'K' => self.long_target.replace(without_padding(data)).is_some(),
            b'x' => self.pax.replace(pax::parse(&data)?).is_some(),
            _ => {
                pax::judge_global(&data)?;
                false
            }
        };
        if twice { Err(Rule::NamedTwice) } else { Ok(()) }
    }

    /// Name and kind of the entry that follows, from all headers together.
    fn complete(self, header: &tar::Header, size: u64) -> Result<(Vec<u8>, EntryKind), Rule> {
        let pax = self.pax.unwrap_or_default();
        if let Some(pax) = pax.size.filter(|pax| *pax != size) {
            return Err(Rule::SizeDisagrees { header: size, pax });
        }
        let name =
            one_of(self.long_name, pax.path)?.unwrap_or_else(|| header.path_bytes().into_owned());
        let target = one_of(self.long_target, pax.link_path)?;
        let kind = match header.entry_type().as_byte() {
            // A name that ends in a slash was how folders were written before they had a kind.
            b'0' | 0 if name.ends_with(b"/") && size > 0 => return Err(Rule::FileNamedAsFolder),
            b'0' | 0 if name.ends_with(b"/") => EntryKind::Folder,
            b'0' | 0 | b'7' => {
                let mode = header.mode().unwrap_or(0);
                EntryKind::File {
                    executable: mode & 0o111 != 0,
                }
            }
            b'1' => return Err(Rule::HardLink),
            b'2' => EntryKind::Symlink {
                target: target
                    .or_else(|| header.link_name_bytes().map(std::borrow::Cow::into_owned))
                    .ok_or(Rule::LinkMalformed)?,
            },
            b'3' | b'4' => return Err(Rule::Device),
            b'5' => EntryKind::Folder,
            b'6' => return Err(Rule::Fifo),
            b'S' => return Err(Rule::Sparse),
            unknown => return Err(Rule::UnknownKind(unknown)),
        };
        if size > 0 && !matches!(kind, EntryKind::File { .. }) {
            return Err(Rule::ContentOutsideFile);
        }
        Ok((name, kind))
    }
}

/// The name that was given in one of two ways.
fn one_of(gnu: Option<Vec<u8>>, pax: Option<Vec<u8>>) -> Result<Option<Vec<u8>>, Rule> {
    match (gnu, pax) {
        (Some(_), Some(_)) => Err(Rule::NamedTwice),
        (gnu, pax) => Ok(gnu.or(pax)),
    }
}

/// GNU long names end in NUL; one within is refused later as a control character.
fn without_padding(mut name: Vec<u8>) -> Vec<u8> {
    if name.last() == Some(&0) {
        name.pop();
    }
    name
}

fn header_limit(kind: u8, bounds: &Bounds) -> u64 {
    match kind {
        b'L' | b'K' => bounds.max_path as u64 + 1,
        _ => bounds.max_pax,
    }
}

fn too_long(kind: u8, bounds: &Bounds) -> Rule {
    match kind {
        b'L' | b'K' => Rule::PathTooLong(bounds.max_path),
        _ => Rule::PaxTooLong(bounds.max_pax),
    }
}

fn entry_name<R: Read>(entry: &tar::Entry<'_, R>) -> Vec<u8> {
    entry.header().path_bytes().into_owned()
}

/// Reads to the end, which also checks the last gzip checksum.
fn only_zeros(mut rest: impl Read) -> io::Result<Result<(), Rule>> {
    let mut buffer = [0; 1 << 13];
    loop {
        match rest.read(&mut buffer) {
            Ok(0) => return Ok(Ok(())),
            Ok(n) if buffer[..n].iter().any(|byte| *byte != 0) => {
                return Ok(Err(Rule::TrailingData));
            }
            Ok(_) => {}
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}

/// Stops a stream that is longer than it may be, and remembers the rule.
///
/// The rule travels beside the `io::Error`, as the readers in between pass
/// errors on but not what is inside them.
struct Metered<R> {
    inner: R,
    left: u64,
    rule: Rule,
    stop: Rc<Cell<Option<Rule>>>,
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        match self.left.checked_sub(n as u64) {
            Some(left) => self.left = left,
            None => {
                self.stop.set(Some(self.rule.clone()));
                return Err(io::Error::other("stream too long"));
            }
        }
        Ok(n)
    }
}

/// One or more gzip members in a row (RFC 1952, 2.2), then the end or zeros.
struct GzipMembers {
    member: Option<GzDecoder<BufReader<File>>>,
    stop: Rc<Cell<Option<Rule>>>,
}

impl GzipMembers {
    fn new(file: BufReader<File>, stop: Rc<Cell<Option<Rule>>>) -> Self {
        Self {
            member: Some(GzDecoder::new(file)),
            stop,
        }
    }
}

impl Read for GzipMembers {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        while let Some(member) = &mut self.member {
            let n = member.read(buffer)?;
            if n > 0 {
                return Ok(n);
            }
            let Some(mut file) = self.member.take().map(GzDecoder::into_inner) else {
                break;
            };
            match file.fill_buf()?.first() {
                Some(0x1f) => self.member = Some(GzDecoder::new(file)),
                Some(_) => {
                    if let Err(rule) = only_zeros(file)? {
                        self.stop.set(Some(rule));
                        return Err(io::Error::other("data after the archive"));
                    }
                }
                None => {}
            }
        }
        Ok(0)
    }
}
