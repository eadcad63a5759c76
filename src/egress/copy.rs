//! Moving bytes from one connection to another, one way.
//!
//! What was read is written before more is read, so no more than one buffer is ever held and a
//! reader that is slow slows the writer down. A connection that moves a lot goes over to splice(2),
//! by which the bytes don't leave the kernel; the pipe for that is held only as long as they flow.

use std::cell::Cell;
use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::net::{Shutdown, shutdown, sockopt};
use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice};
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::task::{coop, yield_now};
use tokio::time::timeout;

use super::session::Session;

const BUFFER_BYTES: usize = 16 * 1024;
/// After so many bytes a connection is one that moves a lot.
const BULK_BYTES: u64 = 256 * 1024;
/// What a user without privileges may set a pipe to (pipe(7)).
const PIPE_BYTES: usize = 1024 * 1024;
/// Pipes at one time, of two descriptors each.
const MAX_PIPES: usize = 32;
/// A pipe through which nothing came for so long is given back.
const PIPE_IDLE: Duration = Duration::from_secs(2);

/// Why a way ended before its end.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// The side that was read is broken.
    Read,
    /// The side that was written to is broken.
    Write,
    BytesSpent,
}

/// One way between two connections.
pub(super) struct Way<'a, F> {
    pub(super) from: &'a TcpStream,
    pub(super) to: &'a TcpStream,
    pub(super) session: &'a Session,
    /// Told of bytes when they were read.
    pub(super) moved: F,
}

enum Pause {
    /// The other side has said all.
    End,
    /// The other way of copying is the better one.
    Other,
}

impl<F: Fn(u64)> Way<'_, F> {
    /// Copies until the end of the stream, and passes that on.
    pub(super) async fn copy(&self) -> Result<(), Stop> {
        loop {
            if matches!(self.copy_buffered().await?, Pause::End) {
                break;
            }
            if let Some(pipe) = Pipe::open(&self.session.pipes)
                && matches!(self.copy_spliced(&pipe).await?, Pause::End)
            {
                break;
            }
        }
        // Not connected any more: the next read of that side says so.
        shutdown(self.to, Shutdown::Write).map_err(|_| Stop::Write)
    }

    /// Reads what is there, `buffer` at most; 0 is the end.
    pub(super) async fn read(&self, buffer: &mut [u8]) -> Result<usize, Stop> {
        // One byte more than allowed tells that more was meant.
        let left = usize::try_from(self.session.bytes_left()).unwrap_or(usize::MAX);
        let length = buffer.len().min(left.saturating_add(1));
        let read = self
            .from
            .async_io(Interest::READABLE, || {
                self.from.try_read(&mut buffer[..length])
            })
            .await
            .map_err(|_| Stop::Read)?;
        self.count(read)?;
        Ok(read)
    }

    pub(super) async fn write(&self, mut bytes: &[u8]) -> Result<(), Stop> {
        while !bytes.is_empty() {
            let written = self
                .to
                .async_io(Interest::WRITABLE, || self.to.try_write(bytes))
                .await
                .map_err(|_| Stop::Write)?;
            bytes = &bytes[written..];
        }
        Ok(())
    }

    fn count(&self, bytes: usize) -> Result<(), Stop> {
        let bytes = bytes as u64;
        (self.moved)(bytes);
        self.session.spend(bytes);
        if self.session.is_spent() {
            Err(Stop::BytesSpent)
        } else {
            Ok(())
        }
    }

    async fn copy_buffered(&self) -> Result<Pause, Stop> {
        self.from.readable().await.map_err(|_| Stop::Read)?;
        let mut buffer = vec![0; BUFFER_BYTES];
        let mut copied = 0;
        loop {
            let read = self.read(&mut buffer).await?;
            if read == 0 {
                return Ok(Pause::End);
            }
            self.write(&buffer[..read]).await?;
            copied += read as u64;
            if copied >= BULK_BYTES && self.session.pipes.get() < MAX_PIPES {
                return Ok(Pause::Other);
            }
            coop::consume_budget().await;
        }
    }

    async fn copy_spliced(&self, pipe: &Pipe<'_>) -> Result<Pause, Stop> {
        loop {
            let left = usize::try_from(self.session.bytes_left()).unwrap_or(usize::MAX);
            if left == 0 {
                return Ok(Pause::Other);
            }
            let length = left.min(PIPE_BYTES);
            let read = self.from.async_io(Interest::READABLE, || {
                // The pipe is empty, so this can't be for want of room.
                Ok(splice(self.from, None, &pipe.write, None, length, FLAGS)?)
            });
            let Ok(read) = timeout(PIPE_IDLE, read).await else {
                return Ok(Pause::Other);
            };
            let mut held = read.map_err(|_| Stop::Read)?;
            if held == 0 {
                return Ok(Pause::End);
            }
            self.count(held)?;
            while held > 0 {
                let write = self.to.async_io(Interest::WRITABLE, || {
                    Ok(splice(&pipe.read, None, self.to, None, held, FLAGS)?)
                });
                held -= write.await.map_err(|_| Stop::Write)?;
            }
            // A turn is up to a megabyte, so one is enough before the others get theirs.
            yield_now().await;
        }
    }
}

const FLAGS: SpliceFlags = SpliceFlags::NONBLOCK.union(SpliceFlags::MOVE);

/// A pipe for [`splice`], counted.
struct Pipe<'a> {
    read: OwnedFd,
    write: OwnedFd,
    open: &'a Cell<usize>,
}

impl<'a> Pipe<'a> {
    /// None when there are enough, or the kernel has no more.
    fn open(open: &'a Cell<usize>) -> Option<Self> {
        if open.get() >= MAX_PIPES {
            return None;
        }
        let (read, write) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).ok()?;
        // Where this is refused (the user's pipes hold much already), the usual size does it, too.
        let _ = fcntl_setpipe_size(&write, PIPE_BYTES);
        open.set(open.get() + 1);
        Some(Self { read, write, open })
    }
}

impl Drop for Pipe<'_> {
    fn drop(&mut self) {
        self.open.set(self.open.get().saturating_sub(1));
    }
}

/// Lets a connection end in order when it is dropped: what was written is still sent.
///
/// # Errors
/// When the socket is broken.
pub(super) fn finish(stream: &TcpStream) -> io::Result<()> {
    Ok(sockopt::set_socket_linger(stream, None)?)
}
