//! The client's end: standard input and output of `pinfold run`, asynchronously and without
//! setting O_NONBLOCK on what others share.
//!
//! The flag belongs to the open file description, so setting it on an inherited
//! descriptor would also change the client's or the terminal's end. Pipes are
//! therefore opened anew through /proc/self/fd; sockets are asked not to block
//! call by call; everything else goes through blocking threads.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileTypeExt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use nix::sys::socket::{MsgFlags, recv, send};
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::unix::pipe;

use super::wide_pipe::WidePipe;
use crate::sys;

/// Standard input.
pub fn input() -> io::Result<Box<dyn AsyncRead + Unpin>> {
    let stream = io::stdin();
    Ok(match kind(stream.as_fd())? {
        Kind::Pipe(path) => match pipe::OpenOptions::new().open_receiver(path) {
            Ok(pipe) => Box::new(WidePipe::new(pipe)),
            // Another user's pipe can't be opened anew.
            Err(_) => Box::new(blocking(stream.as_fd())?),
        },
        Kind::Socket(socket) => Box::new(Socket::new(socket)?),
        Kind::Other => Box::new(blocking(stream.as_fd())?),
    })
}

/// Standard input, output and error, to hand them over.
///
/// # Errors
/// When one of them is closed.
pub fn streams() -> io::Result<[OwnedFd; 3]> {
    Ok([
        io::stdin().as_fd().try_clone_to_owned()?,
        io::stdout().as_fd().try_clone_to_owned()?,
        io::stderr().as_fd().try_clone_to_owned()?,
    ])
}

/// Standard output.
pub fn output() -> io::Result<Box<dyn AsyncWrite + Unpin>> {
    let stream = io::stdout();
    Ok(match kind(stream.as_fd())? {
        Kind::Pipe(path) => match pipe::OpenOptions::new().open_sender(path) {
            Ok(pipe) => Box::new(WidePipe::new(pipe)),
            Err(_) => Box::new(blocking(stream.as_fd())?),
        },
        Kind::Socket(socket) => Box::new(Socket::new(socket)?),
        Kind::Other => Box::new(blocking(stream.as_fd())?),
    })
}

enum Kind {
    Pipe(String),
    Socket(OwnedFd),
    Other,
}

fn kind(stream: BorrowedFd<'_>) -> io::Result<Kind> {
    let copy = std::fs::File::from(stream.try_clone_to_owned()?);
    let file_type = copy.metadata()?.file_type();
    let path = format!("/proc/self/fd/{}", stream.as_raw_fd());
    if file_type.is_fifo() {
        Ok(Kind::Pipe(path))
    } else if file_type.is_socket() {
        Ok(Kind::Socket(copy.into()))
    } else {
        Ok(Kind::Other)
    }
}

fn blocking(stream: BorrowedFd<'_>) -> io::Result<tokio::fs::File> {
    Ok(tokio::fs::File::from_std(std::fs::File::from(
        stream.try_clone_to_owned()?,
    )))
}

/// A stream socket that is never switched to non-blocking (MSG_DONTWAIT, recv(2)).
struct Socket(AsyncFd<OwnedFd>);

impl Socket {
    fn new(socket: OwnedFd) -> io::Result<Self> {
        sys::watch(socket).map(Self)
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            let mut ready = ready!(self.0.poll_read_ready(context))?;
            let unfilled = buffer.initialize_unfilled();
            let attempt = ready
                .try_io(|socket| Ok(recv(socket.as_raw_fd(), unfilled, MsgFlags::MSG_DONTWAIT)?));
            if let Ok(result) = attempt {
                buffer.advance(result?);
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        loop {
            let mut ready = ready!(self.0.poll_write_ready(context))?;
            let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
            let attempt = ready.try_io(|socket| Ok(send(socket.as_raw_fd(), bytes, flags)?));
            if let Ok(result) = attempt {
                return Poll::Ready(result);
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
