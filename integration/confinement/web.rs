//! Profile `web`: outgoing TCP to ports 80 and 443, and nothing listens.

use std::net::TcpListener;

use serde_json::json;

use super::Ground;

#[test]
fn only_the_web_ports_can_be_connected_to() {
    let mut ground = Ground::new(&["--profile", "web"]);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let target = json!({"port": port});
    for way in [
        "socket.create_connection(('127.0.0.1', port), 20).close()",
        "
        one = socket.socket()
        one.setsockopt(socket.IPPROTO_TCP, 30, 1)  # TCP_FASTOPEN_CONNECT
        one.connect(('127.0.0.1', port))",
        // Connects without connect(2), and Landlock isn't asked.
        "socket.socket().sendto(b'hi', socket.MSG_FASTOPEN, ('127.0.0.1', port))",
        "socket.socket().sendmsg([b'hi'], [], socket.MSG_FASTOPEN, ('127.0.0.1', port))",
    ] {
        ground.refused(way, target.clone());
    }
    // Each control came in; nothing of the box did.
    listener.set_nonblocking(true).unwrap();
    for _ in 0..4 {
        listener.accept().unwrap();
    }
    assert!(listener.accept().is_err());

    // Whether somebody listens there or not: it is the network that answers.
    for port in [80, 443] {
        let outcome = ground.boxed(
            "socket.create_connection(('127.0.0.1', port), 20).close()",
            &json!({"port": port}),
        );
        assert!(
            outcome.starts_with("ok:") || outcome.starts_with("refused: ECONNREFUSED"),
            "{outcome}"
        );
    }
}

#[test]
fn nothing_can_listen() {
    let mut ground = Ground::new(&["--profile", "web"]);
    for way in [
        "socket.socket().bind(('127.0.0.1', 0))",
        "socket.create_server(('127.0.0.1', 0))",
        // listen(2) on a socket without a port takes one, and Landlock isn't asked.
        "socket.socket().listen()",
    ] {
        ground.refused(way, json!({}));
    }
}

#[test]
fn only_plain_tcp_and_udp_sockets_can_be_made() {
    const TEST: &str = "only_plain_tcp_and_udp_sockets_can_be_made";
    let mut ground = Ground::new(&["--profile", "web"]);
    let code = "socket.socket(family, kind, protocol).close()";
    use libc::{AF_INET, AF_PACKET, AF_UNIX, SOCK_DGRAM, SOCK_RAW, SOCK_STREAM};
    for (family, kind) in [(AF_INET, SOCK_STREAM), (AF_INET, SOCK_DGRAM)] {
        ground.allowed(code, json!({"family": family, "kind": kind, "protocol": 0}));
    }
    ground.refused(
        code,
        json!({"family": AF_UNIX, "kind": SOCK_STREAM, "protocol": 0}),
    );
    for (family, kind, protocol) in [
        (AF_INET, SOCK_STREAM, 262),
        (AF_INET, SOCK_STREAM, 132),
        (AF_INET, SOCK_RAW, 1),
        (AF_INET, SOCK_DGRAM, 1),
        (AF_INET, SOCK_DGRAM, 136),
        (AF_PACKET, SOCK_RAW, 0),
    ] {
        ground.refused_if_possible(
            TEST,
            code,
            json!({"family": family, "kind": kind, "protocol": protocol}),
        );
    }
}
