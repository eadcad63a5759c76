//! A client that never reads standard error: it is refused in its protocol, and keeps nobody waiting.

use std::fs::File;
use std::io::{PipeReader, Write as _};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::process::Command;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::signal::{Signal, kill};
use serde_json::json;

use super::{Daemon, pid, pinfold, unruly, wait_until, wait_until_idle};
use crate::support::processes::with_home;
use crate::support::{Client, Home};

/// The writing end of a pipe that takes nothing more, and its reading end.
fn full_pipe() -> (PipeReader, File) {
    let (reader, writer) = std::io::pipe().unwrap();
    let mut writer = File::from(OwnedFd::from(writer));
    fcntl(&writer, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).unwrap();
    while writer.write(&[b'x'; 4096]).is_ok() {}
    while writer.write(b"x").is_ok() {}
    fcntl(&writer, FcntlArg::F_SETFL(OFlag::empty())).unwrap();
    assert!(reader.as_raw_fd() >= 0);
    (reader, writer)
}

fn quarantined() -> Home {
    let home = unruly();
    home.succeed(["quarantine", "unruly", "--reason", "a test"]);
    home
}

/// The reason comes as an answer; one that is no `initialize`, after which it would end by itself.
#[track_caller]
fn is_refused(client: &mut Client) {
    let answer = client.request("server/discover", json!({}));
    let message = answer["error"]["message"].as_str();
    let message = message.unwrap_or_else(|| panic!("{answer}"));
    assert!(message.contains("in quarantine"), "{message}");
}

fn run(home: &Home, when: &str) -> Command {
    pinfold(home, ["run", when, "unruly"])
}

#[test]
fn a_refusal_waits_for_nobody_and_ends_when_asked() {
    let home = quarantined();
    let daemon = Daemon::start(&home);
    for when in ["--daemon=never", "--daemon=require"] {
        let (_reader, writer) = full_pipe();
        let mut client = Client::start_with_log(&mut run(&home, when), writer);
        is_refused(&mut client);
        kill(pid(&client.child), Signal::SIGTERM).unwrap();
        wait_until("it has ended", || {
            client.child.try_wait().unwrap().is_some()
        });
        wait_until_idle(&daemon);
        // The control: one that reads is told there, too.
        let mut client = Client::start(&mut run(&home, when));
        is_refused(&mut client);
        let (status, stderr) = client.close();
        assert_eq!(status.code(), Some(125), "{stderr}");
        assert!(stderr.contains("in quarantine"), "{stderr}");
    }
}

#[test]
fn the_session_ends_with_its_run_though_nobody_reads() {
    let home = quarantined();
    let daemon = Daemon::start(&home);
    let (_reader, writer) = full_pipe();
    let mut clients: Vec<Client> = (0..3)
        .map(|_| {
            let log = writer.try_clone().unwrap();
            Client::start_with_log(&mut run(&home, "--daemon=require"), log)
        })
        .collect();
    for client in &mut clients {
        is_refused(client);
    }
    assert_eq!(daemon.sessions().len(), 3);
    // Their input stays open.
    for client in &mut clients {
        client.child.kill().unwrap();
        client.child.wait().unwrap();
    }
    wait_until_idle(&daemon);
}

#[test]
fn a_served_session_ends_though_nobody_reads() {
    let home = unruly();
    let daemon = Daemon::start(&home);
    for when in ["--daemon=never", "--daemon=require"] {
        let (_reader, writer) = full_pipe();
        let mut client = Client::start_with_log(&mut run(&home, when), writer);
        client.initialize();
        // Its last words find no reader.
        client.call("exit_with", json!({"code": 3}));
        assert_eq!(client.line(), None);
        let (status, _) = client.close();
        assert_eq!(status.code(), Some(3), "{when}");
    }
    wait_until_idle(&daemon);
    assert_eq!(with_home(&home.server_home("unruly")), Vec::<i32>::new());
}
