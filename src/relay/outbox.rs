//! Lines on their way to one side: pushed without waiting, written when the side reads.
//!
//! Lines that are pushed before the next write go out in one write. How full an outbox may
//! get is decided by `pump`.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::AsyncWrite;

/// Lines from this length on, in bytes, are written from where they are; shorter ones are gathered,
/// so that many go out in one write.
const LONG: usize = 32 * 1024;
/// As much as a Linux pipe holds.
const GATHERED: usize = 64 * 1024;

#[derive(Debug)]
pub(super) struct Outbox<W> {
    writer: W,
    /// Lines with their newlines, one or many in each; the first may be written in part.
    pieces: VecDeque<Vec<u8>>,
    /// Of the first.
    written: usize,
    waiting: usize,
    flushed: bool,
    /// Has room for lines to be gathered in.
    spare: Vec<u8>,
}

impl<W: AsyncWrite + Unpin> Outbox<W> {
    pub(super) fn new(writer: W) -> Self {
        Self {
            writer,
            pieces: VecDeque::new(),
            written: 0,
            waiting: 0,
            flushed: true,
            spare: Vec::new(),
        }
    }

    /// Adds `line` and a newline.
    pub(super) fn push(&mut self, mut line: Vec<u8>) {
        self.flushed = false;
        self.waiting += line.len() + 1;
        if line.len() >= LONG {
            line.reserve_exact(1);
            line.push(b'\n');
            self.pieces.push_back(line);
            return;
        }
        if self.pieces.back().is_none_or(|last| last.len() >= GATHERED) {
            self.pieces.push_back(std::mem::take(&mut self.spare));
        }
        if let Some(last) = self.pieces.back_mut() {
            last.extend_from_slice(&line);
            last.push(b'\n');
        }
    }

    /// Bytes that were not written yet.
    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    pub(super) fn is_done(&self) -> bool {
        self.flushed
    }

    /// Writes and flushes everything; ready when that is done.
    pub(super) fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(piece) = self.pieces.front() {
            let rest = piece.get(self.written..).unwrap_or_default();
            if rest.is_empty() {
                self.written = 0;
                self.spare = self.pieces.pop_front().unwrap_or_default();
                self.spare.clear();
                // Of long lines the memory is given back.
                if self.spare.capacity() > 2 * GATHERED {
                    self.spare = Vec::new();
                }
                continue;
            }
            match ready!(Pin::new(&mut self.writer).poll_write(cx, rest)) {
                Ok(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Ok(written) => {
                    self.written += written;
                    self.waiting -= written;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        if !self.flushed {
            ready!(Pin::new(&mut self.writer).poll_flush(cx))?;
            self.flushed = true;
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes `room` bytes, then has none left until it is given more.
    struct Reader {
        room: usize,
        taken: Vec<u8>,
    }

    impl AsyncWrite for Reader {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            let count = bytes.len().min(self.room);
            if count == 0 {
                return Poll::Pending;
            }
            self.room -= count;
            self.taken.extend_from_slice(&bytes[..count]);
            Poll::Ready(Ok(count))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[test]
    fn long_and_short_lines_keep_their_order() {
        let mut context = Context::from_waker(std::task::Waker::noop());
        for room in [1, 1000, LONG, usize::MAX] {
            let mut outbox = Outbox::new(Reader {
                room: 0,
                taken: Vec::new(),
            });
            let mut sent = Vec::new();
            for (number, length) in [0, 5, LONG, LONG - 1, LONG + 1, 7, 3 * LONG, 1, 2]
                .into_iter()
                .enumerate()
            {
                let line = vec![b'a' + u8::try_from(number).unwrap(); length];
                sent.extend_from_slice(&line);
                sent.push(b'\n');
                outbox.push(line);
            }
            assert_eq!(outbox.waiting(), sent.len());
            loop {
                outbox.writer.room = room;
                let sent_all = outbox.poll_send(&mut context).is_ready();
                assert_eq!(outbox.waiting(), sent.len() - outbox.writer.taken.len());
                assert_eq!(outbox.is_done(), sent_all);
                if sent_all {
                    break;
                }
            }
            assert!(outbox.writer.taken == sent, "{room}");
        }
    }

    #[test]
    fn an_outbox_that_is_never_empty_does_not_grow() {
        let mut context = Context::from_waker(std::task::Waker::noop());
        let mut outbox = Outbox::new(Reader {
            room: 0,
            taken: Vec::new(),
        });
        let mut sent = Vec::new();
        for number in 0..10_000 {
            let line = format!("{number:07}");
            sent.extend_from_slice(line.as_bytes());
            sent.push(b'\n');
            outbox.push(line.as_bytes().to_vec());
            // One line behind, always.
            outbox.writer.room += if number == 0 { 3 } else { 8 };
            assert!(outbox.poll_send(&mut context).is_pending());
            assert_eq!(outbox.waiting(), 5);
            let held: usize = outbox.pieces.iter().map(Vec::capacity).sum();
            assert!(held <= 4 * GATHERED, "{held}");
        }
        outbox.writer.room = usize::MAX;
        assert!(outbox.poll_send(&mut context).is_ready());
        assert_eq!(outbox.writer.taken, sent);
    }
}
