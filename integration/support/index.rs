//! A Python package index on the loopback interface, wheels made byte by byte, and uv.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use serde_json::{Value, json};
use sha2::Digest as _;

use super::installed::{installed, once, run};
use super::{Home, Ran};

/// The folder with uv, of one version; or why there is none.
pub(crate) fn uv() -> Result<PathBuf, String> {
    static INSTALLED: Mutex<Option<Result<PathBuf, String>>> = Mutex::new(None);
    once(&INSTALLED, || {
        let folder = installed("uv-0.13.9", |folder| {
            run(Command::new("python3")
                .args(["-m", "pip", "install", "--quiet", "--no-input", "--target"])
                .arg(folder)
                .arg("uv==0.13.9"))
        })?;
        Ok(folder.join("bin"))
    })
}

/// `command` with uv on its search path.
pub(crate) fn with_uv(command: &mut Command) -> Result<(), String> {
    let own = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(uv()?).chain(std::env::split_paths(&own));
    command.env("PATH", std::env::join_paths(folders).unwrap());
    Ok(())
}

/// A file of a wheel.
#[derive(Clone)]
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) content: Vec<u8>,
    /// Unix mode, in the upper half of the attributes.
    pub(crate) mode: u32,
}

/// A file that the index offers.
#[derive(Clone)]
pub(crate) struct Offered {
    pub(crate) name: String,
    pub(crate) project: String,
    pub(crate) bytes: Vec<u8>,
    /// As published; the right one unless a test says otherwise.
    pub(crate) sha256: Option<String>,
    pub(crate) more: Value,
}

/// A wheel in the making.
#[derive(Clone)]
pub(crate) struct Wheel {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) tag: String,
    pub(crate) members: Vec<Member>,
    /// Changes RECORD after it was made.
    pub(crate) record: fn(String) -> String,
}

/// `SAYS` is an expression of what the tool answers.
const SERVER: &str = r#"
import json, os, sys
def main():
    for line in sys.stdin:
        message = json.loads(line)
        if "id" not in message:
            continue
        method = message["method"]
        if method == "initialize":
            result = {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}},
                      "serverInfo": {"name": "x", "version": "1"}}
        elif method == "tools/list":
            result = {"tools": [{"name": "say", "inputSchema": {"type": "object"}}]}
        elif method == "tools/call":
            result = {"content": [{"type": "text", "text": SAYS}]}
        else:
            result = {}
        print(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}), flush=True)
"#;

impl Wheel {
    /// A wheel with these files and what every wheel has.
    pub(crate) fn new(name: &str, version: &str) -> Self {
        let wheel = Self {
            name: name.to_owned(),
            version: version.to_owned(),
            tag: "py3-none-any".to_owned(),
            members: Vec::new(),
            record: |record| record,
        };
        let dist = wheel.dist_info();
        let metadata = format!("Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n");
        wheel.file(&format!("{dist}/METADATA"), &metadata).file(
            &format!("{dist}/WHEEL"),
            "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
    }

    /// A server with one tool, `say`.
    pub(crate) fn server(name: &str) -> Self {
        Self::speaking(name, "'hello from a wheel'")
    }

    /// A server with one tool, `say`, which answers what this expression of Python comes to.
    pub(crate) fn speaking(name: &str, expression: &str) -> Self {
        let wheel = Self::new(name, "1.0");
        let dist = wheel.dist_info();
        let scripts = format!("[console_scripts]\n{name} = {name}_server:main\n");
        wheel
            .file(
                &format!("{name}_server.py"),
                &SERVER.replace("SAYS", expression),
            )
            .file(&format!("{dist}/entry_points.txt"), &scripts)
    }

    pub(crate) fn dist_info(&self) -> String {
        format!("{}-{}.dist-info", self.name, self.version)
    }

    pub(crate) fn file(self, name: &str, content: &str) -> Self {
        self.member(name, content, 0o100_644)
    }

    pub(crate) fn member(mut self, name: &str, content: &str, mode: u32) -> Self {
        self.members.push(Member {
            name: name.to_owned(),
            content: content.as_bytes().to_vec(),
            mode,
        });
        self
    }

    /// Adds a dependency.
    pub(crate) fn needs(mut self, requirement: &str) -> Self {
        let metadata = format!("{}/METADATA", self.dist_info());
        let member = self
            .members
            .iter_mut()
            .find(|member| member.name == metadata);
        let content = &mut member.unwrap().content;
        content.extend(format!("Requires-Dist: {requirement}\n").bytes());
        self
    }

    pub(crate) fn offered(&self) -> Offered {
        let mut members = self.members.clone();
        let mut record = String::new();
        for member in &members {
            let digest = sha2::Sha256::digest(&member.content);
            let digest = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(digest);
            record += &format!("{},sha256={digest},{}\n", member.name, member.content.len());
        }
        let own = format!("{}/RECORD", self.dist_info());
        record += &format!("{own},,\n");
        members.push(Member {
            name: own,
            content: (self.record)(record).into_bytes(),
            mode: 0o100_644,
        });
        Offered {
            name: format!("{}-{}-{}.whl", self.name, self.version, self.tag),
            project: self.name.clone(),
            bytes: zip(&members),
            sha256: None,
            more: json!({}),
        }
    }
}

/// A zip archive of stored files (PKWARE's APPNOTE, 4.3).
fn zip(members: &[Member]) -> Vec<u8> {
    let (mut archive, mut directory) = (Vec::new(), Vec::new());
    for member in members {
        let offset = u32::try_from(archive.len()).unwrap();
        let size = u32::try_from(member.content.len()).unwrap();
        let name = u16::try_from(member.name.len()).unwrap();
        let mut crc = flate2::Crc::new();
        crc.update(&member.content);
        let mut common = Vec::new();
        common.extend([20_u16, 0, 0, 0, 33].map(u16::to_le_bytes).concat());
        common.extend([crc.sum(), size, size].map(u32::to_le_bytes).concat());
        common.extend([name, 0].map(u16::to_le_bytes).concat());
        archive.extend(b"PK\x03\x04");
        archive.extend(&common);
        archive.extend(member.name.as_bytes());
        archive.extend(&member.content);
        directory.extend(b"PK\x01\x02\x14\x03");
        directory.extend(&common);
        directory.extend([0_u16; 3].map(u16::to_le_bytes).concat());
        directory.extend([member.mode << 16, offset].map(u32::to_le_bytes).concat());
        directory.extend(member.name.as_bytes());
    }
    let start = u32::try_from(archive.len()).unwrap();
    let length = u32::try_from(directory.len()).unwrap();
    let count = u16::try_from(members.len()).unwrap();
    archive.extend(directory);
    archive.extend(b"PK\x05\x06");
    archive.extend([0, 0, count, count].map(u16::to_le_bytes).concat());
    archive.extend([length, start].map(u32::to_le_bytes).concat());
    archive.extend([0; 2]);
    archive
}

/// Serves until it is dropped.
pub(crate) struct Index {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    files: Mutex<Vec<Offered>>,
    authorizations: Mutex<Vec<Option<String>>>,
    stopped: AtomicBool,
}

impl Index {
    pub(crate) fn new(files: impl IntoIterator<Item = Offered>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        shared.files.lock().unwrap().extend(files);
        let serving = Arc::clone(&shared);
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                if serving.stopped.load(Ordering::SeqCst) {
                    return;
                }
                let serving = Arc::clone(&serving);
                std::thread::spawn(move || serving.serve(&connection));
            }
        });
        Self { address, shared }
    }

    /// Offers a file, instead of one of the same name.
    pub(crate) fn publish(&self, file: Offered) {
        let mut files = self.shared.files.lock().unwrap();
        files.retain(|old| old.name != file.name);
        files.push(file);
    }

    /// The credentials that requests came with, each once.
    pub(crate) fn authorizations(&self) -> Vec<Option<String>> {
        let mut seen = self.shared.authorizations.lock().unwrap().clone();
        seen.sort();
        seen.dedup();
        seen
    }

    /// pinfold with this index as the user's own choice, and uv.
    pub(crate) fn run<'a>(
        &self,
        home: &Home,
        arguments: impl IntoIterator<Item = &'a str>,
    ) -> Result<Ran, String> {
        let mut command = home.pinfold(arguments);
        with_uv(&mut command)?;
        self.choose(&mut command);
        Ok(Ran::of(&mut command))
    }

    /// Makes a command ask this index and no other.
    pub(crate) fn choose(&self, command: &mut Command) {
        for name in ["HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"] {
            command.env_remove(name);
        }
        command.env(
            "PIP_INDEX_URL",
            format!("http://ada:secret%40@{}/simple/", self.address),
        );
    }
}

impl Drop for Index {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    fn serve(&self, connection: &TcpStream) {
        let mut lines = BufReader::new(connection).lines();
        let Some(Ok(first)) = lines.next() else {
            return;
        };
        let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
        let headers = lines
            .map_while(Result::ok)
            .take_while(|line| !line.is_empty());
        let authorization = headers
            .filter_map(|line| {
                line.split_once(": ")
                    .map(|(k, v)| (k.to_lowercase(), v.to_owned()))
            })
            .find(|(name, _)| name == "authorization")
            .map(|(_, value)| value);
        self.authorizations.lock().unwrap().push(authorization);
        let body = self.body(&path);
        let status = if body.is_some() { 200 } else { 404 };
        let kind = if path.starts_with("/simple/") {
            "application/vnd.pypi.simple.v1+json"
        } else {
            "application/octet-stream"
        };
        let body = body.unwrap_or_default();
        let head = format!(
            "HTTP/1.1 {status} Answer\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            body.len()
        );
        let mut connection = connection;
        let _ = connection.write_all(head.as_bytes());
        if first.starts_with("GET") {
            let _ = connection.write_all(&body);
        }
    }

    fn body(&self, path: &str) -> Option<Vec<u8>> {
        let files = self.files.lock().unwrap();
        if let Some(name) = path.strip_prefix("/files/") {
            return files
                .iter()
                .find(|file| file.name == name)
                .map(|file| file.bytes.clone());
        }
        let project = path.strip_prefix("/simple/")?.trim_end_matches('/');
        let offered: Vec<Value> = files
            .iter()
            .filter(|file| file.project == project)
            .map(|file| {
                let digest: String = sha2::Sha256::digest(&file.bytes)
                    .iter()
                    .map(|byte| format!("{byte:02x}"))
                    .collect();
                let mut entry = json!({
                    "filename": file.name,
                    "url": format!("/files/{}", file.name),
                    "hashes": {"sha256": file.sha256.clone().unwrap_or(digest)},
                    "upload-time": "2020-01-01T00:00:00Z",
                });
                let more = file.more.as_object().unwrap().clone();
                entry.as_object_mut().unwrap().extend(more);
                entry
            })
            .collect();
        (!offered.is_empty()).then(|| {
            json!({"meta": {"api-version": "1.1"}, "name": project, "files": offered})
                .to_string()
                .into_bytes()
        })
    }
}
