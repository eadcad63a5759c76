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
