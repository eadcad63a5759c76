//! Clients that don't keep to the protocol: each is refused, in words, and hurts nobody else.

use std::fs::{self, File, Permissions};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{Daemon, Raw, message, run_request, socket_path, unruly, wait_until, wait_until_idle};
use crate::support::{Client, Home, is_root, skip};

fn null() -> File {
    File::options()
        .read(true)
        .write(true)
        .open("/dev/null")
        .unwrap()
}

/// The control: the well-formed request is served.
fn is_served(daemon: &Daemon<'_>) {
    let mut client: Client = daemon.client("unruly");
    client.initialize();
    let (status, stderr) = client.close();
    assert_eq!(status.code(), Some(0), "{stderr}");
}

/// What the audit log says of refused requests.
fn recorded(home: &Home) -> Vec<String> {
    let told = home.succeed(["log", "--json", "--kind", "daemon", "--denied"]);
    let records = told.stdout.lines();
    records
        .map(|line| {
            let record: Value = serde_json::from_str(line).unwrap();
            assert_eq!(record["event"], "refused");
            record["text"].as_str().unwrap().to_owned()
        })
        .collect()
}

fn wait_until_recorded(home: &Home, what: &str) {
    wait_until("the refusal is in the audit log", || {
        recorded(home).iter().any(|text| text.contains(what))
    });
}

#[test]
fn what_is_no_request_is_refused() {
    let home = unruly();
    let daemon = Daemon::start(&home);
    let idle = daemon.descriptors();
    let good = run_request(&home, "unruly");
    let with = |path: &[&str], key: &str, value: Value| {
        let mut changed = json!({"pinfold": 1, "message": good});
        let mut place = &mut changed;
        for step in path {
            place = &mut place[*step];
        }
        place[key] = value;
        changed.to_string()
    };
    let mut huge = message(&good);
    huge.resize((64 << 10) + 1, b' ');
    let frames: Vec<(&str, Vec<u8>)> = vec![
        (
            "a command",
            with(&["message", "run"], "command", json!("sh")).into(),
        ),
        (
            "arguments",
            with(&["message", "run"], "args", json!(["-c"])).into(),
        ),
        (
            "an environment",
            with(&["message", "run"], "env", json!({"A": "b"})).into(),
        ),
        (
            "a policy",
            with(&["message", "run"], "policy", json!({})).into(),
        ),
        (
            "more places",
            with(&["message", "run", "places"], "socket", json!("/")).into(),
        ),
        ("a field beside it", with(&[], "more", json!(1)).into()),
        ("two messages", with(&["message"], "ps", Value::Null).into()),
        ("version 2", with(&[], "pinfold", json!(2)).into()),
        ("no version", message(&good)[13..].to_vec()),
        ("an unknown message", message(&json!("reboot"))),
        ("an array", b"[]".to_vec()),
        ("half of it", message(&good)[..40].to_vec()),
        ("no text", vec![0xff; 100]),
        ("nested", vec![b'['; 60_000]),
        ("a huge frame", huge),
        (
            "descriptors before they are asked for",
            message(&json!("streams")),
        ),
    ];
    for (what, frame) in &frames {
        let raw = Raw::open(&home);
        raw.send(frame);
        let reason = raw.refusal();
        assert!(!reason.is_empty(), "{what}");
        if *what == "version 2" {
            assert!(reason.contains("version"), "{reason}");
        }
    }
    // Each with descriptors, too, which are closed again.
    let null = null();
    for (_, frame) in &frames {
        let raw = Raw::open(&home);
        raw.send_with(frame, &[null.as_fd(); 3]);
        raw.refusal();
    }
    wait_until("the descriptors are closed", || {
        daemon.descriptors() <= idle
    });
    // The control: this very request, with nothing more and nothing less.
    let raw = Raw::open(&home);
    raw.send(&message(&good));
    assert_eq!(
        raw.receive().unwrap(),
        json!({"pinfold": 1, "message": "ready"})
    );
    drop(raw);
    is_served(&daemon);
    assert!(
        daemon.log().contains("refused a request of process"),
        "{}",
        daemon.log()
    );
    // Recorded, and no client can fill the log with it.
    wait_until("thirty are recorded", || recorded(&home).len() >= 30);
    Raw::open(&home).send(&message(&json!("reboot")));
    is_served(&daemon);
    // After a minute it begins anew.
    assert!(recorded(&home).len() < 33);
    wait_until("it is said", || {
        daemon.log().contains("further refusals are not shown")
    });
    home.succeed(["log", "verify"]);
}

#[test]
fn descriptors_that_are_not_exactly_three_are_refused() {
    let home = unruly();
    let daemon = Daemon::start(&home);
    let idle = daemon.descriptors();
    let null = null();
    let three: &[BorrowedFd<'_>] = &[null.as_fd(); 3];
    let many = [null.as_fd(); 100];
    for (what, descriptors) in [
        ("none", &[][..]),
        ("one", &three[..1]),
        ("two", &three[..2]),
        ("four", &many[..4]),
        ("five", &many[..5]),
        ("a hundred", &many),
    ] {
        let raw = Raw::open(&home);
        raw.send(&message(&run_request(&home, "unruly")));
        assert_eq!(raw.receive().unwrap()["message"], "ready");
        raw.send_with(&message(&json!("streams")), descriptors);
        let reason = raw.refusal();
        assert!(reason.contains("descriptors"), "{what}: {reason}");
    }
    // With another message than the one that they belong to.
    for other in [run_request(&home, "unruly"), json!("ps")] {
        let raw = Raw::open(&home);
        raw.send(&message(&run_request(&home, "unruly")));
        assert_eq!(raw.receive().unwrap()["message"], "ready");
        raw.send_with(&message(&other), three);
        raw.refusal();
    }
    wait_until("the descriptors are closed", || {
        daemon.descriptors() <= idle
    });
    wait_until_recorded(&home, "descriptors");
    wait_until("it is said", || daemon.log().contains("descriptors"));
    // The control.
    let raw = Raw::open(&home);
    raw.send(&message(&run_request(&home, "unruly")));
    assert_eq!(raw.receive().unwrap()["message"], "ready");
    raw.send_with(&message(&json!("streams")), three);
    assert_eq!(raw.receive().unwrap()["message"], "taken");
    // Its input is at its end, so the session is.
    assert_eq!(
        raw.receive().unwrap()["message"],
        json!({"ended": {"code": 0}})
    );
    assert_eq!(raw.receive(), None);
    wait_until_idle(&daemon);
    wait_until("the descriptors are closed", || {
        daemon.descriptors() <= idle
    });
}

/// A client hands over what no client should: each session ends, in the audit log too, and nobody else
/// notices.
#[test]
fn descriptors_of_every_kind_harm_nobody() {
    let home = unruly();
    let daemon = Daemon::start(&home);
    let idle = daemon.descriptors();
    let null = null();
    let flags = |flags: i32| {
        let mut options = File::options();
        options.read(true).custom_flags(flags).open("/dev/null")
    };
    let a_name_only = flags(libc::O_PATH).unwrap();
    let not_blocking = flags(libc::O_NONBLOCK).unwrap();
    let mut name_only = File::options();
    name_only.read(true).custom_flags(libc::O_PATH);
    let name_of_a_socket = name_only.open(socket_path(&home)).unwrap();
    let folder = File::open(home.path()).unwrap();
    let (reader, writer) = std::io::pipe().unwrap();
    let kind = nix::sys::socket::SockType::SeqPacket;
    let family = nix::sys::socket::AddressFamily::Unix;
    let no_flags = nix::sys::socket::SockFlag::empty();
    let alone = nix::sys::socket::socket(family, kind, no_flags, None).unwrap();
    let events =
        nix::sys::inotify::Inotify::init(nix::sys::inotify::InitFlags::IN_CLOEXEC).unwrap();
    let null = null.as_fd();
    let cases: Vec<(&str, [BorrowedFd<'_>; 3])> = vec![
        ("a name, thrice", [a_name_only.as_fd(); 3]),
        ("a name to read", [a_name_only.as_fd(), null, null]),
        ("a name to write", [null, a_name_only.as_fd(), null]),
        ("a name of a socket", [name_of_a_socket.as_fd(); 3]),
        ("a folder", [folder.as_fd(); 3]),
        ("not blocking", [not_blocking.as_fd(); 3]),
        (
            "the wrong ends",
            [writer.as_fd(), reader.as_fd(), reader.as_fd()],
        ),
        (
            "both ends of one pipe",
            [reader.as_fd(), writer.as_fd(), writer.as_fd()],
        ),
        ("a socket of nobody", [alone.as_fd(); 3]),
        ("what watches files", [events.as_fd(); 3]),
    ];
    let mut raws = Vec::new();
    for (what, streams) in &cases {
        let raw = Raw::open(&home);
        raw.send(&message(&run_request(&home, "unruly")));
        assert_eq!(raw.receive().unwrap()["message"], "ready", "{what}");
        raw.send_with(&message(&json!("streams")), streams);
        raws.push(raw);
    }
    is_served(&daemon);
    let count = |kind: &str| {
        let told = home.succeed(["log", "--json", "--kind", kind]);
        told.stdout.lines().count()
    };
    wait_until("all have begun", || count("session_start") > cases.len());
    drop(raws);
    wait_until_idle(&daemon);
    assert_eq!(count("session_start"), count("session_end"));
    wait_until("the descriptors are closed", || {
        daemon.descriptors() <= idle
    });
    assert!(!daemon.log().contains("panicked"), "{}", daemon.log());
    is_served(&daemon);
}

#[test]
fn silence_and_closing_at_every_point_hurt_nobody() {
    let home = unruly();
    let daemon = Daemon::start(&home);
    let idle = daemon.descriptors();
    let null = null();
    // Silent ones are refused after a while, and meanwhile others are served.
    let nothing = Raw::open(&home);
    let half = Raw::open(&home);
    half.send(&message(&run_request(&home, "unruly")));
    assert_eq!(half.receive().unwrap()["message"], "ready");
    is_served(&daemon);
    let began = Instant::now();
    for silent in [nothing, half] {
        assert!(silent.refusal().contains("in time"));
    }
    assert!(began.elapsed() < Duration::from_secs(20));
    wait_until_recorded(&home, "in time");
    wait_until("it is said", || daemon.log().contains("in time"));
    for _ in 0..20 {
        // Nothing said; a request said; ready heard; descriptors given.
        drop(Raw::open(&home));
        let raw = Raw::open(&home);
        raw.send(&message(&run_request(&home, "unruly")));
        drop(raw);
        let raw = Raw::open(&home);
        raw.send(&message(&run_request(&home, "unruly")));
        raw.receive();
        drop(raw);
        let raw = Raw::open(&home);
        raw.send(&message(&run_request(&home, "unruly")));
        raw.receive();
        raw.send_with(&message(&json!("streams")), &[null.as_fd(); 3]);
        drop(raw);
        let raw = Raw::open(&home);
        raw.send(&message(&json!("ps")));
        drop(raw);
    }
    wait_until_idle(&daemon);
    wait_until("the descriptors are closed", || {
        daemon.descriptors() <= idle
    });
}

#[test]
fn more_than_a_number_of_unfinished_requests_are_refused() {
    let home = unruly();
    let daemon = Daemon::start(&home);
    let silent: Vec<Raw> = (0..64).map(|_| Raw::open(&home)).collect();
    let beyond = Raw::open(&home);
    assert!(beyond.refusal().contains("try again"));
    drop(silent);
    is_served(&daemon);
}

/// What a session says on its connection can't be said to the daemon, and the other way round.
#[test]
fn a_client_that_floods_its_session_ends_only_that() {
    let home = unruly();
    let daemon = Daemon::start(&home);
    let mut other = daemon.client("unruly");
    other.initialize();
    let (reader, _writer) = std::io::pipe().unwrap();
    let null = null();
    let raw = Raw::open(&home);
    raw.send(&message(&run_request(&home, "unruly")));
    assert_eq!(raw.receive().unwrap()["message"], "ready");
    let streams = [reader.as_fd(), null.as_fd(), null.as_fd()];
    raw.send_with(&message(&json!("streams")), &streams);
    assert_eq!(raw.receive().unwrap()["message"], "taken");
    wait_until("both are served", || daemon.sessions().len() == 2);
    raw.send(&message(&json!({"stop": "all"})));
    assert!(
        raw.receive()
            .is_some_and(|last| last["message"]["ended"].is_object())
    );
    wait_until("one is left", || daemon.sessions().len() == 1);
    assert!(other.call("answer_of_size", json!({"size": 1}))["result"].is_object());
}

#[test]
fn another_user_is_refused() {
    const TEST: &str = "daemon::hostile::another_user_is_refused";
    /// Asks for the sessions and prints the answer.
    const ASK: &str = r#"
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
s.connect(sys.argv[1])
try:
    s.send(b'{"pinfold":1,"message":"ps"}')
except BrokenPipeError:
    pass
while True:
    try:
        print(s.recv(65536).decode())
        break
    except ConnectionResetError:
        pass
"#;
    /// One that other users may run, too.
    const PYTHON: &str = "/usr/bin/python3";
    if !is_root() {
        return skip(TEST, "only root can become another user");
    }
    if !Path::new(PYTHON).exists() {
        return skip(TEST, "there is no /usr/bin/python3");
    }
    let home = unruly();
    let daemon = Daemon::start(&home);
    let path = socket_path(&home);
    // The folders keep others out; made reachable, so that the daemon itself has to.
    let ask = |user: &str| {
        let mut command = Command::new("setpriv");
        command
            .args(["--reuid", user, "--regid", user, "--clear-groups"])
            .args([PYTHON, "-c", ASK])
            .arg(&path);
        let output = command.output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    assert_eq!(ask("65534"), "", "the folder let another user in");
    for folder in [
        path.parent().unwrap(),
        path.parent().unwrap().parent().unwrap(),
    ] {
        fs::set_permissions(folder, Permissions::from_mode(0o755)).unwrap();
    }
    fs::set_permissions(&path, Permissions::from_mode(0o777)).unwrap();
    let answer = ask("65534");
    assert!(answer.contains("another user's daemon"), "{answer}");
    wait_until_recorded(&home, "you are user 65534");
    assert!(
        daemon.log().contains("you are user 65534"),
        "{}",
        daemon.log()
    );
    assert!(ask("0").contains("complete"));
    is_served(&daemon);
}
