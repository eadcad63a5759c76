//! The way out by proxies, with small ones.

use super::super::{Host, Proxies};
use super::*;
use crate::config::HostName;

/// A proxy that waits for a connection and does with it what it is told; what it does comes back.
fn proxy<T: Send + 'static>(
    serve: impl FnOnce(TcpStream) -> T + Send + 'static,
) -> (u16, thread::JoinHandle<T>) {
    let listener = bind_server();
    let port = listener.local_addr().unwrap().port();
    let serving = thread::spawn(move || serve(patient(listener.accept().unwrap().0)));
    (port, serving)
}

fn world(setting: &str, rules: &[&'static str]) -> World {
    world_at(setting, rules, "127.0.0.1")
}

/// Where every name leads to this address.
fn world_at(setting: &str, rules: &[&'static str], address: &'static str) -> World {
    let proxies = Proxies::from_variables(|name| (name == "ALL_PROXY").then(|| setting.to_owned()));
    World::with(Wishes {
        rules: rules.to_vec(),
        outside: Outside {
            proxies: proxies.unwrap(),
        },
        leads_to: vec![address],
        ..Wishes::default()
    })
}

fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.extend(read(stream, 1));
    }
    String::from_utf8(head).unwrap()
}

#[test]
fn an_http_proxy_is_told_the_name() {
    let (port, serving) = proxy(|mut stream| {
        let head = read_head(&mut stream);
        // What the host says at once comes in the same segment.
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nX-Field: 1\r\n\r\n220 host\r\n")
            .unwrap();
        let sent = read(&mut stream, 5);
        (head, sent)
    });
    let world = world(
        &format!("http://me:word@127.0.0.1:{port}"),
        &["allowed.test:PORT"],
    );
    let mut inner = world.dial("allowed.test");
    assert_eq!(read(&mut inner, 10), b"220 host\r\n");
    inner.write_all(b"HELO ").unwrap();
    let (head, sent) = serving.join().unwrap();
    let target = format!("allowed.test:{}", world.port);
    assert_eq!(
        head,
        format!(
            "CONNECT {target} HTTP/1.1\r\nHost: {target}\r\nProxy-Authorization: Basic bWU6d29yZA==\r\n\r\n"
        )
    );
    assert_eq!(sent, b"HELO ");
    // Only the proxy was looked up here.
    assert_eq!(*world.lookups.lock().unwrap(), ["127.0.0.1"]);
}

#[test]
fn what_a_proxy_refuses_is_reset_and_told_without_its_password() {
    for (answer, says) in [
        (&b"HTTP/1.1 407 No\r\n\r\n"[..], "wants a user"),
        (b"HTTP/1.1 503 No\r\nA: b\r\n\r\nsorry", "HTTP status 503"),
        (b"220 mail.test\r\n\r\n", "does not speak"),
        (b"HTTP/1.1 200", "can't be reached"),
    ] {
        let (port, serving) = proxy(move |mut stream| {
            read_head(&mut stream);
            stream.write_all(answer).unwrap();
        });
        let world = world(
            &format!("http://me:sesame@127.0.0.1:{port}"),
            &["allowed.test:PORT"],
        );
        assert_reset(&mut world.dial("allowed.test"));
        let event = world.event();
        assert!(event.contains(says), "{event}");
        assert!(event.contains(&format!("127.0.0.1:{port}")), "{event}");
        assert!(!event.contains("sesame"), "{event}");
        serving.join().unwrap();
    }
}

/// Answers the greeting and the login, and gives back what was asked for.
fn socks(mut stream: TcpStream, reply: u8) -> (Vec<u8>, Vec<u8>) {
    assert_eq!(read(&mut stream, 3), [5, 1, 2]);
    stream.write_all(&[5, 2]).unwrap();
    let login = read(&mut stream, 9);
    stream.write_all(&[1, 0]).unwrap();
    let mut request = read(&mut stream, 4);
    let length = match request[3] {
        1 => 4,
        _ => {
            let length = read(&mut stream, 1)[0];
            request.push(length);
            length.into()
        }
    };
    request.extend(read(&mut stream, length + 2));
    stream
        .write_all(&[5, reply, 0, 3, 2, b'x', b'y', 0, 80])
        .unwrap();
    if reply == 0 {
        stream.write_all(b"hello").unwrap();
        assert_eq!(read(&mut stream, 2), b"ok");
    }
    (login, request)
}

#[test]
fn a_socks_proxy_is_told_the_name_or_the_address() {
    for (scheme, expected) in [
        ("socks5h", &b"\x05\x01\0\x03\x0callowed.test"[..]),
        ("socks5", b"\x05\x01\0\x01\x08\x08\x04\x04"),
    ] {
        let (port, serving) = proxy(|stream| socks(stream, 0));
        let world = world_at(
            &format!("{scheme}://me:word@127.0.0.1:{port}"),
            &["allowed.test:PORT"],
            "8.8.4.4",
        );
        let mut inner = world.dial("allowed.test");
        assert_eq!(read(&mut inner, 5), b"hello");
        inner.write_all(b"ok").unwrap();
        let (login, request) = serving.join().unwrap();
        assert_eq!(login, b"\x01\x02me\x04word");
        assert_eq!(request, [expected, &world.port.to_be_bytes()].concat());
        let seen = world.lookups.lock().unwrap().clone();
        let is_resolved_here = seen.contains(&"allowed.test".to_owned());
        assert_eq!(is_resolved_here, scheme == "socks5", "{seen:?}");
    }
}

#[test]
fn what_a_socks_proxy_refuses_is_told() {
    let (port, serving) = proxy(|stream| socks(stream, 2));
    let with_login = world(
        &format!("socks5h://me:word@127.0.0.1:{port}"),
        &["allowed.test:PORT"],
    );
    assert_reset(&mut with_login.dial("allowed.test"));
    with_login.told(&["SOCKS reply 2 (not allowed by its rules)"]);
    serving.join().unwrap();

    let (port, serving) = proxy(|mut stream| {
        read(&mut stream, 3);
        stream.write_all(&[5, 0xff]).unwrap();
    });
    let without = world(
        &format!("socks5h://127.0.0.1:{port}"),
        &["allowed.test:PORT"],
    );
    assert_reset(&mut without.dial("allowed.test"));
    without.told(&["another authentication"]);
    serving.join().unwrap();
}

#[test]
fn a_proxy_that_is_not_there_is_told_and_not_passed_over() {
    let port = bind_server().local_addr().unwrap().port();
    let world = world(&format!("http://127.0.0.1:{port}"), &["allowed.test:PORT"]);
    assert_reset(&mut world.dial("allowed.test"));
    world.told(&["the proxy 127.0.0.1", "can't be reached"]);
}

/// With `socks5` the name is resolved here; where it leads to this machine, it does so directly.
#[test]
fn a_name_of_this_machine_does_not_lead_to_the_machine_of_the_proxy() {
    let world = world("socks5://127.0.0.1:1", &["allowed.test:PORT"]);
    drop(world.connected());
    world.told(&["connection to allowed.test"]);
}

/// A proxy would find its own machine behind these.
#[test]
fn localhost_and_names_like_it_never_go_through_a_proxy() {
    let world = world(
        // Nobody is there.
        "http://127.0.0.1:1",
        &["localhost:PORT", "*:PORT", "*.localhost:PORT"],
    );
    for name in ["intranet", "x.localhost"] {
        drop(world.dial(name));
        drop(world.accept());
        world.told(&[&format!("connection to {name}")]);
    }
    drop(TcpStream::connect(("127.9.9.9", world.port)).unwrap());
    drop(world.accept());
    world.told(&["connection to localhost"]);
    // Control: another name does go there. (The one port is that of the server.)
    let proxies = Proxies::from_variables(|_| Some(format!("http://127.0.0.1:{}", 1)));
    let name = Host::Name(HostName::parse("a.test").unwrap());
    let proxies = proxies.unwrap().unwrap();
    assert!(proxies.for_host(&name, world.port).is_some());
}
