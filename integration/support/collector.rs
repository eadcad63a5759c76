//! A collector of OpenTelemetry on loopback: it keeps what is sent, and answers as it is told. What it
//! keeps is read by OpenTelemetry's own definitions (`decode.py`), which refuse what they don't know.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;

use super::installed::{installed, once, run};

/// One request.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) path: String,
    /// In lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Value,
}

/// What is answered: status, further header lines, body.
pub(crate) type Answer = (u16, &'static str, &'static str);

pub(crate) const TAKEN: Answer = (200, "", "{}");

#[derive(Clone)]
pub(crate) struct Collector {
    address: SocketAddr,
    sent: Arc<Mutex<Vec<Sent>>>,
}

impl Collector {
    /// `answer` is asked with the number of the request, from 0; it may take its time.
    pub(crate) fn start(answer: impl Fn(usize) -> Answer + Send + 'static) -> Self {
        Self::at(TcpListener::bind("127.0.0.1:0").unwrap(), answer)
    }

    pub(crate) fn at(
        listener: TcpListener,
        answer: impl Fn(usize) -> Answer + Send + 'static,
    ) -> Self {
        let collector = Self {
            address: listener.local_addr().unwrap(),
            sent: Arc::default(),
        };
        let sent = Arc::clone(&collector.sent);
        // It ends with the tests.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let number = sent.lock().unwrap_or_else(PoisonError::into_inner).len();
                // Whoever was killed in the middle has sent nothing.
                let Some(request) = read(&stream) else {
                    continue;
                };
                sent.lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(request);
                let (status, headers, body) = answer(number);
                let length = body.len();
                let _ = (&stream).write_all(
                    format!("HTTP/1.1 {status} X\r\ncontent-length: {length}\r\nconnection: close\r\n{headers}\r\n{body}").as_bytes(),
                );
            }
        });
        collector
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn sent(&self) -> Vec<Sent> {
        let sent = self.sent.lock();
        sent.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// All spans.
    pub(crate) fn spans(&self) -> Vec<Value> {
        self.items("/v1/traces", ["resourceSpans", "scopeSpans", "spans"])
    }

    /// All log records.
    pub(crate) fn logs(&self) -> Vec<Value> {
        self.items("/v1/logs", ["resourceLogs", "scopeLogs", "logRecords"])
    }

    fn items(&self, path: &str, names: [&str; 3]) -> Vec<Value> {
        let mut found = Vec::new();
        for request in self.sent().iter().filter(|request| request.path == path) {
            let mut level = vec![&request.body];
            for name in names {
                level = level
                    .iter()
                    .flat_map(|value| value[name].as_array().unwrap())
                    .collect();
            }
            found.extend(level.into_iter().cloned());
        }
        found
    }
}

fn read(stream: &TcpStream) -> Option<Sent> {
    stream
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split_whitespace();
    assert_eq!(words.next()?, "POST");
    let path = words.next()?.to_owned();
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.split_once(':') else {
            break;
        };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length")?;
    let mut body = vec![0; length.1.parse().ok()?];
    reader.read_exact(&mut body).ok()?;
    Some(Sent {
        path,
        headers,
        body: serde_json::from_slice(&body).ok()?,
    })
}

/// What an attribute of a span or log record says.
pub(crate) fn attribute<'a>(item: &'a Value, key: &str) -> Option<&'a Value> {
    let all = item["attributes"].as_array().unwrap();
    let mut found = all.iter().filter(|one| one["key"] == key);
    let value = found.next()?["value"].as_object().unwrap();
    assert!(found.next().is_none() && value.len() == 1, "{key}: {item}");
    value.values().next()
}

/// Reads requests as OpenTelemetry's own messages; an error says which is none.
pub(crate) fn decode(requests: &[Sent]) -> Result<Result<(), String>, String> {
    static INSTALLED: Mutex<Option<Result<PathBuf, String>>> = Mutex::new(None);
    let folder = once(&INSTALLED, || {
        installed("opentelemetry-proto-1.45.2", |folder| {
            run(Command::new("python3")
                .args(["-m", "pip", "install", "--quiet", "--no-input"])
                .args(["--only-binary", ":all:", "--target"])
                .arg(folder)
                .args(["opentelemetry-proto==1.45.2", "protobuf==7.36.2"]))
        })
    })?;
    let mut child = Command::new("python3")
        .args(["-c", include_str!("decode.py")])
        .env("PYTHONPATH", folder)
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| error.to_string())?;
    let mut input = child.stdin.take().unwrap();
    for request in requests {
        let line = serde_json::json!([request.path, request.body]);
        let _ = writeln!(input, "{line}");
    }
    drop(input);
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Ok(if output.status.success() {
        Ok(())
    } else {
        Err(said)
    })
}
