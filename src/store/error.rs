//! What can go wrong in the store, in the words that the user reads.
//!
//! [`StoreError`] says which step failed, [`Rule`] which rule an archive or a
//! folder broke, [`Difference`] what is not as it was locked.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use super::integrity::Integrity;
use super::wheel::WheelRule;
use super::zip::ZipRule;
use crate::lockfile::Digest;

/// Most characters of an entry's name that a message shows.
const MAX_SHOWN: usize = 200;

/// Most differences that a message lists; the error itself holds them all.
const MAX_LISTED: usize = 5;

/// Why the store refused or failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("can't {action} `{}`: {source}", path.display())]
    Io {
        action: &'static str,
        path: PathBuf,
        source: io::Error,
    },

    #[error(
        "the store's folder `{}` can't be made, because of `{}`: {source}; make that a folder that you may write, or choose another data folder with XDG_DATA_HOME",
        path.display(),
        at.display()
    )]
    NoFolder {
        path: PathBuf,
        /// The nearest thing above it that is there.
        at: PathBuf,
        source: io::Error,
    },

    #[error(
        "the store `{}` belongs to user {owner}, not to you: others could change what you run; move it away or choose another data folder with XDG_DATA_HOME",
        path.display()
    )]
    ForeignOwner { path: PathBuf, owner: u32 },

    #[error(
        "the store `{path}` can be written by others (mode {mode:04o}), so its content can't be relied on: check what is in it, then run `chmod go-w '{path}'`",
        path = path.display()
    )]
    WritableByOthers { path: PathBuf, mode: u32 },

    #[error("no expected digest was given for a download; a file that nothing pins is not stored")]
    NothingExpected,

    #[error(
        "the download is longer than the {limit} bytes accepted for one file; nothing was stored"
    )]
    DownloadTooLong { limit: u64 },

    #[error(
        "the downloaded bytes are not what was published: expected {expected}, got {found}; nothing was stored. \
         The registry, or a proxy on the way, damaged or changed them: try again later, and don't get them by another way before that is explained"
    )]
    IntegrityMismatch {
        expected: Box<Integrity>,
        found: Box<Integrity>,
    },

    #[error(
        "the downloaded bytes are not the ones that are pinned: expected {expected}, got {found}; nothing was stored. \
         The address serves other bytes now, or the digest was changed by hand"
    )]
    Sha256Mismatch { expected: Digest, found: Digest },

    #[error("artifact {artifact} is not in the store; run `pinfold fetch`")]
    MissingArtifact { artifact: Digest },

    #[error(
        "artifact {artifact} in the store is damaged (its bytes are {found}, {size} of them); run `pinfold fetch` to get it again"
    )]
    DamagedArtifact {
        artifact: Digest,
        found: Digest,
        size: u64,
    },

    #[error("`{}` was refused: {rule}{}", origin.display(), in_entry(entry))]
    Refused {
        /// The archive or folder that was read.
        origin: PathBuf,
        /// Name of the entry, escaped and shortened; empty when the rule is about the whole.
        entry: String,
        rule: Rule,
    },

    #[error("`{}` is not a complete gzip-compressed tar archive: {source}", archive.display())]
    UnreadableArchive { archive: PathBuf, source: io::Error },

    #[error("`{}` is not a complete zip archive: {source}", archive.display())]
    UnreadableZip { archive: PathBuf, source: io::Error },

    #[error("the tree was not stored because an earlier step failed")]
    UnfinishedTree,

    #[error(
        "another pinfold was putting something into the store for {} s; let it finish, then run the command again",
        waited.as_secs()
    )]
    Busy { waited: std::time::Duration },

    #[error("tree {tree} is not in the store; run `pinfold fetch`")]
    MissingTree { tree: Digest },

    #[error(
        "the files of tree {tree} are not what was locked: {}; run `pinfold fetch` to restore them",
        listed(differences, *listing_known)
    )]
    Drift {
        tree: Digest,
        differences: Vec<Difference>,
        /// Whether the list of what should be there was found and proved right.
        /// Without it only what is wrong by itself can be named.
        listing_known: bool,
    },

    #[error("`{}` changed while it was being read; nothing can be said about it", path.display())]
    Unstable { path: PathBuf },

    #[error("`{}` holds more than a tree can: {limit}", path.display())]
    Unbounded { path: PathBuf, limit: &'static str },

    #[error("`{}` is not a regular file, so it has no digest", path.display())]
    NotAFile { path: PathBuf },
}

impl StoreError {
    /// The same of an archive that the user knows by this name, not by its path in the store.
    #[must_use]
    pub fn called(mut self, name: &str) -> Self {
        match &mut self {
            Self::Refused { origin, .. } => *origin = name.into(),
            Self::UnreadableArchive { archive, .. } | Self::UnreadableZip { archive, .. } => {
                *archive = name.into();
            }
            _ => {}
        }
        self
    }

    /// Whether the disk is at fault, and not what was found in the bytes.
    pub fn is_environment(&self) -> bool {
        matches!(
            self,
            Self::Io { .. }
                | Self::NoFolder { .. }
                | Self::Busy { .. }
                | Self::ForeignOwner { .. }
                | Self::WritableByOthers { .. }
        )
    }

    pub(super) fn io(action: &'static str, path: &Path, source: impl Into<io::Error>) -> Self {
        Self::Io {
            action,
            path: path.to_owned(),
            source: source.into(),
        }
    }

    pub(super) fn refused(origin: &Path, entry: &[u8], rule: Rule) -> Self {
        Self::Refused {
            origin: origin.to_owned(),
            entry: shown(entry),
            rule,
        }
    }
}

/// The rule that an entry of an archive, or of a folder to be copied, broke.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rule {
    #[error("a name is not UTF-8")]
    NotUtf8,
    #[error("a name holds a control character")]
    ControlCharacter,
    #[error("an absolute path could be written anywhere")]
    AbsolutePath,
    #[error("`..` could leave the folder")]
    ParentComponent,
    #[error("the name is empty")]
    EmptyName,
    #[error("a name is longer than {0} bytes")]
    ComponentTooLong(usize),
    #[error("the path or link target is longer than {0} bytes")]
    PathTooLong(usize),
    #[error("the path is deeper than {0} folders")]
    TooDeep(usize),
    #[error("the file is not in the archive's top folder")]
    OutsideTopFolder,
    #[error("the name is there already")]
    Duplicate,
    #[error("the name differs only in case from `{0}`")]
    CaseCollision(String),
    #[error("`{0}` is needed as a folder and is something else")]
    NotAFolder(String),
    #[error("hard links are not accepted")]
    HardLink,
    #[error("device files are not accepted")]
    Device,
    #[error("named pipes are not accepted")]
    Fifo,
    #[error("sockets are not accepted")]
    Socket,
    #[error("sparse files are not accepted")]
    Sparse,
    #[error("entries of kind 0x{0:02x} are not accepted")]
    UnknownKind(u8),
    #[error("it holds more than {0} entries")]
    TooManyEntries(u64),
    #[error("it unpacks to more than {0} bytes")]
    TooManyBytes(u64),
    #[error("it is longer than the {0} bytes accepted for this file")]
    FileTooLong(u64),
    #[error("two headers disagree about the size ({header} and {pax} bytes)")]
    SizeDisagrees { header: u64, pax: u64 },
    #[error("a folder or link comes with content")]
    ContentOutsideFile,
    #[error("a file's name ends in a slash")]
    FileNamedAsFolder,
    #[error("a pax header is longer than {0} bytes")]
    PaxTooLong(u64),
    #[error("a pax header is malformed")]
    PaxMalformed,
    #[error("a global header sets `{0}` for all files")]
    GlobalName(&'static str),
    #[error("two headers name the same file")]
    NamedTwice,
    #[error("a header for a next file is followed by none")]
    HeaderWithoutFile,
    #[error("the link's target is absolute")]
    LinkAbsolute,
    #[error("the link's target has `..` or nothing where a name should be")]
    LinkMalformed,
    #[error("the link leads out of its folder")]
    LinkEscapes,
    #[error("the link leads through or to another link")]
    LinkThroughLink,
    #[error("the link leads to nothing")]
    LinkDangling,
    #[error("the source itself is a symbolic link; name what it leads to")]
    SourceIsLink,
    #[error("there is something other than zeros after its end")]
    TrailingData,
    #[error(transparent)]
    Zip(#[from] ZipRule),
    #[error(transparent)]
    Wheel(#[from] WheelRule),
}

/// One way in which a tree is not what was locked.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Difference {
    /// Relative to the tree.
    pub path: PathBuf,
    pub what: What,
}

/// What became of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    /// Other content, or another target of a link.
    Changed,
    Added,
    Removed,
    /// A symbolic link stands where a file or folder was.
    BecameSymlink,
    /// Folder, file, link or special file instead of what was there.
    TypeChanged,
    /// Executable or not, or no longer read-only.
    ModeChanged,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use std::os::unix::ffi::OsStrExt as _;
        let what = match self.what {
            What::Changed => "changed",
            What::Added => "was added",
            What::Removed => "is gone",
            What::BecameSymlink => "became a symbolic link",
            What::TypeChanged => "became another kind of file",
            What::ModeChanged => "has other permissions",
        };
        write!(f, "`{}` {what}", shown(self.path.as_os_str().as_bytes()))
    }
}

/// A name of unknown origin, safe to print: escaped, and shortened to 200 characters.
pub(super) fn shown(name: &[u8]) -> String {
    let text: String = String::from_utf8_lossy(name)
        .escape_debug()
        .take(MAX_SHOWN + 1)
        .collect();
    match text.char_indices().nth(MAX_SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

fn in_entry(entry: &str) -> String {
    if entry.is_empty() {
        String::new()
    } else {
        format!(" (entry `{entry}`)")
    }
}

fn listed(differences: &[Difference], listing_known: bool) -> String {
    let mut parts: Vec<String> = differences
        .iter()
        .take(MAX_LISTED)
        .map(ToString::to_string)
        .collect();
    if differences.len() > MAX_LISTED {
        parts.push(format!("and {} more", differences.len() - MAX_LISTED));
    }
    if !listing_known {
        parts.push("the list of its files is gone, so which ones changed can't be told".to_owned());
    }
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_escaped_and_shortened() {
        assert_eq!(shown(b"plain/name.js"), "plain/name.js");
        assert_eq!(shown(b"a\x1b[2J\n"), "a\\u{1b}[2J\\n");
        assert_eq!(shown("é".repeat(400).as_bytes()).chars().count(), 201);
        assert!(shown(&[0xff, b'x']).ends_with('x'));
    }

    #[test]
    fn drift_names_a_few_files_and_counts_the_rest() {
        let difference = |n: u8| Difference {
            path: format!("f{n}").into(),
            what: What::Changed,
        };
        let drift = |differences, listing_known| {
            StoreError::Drift {
                tree: Digest::of(b""),
                differences,
                listing_known,
            }
            .to_string()
        };
        let text = drift((0..7).map(difference).collect(), true);
        assert!(
            text.contains("`f4` changed, and 2 more; run `pinfold fetch`"),
            "{text}"
        );
        assert!(drift(vec![], false).contains("the list of its files is gone"));
    }
}
