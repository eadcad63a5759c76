//! The network: reaching anybody, and learning about it.

use super::super::attack::{
    Attack,
    Effect::{Happens, ReachesVictim, Tells},
    Stopped,
};
use super::super::lacks;

const NOT_HIDDEN: Stopped = Stopped::ByNamespaces(
    "A server can find out which network interfaces and addresses the machine has",
);

/// Netlink: all answers to a question of this kind.
pub(in super::super) const PRELUDE: &str = "
def asked(kind, question):
    one = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
    one.send(struct.pack('=IHHII', 16 + len(question), kind, 0x301, 1, 0) + question)
    answers = []
    while True:
        data = one.recv(1 << 20)
        while data:
            length, kind = struct.unpack_from('=IH', data)
            if kind in (2, 3):  # NLMSG_ERROR, NLMSG_DONE
                return answers
            answers.append(data[16:length])
            data = data[(length + 3) & ~3:]
";

pub(in super::super) const SOCKETS: &[Attack] = &[
    Attack::new(
        "tcp",
        "Connect to a service of this machine.",
        ReachesVictim,
        "socket.create_connection(('127.0.0.1', ports['tcp']), 5)",
    ),
    Attack::new(
        "tcp-over-ipv6",
        "The same over IPv6.",
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
        "Send a datagram.",
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
        "Send over IPv6.",
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
        "Wait for connections.",
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
        "Wait for datagrams.",
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

/// UNIX sockets: the session bus, agents, container engines.
pub(in super::super) const LOCAL: &[Attack] = &[
    Attack::new(
        "agent",
        "Connect to an agent of the user by its path.",
        ReachesVictim,
        "socket.socket(socket.AF_UNIX).connect(folder + '/agent.sock')",
    ),
    Attack::new(
        "agent-relative",
        "The same by a relative path.",
        ReachesVictim,
        "os.chdir(folder); socket.socket(socket.AF_UNIX).connect('agent.sock')",
    ),
    Attack::new(
        "agent-by-descriptor",
        "The same through /proc and a descriptor that was opened for nothing.",
        ReachesVictim,
        "
        way = '/proc/self/fd/%d' % os.open(folder + '/agent.sock', os.O_PATH)
        socket.socket(socket.AF_UNIX).connect(way)",
    ),
    Attack::new(
        "agent-with-packets",
        "Connect with a socket that keeps packets apart.",
        ReachesVictim,
        "socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET).connect(folder + '/packets.sock')",
    ),
    Attack::new(
        "bus",
        "Connect to a name that is no path.",
        ReachesVictim,
        "socket.socket(socket.AF_UNIX).connect('\\0' + name)",
    ),
    Attack::new(
        "journal",
        "Send a datagram to a service by its path.",
        ReachesVictim,
        "socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b'forged', folder + '/journal.sock')",
    ),
    Attack::new(
        "notify",
        "Send one to a name that is no path.",
        ReachesVictim,
        "socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b'READY=1', '\\0' + name + '-notify')",
    ),
    Attack::new(
        "journal-by-pair",
        "Send from one end of a pair, which needs no call of socket(2).",
        ReachesVictim,
        "socket.socketpair(type=socket.SOCK_DGRAM)[0].sendto(b'forged', folder + '/journal.sock')",
    ),
    Attack::new(
        "journal-by-raw-pair",
        "The same with the type that means datagrams, too.",
        ReachesVictim,
        "socket.socketpair(socket.AF_UNIX, socket.SOCK_RAW)[0].sendto(b'forged', folder + '/journal.sock')",
    ),
    Attack::new(
        "journal-by-connected-pair",
        "Turn an end of a pair to the service and send then.",
        ReachesVictim,
        "
        one = socket.socketpair(type=socket.SOCK_DGRAM)[0]
        one.connect(folder + '/journal.sock'); one.send(b'forged')",
    ),
    Attack::new(
        "journal-by-message-from-pair",
        "Send from a pair by the call whose receiver lies in memory.",
        ReachesVictim,
        "socket.socketpair(type=socket.SOCK_DGRAM)[0].sendmsg([b'forged'], [], 0, folder + '/journal.sock')",
    ),
    Attack::new(
        "name-taken",
        "Take a name that programs of the user will connect to.",
        Happens,
        "
        one = socket.socket(socket.AF_UNIX); one.bind('\\0' + name + '-mine')
        return one.getsockname().endswith(b'-mine')",
    ),
    Attack::new(
        "name-taken-by-pair",
        "The same with an end of a pair.",
        Happens,
        "
        one = socket.socketpair(type=socket.SOCK_DGRAM)[0]; one.bind('\\0' + name + '-mine')
        return one.getsockname().endswith(b'-mine')",
    ),
];

pub(in super::super) const LEARNING: &[Attack] = &[
    Attack::new(
        "connections-listed",
        "Ask the kernel for all TCP sockets of the machine.",
        Happens,
        "
        one = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 4)  # NETLINK_SOCK_DIAG
        one.send(struct.pack('=IHHII', 72, 20, 0x301, 1, 0) + struct.pack('=BBBBI', 2, 6, 0, 0, 0xffffffff) + bytes(48))
        return struct.pack('!H', ports['tcp']) in one.recv(65536)",
    )
    .unless_lacking(lacks::SOCKET_LIST),
    Attack::new(
        "connections-in-proc",
        "Read them in /proc.",
        Happens,
        "return ':%04X ' % ports['tcp'] in open('/proc/self/net/tcp').read()",
    ),
    Attack::new(
        "connections-in-task",
        "Read them in the folder of a thread.",
        Happens,
        "return ':%04X ' % ports['tcp'] in open('/proc/self/task/%d/net/tcp' % os.getpid()).read()",
    ),
    Attack::new(
        "local-sockets-in-proc",
        "Read the paths and names of all UNIX sockets.",
        Happens,
        "return name in open('/proc/net/unix').read()",
    ),
    Attack::new(
        "devices-announced",
        "Listen to what the kernel says of devices that come and go.",
        Happens,
        "
        one = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 15)  # NETLINK_KOBJECT_UEVENT
        one.bind((0, 1)); return one.getsockname()[1] == 1",
    ),
    Attack::new(
        "cipher-socket",
        "Reach the kernel's ciphers, where holes have been.",
        Happens,
        "return socket.socket(38, socket.SOCK_SEQPACKET, 0).fileno() > 0  # AF_ALG",
    )
    .unless_lacking(lacks::CIPHER_SOCKETS),
    Attack::new(
        "host-of-machine",
        "Talk to the host of a virtual machine (vsock).",
        Happens,
        "return socket.socket(40, socket.SOCK_STREAM, 0).fileno() > 0",
    )
    .unless_lacking(lacks::VSOCK),
    Attack::new(
        "packet-filter-asked",
        "Ask for the machine's packet filters.",
        Happens,
        "return socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12).fileno() > 0",
    )
    .unless_lacking(lacks::NETFILTER),
    Attack::new(
        "generic-netlink",
        "Reach the many parts of the kernel behind generic netlink.",
        Happens,
        "return socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 16).fileno() > 0",
    ),
    Attack::new(
        "interfaces-asked",
        "Ask for the machine's network interfaces.",
        Happens,
        "return any(struct.unpack_from('=H', link, 2)[0] != 772 for link in asked(18, bytes(16)))  # not loopback",
    )
    .stopped(NOT_HIDDEN)
    .unless_lacking(lacks::INTERFACES),
    Attack::new(
        "addresses-asked",
        "Ask for its addresses, which tell it and its owner apart from others.",
        Happens,
        "return any(address[3] != 254 for address in asked(22, bytes(8)))  # not only for this host",
    )
    .stopped(NOT_HIDDEN)
    .unless_lacking(lacks::INTERFACES),
    Attack::new(
        "routes-asked",
        "Ask for its routes, which tell what is near.",
        Happens,
        "return any(route[4] != 255 for route in asked(26, bytes(12)))  # not of the table of local ones",
    )
    .stopped(NOT_HIDDEN)
    .unless_lacking(lacks::INTERFACES),
    Attack::new(
        "hardware-address-asked",
        "Ask for the number that was burnt into its network card.",
        Happens,
        "
        import fcntl
        one = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
        for index in range(1, 32):
            with contextlib.suppress(OSError):
                link = fcntl.ioctl(one, 0x8910, struct.pack('=16si20x', b'', index))  # SIOCGIFNAME
                if any(fcntl.ioctl(one, 0x8927, link)[18:24]):  # SIOCGIFHWADDR
                    return True
        return False",
    )
    .stopped(NOT_HIDDEN)
    .unless_lacking(lacks::INTERFACES),
];

/// In the profile that may connect to ports 80 and 443.
pub(in super::super) const WEB: &[Attack] = &[
    Attack::new(
        "other-port",
        "Connect to a port that isn't one of the web.",
        ReachesVictim,
        "socket.create_connection(('127.0.0.1', ports['tcp']), 5)",
    ),
    Attack::new(
        "other-port-over-ipv6",
        "The same over IPv6.",
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
        "web-server",
        "Wait for connections.",
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
    .stopped(Stopped::Never("UDP is not limited")),
];
