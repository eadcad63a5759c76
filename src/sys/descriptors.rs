//! File descriptors between fork and execve: which survive, and who owns them.

use std::fs::OpenOptions;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

use tokio::io::unix::AsyncFd;

/// Lets the child of `command` inherit `descriptors` at their present numbers.
///
/// Everything that pinfold opens is close-on-exec; this clears the flag in the
/// child only, after the fork, so that no other child can inherit them.
pub fn keep_across_exec(command: &mut Command, descriptors: Vec<RawFd>) {
    let keep_open = move || {
        for &descriptor in &descriptors {
            // SAFETY: fcntl(2) with F_SETFD has no memory effects, whatever the number is.
            if unsafe { libc::fcntl(descriptor, libc::F_SETFD, 0) } == -1 {
                return Err(io::Error::last_os_error());
            }
        }
        Ok(())
    };
    // SAFETY: the closure only calls fcntl(2), which is async-signal-safe, on numbers that it owns a copy of.
    unsafe { command.pre_exec(keep_open) };
}

/// Takes ownership of a descriptor whose number was handed over in the arguments.
///
/// # Errors
/// `EBADF` when no such descriptor is open; standard streams are refused with `EINVAL`.
pub fn adopt(number: RawFd) -> io::Result<OwnedFd> {
    if number <= 2 {
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    }
    // SAFETY: fcntl(2) with F_SETFD has no memory effects, whatever the number is.
    if unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) } == -1 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call above proved that the descriptor is open, and the stub, which was given it by number, adopts it once.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Closes every descriptor above 2 that is not in `keep` (close_range(2), Linux 5.9).
///
/// # Errors
/// Whatever close_range(2) reports; the caller must not go on then.
pub fn close_all_except(keep: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut kept: Vec<u32> = keep
        .iter()
        .filter_map(|descriptor| u32::try_from(descriptor.as_raw_fd()).ok())
        .collect();
    kept.sort_unstable();
    let mut first = 3;
    for number in kept {
        if number > first {
            close_range(first, number - 1)?;
        }
        first = number + 1;
    }
    close_range(first, u32::MAX)
}

/// Closes standard input, output and error of this process.
///
/// # Errors
/// Whatever close_range(2) reports.
pub fn close_standard_streams() -> io::Result<()> {
    close_range(0, 2)
}

fn close_range(first: u32, last: u32) -> io::Result<()> {
    // SAFETY: only descriptors are closed that nothing of Rust owns: the standard streams, and those that were inherited, before the stub has opened its own.
    let result = unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
    if result == -1 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

/// Registers a descriptor with the runtime's event loop, without changing its flags.
///
/// # Errors
/// `EPERM` for kinds of files that epoll(7) doesn't know; whatever epoll_ctl(2) reports.
pub fn watch(descriptor: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an OwnedFd keeps its descriptor open, and the same, for as long as it lives.
    Ok(unsafe { AsyncFd::register(descriptor)? })
}

/// Points standard input, output and error of this process at `/dev/null`.
///
/// # Errors
/// When `/dev/null` can't be opened or duplicated.
pub fn null_standard_streams() -> io::Result<()> {
    let null = OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/null")?;
    for stream in 0..=2 {
        // SAFETY: dup2(2) replaces a standard stream; Rust's handles for those refer to them by number only.
        if unsafe { libc::dup2(null.as_raw_fd(), stream) } == -1 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// Sends this process SIGIO whenever a file is made, removed or renamed in the folder, as long as
/// the descriptor is open (`F_NOTIFY`, fcntl(2)). Without a handler that signal ends the process.
///
/// # Errors
/// What fcntl(2) reports: EINVAL where the kernel has none of it.
pub fn signal_changes(folder: BorrowedFd<'_>) -> io::Result<()> {
    // From uapi/linux/fcntl.h; the last is for more than once.
    const DN_CREATE: u32 = 0x4;
    const DN_DELETE: u32 = 0x8;
    const DN_RENAME: u32 = 0x10;
    const DN_MULTISHOT: u32 = 0x8000_0000;
    let what = DN_CREATE | DN_DELETE | DN_RENAME | DN_MULTISHOT;
    // SAFETY: fcntl(2) with F_NOTIFY has no memory effects.
    if unsafe { libc::fcntl(folder.as_raw_fd(), libc::F_NOTIFY, what) } == -1 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
