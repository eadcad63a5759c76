//! Reading a file of records line by line, whatever is in it, with bounded memory.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom};

use super::chain::{Link, MAX_LINE};

/// The lines of a file, up to a length that was known before.
pub(super) struct Lines {
    reader: BufReader<io::Take<File>>,
    at: u64,
    line: Vec<u8>,
}

/// One line, without its newline.
#[derive(Clone, Copy, Debug)]
pub(super) struct RawLine<'a> {
    /// Where it begins, in bytes.
    pub(super) at: u64,
    /// Where the next one begins.
    pub(super) end: u64,
    /// Of a line that is too long the beginning.
    pub(super) bytes: &'a [u8],
    /// `false`: it has no newline, so it is the last one.
    pub(super) complete: bool,
    too_long: bool,
}

impl RawLine<'_> {
    /// `None`: it is no record.
    pub(super) fn link(&self) -> Option<Link> {
        if self.too_long || !self.complete {
            return None;
        }
        Link::read(self.bytes)
    }
}

impl Lines {
    /// The bytes from `from` to `to`.
    pub(super) fn between(mut file: File, from: u64, to: u64) -> io::Result<Self> {
        file.seek(SeekFrom::Start(from))?;
        Ok(Self {
            reader: BufReader::with_capacity(64 << 10, file.take(to.saturating_sub(from))),
            at: from,
            line: Vec::new(),
        })
    }

    pub(super) fn next(&mut self) -> io::Result<Option<RawLine<'_>>> {
        self.line.clear();
        let (at, mut too_long) = (self.at, false);
        let mut complete = false;
        while !complete {
            let buffer = self.reader.fill_buf()?;
            if buffer.is_empty() {
                break;
            }
            let newline = memchr::memchr(b'\n', buffer);
            let taken = newline.unwrap_or(buffer.len());
            if self.line.len() + taken >= MAX_LINE {
                too_long = true;
            } else {
                self.line
                    .extend_from_slice(buffer.get(..taken).unwrap_or_default());
            }
            complete = newline.is_some();
            let used = taken + usize::from(complete);
            self.reader.consume(used);
            self.at += used as u64;
        }
        if self.at == at {
            return Ok(None);
        }
        Ok(Some(RawLine {
            at,
            end: self.at,
            bytes: &self.line,
            complete,
            too_long,
        }))
    }
}
