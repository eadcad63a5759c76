//! The network: UNIX sockets, by which the session bus, agents and container engines are reached.

use super::super::attack::{
    Attack,
    Effect::{Happens, ReachesVictim},
};

/// Those of others, which no profile lets a server reach.
pub(in super::super) const OF_OTHERS: &[Attack] = &[
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
];

/// In the profile `browser` they work, in a network of its own.
pub(in super::super) const NAMES: &[Attack] = &[
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
