//! What the service manager is told (sd_notify(3)), if there is one.

use std::env;
use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use sd_notify::NotifyState;

/// How long a service manager that doesn't read is waited for, where it counts on being told.
const PATIENCE: Duration = Duration::from_secs(1);

/// Variables by which a service manager speaks to this process, and to no child of it.
pub const VARIABLES: [&str; 6] = [
    "LISTEN_FDNAMES",
    "LISTEN_FDS",
    "LISTEN_PID",
    "NOTIFY_SOCKET",
    "WATCHDOG_PID",
    "WATCHDOG_USEC",
];

/// The daemon listens.
pub(super) fn ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(status)], PATIENCE);
}

pub(super) fn status(status: &str) {
    tell(&[NotifyState::Status(status)], Duration::ZERO);
}

/// Answered by [`ready`] when it is done. systemd wants the time with it.
pub(super) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now], PATIENCE),
        Err(error) => tracing::warn!("the service manager is not told of the reload: {error}"),
    }
}

pub(super) fn stopping() {
    tell(&[NotifyState::Stopping], PATIENCE);
}

pub(super) fn alive() {
    tell(&[NotifyState::Watchdog], Duration::ZERO);
}

/// How often [`alive`] is to be said: at half of the time after which the service manager gives up.
pub(super) fn watchdog() -> Option<Duration> {
    sd_notify::watchdog_enabled()
        .map(|whole| whole / 2)
        .filter(|half| !half.is_zero())
}

/// Nothing is sent by the library: it waits for one who doesn't read, and this thread has everything
/// else to do (after `net.unix.max_dgram_qlen` datagrams, unix(7)).
fn tell(states: &[NotifyState<'_>], patience: Duration) {
    // Without one there is nobody to tell; with one that doesn't listen, nothing to be done.
    let Some(address) = env::var_os("NOTIFY_SOCKET") else {
        return;
    };
    let text: String = states.iter().map(|state| format!("{state}\n")).collect();
    match send(&address, text.as_bytes(), patience) {
        // It has been told the like before, and will be again.
        Err(error) if error.kind() == io::ErrorKind::WouldBlock && patience.is_zero() => {}
        Err(error) => tracing::warn!("the service manager can't be told: {error}"),
        Ok(_) => {}
    }
}

/// `address` is a path, or `@` and a name without one.
fn send(address: &OsStr, text: &[u8], patience: Duration) -> io::Result<usize> {
    let address = match address.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        _ => SocketAddr::from_pathname(address)?,
    };
    let socket = UnixDatagram::unbound()?;
    if patience.is_zero() {
        socket.set_nonblocking(true)?;
    } else {
        socket.set_write_timeout(Some(patience))?;
    }
    socket.send_to_addr(text, &address)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn nobody_waits_for_a_manager_that_does_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        let begun = Instant::now();
        let sent = (0..100_000)
            .map(|_| send(path.as_os_str(), b"WATCHDOG=1\n", Duration::ZERO))
            .take_while(Result::is_ok)
            .count();
        let error = send(path.as_os_str(), b"x", Duration::ZERO).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        // What it counts on waits for a place, and no longer than that.
        let error = send(path.as_os_str(), b"x", Duration::from_millis(20)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        assert!(begun.elapsed() < Duration::from_secs(30));
        // The control: all of them are there.
        socket.set_nonblocking(true).unwrap();
        let mut bytes = [0; 64];
        assert_eq!(
            (0..sent)
                .filter(|_| socket.recv(&mut bytes).is_ok())
                .count(),
            sent
        );
        assert!(sent > 0);
    }

    #[test]
    fn a_manager_without_a_path_is_told() {
        let name = format!("pinfold-{}-notify", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let socket = UnixDatagram::bind_addr(&address).unwrap();
        send(OsStr::new(&format!("@{name}")), b"READY=1\n", PATIENCE).unwrap();
        let mut bytes = [0; 64];
        assert_eq!(socket.recv(&mut bytes).unwrap(), 8);
        assert_eq!(&bytes[..8], b"READY=1\n");
    }
}
