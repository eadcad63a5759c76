//! A client that doesn't read standard error: what a server causes to be said keeps nobody waiting.

use std::fs::File;
use std::io::Read as _;
use std::os::fd::OwnedFd;
use std::time::Duration;

use serde_json::json;

use super::{SETTING, ZONE, write_manifest};
use crate::support::{Authority, Client, Home, processes::wait_until};

/// Looks up long names that it may not reach, in a child, because that may wait for ever.
const LOOK_UP: &str = "
    if os.fork() == 0:
        os.close(0); os.close(1)
        for number in range(200):
            with contextlib.suppress(OSError):
                socket.getaddrinfo('.'.join(['%063d' % number] * 3 + ['%050dx' % number]), 8443)
        os._exit(0)
    return True";

/// A pipe holds 64 KiB (pipe(7)), less where messages don't fill its pages.
const ALMOST_FULL: usize = 56 << 10;

#[test]
fn a_session_ends_although_nobody_reads_what_is_said_of_it() {
    let test = "egress::a_session_ends_although_nobody_reads_what_is_said_of_it";
    let home = Home::new();
    // Only to know whether there can be a network namespace.
    if Authority::new(test, &home, ZONE, json!({})).is_none() {
        return;
    }
    write_manifest(&home, &SETTING);
    home.succeed(["lock"]);
    let (mut reader, writer) = std::io::pipe().unwrap();
    let mut command = home.pinfold(["run", "puppet"]);
    let mut client = Client::start_with_log(&mut command, File::from(OwnedFd::from(writer)));
    drop(command);
    client.initialize();
    let call = |code: &str| json!({"code": code});
    assert_eq!(client.call_text("do", call(LOOK_UP)), "ok: true");
    wait_until("the pipe is full", || {
        rustix::io::ioctl_fionread(&reader).is_ok_and(|held| held >= ALMOST_FULL as u64)
    });
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(client.call_text("do", call("return True")), "ok: true");
    client.close_input();
    wait_until("it ends", || matches!(client.child.try_wait(), Ok(Some(_))));
    // The control: it was more than there was room for.
    let mut said = String::new();
    reader.read_to_string(&mut said).unwrap();
    assert!(said.len() >= ALMOST_FULL, "{said}");
    assert!(!said.contains("are not shown"), "{said}");
}
