//! Who is at the other end of a connection.

use std::fs;
use std::io;
use std::os::fd::AsFd;

use nix::sys::socket::getsockopt;
use nix::sys::socket::sockopt::PeerCredentials;

use super::DaemonError;
use super::protocol::Client;
use crate::lockfile::printable;

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
        pid,
        command: printable(String::from_utf8_lossy(&command).trim_end(), MAX_COMMAND),
    }
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
