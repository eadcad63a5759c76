//! CVE-2025-49596 (MCP Inspector), CVE-2026-23744 (MCPJam): a local port that starts whatever it is
//! told to, reached by a web page. What nobody listens at can't be reached.

use std::collections::BTreeSet;
use std::fs;
use std::net::{TcpListener, UdpSocket};
use std::process::{Child, Stdio};

use crate::support::processes::wait_until;
use crate::support::{Home, fixture};

/// Sockets of a process at which it can be reached over a network: those of TCP that listen, and
/// those of UDP (proc(5), `/proc/PID/net`).
fn reachable(process: u32) -> BTreeSet<String> {
    let own: BTreeSet<String> = fs::read_dir(format!("/proc/{process}/fd"))
        .unwrap()
        .filter_map(|entry| fs::read_link(entry.unwrap().path()).ok())
        .filter_map(|link| {
            let link = link.to_str()?;
            let inode = link.strip_prefix("socket:[")?.strip_suffix(']')?;
            Some(inode.to_owned())
        })
        .collect();
    let mut found = BTreeSet::new();
    for table in ["tcp", "tcp6", "udp", "udp6"] {
        let Ok(text) = fs::read_to_string(format!("/proc/{process}/net/{table}")) else {
            continue;
        };
        for line in text.lines().skip(1) {
            let words: Vec<&str> = line.split_whitespace().collect();
            let listens = table.starts_with("udp") || words[3] == "0A";
            if listens && own.contains(words[9]) {
                found.insert(format!("{table} {}", words[1]));
            }
        }
    }
    found
}

/// Ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn nothing_listens_at_a_port() {
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = |port: u16| format!(":{port:04X}");
    let with = reachable(std::process::id());
    for port in [tcp.local_addr(), udp.local_addr()].map(|address| port(address.unwrap().port())) {
        let one = |sockets: &BTreeSet<String>| sockets.iter().any(|socket| socket.ends_with(&port));
        assert!(one(&with), "control: {with:?}");
    }

    let home = Home::new();
    home.add_path("puppet", &fixture("puppet.py"), &[]);
    let runtime = home.path().join("run");
    fs::create_dir(&runtime).unwrap();
    let mut command = home.pinfold(["daemon"]);
    command
        .env("XDG_RUNTIME_DIR", &runtime)
        .stderr(Stdio::null());
    let daemon = Running(command.spawn().unwrap());
    let answers = || {
        let mut command = home.pinfold(["ps"]);
        let output = command.env("XDG_RUNTIME_DIR", &runtime).output();
        output.unwrap().status.success()
    };
    wait_until("the daemon answers", answers);
    let mut client = home.client("puppet");
    client.initialize();
    for process in [daemon.0.id(), client.child.id()] {
        assert_eq!(reachable(process), BTreeSet::new(), "{process}");
    }
}
