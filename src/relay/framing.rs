//! Lines from a byte stream: split at `\n` and nothing else, with bounded memory.
//!
//! What a line means is not looked at here. A line that is too long is swallowed to its
//! end; only its head and tail are kept, to find out whose answer it was.

use std::future::{Future as _, poll_fn};
use std::io;
use std::ops::Range;
use std::pin::pin;
use std::task::{Context, Poll};

use memchr::memchr;
use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::recover::{HEAD, TAIL};

/// How much is read at once; 64 KiB is what a Linux pipe holds.
const CHUNK: usize = 64 * 1024;
/// A buffer that grew beyond this for one long line is given back after it,
const MOST_CAPACITY: usize = 4 * 1024 * 1024;
/// one beyond this after so many reads without another: long lines seldom come alone.
const KEEP_CAPACITY: usize = 4 * CHUNK;
const READS_WITHOUT: u32 = 32;

/// One line, without its newline. Lines of nothing but white space are skipped.
#[derive(Debug, PartialEq, Eq)]
pub enum Line<'a> {
    Whole(&'a [u8]),
    /// Longer than the limit. `head` is its start, `tail` its end.
    TooLong {
        head: &'a [u8],
        tail: &'a [u8],
    },
    /// The stream ended without a newline after this many bytes.
    Incomplete {
        length: usize,
    },
}

/// Reads lines from `source`. All its methods may be cancelled without losing data.
#[derive(Debug)]
pub struct LineReader<R> {
    source: R,
    max_line: usize,
    buffer: Vec<u8>,
    /// The first byte of `buffer` that was not given out.
    start: usize,
    /// Before this byte, and after `start`, there is no newline.
    scanned: usize,
    /// Reads since the buffer was last needed for a long line.
    reads_without: u32,
    /// The line under way is too long.
    overlong: Option<Overlong>,
    ended: bool,
}

/// What is kept of a line that is too long.
#[derive(Debug)]
struct Overlong {
    head: Vec<u8>,
    tail: Vec<u8>,
    length: usize,
    /// Its newline was seen: it was given out and goes with the next call.
    finished: bool,
}

/// Where the next line is; apart from [`Line`] because of the borrow of the buffer.
enum Found {
    Whole(Range<usize>),
    TooLong,
}

impl<R: AsyncRead + Unpin> LineReader<R> {
    pub fn new(source: R, max_line: usize) -> Self {
        Self {
            source,
            max_line,
            buffer: Vec::new(),
            start: 0,
            scanned: 0,
            reads_without: 0,
            overlong: None,
            ended: false,
        }
    }

    /// The next line; `None` at the end of the stream.
    pub async fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        let found = loop {
            if let Some(found) = self.find() {
                break found;
            }
            if self.ended {
                return Ok(self.take_incomplete());
            }
            poll_fn(|cx| self.poll_fill(cx)).await?;
        };
        Ok(Some(self.line(found)))
    }

    /// The next line, if it has been read already.
    pub fn next_buffered(&mut self) -> Option<Line<'_>> {
        let found = self.find()?;
        Some(self.line(found))
    }

    /// Reads more. `false` at the end of the stream.
    pub fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        self.make_room();
        let Self { source, buffer, .. } = self;
        let read = match pin!(source.read_buf(buffer)).poll(cx) {
            Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
            Poll::Ready(Ok(read)) => read,
            Poll::Pending => return Poll::Pending,
        };
        self.ended = read == 0;
        Poll::Ready(Ok(!self.ended))
    }

    /// At the end of the stream: what came after the last newline, once.
    pub fn take_incomplete(&mut self) -> Option<Line<'static>> {
        let rest = self.buffer.get(self.start..).unwrap_or_default();
        let blank = is_blank(rest);
        let overlong = self.overlong.take().filter(|overlong| !overlong.finished);
        let length = rest.len() + overlong.as_ref().map_or(0, |overlong| overlong.length);
        self.buffer.clear();
        self.start = 0;
        self.scanned = 0;
        (overlong.is_some() || !blank).then_some(Line::Incomplete { length })
    }

    fn find(&mut self) -> Option<Found> {
        if self
            .overlong
            .as_ref()
            .is_some_and(|overlong| overlong.finished)
        {
            self.overlong = None;
        }
        if self.overlong.is_some() {
            return self.swallow();
        }
        loop {
            let unseen = self.buffer.get(self.scanned..).unwrap_or_default();
            let Some(offset) = memchr(b'\n', unseen) else {
                self.scanned = self.buffer.len();
                if self.scanned - self.start > self.max_line {
                    self.overlong = Some(Overlong::empty());
                    return self.swallow();
                }
                return None;
            };
            let end = self.scanned + offset;
            let line = self.start..end;
            if line.len() > self.max_line {
                self.overlong = Some(Overlong::empty());
                self.scanned = self.start;
                return self.swallow();
            }
            self.start = end + 1;
            self.scanned = self.start;
            if !is_blank(self.buffer.get(line.clone()).unwrap_or_default()) {
                return Some(Found::Whole(line));
            }
        }
    }

    /// Moves what is buffered of the over-long line out of the buffer.
    fn swallow(&mut self) -> Option<Found> {
        let overlong = self.overlong.as_mut()?;
        let rest = self.buffer.get(self.start..).unwrap_or_default();
        let end = memchr(b'\n', rest);
        overlong.take_in(rest.get(..end.unwrap_or(rest.len())).unwrap_or_default());
        self.start = end.map_or(self.buffer.len(), |end| self.start + end + 1);
        self.scanned = self.start;
        overlong.finished = end.is_some();
        end.map(|_| Found::TooLong)
    }

    fn line(&self, found: Found) -> Line<'_> {
        match (found, &self.overlong) {
            (Found::TooLong, Some(Overlong { head, tail, .. })) => Line::TooLong { head, tail },
            (Found::TooLong, None) => Line::TooLong {
                head: &[],
                tail: &[],
            },
            (Found::Whole(range), _) => Line::Whole(self.buffer.get(range).unwrap_or_default()),
        }
    }

    fn make_room(&mut self) {
        self.buffer.drain(..self.start.min(self.buffer.len()));
        self.scanned = self.scanned.saturating_sub(self.start);
        self.start = 0;
        self.reads_without = if self.buffer.len() < CHUNK {
            self.reads_without.saturating_add(1)
        } else {
            0
        };
        let keep = if self.reads_without > READS_WITHOUT {
            KEEP_CAPACITY
        } else {
            MOST_CAPACITY
        };
        if self.reads_without > 0 && self.buffer.capacity() > keep {
            self.buffer.shrink_to(2 * CHUNK);
        }
        self.buffer.reserve(CHUNK);
    }
}

impl Overlong {
    fn empty() -> Self {
        Self {
            head: Vec::new(),
            tail: Vec::new(),
            length: 0,
            finished: false,
        }
    }

    fn take_in(&mut self, bytes: &[u8]) {
        self.length += bytes.len();
        let missing = HEAD.saturating_sub(self.head.len()).min(bytes.len());
        self.head
            .extend_from_slice(bytes.get(..missing).unwrap_or_default());
        let last = bytes.len().saturating_sub(TAIL);
        self.tail
            .extend_from_slice(bytes.get(last..).unwrap_or_default());
        let excess = self.tail.len().saturating_sub(TAIL);
        self.tail.drain(..excess);
    }
}

fn is_blank(line: &[u8]) -> bool {
    line.iter().all(|byte| b" \t\r".contains(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives out `data` in pieces of `step` bytes.
    struct Pieces<'a> {
        data: &'a [u8],
        step: usize,
    }

    impl AsyncRead for Pieces<'_> {
        fn poll_read(
            mut self: std::pin::Pin<&mut Self>,
            _: &mut Context<'_>,
            buffer: &mut tokio::io::ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            let length = self.step.min(self.data.len()).min(buffer.remaining());
            let (piece, rest) = self.data.split_at(length);
            buffer.put_slice(piece);
            self.data = rest;
            Poll::Ready(Ok(()))
        }
    }

    async fn read_all(data: &[u8], step: usize, max_line: usize) -> Vec<String> {
        let mut reader = LineReader::new(Pieces { data, step }, max_line);
        let mut lines = Vec::new();
        while let Some(line) = reader.next().await.unwrap() {
            lines.push(match line {
                Line::Whole(line) => String::from_utf8_lossy(line).into_owned(),
                Line::TooLong { head, tail } => {
                    assert!(head.len() <= HEAD && tail.len() <= TAIL);
                    format!(
                        "<{}…{}>",
                        head.len(),
                        String::from_utf8_lossy(&tail[tail.len() - 2..])
                    )
                }
                Line::Incomplete { length } => format!("incomplete {length}"),
            });
        }
        lines
    }

    #[tokio::test]
    async fn lines_are_split_at_newlines_only() {
        for step in [1, 2, 3, 7, 1000] {
            let lines = read_all(b"a\n\nbc\rd\n \t\r\ne\x85\xe2\x80\xa8f\r\n", step, 100).await;
            assert_eq!(lines, ["a", "bc\rd", "e\u{fffd}\u{2028}f\r"], "{step}");
        }
    }

    #[tokio::test]
    async fn a_last_line_without_newline_is_incomplete() {
        assert_eq!(read_all(b"a\nbcd", 2, 100).await, ["a", "incomplete 3"]);
        assert_eq!(read_all(b"a\n  ", 2, 100).await, ["a"]);
        assert_eq!(read_all(b"", 2, 100).await, [""; 0]);
        assert_eq!(read_all(b"abcdefgh", 2, 4).await, ["incomplete 8"]);
    }

    #[tokio::test]
    async fn over_long_lines_are_swallowed_and_reported_once() {
        for step in [1, 5, 1000] {
            let lines = read_all(b"1234\n12345\nabc\n1234567890\n123456\nx\n", step, 4).await;
            assert_eq!(
                lines,
                ["1234", "<5…45>", "abc", "<10…90>", "<6…56>", "x"],
                "{step}"
            );
        }
    }

    #[tokio::test]
    async fn memory_stays_bounded_on_an_endless_line() {
        let mut data = vec![b'x'; 8 * 1024 * 1024];
        data.extend_from_slice(b"yz\nafter\n");
        let mut reader = LineReader::new(
            Pieces {
                data: &data,
                step: 100_000,
            },
            10_000,
        );
        match reader.next().await.unwrap() {
            Some(Line::TooLong { head, tail }) => {
                assert_eq!((head.len(), tail.len()), (HEAD, TAIL));
                assert!(tail.ends_with(b"xyz"));
            }
            other => panic!("{other:?}"),
        }
        assert!(reader.buffer.capacity() <= KEEP_CAPACITY);
        assert_eq!(reader.next().await.unwrap(), Some(Line::Whole(b"after")));
        assert_eq!(reader.next().await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_large_buffer_is_given_back() {
        let mut data = vec![b'x'; 4 * 1024 * 1024];
        data.push(b'\n');
        data.extend_from_slice(&b"small\n".repeat(50_000));
        let mut reader = LineReader::new(
            Pieces {
                data: &data,
                step: 50_000,
            },
            5 * 1024 * 1024,
        );
        while reader.next().await.unwrap().is_some() {}
        assert!(reader.buffer.capacity() <= KEEP_CAPACITY);
    }
}
