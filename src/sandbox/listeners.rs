//! The sockets of a relayed network on their way from the stub to the parent (unix(7), SCM_RIGHTS).

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};

/// Where a server with a relayed network asks for addresses.
pub const NAME_SERVER: Ipv4Addr = Ipv4Addr::LOCALHOST;
pub const NAME_SERVER_PORT: u16 = 53;

/// As many ports can be relayed. One message takes 253 descriptors (SCM_MAX_FD, unix(7)), and each
/// port needs two.
pub(super) const MAX_PORTS: usize = 100;
const MAX_DESCRIPTORS: usize = 2 + 2 * MAX_PORTS;

/// The message that carries them.
const LISTENERS: u8 = b'L';

/// Sockets inside of a relayed network.
#[derive(Debug)]
pub struct Listeners {
    /// DNS queries, at [`NAME_SERVER`].
    pub names: UdpSocket,
    /// DNS over TCP, and the ports that may be reached, of IPv4 and IPv6.
    pub streams: Vec<TcpListener>,
}

/// The stub's half.
pub(super) fn send(parent: &impl AsFd, names: &OwnedFd, streams: &[OwnedFd]) -> io::Result<()> {
    let descriptors: Vec<_> = std::iter::once(names)
        .chain(streams)
        .map(AsFd::as_fd)
        .collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !ancillary.push(SendAncillaryMessage::ScmRights(&descriptors)) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let word = [LISTENERS];
    sendmsg(
        parent,
        &[IoSlice::new(&word)],
        &mut ancillary,
        SendFlags::NOSIGNAL,
    )?;
    Ok(())
}

impl Listeners {
    /// The parent's half: takes them from the control socket, where they are once the box stands.
    ///
    /// # Errors
    /// When something else comes, or nothing.
    pub fn receive(control: &impl AsFd) -> io::Result<Self> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let mut word = [0];
        let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
        let received = recvmsg(
            control,
            &mut [IoSliceMut::new(&mut word)],
            &mut ancillary,
            flags,
        )?;
        // The kernel gives as many as there is room for; ports would be missing without a word.
        if received.flags.contains(ReturnFlags::CTRUNC) {
            return Err(io::Error::other(
                "the sockets of the server's network could not all be taken: too many open files",
            ));
        }
        let mut descriptors = ancillary
            .drain()
            .filter_map(|message| match message {
                RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
                _ => None,
            })
            .flatten();
        match (word, descriptors.next()) {
            ([LISTENERS], Some(names)) => Ok(Self {
                names: names.into(),
                streams: descriptors.map(TcpListener::from).collect(),
            }),
            _ => Err(io::ErrorKind::InvalidData.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn sockets_arrive_as_what_they_are() {
        let (parent, stub) = UnixStream::pair().unwrap();
        let names = UdpSocket::bind("127.0.0.1:0").unwrap();
        let addresses: Vec<_> = (0..2 * MAX_PORTS + 1)
            .map(|_| TcpListener::bind("127.0.0.1:0").unwrap())
            .collect();
        let named = names.local_addr().unwrap();
        let bound: Vec<_> = addresses
            .iter()
            .map(|one| one.local_addr().unwrap())
            .collect();
        let streams: Vec<OwnedFd> = addresses.into_iter().map(OwnedFd::from).collect();
        send(&stub, &names.into(), &streams).unwrap();
        drop(streams);
        let Listeners { names, streams } = Listeners::receive(&parent).unwrap();
        assert_eq!(names.local_addr().unwrap(), named);
        let received: Vec<_> = streams
            .iter()
            .map(|one| one.local_addr().unwrap())
            .collect();
        assert_eq!(received, bound);
    }

    /// As it is where the parent's limit of open files is too low for all.
    #[test]
    fn a_part_of_them_is_an_error() {
        let (parent, stub) = UnixStream::pair().unwrap();
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        for (count, is_whole) in [(MAX_DESCRIPTORS, true), (MAX_DESCRIPTORS + 3, false)] {
            let descriptors = vec![socket.as_fd(); count];
            let mut space =
                [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS + 3))];
            let mut ancillary = SendAncillaryBuffer::new(&mut space);
            assert!(ancillary.push(SendAncillaryMessage::ScmRights(&descriptors)));
            let word = [LISTENERS];
            let flags = SendFlags::empty();
            sendmsg(&stub, &[IoSlice::new(&word)], &mut ancillary, flags).unwrap();
            assert_eq!(Listeners::receive(&parent).is_ok(), is_whole, "{count}");
        }
    }

    #[test]
    fn anything_else_is_an_error() {
        use std::io::Write as _;
        let (parent, mut stub) = UnixStream::pair().unwrap();
        assert!(Listeners::receive(&parent).is_err());
        stub.write_all(&[LISTENERS]).unwrap();
        assert!(Listeners::receive(&parent).is_err());
        drop(stub);
        assert!(Listeners::receive(&parent).is_err());
    }
}
