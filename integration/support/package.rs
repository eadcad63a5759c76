//! An npm package made in the test: its manifest, its files, its tarball. Serving it is
//! `registry`'s part.

use std::io::Write as _;

use base64::Engine as _;
use serde_json::{Value, json};
use sha2::Digest as _;

/// Long before any release age.
pub(crate) const LONG_AGO: &str = "2020-01-01T00:00:00.000Z";

/// One version of a package.
#[derive(Clone)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
    /// RFC 3339; `None` when the registry doesn't say.
    pub(crate) published: Option<String>,
    /// package.json, which is also the version's part of the packument.
    pub(crate) manifest: Value,
    /// Entries of the tarball after package.json, ready-made.
    entries: Vec<u8>,
    /// Served in place of the tarball that the entries make.
    pub(crate) tarball: Option<Vec<u8>>,
    /// Published in place of the right digest; `Some(None)` publishes none.
    pub(crate) integrity: Option<Option<String>>,
    /// Published beside the digest, for example `signatures`.
    pub(crate) dist: Value,
    /// Published in place of the right address.
    pub(crate) tarball_url: Option<String>,
}

impl Package {
    /// A package without a program.
    pub(crate) fn new(name: &str, version: &str) -> Self {
        Self {
            name: name.to_owned(),
            version: version.to_owned(),
            published: Some(LONG_AGO.to_owned()),
            manifest: json!({"name": name, "version": version}),
            entries: Vec::new(),
            tarball: None,
            integrity: None,
            dist: json!({}),
            tarball_url: None,
        }
    }

    /// An MCP server whose one tool, `say`, answers NAME@VERSION.
    pub(crate) fn server(name: &str, version: &str) -> Self {
        Self::speaking(name, version, &format!("'{name}@{version}'"))
    }

    /// An MCP server whose one tool, `say`, answers what a JavaScript expression gives.
    pub(crate) fn speaking(name: &str, version: &str, expression: &str) -> Self {
        Self::new(name, version)
            .with("bin", json!("server.js"))
            .file("server.js", include_bytes!("../fixtures/server.js"))
            .file(
                "answer.js",
                format!("module.exports = () => {expression};\n").as_bytes(),
            )
    }

    /// Sets a key of package.json.
    pub(crate) fn with(mut self, key: &str, value: Value) -> Self {
        self.manifest[key] = value;
        self
    }

    pub(crate) fn depends_on(self, name: &str, range: &str) -> Self {
        let mut all = self.manifest["dependencies"].clone();
        if all.is_null() {
            all = json!({});
        }
        all[name] = json!(range);
        self.with("dependencies", all)
    }

    pub(crate) fn file(self, name: &str, content: &[u8]) -> Self {
        self.entry(&tar_entry(
            format!("package/{name}").as_bytes(),
            b'0',
            b"",
            content,
        ))
    }

    /// Adds a piece of tar as it is.
    pub(crate) fn entry(mut self, bytes: &[u8]) -> Self {
        self.entries.extend_from_slice(bytes);
        self
    }

    pub(crate) fn published(mut self, time: Option<&str>) -> Self {
        self.published = time.map(str::to_owned);
        self
    }

    /// The tar before compression, without its end.
    pub(crate) fn tar(&self) -> Vec<u8> {
        let manifest = self.manifest.to_string();
        let mut tar = tar_entry(b"package/package.json", b'0', b"", manifest.as_bytes());
        tar.extend_from_slice(&self.entries);
        tar
    }

    /// What the registry serves.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.tarball.clone().unwrap_or_else(|| {
            let mut tar = self.tar();
            tar.extend_from_slice(&[0; 1024]);
            gzip(&tar)
        })
    }
}

/// `sha512-BASE64`
pub(crate) fn integrity(bytes: &[u8]) -> String {
    let digest = sha2::Sha512::digest(bytes);
    format!(
        "sha512-{}",
        base64::engine::general_purpose::STANDARD.encode(digest)
    )
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A ustar header of the given kind with its content, padded. Nothing is checked: this also
/// makes the hostile ones. Mode 0755, so that programs are executable.
pub(crate) fn tar_entry(name: &[u8], kind: u8, link: &[u8], content: &[u8]) -> Vec<u8> {
    let mut bytes = tar_header(name, kind, link, content.len() as u64);
    bytes.extend_from_slice(content);
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

/// Only the header, which announces `size` bytes.
pub(crate) fn tar_header(name: &[u8], kind: u8, link: &[u8], size: u64) -> Vec<u8> {
    let mut header = vec![0; 512];
    header[..name.len()].copy_from_slice(name);
    header[100..108].copy_from_slice(b"0000755\0");
    header[108..116].copy_from_slice(b"0000000\0");
    header[116..124].copy_from_slice(b"0000000\0");
    if size < 1 << 33 {
        header[124..136].copy_from_slice(format!("{size:011o}\0").as_bytes());
    } else {
        // Base 256, as GNU tar writes what 11 octal digits can't hold.
        header[124] = 0x80;
        header[128..136].copy_from_slice(&size.to_be_bytes());
    }
    header[136..148].copy_from_slice(b"14000000000\0");
    header[156] = kind;
    header[157..157 + link.len()].copy_from_slice(link);
    header[257..265].copy_from_slice(b"ustar\x0000");
    header[148..156].fill(b' ');
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    header
}
