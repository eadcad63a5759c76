//! The socket that the daemon listens on: made here, or handed over by systemd (sd_listen_fds(3)).

use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{
    FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _,
};
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, sockopt};

use super::DaemonError;
use crate::lockfile::create_private_folder;
use crate::sys;

/// Beside the socket; who holds its lock (flock(2)) is the daemon.
const LOCK: &str = "daemon.lock";
/// Connections that wait to be taken (listen(2)).
const BACKLOG: i32 = 1024;
/// sockaddr_un.sun_path without its closing zero (unix(7)).
const MAX_PATH: usize = 107;
/// The number of the first descriptor that systemd hands over.
const FIRST_HANDED_OVER: i32 = 3;

/// A socket that nobody else listens on, for as long as this lives.
#[derive(Debug)]
pub struct Listening {
    /// `None` once it was taken to be listened on.
    socket: Option<OwnedFd>,
    path: PathBuf,
    /// Whether the socket's name is ours to remove.
    is_own: bool,
    _lock: Flock<File>,
}

impl Listening {
    /// Takes the socket that systemd handed over, or makes one at `path`.
    ///
    /// # Errors
    /// When another daemon is there, or the place can't be used.
    pub fn open(path: &Path) -> Result<Self, DaemonError> {
        let folder = path.parent().ok_or(DaemonError::NoRuntimeFolder)?;
        private_folder(folder)?;
        let lock = lock(&folder.join(LOCK))?;
        let handed_over = handed_over()?;
        let is_own = handed_over.is_none();
        let socket = match handed_over {
            Some(socket) => socket,
            None => bind(path)?,
        };
        Ok(Self {
            socket: Some(socket),
            path: path.to_owned(),
            is_own,
            _lock: lock,
        })
    }

    /// The socket itself, once; its name stays this value's.
    pub(super) fn take_socket(&mut self) -> io::Result<OwnedFd> {
        self.socket
            .take()
            .ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        if self.is_own {
            // The lock is still held, so this is nobody else's yet.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// The address of a socket's path.
pub(super) fn address(path: &Path) -> Result<SocketAddrUnix, DaemonError> {
    SocketAddrUnix::new(path).map_err(|_| DaemonError::PathTooLong {
        path: path.to_owned(),
        most: MAX_PATH,
    })
}

/// A socket of the control protocol's kind.
pub(super) fn new_socket() -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
    Ok(socket)
}

fn private_folder(folder: &Path) -> Result<(), DaemonError> {
    let refused = |found: String| DaemonError::Folder {
        path: folder.to_owned(),
        found,
    };
    create_private_folder(folder).map_err(|error| refused(error.to_string()))?;
    let found = fs::symlink_metadata(folder).map_err(|error| refused(error.to_string()))?;
    let mode = found.mode() & 0o777;
    if !found.is_dir() {
        Err(refused("it is no folder".to_owned()))
    } else if found.uid() != nix::unistd::geteuid().as_raw() {
        Err(refused(format!("it belongs to user {}", found.uid())))
    } else if mode & 0o077 != 0 {
        Err(refused(format!("it has the mode {mode:04o}")))
    } else {
        Ok(())
    }
}

fn lock(path: &Path) -> Result<Flock<File>, DaemonError> {
    let listen = |source| DaemonError::Listen {
        path: path.to_owned(),
        source,
    };
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW)
        .open(path)
        .map_err(listen)?;
    Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, errno)| match errno {
        nix::Error::EWOULDBLOCK => DaemonError::AlreadyRunning {
            path: path.to_owned(),
        },
        other => listen(other.into()),
    })
}

fn bind(path: &Path) -> Result<OwnedFd, DaemonError> {
    let address = address(path)?;
    remove_stale(path, &address)?;
    let listen = |source: io::Error| DaemonError::Listen {
        path: path.to_owned(),
        source,
    };
    let socket = new_socket().map_err(listen)?;
    rustix::net::bind(&socket, &address).map_err(|error| listen(error.into()))?;
    // Nobody can connect before it listens.
    fs::set_permissions(path, Permissions::from_mode(0o600)).map_err(listen)?;
    rustix::net::listen(&socket, BACKLOG).map_err(|error| listen(error.into()))?;
    Ok(socket)
}

/// Removes a socket on which nobody answers. We hold the lock, so no other daemon is about to.
fn remove_stale(path: &Path, address: &SocketAddrUnix) -> Result<(), DaemonError> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Ok(found) if found.file_type().is_socket() => {}
        _ => {
            return Err(DaemonError::NotASocket {
                path: path.to_owned(),
            });
        }
    }
    let asked = new_socket()?;
    match rustix::net::connect(&asked, address) {
        Err(rustix::io::Errno::CONNREFUSED) => Ok(fs::remove_file(path)?),
        _ => Err(DaemonError::InUse {
            path: path.to_owned(),
        }),
    }
}

fn handed_over() -> Result<Option<OwnedFd>, DaemonError> {
    let number = sd_notify::listen_fds()
        .map_err(|error| {
            DaemonError::HandedOver(format!("descriptors that aren't there ({error})"))
        })?
        .len();
    match number {
        0 => return Ok(None),
        1 => {}
        more => return Err(DaemonError::HandedOver(format!("{more} sockets"))),
    }
    let socket = sys::adopt(FIRST_HANDED_OVER)?;
    if !is_ours(&socket) {
        let what = "something else than a listening SOCK_SEQPACKET UNIX socket";
        return Err(DaemonError::HandedOver(what.to_owned()));
    }
    let flags = fcntl_getfl(&socket).map_err(io::Error::from)?;
    fcntl_setfl(&socket, flags | OFlags::NONBLOCK).map_err(io::Error::from)?;
    Ok(Some(socket))
}

fn is_ours(socket: &impl AsFd) -> bool {
    sockopt::socket_domain(socket) == Ok(AddressFamily::UNIX)
        && sockopt::socket_type(socket) == Ok(SocketType::SEQPACKET)
        && sockopt::socket_acceptconn(socket) == Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lockfile::private_test_folder;

    #[test]
    fn only_one_listens_and_a_stale_socket_is_taken_away() {
        let folder = private_test_folder();
        let path = folder.path().join("pinfold/control.sock");
        let first = Listening::open(&path).unwrap();
        assert!(matches!(
            Listening::open(&path),
            Err(DaemonError::AlreadyRunning { .. })
        ));
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
        drop(first);
        assert!(!path.exists());
        // As after SIGKILL: the name is left, and nobody listens.
        drop(bind(&path).unwrap());
        assert!(path.exists());
        drop(Listening::open(&path).unwrap());
    }

    #[test]
    fn what_somebody_else_has_there_is_left_alone() {
        let folder = private_test_folder();
        let path = folder.path().join("pinfold/control.sock");
        create_private_folder(path.parent().unwrap()).unwrap();
        let other = bind(&path).unwrap();
        let opened = Listening::open(&path);
        assert!(matches!(opened, Err(DaemonError::InUse { .. })));
        drop(other);
        fs::remove_file(&path).unwrap();
        File::create(&path).unwrap();
        let opened = Listening::open(&path);
        assert!(matches!(opened, Err(DaemonError::NotASocket { .. })));
        fs::remove_file(&path).unwrap();
        fs::set_permissions(path.parent().unwrap(), Permissions::from_mode(0o750)).unwrap();
        let opened = Listening::open(&path);
        assert!(matches!(opened, Err(DaemonError::Folder { .. })));
        let long = folder.path().join("x".repeat(120)).join("control.sock");
        let opened = Listening::open(&long);
        assert!(matches!(opened, Err(DaemonError::PathTooLong { .. })));
    }

    #[test]
    fn only_a_listening_socket_of_packets_is_ours() {
        let stream = rustix::net::socket(AddressFamily::UNIX, SocketType::STREAM, None).unwrap();
        assert!(!is_ours(&stream));
        let packets = new_socket().unwrap();
        assert!(!is_ours(&packets));
        let folder = private_test_folder();
        assert!(is_ours(&bind(&folder.path().join("s")).unwrap()));
    }
}
