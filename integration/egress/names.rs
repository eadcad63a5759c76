//! Names that are like a granted one, and granted names that lead elsewhere.

use super::{EXCHANGE, Ground, SETTING, Setting, ZONE};
use crate::support::Name;

const PORT: u16 = 8443;

/// How a host is written, and where its traffic arrives without pinfold.
type Spelling = (&'static str, &'static str);

const SAME: &[Spelling] = &[
    (
        "allowed.test",
        "tcp 93.184.216.34 8443|tcp 2606:2800:220:1::1 8443",
    ),
    (
        "ALLOWED.TEST.",
        "tcp 93.184.216.34 8443|tcp 2606:2800:220:1::1 8443",
    ),
    (
        "Allowed.Test",
        "tcp 93.184.216.34 8443|tcp 2606:2800:220:1::1 8443",
    ),
    ("a.wild.test", "tcp 93.184.216.40 8443"),
    ("a.b.wild.test", "tcp 93.184.216.40 8443"),
    // The name that it is an alias of isn't granted; what counts is that the address is public.
    (
        "alias.test",
        "tcp 93.184.216.99 8443|tcp 2606:2800:220:1::99 8443",
    ),
];

const OTHERS: &[Spelling] = &[
    ("allowed.test.evil.test", "tcp 93.184.216.66 8443"),
    ("notallowed.test", "tcp 93.184.216.67 8443"),
    ("a.allowed.test", "tcp 93.184.216.98 8443"),
    ("xn--llowed-2nf.test", "tcp 93.184.216.68 8443"),
    ("\u{430}llowed.test", "tcp 93.184.216.68 8443"),
    ("wild.test", "tcp 93.184.216.41 8443"),
    (
        "refused.test",
        "tcp 93.184.216.99 8443|tcp 2606:2800:220:1::99 8443",
    ),
];

/// Names that are granted, and lead to where no public name leads.
const LEADING_INSIDE: &[Name] = &[
    ("loopback.test", &[&["127.0.0.1"]]),
    ("loopback6.test", &[&["::1"]]),
    ("nowhere.test", &[&["0.0.0.0"]]),
    ("private.test", &[&["10.0.0.5"]]),
    ("private2.test", &[&["172.16.0.5"]]),
    ("private3.test", &[&["192.168.0.5"]]),
    ("unique-local.test", &[&["fd00::5"]]),
    ("metadata.test", &[&["169.254.169.254"]]),
    ("metadata6.test", &[&["fd00:ec2::254"]]),
    ("provider.test", &[&["100.64.0.5"]]),
    ("benchmark.test", &[&["198.18.0.5"]]),
    ("mapped.test", &[&["::ffff:10.0.0.5"]]),
    ("nat64.test", &[&["64:ff9b::a00:5"]]),
    ("6to4.test", &[&["2002:a00:5::1"]]),
    // Public by their numbers: each virtual machine's host in Azure, and what is near (fixtures/world).
    ("azure.test", &[&["168.63.129.16"]]),
    ("own.test", &[&["93.184.215.2"]]),
    ("own6.test", &[&["2606:2800:220:9::2"]]),
    ("neighbour6.test", &[&["2606:2800:220:9::3"]]),
    ("inner-alias.test", &[&["private.test"]]),
];

const ALIAS: Name = ("alias.test", &[&["refused.test"]]);
const REBINDING: Name = ("rebinding.test", &[&["93.184.216.34"], &["127.0.0.1"]]);
const BOTH: Name = ("both.test", &[&["93.184.216.34", "127.0.0.1"]]);

/// Tries every address, as a client does that gives up last.
const EVERY_ADDRESS: &str = "
    answers = []
    for family, kind, protocol, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        one = socket.socket(family, kind, protocol); one.settimeout(20); one.connect(address)
        one.sendall(b'GET / HTTP/1.0\\r\\n\\r\\n')
        answers.append(one.recv(65536).decode())
    return answers";

fn ground(test: &str) -> Option<Ground> {
    let mut zone = ZONE.to_vec();
    zone.extend([ALIAS, REBINDING, BOTH]);
    zone.extend(LEADING_INSIDE);
    let mut granted = vec![
        "allowed.test:8443".to_owned(),
        "*.wild.test:8443".to_owned(),
    ];
    let more = LEADING_INSIDE.iter().chain([&ALIAS, &REBINDING, &BOTH]);
    granted.extend(more.map(|(name, _)| format!("{name}:{PORT}")));
    let setting = Setting {
        manifest: &format!("egress = {granted:?}"),
        zone: &zone,
        ..SETTING
    };
    Ground::new(test, &setting)
}

#[test]
fn a_name_is_the_same_in_every_spelling_and_no_other_name_is() {
    let Some(mut ground) = ground("egress::a_name_is_the_same_in_every_spelling") else {
        return;
    };
    for (host, trace) in SAME {
        ground.bare(EXCHANGE, host, PORT, Some(trace));
        let (answer, news) = ground.boxed(EXCHANGE, host, PORT);
        assert!(answer.starts_with("ok:"), "{host}: {answer}");
        // The outside has addresses of both families; either will do.
        assert!(
            news.iter().any(|contact| contact.starts_with("tcp ")),
            "{host}: {news:#?}"
        );
    }
    for (host, trace) in OTHERS {
        ground.bare(EXCHANGE, host, PORT, Some(trace));
        let (answer, news) = ground.boxed(EXCHANGE, host, PORT);
        assert!(!answer.starts_with("ok:"), "{host}: {answer}");
        assert!(news.is_empty(), "{host}: {news:#?}");
    }
}

#[test]
fn a_granted_name_leads_to_public_addresses_only() {
    let Some(mut ground) = ground("egress::a_granted_name_leads_to_public_addresses_only") else {
        return;
    };
    for (host, rounds) in LEADING_INSIDE {
        let address = match rounds[0][0] {
            "0.0.0.0" => "127.0.0.1",
            "private.test" => "10.0.0.5",
            mapped if mapped.starts_with("::ffff:") => &mapped[7..],
            address => address,
        };
        let control = ground.bare(EXCHANGE, host, PORT, Some(&format!("tcp {address} {PORT}")));
        assert!(control.starts_with("ok:"), "control: {host}: {control}");
        let (answer, news) = ground.boxed(EXCHANGE, host, PORT);
        assert!(!answer.starts_with("ok:"), "{host}: {answer}");
        let dialled = news.iter().any(|contact| contact.starts_with("tcp "));
        assert!(!dialled, "{host}: {news:#?}");
    }
    // Whether it was asked for at all: the refusal is of the address, not of the name.
    let contacts = ground.boxed.world.contacts();
    for (host, _) in LEADING_INSIDE {
        let asked = format!("dns {host} ");
        assert!(contacts.iter().any(|c| c.starts_with(&asked)), "{host}");
    }
}

/// What the profile says where the manifest says nothing.
#[test]
fn without_entries_it_is_the_public_web() {
    let mut zone = ZONE.to_vec();
    zone.extend(LEADING_INSIDE);
    let setting = Setting {
        manifest: "",
        zone: &zone,
        ..SETTING
    };
    let Some(mut ground) = Ground::new("egress::without_entries_it_is_the_public_web", &setting)
    else {
        return;
    };
    for port in [80, 443] {
        for host in ["allowed.test", "refused.test"] {
            let (answer, news) = ground.boxed(EXCHANGE, host, port);
            assert!(answer.starts_with("ok:"), "{host}:{port}: {answer}");
            let arrived = news.iter().any(|contact| contact.starts_with("tcp "));
            assert!(arrived, "{host}:{port}: {news:#?}");
        }
        for host in ["93.184.216.34", "127.0.0.1", "localhost", "private.test"] {
            let control = ground.bare(EXCHANGE, host, port, Some("tcp "));
            assert!(control.starts_with("ok:"), "control: {host}: {control}");
            let (answer, news) = ground.boxed(EXCHANGE, host, port);
            assert!(!answer.starts_with("ok:"), "{host}:{port}: {answer}");
            let dialled = news.iter().any(|contact| contact.starts_with("tcp "));
            assert!(!dialled, "{host}:{port}: {news:#?}");
        }
    }
    let control = ground.bare(EXCHANGE, "allowed.test", PORT, Some("tcp "));
    assert!(control.starts_with("ok:"), "control: {control}");
    let (answer, news) = ground.boxed(EXCHANGE, "allowed.test", PORT);
    assert!(
        !answer.starts_with("ok:") && news.is_empty(),
        "{answer}\n{news:#?}"
    );
}

#[test]
fn a_name_that_changes_its_mind_does_not_lead_inside() {
    let Some(mut ground) = ground("egress::a_name_that_changes_its_mind") else {
        return;
    };
    for (host, code) in [(REBINDING.0, EXCHANGE), (BOTH.0, EVERY_ADDRESS)] {
        ground.bare(code, host, PORT, Some("tcp 93.184.216.34 8443"));
        let (answer, _) = ground.boxed(code, host, PORT);
        assert!(answer.starts_with("ok:"), "{host}: {answer}");
    }
    // The control: it has changed, and the second time everybody without pinfold is led inside.
    ground.bare(EXCHANGE, REBINDING.0, PORT, Some("tcp 127.0.0.1 8443"));
    ground.bare(EVERY_ADDRESS, BOTH.0, PORT, Some("tcp 127.0.0.1 8443"));
    for _ in 0..5 {
        for (host, code) in [(REBINDING.0, EXCHANGE), (BOTH.0, EVERY_ADDRESS)] {
            ground.boxed(code, host, PORT);
        }
    }
    let contacts = ground.everything();
    let inside = contacts
        .iter()
        .any(|contact| contact.starts_with("tcp 127."));
    assert!(!inside, "{contacts:#?}");
}
