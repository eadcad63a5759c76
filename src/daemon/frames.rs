//! Frames with descriptors over a SOCK_SEQPACKET socket (unix(7)): the kernel keeps their borders, so
//! there is no half of one.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags,
    SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg,
    sendmsg, socketpair,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::unix::AsyncFd;

use super::DaemonError;
use super::protocol::{self, MAX_FRAME, ProtocolError};
use crate::sys;

/// The most that any message carries: the client's three, and its connection. More are not even
/// taken from the kernel.
pub const MAX_DESCRIPTORS: usize = protocol::STREAMS + 1;

/// One frame as it came. Its descriptors are close-on-exec, and closed when it is dropped.
#[derive(Debug)]
pub struct Frame {
    pub bytes: Vec<u8>,
    pub descriptors: Vec<OwnedFd>,
}

/// One end of a connection.
#[derive(Debug)]
pub struct Connection(AsyncFd<OwnedFd>);

impl Connection {
    /// Takes a connected socket; needs a runtime.
    ///
    /// # Errors
    /// What epoll_ctl(2) reports.
    pub fn new(socket: OwnedFd) -> io::Result<Self> {
        sys::watch(socket).map(Self)
    }

    /// Two ends, both close-on-exec: one for here, one to be inherited.
    ///
    /// # Errors
    /// What socketpair(2) reports.
    pub fn pair() -> io::Result<(Self, OwnedFd)> {
        let (ours, theirs) = socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC,
            None,
        )?;
        Ok((Self::new(ours)?, theirs))
    }

    /// The next frame; `None` when the other end is closed.
    ///
    /// # Errors
    /// A frame or a number of descriptors beyond the bounds, both of which are thrown away; what
    /// recvmsg(2) reports.
    pub async fn receive_frame(&self) -> Result<Option<Frame>, DaemonError> {
        let mut was_reset = false;
        loop {
            let mut ready = self.0.readable().await?;
            match ready.try_io(receive) {
                Err(_) => {}
                // The other end was closed with something unread in it. What it sent before is still
                // here, behind this error.
                Ok(Err(error)) if error.raw_os_error() == Some(libc::ECONNRESET) => {
                    if was_reset {
                        return Ok(None);
                    }
                    was_reset = true;
                }
                Ok(received) => return received?.into_frame(),
            }
        }
    }

    /// The next message, which carries no descriptors.
    ///
    /// # Errors
    /// As [`Self::receive_frame`]; a frame that is no such message.
    pub async fn receive<Message: DeserializeOwned>(&self) -> Result<Option<Message>, DaemonError> {
        let Some(frame) = self.receive_frame().await? else {
            return Ok(None);
        };
        if !frame.descriptors.is_empty() {
            return Err(DaemonError::Descriptors);
        }
        Ok(Some(protocol::read(&frame.bytes)?))
    }

    /// Sends a message.
    ///
    /// # Errors
    /// `EPIPE` when the other end is closed; what sendmsg(2) reports.
    pub async fn send<Message: Serialize>(&self, message: &Message) -> Result<(), DaemonError> {
        self.send_with(message, &[]).await
    }

    /// Sends a message with descriptors, which stay the caller's.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub async fn send_with<Message: Serialize>(
        &self,
        message: &Message,
        descriptors: &[BorrowedFd<'_>],
    ) -> Result<(), DaemonError> {
        let frame = protocol::write(message)?;
        loop {
            let mut ready = self.0.writable().await?;
            if let Ok(sent) = ready.try_io(|socket| send(socket, &frame, descriptors)) {
                return Ok(sent?);
            }
        }
    }

    /// Hears nothing more: from here on the other end can't send, which it is told by `EPIPE`. What it
    /// sent before is still received.
    ///
    /// # Errors
    /// What shutdown(2) reports.
    pub fn hear_no_more(&self) -> io::Result<()> {
        Ok(rustix::net::shutdown(&self.0, rustix::net::Shutdown::Read)?)
    }

    /// The same socket, to hand it over.
    pub fn into_socket(self) -> OwnedFd {
        self.0.into_inner()
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.get_ref().as_fd()
    }
}

impl AsRawFd for Connection {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

struct Received {
    frame: Frame,
    flags: ReturnFlags,
}

impl Received {
    fn into_frame(self) -> Result<Option<Frame>, DaemonError> {
        if self.flags.contains(ReturnFlags::CTRUNC) {
            return Err(DaemonError::Descriptors);
        }
        if self.flags.contains(ReturnFlags::TRUNC) {
            return Err(ProtocolError::TooLong.into());
        }
        // An empty frame can't be told from the end; none of ours is empty.
        Ok((!self.frame.bytes.is_empty()).then_some(self.frame))
    }
}

fn receive(socket: &AsyncFd<OwnedFd>) -> io::Result<Received> {
    let mut bytes = vec![0; MAX_FRAME];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let received = recvmsg(
        socket,
        &mut [IoSliceMut::new(&mut bytes)],
        &mut ancillary,
        RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT,
    )?;
    let descriptors = ancillary
        .drain()
        .filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
            _ => None,
        })
        .flatten()
        .collect();
    bytes.truncate(received.bytes);
    bytes.shrink_to_fit();
    Ok(Received {
        frame: Frame { bytes, descriptors },
        flags: received.flags,
    })
}

fn send(socket: &impl AsFd, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
    sendmsg(socket, &[IoSlice::new(bytes)], &mut ancillary, flags)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::protocol::Request;

    fn ends() -> (Connection, Connection) {
        let (one, other) = Connection::pair().unwrap();
        (one, Connection::new(other).unwrap())
    }

    fn open_descriptors() -> usize {
        std::fs::read_dir("/proc/self/fd").unwrap().count()
    }

    #[tokio::test]
    async fn a_message_arrives_with_its_descriptors() {
        let (one, other) = ends();
        let streams = [one.as_fd(); 3];
        one.send_with(&Request::Streams, &streams).await.unwrap();
        one.send(&Request::Ps).await.unwrap();
        let frame = other.receive_frame().await.unwrap().unwrap();
        assert_eq!(frame.descriptors.len(), 3);
        assert_eq!(other.receive::<Request>().await.unwrap(), Some(Request::Ps));
        drop((frame, one));
        assert_eq!(other.receive::<Request>().await.unwrap(), None);
    }

    #[tokio::test]
    async fn what_is_beyond_the_bounds_is_refused_and_what_follows_is_read() {
        let (one, other) = ends();
        let frame = protocol::write(&Request::Ps).unwrap();
        let mut long = frame.clone();
        long.resize(MAX_FRAME + 1, b' ');
        send(&one, &long, &[]).unwrap();
        assert!(matches!(
            other.receive::<Request>().await,
            Err(DaemonError::Protocol(ProtocolError::TooLong))
        ));
        // Sent with room for more than the other end has.
        let many = vec![one.as_fd(); MAX_DESCRIPTORS + 1];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(16))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        assert!(ancillary.push(SendAncillaryMessage::ScmRights(&many)));
        let slices = [IoSlice::new(&frame)];
        sendmsg(&one, &slices, &mut ancillary, SendFlags::empty()).unwrap();
        assert!(matches!(
            other.receive::<Request>().await,
            Err(DaemonError::Descriptors)
        ));
        // One is within the bounds of a frame, but this message has none.
        send(&one, &frame, &[one.as_fd()]).unwrap();
        assert!(matches!(
            other.receive::<Request>().await,
            Err(DaemonError::Descriptors)
        ));
        one.send(&Request::Ps).await.unwrap();
        assert_eq!(other.receive::<Request>().await.unwrap(), Some(Request::Ps));
    }

    /// In a process of its own the number is exact; here other tests open files, too, so it is the
    /// sum over many that tells.
    #[tokio::test]
    async fn descriptors_of_refused_frames_are_closed() {
        const TIMES: usize = 2000;
        let (one, other) = ends();
        let before = open_descriptors();
        for _ in 0..TIMES {
            send(&one, b"{}", &[one.as_fd(); 3]).unwrap();
            assert!(other.receive::<Request>().await.is_err());
        }
        assert!(open_descriptors() < before + TIMES);
    }

    #[tokio::test]
    async fn what_was_sent_before_a_reset_is_read() {
        let (one, other) = ends();
        other.send(&Request::Ps).await.unwrap();
        one.send(&Request::Streams).await.unwrap();
        // Closed with a frame unread in it.
        drop(one);
        assert_eq!(
            other.receive::<Request>().await.unwrap(),
            Some(Request::Streams)
        );
        assert_eq!(other.receive::<Request>().await.unwrap(), None);
    }
}
