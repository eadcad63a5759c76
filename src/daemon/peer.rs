//! Who is at the other end of a connection.

use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use nix::sys::socket::getsockopt;
use nix::sys::socket::sockopt::PeerCredentials;
use nix::unistd::Pid;
use tokio::io::unix::AsyncFd;

use super::DaemonError;
use super::protocol::Client;
use crate::lockfile::printable;
use crate::sys::{self, PidFd};

/// Characters of a command's name.
const MAX_COMMAND: usize = 64;

/// The other end, which must be of this user.
pub(super) fn own_peer(connection: &impl AsFd) -> Result<i32, DaemonError> {
    let peer = getsockopt(connection, PeerCredentials).map_err(io::Error::from)?;
    let uid = peer.uid();
    if uid != nix::unistd::geteuid().as_raw() {
        return Err(DaemonError::ForeignPeer { uid });
    }
    Ok(peer.pid())
}

/// Who started the process `run_pid`. What isn't known any more stays empty.
pub(super) fn client(run_pid: i32) -> Client {
    let pid = parent(run_pid).unwrap_or(0);
    let command = fs::read(format!("/proc/{pid}/comm")).unwrap_or_default();
    Client {
        run_pid,
        run_began: began(run_pid).unwrap_or(0),
        pid,
        command: printable(String::from_utf8_lossy(&command).trim_end(), MAX_COMMAND),
    }
}

/// The end of the process that made a connection. The connection's own end says less: whoever made it
/// may have given it away, even to the session itself.
pub struct PeerLife(Option<AsyncFd<OwnedFd>>);

impl PeerLife {
    /// Of the process at the other end of `connection`, which the daemon has seen as `client`. Needs a
    /// runtime.
    ///
    /// # Errors
    /// When it is gone.
    pub fn of(connection: &impl AsFd, client: &Client) -> io::Result<Self> {
        let opened = match PidFd::of_peer(connection.as_fd()) {
            Err(error) if error.raw_os_error() == Some(libc::ENOPROTOOPT) => {
                opened_by_number(client)?
            }
            opened => Some(opened?),
        };
        let watched = opened.map(|opened| sys::watch(opened.into_descriptor()));
        Ok(Self(watched.transpose()?))
    }

    /// Waits for its end.
    pub async fn ended(&self) {
        match &self.0 {
            // An error of epoll(7) is no end of a process.
            Some(process) if process.readable().await.is_ok() => {}
            _ => std::future::pending().await,
        }
    }
}

/// By its number, which may by now be another process's: then that one began at another time. `None`
/// where the number says nothing, as with one of another namespace.
fn opened_by_number(client: &Client) -> io::Result<Option<PidFd>> {
    if client.run_pid <= 0 || client.run_began == 0 {
        return Ok(None);
    }
    let opened = PidFd::open(Pid::from_raw(client.run_pid))?;
    // Looked at once it can't become another one any more.
    if began(client.run_pid) == Some(client.run_began) {
        Ok(Some(opened))
    } else {
        Err(io::Error::from_raw_os_error(libc::ESRCH))
    }
}

/// When a process began (proc_pid_stat(5), field 22).
fn began(pid: i32) -> Option<u64> {
    let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
    let stat = String::from_utf8_lossy(&stat);
    // Its name is in brackets and may hold anything.
    let (_, after_name) = stat.rsplit_once(')')?;
    after_name.split_whitespace().nth(19)?.parse().ok()
}

fn parent(pid: i32) -> Option<i32> {
    let status = fs::read(format!("/proc/{pid}/status")).ok()?;
    let status = String::from_utf8_lossy(&status);
    let line = status.lines().find_map(|line| line.strip_prefix("PPid:"))?;
    line.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_end_of_a_process_is_seen_by_number_too() {
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        let found = client(i32::try_from(child.id()).unwrap());
        let other = Client {
            run_began: found.run_began + 1,
            ..found.clone()
        };
        assert!(opened_by_number(&other).is_err());
        assert!(opened_by_number(&Client::default()).unwrap().is_none());
        let opened = opened_by_number(&found).unwrap().unwrap();
        let life = PeerLife(Some(sys::watch(opened.into_descriptor()).unwrap()));
        let moment = std::time::Duration::from_millis(50);
        assert!(tokio::time::timeout(moment, life.ended()).await.is_err());
        child.kill().unwrap();
        child.wait().unwrap();
        life.ended().await;
        assert!(opened_by_number(&found).is_err());
    }

    #[tokio::test]
    async fn who_connected_is_watched() {
        let (one, _other) = crate::daemon::frames::Connection::pair().unwrap();
        // It is this process, which goes on.
        let life = PeerLife::of(&one, &Client::default()).unwrap();
        let moment = std::time::Duration::from_millis(50);
        assert!(tokio::time::timeout(moment, life.ended()).await.is_err());
    }

    #[test]
    fn the_parent_is_the_client() {
        let child = std::process::Command::new("sleep").arg("60").spawn();
        let mut child = child.unwrap();
        let found = client(i32::try_from(child.id()).unwrap());
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(u32::try_from(found.pid).unwrap(), std::process::id());
        assert!(!found.command.is_empty());
        assert_eq!(
            client(-1),
            Client {
                run_pid: -1,
                ..Client::default()
            }
        );
    }
}
