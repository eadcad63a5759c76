//! Lines on their way to one side: pushed without waiting, written when the side reads.
//!
//! Lines that are pushed before the next write go out in one write. How full an outbox may
//! get is decided by `pump`.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::AsyncWrite;

/// A buffer that grew beyond this is given back when it is empty.
const KEEP_CAPACITY: usize = 1024 * 1024;

#[derive(Debug)]
pub(super) struct Outbox<W> {
    writer: W,
    bytes: Vec<u8>,
    written: usize,
    flushed: bool,
}

impl<W: AsyncWrite + Unpin> Outbox<W> {
    pub(super) fn new(writer: W) -> Self {
        Self {
            writer,
            bytes: Vec::new(),
            written: 0,
            flushed: true,
        }
    }

    /// Adds `line` and a newline.
    pub(super) fn push(&mut self, line: &[u8]) {
        // With a reader that is never quite caught up with, the buffer is never empty: what was
        // written must go before that. Moving no more than was written keeps this cheap.
        if self.written >= self.bytes.len() - self.written {
            self.bytes.drain(..self.written);
            self.written = 0;
        }
        self.bytes.extend_from_slice(line);
        self.bytes.push(b'\n');
        self.flushed = false;
    }

    /// Bytes that were not written yet.
    pub(super) fn waiting(&self) -> usize {
        self.bytes.len() - self.written
    }

    pub(super) fn is_done(&self) -> bool {
        self.flushed
    }

    /// Writes and flushes everything; ready when that is done.
    pub(super) fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(rest) = self
            .bytes
            .get(self.written..)
            .filter(|rest| !rest.is_empty())
        {
            match ready!(Pin::new(&mut self.writer).poll_write(cx, rest)) {
                Ok(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Ok(written) => self.written += written,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        self.bytes.clear();
        self.written = 0;
        if self.bytes.capacity() > KEEP_CAPACITY {
            self.bytes.shrink_to(KEEP_CAPACITY);
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
            outbox.push(line.as_bytes());
            // One line behind, always.
            outbox.writer.room += if number == 0 { 3 } else { 8 };
            assert!(outbox.poll_send(&mut context).is_pending());
            assert_eq!(outbox.waiting(), 5);
            assert!(outbox.bytes.len() <= 32, "{}", outbox.bytes.len());
        }
        outbox.writer.room = usize::MAX;
        assert!(outbox.poll_send(&mut context).is_ready());
        assert_eq!(outbox.writer.taken, sent);
    }
}
