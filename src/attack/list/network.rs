//! The network: reaching anybody, and learning of it.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr as UnixAddress, UnixDatagram, UnixListener, UnixStream};
use std::time::Duration;

use nix::ifaddrs::getifaddrs;

use super::{Attack, Group::Network, probe};
use crate::sys::probes;

const PATIENCE: Duration = Duration::from_secs(3);
const NOT_HIDDEN: &str = "network interfaces and addresses (netlink)";

pub(super) const ATTACKS: &[Attack] = &[
    Attack::new(
        Network,
        "tcp",
        "Connect to a service of this machine.",
        |targets| {
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, targets.tcp));
            TcpStream::connect_timeout(&address, PATIENCE).map(|_| true)
        },
    ),
    Attack::new(
        Network,
        "udp",
        "Send a datagram to a service of this machine.",
        |targets| {
            let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
            let sent = socket.send_to(b"x", (Ipv4Addr::LOCALHOST, targets.udp))?;
            Ok(sent == 1)
        },
    ),
    Attack::new(
        Network,
        "listening",
        "Wait for connections from anybody.",
        |_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map(|_| true),
    ),
    Attack::new(
        Network,
        "agent",
        "Connect to a service of yours by its path, as ssh-agent and the session bus have one.",
        |targets| UnixStream::connect(targets.planted("agent")).map(|_| true),
    ),
    Attack::new(
        Network,
        "bus",
        "Connect to a service of yours by a name that is no path.",
        |targets| {
            let name = UnixAddress::from_abstract_name(&targets.abstract_name)?;
            UnixStream::connect_addr(&name).map(|_| true)
        },
    ),
    Attack::new(
        Network,
        "journal",
        "Send a datagram to a service of yours by its path.",
        |targets| sends(&UnixDatagram::unbound()?, targets.planted("journal")),
    ),
    Attack::new(
        Network,
        "journal-by-pair",
        "Send from one end of a pair, which needs no call of socket(2).",
        |targets| sends(&UnixDatagram::pair()?.0, targets.planted("journal")),
    ),
    Attack::new(
        Network,
        "name-taken",
        "Take a name that is no path, which programs of yours might connect to.",
        |targets| {
            let name = format!("{}-mine", targets.abstract_name);
            UnixListener::bind_addr(&UnixAddress::from_abstract_name(name)?).map(|_| true)
        },
    ),
    Attack::new(Network, "inet", "Make a socket of IPv4.", |_| {
        probe(&probes::INET)
    }),
    Attack::new(
        Network,
        "inet-hidden",
        "The same with something in the half of the register that the kernel ignores.",
        |_| probe(&probes::INET_HIDDEN),
    ),
    Attack::new(Network, "inet6", "Make a socket of IPv6.", |_| {
        probe(&probes::INET6)
    }),
    Attack::new(
        Network,
        "multipath",
        "Make one for TCP on many paths.",
        |_| probe(&probes::MULTIPATH),
    ),
    Attack::new(Network, "unix", "Make a UNIX socket.", |_| {
        probe(&probes::UNIX)
    }),
    Attack::new(
        Network,
        "raw-packets",
        "Send and see packets as they are.",
        |_| probe(&probes::RAW),
    ),
    Attack::new(Network, "ping", "Make a socket for ping.", |_| {
        probe(&probes::PING)
    }),
    Attack::new(
        Network,
        "every-packet",
        "See every packet of the machine.",
        |_| probe(&probes::PACKET),
    ),
    Attack::new(
        Network,
        "hypervisor",
        "Make a socket to the machine that this one runs on.",
        |_| probe(&probes::VSOCK),
    ),
    Attack::new(
        Network,
        "ciphers",
        "Make a socket to the kernel's own ciphers.",
        |_| probe(&probes::CIPHERS),
    ),
    Attack::new(
        Network,
        "sockets-listed",
        "Ask for all sockets of the machine.",
        |_| probe(&probes::NETLINK_SOCKETS),
    ),
    Attack::new(
        Network,
        "tunnels",
        "Make a socket for the keys of tunnels.",
        |_| probe(&probes::NETLINK_TUNNELS),
    ),
    Attack::new(
        Network,
        "audit",
        "Make a socket to the machine's audit trail.",
        |_| probe(&probes::NETLINK_AUDIT),
    ),
    Attack::new(
        Network,
        "packet-filters",
        "Make a socket for packet filters.",
        |_| probe(&probes::NETLINK_FILTERS),
    ),
    Attack::new(
        Network,
        "device-events",
        "Hear which devices come and go.",
        |_| probe(&probes::NETLINK_DEVICES),
    ),
    Attack::new(
        Network,
        "generic-netlink",
        "Make a socket to whatever driver wants one.",
        |_| probe(&probes::NETLINK_GENERIC),
    ),
    Attack::new(Network, "can", "Make a socket to a car's network.", |_| {
        probe(&probes::CAN)
    }),
    Attack::new(Network, "bluetooth", "Make a socket of Bluetooth.", |_| {
        probe(&probes::BLUETOOTH)
    }),
    Attack::new(
        Network,
        "express-path",
        "Make a socket on the fast path of a network card.",
        |_| probe(&probes::EXPRESS),
    ),
    Attack::new(
        Network,
        "interfaces",
        "List the machine's network interfaces and addresses.",
        |_| {
            let mut names = getifaddrs()?.map(|interface| interface.interface_name);
            Ok(names.any(|name| name != "lo"))
        },
    )
    .in_base_tier(NOT_HIDDEN),
];

fn sends(from: &UnixDatagram, path: std::path::PathBuf) -> io::Result<bool> {
    Ok(from.send_to(b"x", path)? == 1)
}
