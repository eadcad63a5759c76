//! A pipe that is made to hold more while much goes through it.
//!
//! A long message comes through a pipe of 64 KiB in pieces, and for each piece both sides wait for the
//! other to be woken. What all pipes of a user may hold together is limited (pipe(7)), so a pipe is
//! wide only as long as that helps.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustix::pipe::{fcntl_getpipe_size, fcntl_setpipe_size};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::task::JoinHandle;
use tokio::time::sleep;

/// What a wide pipe holds, in bytes: what a user without privileges may set one to (pipe(7)).
const WIDE: usize = 1024 * 1024;
/// So often in a row it was full before it is widened.
const FULL: u32 = 4;
/// For so long it was not full before it is made what it was.
const IDLE: Duration = Duration::from_secs(2);

/// A pipe to be read or written, in a runtime with time.
pub(super) struct WidePipe<P> {
    pipe: P,
    /// What it holds when it isn't widened, in bytes; 0: it is no pipe, or can't be widened.
    narrow: usize,
    /// In a row.
    full: u32,
    wide: Option<Wide>,
}

/// Of a pipe that is wide, until its task has ended.
struct Wide {
    was_full: Arc<AtomicBool>,
    narrows: JoinHandle<()>,
}

impl<P: AsFd> WidePipe<P> {
    pub(super) fn new(pipe: P) -> Self {
        Self {
            narrow: fcntl_getpipe_size(&pipe).unwrap_or(0),
            pipe,
            full: 0,
            wide: None,
        }
    }

    fn note(&mut self, is_full: bool) {
        if !is_full {
            self.full = 0;
            return;
        }
        self.full = self.full.saturating_add(1);
        match &self.wide {
            Some(wide) if !wide.narrows.is_finished() => {
                wide.was_full.store(true, Ordering::Relaxed);
            }
            _ if self.full >= FULL && self.narrow > 0 && self.narrow < WIDE => {
                self.wide = self.widen().ok();
                if self.wide.is_none() {
                    // The user's pipes hold as much as they may; it isn't tried again.
                    self.narrow = 0;
                }
            }
            _ => {}
        }
    }

    fn widen(&self) -> io::Result<Wide> {
        let pipe = self.pipe.as_fd().try_clone_to_owned()?;
        fcntl_setpipe_size(&pipe, WIDE)?;
        let was_full = Arc::new(AtomicBool::new(false));
        let narrows = tokio::spawn(narrow_when_idle(pipe, self.narrow, Arc::clone(&was_full)));
        Ok(Wide { was_full, narrows })
    }
}

async fn narrow_when_idle(pipe: OwnedFd, narrow: usize, was_full: Arc<AtomicBool>) {
    loop {
        sleep(IDLE).await;
        // It fails as long as more is in it.
        if !was_full.swap(false, Ordering::Relaxed) && fcntl_setpipe_size(&pipe, narrow).is_ok() {
            return;
        }
    }
}

impl Drop for Wide {
    fn drop(&mut self) {
        self.narrows.abort();
    }
}

impl<P: AsyncRead + AsFd + Unpin> AsyncRead for WidePipe<P> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.pipe).poll_read(context, buffer))?;
        let is_full = buffer.filled().len() - before >= self.narrow;
        self.note(is_full);
        Poll::Ready(Ok(()))
    }
}

impl<P: AsyncWrite + AsFd + Unpin> AsyncWrite for WidePipe<P> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.pipe).poll_write(context, bytes))?;
        let is_full = written < bytes.len() || written >= self.narrow;
        self.note(is_full);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.pipe).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.pipe).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::unix::pipe;

    use super::*;

    async fn held(size: impl Fn() -> usize, wanted: usize) {
        while size() != wanted {
            sleep(Duration::from_millis(20)).await;
        }
    }

    #[tokio::test]
    async fn wide_while_much_goes_through_it_and_not_longer() {
        let (sender, receiver) = pipe::pipe().unwrap();
        let at_first = fcntl_getpipe_size(&receiver).unwrap();
        let watched = receiver.as_fd().try_clone_to_owned().unwrap();
        let size = || fcntl_getpipe_size(&watched).unwrap();
        let (mut sender, mut receiver) = (WidePipe::new(sender), WidePipe::new(receiver));
        let mut buffer = vec![0; 4 * WIDE];
        // Little at a time.
        for _ in 0..100 {
            sender.write_all(&[1; 1000]).await.unwrap();
            receiver.read_exact(&mut buffer[..1000]).await.unwrap();
        }
        assert_eq!(size(), at_first);
        let long = vec![7; 4 * WIDE];
        let writing = async {
            sender.write_all(&long).await.unwrap();
            sender
        };
        let (_sender, read) = tokio::join!(writing, receiver.read_exact(&mut buffer));
        read.unwrap();
        assert!(buffer == long);
        if size() == at_first {
            // All that this user's pipes may hold is taken (pipe-user-pages-soft).
            println!("skipped: this user's pipes can't be widened");
            return;
        }
        assert_eq!(size(), WIDE);
        tokio::time::timeout(Duration::from_secs(60), held(size, at_first))
            .await
            .expect("it is made what it was");
    }
}
