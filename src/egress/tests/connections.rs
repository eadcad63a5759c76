//! Connections that may be made, and how they end.

use super::*;

#[test]
fn bytes_go_both_ways_and_each_way_ends_by_itself() {
    let world = World::new();
    let (mut inner, mut outer) = world.connected();
    inner.write_all(b"to the host").unwrap();
    inner.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read_all(&mut outer), b"to the host");
    // The other way is still open.
    outer.write_all(b"to the box").unwrap();
    assert_eq!(read(&mut inner, 10), b"to the box");
    outer.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read_all(&mut inner), b"");
    world.told(&["allowed.test", "finished", "11 bytes sent, 10 received"]);

    let (mut inner, mut outer) = world.connected();
    outer.write_all(b"first").unwrap();
    outer.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read_all(&mut inner), b"first");
    inner.write_all(b"then").unwrap();
    drop(inner);
    assert_eq!(read_all(&mut outer), b"then");
    world.told(&["finished", "4 bytes sent, 5 received"]);

    let counters = world.egress.as_ref().unwrap().counters();
    assert_eq!(counters.len(), 1);
    assert_eq!((counters[0].allowed, counters[0].refused), (2, 0));
    assert_eq!((counters[0].sent, counters[0].received), (15, 15));
}

#[test]
fn localhost_leads_to_the_loopback_of_the_machine() {
    let world = World::with(Wishes {
        rules: vec!["localhost:PORT"],
        trusts_names: false,
        ..Wishes::default()
    });
    let mut inner = patient(TcpStream::connect(("127.9.9.9", world.port)).unwrap());
    let mut outer = world.accept();
    inner.write_all(b"x").unwrap();
    assert_eq!(read(&mut outer, 1), b"x");
    drop(inner);
    drop(outer);
    world.told(&["localhost", "1 bytes sent"]);
}

#[test]
fn a_host_that_speaks_first_is_not_kept_waiting() {
    let world = World::new();
    let (mut inner, mut outer) = world.connected();
    outer.write_all(b"220 mail.test\r\n").unwrap();
    assert_eq!(read(&mut inner, 15), b"220 mail.test\r\n");
    inner.write_all(b"EHLO x\r\n").unwrap();
    assert_eq!(read(&mut outer, 8), b"EHLO x\r\n");
}

#[test]
fn a_reset_of_one_side_is_one_of_the_other() {
    let world = World::new();
    for is_of_box in [true, false] {
        let (mut inner, mut outer) = world.connected();
        inner.write_all(b"a").unwrap();
        assert_eq!(read(&mut outer, 1), b"a");
        let (gone, mut left) = if is_of_box {
            (inner, outer)
        } else {
            (outer, inner)
        };
        rustix::net::sockopt::set_socket_linger(&gone, Some(Duration::ZERO)).unwrap();
        drop(gone);
        assert_reset(&mut left);
        world.told(&[if is_of_box {
            "reset by the server"
        } else {
            "reset by the host"
        }]);
    }
}

#[test]
fn a_reset_is_noticed_while_the_other_side_does_not_read() {
    let world = World::new();
    let (mut inner, outer) = world.connected();
    inner
        .set_write_timeout(Some(Duration::from_millis(500)))
        .unwrap();
    while inner.write(&[0; 65536]).is_ok() {}
    rustix::net::sockopt::set_socket_linger(&inner, Some(Duration::ZERO)).unwrap();
    drop(inner);
    world.told(&["reset by the server"]);
    drop(outer);
}

/// What a slow reader has not read waits with the writer, not here.
#[test]
fn a_slow_reader_holds_the_writer_back() {
    let world = World::new();
    let (mut inner, mut outer) = world.connected();
    inner
        .set_write_timeout(Some(Duration::from_secs(1)))
        .unwrap();
    let mut written = 0;
    while let Ok(count) = inner.write(&[7; 65536]) {
        written += count;
        assert!(written < 200_000_000, "nobody reads and all is taken");
    }
    let taken = world.egress.as_ref().unwrap().counters()[0].sent;
    // The buffers of four sockets at most, and one pipe.
    assert!(taken <= 40_000_000, "{taken}");
    let reader = thread::spawn(move || read_all(&mut outer));
    inner.set_write_timeout(Some(PATIENCE)).unwrap();
    inner.shutdown(Shutdown::Write).unwrap();
    let all = reader.join().unwrap();
    assert_eq!(all.len(), written);
    assert!(all.iter().all(|byte| *byte == 7));
}

#[test]
fn much_goes_both_ways_at_once_and_arrives_as_it_was() {
    const LENGTH: usize = 24_000_000;
    let world = World::new();
    let (inner, outer) = world.connected();
    let pattern: Arc<Vec<u8>> = Arc::new((0..=250).cycle().take(LENGTH).collect());
    let ends = [inner, outer].map(|stream| {
        let mut writer = stream.try_clone().unwrap();
        let pattern = Arc::clone(&pattern);
        let own = Arc::clone(&pattern);
        let writing = thread::spawn(move || {
            // Pieces of any size, with a pause in which a pipe is given back.
            for (index, piece) in own.chunks(777_777).enumerate() {
                if index == 15 {
                    thread::sleep(Duration::from_millis(2500));
                }
                writer.write_all(piece).unwrap();
            }
            writer.shutdown(Shutdown::Write).unwrap();
        });
        let reading = thread::spawn(move || {
            let mut stream = stream;
            assert!(read_all(&mut stream) == *pattern, "other bytes arrived");
        });
        [writing, reading]
    });
    for end in ends.into_iter().flatten() {
        end.join().unwrap();
    }
    let number = LENGTH.to_string();
    world.told(&[
        "finished",
        &format!("{number} bytes sent, {number} received"),
    ]);
}

#[test]
fn a_connection_on_which_nothing_moves_ends() {
    let world = World::with(Wishes {
        timing: Timing {
            idle: Duration::from_secs(4),
            ..Settings::default().timing
        },
        ..Wishes::default()
    });
    let (mut inner, mut outer) = world.connected();
    let mut begun = Instant::now();
    for _ in 0..6 {
        thread::sleep(Duration::from_secs(1));
        begun = Instant::now();
        inner.write_all(b"x").unwrap();
        read(&mut outer, 1);
    }
    assert_reset(&mut inner);
    assert_reset(&mut outer);
    assert!(begun.elapsed() > Duration::from_secs(3));
    world.told(&["nothing moved"]);
}

#[test]
fn what_is_not_allowed_is_reset_and_told() {
    let world = World::with(Wishes {
        rules: vec!["allowed.test:PORT", "other.test:1"],
        ..Wishes::default()
    });
    // Another port, an address that was never told, and an address as such.
    assert_eq!(world.address("other.test"), FIRST);
    for (address, host) in [
        (FIRST, "other.test"),
        ([127, 18, 0, 3].into(), "stands for no name"),
        ([127, 9, 9, 9].into(), "localhost"),
    ] {
        let mut inner = patient(TcpStream::connect((address, world.port)).unwrap());
        assert_reset(&mut inner);
        world.told(&["refused", host]);
    }
    assert!(world.lookups.lock().unwrap().is_empty());
    // Control: the server is there, and reached by the name that is allowed.
    drop(world.connected());
    world.told(&["connection to allowed.test"]);
}

#[test]
fn a_name_that_leads_to_the_machine_itself_is_refused() {
    let wishes = || Wishes {
        trusts_names: false,
        leads_to: vec!["127.0.0.1", "::1", "::ffff:10.0.0.1"],
        ..Wishes::default()
    };
    let world = World::with(wishes());
    let mut inner = world.dial("allowed.test");
    assert_reset(&mut inner);
    world.told(&["refused", "leads to 127.0.0.1", "on this machine"]);
    world.server.set_nonblocking(true).unwrap();
    assert!(world.server.accept().is_err());
    // Control: with the network listed, the same name leads there.
    let world = World::with(Wishes {
        rules: vec!["allowed.test:PORT", "127.0.0.0/30:PORT"],
        ..wishes()
    });
    drop(world.connected());
    world.told(&["connection to allowed.test"]);
}

#[test]
fn a_host_that_refuses_is_told() {
    let World {
        egress: _egress,
        server,
        events,
        dns,
        port,
        ..
    } = World::new();
    drop(server);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.send_to(&query(1, "allowed.test", 1), dns).unwrap();
    socket.recv(&mut [0; 600]).unwrap();
    let mut inner = patient(TcpStream::connect((FIRST, port)).unwrap());
    assert_reset(&mut inner);
    let event = events.recv_timeout(PATIENCE).unwrap();
    assert!(event.contains("can't be connected to"), "{event}");
}
