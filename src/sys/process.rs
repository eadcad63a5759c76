//! Processes: fork of the single-threaded stub, process descriptors, signal dispositions.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::sched::CloneFlags;
use nix::sys::signal::Signal;
use nix::unistd::{ForkResult, Pid};

/// Which side of a fork this is.
pub enum Forked {
    Parent { child: Pid },
    Child,
}

/// Forks a process that has one thread.
///
/// # Errors
/// `EBUSY` when the process has more than one thread, where a fork could copy a held lock;
/// otherwise what fork(2) reports.
pub fn fork_single_threaded() -> io::Result<Forked> {
    only_one_thread()?;
    // SAFETY: there is one thread, checked above, so the child has a consistent copy of all memory.
    match unsafe { nix::unistd::fork() }? {
        ForkResult::Parent { child } => Ok(Forked::Parent { child }),
        ForkResult::Child => Ok(Forked::Child),
    }
}

/// In the box the list of threads can't be read, but their number can.
fn only_one_thread() -> io::Result<()> {
    let alone = match std::fs::read_dir("/proc/self/task") {
        Ok(threads) => threads.count() == 1,
        Err(_) => {
            let status = std::fs::read_to_string("/proc/self/status")?;
            status.lines().any(|line| line == "Threads:\t1")
        }
    };
    if alone {
        Ok(())
    } else {
        Err(io::Error::from_raw_os_error(libc::EBUSY))
    }
}

/// Forks a process that has one thread, the child in new namespaces (clone(2)).
///
/// # Errors
/// `EBUSY` as in [`fork_single_threaded`]; `EPERM` or `ENOSPC` where namespaces are not granted.
pub fn clone_single_threaded(namespaces: CloneFlags) -> io::Result<Forked> {
    only_one_thread()?;
    let flags = namespaces.bits() | libc::SIGCHLD;
    // SAFETY: without CLONE_VM and with a null stack this is a fork, for which one thread, checked above, is the condition; the unused pointers are null.
    let child = unsafe { libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) };
    match i32::try_from(child).map_err(io::Error::other)? {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(Forked::Child),
        child => Ok(Forked::Parent {
            child: Pid::from_raw(child),
        }),
    }
}

/// Asks for SIGKILL when the parent ends, and checks that it hasn't ended already.
///
/// # Errors
/// `ESRCH` when `expected_parent` is gone; otherwise what prctl(2) reports.
pub fn send_sigkill_when_parent_dies(expected_parent: Pid) -> io::Result<()> {
    nix::sys::prctl::set_pdeathsig(Some(Signal::SIGKILL))?;
    if nix::unistd::getppid() == expected_parent {
        Ok(())
    } else {
        Err(io::Error::from_raw_os_error(libc::ESRCH))
    }
}

/// Gives every signal its default disposition and unblocks all of them.
///
/// Rust ignores SIGPIPE, and whoever started us may have ignored or blocked
/// others; ignored and blocked signals would survive execve(2).
pub fn default_signal_dispositions() -> io::Result<()> {
    for number in 1..=libc::SIGRTMAX() {
        if number == libc::SIGKILL || number == libc::SIGSTOP {
            continue;
        }
        // SAFETY: SIG_DFL installs no handler; numbers that libc keeps for itself are refused with EINVAL, which is fine.
        unsafe { libc::signal(number, libc::SIG_DFL) };
    }
    nix::sys::signal::SigSet::empty().thread_set_mask()?;
    Ok(())
}

/// Ends the process at once: no destructors, no buffered output (_exit(2)).
pub fn exit_without_cleanup(code: i32) -> ! {
    // SAFETY: _exit(2) has no preconditions.
    unsafe { libc::_exit(code) }
}

/// A process descriptor (pidfd_open(2), Linux 5.3): it can't come to mean another process.
pub struct PidFd(OwnedFd);

impl PidFd {
    /// # Errors
    /// `ESRCH` when there is no such process.
    pub fn open(pid: Pid) -> io::Result<Self> {
        // SAFETY: pidfd_open(2) takes two integers and returns a new descriptor or -1.
        let descriptor = unsafe { libc::syscall(libc::SYS_pidfd_open, pid.as_raw(), 0) };
        let descriptor = RawFd::try_from(descriptor).map_err(io::Error::other)?;
        if descriptor == -1 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the kernel just returned this descriptor, and nobody else knows it.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(descriptor) }))
    }

    /// The process that connected the other end of `socket` (unix(7), SO_PEERPIDFD, Linux 6.5).
    ///
    /// # Errors
    /// `ENOPROTOOPT` where the kernel doesn't know this; others when that process is gone.
    pub fn of_peer(socket: BorrowedFd<'_>) -> io::Result<Self> {
        let mut descriptor: RawFd = -1;
        let mut length = libc::socklen_t::try_from(size_of::<RawFd>()).map_err(io::Error::other)?;
        // SAFETY: the kernel writes at most `length` bytes, which is the size of `descriptor`, and both outlive the call.
        let result = unsafe {
            libc::getsockopt(
                socket.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_PEERPIDFD,
                (&raw mut descriptor).cast(),
                &raw mut length,
            )
        };
        if result == -1 {
            return Err(io::Error::last_os_error());
        }
        if descriptor < 0 {
            return Err(io::Error::from_raw_os_error(libc::ESRCH));
        }
        // SAFETY: the kernel just returned this descriptor, and nobody else knows it.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(descriptor) }))
    }

    /// The same descriptor, to wait for: it is readable when the process has ended.
    pub fn into_descriptor(self) -> OwnedFd {
        self.0
    }

    /// Sends `signal` (pidfd_send_signal(2)).
    ///
    /// # Errors
    /// `ESRCH` when the process has been reaped.
    pub fn send(&self, signal: Signal) -> io::Result<()> {
        // SAFETY: a null siginfo asks the kernel to fill it in as kill(2) would.
        let result = unsafe {
            libc::syscall(
                libc::SYS_pidfd_send_signal,
                self.0.as_raw_fd(),
                signal as libc::c_int,
                std::ptr::null::<libc::siginfo_t>(),
                0,
            )
        };
        if result == -1 {
            Err(io::Error::last_os_error())
        } else {
            Ok(())
        }
    }
}

impl AsFd for PidFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Makes uid 0 mean nothing, for good: no capabilities through it, through setuid(2), or
/// through ambient sets (capabilities(7), "The securebits flags").
///
/// # Errors
/// `EPERM` without `CAP_SETPCAP`.
pub fn lock_secure_bits() -> io::Result<()> {
    // Each bit and its lock: NOROOT 0/1, NO_SETUID_FIXUP 2/3, KEEP_CAPS is left clear with 5 locked,
    // NO_CAP_AMBIENT_RAISE 6/7 (linux/securebits.h).
    const BITS: libc::c_ulong = 0b1110_1111;
    // SAFETY: PR_SET_SECUREBITS takes a number and touches no memory.
    let result = unsafe { libc::prctl(libc::PR_SET_SECUREBITS, BITS, 0, 0, 0) };
    if result == -1 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

/// Drops one capability from the bounding set; `false` when the kernel knows no such number.
///
/// # Errors
/// `EPERM` without `CAP_SETPCAP`.
pub fn drop_from_bounding_set(number: u32) -> io::Result<bool> {
    // SAFETY: PR_CAPBSET_DROP takes a number and touches no memory.
    let result =
        unsafe { libc::prctl(libc::PR_CAPBSET_DROP, libc::c_ulong::from(number), 0, 0, 0) };
    if result == 0 {
        return Ok(true);
    }
    match io::Error::last_os_error() {
        error if error.raw_os_error() == Some(libc::EINVAL) => Ok(false),
        error => Err(error),
    }
}
