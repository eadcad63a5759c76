//! The spec: everything the stub is told. Plain, serialisable data.

use std::borrow::Cow;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{PrivateText, SandboxError};

/// What the folder with a server's code is called in a root of its own.
const CODE: &str = "/mcp";

/// Nothing in a spec grows with untrusted input beyond argument lists; 4 MiB is generous.
const MAX_SPEC_BYTES: u64 = 4 << 20;

/// What is executed, and everything it may do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SandboxSpec {
    /// Absolute path of the file that is executed.
    pub program: PathBuf,
    /// The whole argument vector, the program's name first.
    pub arguments: Vec<String>,
    /// The whole environment.
    pub environment: Vec<(String, PrivateText)>,
    pub working_directory: PathBuf,
    pub filesystem: Vec<PathRule>,
    pub network: Network,
    /// Whether the processes may talk to each other by UNIX sockets. Needs the full tier with a
    /// network of its own.
    pub own_sockets: bool,
    /// The namespaces to enter; `None` is the base tier.
    pub namespaces: Option<Namespaces>,
    /// The Landlock ABI whose rights are all handled; the plan chose it. `None` goes without.
    pub landlock_abi: Option<u32>,
    pub limits: ResourceLimits,
    /// The server's own folders, for [`ResourceLimits::disk`].
    pub own_folders: Vec<PathBuf>,
    /// Seccomp programs in the order in which they are installed, each instruction
    /// packed as `code << 48 | jt << 40 | jf << 32 | k` (struct sock_filter).
    pub filters: Vec<Vec<u64>>,
    /// One more program, for a server whose manifest has a list of system calls: the last one, and for
    /// the server alone.
    pub own_list: Option<Vec<u64>>,
    /// Whether the server's process may be traced while it waits to be executed: its parent is going
    /// to watch it. Nothing of the box is different for the server.
    pub observed: bool,
}

/// One Landlock rule: a file, or a folder with everything below it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PathRule {
    pub path: PathBuf,
    pub access: Access,
}

/// What a rule allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// List folders.
    List,
    /// Read files, list folders.
    Read,
    /// Read and execute.
    Execute,
    /// Read, create, change and remove regular files, folders and symbolic links; no execution.
    Write,
    /// As [`Self::Write`], and execute what is there: for install scripts only, whose box is not a
    /// server's.
    WriteExecute,
    /// Read and write a device node.
    Device,
}

/// What the server may reach over IP.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Network {
    /// No IPv4 or IPv6 socket can be made.
    Off,
    /// Outgoing TCP to these ports, of any host; UDP sockets are not limited before Landlock ABI 10.
    Ports(Vec<u16>),
    /// Outgoing TCP to these ports, of whom the parent lets it reach: nothing leaves the network
    /// namespace but what the parent takes up through [`super::Listeners`]. Needs the full tier.
    Relayed(Vec<u16>),
}

impl Network {
    /// Whether the full tier gives it a network namespace: no interface of the machine, and none of
    /// its abstract sockets.
    pub const fn is_own(&self) -> bool {
        match self {
            Self::Off | Self::Relayed(_) => true,
            Self::Ports(_) => false,
        }
    }
}

/// What the full tier adds: user, pid, ipc, uts, cgroup and mount namespaces (namespaces(7)), and a
/// network namespace where [`Network::is_own`]; with a
/// root that holds the paths of [`SandboxSpec::filesystem`] and nothing else of the machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Namespaces {
    /// Symbolic links to make in the root, for paths that lead to granted ones.
    pub links: Vec<Link>,
    /// The server's code under a name of a few bytes, too.
    pub short_name: Option<ShortName>,
    /// Files to make in the root, which may be read; also where a granted folder has others.
    pub files: Vec<OwnFile>,
    /// Size of the tmpfs on `/dev/shm`, in bytes.
    pub shared_memory: u64,
    /// Size of the tmpfs on `/tmp`, in bytes.
    pub temporary: u64,
}

/// A symbolic link.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Link {
    /// Where it is: absolute, and no link on the way.
    pub path: PathBuf,
    /// What it says.
    pub target: PathBuf,
}

/// A second name of a granted folder, which is a mount of its own and no link: what asks for the real
/// path of a file there gets the short one again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShortName {
    pub folder: PathBuf,
    pub name: PathBuf,
}

impl ShortName {
    /// Of the folder with a server's code; `None` where something granted is called so already.
    ///
    /// Why: a program for Node opens hundreds of files, each by its whole path, and takes 10 to 15 ms
    /// more for a hundred bytes of folders in front of each.
    pub fn of_code(folder: &Path, granted: &[PathRule], links: &[Link]) -> Option<Self> {
        let name = Path::new(CODE);
        let is_taken = granted.iter().any(|rule| rule.path.starts_with(name))
            || links.iter().any(|link| link.path.starts_with(name));
        (!is_taken).then(|| Self {
            folder: folder.to_owned(),
            name: name.to_owned(),
        })
    }

    /// A text in which the folder's path is replaced by its short name, wherever it is a path of its
    /// own or the beginning of one.
    pub fn shorten<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let (Some(folder), Some(name)) = (self.folder.to_str(), self.name.to_str()) else {
            return text.into();
        };
        let mut pieces = text.split(folder);
        let mut shortened = pieces.next().unwrap_or_default().to_owned();
        for piece in pieces {
            let is_whole = piece.is_empty() || piece.starts_with(['/', ':']);
            shortened.push_str(if is_whole { name } else { folder });
            shortened.push_str(piece);
        }
        shortened.into()
    }

    /// What a file that bears the short name is called on the machine; `None` of other files.
    pub fn lengthen(&self, path: &Path) -> Option<PathBuf> {
        let inner = path.strip_prefix(&self.name).ok()?;
        // Without a slash at its end where that is nothing.
        Some(self.folder.join(inner).components().collect())
    }
}

/// A file with a text of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OwnFile {
    /// Absolute, and no link on the way.
    pub path: PathBuf,
    pub text: PrivateText,
    /// Whether its mode lets nobody else read it.
    pub is_private: bool,
}

/// How much a server may use. The kernel holds each process to some of them (setrlimit(2), soft and
/// hard), the monitor holds the whole session to the rest. `None` leaves what was inherited.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResourceLimits {
    /// Memory of all processes together, in bytes; and of each process its data segment and private
    /// writable memory (`RLIMIT_DATA`). Address space is not limited: V8 and WebAssembly reserve far
    /// more of it than they use.
    pub memory: Option<u64>,
    /// Processes and threads (and `RLIMIT_NPROC`, which the kernel doesn't apply to root).
    pub processes: Option<u64>,
    /// Processor time of all processes together, in milliseconds.
    pub processor: Option<u64>,
    /// Share of the processors that all processes together get, in hundredths of one. Held by a control
    /// group or not at all.
    pub cpu: Option<u64>,
    /// What it keeps in its own folders, in bytes on the disk.
    pub disk: Option<u64>,
    /// Open descriptors (`RLIMIT_NOFILE`).
    pub open_files: Option<u64>,
    /// Size of any file it writes, in bytes (`RLIMIT_FSIZE`).
    pub file_size: Option<u64>,
}

impl SandboxSpec {
    /// Writes the spec into a sealed memfd, so that nobody can change it between the
    /// parent's decision and the stub's reading.
    ///
    /// # Errors
    /// When memory or descriptors run out, or a path is not UTF-8.
    pub fn to_sealed_memory(&self) -> io::Result<OwnedFd> {
        let memory = memfd_create(
            c"pinfold-spec",
            MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING,
        )?;
        let mut file = std::fs::File::from(memory);
        file.write_all(&Zeroizing::new(serde_json::to_vec(self)?))?;
        fcntl(&file, FcntlArg::F_ADD_SEALS(seals()))?;
        Ok(file.into())
    }

    /// Wipes what only the server itself needs: its variables, and the files of its root.
    pub(super) fn forget_values(&mut self) {
        self.environment.clear();
        if let Some(namespaces) = &mut self.namespaces {
            namespaces.files.clear();
        }
    }

    /// Reads a spec that [`Self::to_sealed_memory`] wrote.
    ///
    /// # Errors
    /// When it is not sealed, too large, or not a spec.
    pub fn from_sealed_memory(memory: OwnedFd) -> Result<Self, SandboxError> {
        let mut file = std::fs::File::from(memory);
        let present = fcntl(&file, FcntlArg::F_GET_SEALS)
            .map_err(|errno| SandboxError::ReadSpec(errno.into()))?;
        if !SealFlag::from_bits_truncate(present).contains(seals()) {
            return Err(SandboxError::SpecNotSealed);
        }
        let mut text = Zeroizing::new(Vec::new());
        file.seek(SeekFrom::Start(0))
            .map_err(SandboxError::ReadSpec)?;
        file.take(MAX_SPEC_BYTES)
            .read_to_end(&mut text)
            .map_err(SandboxError::ReadSpec)?;
        serde_json::from_slice(&text).map_err(SandboxError::ParseSpec)
    }
}

fn seals() -> SealFlag {
    SealFlag::F_SEAL_SEAL | SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_WRITE
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec() -> SandboxSpec {
        SandboxSpec {
            program: "/bin/true".into(),
            arguments: vec!["true".into()],
            environment: vec![("LANG".into(), "C".into())],
            working_directory: "/".into(),
            filesystem: vec![PathRule {
                path: "/bin/true".into(),
                access: Access::Execute,
            }],
            network: Network::Ports(vec![443]),
            own_sockets: false,
            namespaces: Some(Namespaces {
                links: vec![Link {
                    path: "/lib".into(),
                    target: "usr/lib".into(),
                }],
                short_name: Some(ShortName {
                    folder: "/store/tree".into(),
                    name: CODE.into(),
                }),
                files: vec![OwnFile {
                    path: "/etc/hosts".into(),
                    text: "127.0.0.1 localhost\n".into(),
                    is_private: false,
                }],
                shared_memory: 1 << 20,
                temporary: 1 << 20,
            }),
            landlock_abi: Some(4),
            limits: ResourceLimits {
                open_files: Some(64),
                ..Default::default()
            },
            own_folders: vec!["/var/tmp".into()],
            filters: vec![vec![0x6_0000_7fff_0000]],
            own_list: None,
            observed: false,
        }
    }

    #[test]
    fn code_has_a_second_name_where_nothing_granted_has_it() {
        let tree = Path::new("/store/tree");
        let rule = |path: &str| PathRule {
            path: path.into(),
            access: Access::Read,
        };
        let link = |path: &str| Link {
            path: path.into(),
            target: "elsewhere".into(),
        };
        let elsewhere = [rule("/store/tree"), rule("/mcp-data")];
        let short = ShortName::of_code(tree, &elsewhere, &[link("/lib")]).unwrap();
        for taken in ["/mcp", "/mcp/data"] {
            assert_eq!(ShortName::of_code(tree, &[rule(taken)], &[]), None);
            assert_eq!(ShortName::of_code(tree, &elsewhere, &[link(taken)]), None);
        }
        for (text, expected) in [
            ("/store/tree", "/mcp"),
            ("/store/tree/", "/mcp/"),
            ("/store/tree/index.js", "/mcp/index.js"),
            ("--root=/store/tree/a/../b", "--root=/mcp/a/../b"),
            ("/store/tree/a:/store/tree:/b", "/mcp/a:/mcp:/b"),
            ("/store/trees", "/store/trees"),
            (
                "/store/tree.index and /store/tree",
                "/store/tree.index and /mcp",
            ),
            ("", ""),
            ("index.js", "index.js"),
        ] {
            assert_eq!(short.shorten(text), expected);
        }
        let long = |name: &str| short.lengthen(Path::new(name));
        assert_eq!(long("/mcp").unwrap().as_os_str(), "/store/tree");
        assert_eq!(
            long("/mcp/index.js").unwrap().as_os_str(),
            "/store/tree/index.js"
        );
        assert_eq!(long("/mcps/x"), None);
    }

    #[test]
    fn survives_the_way_to_the_stub() {
        let memory = spec().to_sealed_memory().unwrap();
        assert_eq!(SandboxSpec::from_sealed_memory(memory).unwrap(), spec());
    }

    #[test]
    fn sealed_memory_cannot_be_written() {
        let mut file = std::fs::File::from(spec().to_sealed_memory().unwrap());
        file.seek(SeekFrom::Start(0)).unwrap();
        assert!(file.write_all(b"x").is_err());
    }

    #[test]
    fn what_is_printed_of_it_has_no_values() {
        let mut spec = spec();
        let printed = format!("{spec:?}");
        assert!(
            printed.contains("LANG") && !printed.contains("localhost"),
            "{printed}"
        );
        spec.forget_values();
        assert!(spec.environment.is_empty());
    }

    #[test]
    fn unsealed_memory_is_refused() {
        let memory = memfd_create(c"open", MFdFlags::MFD_ALLOW_SEALING).unwrap();
        let mut file = std::fs::File::from(memory);
        file.write_all(&serde_json::to_vec(&spec()).unwrap())
            .unwrap();
        assert!(matches!(
            SandboxSpec::from_sealed_memory(file.into()),
            Err(SandboxError::SpecNotSealed)
        ));
    }
}
