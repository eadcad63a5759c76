//! Between `ready` and the session: one that gives its own connection away, a daemon that is stopped
//! or killed there.

use std::fs;
use std::io::{BufRead as _, BufReader, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sys::signal::Signal;
use nix::sys::socket::{
    AddressFamily, Backlog, MsgFlags, SockFlag, SockType, UnixAddr, bind, listen, send, socket,
};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags};
use serde_json::{Value, json};

use super::{
    Daemon, Raw, message, pinfold, run_request, socket_path, tree, unruly, wait_until,
    wait_until_gone, wait_until_idle,
};
use crate::support::processes::with_home;
use crate::support::{Client, Home};

#[test]
fn a_client_that_gives_its_own_connection_away_ends_its_session_with_itself() {
    /// Gives its connection as all three streams, and lives as long as its input.
    const GIVE: &str = r#"
import array, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
s.connect(sys.argv[1])
s.send(sys.argv[2].encode())
assert b"ready" in s.recv(65536)
streams = b'{"pinfold":1,"message":"streams"}'
rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [s.fileno()] * 3))
s.sendmsg([streams], [rights])
print("given", flush=True)
sys.stdin.read()
"#;
    let home = unruly();
    let daemon = Daemon::start(&home);
    let request = String::from_utf8(message(&run_request(&home, "unruly"))).unwrap();
    let mut giver = Command::new("python3")
        .args(["-c", GIVE])
        .arg(socket_path(&home))
        .arg(request)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut given = String::new();
    let mut said = BufReader::new(giver.stdout.take().unwrap());
    said.read_line(&mut given).unwrap();
    assert_eq!(given, "given\n");
    // The control: while it lives the session does.
    wait_until("the server runs", || {
        let sessions = daemon.sessions();
        sessions.len() == 1 && sessions[0]["server_pid"].is_i64()
    });
    let processes = tree(daemon.pid());
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(daemon.sessions().len(), 1);
    drop(giver.stdin.take());
    giver.wait().unwrap();
    wait_until_idle(&daemon);
    let daemon_itself = daemon.pid().as_raw();
    let sessions: Vec<_> = processes
        .into_iter()
        .filter(|one| one.pid != daemon_itself)
        .collect();
    assert!(!sessions.is_empty());
    wait_until_gone(&sessions);
}

/// Stands between `run` and the daemon, so that the moment can be chosen.
struct Middle(OwnedFd);

impl Middle {
    fn listen(runtime: &Path) -> Self {
        let folder = runtime.join("pinfold");
        fs::create_dir_all(&folder).unwrap();
        let flags = SockFlag::SOCK_CLOEXEC;
        let socket = socket(AddressFamily::Unix, SockType::SeqPacket, flags, None).unwrap();
        let address = UnixAddr::new(&folder.join("control.sock")).unwrap();
        bind(socket.as_raw_fd(), &address).unwrap();
        listen(&socket, Backlog::new(1).unwrap()).unwrap();
        Self(socket)
    }

    fn accept(&self) -> Raw {
        Raw(rustix::net::accept(&self.0).unwrap())
    }
}

/// The frame with the client's descriptors.
fn streams(connection: &Raw) -> (Vec<u8>, Vec<OwnedFd>) {
    let mut bytes = vec![0; 1 << 16];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(8))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut slices = [IoSliceMut::new(&mut bytes)];
    let flags = RecvFlags::CMSG_CLOEXEC;
    let received = rustix::net::recvmsg(&connection.0, &mut slices, &mut control, flags).unwrap();
    let mut descriptors = Vec::new();
    for one in control.drain() {
        if let RecvAncillaryMessage::ScmRights(numbers) = one {
            descriptors.extend(numbers);
        }
    }
    bytes.truncate(received.bytes);
    (bytes, descriptors)
}

fn initialize() -> String {
    json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"}}})
    .to_string()
}

/// `run` at the moment at which the daemon has its descriptors and does nothing: the client, and both
/// connections of the one in the middle.
fn handed_over(home: &Home, daemon: &Daemon<'_>, when: &str) -> (Client, Raw, Raw) {
    let runtime = home.path().join(when);
    let middle = Middle::listen(&runtime);
    let mut command = pinfold(home, ["run", "unruly"]);
    command
        .env("XDG_RUNTIME_DIR", &runtime)
        .env("PINFOLD_DAEMON", when);
    let mut client = Client::start(&mut command);
    client.send(&initialize());
    let run = middle.accept();
    let request = run.receive().unwrap();
    let onward = Raw::open(home);
    onward.send(request.to_string().as_bytes());
    let ready = onward.receive().unwrap();
    assert_eq!(ready["message"], "ready");
    daemon.signal(Signal::SIGSTOP);
    run.send(ready.to_string().as_bytes());
    let (frame, descriptors) = streams(&run);
    assert_eq!(descriptors.len(), 3);
    let borrowed: Vec<_> = descriptors.iter().map(|one| one.as_fd()).collect();
    onward.send_with(&frame, &borrowed);
    (client, run, onward)
}

#[test]
fn a_daemon_that_is_stopped_after_ready_keeps_nobody_waiting() {
    let home = unruly();
    let daemon = Daemon::start(&home);
    let (mut client, run, onward) = handed_over(&home, &daemon, "auto");
    let first = client.next().unwrap();
    assert_eq!(first["id"], 1);
    assert!(first["result"].is_object(), "{first}");
    // Nobody can be told that it was taken any more.
    let taken = message(&json!("taken"));
    let told = send(run.0.as_raw_fd(), &taken, MsgFlags::MSG_NOSIGNAL);
    assert_eq!(told, Err(nix::Error::EPIPE));
    drop((run, onward));
    daemon.signal(Signal::SIGCONT);
    // Each line is answered, once and in order, while the daemon does what it still had to.
    client.send(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
    for id in 2..300 {
        let call = json!({"name": "answer_of_size", "arguments": {"size": 1}});
        client.ask(id, "tools/call", call);
        let answer = client.next().unwrap();
        assert_eq!(answer["id"], id, "{answer}");
        assert!(answer["result"].is_object(), "{answer}");
    }
    wait_until_idle(&daemon);
    let (status, stderr) = client.close();
    assert_eq!(status.code(), Some(0), "{stderr}");
    assert!(stderr.contains("served without the daemon"), "{stderr}");
    let audit = fs::read_to_string(home.path().join("state/pinfold/audit/audit.jsonl")).unwrap();
    let starts = audit.matches(r#""kind":"session_start""#).count();
    assert_eq!(starts, 1, "{audit}");
    assert_eq!(with_home(&home.server_home("unruly")), Vec::<i32>::new());
    // The control: that daemon serves.
    daemon.client("unruly").initialize();
}

#[test]
fn a_daemon_that_is_stopped_after_ready_is_why_it_is_refused_where_it_is_required() {
    let home = unruly();
    let daemon = Daemon::start(&home);
    let (mut client, run, onward) = handed_over(&home, &daemon, "require");
    let answer = client.next().unwrap();
    let message = answer["error"]["message"].as_str().unwrap();
    assert!(message.contains("did not answer in time"), "{message}");
    drop((run, onward));
    daemon.signal(Signal::SIGCONT);
    assert_eq!(client.close().0.code(), Some(125));
    wait_until_idle(&daemon);
}

/// Told again and again that others come first, `run` waits.
#[test]
fn one_who_is_told_to_wait_waits() {
    let home = unruly();
    let daemon = Daemon::start(&home);
    let (mut client, run, onward) = handed_over(&home, &daemon, "auto");
    daemon.signal(Signal::SIGCONT);
    assert_eq!(onward.receive().unwrap()["message"], "taken");
    // Longer than it waits without a word.
    for _ in 0..8 {
        std::thread::sleep(Duration::from_secs(1));
        run.send(&message(&json!("waiting")));
    }
    run.send(&message(&json!("taken")));
    assert!(client.next().unwrap()["result"].is_object());
    assert_eq!(daemon.sessions().len(), 1);
    client.close_input();
    let ended = onward.receive().unwrap();
    assert_eq!(ended["message"], json!({"ended": {"code": 0}}));
    run.send(ended.to_string().as_bytes());
    assert_eq!(client.close().0.code(), Some(0));
}

/// A session that has just begun when its daemon is killed, or hasn't yet, answers what was said.
#[test]
fn the_daemon_killed_in_any_moment_leaves_no_request_unanswered() {
    const ROUNDS: u64 = 12;
    let home = unruly();
    let mut told = [0; 2];
    for round in 0..ROUNDS {
        let mut daemon = Daemon::start(&home);
        let mut clients: Vec<Client> = (0..4)
            .map(|_| {
                let mut client = Client::start(&mut pinfold(&home, ["run", "unruly"]));
                client.send(&initialize());
                client
            })
            .collect();
        std::thread::sleep(Duration::from_millis(50 + round * 60));
        let processes = tree(daemon.pid());
        daemon.child.kill().unwrap();
        daemon.child.wait().unwrap();
        for client in &mut clients {
            let answer: Value = client.next().unwrap_or_else(|| panic!("round {round}"));
            assert_eq!(answer["id"], 1, "{answer}");
            told[usize::from(answer["error"].is_object())] += 1;
        }
        drop(clients);
        wait_until_gone(&processes);
    }
    println!("served: {}, told why not: {}", told[0], told[1]);
}
