//! However a session ends, none of its processes is left, and no file but the server's own.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

use crate::support::{Client, Home, Tier, fixture, skip};

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Leaves a process that is out of sight: its parent gone, a session of its own, the usual signals
/// ignored, no stream shared. Its command line holds `marker`, which is how a test finds it.
const ORPHAN: &str = "
    reader, writer = os.pipe()
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
                signal.signal(number, signal.SIG_IGN)
            os.closerange(3, writer)
            null = os.open('/dev/null', os.O_RDWR)
            for stream in (0, 1, 2):
                os.dup2(null, stream)
            os.set_inheritable(writer, True)
            code = 'import os, sys, time; os.write(%d, b\"x\"); os.close(%d); time.sleep(600)' % (writer, writer)
            os.execv(sys.executable, [sys.executable, '-c', code, marker])
        os._exit(0)
    os.close(writer)
    return os.read(reader, 1).decode()";

/// Processes with `marker` in their command line.
fn marked(marker: &str) -> Vec<Pid> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        let command_line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let folder = fs::read_link(entry.path().join("cwd")).unwrap_or_default();
        if String::from_utf8_lossy(&command_line).contains(marker)
            || folder.to_string_lossy().contains(marker)
        {
            found.push(Pid::from_raw(pid));
        }
    }
    found
}

/// The first child of a process that has one thread.
fn child_of(parent: Pid) -> Pid {
    let path = format!("/proc/{parent}/task/{parent}/children");
    let children = fs::read_to_string(path).unwrap();
    Pid::from_raw(children.split_whitespace().next().unwrap().parse().unwrap())
}

/// Waits until no process has the marker.
fn all_gone(marker: &str) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let left = marked(marker);
        if left.is_empty() {
            return;
        }
        if Instant::now() > deadline {
            for &pid in &left {
                let _ = kill(pid, Signal::SIGKILL);
            }
            panic!("left: {left:?}");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

struct Ending {
    home: Home,
    marker: String,
}

impl Ending {
    fn new(test: &str) -> Self {
        let home = Home::new();
        home.add_path("puppet", &fixture("puppet.py"), &[]);
        home.set_tier("puppet", Tier::of_module(module_path!()));
        // The same test runs in each tier.
        let marker = format!("marker-{test}-{}", home.path().display());
        Self { home, marker }
    }

    fn leave_orphan(&self, client: &mut Client) {
        client.initialize();
        let arguments = json!({"code": ORPHAN, "arguments": {"marker": self.marker}});
        assert_eq!(client.call_text("do", arguments), r#"ok: "x""#);
        assert_eq!(marked(&self.marker).len(), 1);
    }

    /// Without pinfold the orphan outlives the server.
    fn control(&self) {
        let mut command = Command::new(fixture("puppet.py"));
        self.home.environment(&mut command);
        let mut bare = Client::start(command.stderr(Stdio::null()));
        self.leave_orphan(&mut bare);
        bare.close();
        let left = marked(&self.marker);
        assert_eq!(left.len(), 1, "the control left nothing behind");
        kill(left[0], Signal::SIGKILL).unwrap();
        all_gone(&self.marker);
    }

    /// A session with an orphan, and the pid of its monitor.
    fn session(&self) -> (Client, Pid) {
        let mut client = self.home.client("puppet");
        self.leave_orphan(&mut client);
        let monitor = child_of(pid_of(&client));
        (client, monitor)
    }

    /// Everything of the session is gone: the orphan, the server, the monitor, pinfold.
    fn nothing_is_left(&self, monitor: Pid) {
        all_gone(&self.marker);
        all_gone(self.home.path().to_str().unwrap());
        // An ordinary user can't see where a monitor is at home, so its number is what it is known by.
        let deadline = Instant::now() + PATIENCE;
        while is_a_monitor(monitor) {
            assert!(Instant::now() < deadline, "the monitor {monitor} is left");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// One that has ended and that nobody has asked for yet (Z) doesn't count: not every init asks at once.
fn is_a_monitor(pid: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.contains("(exe)") && !stat.contains("(exe) Z")
}

fn pid_of(client: &Client) -> Pid {
    Pid::from_raw(i32::try_from(client.child.id()).unwrap())
}

#[test]
fn when_the_client_closes() {
    let ending = Ending::new("close");
    ending.control();
    let (client, monitor) = ending.session();
    let (status, stderr) = client.close();
    assert_eq!(status.code(), Some(0), "{stderr}");
    // By then, not some time later.
    assert_eq!(marked(&ending.marker), []);
    ending.nothing_is_left(monitor);
}

#[test]
fn when_pinfold_is_asked_to_end() {
    let ending = Ending::new("asked");
    ending.control();
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        let (mut client, monitor) = ending.session();
        kill(pid_of(&client), signal).unwrap();
        let status = client.child.wait().unwrap();
        assert_eq!(status.code(), Some(128 + signal as i32));
        assert_eq!(marked(&ending.marker), []);
        ending.nothing_is_left(monitor);
    }
}

#[test]
fn when_pinfold_is_killed() {
    let ending = Ending::new("killed");
    ending.control();
    let (mut client, monitor) = ending.session();
    kill(pid_of(&client), Signal::SIGKILL).unwrap();
    client.child.wait().unwrap();
    ending.nothing_is_left(monitor);
}

#[test]
fn when_the_monitor_is_killed_or_asked_to_end() {
    let ending = Ending::new("monitor");
    ending.control();
    for signal in [
        Signal::SIGKILL,
        Signal::SIGTERM,
        Signal::SIGINT,
        Signal::SIGHUP,
        Signal::SIGQUIT,
    ] {
        let (mut client, monitor) = ending.session();
        kill(monitor, signal).unwrap();
        // Nothing was closed by the client: pinfold ends because there is no server any more.
        let status = client.child.wait().unwrap();
        assert_ne!(status.code(), Some(0), "{signal}");
        assert_eq!(marked(&ending.marker), [], "{signal}");
        ending.nothing_is_left(monitor);
    }
}

#[test]
fn when_the_server_crashes() {
    let ending = Ending::new("crash");
    ending.control();
    for (way, code) in [
        ("os._exit(3)", 3),
        ("os.abort()", 128 + libc::SIGABRT),
        ("os.kill(os.getpid(), signal.SIGKILL)", 128 + libc::SIGKILL),
    ] {
        let (mut client, monitor) = ending.session();
        let answer = client.call("do", json!({"code": way}));
        assert!(
            answer["error"]["message"]
                .as_str()
                .is_some_and(|text| text.contains("ended")),
            "{answer}"
        );
        let status = client.child.wait().unwrap();
        assert_eq!(status.code(), Some(code), "{way}");
        assert_eq!(marked(&ending.marker), []);
        ending.nothing_is_left(monitor);
    }
}

/// A server that forks faster than it is killed, and ignores what can be ignored.
#[test]
fn when_the_server_multiplies() {
    let ending = Ending::new("multiplies");
    let (mut client, monitor) = ending.session();
    let code = "
        for _ in range(8):
            if os.fork() == 0:
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
                while True:
                    if os.fork() > 0:
                        os._exit(0)
                    os.setsid()
        return 1";
    assert_eq!(client.call_text("do", json!({"code": code})), "ok: 1");
    kill(pid_of(&client), Signal::SIGKILL).unwrap();
    client.child.wait().unwrap();
    ending.nothing_is_left(monitor);
}

/// Thirty sessions, each killed at another moment between its start and its work.
#[test]
fn when_pinfold_is_killed_at_any_moment() {
    let ending = Ending::new("moments");
    let temporary = ending.home.path().join("tmp");
    fs::create_dir(&temporary).unwrap();
    let start = || {
        let mut command = ending.home.pinfold(["run", "puppet"]);
        command.env("TMPDIR", &temporary);
        Client::start(&mut command)
    };
    // One whole session first: it shows which files there are afterwards, and how long a start is.
    let began = Instant::now();
    let mut whole = start();
    whole.initialize();
    let length = began.elapsed();
    whole.close();
    let before = files_outside_state(ending.home.path());
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    // 200 in all.
    for number in 0..100_u32 {
        let mut client = start();
        let arguments = json!({"code": ORPHAN, "arguments": {"marker": ending.marker}});
        client.send(r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}"#);
        client.send(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
        client.send(&json!({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "do", "arguments": arguments}}).to_string());
        // From at once to when the orphan is at work, in an order that is not that of time.
        std::thread::sleep(length * (number * 37 % 100) / 70);
        kill(pid_of(&client), Signal::SIGKILL).unwrap();
        client.child.wait().unwrap();
    }
    all_gone(&ending.marker);
    all_gone(ending.home.path().to_str().unwrap());
    assert_eq!(files_outside_state(ending.home.path()), before);
    let ours = |text: &str| text.matches(ending.home.path().to_str().unwrap()).count();
    let now = fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert_eq!(ours(&now), ours(&mounts));
}

/// In the full tier the kernel needs nobody to end the rest.
#[test]
fn when_pinfold_and_the_monitor_are_killed_together() {
    const TEST: &str = "when_pinfold_and_the_monitor_are_killed_together";
    if Tier::of_module(module_path!()) == Tier::Base {
        skip(TEST, "the base tier has this limit (THREAT_MODEL.md)");
        return;
    }
    let ending = Ending::new("together");
    ending.control();
    for _ in 0..10 {
        let (mut client, monitor) = ending.session();
        // Stopped, neither can act on the end of the other.
        for pid in [pid_of(&client), monitor] {
            kill(pid, Signal::SIGSTOP).unwrap();
        }
        for pid in [pid_of(&client), monitor] {
            kill(pid, Signal::SIGKILL).unwrap();
        }
        client.child.wait().unwrap();
        ending.nothing_is_left(monitor);
    }
}

fn files_outside_state(home: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    let mut folders = vec![home.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            if entry.path() == home.join("state") {
                continue;
            }
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            }
            found.insert(entry.path());
        }
    }
    found
}
