//! A file in a zip archive: its own header, its content, and what may follow it.
//!
//! Everything is held against the central directory: whoever reads only the
//! one or only the other sees the same files.

use std::io::{self, Read, Seek, SeekFrom};

use super::Fault;
use super::central::{self, DESCRIPTOR, Listed, u16_at, u32_at, u64_at};
use super::extra::{self, Sizes};
use super::rule::ZipRule;
use crate::store::error::Rule;

/// Local file header without name and extra field (4.3.7).
const HEADER_LENGTH: usize = 30;
const HEADER_SIGNATURE: &[u8] = b"PK\x03\x04";
const DESCRIPTOR_SIGNATURE: &[u8] = b"PK\x07\x08";

/// Checks the header of a file and leaves `file` at its content. Returns where that begins.
pub(super) fn header(file: &mut (impl Read + Seek), listed: &Listed) -> Result<u64, Fault> {
    let fault = |rule: ZipRule| Fault::of(listed.name.as_bytes(), Rule::Zip(rule));
    let disagrees = |what| fault(ZipRule::HeaderDisagrees(what));
    file.seek(SeekFrom::Start(listed.offset))?;
    let mut fields = [0; HEADER_LENGTH];
    file.read_exact(&mut fields)?;
    if !fields.starts_with(HEADER_SIGNATURE) {
        return Err(disagrees("place"));
    }
    let (name_length, extra_length) = (u16_at(&fields, 26), u16_at(&fields, 28));
    if usize::from(name_length) != listed.name.len() {
        return Err(disagrees("name"));
    }
    let mut name = vec![0; usize::from(name_length)];
    file.read_exact(&mut name)?;
    let mut extra = vec![0; usize::from(extra_length)];
    file.read_exact(&mut extra)?;
    if name != listed.name.as_bytes() {
        return Err(disagrees("name"));
    }
    if u16_at(&fields, 6) != listed.flags {
        return Err(disagrees("flags"));
    }
    if u16_at(&fields, 8) != listed.method {
        return Err(disagrees("compression"));
    }
    let mut sizes = Sizes {
        size: u64::from(u32_at(&fields, 22)),
        compressed: u64::from(u32_at(&fields, 18)),
        offset: None,
    };
    extra::read(&extra, &mut sizes).map_err(fault)?;
    let crc = u32_at(&fields, 14);
    // Zeros stand for "see below", where they may (4.4.4, bit 3).
    let later = listed.flags & DESCRIPTOR != 0;
    if crc != listed.crc && !(later && crc == 0) {
        return Err(disagrees("checksum"));
    }
    let given = (sizes.size, sizes.compressed);
    if given != (listed.size, listed.compressed) && !(later && given == (0, 0)) {
        return Err(disagrees("size"));
    }
    Ok(listed.offset + HEADER_LENGTH as u64 + u64::from(name_length) + u64::from(extra_length))
}

/// Checks what lies between the end of a content and the next file: a data descriptor or nothing.
pub(super) fn after_content(
    file: &mut (impl Read + Seek),
    listed: &Listed,
    end: u64,
    next: u64,
) -> Result<(), Fault> {
    let fault = |rule: ZipRule| Fault::of(listed.name.as_bytes(), Rule::Zip(rule));
    let between = next
        .checked_sub(end)
        .ok_or_else(|| fault(ZipRule::Overlap))?;
    if listed.flags & DESCRIPTOR == 0 {
        return match between {
            0 => Ok(()),
            _ => Err(fault(ZipRule::Gap)),
        };
    }
    // With or without signature, sizes of four or eight bytes (4.3.9).
    if ![12, 16, 20, 24].contains(&between) {
        return Err(fault(ZipRule::Gap));
    }
    let mut descriptor = Vec::new();
    file.seek(SeekFrom::Start(end))?;
    file.take(between).read_to_end(&mut descriptor)?;
    let fields = match between {
        16 | 24 => descriptor
            .strip_prefix(DESCRIPTOR_SIGNATURE)
            .ok_or_else(|| fault(ZipRule::DescriptorDisagrees))?,
        _ => &descriptor,
    };
    let found = match fields.len() {
        12 => (u64::from(u32_at(fields, 4)), u64::from(u32_at(fields, 8))),
        _ => (u64_at(fields, 4), u64_at(fields, 12)),
    };
    if u32_at(fields, 0) == listed.crc && found == (listed.compressed, listed.size) {
        Ok(())
    } else {
        Err(fault(ZipRule::DescriptorDisagrees))
    }
}

/// The content of a file, checked while it is read: its length, its checksum and
/// that the compressed bytes end where the directory says.
pub(super) struct Content<'a, R> {
    inner: Inner<'a, R>,
    listed: &'a Listed,
    read: u64,
    crc: flate2::Crc,
    /// Which rule stopped the reading; an `io::Error` can't carry it through other readers.
    pub(super) broken: Option<ZipRule>,
}

enum Inner<'a, R> {
    Stored(io::Take<&'a mut R>),
    Deflate(flate2::bufread::DeflateDecoder<io::Take<&'a mut R>>),
}

impl<'a, R: io::BufRead> Content<'a, R> {
    /// `file` stands at the beginning of the content.
    pub(super) fn new(file: &'a mut R, listed: &'a Listed) -> Self {
        let bytes = file.take(listed.compressed);
        Self {
            inner: match listed.method {
                central::STORED => Inner::Stored(bytes),
                _ => Inner::Deflate(flate2::bufread::DeflateDecoder::new(bytes)),
            },
            listed,
            read: 0,
            crc: flate2::Crc::new(),
            broken: None,
        }
    }

    fn stop(&mut self, rule: ZipRule) -> io::Error {
        self.broken = Some(rule);
        io::Error::new(io::ErrorKind::InvalidData, rule)
    }

    fn judge_end(&self) -> Result<(), ZipRule> {
        let all_used = match &self.inner {
            Inner::Stored(bytes) => bytes.limit() == 0,
            Inner::Deflate(decoder) => decoder.total_in() == self.listed.compressed,
        };
        if self.read != self.listed.size || !all_used {
            Err(ZipRule::SizeDisagrees)
        } else if self.crc.sum() != self.listed.crc {
            Err(ZipRule::Checksum)
        } else {
            Ok(())
        }
    }
}

impl<R: io::BufRead> Read for Content<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let n = match &mut self.inner {
            Inner::Stored(bytes) => bytes.read(buffer)?,
            Inner::Deflate(decoder) => decoder.read(buffer)?,
        };
        self.read += n as u64;
        if self.read > self.listed.size {
            return Err(self.stop(ZipRule::SizeDisagrees));
        }
        if n == 0 {
            self.judge_end().map_err(|rule| self.stop(rule))?;
        }
        self.crc.update(buffer.get(..n).unwrap_or_default());
        Ok(n)
    }
}
