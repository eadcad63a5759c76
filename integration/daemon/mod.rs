//! The daemon: what `run` hands over to it is as it is without it, whoever ends ends all, and a bad
//! client hurts nobody.

mod approve;
mod between;
mod embedded;
mod ends;
mod groups;
mod hand_over;
mod hostile;
mod many;
mod recorded;
mod served;
mod service_manager;
mod unread;
mod warm;

use std::fs::{self, File};
use std::os::fd::{AsRawFd as _, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::sys::socket::{
    AddressFamily, ControlMessage, MsgFlags, SockFlag, SockType, UnixAddr, connect, recv, sendmsg,
    setsockopt, socket, sockopt,
};
use nix::sys::time::{TimeVal, TimeValLike as _};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::support::processes::wait_until;
use crate::support::{Client, Home, fixture, skip, static_program};

/// Longer than anything here takes on a busy machine, and than any bound of the daemon's.
const PATIENCE: i64 = 30;

/// A daemon with its own runtime folder below a home.
struct Daemon<'h> {
    home: &'h Home,
    child: Child,
}

impl<'h> Daemon<'h> {
    fn start(home: &'h Home) -> Self {
        let daemon = Self::start_anyhow(home, pinfold(home, ["daemon"]));
        wait_until_it_answers(home);
        daemon
    }

    fn start_anyhow(home: &'h Home, mut command: Command) -> Self {
        let log = File::options()
            .create(true)
            .append(true)
            .open(log_path(home))
            .unwrap();
        let child = command.stderr(log).spawn().unwrap();
        Self { home, child }
    }

    fn pid(&self) -> Pid {
        pid(&self.child)
    }

    fn client(&self, name: &str) -> Client {
        Client::start(&mut pinfold(self.home, ["run", "--daemon=require", name]))
    }

    /// What `pinfold ps --json` says of the sessions that it serves.
    fn sessions(&self) -> Vec<Value> {
        let output = pinfold(self.home, ["ps", "--json"]).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(report["version"], 1);
        let mut sessions = report["sessions"].as_array().unwrap().clone();
        sessions.retain(|session| session["mode"] == "daemon");
        sessions
    }

    /// The same when each of them has said what it does, for which they have half a second.
    fn answering(&self) -> Vec<Value> {
        let mut sessions = Vec::new();
        wait_until("all sessions answer", || {
            sessions = self.sessions();
            sessions.iter().all(|session| session["answers"] == true)
        });
        sessions
    }

    fn log(&self) -> String {
        fs::read_to_string(log_path(self.home)).unwrap()
    }

    fn descriptors(&self) -> usize {
        let folder = format!("/proc/{}/fd", self.child.id());
        fs::read_dir(folder).unwrap().count()
    }

    fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).unwrap();
    }

    /// Waits for its end.
    fn code(&mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }
}

impl Drop for Daemon<'_> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Then it has also opened everything that it has open for itself.
fn wait_until_it_answers(home: &Home) {
    wait_until("the daemon answers", || {
        let answered = pinfold(home, ["ps", "--json"]).output().unwrap();
        let report: Value = serde_json::from_slice(&answered.stdout).unwrap_or_default();
        report["daemon"] == true
    });
}

/// pinfold with a runtime folder.
fn pinfold<'a>(home: &Home, arguments: impl IntoIterator<Item = &'a str>) -> Command {
    let runtime = home.path().join("run");
    let _ = fs::create_dir(&runtime);
    let mut command = home.pinfold(arguments);
    command.env("XDG_RUNTIME_DIR", runtime);
    command
}

fn socket_path(home: &Home) -> PathBuf {
    home.path().join("run/pinfold/control.sock")
}

fn log_path(home: &Home) -> PathBuf {
    home.path().join("daemon.log")
}

fn pid(child: &Child) -> Pid {
    Pid::from_raw(i32::try_from(child.id()).unwrap())
}

/// A home with the server `unruly`.
fn unruly() -> Home {
    let home = Home::new();
    home.add_path("unruly", &fixture("unruly.py"), &[]);
    home
}

/// A home with a small static server, `native`; `None` where there is no compiler.
fn native(test: &str) -> Option<Home> {
    let program = static_program()
        .map_err(|reason| skip(test, &reason))
        .ok()?;
    let home = Home::new();
    home.add_path("native", &program, &[]);
    Some(home)
}

/// A process that is not taken for another one which got its number later: proc_pid_stat(5), field 22.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Process {
    pid: i32,
    began: String,
}

/// Its parent, and itself; `None` when it has ended.
fn process(pid: i32) -> Option<(i32, Process)> {
    let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
    let stat = String::from_utf8_lossy(&stat);
    let after_name = stat.rsplit_once(')')?.1;
    let mut fields = after_name.split_whitespace();
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    let began = fields.nth(17)?.to_owned();
    (!matches!(state, "Z" | "X")).then_some((parent, Process { pid, began }))
}

/// All processes that descend from `root`, and itself.
fn tree(root: Pid) -> Vec<Process> {
    let all: Vec<(i32, Process)> = fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| process(entry.ok()?.file_name().to_str()?.parse().ok()?))
        .collect();
    let mut found: Vec<Process> = all
        .iter()
        .filter(|(_, one)| one.pid == root.as_raw())
        .map(|(_, one)| one.clone())
        .collect();
    let mut next = 0;
    while next < found.len() {
        let parent = found[next].pid;
        let children = all.iter().filter(|(of, _)| *of == parent);
        let children: Vec<_> = children.map(|(_, one)| one.clone()).collect();
        found.extend(children);
        next += 1;
    }
    found
}

fn wait_until_gone(processes: &[Process]) {
    wait_until("every process of the tree is gone", || {
        processes
            .iter()
            .all(|one| process(one.pid).is_none_or(|(_, now)| now != *one))
    });
}

/// A raw connection to the control socket.
struct Raw(OwnedFd);

impl Raw {
    fn open(home: &Home) -> Self {
        let flags = SockFlag::SOCK_CLOEXEC;
        let socket = socket(AddressFamily::Unix, SockType::SeqPacket, flags, None).unwrap();
        // Nothing that a test waits for may hang.
        let patience = TimeVal::seconds(PATIENCE);
        setsockopt(&socket, sockopt::ReceiveTimeout, &patience).unwrap();
        let address = UnixAddr::new(&socket_path(home)).unwrap();
        connect(socket.as_raw_fd(), &address).unwrap();
        Self(socket)
    }

    fn send(&self, frame: &[u8]) {
        self.send_with(frame, &[]);
    }

    fn send_with(&self, frame: &[u8], descriptors: &[BorrowedFd<'_>]) {
        let numbers: Vec<i32> = descriptors.iter().map(|one| one.as_raw_fd()).collect();
        let rights = [ControlMessage::ScmRights(&numbers)];
        let rights = if numbers.is_empty() { &[][..] } else { &rights };
        let slices = [std::io::IoSlice::new(frame)];
        let flags = MsgFlags::MSG_NOSIGNAL;
        let socket = self.0.as_raw_fd();
        sendmsg::<UnixAddr>(socket, &slices, rights, flags, None).unwrap();
    }

    /// The next frame; `None` at the end.
    fn receive(&self) -> Option<Value> {
        let mut bytes = vec![0; 1 << 17];
        loop {
            match recv(self.0.as_raw_fd(), &mut bytes, MsgFlags::empty()) {
                Ok(0) => return None,
                Ok(length) => return Some(serde_json::from_slice(&bytes[..length]).unwrap()),
                // It closed with something unread; what it said is behind this.
                Err(nix::Error::ECONNRESET) => {}
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// The reason of the refusal that must come.
    fn refusal(&self) -> String {
        let answer = self.receive().expect("a refusal");
        let reason = answer["message"]["refused"]["reason"].as_str();
        let reason = reason.unwrap_or_else(|| panic!("{answer}")).to_owned();
        assert_eq!(self.receive(), None, "after {reason}");
        reason
    }
}

fn message(message: &Value) -> Vec<u8> {
    json!({"pinfold": 1, "message": message}).to_string().into()
}

/// A well-formed request for a server.
fn run_request(home: &Home, server: &str) -> Value {
    json!({"run": {"server": server, "places": {
        "manifest": home.manifest(),
        "data": home.path().join("data/pinfold"),
        "state": home.path().join("state/pinfold"),
    }}})
}

/// Waits until no session is there.
fn wait_until_idle(daemon: &Daemon<'_>) {
    wait_until("no session is left", || {
        let idle = daemon.sessions().is_empty();
        if !idle {
            std::thread::sleep(Duration::from_millis(50));
        }
        idle
    });
}
