//! Offline: no socket leads out of the box, whatever its family.

use std::io::Write;
use std::net::{TcpListener, UdpSocket};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener};
use std::time::Duration;

use serde_json::json;

use super::{Ground, tier};

/// Says hello to whoever connects.
fn greet(listener: TcpListener) -> u16 {
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            let _ = (&connection).write_all(b"hello");
        }
    });
    port
}

#[test]
fn no_internet_connection_can_be_made() {
    let mut ground = Ground::new(&[]);
    let connect = "return socket.create_connection((host, port), 20).recv(5).decode()";
    let v4 = greet(TcpListener::bind("127.0.0.1:0").unwrap());
    ground.refused(connect, json!({"host": "127.0.0.1", "port": v4}));
    match TcpListener::bind("[::1]:0") {
        Ok(listener) => {
            let v6 = greet(listener);
            ground.refused(connect, json!({"host": "::1", "port": v6}));
        }
        Err(error) => crate::support::skip(
            "no_internet_connection_can_be_made",
            &format!("IPv6: {error}"),
        ),
    }
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = udp.local_addr().unwrap().port();
    let send = "return socket.socket(family, socket.SOCK_DGRAM).sendto(b'hi', (host, port))";
    ground.refused(
        send,
        json!({"family": libc::AF_INET, "host": "127.0.0.1", "port": port}),
    );
    let mut buffer = [0; 8];
    udp.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    assert_eq!(udp.recv(&mut buffer).unwrap(), 2, "the control's");
    udp.set_nonblocking(true).unwrap();
    assert!(udp.recv(&mut buffer).is_err(), "and no other");
}

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
    // The upper half of a register doesn't hide the family.
    let hidden =
        "os.close(call(41 if platform.machine() == 'x86_64' else 198, (1 << 32) | 1, 1, 0))";
    ground.refused(hidden, json!({}));
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

#[test]
fn sockets_with_a_name_cannot_be_reached() {
    let mut ground = Ground::new(&[]);
    let path = ground.home.user().join("agent.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let abstract_name = format!("pinfold-test-{:?}-{}", tier(), std::process::id());
    let abstract_listener =
        UnixListener::bind_addr(&SocketAddr::from_abstract_name(&abstract_name).unwrap()).unwrap();
    for listener in [listener, abstract_listener] {
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let _ = (&connection).write_all(b"hello");
            }
        });
    }
    let connect = "
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(name)
        return connection.recv(5).decode()";
    ground.refused(connect, json!({"name": path}));
    ground.refused(connect, json!({"name": format!("\0{abstract_name}")}));
}

/// Either end of a datagram pair can send to any address, without a call of socket(2).
#[test]
fn a_datagram_pair_cannot_send_to_a_socket_with_a_name() {
    let mut ground = Ground::new(&[]);
    let path = ground.home.user().join("journal.sock");
    let journal = UnixDatagram::bind(&path).unwrap();
    journal
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    for (code, datagrams) in [
        ("return pair[0].sendto(b'forged', path)", 1),
        ("pair[0].connect(path); return pair[0].send(b'forged')", 1),
        ("pair[0].bind('\\0pinfold-test-%d' % os.getpid())", 0),
    ] {
        // SOCK_RAW means SOCK_DGRAM here (unix(7)).
        for kind in [libc::SOCK_DGRAM, libc::SOCK_RAW] {
            let code = format!("pair = socket.socketpair(socket.AF_UNIX, kind)\n{code}");
            ground.refused(&code, json!({"path": path, "kind": kind}));
            let mut buffer = [0; 16];
            for _ in 0..datagrams {
                assert_eq!(journal.recv(&mut buffer).unwrap(), 6, "the control's");
            }
        }
    }
    journal.set_nonblocking(true).unwrap();
    assert!(journal.recv(&mut [0; 16]).is_err(), "and no other");
    // Nor can a stream pair be turned elsewhere; that is so without pinfold, too.
    let turned = "
        left, right = socket.socketpair()
        right.close()
        left.connect(path)";
    assert!(
        ground
            .boxed(turned, &json!({"path": path}))
            .starts_with("refused: ")
    );
}
