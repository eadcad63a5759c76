//! What isn't granted is not reached: other names and ports, addresses as such, other protocols,
//! other name servers, the machine itself.

use super::{EXCHANGE, Ground, SETTING};
use crate::support::skip;

/// An attempt, and what the world notes of it without pinfold.
struct Attempt {
    name: &'static str,
    code: &'static str,
    host: &'static str,
    port: u16,
    trace: &'static str,
}

const fn exchange(
    name: &'static str,
    host: &'static str,
    port: u16,
    trace: &'static str,
) -> Attempt {
    Attempt {
        name,
        code: EXCHANGE,
        host,
        port,
        trace,
    }
}

const fn datagram(
    name: &'static str,
    host: &'static str,
    port: u16,
    trace: &'static str,
) -> Attempt {
    Attempt {
        name,
        code: DATAGRAM,
        host,
        port,
        trace,
    }
}

/// As the first packet of QUIC: longer than 1200 bytes, with the long header (RFC 9000, section 14.1).
const DATAGRAM: &str = "
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
    one = socket.socket(family, socket.SOCK_DGRAM); one.settimeout(0.5)
    one.sendto(b'\\xc0\\x00\\x00\\x00\\x01' + bytes(1250), address)
    return len(one.recv(65536))";

/// A question for `refused.test` (RFC 1035).
const QUESTION: &str = "
    one = socket.socket(socket.AF_INET6 if ':' in host else socket.AF_INET, socket.SOCK_DGRAM); one.settimeout(0.5)
    one.sendto(b'\\x12\\x34\\x01\\x00\\x00\\x01' + bytes(6) + b'\\x07refused\\x04test\\x00\\x00\\x01\\x00\\x01', (host, port))
    return one.recv(512).hex()";

const QUESTION_IN_A_STREAM: &str = "
    one = socket.create_connection((host, port), 5)
    query = b'\\x12\\x34\\x01\\x00\\x00\\x01' + bytes(6) + b'\\x07refused\\x04test\\x00\\x00\\x01\\x00\\x01'
    one.sendall(struct.pack('!H', len(query)) + query)
    return one.recv(512).hex()";

/// Data with the first packet, of which Landlock isn't asked.
const FAST_OPEN: &str = "
    one = socket.socket()
    one.sendto(b'GET / HTTP/1.0\\r\\n\\r\\n', socket.MSG_FASTOPEN, (host, port))
    one.settimeout(10)
    return len(one.recv(65536))";

/// Waits for the server's first words.
const LISTEN: &str = "
    one = socket.create_connection((host, port), 10); one.settimeout(5)
    answer = one.recv(100)
    if not answer: raise ConnectionResetError(errno.ECONNRESET, 'nothing came')
    return answer.decode()";

const ATTEMPTS: &[Attempt] = &[
    exchange(
        "a name",
        "refused.test",
        8443,
        "tcp 93.184.216.99 8443|tcp 2606:2800:220:1::99 8443",
    ),
    exchange(
        "an IPv6 name",
        "2606:2800:220:1::99",
        8443,
        "tcp 2606:2800:220:1::99 8443",
    ),
    exchange(
        "a port",
        "allowed.test",
        8444,
        "tcp 93.184.216.34 8444|tcp 2606:2800:220:1::1 8444",
    ),
    exchange(
        "the web",
        "allowed.test",
        443,
        "tcp 93.184.216.34 443|tcp 2606:2800:220:1::1 443",
    ),
    exchange(
        "the old web",
        "allowed.test",
        80,
        "tcp 93.184.216.34 80|tcp 2606:2800:220:1::1 80",
    ),
    exchange(
        "the granted host by its address",
        "93.184.216.34",
        8443,
        "tcp 93.184.216.34 8443",
    ),
    exchange(
        "the granted host by its IPv6 address",
        "2606:2800:220:1::1",
        8443,
        "tcp 2606:2800:220:1::1 8443",
    ),
    exchange("an address", "8.8.8.8", 8443, "tcp 8.8.8.8 8443"),
    exchange(
        "an address that may stand for a name",
        "198.18.7.7",
        8443,
        "tcp 198.18.7.7 8443",
    ),
    exchange("a neighbour", "10.0.0.5", 8443, "tcp 10.0.0.5 8443"),
    exchange(
        "metadata",
        "169.254.169.254",
        8443,
        "tcp 169.254.169.254 8443",
    ),
    exchange(
        "metadata of the web",
        "169.254.169.254",
        80,
        "tcp 169.254.169.254 80",
    ),
    exchange("loopback", "127.0.0.1", 8443, "tcp 127.0.0.1 8443"),
    exchange("all of loopback", "127.9.9.9", 8443, "tcp 127.9.9.9 8443"),
    exchange("IPv6 loopback", "::1", 8443, "tcp ::1 8443"),
    exchange("nowhere", "0.0.0.0", 8443, "tcp 127.0.0.1 8443"),
    exchange("loopback by name", "localhost", 8443, "tcp "),
    exchange(
        "loopback in IPv6",
        "::ffff:127.0.0.1",
        8443,
        "tcp 127.0.0.1 8443",
    ),
    exchange(
        "a neighbour in IPv6",
        "::ffff:10.0.0.5",
        8443,
        "tcp 10.0.0.5 8443",
    ),
    exchange(
        "a neighbour by NAT64",
        "64:ff9b::a00:5",
        8443,
        "tcp 64:ff9b::a00:5 8443",
    ),
    exchange(
        "a neighbour by 6to4",
        "2002:a00:5::1",
        8443,
        "tcp 2002:a00:5::1 8443",
    ),
    exchange("hexadecimal", "0x7f.1", 8443, "tcp 127.0.0.1 8443"),
    exchange("one number", "2130706433", 8443, "tcp 127.0.0.1 8443"),
    exchange("two numbers", "127.1", 8443, "tcp 127.0.0.1 8443"),
    exchange("octal", "017700000001", 8443, "tcp 127.0.0.1 8443"),
    Attempt {
        name: "a server that speaks first",
        code: LISTEN,
        host: "allowed.test",
        port: 22,
        trace: "tcp 93.184.216.34 22|tcp 2606:2800:220:1::1 22",
    },
    Attempt {
        name: "data with the first packet",
        code: FAST_OPEN,
        host: "93.184.216.34",
        port: 8443,
        trace: "tcp 93.184.216.34 8443",
    },
    datagram(
        "QUIC to the granted host",
        "allowed.test",
        443,
        "udp 93.184.216.34 443|udp 2606:2800:220:1::1 443",
    ),
    datagram(
        "datagrams to the granted port",
        "allowed.test",
        8443,
        "udp 93.184.216.34 8443|udp 2606:2800:220:1::1 8443",
    ),
    datagram("QUIC", "93.184.216.99", 443, "udp 93.184.216.99 443"),
    datagram(
        "QUIC over IPv6",
        "2606:2800:220:1::1",
        443,
        "udp 2606:2800:220:1::1 443",
    ),
    datagram("the time", "93.184.216.99", 123, "udp 93.184.216.99 123"),
    datagram("loopback by UDP", "127.0.0.1", 8443, "udp 127.0.0.1 8443"),
    Attempt {
        name: "another name server",
        code: QUESTION,
        host: "8.8.8.8",
        port: 53,
        trace: "dns refused.test A 8.8.8.8",
    },
    Attempt {
        name: "another name server over IPv6",
        code: QUESTION,
        host: "2001:4860:4860::8888",
        port: 53,
        trace: "dns refused.test A 2001:4860:4860::8888",
    },
    Attempt {
        name: "the machine's name server",
        code: QUESTION,
        host: "127.0.0.1",
        port: 53,
        trace: "dns refused.test A 127.0.0.1",
    },
    Attempt {
        name: "another name server by TCP",
        code: QUESTION_IN_A_STREAM,
        host: "8.8.8.8",
        port: 53,
        trace: "dns refused.test A 8.8.8.8",
    },
    Attempt {
        name: "the machine's name server by TCP",
        code: QUESTION_IN_A_STREAM,
        host: "127.0.0.1",
        port: 53,
        trace: "dns refused.test A 127.0.0.1",
    },
    Attempt {
        name: "a socket by its path",
        code: "
            one = socket.socket(socket.AF_UNIX); one.connect(path)
            return one.recv(9).decode()",
        host: "",
        port: 0,
        trace: "unix path",
    },
    Attempt {
        name: "a socket by its name",
        code: "
            one = socket.socket(socket.AF_UNIX); one.connect('\\0' + name)
            return one.recv(9).decode()",
        host: "",
        port: 0,
        trace: "unix abstract",
    },
];

/// Our own name server answers at its address, but nobody outside is asked.
fn may_answer(attempt: &Attempt) -> bool {
    attempt.code == QUESTION || attempt.code == QUESTION_IN_A_STREAM
}

#[test]
fn nothing_else_is_reached() {
    let Some(mut ground) = Ground::new("egress::nothing_else_is_reached", &SETTING) else {
        return;
    };
    for attempt in ATTEMPTS {
        let Attempt {
            name,
            code,
            host,
            port,
            trace,
        } = attempt;
        let family_is_lacking =
            host.contains(':') && !std::path::Path::new("/proc/net/if_inet6").exists();
        if family_is_lacking {
            skip(
                "egress::nothing_else_is_reached",
                &format!("{name}: no IPv6"),
            );
            continue;
        }
        // What is not stopped may take longer.
        let patient = code.replace("settimeout(0.5)", "settimeout(20)");
        let control = ground.bare(&patient, host, *port, Some(trace));
        assert!(control.starts_with("ok:"), "control: {name}: {control}");
        let (answer, news) = ground.boxed(code, host, *port);
        assert!(
            may_answer(attempt) || !answer.starts_with("ok:"),
            "{name}: {answer}"
        );
        assert!(news.is_empty(), "{name}: {answer}\n{news:#?}");
    }
    let granted = |contact: &String| {
        contact.starts_with("dns allowed.test ")
            || super::ALLOWED
                .iter()
                .any(|address| *contact == format!("tcp {address} 8443"))
            || contact == "http  /"
            || contact == "http /"
    };
    let others: Vec<String> = ground
        .everything()
        .into_iter()
        .filter(|contact| !granted(contact))
        .collect();
    assert!(others.is_empty(), "{others:#?}");
}
