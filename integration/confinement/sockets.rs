//! Offline: no socket of any family but pairs and netlink can be made.

use serde_json::json;

use super::Ground;

#[test]
fn sockets_of_other_families_cannot_be_made() {
    const TEST: &str = "sockets_of_other_families_cannot_be_made";
    let mut ground = Ground::new(&[]);
    let code = "socket.socket(family, kind, protocol).close()";
    use libc::{
        AF_ALG, AF_INET, AF_INET6, AF_NETLINK, AF_PACKET, AF_UNIX, AF_VSOCK, IPPROTO_ICMP,
        NETLINK_AUDIT, NETLINK_KOBJECT_UEVENT, NETLINK_NETFILTER, NETLINK_SOCK_DIAG, SOCK_DGRAM,
        SOCK_RAW, SOCK_SEQPACKET, SOCK_STREAM,
    };
    const MPTCP: i32 = 262;
    for (family, kind, protocol) in [
        (AF_UNIX, SOCK_STREAM, 0),
        (AF_UNIX, SOCK_DGRAM, 0),
        (AF_INET, SOCK_STREAM, 0),
        (AF_INET, SOCK_DGRAM, 0),
        (AF_INET6, SOCK_STREAM, 0),
        (AF_NETLINK, SOCK_RAW, NETLINK_SOCK_DIAG),
        (AF_NETLINK, SOCK_RAW, NETLINK_KOBJECT_UEVENT),
    ] {
        ground.refused(
            code,
            json!({"family": family, "kind": kind, "protocol": protocol}),
        );
    }
    // These need privileges, or modules that not every kernel has.
    for (family, kind, protocol) in [
        (AF_INET, SOCK_STREAM, MPTCP),
        (AF_INET, SOCK_RAW, IPPROTO_ICMP),
        (AF_INET, SOCK_DGRAM, IPPROTO_ICMP),
        (AF_PACKET, SOCK_RAW, 0),
        (AF_VSOCK, SOCK_STREAM, 0),
        (AF_ALG, SOCK_SEQPACKET, 0),
        (AF_NETLINK, SOCK_RAW, NETLINK_AUDIT),
        (AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER),
    ] {
        ground.refused_if_possible(
            TEST,
            code,
            json!({"family": family, "kind": kind, "protocol": protocol}),
        );
    }
    // What programs need: a pair to talk to one's own children, and the list of interfaces.
    ground.allowed(
        "
        left, right = socket.socketpair()
        left.send(b'x')
        socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0).close()
        return right.recv(1).decode()",
        json!({}),
    );
}
