//! Profile `web`: outgoing TCP to ports 80 and 443. Which hosts that are is told by `egress`.

use serde_json::json;

use super::Ground;

#[test]
fn the_web_ports_can_be_connected_to() {
    let mut ground = Ground::new(&["--profile", "web"]);
    // Whether somebody listens there or not: it is the network that answers. Where pinfold does in
    // its place, it takes the connection up before it sees that this is no host of the web.
    for port in [80, 443] {
        let outcome = ground.boxed(
            "socket.create_connection(('127.0.0.1', port), 20).close()",
            &json!({"port": port}),
        );
        assert!(
            ["ok:", "refused: ECONNREFUSED", "refused: ECONNRESET"]
                .iter()
                .any(|answer| outcome.starts_with(answer)),
            "{outcome}"
        );
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
