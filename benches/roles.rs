//! What this program is besides the measurement: a server that starts at once and answers at
//! once, and the relay that a relay can't be faster than by much: it copies and reads nothing.

use std::io::{BufRead, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};

pub(crate) const SERVER: &str = "role-server";
/// The same, but for `tools/call`: it reads from this machine's port, which is named next, to the end.
pub(crate) const DOWNLOAD: &str = "role-download";
pub(crate) const COPY: &str = "role-copy";

/// Shortest answer to `tools/call` and `resources/read`, in bytes.
const SHORTEST: usize = 200;

/// Plays the role that the first argument names; `false` when it names none.
pub(crate) fn play(arguments: &[String]) -> bool {
    match arguments {
        [role, ..] if role == SERVER => serve(None),
        [role, port, ..] if role == DOWNLOAD => serve(Some(port.parse().unwrap())),
        [role, program, rest @ ..] if role == COPY => copy(program, rest),
        _ => return false,
    }
    true
}

/// Knows its one client: ids are numbers, one line is one request, and a call of a tool or the
/// reading of a resource says how long the answer is to be, newline included.
fn serve(download_from: Option<u16>) {
    let mut input = std::io::stdin().lock();
    let mut output = std::io::stdout().lock();
    let (mut line, mut answer) = (Vec::new(), Vec::new());
    loop {
        line.clear();
        if !matches!(input.read_until(b'\n', &mut line), Ok(1..)) {
            return;
        }
        let Some(id) = number_after(&line, b"\"id\":") else {
            continue;
        };
        let mut long = "{\"content\":[{\"type\":\"text\",\"text\":\"";
        let result = if holds(&line, b"\"initialize\"") {
            r#"{"protocolVersion":"2025-11-25","capabilities":{"tools":{},"resources":{}},"serverInfo":{"name":"bench","version":"1"}}"#
        } else if holds(&line, b"\"tools/list\"") {
            r#"{"tools":[{"name":"long","inputSchema":{"type":"object"}}]}"#
        } else if holds(&line, b"\"tools/call\"") {
            match download_from {
                None => "",
                Some(port) => {
                    download(port);
                    "{\"content\":[]}"
                }
            }
        } else if holds(&line, b"\"resources/read\"") {
            long = "{\"contents\":[{\"uri\":\"bench:\",\"text\":\"";
            ""
        } else {
            "{}"
        };
        answer.clear();
        let _ = write!(answer, "{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":");
        if result.is_empty() {
            answer.extend_from_slice(long.as_bytes());
            let length = number_after(&line, b"\"bytes\":")
                .map_or(SHORTEST, |n| usize::try_from(n).unwrap());
            answer.resize(length.max(SHORTEST) - 6, b'x');
            answer.extend_from_slice(b"\"}]}");
        } else {
            answer.extend_from_slice(result.as_bytes());
        }
        answer.extend_from_slice(b"}\n");
        if output.write_all(&answer).is_err() {
            return;
        }
    }
}

fn download(port: u16) {
    let mut connection = TcpStream::connect(("localhost", port)).expect("the sender listens");
    let mut buffer = vec![0; 256 << 10];
    while connection.read(&mut buffer).expect("the sender sends") > 0 {}
}

fn holds(line: &[u8], wanted: &[u8]) -> bool {
    line.windows(wanted.len()).any(|window| window == wanted)
}

fn number_after(line: &[u8], key: &[u8]) -> Option<u64> {
    let start = line.windows(key.len()).position(|window| window == key)? + key.len();
    let digits = line[start..]
        .iter()
        .take_while(|byte| byte.is_ascii_digit());
    std::str::from_utf8(&digits.copied().collect::<Vec<u8>>())
        .ok()?
        .parse()
        .ok()
}

fn copy(program: &str, arguments: &[String]) {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the server starts");
    let mut to_server = child.stdin.take().unwrap();
    let from_server = child.stdout.take().unwrap();
    std::thread::spawn(move || pass(std::io::stdin().lock(), &mut to_server));
    // A file, because standard output looks for newlines.
    let mut output = std::fs::OpenOptions::new()
        .write(true)
        .open("/proc/self/fd/1")
        .unwrap();
    pass(from_server, &mut output);
    let _ = child.wait();
}

fn pass(mut from: impl Read, to: &mut impl Write) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        if to.write_all(&buffer[..count]).is_err() {
            return;
        }
    }
}
