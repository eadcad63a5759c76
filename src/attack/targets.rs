//! What the attacks aim at: a few things that are made for this, and the user's own machine.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::net::{TcpListener, UdpSocket};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener};
use std::path::{Path, PathBuf};

use nix::unistd::Pid;
use serde::{Deserialize, Serialize};
use tempfile::{NamedTempFile, TempDir};

/// In a namespace of its own a server has few processes, so a number up to this may be one of them.
const AMBIGUOUS_PROCESSES: u32 = 1000;

/// What an attacking process is told. It is no secret: what counts is whether it gets there.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Targets {
    /// What is in the planted files.
    pub secret: String,
    /// The user's home folder.
    pub home: Option<PathBuf>,
    /// Its device and its number there.
    pub home_identity: Option<(u64, u64)>,
    /// The planted folder.
    pub folder: PathBuf,
    /// A planted file in shared memory.
    pub shared_memory: Option<PathBuf>,
    /// The process that does the planting: the victim.
    pub process: u32,
    /// Whether a process of the attacker may have the same number.
    pub own_processes: bool,
    /// Where the secret lies in the memory of `process`.
    pub address: usize,
    /// The number of a descriptor that `process` has open, and lets its children inherit.
    pub descriptor: i32,
    pub tcp: u16,
    pub udp: u16,
    /// The name of an abstract socket.
    pub abstract_name: String,
    /// Names of variables of the environment of `process` that no server gets.
    pub variables: Vec<String>,
    /// The machine's name.
    pub machine: String,
    /// A mount point of the machine.
    pub mount: Option<String>,
    /// What a server may use: bytes of memory, bytes of a file, descriptors.
    pub memory: u64,
    pub file_size: u64,
    pub open_files: u64,
}

/// Files and sockets of our own that the attacks aim at; they go when this does.
pub struct Planted {
    folder: TempDir,
    shared_memory: Option<NamedTempFile>,
    secret: String,
    inherited: OwnedFd,
    tcp: TcpListener,
    udp: UdpSocket,
    abstract_name: String,
    _sockets: (UnixListener, UnixDatagram, UnixListener),
}

impl Targets {
    /// A path in the planted folder.
    pub(super) fn planted(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// # Errors
    /// `Unsupported` when the user has none.
    pub(super) fn home(&self) -> io::Result<&Path> {
        self.home
            .as_deref()
            .ok_or_else(|| untried("there is no home folder"))
    }

    /// Whether this is the user's home folder, and not another one of the same name.
    pub(super) fn is_home(&self, found: &fs::Metadata) -> bool {
        self.home_identity == Some((found.dev(), found.ino()))
    }

    /// # Errors
    /// `Unsupported` when its number doesn't tell it from the attacker's own processes.
    pub(super) fn victim(&self) -> io::Result<Pid> {
        if self.own_processes && self.process <= AMBIGUOUS_PROCESSES {
            return Err(untried(
                "the number of the process is so low that one in the box may have it",
            ));
        }
        i32::try_from(self.process)
            .map(Pid::from_raw)
            .map_err(io::Error::other)
    }

    /// A file of the victim in /proc.
    pub(super) fn proc(&self, name: &str) -> io::Result<PathBuf> {
        Ok(format!("/proc/{}/{name}", self.victim()?).into())
    }

    /// Whether `text` holds the secret.
    pub(super) fn told(&self, text: &[u8]) -> bool {
        memchr::memmem::find(text, self.secret.as_bytes()).is_some()
    }
}

/// Something that can't be tried here.
pub(super) fn untried(reason: &str) -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, reason)
}

impl Planted {
    /// Plants them, readable by this user only.
    ///
    /// # Errors
    /// When the temporary folder can't be written, or there are no sockets.
    pub fn new() -> io::Result<Self> {
        let folder = TempDir::with_prefix("pinfold-attack-")?;
        let secret = format!("secret-{}", random()?);
        let abstract_name = format!("pinfold-attack-{}", random()?);
        for name in ["file", "changed", "removed", "renamed", "dated"] {
            File::create_new(folder.path().join(name))?.write_all(secret.as_bytes())?;
        }
        symlink(format!("/nowhere/{secret}"), folder.path().join("link"))?;
        let shared_memory = tempfile::Builder::new()
            .prefix("pinfold-attack-")
            .tempfile_in("/dev/shm")
            .and_then(|mut file| file.write_all(secret.as_bytes()).map(|()| file))
            .ok();
        // dup(2) makes one that every child inherits.
        let inherited = nix::unistd::dup(File::open(folder.path().join("file"))?)?;
        let name = SocketAddr::from_abstract_name(&abstract_name)?;
        let sockets = (
            UnixListener::bind(folder.path().join("agent"))?,
            UnixDatagram::bind(folder.path().join("journal"))?,
            UnixListener::bind_addr(&name)?,
        );
        Ok(Self {
            folder,
            shared_memory,
            secret,
            inherited,
            tcp: TcpListener::bind(("127.0.0.1", 0))?,
            udp: UdpSocket::bind(("127.0.0.1", 0))?,
            abstract_name,
            _sockets: sockets,
        })
    }

    /// What an attacker is told, with the user's home folder; the rest is the caller's to fill in.
    ///
    /// # Errors
    /// When the sockets don't tell their ports.
    pub fn targets(&self, home: Option<PathBuf>) -> io::Result<Targets> {
        let home_found = home.as_ref().and_then(|home| fs::metadata(home).ok());
        Ok(Targets {
            secret: self.secret.clone(),
            home,
            home_identity: home_found.map(|found| (found.dev(), found.ino())),
            folder: self.folder.path().to_owned(),
            shared_memory: self
                .shared_memory
                .as_ref()
                .map(|file| file.path().to_owned()),
            process: std::process::id(),
            own_processes: false,
            address: self.secret.as_ptr().addr(),
            descriptor: self.inherited.as_raw_fd(),
            tcp: self.tcp.local_addr()?.port(),
            udp: self.udp.local_addr()?.port(),
            abstract_name: self.abstract_name.clone(),
            variables: Vec::new(),
            machine: nix::unistd::gethostname()?.to_string_lossy().into_owned(),
            mount: telling_mount(),
            memory: 0,
            file_size: 0,
            open_files: 0,
        })
    }

    /// The folder that the attacks without the box start in.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A file as a client keeps it of what its servers write to standard error.
    ///
    /// # Errors
    /// When it can't be made.
    pub fn log(&self) -> io::Result<File> {
        OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.folder.path().join("log"))
    }
}

/// A name that nobody else has.
fn random() -> io::Result<String> {
    let text = fs::read_to_string("/proc/sys/kernel/random/uuid")?;
    Ok(text.trim().replace('-', ""))
}

/// A mount point that no server has a mount of its own at.
fn telling_mount() -> Option<String> {
    const ALSO_INSIDE: [&str; 5] = ["/", "/dev", "/dev/shm", "/proc", "/tmp"];
    mount_points().ok()?.into_iter().find(|point| {
        !ALSO_INSIDE.contains(&point.as_str())
            && !point.starts_with("/etc/")
            && !point.starts_with("/usr/")
            && !point.starts_with("/dev/")
    })
}

/// The mount points that this process can see, as /proc/self/mountinfo has them (proc(5)).
pub(super) fn mount_points() -> io::Result<Vec<String>> {
    let text = fs::read_to_string("/proc/self/mountinfo")?;
    let points = text.lines().filter_map(|line| line.split(' ').nth(4));
    Ok(points.map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_planted_is_there_and_goes() {
        let planted = Planted::new().unwrap();
        let targets = planted.targets(None).unwrap();
        let text = fs::read(targets.planted("file")).unwrap();
        assert!(targets.told(&text) && !targets.told(b"secret"));
        let again: Targets =
            serde_json::from_str(&serde_json::to_string(&targets).unwrap()).unwrap();
        assert_eq!(again.folder, targets.folder);
        let paths = [Some(targets.folder.clone()), targets.shared_memory.clone()];
        drop(planted);
        for path in paths.into_iter().flatten() {
            assert!(!path.exists(), "{}", path.display());
        }
    }

    #[test]
    fn a_low_number_is_no_victim_where_there_are_own_processes() {
        let mut targets = Planted::new().unwrap().targets(None).unwrap();
        targets.process = 1;
        assert_eq!(targets.victim().unwrap(), Pid::from_raw(1));
        targets.own_processes = true;
        let error = targets.victim().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::Unsupported);
        targets.process = 70_000;
        assert!(targets.victim().is_ok());
    }
}
