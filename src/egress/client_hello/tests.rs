//! Handshakes as clients send them, and as nobody should.

use proptest::prelude::*;

use super::*;

/// A field after its length in so many bytes.
fn counted(length_bytes: usize, field: &[u8]) -> Vec<u8> {
    let length = (field.len() as u64).to_be_bytes();
    [&length[8 - length_bytes..], field].concat()
}

fn extension(number: u16, data: &[u8]) -> Vec<u8> {
    [&number.to_be_bytes()[..], &counted(2, data)].concat()
}

/// An entry of a server name list.
fn name_entry(name_type: u8, name: &[u8]) -> Vec<u8> {
    [&[name_type][..], &counted(2, name)].concat()
}

fn server_name(name: &[u8]) -> Vec<u8> {
    extension(0, &counted(2, &name_entry(0, name)))
}

/// The part of a ClientHello before its extensions.
fn body_start() -> Vec<u8> {
    [
        &[3, 3][..],
        &[0x5a; 32],
        &counted(1, &[0x11; 32]),
        &counted(2, &[0x13, 1, 0x13, 2]),
        &counted(1, &[0]),
    ]
    .concat()
}

/// A handshake message of this type.
fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind][..], &counted(3, body)].concat()
}

/// Records with so many bytes of the message each.
fn records(message: &[u8], size: usize) -> Vec<u8> {
    message
        .chunks(size)
        .flat_map(|fragment| [&[22, 3, 1][..], &counted(2, fragment)].concat())
        .collect()
}

/// A message with these extensions.
fn hello(extensions: &[Vec<u8>]) -> Vec<u8> {
    let body = [body_start(), counted(2, &extensions.concat())].concat();
    message(1, &body)
}

fn usual_hello() -> Vec<u8> {
    hello(&[
        extension(43, &[2, 3, 4]),
        server_name(b"Registry.example.com"),
        extension(16, b"\0\x03\x02h2"),
    ])
}

fn named(name: &str) -> FirstBytes {
    FirstBytes::Tls {
        server_name: Some(HostName::from_ascii(name).unwrap()),
    }
}

#[test]
fn the_name_is_found_when_all_is_there_however_it_is_split() {
    let message = usual_hello();
    for size in [1, 2, 3, 4, 5, 7, 50, message.len() - 1, message.len()] {
        let bytes = records(&message, size);
        for length in 0..bytes.len() {
            let seen = look(&bytes[..length]);
            assert_eq!(seen, FirstBytes::NeedMore, "{length} of {size}");
        }
        assert_eq!(look(&bytes), named("registry.example.com"), "{size}");
        let more = [bytes, vec![0x14, 3, 3, 0, 1, 1]].concat();
        assert_eq!(look(&more), named("registry.example.com"), "{size}");
    }
}

#[test]
fn a_client_hello_without_a_name() {
    let unnamed = FirstBytes::Tls { server_name: None };
    assert_eq!(
        look(&records(&hello(&[extension(43, &[2, 3, 4])]), 4096)),
        unnamed
    );
    assert_eq!(look(&records(&hello(&[]), 4096)), unnamed);
    assert_eq!(look(&records(&message(1, &body_start()), 4096)), unnamed);
}

#[test]
fn other_protocols() {
    let cases: &[&[u8]] = &[
        b"GET / HTTP/1.1\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"\0",
        b"\x13\x03\x01\0\x02",
        b"\x19\x03\x01\0\x02",
        b"\x16\x10\x01\0\x30\x01\0",
        // Lengths of 278 and of 22 bytes, lower byte first, and what follows in MongoDB and MySQL.
        b"\x16\x01\0\0\x01\0\0\0\0\0\0\0\xdd\x07\0\0",
        b"\x16\0\0\x01\x85\xa6\xff\x01",
        b"\x16\x01\0\0\x20\x01\x9c\xf3",
        b"\x80\x2e\x01\x03\x01",
    ];
    for bytes in cases {
        assert_eq!(look(bytes), FirstBytes::NotTls, "{bytes:?}");
    }
}

/// What no client sends, and servers pass over or take.
#[test]
fn a_hello_in_disguise_is_unreadable() {
    let hello = records(&usual_hello(), 4096);
    // The control.
    assert_eq!(look(&hello), named("registry.example.com"));
    let before = |record: &[u8]| [record, &hello].concat();
    let mut cases = vec![
        before(&[21, 3, 1, 0, 2, 1, 90]),
        before(&[21, 3, 3, 0, 1, 1, 21, 3, 3, 0, 1, 90]),
        before(&[21, 2, 1, 0, 2, 1, 90]),
        before(&[20, 3, 1, 0, 1, 1]),
        before(&[22, 3, 1, 0, 0]),
        before(&[23, 3, 1, 0, 1, 0]),
        before(&[24, 3, 1, 0, 1, 0]),
    ];
    for major in (0..=15).filter(|major| *major != 3) {
        for size in [1, 2, 3, 4096] {
            let mut disguised = records(&usual_hello(), size);
            disguised[1] = major;
            cases.push(disguised);
        }
    }
    for bytes in cases {
        assert_eq!(look(&bytes), FirstBytes::Unreadable, "{bytes:?}");
        for length in 0..bytes.len() {
            let seen = look(&bytes[..length]);
            let is_let_go = matches!(seen, FirstBytes::NotTls | FirstBytes::Tls { .. });
            assert!(!is_let_go, "{length} of {bytes:?}: {seen:?}");
        }
    }
}

#[test]
fn extensions_that_are_unreadable() {
    let good = server_name(b"a.example");
    // The control.
    let bytes = records(&hello(std::slice::from_ref(&good)), 4096);
    assert_eq!(look(&bytes), named("a.example"));
    let two_names = [name_entry(0, b"a.example"), name_entry(0, b"b.example")].concat();
    let two_types = [name_entry(0, b"a.example"), name_entry(1, b"b.example")].concat();
    let entry = name_entry(0, b"a.example");
    let cases = [
        ("twice the same", vec![good.clone(), good.clone()]),
        (
            "two extensions",
            vec![good.clone(), extension(43, b""), server_name(b"b.example")],
        ),
        ("two names", vec![extension(0, &counted(2, &two_names))]),
        (
            "two types of names",
            vec![extension(0, &counted(2, &two_types))],
        ),
        (
            "another type",
            vec![extension(0, &counted(2, &name_entry(1, b"a.example")))],
        ),
        ("no list", vec![extension(0, b"")]),
        ("an empty list", vec![extension(0, &[0, 0])]),
        ("an empty name", vec![server_name(b"")]),
        (
            "bytes after the list",
            vec![extension(0, &[counted(2, &entry), vec![0]].concat())],
        ),
        (
            "a list too long",
            vec![extension(0, &[&[0, 13][..], &entry].concat())],
        ),
        (
            "a name too long",
            vec![extension(0, &counted(2, b"\0\0\x0aa.example"))],
        ),
        ("an IPv4 address", vec![server_name(b"192.0.2.1")]),
        ("a number", vec![server_name(b"0x7f000001")]),
        ("an IPv6 address", vec![server_name(b"2001:db8::1")]),
        ("a dot at the end", vec![server_name(b"a.example.")]),
        ("an empty label", vec![server_name(b"a..example")]),
        ("a zero byte", vec![server_name(b"a.example\0.b")]),
        ("a space", vec![server_name(b"a.example ")]),
        ("Unicode", vec![server_name("ä.example".as_bytes())]),
        ("no UTF-8", vec![server_name(b"\xff.example")]),
        ("a wildcard", vec![server_name(b"*.example")]),
        (
            "name of 254 bytes",
            vec![server_name(("a.".repeat(126) + "aa").as_bytes())],
        ),
        ("half an extension", vec![good.clone(), vec![0]]),
        ("extension too long", vec![good, vec![0, 43, 0, 3, 2, 3]]),
    ];
    for (what, extensions) in cases {
        let seen = look(&records(&hello(&extensions), 4096));
        assert_eq!(seen, FirstBytes::Unreadable, "{what}");
    }
}

#[test]
fn bodies_that_are_unreadable() {
    let body = |version: u8, session: usize, ciphers: &[u8], compressions: &[u8]| {
        [
            &[version; 34][..],
            &counted(1, &vec![0; session]),
            &counted(2, ciphers),
            &counted(1, compressions),
            &counted(2, &server_name(b"a.example")),
        ]
        .concat()
    };
    // The control.
    let good = body(3, 32, &[0x13, 1], &[0]);
    assert_eq!(look(&records(&message(1, &good), 4096)), named("a.example"));
    let cases = [
        ("version", body(4, 32, &[0x13, 1], &[0])),
        ("session", body(3, 33, &[0x13, 1], &[0])),
        ("no ciphers", body(3, 32, &[], &[0])),
        ("half a cipher", body(3, 32, &[0x13, 1, 0x13], &[0])),
        ("no compression", body(3, 32, &[0x13, 1], &[])),
        ("bytes left over", [good.clone(), vec![0]].concat()),
        ("nothing", Vec::new()),
    ];
    for (what, body) in cases {
        let seen = look(&records(&message(1, &body), 4096));
        assert_eq!(seen, FirstBytes::Unreadable, "{what}");
    }
    // Cut anywhere but before the extensions, which may be missing.
    let extensions = counted(2, &server_name(b"a.example")).len();
    for length in (0..good.len()).filter(|length| *length != good.len() - extensions) {
        let seen = look(&records(&message(1, &good[..length]), 4096));
        assert_eq!(seen, FirstBytes::Unreadable, "{length}");
    }
}

#[test]
fn records_that_are_unreadable() {
    let message = usual_hello();
    let first = records(&message[..20], 20);
    let rest = records(&message[20..], 4096);
    // The control.
    let whole = [&first[..], &rest].concat();
    assert_eq!(look(&whole), named("registry.example.com"));
    let after_first = |bytes: &[u8]| [&first, bytes, &rest[..]].concat();
    let two = [&message[..], &message].concat();
    let cases = [
        ("an alert between", after_first(&[21, 3, 1, 0, 2, 1, 0])),
        (
            "a change of cipher between",
            after_first(&[20, 3, 3, 0, 1, 1]),
        ),
        ("data between", after_first(&[23])),
        ("an empty record between", after_first(&[22, 3, 1, 0, 0])),
        (
            "an empty record first",
            [&[22, 3, 1, 0, 0][..], &whole].concat(),
        ),
        ("another version", after_first(&[22, 2])),
        ("too long a record", [22, 3, 1, 0x40, 1].to_vec()),
        ("a ServerHello", [22, 3, 1, 0, 4, 2].to_vec()),
        ("two messages in one record", records(&two, 4096)),
        (
            "too long a message",
            [22, 3, 1, 0, 4, 1, 0, 0xff, 0xfd].to_vec(),
        ),
        (
            "the longest message",
            [22, 3, 1, 0, 4, 1, 0xff, 0xff, 0xff].to_vec(),
        ),
    ];
    for (what, bytes) in cases {
        assert_eq!(look(&bytes), FirstBytes::Unreadable, "{what}");
    }
    // The controls of the lengths.
    for bytes in [
        [22, 3, 1, 0x40, 0, 1, 0, 0xff, 0xfc],
        [22, 3, 1, 0, 4, 1, 0, 0xff, 0xfc],
    ] {
        assert_eq!(look(&bytes), FirstBytes::NeedMore);
    }
}

#[test]
fn no_more_than_the_limit_is_looked_at() {
    // With its five bytes of header each byte of the message is six.
    let padded = |count| hello(&[server_name(b"a.example"), extension(21, &vec![0; count])]);
    let spare = MAX_FIRST_BYTES / 6 - padded(0).len();
    let within = records(&padded(spare), 1);
    assert!(within.len() <= MAX_FIRST_BYTES);
    assert_eq!(look(&within), named("a.example"));
    let beyond = records(&padded(spare + 1), 1);
    assert_eq!(look(&beyond[..MAX_FIRST_BYTES - 1]), FirstBytes::NeedMore);
    assert_eq!(look(&beyond[..MAX_FIRST_BYTES]), FirstBytes::Unreadable);
    assert_eq!(look(&beyond), FirstBytes::Unreadable);
}

proptest! {
    /// Any bytes, alone and where they stand for a part of a ClientHello: no panic, and what was
    /// said of the first of them holds when more have come.
    #[test]
    fn a_verdict_stays(
        bytes in prop::collection::vec(any::<u8>(), 0..200), size in 1usize..300,
        place in any::<prop::sample::Index>(), cut in any::<prop::sample::Index>(),
    ) {
        let mut changed = records(&usual_hello(), size);
        let at = place.index(changed.len());
        let few = bytes.len().min(3).min(changed.len() - at);
        changed[at..at + few].copy_from_slice(&bytes[..few]);
        let inputs = [
            bytes.clone(),
            [&[22, 3, 1][..], &bytes].concat(),
            records(&message(1, &bytes), size),
            records(&hello(&[extension(0, &bytes)]), size),
            changed,
        ];
        for input in inputs {
            let early = look(&input[..cut.index(input.len() + 1)]);
            if early != FirstBytes::NeedMore {
                prop_assert_eq!(early, look(&input));
            }
        }
    }
}
