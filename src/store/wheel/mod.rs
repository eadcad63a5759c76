//! Wheels, laid out as an installer would (PEP 427), and what is made for them: launchers and
//! bytecode.
//!
//! A wheel is read twice. First everything in it is hashed and held against its own RECORD; then
//! it is written. The tree looks the same for every server:
//!
//! ```text
//! site-packages/…              what is imported, and each wheel's NAME-VERSION.dist-info
//! scripts/NAME                 programs as they came in the wheel
//! bin/NAME                     launchers, made by pinfold
//! include/…, share/…, etc/…    the wheel's `headers` and `data`
//! ```

mod record;
mod rule;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};
use std::path::Path;

use sha2::Digest as _;

use self::record::Found;
pub use self::rule::WheelRule;

use super::archive::{EntryKind, SinkError};
use super::bounds::Bounds;
use super::builder::TreeBuilder;
use super::error::{Rule, StoreError};
use super::intake::Intake;
use super::links::Origin;
use super::names::CaseFold;
use super::plan::Node;
use super::record::Content;
use super::zip::{Links, read_zip};
use crate::lockfile::Digest;

/// Where everything is that is imported.
pub const SITE_PACKAGES: &str = "site-packages";

/// Longest WHEEL, RECORD or entry_points.txt that is read.
const MAX_METADATA: u64 = 16 << 20;
/// As much of a script as the kernel reads of its first line.
const HEAD: u64 = 256;
/// Longest compiled module that is taken in.
const MAX_BYTECODE: u64 = 64 << 20;

/// A wheel that is in the tree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnpackedWheel {
    /// Its text, when there is one.
    pub entry_points: Option<Vec<u8>>,
    /// The programs that came with it.
    pub scripts: Vec<Script>,
    /// `.pth` files, which Python's own start would execute and ours doesn't.
    pub path_files: Vec<String>,
}

/// A program that came with a wheel, in its `scripts`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// In the tree.
    pub path: String,
    pub kind: ScriptKind,
}

/// What a script is run by, from its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScriptKind {
    /// Nothing: it is a binary.
    Native,
    /// `#!python`, which installers replace by the interpreter (PEP 427), or a path of one.
    Python,
    Other,
}

impl ScriptKind {
    fn of(head: &[u8]) -> Self {
        let line = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
        if head.starts_with(b"\x7fELF") {
            Self::Native
        } else if line.starts_with(b"#!") && memchr::memmem::find(line, b"python").is_some() {
            Self::Python
        } else {
            Self::Other
        }
    }
}

impl TreeBuilder {
    /// Unpacks a wheel whose file name starts with `DISTRIBUTION-VERSION`, so that its folder is
    /// `dist_info`. A file that another wheel has put there already must be the same.
    ///
    /// # Errors
    /// [`StoreError::Refused`] names the entry and the [`Rule`] it broke. After an
    /// error the tree can't be finished.
    pub fn unpack_wheel(
        &mut self,
        wheel: &Path,
        dist_info: &str,
        bounds: &Bounds,
    ) -> Result<UnpackedWheel, StoreError> {
        let looked = look(wheel, dist_info, bounds)?;
        let refuse = |rule| StoreError::refused(wheel, b"", Rule::Wheel(rule));
        looked.judge(dist_info).map_err(refuse)?;
        let data = dist_info.replace(".dist-info", ".data");
        let mut unpacked = UnpackedWheel {
            entry_points: looked.texts.get("entry_points.txt").cloned(),
            ..UnpackedWheel::default()
        };
        let mut places = BTreeMap::new();
        for name in looked.files.keys() {
            let Some(place) = place(name, &data).map_err(refuse)? else {
                continue;
            };
            if place.starts_with("scripts/") {
                let head = looked
                    .heads
                    .get(name)
                    .map(Vec::as_slice)
                    .unwrap_or_default();
                unpacked.scripts.push(Script {
                    path: place.clone(),
                    kind: ScriptKind::of(head),
                });
            }
            if Path::new(&place)
                .extension()
                .is_some_and(|end| end == "pth")
            {
                unpacked.path_files.push(place.clone());
            }
            places.insert(name.clone(), place);
        }
        self.step(|into| {
            let mut present = BTreeSet::new();
            for (name, place) in &places {
                let Some(Node::Leaf { content, .. }) = into.plan.node(place) else {
                    continue;
                };
                if !is_same(content, &looked.files[name]) {
                    return Err(refuse(WheelRule::Clash(place.clone())));
                }
                present.insert(name.clone());
            }
            let fold = Some(CaseFold::default());
            let mut intake = Intake::begin(into, wheel, "", bounds, fold)?;
            read_zip(wheel, bounds, Links::Refused, |entry| {
                let (EntryKind::File { executable }, Some(path)) = (entry.kind, places.get(entry.name)) else {
                    return Ok(());
                };
                if present.contains(entry.name) {
                    return Ok(());
                }
                let executable = executable || path.starts_with("scripts/");
                let written = entry.name.as_bytes();
                intake.file(written, path, executable, Some(entry.size), entry.content)
            })?;
            intake.finish(Origin::Archive)?;
            for (name, place) in &places {
                let written = into.plan.node(place);
                let same = matches!(written, Some(Node::Leaf { content, .. }) if is_same(content, &looked.files[name]));
                if !same {
                    return Err(StoreError::Unstable {
                        path: wheel.to_owned(),
                    });
                }
            }
            Ok(())
        })?;
        Ok(unpacked)
    }

    /// Writes a file that was made here.
    pub fn write_file(
        &mut self,
        path: &str,
        executable: bool,
        content: &[u8],
    ) -> Result<(), StoreError> {
        let bounds = Bounds::default();
        self.step(|into| {
            let origin = Path::new("a file made by pinfold");
            let mut intake = Intake::begin(into, origin, "", &bounds, None)?;
            let size = Some(content.len() as u64);
            intake
                .file(path.as_bytes(), path, executable, size, &mut &content[..])
                .map_err(|error| stored(error, origin))?;
            intake.finish(Origin::Folder)
        })
    }

    /// The paths in the tree of all modules that can be compiled, sorted.
    pub fn python_sources(&self) -> Vec<String> {
        let prefix = format!("{SITE_PACKAGES}/");
        self.leaves()
            .filter(|path| path.starts_with(&prefix) && path.ends_with(".py"))
            .map(str::to_owned)
            .collect()
    }

    /// Takes in what was compiled of [`Self::python_sources`]: for each of them, if it is there,
    /// the regular file of the same path below `compiled` with `c` at its end. Nothing else of
    /// that folder is looked at. `tag` is the interpreter's, `cpython-311`.
    pub fn take_bytecode(&mut self, compiled: &Path, tag: &str) -> Result<usize, StoreError> {
        let bounds = Bounds::default();
        let sources = self.python_sources();
        let mut taken = 0;
        self.step(|into| {
            let failed = |e: io::Error| StoreError::io("open", compiled, e);
            let below = super::directory::Beneath::open(compiled).map_err(failed)?;
            let mut intake = Intake::begin(into, compiled, "", &bounds, None)?;
            for source in sources {
                let Some(file) = below.open_file(&format!("{source}c")).map_err(failed)? else {
                    continue;
                };
                let length = file.metadata().map_err(failed)?.len();
                if length > MAX_BYTECODE {
                    continue;
                }
                let (folder, name) = super::names::split(&source);
                let stem = name.strip_suffix(".py").unwrap_or(name);
                let path = format!("{folder}/__pycache__/{stem}.{tag}.pyc");
                intake
                    .file(path.as_bytes(), &path, false, Some(length), &mut &file)
                    .map_err(|error| stored(error, compiled))?;
                taken += 1;
            }
            intake.finish(Origin::Folder)
        })?;
        Ok(taken)
    }
}

/// What a wheel holds.
#[derive(Default)]
struct Looked {
    files: BTreeMap<String, Found>,
    /// Files of the dist-info folder that are read, by their name in it.
    texts: BTreeMap<&'static str, Vec<u8>>,
    /// The first bytes of each script.
    heads: BTreeMap<String, Vec<u8>>,
    /// A dist-info folder besides the expected one.
    second: Option<String>,
}

const READ: [&str; 3] = ["WHEEL", "RECORD", "entry_points.txt"];

fn look(wheel: &Path, dist_info: &str, bounds: &Bounds) -> Result<Looked, StoreError> {
    let mut looked = Looked::default();
    let mut total: u64 = 0;
    read_zip(wheel, bounds, Links::Refused, |mut entry| {
        let top = entry.name.split('/').next().unwrap_or_default();
        if top.ends_with(".dist-info") && top != dist_info {
            looked.second = Some(top.to_owned());
        }
        if !matches!(entry.kind, EntryKind::File { .. }) {
            return Ok(());
        }
        let refuse = |rule| StoreError::refused(wheel, entry.name.as_bytes(), rule);
        total = total.saturating_add(entry.size);
        if total > bounds.max_bytes {
            return Err(refuse(Rule::TooManyBytes(bounds.max_bytes)).into());
        }
        let wanted = entry
            .name
            .strip_prefix(dist_info)
            .and_then(|rest| rest.strip_prefix('/'))
            .and_then(|rest| READ.into_iter().find(|name| *name == rest));
        let mut text = Vec::new();
        if wanted.is_some() && entry.size > MAX_METADATA {
            return Err(refuse(Rule::TooManyBytes(MAX_METADATA)).into());
        }
        let content = &mut entry.content;
        if entry.name.split('/').nth(1) == Some("scripts") && top.ends_with(".data") {
            let mut head = Vec::new();
            let read = Read::take(&mut *content, HEAD).read_to_end(&mut head);
            read.map_err(SinkError::Read)?;
            looked.heads.insert(entry.name.to_owned(), head);
        }
        let head = looked.heads.get(entry.name).map(Vec::as_slice);
        let mut content = head.unwrap_or_default().chain(content);
        let found = hash(&mut content, wanted.map(|_| &mut text)).map_err(SinkError::Read)?;
        looked.files.insert(entry.name.to_owned(), found);
        if let Some(name) = wanted {
            looked.texts.insert(name, text);
        }
        Ok(())
    })?;
    Ok(looked)
}

fn hash(content: &mut dyn Read, mut keep: Option<&mut Vec<u8>>) -> io::Result<Found> {
    let mut hasher = sha2::Sha256::new();
    let mut buffer = [0; 1 << 16];
    let mut size = 0;
    loop {
        let n = match content.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(e),
        };
        hasher.update(&buffer[..n]);
        size += n as u64;
        if let Some(keep) = &mut keep {
            keep.extend_from_slice(&buffer[..n]);
        }
    }
    Ok(Found {
        sha256: Digest::from_bytes(hasher.finalize().into()),
        size,
    })
}

impl Looked {
    fn judge(&self, dist_info: &str) -> Result<(), WheelRule> {
        if let Some(second) = &self.second {
            return Err(WheelRule::SecondDistInfo(second.clone()));
        }
        let prefix = format!("{dist_info}/");
        if !self.files.keys().any(|name| name.starts_with(&prefix)) {
            return Err(WheelRule::NoDistInfo(dist_info.to_owned()));
        }
        let text = |file: &'static str| self.texts.get(file).ok_or(WheelRule::Missing(file));
        judge_wheel(text("WHEEL")?)?;
        record::judge(dist_info, text("RECORD")?, &self.files)
    }
}

/// `Wheel-Version: 1.0`, in the manner of e-mail headers.
fn judge_wheel(text: &[u8]) -> Result<(), WheelRule> {
    let malformed = |reason| WheelRule::Malformed {
        file: "WHEEL",
        reason,
    };
    let text = std::str::from_utf8(text).map_err(|_| malformed("it is not UTF-8"))?;
    let header = |name: &str| {
        text.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.trim().eq_ignore_ascii_case(name).then(|| value.trim())
        })
    };
    let version = header("Wheel-Version").ok_or_else(|| malformed("it has no Wheel-Version"))?;
    if version.split('.').next() != Some("1") {
        return Err(WheelRule::Version(version.chars().take(20).collect()));
    }
    // Both kinds are imported from one folder here.
    match header("Root-Is-Purelib")
        .map(str::to_ascii_lowercase)
        .as_deref()
    {
        Some("true" | "false") => Ok(()),
        _ => Err(malformed("it does not say Root-Is-Purelib")),
    }
}

/// Where a file goes; `None` leaves it out.
fn place(name: &str, data: &str) -> Result<Option<String>, WheelRule> {
    let unknown = || WheelRule::UnknownPlace(name.to_owned());
    let place = match name
        .strip_prefix(data)
        .and_then(|rest| rest.strip_prefix('/'))
    {
        None => format!("{SITE_PACKAGES}/{name}"),
        Some(rest) => match rest.split_once('/').ok_or_else(unknown)? {
            ("purelib" | "platlib", rest) => format!("{SITE_PACKAGES}/{rest}"),
            ("scripts", rest) => format!("scripts/{rest}"),
            ("headers", rest) => format!("include/{rest}"),
            // Python takes it for the folder above `bin` and `lib`.
            ("data", rest) => rest.to_owned(),
            _ => return Err(unknown()),
        },
    };
    // Bytecode that came with a wheel need not be that of the source beside it.
    let is_bytecode = place.contains("/__pycache__/") || place.starts_with("__pycache__/");
    Ok((!is_bytecode).then_some(place))
}

fn is_same(content: &Content, found: &Found) -> bool {
    matches!(content, Content::File { sha256, size, .. } if *sha256 == found.sha256 && *size == found.size)
}

fn stored(error: SinkError, origin: &Path) -> StoreError {
    match error {
        SinkError::Store(error) => error,
        SinkError::Read(source) => StoreError::io("read", origin, source),
    }
}

#[cfg(test)]
mod tests;
