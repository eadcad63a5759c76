//! The re-executed stub: one thread, no async runtime, one visible order.
//!
//! It is this very binary, started with a hidden verb and three descriptors: the
//! sealed spec, the status pipe, and the control pipe from
//! the parent. It forks once: the parent half becomes the [`super::monitor`],
//! the child half confines itself and executes the server.

use std::convert::Infallible;
use std::ffi::CString;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use nix::sys::signalfd::SignalFd;
use nix::unistd::{Pid, getpid, setsid};

use super::{
    SandboxError, SandboxSpec, StepFailure, capabilities, landlock, limits, monitor, seccomp,
    self_check,
};
use crate::sys::{self, Forked};

/// The hidden verb; `main` looks for it before anything else.
pub const VERB: &str = "__sandbox-stub";

/// What the stub writes to the status pipe when the box stands. The end of the pipe right after it
/// means that the server was executed.
pub const READY: u8 = b'+';

/// What the process list calls the monitor (at most 15 bytes, prctl(2)).
pub const MONITOR_NAME: &std::ffi::CStr = c"mcp-monitor";

/// The exit code when the box could not be built.
pub const REFUSED: i32 = 125;

/// Runs the stub; `arguments` are those after the verb. Never returns: the monitor exits with the
/// server's code, or with 128 and the number of the signal that ended it.
pub fn main(arguments: impl Iterator<Item = String>) -> ! {
    let numbers: Vec<i32> = arguments.filter_map(|number| number.parse().ok()).collect();
    let &[spec, status, control] = numbers.as_slice() else {
        report_on_stderr(&SandboxError::Arguments);
    };
    let adopt =
        |number| sys::adopt(number).map_err(|source| SandboxError::Adopt { number, source });
    let status = match adopt(status) {
        Ok(status) => status,
        Err(error) => report_on_stderr(&error),
    };
    match (adopt(spec), adopt(control)) {
        (Ok(spec), Ok(control)) => run(spec, status, control),
        (Err(error), _) | (_, Err(error)) => report(status, &error),
    }
}

fn run(spec: OwnedFd, status: OwnedFd, control: OwnedFd) -> ! {
    match prepare(spec, &status, &control) {
        Err(error) => report(status, &error),
        Ok(Prepared {
            forked: Forked::Parent { child },
            signals,
            ..
        }) => {
            // The parent learns from the end of this pipe that the server runs: only the child may hold it.
            drop(status);
            sys::exit_without_cleanup(monitor::watch(child, &control, &signals))
        }
        Ok(Prepared {
            spec,
            monitor,
            forked: Forked::Child,
            signals,
        }) => {
            drop((control, signals));
            let mut status = std::fs::File::from(status);
            let Err(error) = confine_and_execute(&spec, monitor, &mut status);
            report(status.into(), &error)
        }
    }
}

struct Prepared {
    spec: SandboxSpec,
    monitor: Pid,
    forked: Forked,
    signals: SignalFd,
}

fn prepare(spec: OwnedFd, status: &OwnedFd, control: &OwnedFd) -> Result<Prepared, SandboxError> {
    sys::close_all_except(&[spec.as_fd(), status.as_fd(), control.as_fd()])
        .map_err(SandboxError::CloseDescriptors)?;
    let spec = SandboxSpec::from_sealed_memory(spec)?;
    nix::sys::prctl::set_dumpable(false)
        .map_err(|errno| SandboxError::NotDumpable(errno.into()))?;
    // `pkill pinfold` must not meet the one that cleans up after pinfold. Only a convenience: without
    // the name everything else holds.
    let _ = nix::sys::prctl::set_name(MONITOR_NAME);
    // Out of the client's process group and terminal: what ends a session is the control pipe.
    setsid().map_err(|errno| SandboxError::NewSession(errno.into()))?;
    nix::sys::prctl::set_child_subreaper(true)
        .map_err(|errno| SandboxError::Subreaper(errno.into()))?;
    let signals = monitor::prepare()?;
    let monitor = getpid();
    let forked = sys::fork_single_threaded().map_err(SandboxError::Fork)?;
    Ok(Prepared {
        spec,
        monitor,
        forked,
        signals,
    })
}

/// The documented order (ARCHITECTURE.md, "The box"). Descriptors are closed already, and those
/// that remain are close-on-exec.
fn confine_and_execute(
    spec: &SandboxSpec,
    monitor: Pid,
    status: &mut std::fs::File,
) -> Result<Infallible, SandboxError> {
    sys::send_sigkill_when_parent_dies(monitor).map_err(SandboxError::ParentDeath)?;
    setsid().map_err(|errno| SandboxError::NewSession(errno.into()))?;
    sys::default_signal_dispositions().map_err(SandboxError::Signals)?;
    std::env::set_current_dir(&spec.working_directory).map_err(|source| {
        SandboxError::WorkingDirectory {
            path: spec.working_directory.clone(),
            source,
        }
    })?;
    let execution = Execution::prepare(spec)?;
    limits::apply(&spec.limits)?;
    capabilities::drop_all()?;
    nix::sys::prctl::set_no_new_privs()
        .map_err(|errno| SandboxError::NoNewPrivileges(errno.into()))?;
    landlock::restrict(spec)?;
    seccomp::install(&spec.filters)?;
    self_check::run(spec)?;
    // From here on only execve(2) can fail; an end of the pipe without this byte is a stub that died.
    status.write_all(&[READY]).map_err(SandboxError::Status)?;
    execution.execute()
}

/// The arguments of execve(2), made before the box is closed.
struct Execution<'a> {
    spec: &'a SandboxSpec,
    program: CString,
    arguments: Vec<CString>,
    environment: Vec<CString>,
}

impl<'a> Execution<'a> {
    fn prepare(spec: &'a SandboxSpec) -> Result<Self, SandboxError> {
        let c_string = |bytes: &[u8]| CString::new(bytes).map_err(|_| SandboxError::NulByte);
        Ok(Self {
            spec,
            program: c_string(spec.program.as_os_str().as_bytes())?,
            arguments: spec
                .arguments
                .iter()
                .map(|argument| c_string(argument.as_bytes()))
                .collect::<Result<_, _>>()?,
            environment: spec
                .environment
                .iter()
                .map(|(name, value)| c_string(format!("{name}={value}").as_bytes()))
                .collect::<Result<_, _>>()?,
        })
    }

    fn execute(&self) -> Result<Infallible, SandboxError> {
        nix::unistd::execve(&self.program, &self.arguments, &self.environment).map_err(|errno| {
            SandboxError::Execute {
                path: self.spec.program.clone(),
                source: errno.into(),
            }
        })
    }
}

fn report(status: OwnedFd, error: &SandboxError) -> ! {
    let record = serde_json::to_vec(&StepFailure::from(error)).unwrap_or_else(|_| b"{}".to_vec());
    // When even this fails there is nobody left to tell; the exit code remains.
    let _ = std::fs::File::from(status).write_all(&record);
    sys::exit_without_cleanup(REFUSED)
}

fn report_on_stderr(error: &SandboxError) -> ! {
    let _ = writeln!(
        io::stderr(),
        "pinfold: {}",
        StepFailure::from(error).message
    );
    sys::exit_without_cleanup(REFUSED)
}
