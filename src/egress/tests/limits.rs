//! What a box may use up, and what is left when it is gone.

use std::process::Command;

use super::*;

#[test]
fn connections_beyond_the_limit_are_reset_and_told_once() {
    let world = World::with(Wishes {
        connections: 3,
        ..Wishes::default()
    });
    let mut open: Vec<_> = (0..3).map(|_| world.connected()).collect();
    for _ in 0..20 {
        assert_reset(&mut world.dial("allowed.test"));
    }
    world.told(&["more than 3 connections"]);
    // Nothing else was told before this one ended; then there is room again.
    drop(open.pop());
    world.told(&["finished"]);
    drop(world.connected());
    world.told(&["finished"]);
    let counters = world.egress.as_ref().unwrap().counters();
    assert_eq!((counters[0].allowed, counters[0].refused), (4, 20));
}

#[test]
fn when_the_bytes_are_spent_every_connection_ends() {
    let world = World::with(Wishes {
        bytes: Some(1000),
        ..Wishes::default()
    });
    let (mut idle_inner, mut idle_outer) = world.connected();
    let (mut inner, mut outer) = world.connected();
    inner.write_all(&[1; 600]).unwrap();
    assert_eq!(read(&mut outer, 600).len(), 600);
    outer.write_all(&[2; 400]).unwrap();
    // All of what is allowed arrives.
    assert_eq!(read(&mut inner, 400).len(), 400);
    inner.write_all(&[3]).unwrap();
    assert_reset(&mut inner);
    assert_reset(&mut outer);
    assert_reset(&mut idle_inner);
    assert_reset(&mut idle_outer);
    world.told(&["has moved 1000 bytes"]);
    world.told(&["bytes of the session are spent"]);
    world.told(&["bytes of the session are spent"]);
    assert_reset(&mut world.dial("allowed.test"));
    world.told(&["refused", "1000 bytes"]);
}

/// Much at once, so that it is in the middle of splice(2).
#[test]
fn not_one_byte_more_than_allowed_is_moved() {
    const LIMIT: usize = 3_000_001;
    let world = World::with(Wishes {
        bytes: Some(LIMIT as u64),
        ..Wishes::default()
    });
    let (mut inner, mut outer) = world.connected();
    let writing = thread::spawn(move || while inner.write_all(&[0; 100_000]).is_ok() {});
    let mut arrived = 0;
    let mut buffer = vec![0; 65536];
    while let Ok(count @ 1..) = outer.read(&mut buffer) {
        arrived += count;
    }
    writing.join().unwrap();
    // Less, because a reset takes back what is on its way.
    assert!(arrived <= LIMIT, "{arrived}");
    world.told(&["has moved"]);
    // The byte too many was read, and went nowhere.
    let taken = world.egress.as_ref().unwrap().counters()[0].sent;
    assert_eq!(taken, LIMIT as u64 + 1);
}

#[test]
fn the_end_ends_what_hangs_at_once() {
    let mut world = World::with(Wishes {
        rules: vec!["*:PORT"],
        ..Wishes::default()
    });
    let (mut inner, mut outer) = world.connected();
    let (mut writing, mut unread) = world.connected();
    writing
        .set_write_timeout(Some(Duration::from_millis(300)))
        .unwrap();
    while writing.write(&[0; 65536]).is_ok() {}
    let begun = Instant::now();
    drop(world.egress.take());
    assert!(begun.elapsed() < Duration::from_secs(2), "{begun:?}");
    assert_reset(&mut inner);
    assert_reset(&mut outer);
    let mut rest = Vec::new();
    assert!(unread.read_to_end(&mut rest).is_err());
    world.told(&["the session has ended"]);
    world.told(&["the session has ended"]);
    assert!(TcpStream::connect((FIRST, world.port)).is_err());
}

#[test]
fn the_end_does_not_wait_for_a_look_up_that_hangs() {
    let (told, looked_up) = mpsc::channel();
    let names = UdpSocket::bind("127.0.0.1:0").unwrap();
    let dns = names.local_addr().unwrap();
    let stream = TcpListener::bind((FIRST, 0)).unwrap();
    let port = stream.local_addr().unwrap().port();
    let settings = Settings {
        synthetic: "127.18.0.0/15".parse().unwrap(),
        lookup: Arc::new(move |_, _| {
            let _ = told.send(());
            thread::sleep(Duration::from_secs(30));
            Err(std::io::Error::other("late"))
        }),
        ..Settings::default()
    };
    let policy = EgressPolicy {
        rules: [format!("a.test:{port}").parse().unwrap()].into(),
        tier: EgressTier::Names,
        check_server_name: true,
        connections: 9,
        bytes: None,
        trusts_names: true,
    };
    let listeners = Listeners {
        names,
        streams: vec![stream],
    };
    let egress =
        Egress::start_with(listeners, policy, Outside::default(), settings, |_| {}).unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.send_to(&query(1, "a.test", 1), dns).unwrap();
    socket.recv(&mut [0; 600]).unwrap();
    let mut inner = patient(TcpStream::connect((FIRST, port)).unwrap());
    looked_up.recv_timeout(PATIENCE).unwrap();
    let begun = Instant::now();
    drop(egress);
    assert!(begun.elapsed() < Duration::from_secs(2), "{begun:?}");
    assert_reset(&mut inner);
}

/// In a process of its own, whose descriptors are nobody else's.
#[test]
fn a_thousand_connections_and_two_hundred_at_once_leave_nothing() {
    const NAME: &str =
        "egress::tests::limits::a_thousand_connections_and_two_hundred_at_once_leave_nothing";
    const MARK: &str = "PINFOLD_TEST_ALONE";
    if std::env::var_os(MARK).is_some() {
        return many_connections();
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", NAME, "--nocapture"])
        .env(MARK, "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("1 passed"), "{text}");
}

fn many_connections() {
    let descriptors = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let resident = || -> usize {
        let status = std::fs::read_to_string("/proc/self/statm").unwrap();
        status.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
    };
    let world = World::new();
    let server = world.server.try_clone().unwrap();
    thread::spawn(move || {
        while let Ok((mut stream, _)) = server.accept() {
            thread::spawn(move || {
                let mut bytes = [0; 4096];
                while let Ok(count @ 1..) = stream.read(&mut bytes) {
                    if stream.write_all(&bytes[..count]).is_err() {
                        break;
                    }
                }
            });
        }
    });
    let exchange = |inner: &mut TcpStream| {
        inner.write_all(b"hello").unwrap();
        assert_eq!(read(inner, 5), b"hello");
    };
    let one_after_the_other = |count| {
        for _ in 0..count {
            exchange(&mut world.dial("allowed.test"));
        }
    };
    let at_once = || {
        let mut all: Vec<_> = (0..200).map(|_| world.dial("allowed.test")).collect();
        for inner in &mut all {
            exchange(inner);
        }
    };
    one_after_the_other(10);
    at_once();
    wait_for("the first to be gone", || {
        world.events.try_iter().count() == 0
    });
    thread::sleep(Duration::from_millis(500));
    let before = (descriptors(), resident());

    one_after_the_other(1000);
    at_once();
    wait_for("their descriptors to be gone", || descriptors() <= before.0);
    let grown = resident().saturating_sub(before.1);
    assert!(grown < 8_000_000, "{grown} bytes more");
    let ended = world.events.try_iter().count();
    assert!(ended >= 1200, "{ended}");
}
