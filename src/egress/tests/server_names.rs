//! TLS: whom the client asks for must be whom it dialled.

use super::*;

fn counted(length_bytes: usize, field: &[u8]) -> Vec<u8> {
    let length = (field.len() as u64).to_be_bytes();
    [&length[8 - length_bytes..], field].concat()
}

/// A ClientHello with this server name, in one record.
fn hello(name: Option<&str>) -> Vec<u8> {
    let versions = [&[0, 43][..], &counted(2, &[2, 3, 4])].concat();
    let server_name = name.map_or_else(Vec::new, |name| {
        let entry = [&[0][..], &counted(2, name.as_bytes())].concat();
        [&[0, 0][..], &counted(2, &counted(2, &entry))].concat()
    });
    let body = [
        &[3, 3][..],
        &[0x5a; 32],
        &counted(1, &[0x11; 32]),
        &counted(2, &[0x13, 1]),
        &counted(1, &[0]),
        &counted(2, &[versions, server_name].concat()),
    ]
    .concat();
    let message = [&[1][..], &counted(3, &body)].concat();
    [&[22, 3, 1][..], &counted(2, &message)].concat()
}

#[test]
fn the_name_that_was_dialled_passes_and_so_does_none() {
    let world = World::new();
    for name in [Some("allowed.test"), Some("Allowed.Test"), None] {
        let (mut inner, mut outer) = world.connected();
        let bytes = [hello(name), b"and more".to_vec()].concat();
        inner.write_all(&bytes).unwrap();
        assert_eq!(read(&mut outer, bytes.len()), bytes);
    }
}

#[test]
fn it_passes_in_pieces_and_whole() {
    let world = World::new();
    let (mut inner, mut outer) = world.connected();
    inner.set_nodelay(true).unwrap();
    let bytes = hello(Some("allowed.test"));
    for piece in bytes.chunks(40) {
        inner.write_all(piece).unwrap();
        thread::sleep(Duration::from_millis(30));
    }
    assert_eq!(read(&mut outer, bytes.len()), bytes);
}

/// Not one byte of it goes out.
#[test]
fn another_name_is_refused() {
    let world = World::with(Wishes {
        rules: vec!["allowed.test:PORT", "other.test:PORT"],
        ..Wishes::default()
    });
    for (bytes, says) in [
        (hello(Some("evil.test")), "`evil.test`"),
        (hello(Some("other.test")), "`other.test`"),
        (hello(Some("allowed.test.")), "can't be read"),
        (vec![22, 3, 1, 0, 0, 0], "can't be read"),
    ] {
        let (mut inner, mut outer) = world.connected();
        inner.write_all(&bytes).unwrap();
        assert_reset(&mut inner);
        assert_reset(&mut outer);
        world.told(&["allowed.test", "refused", says]);
    }
    // A piece, and no more of it.
    let (mut inner, mut outer) = world.connected();
    inner.write_all(&hello(Some("allowed.test"))[..30]).unwrap();
    inner.shutdown(Shutdown::Write).unwrap();
    assert_reset(&mut outer);
    world.told(&["can't be read"]);
}

#[test]
fn a_client_that_dribbles_is_not_waited_for() {
    let world = World::with(Wishes {
        timing: Timing {
            client_hello: Duration::from_millis(700),
            ..Settings::default().timing
        },
        ..Wishes::default()
    });
    let (mut inner, mut outer) = world.connected();
    // Before its first byte it may take its time.
    thread::sleep(Duration::from_millis(1000));
    inner.set_nodelay(true).unwrap();
    let bytes = hello(Some("allowed.test"));
    let begun = Instant::now();
    for byte in &bytes[..bytes.len() - 1] {
        if inner.write_all(&[*byte]).is_err() {
            break;
        }
        thread::sleep(Duration::from_millis(50));
    }
    assert!(begun.elapsed() < Duration::from_millis(3000));
    assert_reset(&mut outer);
    world.told(&["did not come whole"]);
}
