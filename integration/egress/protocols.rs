//! Protocols other than TCP, of which the world's servers see nothing: here the client's own answer tells.

use super::{Ground, SETTING};
use crate::support::skip;

const PROTOCOLS: &[(&str, &str)] = &[
    (
        "MPTCP",
        "
        one = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262); one.connect((host, port))
        one.sendall(b'GET / HTTP/1.0\\r\\n\\r\\n')
        return len(one.recv(65536))",
    ),
    (
        "an echo request, raw",
        "
        one = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP); one.settimeout(5)
        one.sendto(b'\\x08\\x00\\xf7\\xff\\x00\\x00\\x00\\x00', (host, 0))
        return len(one.recv(100))",
    ),
    (
        "an echo request",
        "
        one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP); one.settimeout(5)
        one.sendto(b'\\x08\\x00\\xf7\\xff\\x00\\x00\\x00\\x00', (host, 0))
        return len(one.recv(100))",
    ),
    (
        "an echo request over IPv6",
        "
        one = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM, socket.IPPROTO_ICMPV6); one.settimeout(5)
        one.sendto(b'\\x80\\x00\\x00\\x00\\x00\\x00\\x00\\x00', ('2606:2800:220:1::1', 0))
        return len(one.recv(100))",
    ),
    (
        "packets as they are",
        "return socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0).fileno() > 0",
    ),
];

#[test]
fn no_other_protocol_can_be_spoken() {
    let test = "egress::no_other_protocol_can_be_spoken";
    let Some(mut ground) = Ground::new(test, &SETTING) else {
        return;
    };
    for (name, code) in PROTOCOLS {
        let control = ground.bare(code, "93.184.216.34", 8443, None);
        if !control.starts_with("ok:") {
            skip(test, &format!("no control for {name}: {control}"));
        }
        let (answer, news) = ground.boxed(code, "93.184.216.34", 8443);
        assert!(!answer.starts_with("ok:"), "{name}: {answer}");
        assert!(news.is_empty(), "{name}: {news:#?}");
    }
}
