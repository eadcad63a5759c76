//! The network: more of it than the profile `web` grants, which is TCP to ports 80 and 443, of public
//! hosts where the machine grants namespaces.

use super::super::attack::{
    Attack,
    Effect::{Happens, ReachesVictim},
    Stopped,
};
use super::super::lacks;

pub(in super::super) const ATTACKS: &[Attack] = &[
    Attack::new(
        "other-port",
        "Connect to a port that isn't one of the web.",
        ReachesVictim,
        "socket.create_connection(('127.0.0.1', ports['tcp']), 5)",
    ),
    Attack::new(
        "other-port-over-ipv6",
        "Connect over IPv6 to a port that isn't one of the web.",
        ReachesVictim,
        "socket.create_connection(('::1', ports['tcp6']), 5)",
    )
    .unless_lacking(lacks::IPV6),
    Attack::new(
        "other-port-by-mapped-address",
        "The same over IPv6 to an address of IPv4.",
        ReachesVictim,
        "socket.create_connection(('::ffff:127.0.0.1', ports['tcp']), 5)",
    )
    .unless_lacking(lacks::IPV6),
    Attack::new(
        "other-port-with-first-data",
        "Connect by sending, of which Landlock isn't asked.",
        ReachesVictim,
        "socket.socket().sendto(b'hi', socket.MSG_FASTOPEN, ('127.0.0.1', ports['tcp']))",
    ),
    Attack::new(
        "other-port-with-first-message",
        "The same by the call whose receiver lies in memory.",
        ReachesVictim,
        "socket.socket().sendmsg([b'hi'], [], socket.MSG_FASTOPEN, ('127.0.0.1', ports['tcp']))",
    ),
    Attack::new(
        "other-port-with-first-messages",
        "The same by the call that sends many.",
        ReachesVictim,
        "
        address = ctypes.create_string_buffer(struct.pack('=H', 2) + struct.pack('!HI', ports['tcp'], 0x7f000001), 16)
        data = ctypes.create_string_buffer(b'hi')
        vector = ctypes.create_string_buffer(struct.pack('@PN', ctypes.addressof(data), 2))
        message = ctypes.create_string_buffer(struct.pack('@PIxxxxPNPNixxxxIxxxx', ctypes.addressof(address), 16, ctypes.addressof(vector), 1, 0, 0, 0, 0))
        one = socket.socket()
        call('sendmmsg', one.fileno(), message, 1, socket.MSG_FASTOPEN)",
    ),
    Attack::new(
        "other-port-announced",
        "Announce first that the connection comes with the first data.",
        ReachesVictim,
        "
        one = socket.socket(); one.setsockopt(socket.IPPROTO_TCP, 30, 1)  # TCP_FASTOPEN_CONNECT
        one.connect(('127.0.0.1', ports['tcp'])); one.send(b'hi')",
    ),
    Attack::new(
        "other-port-on-many-paths",
        "Connect by MPTCP, of which Landlock may not be asked.",
        ReachesVictim,
        "socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262).connect(('127.0.0.1', ports['tcp']))",
    )
    .unless_lacking(lacks::MPTCP),
    Attack::new(
        "other-port-as-smc",
        "Connect by a family that falls back to TCP by itself (SMC).",
        ReachesVictim,
        "
        one = socket.socket(fileno=call('socket', 43, socket.SOCK_STREAM, 0))
        address = ctypes.create_string_buffer(struct.pack('=H', 2) + struct.pack('!HI', ports['tcp'], 0x7f000001), 16)
        call(42 if X86 else 203, one.fileno(), address, 16)",
    )
    .unless_lacking(lacks::SMC),
    Attack::new(
        "socket-turned-into-smc",
        "Make an SMC socket of a TCP one, of whose connections Landlock isn't asked.",
        Happens,
        "
        one = socket.socket(); one.setsockopt(socket.IPPROTO_TCP, 31, b'smc')  # TCP_ULP
        return True",
    )
    .unless_lacking(lacks::SMC_OVER_TCP),
    Attack::new(
        "web-server",
        "Wait for connections from anybody.",
        Happens,
        "return socket.create_server(('127.0.0.1', 0)).getsockname()[1] > 0",
    ),
    Attack::new(
        "web-server-without-port",
        "Wait without having asked for a port, of which Landlock isn't asked.",
        Happens,
        "
        server = socket.socket(); server.listen()
        return server.getsockname()[1] > 0",
    ),
    Attack::new(
        "web-agent",
        "Connect to an agent of the user by its path.",
        ReachesVictim,
        "socket.socket(socket.AF_UNIX).connect(folder + '/agent.sock')",
    ),
    Attack::new(
        "web-bus",
        "Connect to a name that is no path.",
        ReachesVictim,
        "socket.socket(socket.AF_UNIX).connect('\\0' + name)",
    ),
    Attack::new(
        "web-raw-packets",
        "Send and see packets as they are.",
        Happens,
        "return socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP).fileno() > 0",
    )
    .root(),
    Attack::new(
        "web-ring",
        "Set up io_uring, which connects without a call.",
        Happens,
        "return call('io_uring_setup', 1, ctypes.create_string_buffer(120)) > 0",
    )
    .unless_lacking(lacks::IO_URING),
    Attack::new(
        "datagrams-out",
        "Send datagrams to any port.",
        ReachesVictim,
        "socket.socket(type=socket.SOCK_DGRAM).sendto(b'hi', ('127.0.0.1', ports['udp']))",
    )
    .stopped(Stopped::ByNamespaces("UDP is not limited")),
];
