//! The monitor: the stub's other half, which outlives pinfold by one purpose.
//!
//! It is the subreaper of everything that the server starts, so a process that
//! double-forks and calls setsid(2) still becomes its child. When the server
//! ends, when the parent says so, or when the parent's end of the control pipe
//! closes because pinfold was killed, it ends them all and exits.

use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use super::{SandboxError, StepFailure, descendants, stub};
use crate::sys;

/// The parent's word for "ask them all to end" (SIGTERM).
pub const TERMINATE: u8 = b'T';
/// The parent's word for "end them all" (SIGKILL); closing the pipe means the same.
pub const KILL: u8 = b'K';

/// Watches until no process of the session is left; returns the code to exit with.
pub(super) fn watch(server: Pid, control: &OwnedFd) -> i32 {
    match supervise(server, control) {
        Ok(code) => code,
        Err(error) => {
            descendants::kill_all(|| reap(server, &mut None));
            // Standard error is the server's log until the streams are given up.
            let message = StepFailure::from(&error).message;
            let _ = std::io::Write::write_all(&mut std::io::stderr(), message.as_bytes());
            stub::REFUSED
        }
    }
}

fn supervise(server: Pid, control: &OwnedFd) -> Result<i32, SandboxError> {
    let watch_children = |errno: nix::Error| SandboxError::WatchChildren(errno.into());
    let mut child_signal = SigSet::empty();
    child_signal.add(Signal::SIGCHLD);
    child_signal.thread_block().map_err(watch_children)?;
    let ended = SignalFd::with_flags(
        &child_signal,
        SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK,
    )
    .map_err(watch_children)?;
    // The session ends when the server's last pipe end is closed: this process must hold none.
    sys::null_standard_streams().map_err(SandboxError::WatchChildren)?;

    let mut code = None;
    loop {
        // Before the first wait: a child that ended before the signal was blocked sent none.
        while let Ok(Some(_)) = ended.read_signal() {}
        let left = reap(server, &mut code);
        if left && code.is_some() {
            // The server is gone; what it left behind goes with it.
            descendants::kill_all(|| reap(server, &mut code));
            continue;
        }
        if !left {
            return Ok(code.unwrap_or(stub::REFUSED));
        }
        let mut waiting = [
            PollFd::new(ended.as_fd(), PollFlags::POLLIN),
            PollFd::new(control.as_fd(), PollFlags::POLLIN),
        ];
        match poll(&mut waiting, PollTimeout::NONE) {
            Ok(_) | Err(nix::Error::EINTR) => {}
            Err(errno) => return Err(watch_children(errno)),
        }
        if waiting[1]
            .revents()
            .is_some_and(|events| !events.is_empty())
        {
            match next_word(control) {
                Some(TERMINATE) => descendants::signal_all(Signal::SIGTERM),
                _ => descendants::kill_all(|| reap(server, &mut code)),
            }
        }
    }
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
