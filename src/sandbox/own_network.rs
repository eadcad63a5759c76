//! A network in which every address is this machine, and only the parent answers.
//!
//! The namespace has no interface but loopback, so nothing can leave it. One route makes all
//! addresses local ("local 0.0.0.0/0 dev lo", ip-route(8)): whatever a server dials, at a port that
//! it was granted, arrives at a listener of ours, whose local address tells what was dialled. At any
//! other port it is refused at once. The listeners are the parent's, who is outside.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, Backlog, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn, SockaddrIn6,
    SockaddrLike, bind, listen, recv, send, setsockopt, socket, sockopt,
};

use super::SandboxError;
use super::listeners::{self, MAX_PORTS, NAME_SERVER, NAME_SERVER_PORT};

/// The only address that is on the interface. getaddrinfo(3) with `AI_ADDRCONFIG` finds no IPv4
/// address for a machine that has none but those of loopback.
const OWN_ADDRESS: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 1);

/// Of every new network namespace.
const LOOPBACK_INDEX: u32 = 1;

/// Makes this namespace's network and hands its listeners over to the parent.
///
/// The network namespace must be new.
pub(super) fn enter(ports: &[u16], parent: &impl AsFd) -> Result<(), SandboxError> {
    let fail = |what: &str, source| SandboxError::Namespaces {
        what: what.to_owned(),
        source,
    };
    if ports.len() > MAX_PORTS {
        let source = io::ErrorKind::InvalidInput.into();
        return Err(fail("listen at so many ports", source));
    }
    let routes = Routes::open().map_err(|source| fail("change its network", source))?;
    routes
        .interface_up()
        .and_then(|()| routes.all_local(AddressFamily::Inet))
        .and_then(|()| routes.add_address(OWN_ADDRESS))
        .map_err(|source| fail("make every address local", source))?;
    let names = datagrams(SocketAddrV4::new(NAME_SERVER, NAME_SERVER_PORT).into())
        .map_err(|source| fail("open its name server", source))?;
    let mut streams = Vec::new();
    if !ports.contains(&NAME_SERVER_PORT) {
        let address = SocketAddrV4::new(NAME_SERVER, NAME_SERVER_PORT);
        streams.push(
            stream(&SockaddrIn::from(address), AddressFamily::Inet)
                .map_err(|source| fail("open its name server", source))?,
        );
    }
    for &port in ports {
        let address = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, port);
        streams.push(
            stream(&SockaddrIn::from(address), AddressFamily::Inet)
                .map_err(|source| fail(&format!("listen at port {port}"), source))?,
        );
    }
    // Without it IPv6 addresses can't be reached, which some machines are set up for.
    if routes.all_local(AddressFamily::Inet6).is_ok() {
        for &port in ports {
            let address = SocketAddrV6::new(Ipv6Addr::UNSPECIFIED, port, 0, 0);
            streams.push(
                stream(&SockaddrIn6::from(address), AddressFamily::Inet6)
                    .map_err(|source| fail(&format!("listen at port {port}"), source))?,
            );
        }
    }
    listeners::send(parent, &names, &streams)
        .map_err(|source| fail("hand over its network", source))
}

fn datagrams(address: SockaddrIn) -> io::Result<OwnedFd> {
    let socket = open(AddressFamily::Inet, SockType::Datagram)?;
    bind(socket.as_raw_fd(), &address)?;
    Ok(socket)
}

fn stream(address: &dyn SockaddrLike, family: AddressFamily) -> io::Result<OwnedFd> {
    let socket = open(family, SockType::Stream)?;
    if family == AddressFamily::Inet6 {
        // The other listener has the port for IPv4.
        setsockopt(&socket, sockopt::Ipv6V6Only, &true)?;
    }
    bind(socket.as_raw_fd(), address)?;
    listen(&socket, Backlog::MAXCONN)?;
    Ok(socket)
}

fn open(family: AddressFamily, kind: SockType) -> io::Result<OwnedFd> {
    Ok(socket(family, kind, SockFlag::SOCK_CLOEXEC, None)?)
}

/// The kernel's table of interfaces, addresses and routes: rtnetlink(7).
struct Routes(OwnedFd);

impl Routes {
    fn open() -> io::Result<Self> {
        Ok(Self(socket(
            AddressFamily::Netlink,
            SockType::Raw,
            SockFlag::SOCK_CLOEXEC,
            SockProtocol::NetlinkRoute,
        )?))
    }

    /// `ip link set lo up`
    fn interface_up(&self) -> io::Result<()> {
        const RTM_NEWLINK: u16 = 16;
        const IFF_UP: u32 = 1;
        // struct ifinfomsg: family, padding, type; index, flags, which of them to change.
        let mut body = vec![0; 4];
        for number in [LOOPBACK_INDEX, IFF_UP, IFF_UP] {
            body.extend(number.to_ne_bytes());
        }
        self.change(RTM_NEWLINK, 0, &body)
    }

    /// `ip route add local 0.0.0.0/0 dev lo`, or `::/0`
    fn all_local(&self, family: AddressFamily) -> io::Result<()> {
        const RTM_NEWROUTE: u16 = 24;
        const RT_TABLE_LOCAL: u8 = 255;
        const RTPROT_STATIC: u8 = 4;
        const RT_SCOPE_HOST: u8 = 254;
        const RTN_LOCAL: u8 = 2;
        const RTA_OIF: u16 = 4;
        // struct rtmsg; the destination has length 0, so it is everything.
        let mut body = vec![
            family_number(family),
            0,
            0,
            0,
            RT_TABLE_LOCAL,
            RTPROT_STATIC,
            RT_SCOPE_HOST,
            RTN_LOCAL,
        ];
        body.extend(0_u32.to_ne_bytes());
        body.extend(attribute(RTA_OIF, LOOPBACK_INDEX.to_ne_bytes()));
        self.change(RTM_NEWROUTE, CREATE, &body)
    }

    /// `ip address add ADDRESS/32 dev lo`
    fn add_address(&self, address: Ipv4Addr) -> io::Result<()> {
        const RTM_NEWADDR: u16 = 20;
        const IFA_ADDRESS: u16 = 1;
        const IFA_LOCAL: u16 = 2;
        // struct ifaddrmsg: family, length of the prefix, flags, scope (global); index.
        let mut body = vec![family_number(AddressFamily::Inet), 32, 0, 0];
        body.extend(LOOPBACK_INDEX.to_ne_bytes());
        body.extend(attribute(IFA_LOCAL, address.octets()));
        body.extend(attribute(IFA_ADDRESS, address.octets()));
        self.change(RTM_NEWADDR, CREATE, &body)
    }

    /// One request and its acknowledgement (netlink(7)).
    fn change(&self, kind: u16, flags: u16, body: &[u8]) -> io::Result<()> {
        const HEADER_BYTES: u32 = 16;
        const NLM_F_REQUEST: u16 = 1;
        const NLM_F_ACK: u16 = 4;
        const NLMSG_ERROR: u16 = 2;
        let length = HEADER_BYTES + u32::try_from(body.len()).unwrap_or(u32::MAX);
        // struct nlmsghdr: length, type, flags, sequence number, port.
        let mut message = length.to_ne_bytes().to_vec();
        message.extend(kind.to_ne_bytes());
        message.extend((flags | NLM_F_REQUEST | NLM_F_ACK).to_ne_bytes());
        message.extend(1_u32.to_ne_bytes());
        message.extend(0_u32.to_ne_bytes());
        message.extend(body);
        send(self.0.as_raw_fd(), &message, MsgFlags::empty())?;
        let mut answer = [0; 512];
        let read = recv(self.0.as_raw_fd(), &mut answer, MsgFlags::empty())?;
        let answer = &answer[..read];
        let kind = answer.get(4..6).and_then(|bytes| bytes.try_into().ok());
        // struct nlmsgerr: 0, or a negated errno.
        let error = answer.get(16..20).and_then(|bytes| bytes.try_into().ok());
        match (kind.map(u16::from_ne_bytes), error.map(i32::from_ne_bytes)) {
            (Some(NLMSG_ERROR), Some(0)) => Ok(()),
            (Some(NLMSG_ERROR), Some(error)) => Err(Errno::from_raw(error.saturating_neg()).into()),
            _ => Err(io::ErrorKind::InvalidData.into()),
        }
    }
}

/// `NLM_F_CREATE | NLM_F_EXCL`
const CREATE: u16 = 0x400 | 0x200;

/// struct rtattr, for a value of four bytes.
fn attribute(kind: u16, value: [u8; 4]) -> Vec<u8> {
    let mut bytes = 8_u16.to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(value);
    bytes
}

fn family_number(family: AddressFamily) -> u8 {
    // AF_INET is 2 and AF_INET6 is 10 (bits/socket.h).
    u8::try_from(family as i32).unwrap_or_default()
}
