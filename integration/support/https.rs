//! Files over TLS on the loopback interface, under a certificate authority of the test's own.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use sha2::Digest as _;

use super::{Home, Ran, fixture, skip};

/// Serves until it is dropped.
pub(crate) struct HttpsFolder {
    folder: PathBuf,
    port: u16,
    server: Child,
}

impl HttpsFolder {
    /// In a folder of `home`; `None`, and said, without openssl.
    pub(crate) fn new(test: &str, home: &Home) -> Option<Self> {
        if Command::new("openssl").arg("version").output().is_err() {
            skip(test, "there is no openssl");
            return None;
        }
        let folder = home.path().join("https");
        fs::create_dir_all(folder.join("files")).unwrap();
        openssl(
            &folder,
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=Authority -keyout authority.key -out authority.pem -addext basicConstraints=critical,CA:TRUE",
        );
        openssl(
            &folder,
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=Files -keyout key.pem -out certificate.pem -CA authority.pem -CAkey authority.key -addext basicConstraints=critical,CA:FALSE -addext subjectAltName=IP:127.0.0.1",
        );
        let mut server = Command::new("python3")
            .arg(fixture("https_folder.py"))
            .args(["files", "certificate.pem", "key.pem"])
            .current_dir(&folder)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(server.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let port = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        Some(Self {
            folder,
            port,
            server,
        })
    }

    /// Puts a file there; returns the source that pins it.
    pub(crate) fn publish(&self, name: &str, bytes: &[u8]) -> String {
        fs::write(self.folder.join("files").join(name), bytes).unwrap();
        self.source(name, bytes)
    }

    /// Takes a file away.
    pub(crate) fn unpublish(&self, name: &str) {
        fs::remove_file(self.folder.join("files").join(name)).unwrap();
    }

    /// From now on nobody answers.
    pub(crate) fn stop(&mut self) {
        self.server.kill().unwrap();
        self.server.wait().unwrap();
    }

    /// The source that says the digest of `bytes`, whatever is served.
    pub(crate) fn source(&self, path: &str, bytes: &[u8]) -> String {
        let digest: String = sha2::Sha256::digest(bytes)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        format!("https://127.0.0.1:{}/{path}#sha256={digest}", self.port)
    }

    /// pinfold that believes this folder's authority.
    pub(crate) fn run(&self, home: &Home, arguments: &[&str]) -> Ran {
        Ran::of(
            home.pinfold(arguments.iter().copied())
                .env("NODE_EXTRA_CA_CERTS", self.folder.join("authority.pem"))
                .env("NO_PROXY", "127.0.0.1")
                .env("no_proxy", "127.0.0.1"),
        )
    }
}

impl Drop for HttpsFolder {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

fn openssl(folder: &Path, arguments: &str) {
    let output = Command::new("openssl")
        .args(arguments.split(' '))
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
