//! The network: learning about it, and reaching what else is behind sockets.

use super::super::attack::{Attack, Effect::Happens, Stopped};
use super::super::lacks;

const NOT_HIDDEN: Stopped = Stopped::ByNamespaces("network interfaces and addresses (netlink)");

/// Netlink: all answers to a question of this kind.
pub(in super::super) const PRELUDE: &str = "
def asked(kind, question, protocol=0):
    one = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, protocol)
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

pub(in super::super) const ATTACKS: &[Attack] = &[
    Attack::new(
        "connections-listed",
        "Ask the kernel for all TCP sockets of the machine.",
        Happens,
        "
        question = struct.pack('=BBBBI', 2, 6, 0, 0, 0xffffffff) + bytes(48)
        return any(struct.pack('!H', ports['tcp']) == one[4:6] for one in asked(20, question, 4))  # NETLINK_SOCK_DIAG",
    )
    .unless_lacking(lacks::SOCKET_LIST),
    Attack::new(
        "connections-in-proc",
        "Read all TCP sockets of the machine in /proc.",
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
