//! A raw MCP client: lines in, lines out, nothing checked on the way.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::{Value, json};

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Client {
    pub(crate) child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
    /// `None` when it goes to a log, or was read.
    stderr: Option<JoinHandle<String>>,
    next_id: i64,
}

impl Client {
    pub(crate) fn start(command: &mut Command) -> Self {
        Self::start_with(command, Stdio::piped())
    }

    /// A client that keeps the server's standard error in a file.
    pub(crate) fn start_with_log(command: &mut Command, log: File) -> Self {
        Self::start_with(command, log.into())
    }

    fn start_with(command: &mut Command, stderr: Stdio) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(stderr)
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in stdout.split(b'\n').map_while(Result::ok) {
                if sender
                    .send(String::from_utf8_lossy(&line).into_owned())
                    .is_err()
                {
                    return;
                }
            }
        });
        let stderr = child.stderr.take().map(|mut stderr| {
            std::thread::spawn(move || {
                let mut text = Vec::new();
                let _ = stderr.read_to_end(&mut text);
                String::from_utf8_lossy(&text).into_owned()
            })
        });
        let stdin = child.stdin.take();
        Self {
            child,
            stdin,
            lines,
            stderr,
            next_id: 100,
        }
    }

    /// Writes one line as it is.
    pub(crate) fn send(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().expect("stdin is closed");
        stdin.write_all(line.as_bytes()).unwrap();
        stdin.write_all(b"\n").unwrap();
        stdin.flush().unwrap();
    }

    /// Writes bytes as they are, with no newline.
    pub(crate) fn send_bytes(&mut self, bytes: &[u8]) {
        let stdin = self.stdin.as_mut().expect("stdin is closed");
        stdin.write_all(bytes).unwrap();
        stdin.flush().unwrap();
    }

    /// Sends a request and waits for no answer.
    pub(crate) fn ask(&mut self, id: impl Into<Value>, method: &str, params: Value) {
        let id: Value = id.into();
        let request = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        self.send(&request.to_string());
    }

    /// Closes standard input and goes on listening.
    pub(crate) fn close_input(&mut self) {
        drop(self.stdin.take());
    }

    /// The next line as it came (bad UTF-8 as U+FFFD); `None` at the end of output.
    pub(crate) fn line(&mut self) -> Option<String> {
        match self.lines.recv_timeout(PATIENCE) {
            Ok(line) => Some(line),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("nothing was said for {PATIENCE:?}"),
        }
    }

    /// Everything until the line that contains `last`, that line included.
    pub(crate) fn lines_until(&mut self, last: &str) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            let line = self.line().unwrap_or_else(|| {
                let said = self.stderr_text();
                panic!("the end before {last:?}: {lines:#?} {said}")
            });
            let found = line.contains(last);
            lines.push(line);
            if found {
                return lines;
            }
        }
    }

    /// The next line, parsed; `None` at the end of output.
    pub(crate) fn next(&mut self) -> Option<Value> {
        let line = self.line()?;
        Some(serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}")))
    }

    /// Sends a request and waits for its answer; what comes in between is dropped.
    pub(crate) fn request(&mut self, method: &str, params: Value) -> Value {
        self.try_request(method, params)
            .unwrap_or_else(|| panic!("no answer to {method}: {}", self.stderr_text()))
    }

    /// As [`Self::request`]; `None` when the session has ended.
    pub(crate) fn try_request(&mut self, method: &str, params: Value) -> Option<Value> {
        self.next_id += 1;
        let id = self.next_id;
        let request = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        writeln!(self.stdin.as_mut()?, "{request}").ok()?;
        loop {
            let message = self.next()?;
            if message["id"] == id && message.get("method").is_none() {
                return Some(message);
            }
        }
    }

    /// The handshake; returns the result of `initialize`.
    pub(crate) fn initialize(&mut self) -> Value {
        let answer = self.request(
            "initialize",
            json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}),
        );
        self.send(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
        answer["result"].clone()
    }

    /// Names of the tools that are listed.
    pub(crate) fn tools(&mut self) -> Vec<String> {
        let answer = self.request("tools/list", json!({}));
        let mut names: Vec<String> = answer["result"]["tools"]
            .as_array()
            .unwrap_or_else(|| panic!("{answer}"))
            .iter()
            .map(|tool| tool["name"].as_str().unwrap().to_owned())
            .collect();
        names.sort();
        names
    }

    /// Calls a tool; the whole answer.
    pub(crate) fn call(&mut self, tool: &str, arguments: Value) -> Value {
        self.request("tools/call", json!({"name": tool, "arguments": arguments}))
    }

    /// Calls a tool; the text of its result.
    pub(crate) fn call_text(&mut self, tool: &str, arguments: Value) -> String {
        let answer = self.call(tool, arguments);
        answer["result"]["content"][0]["text"]
            .as_str()
            .unwrap_or_else(|| panic!("{answer}"))
            .to_owned()
    }

    /// What the listed tools say of this one; `None` when it is not among them.
    pub(crate) fn description(&mut self, tool: &str) -> Option<String> {
        let answer = self.request("tools/list", json!({}));
        let mut tools = answer["result"]["tools"].as_array().unwrap().iter();
        let tool = tools.find(|one| one["name"] == tool)?;
        Some(tool["description"].as_str().unwrap().to_owned())
    }

    /// As [`Self::call_text`]; when the session has ended, what was said of it, if anything.
    pub(crate) fn try_call_text(
        &mut self,
        tool: &str,
        arguments: Value,
    ) -> Result<String, Option<String>> {
        let parameters = json!({"name": tool, "arguments": arguments});
        let answer = self.try_request("tools/call", parameters).ok_or(None)?;
        match answer["result"]["content"][0]["text"].as_str() {
            Some(text) => Ok(text.to_owned()),
            None => Err(answer["error"]["message"].as_str().map(str::to_owned)),
        }
    }

    /// Closes standard input and waits for the end.
    pub(crate) fn close(mut self) -> (ExitStatus, String) {
        drop(self.stdin.take());
        let status = self.child.wait().unwrap();
        (status, self.stderr_text())
    }

    fn stderr_text(&mut self) -> String {
        drop(self.stdin.take());
        self.stderr
            .take()
            .map(|reader| reader.join().unwrap())
            .unwrap_or_default()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
