//! The words of the lock: names, digests and what was agreed for each server.
//!
//! Plain data, no I/O. The JSON form of these types is in `format.rs`.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use super::platforms::PlatformPart;

/// The name of a server in the manifest: 1–64 of `a-z 0-9 . _ -`, starting with a letter or digit.
///
/// It names folders too, so it can hold neither a slash nor a leading dot.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServerName(String);

/// The name of a tool, matched byte for byte: 1–128 of `A-Z a-z 0-9 _ . -`.
///
/// MCP only recommends this set; other names are refused because clients and
/// models disagree about how to show them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ToolName(String);

/// A sha256 digest, written `sha256:` and 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

/// Why a name or digest was not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    #[error("`{}` is not a server name: use 1 to 64 of a-z 0-9 . _ - and start with a letter or digit", shown(.0))]
    Server(String),
    #[error("`{}` is not a tool name: use 1 to 128 of A-Z a-z 0-9 _ . -", shown(.0))]
    Tool(String),
    #[error("`{}` is not a digest: expected `sha256:` and 64 hexadecimal digits in lower case", shown(.0))]
    Digest(String),
}

/// The text comes from files and servers, and the message goes to a terminal.
fn shown(text: &str) -> String {
    super::printable::printable(text, 160)
}

impl ServerName {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ServerName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let allowed =
            |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(byte);
        let starts_well = text
            .bytes()
            .next()
            .is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        if starts_well && text.len() <= 64 && text.as_bytes().iter().all(allowed) {
            Ok(Self(text.to_owned()))
        } else {
            Err(NameError::Server(text.to_owned()))
        }
    }
}

impl fmt::Display for ServerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl ToolName {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::borrow::Borrow<str> for ToolName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl FromStr for ToolName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"_.-".contains(byte);
        if (1..=128).contains(&text.len()) && text.as_bytes().iter().all(allowed) {
            Ok(Self(text.to_owned()))
        } else {
            Err(NameError::Tool(text.to_owned()))
        }
    }
}

impl fmt::Display for ToolName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Digest {
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        use sha2::Digest as _;
        Self(sha2::Sha256::digest(bytes).into())
    }

    /// 64 lower-case hexadecimal digits, without the `sha256:` prefix; the name of files in the store.
    pub fn hex(&self) -> String {
        String::from_utf8_lossy(&self.hex_digits()).into_owned()
    }

    /// The digits of [`Digest::hex`], for whoever writes thousands of them.
    pub fn hex_digits(&self) -> [u8; 64] {
        // Computed, not looked up in a table: compilers turn this into a few vector instructions.
        let digit = |value: u8| value + if value < 10 { b'0' } else { b'a' - 10 };
        let mut digits = [0; 64];
        for (pair, byte) in digits.chunks_exact_mut(2).zip(self.0) {
            pair[0] = digit(byte >> 4);
            pair[1] = digit(byte & 15);
        }
        digits
    }

    /// The inverse of [`Digest::hex`].
    pub fn from_hex(text: &str) -> Result<Self, NameError> {
        let refuse = || NameError::Digest(text.to_owned());
        let digits = text.as_bytes();
        if digits.len() != 64 {
            return Err(refuse());
        }
        let value = |digit: u8| match digit {
            b'0'..=b'9' => Some(digit - b'0'),
            b'a'..=b'f' => Some(digit - b'a' + 10),
            _ => None,
        };
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let (Some(high), Some(low)) = (value(pair[0]), value(pair[1])) else {
                return Err(refuse());
            };
            *byte = high << 4 | low;
        }
        Ok(Self(bytes))
    }
}

impl FromStr for Digest {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        text.strip_prefix("sha256:")
            .and_then(|hex| Self::from_hex(hex).ok())
            .ok_or_else(|| NameError::Digest(text.to_owned()))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.hex_digits();
        f.write_str("sha256:")?;
        f.write_str(std::str::from_utf8(&digits).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Where the files of a bundle (.mcpb) are in its tree. No other kind of source has an artifact
/// there, see [`LockedServer::is_bundle`].
pub const BUNDLE_FOLDER: &str = "bundle";

/// Everything that was agreed, for every server of one manifest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lock {
    pub servers: BTreeMap<ServerName, LockedServer>,
}

/// The three pins of one server: bytes, behaviour, box.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockedServer {
    /// The manifest's `source`, as written.
    pub source: String,
    /// The exact version that the source resolved to; `None` where there is none: files, folders, and
    /// what an address serves, but for bundles.
    pub version: Option<String>,
    /// When it was locked, RFC 3339 in UTC with seconds.
    pub locked_at: String,
    /// Operating system and architecture that the artifacts were chosen for, for example `linux-x86_64`.
    pub platform: String,
    /// The program that runs the entry point; `None` when the entry point is itself a binary.
    pub interpreter: Option<Interpreter>,
    /// Path of the file to run, relative to the tree, with `/`.
    pub entry_point: String,
    /// Digest of the unpacked tree.
    pub tree: Digest,
    /// Every downloaded file, in order of their path in the tree.
    pub artifacts: Vec<Artifact>,
    /// Packages whose install scripts were run; `None` when nothing was.
    pub build: Option<Build>,
    /// What is otherwise on other platforms, by their names; never that of `platform`.
    pub platforms: BTreeMap<String, PlatformPart>,
    pub behaviour: Behaviour,
    pub confinement: Confinement,
}

impl LockedServer {
    /// Whether the manifest.json of a bundle, in the tree, says how the entry point is run.
    pub fn is_bundle(&self) -> bool {
        let local = self.source.starts_with("path:") && self.source.ends_with(".mcpb");
        let mut artifacts = self.artifacts.iter();
        let remote = self.source.starts_with("https:")
            && artifacts.any(|artifact| artifact.path == BUNDLE_FOLDER);
        local || remote
    }

    /// What its interpreter comes from, when that is no program of the machine.
    pub fn runtime_package(&self) -> Option<&RuntimePackage> {
        self.interpreter.as_ref()?.package.as_ref()
    }
}

/// What was run to make the tree of the artifacts. Its result is pinned by the tree's digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Build {
    /// Names of packages whose install scripts were run, sorted, each once.
    pub packages: Vec<String>,
    /// What the scripts could reach, as in the manifest, sorted, each once.
    pub egress: Vec<String>,
}

/// For a sentence; the names are of the manifest or of a lock that was checked.
impl fmt::Display for Build {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.packages.join(", "))?;
        match self.egress.is_empty() {
            true => Ok(()),
            false => write!(f, " (reaching {})", self.egress.join(", ")),
        }
    }
}

/// The program that the server runs on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interpreter {
    /// `node`, `python`, or the file name of another interpreter such as `sh`.
    pub kind: String,
    /// Absolute path, symbolic links resolved; relative to the package's tree when there is one.
    pub path: String,
    /// What the program says of its version; `None` when it says nothing.
    pub version: Option<String>,
    pub sha256: Digest,
    /// Where it was had from; `None` for a program of the machine.
    pub package: Option<RuntimePackage>,
}

/// An interpreter that was had from a registry and is pinned like the server's own code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuntimePackage {
    /// The manifest's `runtime`, as written.
    pub source: String,
    pub version: String,
    /// Digest of the unpacked tree.
    pub tree: Digest,
    /// In order of their path in the tree.
    pub artifacts: Vec<Artifact>,
}

/// One downloaded file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artifact {
    /// Package name as the registry knows it.
    pub name: String,
    pub version: String,
    /// Where it is unpacked, relative to the tree, for example `node_modules/zod`.
    pub path: String,
    /// Relative to the registry, or absolute when the registry serves its files from elsewhere.
    pub url: String,
    /// As published: `sha512-` and base64; for `pypi:` sources, and of an address whose digest is the
    /// manifest's own, `sha256-` and base64.
    pub integrity: String,
    pub sha256: Digest,
    /// Size of the downloaded file, in bytes.
    pub size: u64,
    /// When the version was published, RFC 3339; `None` when the registry doesn't say.
    pub published: Option<String>,
    /// Whether the package asks for a script to be run at install. It is only if the package is
    /// named in [`LockedServer::build`].
    pub install_script: bool,
    /// Who published this version, as the registry names them; `None` means recorded as absent.
    pub publisher: Option<String>,
    /// Registry signature; `None` means recorded as absent.
    pub signature: Option<String>,
    /// Verified provenance identity; `None` means recorded as absent.
    pub provenance: Option<String>,
}

/// What the server said of itself when it was locked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Behaviour {
    /// Protocol revision that was negotiated, for example `2025-11-25`.
    pub protocol: String,
    /// Digest of the `instructions` text; `None` when there was none.
    pub instructions: Option<Digest>,
    /// Digest of each tool's RFC 8785 canonical definition.
    pub tools: BTreeMap<ToolName, Digest>,
}

/// The box pin: which policy was agreed, and the least that a kernel must enforce of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confinement {
    /// Digest of the effective policy.
    pub policy: Digest,
    /// Lowest Landlock ABI that is accepted at launch.
    pub landlock_abi: u32,
    /// Layers that must be in force, by name, sorted.
    pub layers: Vec<String>,
}
