//! A box without a box: its listeners are sockets of 127.18.0.0/15, which here stands for the
//! synthetic network, and the outside is 127.0.0.1.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use super::session::{Settings, Timing};
use super::{Egress, Event, Listeners, Outside};
use crate::config::EgressTier;
use crate::policy::EgressPolicy;

mod connections;
mod limits;
mod name_server;
mod proxies;
mod server_names;

/// What a first name is answered with.
const FIRST: Ipv4Addr = Ipv4Addr::new(127, 18, 0, 2);
/// No test waits longer for anything.
const PATIENCE: Duration = Duration::from_secs(20);

/// A served box. Its rules have `PORT` for the port of the outside server.
struct World {
    /// None: dropped by the test.
    egress: Option<Egress>,
    /// The outside server.
    server: TcpListener,
    /// Where the box's name server is, for datagrams and for connections.
    dns: SocketAddr,
    port: u16,
    events: mpsc::Receiver<String>,
    /// What was looked up outside.
    lookups: Arc<Mutex<Vec<String>>>,
}

struct Wishes {
    rules: Vec<&'static str>,
    connections: u64,
    bytes: Option<u64>,
    trusts_names: bool,
    timing: Timing,
    outside: Outside,
    /// Every name leads here.
    leads_to: Vec<&'static str>,
}

impl Default for Wishes {
    fn default() -> Self {
        Self {
            rules: vec!["allowed.test:PORT"],
            connections: 256,
            bytes: None,
            trusts_names: true,
            timing: Settings::default().timing,
            outside: Outside::default(),
            leads_to: vec!["127.0.0.1"],
        }
    }
}

impl World {
    fn new() -> Self {
        Self::with(Wishes::default())
    }

    fn with(wishes: Wishes) -> Self {
        let (server, names, streams) = bind();
        let port = server.local_addr().unwrap().port();
        let dns = names.local_addr().unwrap();
        let rule = |rule: &&str| rule.replace("PORT", &port.to_string()).parse().unwrap();
        let policy = EgressPolicy {
            rules: wishes.rules.iter().map(rule).collect(),
            tier: EgressTier::Names,
            check_server_name: true,
            connections: wishes.connections,
            bytes: wishes.bytes,
            trusts_names: wishes.trusts_names,
        };
        let lookups = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&lookups);
        let leads_to: Vec<std::net::IpAddr> = wishes
            .leads_to
            .iter()
            .map(|address| address.parse().unwrap())
            .collect();
        let settings = Settings {
            timing: wishes.timing,
            synthetic: "127.18.0.0/15".parse().unwrap(),
            lookup: Arc::new(move |host, port| {
                seen.lock().unwrap().push(host.to_owned());
                match host.parse() {
                    Ok(address) => Ok(vec![SocketAddr::new(address, port)]),
                    Err(_) => Ok(leads_to
                        .iter()
                        .map(|address| SocketAddr::new(*address, port))
                        .collect()),
                }
            }),
        };
        let (told, events) = mpsc::channel();
        let egress = Egress::start_with(
            Listeners { names, streams },
            policy,
            wishes.outside.clone(),
            settings,
            move |event: &Event| {
                let _ = told.send(event.to_string());
            },
        );
        Self {
            egress: Some(egress.unwrap()),
            server,
            dns,
            port,
            events,
            lookups,
        }
    }

    /// Looks a name up as a program of the box does, and dials it at the port of the server.
    fn dial(&self, name: &str) -> TcpStream {
        let address = self.address(name);
        patient(TcpStream::connect((address, self.port)).unwrap())
    }

    fn address(&self, name: &str) -> Ipv4Addr {
        let answer = self.ask(name, 1);
        assert_eq!(answer[3] & 15, 0, "{name} was refused");
        let end = <[u8; 4]>::try_from(&answer[answer.len() - 4..]).unwrap();
        end.into()
    }

    fn ask(&self, name: &str, kind: u16) -> Vec<u8> {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.send_to(&query(7, name, kind), self.dns).unwrap();
        let mut answer = [0; 1500];
        let length = socket.recv(&mut answer).unwrap();
        answer[..length].to_vec()
    }

    fn accept(&self) -> TcpStream {
        patient(self.server.accept().unwrap().0)
    }

    /// Both ends of a connection: the box's and the server's.
    fn connected(&self) -> (TcpStream, TcpStream) {
        (self.dial("allowed.test"), self.accept())
    }

    fn event(&self) -> String {
        self.events.recv_timeout(PATIENCE).unwrap()
    }

    /// The next event has all of this.
    #[track_caller]
    fn told(&self, parts: &[&str]) {
        let event = self.event();
        for part in parts {
            assert!(event.contains(part), "`{part}` is not in `{event}`");
        }
    }
}

/// The outside server, and the sockets of the box at the ports that they have to have. Those may be
/// taken by others just then.
fn bind() -> (TcpListener, UdpSocket, Vec<TcpListener>) {
    for _ in 0..100 {
        let server = bind_server();
        let port = server.local_addr().unwrap().port();
        let names = UdpSocket::bind("127.0.0.1:0").unwrap();
        let streams: std::io::Result<_> = [
            names.local_addr().unwrap(),
            (FIRST, port).into(),
            ([127, 18, 0, 3], port).into(),
            ([127, 9, 9, 9], port).into(),
        ]
        .iter()
        .map(TcpListener::bind)
        .collect();
        if let Ok(streams) = streams {
            return (server, names, streams);
        }
    }
    panic!("no ports are free");
}

fn bind_server() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").unwrap()
}

/// Fails instead of waiting for ever.
fn patient(stream: TcpStream) -> TcpStream {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn read_all(stream: &mut TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    stream.read_to_end(&mut all).unwrap();
    all
}

/// Reads so many bytes.
fn read(stream: &mut TcpStream, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes).unwrap();
    bytes
}

/// The connection was reset, not ended and not left open.
#[track_caller]
fn assert_reset(stream: &mut TcpStream) {
    let mut rest = Vec::new();
    let error = stream.read_to_end(&mut rest).unwrap_err();
    assert_eq!(
        error.kind(),
        std::io::ErrorKind::ConnectionReset,
        "{rest:?}"
    );
}

fn query(id: u16, name: &str, kind: u16) -> Vec<u8> {
    let mut message = id.to_be_bytes().to_vec();
    message.extend_from_slice(&[1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    for label in name.split('.') {
        message.push(u8::try_from(label.len()).unwrap());
        message.extend_from_slice(label.as_bytes());
    }
    message.push(0);
    message.extend_from_slice(&kind.to_be_bytes());
    message.extend_from_slice(&[0, 1]);
    message
}

/// Until it is so.
#[track_caller]
fn wait_for(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "waited in vain for: {what}");
        thread::sleep(Duration::from_millis(10));
    }
}
