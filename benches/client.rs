//! An MCP client that does as little as possible between the clock's two readings.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

const INITIALIZE: &[u8] = b"{\"jsonrpc\":\"2.0\",\"id\":0,\"method\":\"initialize\",\"params\":{\"protocolVersion\":\"2025-11-25\",\"capabilities\":{},\"clientInfo\":{\"name\":\"bench\",\"version\":\"1\"}}}\n";

pub(crate) struct Client {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    line: Vec<u8>,
}

impl Client {
    /// Starts a server and waits for its answer to `initialize`; how long that took.
    pub(crate) fn start(command: &mut Command) -> (Self, Duration) {
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0);
        let begin = Instant::now();
        let mut child = command.spawn().expect("the server starts");
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(INITIALIZE).unwrap();
        let stdout = BufReader::with_capacity(256 << 10, child.stdout.take().unwrap());
        let mut client = Self {
            child,
            stdin: Some(stdin),
            stdout,
            line: Vec::new(),
        };
        client.read();
        let taken = begin.elapsed();
        let answer: serde_json::Value = serde_json::from_slice(&client.line)
            .unwrap_or_else(|error| panic!("{error}: {:?}", String::from_utf8_lossy(&client.line)));
        assert!(answer["result"]["serverInfo"].is_object(), "{answer}");
        client.send(b"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}\n");
        (client, taken)
    }

    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    /// What its threads have used so far (`/proc/PID/task/TID/schedstat`, first field, in ns).
    pub(crate) fn processor_time(&self) -> Duration {
        let threads = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        let nanoseconds = threads
            .filter_map(|thread| {
                std::fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()
            })
            .filter_map(|text| text.split_whitespace().next()?.parse::<u64>().ok())
            .sum();
        Duration::from_nanos(nanoseconds)
    }

    pub(crate) fn send(&mut self, line: &[u8]) {
        self.stdin.as_mut().unwrap().write_all(line).unwrap();
    }

    /// The next line, with its newline.
    pub(crate) fn read(&mut self) -> &[u8] {
        self.line.clear();
        let count = self.stdout.read_until(b'\n', &mut self.line).unwrap();
        assert!(count > 0, "the server ended");
        &self.line
    }

    /// Closes the input, as clients do, and waits for the end.
    pub(crate) fn close(mut self) {
        drop(self.stdin.take());
        let deadline = Instant::now() + Duration::from_secs(3);
        while Instant::now() < deadline {
            if self.child.try_wait().unwrap().is_some() {
                break;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // npx starts a shell that starts node: one signal for all. A child that has been waited
        // for has no number any more that could mean another.
        if self.child.try_wait().is_ok_and(|ended| ended.is_none()) {
            let group = Pid::from_raw(i32::try_from(self.child.id()).unwrap());
            let _ = killpg(group, Signal::SIGKILL);
            let _ = self.child.wait();
        }
    }
}
