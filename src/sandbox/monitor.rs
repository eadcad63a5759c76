//! The monitor: the stub's other half, which outlives pinfold by one purpose.
//!
//! It is the subreaper of everything that the server starts, so a process that
//! double-forks and calls setsid(2) still becomes its child. When the server
//! ends, when the parent says so, or when the parent's end of the control pipe
//! closes because pinfold was killed, it ends them all and exits.

use std::io::Read;
use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::socket::MsgFlags;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, getpid};

use super::watch::Watch;
use super::{Report, SandboxError, SandboxSpec, StepFailure, descendants, stub, usage};
use crate::sys::{self, PidFd};

/// The parent's word for "execute the server".
pub const GO: u8 = b'G';
/// The parent's word for "ask them all to end" (SIGTERM).
pub const TERMINATE: u8 = b'T';
/// The parent's word for "end them all" (SIGKILL); closing the pipe means the same.
pub const KILL: u8 = b'K';

/// Signals by which somebody else, a service manager for example, asks the monitor to end.
const STOP_SIGNALS: [Signal; 4] = [
    Signal::SIGTERM,
    Signal::SIGINT,
    Signal::SIGHUP,
    Signal::SIGQUIT,
];

/// What the monitor needs of the kernel, asked for before there is anything to watch: a server
/// whose monitor can't work must not start.
pub(super) fn prepare() -> Result<SignalFd, SandboxError> {
    let watch_children = |errno: nix::Error| SandboxError::WatchChildren(errno.into());
    // Nothing but SIGKILL may end this process while others of the session live.
    SigSet::all().thread_block().map_err(watch_children)?;
    let mut heeded: SigSet = STOP_SIGNALS.into_iter().collect();
    heeded.add(Signal::SIGCHLD);
    let signals = SignalFd::with_flags(&heeded, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
        .map_err(watch_children)?;
    // Descendants are ended through process descriptors. This signal is blocked and means nothing yet.
    PidFd::open(getpid())
        .and_then(|process| process.send(Signal::SIGCHLD))
        .map_err(SandboxError::ProcessDescriptors)?;
    Ok(signals)
}

/// Watches until no process of the session is left, tells the parent how it ended, and returns the
/// code to exit with.
///
/// `gate` is the pipe for which the server waits before it is executed.
pub(super) fn watch(
    server: Pid,
    spec: &SandboxSpec,
    control: &OwnedFd,
    gate: &OwnedFd,
    signals: &SignalFd,
) -> i32 {
    match supervise(server, spec, control, gate, signals) {
        Ok(report) => {
            tell(control, &report);
            report.code
        }
        Err(error) => {
            descendants::kill_all(|| reap(server, &mut None));
            // Standard error is the server's log until the streams are given up.
            let message = StepFailure::from(&error).message;
            let _ = std::io::Write::write_all(&mut std::io::stderr(), message.as_bytes());
            stub::REFUSED
        }
    }
}

fn supervise(
    server: Pid,
    spec: &SandboxSpec,
    control: &OwnedFd,
    gate: &OwnedFd,
    signals: &SignalFd,
) -> Result<Report, SandboxError> {
    // The session ends when the server's last pipe end is closed: this process must hold none.
    sys::null_standard_streams().map_err(SandboxError::WatchChildren)?;
    let mut watch = Watch::new(&spec.limits, &spec.own_folders);
    let mut exceeded = None;
    let mut code = None;
    loop {
        // Before the first wait: a child that ended before the signal was blocked sent none.
        let mut stop = false;
        while let Ok(Some(signal)) = signals.read_signal() {
            stop |= signal.ssi_signo != Signal::SIGCHLD as u32;
        }
        let left = reap(server, &mut code);
        if left && code.is_none() && exceeded.is_none() {
            exceeded = watch.look();
            stop |= exceeded.is_some();
        }
        if left && (stop || code.is_some()) {
            // The server is gone, or is to go; what it left behind goes with it.
            end_all(server, &mut code);
            continue;
        }
        if !left {
            let of_ended = usage::of_ended_children();
            return Ok(Report {
                code: code.unwrap_or(stub::REFUSED),
                exceeded,
                peak_memory: watch.peak.memory,
                peak_resident: of_ended.memory,
                peak_processes: watch.peak.processes,
                processes_refused: false,
                processor: watch.peak.processor.max(of_ended.processor),
            });
        }
        let mut waiting = [
            PollFd::new(signals.as_fd(), PollFlags::POLLIN),
            PollFd::new(control.as_fd(), PollFlags::POLLIN),
        ];
        match poll(&mut waiting, timeout(watch.pause())) {
            Ok(_) | Err(nix::Error::EINTR) => {}
            Err(errno) => return Err(SandboxError::WatchChildren(errno.into())),
        }
        if waiting[1]
            .revents()
            .is_some_and(|events| !events.is_empty())
        {
            match next_word(control) {
                // A server that has ended meanwhile is noticed above.
                Some(GO) => {
                    let _ = nix::unistd::write(gate, &[GO]);
                    sys::give_back_code();
                }
                Some(TERMINATE) => descendants::signal_all(Signal::SIGTERM),
                _ => end_all(server, &mut code),
            }
        }
    }
}

/// Ends every process of the session. The server first: in the full tier it is process 1 of its
/// namespace, with which the kernel ends all others at once.
fn end_all(server: Pid, code: &mut Option<i32>) {
    if code.is_none() {
        let _ = nix::sys::signal::kill(server, Signal::SIGKILL);
    }
    descendants::kill_all(|| reap(server, code));
}

fn timeout(pause: Option<Duration>) -> PollTimeout {
    let Some(pause) = pause else {
        return PollTimeout::NONE;
    };
    // Rounded up, or the last fraction of a millisecond would be spent in circles.
    let milliseconds = i32::try_from(pause.as_micros().div_ceil(1000)).unwrap_or(i32::MAX);
    PollTimeout::try_from(milliseconds).unwrap_or(PollTimeout::MAX)
}

/// The parent may be gone; then nobody asks.
fn tell(control: &OwnedFd, report: &Report) {
    let record = serde_json::to_vec(report).unwrap_or_default();
    let _ = nix::sys::socket::send(
        control.as_raw_fd(),
        &record,
        MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL,
    );
}

fn next_word(control: &OwnedFd) -> Option<u8> {
    let mut word = [0];
    let mut control = std::fs::File::from(control.try_clone().ok()?);
    (control.read(&mut word).ok()? == 1).then_some(word[0])
}

/// Reaps whoever has ended; notes the server's code; `false` when no child is left.
fn reap(server: Pid, code: &mut Option<i32>) -> bool {
    loop {
        let (ended, result) = match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(pid, result)) => (pid, result),
            Ok(WaitStatus::Signaled(pid, signal, _)) => (pid, 128 + signal as i32),
            Ok(WaitStatus::StillAlive) => return true,
            Ok(_) | Err(nix::Error::EINTR) => continue,
            Err(_) => return false,
        };
        if ended == server {
            *code = Some(result);
        }
    }
}
