//! Process 1 of the full tier: it reaps, and takes all others with it when it ends.
//!
//! Inside of the box like the server, with fewer rights, and untouchable for it:
//! the kernel lets no process of a pid namespace signal its process 1
//! (pid_namespaces(7)), and nothing of it can be read or traced.

use std::os::fd::OwnedFd;

use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;

use super::{SandboxError, SandboxSpec, capabilities, seccomp, stub};
use crate::sys;

/// What the process list calls it (at most 15 bytes, prctl(2)).
const NAME: &std::ffi::CStr = c"mcp-init";

/// Takes from this process what only the server needs, and every right; then tells the server's
/// process, which waits for it.
pub(super) fn confine(spec: &SandboxSpec, confined: &OwnedFd) -> Result<(), SandboxError> {
    // The session ends when the server's last pipe end is closed: this process must hold none.
    sys::close_standard_streams().map_err(SandboxError::CloseDescriptors)?;
    capabilities::drop_all()?;
    nix::sys::prctl::set_no_new_privs()
        .map_err(|errno| SandboxError::NoNewPrivileges(errno.into()))?;
    // The process list tells it from the monitor.
    let _ = nix::sys::prctl::set_name(NAME);
    seccomp::install(&spec.filters)?;
    nix::unistd::write(confined, b"+")
        .map(drop)
        .map_err(|errno| SandboxError::Gate(errno.into()))
}

/// Waits for the server; returns the code to end with, at which the kernel ends whatever is left.
pub(super) fn wait(server: Pid) -> i32 {
    sys::give_back_code();
    loop {
        match waitpid(None, None) {
            Ok(WaitStatus::Exited(pid, code)) if pid == server => return code,
            Ok(WaitStatus::Signaled(pid, signal, _)) if pid == server => {
                return 128 + signal as i32;
            }
            Ok(_) | Err(nix::Error::EINTR) => {}
            Err(_) => return stub::REFUSED,
        }
    }
}
