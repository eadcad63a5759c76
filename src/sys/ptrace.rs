//! Watching the system calls of another process (ptrace(2)): what `nix` has of it can't name real-time
//! signals, and has no safe way to the arguments of a call.
//!
//! All of it is about the processes of the calling thread: only the thread that took one over sees
//! its stops and lets it go on.

use std::io::{self, IoSliceMut};

use nix::sys::ptrace::{self, Options};
use nix::sys::uio::{RemoteIoVec, process_vm_readv};
use nix::unistd::Pid;

/// linux/ptrace.h; not in every libc.
const PTRACE_GET_SYSCALL_INFO: libc::c_int = 0x420e;
const PTRACE_LISTEN: libc::c_int = 0x4208;
const PTRACE_EVENT_STOP: libc::c_int = 128;

/// `struct ptrace_syscall_info` in words: kind and architecture, two addresses, and then at entry the
/// number and six arguments, at exit the result and whether it is an error.
const INFO_WORDS: usize = 11;

/// Why a process has stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// It has ended.
    Ended,
    /// At the entry or the exit of a system call.
    SystemCall,
    /// It has executed another program.
    Executed,
    /// It has been asked to, or is new, or has made a new one.
    Trap,
    /// All of its threads are stopped by a signal, until another one lets them go on.
    Group,
    /// A signal, by its number, is about to reach it.
    Signal(i32),
}

/// What is known of a system call at a stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SystemCall {
    Entry {
        /// `AUDIT_ARCH_…` (linux/audit.h) of the interface by which it is made.
        architecture: u32,
        number: i64,
        arguments: [u64; 6],
    },
    /// The result, or `-errno`.
    Exit {
        result: i64,
    },
    Neither,
}

/// Takes a process over without stopping it; those that it makes are taken over, too, and all end
/// with the calling thread.
///
/// # Errors
/// `EPERM` where this user may not trace it, or anybody may (a container's filter, Yama).
pub fn seize(process: Pid) -> io::Result<()> {
    let options = Options::PTRACE_O_TRACESYSGOOD
        | Options::PTRACE_O_TRACEFORK
        | Options::PTRACE_O_TRACEVFORK
        | Options::PTRACE_O_TRACECLONE
        | Options::PTRACE_O_TRACEEXEC
        | Options::PTRACE_O_EXITKILL;
    ptrace::seize(process, options)?;
    Ok(ptrace::interrupt(process)?)
}

/// Waits for the next stop of a process of this thread; `None` when none is left.
///
/// # Errors
/// What waitpid(2) reports.
pub fn next_stop() -> io::Result<Option<(Pid, Stop)>> {
    let mut status = 0;
    loop {
        // Children of other threads are those threads' business.
        let flags = libc::__WALL | libc::__WNOTHREAD;
        // SAFETY: waitpid(2) writes one int, which outlives the call.
        let pid = unsafe { libc::waitpid(-1, &raw mut status, flags) };
        if pid > 0 {
            return Ok(Some((Pid::from_raw(pid), stop_of(status))));
        }
        let error = io::Error::last_os_error();
        match error.raw_os_error() {
            Some(libc::ECHILD) => return Ok(None),
            Some(libc::EINTR) => {}
            _ => return Err(error),
        }
    }
}

fn stop_of(status: libc::c_int) -> Stop {
    const SYSTEM_CALL: libc::c_int = libc::SIGTRAP | 0x80;
    if !libc::WIFSTOPPED(status) {
        return Stop::Ended;
    }
    let signal = libc::WSTOPSIG(status);
    match (status >> 16, signal) {
        (0, SYSTEM_CALL) => Stop::SystemCall,
        (0, signal) => Stop::Signal(signal),
        (PTRACE_EVENT_STOP, libc::SIGTRAP) => Stop::Trap,
        (PTRACE_EVENT_STOP, _) => Stop::Group,
        (libc::PTRACE_EVENT_EXEC, _) => Stop::Executed,
        _ => Stop::Trap,
    }
}

/// Lets a stopped process go on to its next system call, with this signal or 0.
///
/// # Errors
/// `ESRCH` when it has been killed meanwhile.
pub fn resume(process: Pid, signal: i32) -> io::Result<()> {
    // SAFETY: PTRACE_SYSCALL takes a number and touches no memory of this process.
    let result = unsafe { libc::ptrace(libc::PTRACE_SYSCALL, process.as_raw(), 0, signal) };
    checked(result).map(drop)
}

/// Leaves a process in its group's stop, until a signal ends that.
///
/// # Errors
/// `ESRCH` when it has been killed meanwhile.
pub fn leave_stopped(process: Pid) -> io::Result<()> {
    // SAFETY: PTRACE_LISTEN touches no memory of this process.
    let result = unsafe { libc::ptrace(PTRACE_LISTEN as _, process.as_raw(), 0, 0) };
    checked(result).map(drop)
}

/// The system call at which a process has stopped (Linux 5.3).
///
/// # Errors
/// `ESRCH` when it has been killed meanwhile.
pub fn system_call(process: Pid) -> io::Result<SystemCall> {
    let mut words = [0_u64; INFO_WORDS];
    // SAFETY: the kernel writes at most as many bytes as it is told that `words` has, and any bytes are valid there.
    let result = unsafe {
        libc::ptrace(
            PTRACE_GET_SYSCALL_INFO as _,
            process.as_raw(),
            size_of_val(&words),
            words.as_mut_ptr(),
        )
    };
    checked(result)?;
    let [first, _, _, value, arguments @ ..] = words;
    // A byte, three of padding, and the architecture.
    let [kind, _, _, _, a, b, c, d] = first.to_ne_bytes();
    Ok(match kind {
        1 => SystemCall::Entry {
            architecture: u32::from_ne_bytes([a, b, c, d]),
            number: value.cast_signed(),
            arguments: [
                arguments[0],
                arguments[1],
                arguments[2],
                arguments[3],
                arguments[4],
                arguments[5],
            ],
        },
        2 => SystemCall::Exit {
            result: value.cast_signed(),
        },
        _ => SystemCall::Neither,
    })
}

/// Copies memory of a stopped process: as much as is there, at most `into`'s length.
///
/// # Errors
/// `EFAULT` when nothing is there.
pub fn read_memory(process: Pid, address: u64, into: &mut [u8]) -> io::Result<usize> {
    let base = usize::try_from(address).map_err(io::Error::other)?;
    let remote = RemoteIoVec {
        base,
        len: into.len(),
    };
    Ok(process_vm_readv(
        process,
        &mut [IoSliceMut::new(into)],
        &[remote],
    )?)
}

fn checked(result: libc::c_long) -> io::Result<libc::c_long> {
    match result {
        -1 => Err(io::Error::last_os_error()),
        result => Ok(result),
    }
}
