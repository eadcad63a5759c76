//! What the service manager is told (sd_notify(3)), if there is one.

use std::time::Duration;

use sd_notify::NotifyState;

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
    tell(&[NotifyState::Ready, NotifyState::Status(status)]);
}

pub(super) fn status(status: &str) {
    tell(&[NotifyState::Status(status)]);
}

/// Answered by [`ready`] when it is done. systemd wants the time with it.
pub(super) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => tracing::warn!("the service manager is not told of the reload: {error}"),
    }
}

pub(super) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

pub(super) fn alive() {
    tell(&[NotifyState::Watchdog]);
}

/// How often [`alive`] is to be said: at half of the time after which the service manager gives up.
pub(super) fn watchdog() -> Option<Duration> {
    sd_notify::watchdog_enabled()
        .map(|whole| whole / 2)
        .filter(|half| !half.is_zero())
}

fn tell(states: &[NotifyState<'_>]) {
    // Without one there is nobody to tell; with one that doesn't listen, nothing to be done.
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!("the service manager can't be told: {error}");
    }
}
