//! The box's name server, over real sockets.

use super::*;

/// The code of an answer, and its number of records.
fn summary(answer: &[u8]) -> (u8, u8) {
    (answer[3] & 15, answer[7])
}

const NAME_ERROR: u8 = 3;

#[test]
fn datagrams_are_answered_by_the_rules_and_nothing_is_asked_outside() {
    let world = World::with(Wishes {
        rules: vec!["allowed.test:443", "*.wild.test:443", "localhost:3000"],
        ..Wishes::default()
    });
    for (name, kind, expected) in [
        ("allowed.test", 1, (0, 1)),
        ("ALLOWED.test", 1, (0, 1)),
        ("a.wild.test", 1, (0, 1)),
        ("allowed.test", 28, (0, 0)),
        ("allowed.test", 16, (0, 0)),
        ("allowed.test", 65, (0, 0)),
        ("localhost", 1, (0, 1)),
        ("localhost", 28, (0, 1)),
        ("evil.test", 1, (NAME_ERROR, 0)),
        ("evil.test", 16, (NAME_ERROR, 0)),
        ("allowed.test.evil.test", 1, (NAME_ERROR, 0)),
        ("aGVsbG8.tunnel.test", 16, (NAME_ERROR, 0)),
        ("1.0.0.127.in-addr.arpa", 12, (NAME_ERROR, 0)),
    ] {
        assert_eq!(summary(&world.ask(name, kind)), expected, "{name} {kind}");
    }
    assert!(world.lookups.lock().unwrap().is_empty());
    // Each once, and not that of an address.
    for name in ["evil.test", "allowed.test.evil.test", "aGVsbG8.tunnel.test"] {
        world.told(&[&name.to_ascii_lowercase(), "egress = "]);
    }
    assert!(world.events.try_recv().is_err());
}

#[test]
fn connections_take_many_questions_at_once_and_in_pieces() {
    let world = World::new();
    let mut stream = patient(TcpStream::connect(world.dns).unwrap());
    let mut all = Vec::new();
    for id in 0..500_u16 {
        let name = if id % 2 == 0 {
            "allowed.test"
        } else {
            "evil.test"
        };
        let message = query(id, name, 1);
        all.extend_from_slice(&u16::try_from(message.len()).unwrap().to_be_bytes());
        all.extend_from_slice(&message);
    }
    for piece in all.chunks(999) {
        stream.write_all(piece).unwrap();
    }
    for id in 0..500_u16 {
        let length = read(&mut stream, 2);
        let answer = read(
            &mut stream,
            u16::from_be_bytes([length[0], length[1]]).into(),
        );
        assert_eq!(answer[..2], id.to_be_bytes());
        assert_eq!(summary(&answer).1, u8::from(id % 2 == 0));
    }
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read_all(&mut stream), b"");
}

#[test]
fn connections_for_questions_are_bounded_in_number_time_and_length() {
    let world = World::with(Wishes {
        timing: Timing {
            dns_idle: Duration::from_secs(4),
            ..Settings::default().timing
        },
        ..Wishes::default()
    });
    let mut long = patient(TcpStream::connect(world.dns).unwrap());
    long.write_all(&[0xff, 0xff, 0]).unwrap();
    assert_reset(&mut long);
    // It has begun a question and does not end it.
    let mut silent: Vec<_> = (0..32)
        .map(|_| {
            let mut stream = patient(TcpStream::connect(world.dns).unwrap());
            stream.write_all(&[0]).unwrap();
            stream
        })
        .collect();
    let begun = Instant::now();
    assert_reset(&mut patient(TcpStream::connect(world.dns).unwrap()));
    assert!(begun.elapsed() < Duration::from_secs(3));
    for stream in &mut silent {
        assert_reset(stream);
    }
    // All places are free again.
    let mut stream = patient(TcpStream::connect(world.dns).unwrap());
    let message = query(1, "allowed.test", 1);
    stream
        .write_all(&[&[0, u8::try_from(message.len()).unwrap()][..], &message].concat())
        .unwrap();
    assert_eq!(read(&mut stream, 2)[0], 0);
}

#[test]
fn a_flood_takes_neither_the_relay_nor_the_events() {
    let world = World::new();
    let (mut inner, mut outer) = world.connected();
    let flooding = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let dns = world.dns;
    let is_on = Arc::clone(&flooding);
    let flood = thread::spawn(move || {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let mut sent = 0_u32;
        while is_on.load(std::sync::atomic::Ordering::Relaxed) {
            sent += 1;
            let _ = socket.send_to(&query(1, &format!("x{sent}.evil.test"), 1), dns);
            let _ = socket.send_to(&[0xff; 40], dns);
        }
        sent
    });
    for _ in 0..200 {
        inner.write_all(b"ping").unwrap();
        assert_eq!(read(&mut outer, 4), b"ping");
        outer.write_all(b"pong").unwrap();
        assert_eq!(read(&mut inner, 4), b"pong");
        thread::sleep(Duration::from_millis(5));
    }
    flooding.store(false, std::sync::atomic::Ordering::Relaxed);
    assert!(flood.join().unwrap() > 1000);
    // Its last questions may still be waiting; then the name server serves as before.
    wait_for("an answer", || {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket
            .set_read_timeout(Some(Duration::from_millis(500)))
            .unwrap();
        socket.send_to(&query(9, "allowed.test", 1), dns).unwrap();
        socket.recv(&mut [0; 600]).is_ok()
    });
    let events: Vec<_> = world.events.try_iter().collect();
    assert_eq!(events.len(), 257);
    assert!(
        events[256].contains("more than 256 names"),
        "{}",
        events[256]
    );
}
