//! For the tests of this room: tar archives made byte by byte, and a store to put them in.
//!
//! The `tar` crate's own writer refuses to write what these tests must refuse to read.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;

use super::{Bounds, Rule, Store, StoreError};
use crate::lockfile::Digest;

/// An uncompressed archive in the making.
#[derive(Clone, Default)]
pub(super) struct Tar(pub(super) Vec<u8>);

impl Tar {
    pub(super) fn file(self, name: &str, content: &str) -> Self {
        self.entry(name.as_bytes(), b'0', 0o644, "", content.as_bytes())
    }

    pub(super) fn program(self, name: &str, content: &str) -> Self {
        self.entry(name.as_bytes(), b'0', 0o4755, "", content.as_bytes())
    }

    pub(super) fn folder(self, name: &str) -> Self {
        self.entry(name.as_bytes(), b'5', 0o755, "", b"")
    }

    pub(super) fn link(self, name: &str, target: &str) -> Self {
        self.entry(name.as_bytes(), b'2', 0o777, target, b"")
    }

    pub(super) fn entry(
        self,
        name: &[u8],
        kind: u8,
        mode: u32,
        target: &str,
        content: &[u8],
    ) -> Self {
        self.sized(name, kind, mode, target, content.len() as u64)
            .content(content)
    }

    /// A header that says `size`, whatever follows.
    pub(super) fn sized(
        mut self,
        name: &[u8],
        kind: u8,
        mode: u32,
        target: &str,
        size: u64,
    ) -> Self {
        let mut header = tar::Header::new_ustar();
        let old = header.as_old_mut();
        old.name[..name.len()].copy_from_slice(name);
        old.linkname[..target.len()].copy_from_slice(target.as_bytes());
        header.set_entry_type(tar::EntryType::new(kind));
        header.set_mode(mode);
        header.set_size(size);
        header.set_cksum();
        self.0.extend_from_slice(header.as_bytes());
        self
    }

    pub(super) fn content(mut self, content: &[u8]) -> Self {
        self.0.extend_from_slice(content);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    pub(super) fn long_name(self, name: &str) -> Self {
        self.entry(
            b"././@LongLink",
            b'L',
            0,
            "",
            format!("{name}\0").as_bytes(),
        )
    }

    pub(super) fn pax(self, kind: u8, records: &[(&str, &str)]) -> Self {
        let mut data = String::new();
        for (key, value) in records {
            let rest = format!(" {key}={value}\n");
            let mut length = rest.len() + 1;
            while length != rest.len() + length.to_string().len() {
                length += 1;
            }
            data += &format!("{length}{rest}");
        }
        self.entry(b"pax", kind, 0o644, "", data.as_bytes())
    }

    /// Closes the archive and compresses it.
    pub(super) fn gz(self) -> Vec<u8> {
        gz(&self.closed())
    }

    pub(super) fn closed(mut self) -> Vec<u8> {
        self.0.resize(self.0.len() + 1024, 0);
        self.0
    }
}

pub(super) fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A store in a folder of its own, with files beside it that nobody may touch.
pub(super) struct Home {
    pub(super) folder: tempfile::TempDir,
    pub(super) store: Store,
}

impl Home {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("victim")).unwrap();
        write(folder.path().join("victim/file"), "untouched").unwrap();
        let store = Store::open(folder.path().join("store")).unwrap();
        Self { folder, store }
    }

    pub(super) fn archive(&self, bytes: &[u8]) -> PathBuf {
        let path = self.folder.path().join("archive.tgz");
        File::create(&path).unwrap().write_all(bytes).unwrap();
        path
    }

    pub(super) fn unpack(
        &self,
        bytes: &[u8],
        at: &str,
        bounds: &Bounds,
    ) -> Result<Digest, StoreError> {
        let archive = self.archive(bytes);
        let mut builder = self.store.staging()?.tree()?;
        builder.unpack_tar_gz(&archive, at, bounds)?;
        builder.finish()
    }

    pub(super) fn copy(&self, source: &Path) -> Result<Digest, StoreError> {
        let mut builder = self.store.staging()?.tree()?;
        builder.copy_path(source, &Bounds::default())?;
        builder.finish()
    }

    /// Unpacks what must be refused; returns the rule, after seeing that nothing was left anywhere.
    pub(super) fn refusal(&self, bytes: &[u8], bounds: &Bounds) -> Rule {
        match self.failure(bytes, bounds) {
            StoreError::Refused { rule, .. } => rule,
            other => panic!("not a refusal: {other}"),
        }
    }

    pub(super) fn failure(&self, bytes: &[u8], bounds: &Bounds) -> StoreError {
        self.archive(bytes);
        let before = listing(self.folder.path());
        let error = self.unpack(bytes, "node_modules/p", bounds).unwrap_err();
        assert_eq!(
            listing(self.folder.path()),
            before,
            "something was left behind: {error}"
        );
        error
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        // An ordinary user can't remove read-only trees just like that.
        let _ = super::directory::remove_all(self.folder.path());
    }
}

/// Everything below a folder, with kind and content.
pub(super) fn listing(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let kind = std::fs::symlink_metadata(&path).unwrap();
            let what = if kind.is_dir() {
                folders.push(path.clone());
                b"folder".to_vec()
            } else if kind.is_symlink() {
                format!("-> {}", std::fs::read_link(&path).unwrap().display()).into_bytes()
            } else {
                std::fs::read(&path).unwrap()
            };
            found.insert(path, what);
        }
    }
    found
}

/// The digest that a tree of these files, links and empty folders must have, computed from the
/// documented form. `x ` before a name means executable, `-> ` before a content a link.
pub(super) fn expected_digest(entries: &[(&str, &str)]) -> Digest {
    let mut sorted: Vec<(&str, bool, &str)> = entries
        .iter()
        .map(|(name, content)| match name.strip_prefix("x ") {
            Some(name) => (name, true, *content),
            None => (*name, false, *content),
        })
        .collect();
    sorted.sort_by_key(|(name, ..)| name.as_bytes());
    let mut form = b"pinfold-tree-v1\n".to_vec();
    for (name, executable, content) in sorted {
        let line = if let Some(target) = content.strip_prefix("-> ") {
            format!("l {target}\0{name}\0")
        } else if let Some(name) = name.strip_suffix('/') {
            format!("d {name}\0")
        } else {
            let bit = if executable { 'x' } else { '-' };
            let hex = Digest::of(content.as_bytes()).hex();
            format!("f {bit} {} {hex} {name}\0", content.len())
        };
        form.extend_from_slice(line.as_bytes());
    }
    Digest::of(&form)
}

/// Writes a file in place. (`std::fs::write` is not for this crate, see `clippy.toml`.)
pub(super) fn write(path: impl AsRef<Path>, content: impl AsRef<[u8]>) -> std::io::Result<()> {
    File::create(path)?.write_all(content.as_ref())
}
