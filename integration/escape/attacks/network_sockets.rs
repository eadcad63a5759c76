//! The network: reaching anybody.

use super::super::attack::{
    Attack,
    Effect::{Happens, ReachesVictim},
};
use super::super::lacks;

pub(in super::super) const ATTACKS: &[Attack] = &[
    Attack::new(
        "tcp",
        "Connect to a service of this machine.",
        ReachesVictim,
        "socket.create_connection(('127.0.0.1', ports['tcp']), 5)",
    ),
    Attack::new(
        "tcp-over-ipv6",
        "Connect to a service of this machine over IPv6.",
        ReachesVictim,
        "socket.create_connection(('::1', ports['tcp6']), 5)",
    )
    .unless_lacking(lacks::IPV6),
    Attack::new(
        "tcp-by-mapped-address",
        "The same over IPv6 to an address of IPv4.",
        ReachesVictim,
        "socket.create_connection(('::ffff:127.0.0.1', ports['tcp']), 5)",
    )
    .unless_lacking(lacks::IPV6),
    Attack::new(
        "tcp-with-first-data",
        "Connect by sending, which makes no call of connect(2).",
        ReachesVictim,
        "socket.socket().sendto(b'hi', socket.MSG_FASTOPEN, ('127.0.0.1', ports['tcp']))",
    ),
    Attack::new(
        "tcp-on-many-paths",
        "Connect by MPTCP, which filters of TCP may not know.",
        ReachesVictim,
        "socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262).connect(('127.0.0.1', ports['tcp']))",
    )
    .unless_lacking(lacks::MPTCP),
    Attack::new(
        "tcp-from-child",
        "Have a freshly executed interpreter connect.",
        ReachesVictim,
        "
        code = 'import socket, sys; socket.create_connection((\"127.0.0.1\", int(sys.argv[1])), 5)'
        words = [sys.executable, '-c', code, str(ports['tcp'])]
        subprocess.run(words, stderr=subprocess.DEVNULL)",
    ),
    Attack::new(
        "udp",
        "Send a datagram to anybody.",
        ReachesVictim,
        "socket.socket(type=socket.SOCK_DGRAM).sendto(b'hi', ('127.0.0.1', ports['udp']))",
    ),
    Attack::new(
        "udp-connected",
        "Name the receiver first, send afterwards.",
        ReachesVictim,
        "
        one = socket.socket(type=socket.SOCK_DGRAM)
        one.connect(('127.0.0.1', ports['udp'])); one.send(b'hi')",
    ),
    Attack::new(
        "udp-by-message",
        "Send by the call whose receiver lies in memory.",
        ReachesVictim,
        "socket.socket(type=socket.SOCK_DGRAM).sendmsg([b'hi'], [], 0, ('127.0.0.1', ports['udp']))",
    ),
    Attack::new(
        "udp-over-ipv6",
        "Send a datagram over IPv6.",
        ReachesVictim,
        "socket.socket(socket.AF_INET6, socket.SOCK_DGRAM).sendto(b'hi', ('::1', ports['udp6']))",
    )
    .unless_lacking(lacks::IPV6),
    Attack::new(
        "udp-as-name-lookup",
        "Send a secret as the name in a question to a name server.",
        ReachesVictim,
        "
        question = struct.pack('!6H', 1, 256, 1, 0, 0, 0) + b'\\x06secret\\x07example\\x00' + struct.pack('!2H', 1, 1)
        socket.socket(type=socket.SOCK_DGRAM).sendto(question, ('127.0.0.1', ports['udp']))",
    ),
    Attack::new(
        "listening",
        "Wait for connections from anybody.",
        Happens,
        "
        server = socket.create_server(('127.0.0.1', 0))
        socket.create_connection(server.getsockname(), 5)
        return server.accept()[0].fileno() > 0",
    ),
    Attack::new(
        "listening-without-port",
        "Wait without having asked for a port: the kernel gives one.",
        Happens,
        "
        server = socket.socket(); server.listen()
        return server.getsockname()[1] > 0",
    ),
    Attack::new(
        "receiving-datagrams",
        "Wait for datagrams from anybody.",
        Happens,
        "
        one = socket.socket(type=socket.SOCK_DGRAM); one.bind(('127.0.0.1', 0))
        socket.socket(type=socket.SOCK_DGRAM).sendto(b'hi', one.getsockname())
        return one.recv(10) == b'hi'",
    ),
    Attack::new(
        "raw-packets",
        "Send and see packets as they are.",
        Happens,
        "return socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP).fileno() > 0",
    )
    .root(),
    Attack::new(
        "every-packet",
        "See every packet of the machine.",
        Happens,
        "return socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0).fileno() > 0",
    )
    .root(),
    Attack::new(
        "hidden-family",
        "Ask for a family with something in the half of the register that the kernel ignores.",
        Happens,
        "return call('socket', (1 << 32) | socket.AF_INET, socket.SOCK_STREAM, 0) > 0",
    ),
];
