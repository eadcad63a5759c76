//! The re-executed stub: one thread, no async runtime, one visible order.
//!
//! It is this very binary, started with a hidden verb and three descriptors: the
//! sealed spec, the status pipe, and the control pipe from
//! the parent. A fourth is there when the server has a control group: its `cgroup.procs`, open for
//! writing. It forks: the parent half becomes the [`super::monitor`], the child
//! half confines itself, says so, waits for the word to go on, and executes the
//! server. In the full tier the child is process 1 of its own namespaces and forks
//! once more.

use std::borrow::Cow;
use std::convert::Infallible;
use std::ffi::CString;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use nix::fcntl::OFlag;
use nix::sys::signalfd::SignalFd;
use nix::unistd::{Pid, getpid, pipe2, setsid};

use super::namespaces::Identity;
use super::{
    SandboxError, SandboxSpec, StepFailure, capabilities, init, landlock, limits, monitor,
    namespaces, seccomp, self_check,
};
use crate::sys::{self, Forked};

/// The hidden verb; `main` looks for it before anything else.
pub const VERB: &str = "__sandbox-stub";

/// What the stub writes to the status pipe when the box stands. It then waits for [`super::GO`]; the
/// end of the pipe after that means that the server was executed.
pub const READY: u8 = b'+';

/// What the process list calls the monitor (at most 15 bytes, prctl(2)).
pub const MONITOR_NAME: &std::ffi::CStr = c"mcp-monitor";

/// The exit code when the box could not be built.
pub const REFUSED: i32 = 125;

/// Runs the stub; `arguments` are those after the verb. Never returns: the monitor exits with the
/// server's code, or with 128 and the number of the signal that ended it.
pub fn main(arguments: impl Iterator<Item = String>) -> ! {
    let numbers: Vec<i32> = arguments.filter_map(|number| number.parse().ok()).collect();
    let (spec, status, control, group) = match *numbers.as_slice() {
        [spec, status, control] => (spec, status, control, None),
        [spec, status, control, group] => (spec, status, control, Some(group)),
        _ => report_on_stderr(&SandboxError::Arguments),
    };
    let adopt =
        |number| sys::adopt(number).map_err(|source| SandboxError::Adopt { number, source });
    let status = match adopt(status) {
        Ok(status) => status,
        Err(error) => report_on_stderr(&error),
    };
    match (adopt(spec), adopt(control), group.map(adopt).transpose()) {
        (Ok(spec), Ok(control), Ok(group)) => run(spec, status, control, group),
        (Err(error), _, _) | (_, Err(error), _) | (_, _, Err(error)) => report(status, &error),
    }
}

fn run(spec: OwnedFd, status: OwnedFd, control: OwnedFd, group: Option<OwnedFd>) -> ! {
    match prepare(spec, &status, &control, group.as_ref()) {
        Err(error) => report(status, &error),
        Ok(Prepared {
            forked: Forked::Parent { child },
            signals,
            gate,
            mut spec,
            ..
        }) => {
            spec.forget_values();
            // The parent learns from the end of this pipe that the server runs: only the child may hold it.
            drop((status, gate.wait, group));
            sys::exit_without_cleanup(monitor::watch(child, &spec, &control, &gate.open, &signals))
        }
        Ok(Prepared {
            spec,
            outside,
            forked: Forked::Child,
            signals,
            gate,
        }) => {
            drop((signals, gate.open));
            if let Err(error) = group.map_or(Ok(()), |group| enter_group(&spec, group)) {
                report(status, &error);
            }
            become_the_server(&spec, outside, status, control, gate.wait)
        }
    }
}

/// Puts this process into the server's control group, and nobody else: the monitor stays outside, to
/// tell how it ended. All that comes after it is counted there.
fn enter_group(spec: &SandboxSpec, group: OwnedFd) -> Result<(), SandboxError> {
    nix::unistd::write(&group, b"0").map_err(|errno| SandboxError::ControlGroup(errno.into()))?;
    // Whoever holds it could move others.
    drop(group);
    match &spec.namespaces {
        None => Ok(()),
        // Only now: the group in which it is made is all that a cgroup namespace shows.
        Some(_) => namespaces::own_cgroups(),
    }
}

/// What comes after the fork from the monitor. In the full tier there is one more fork, because the
/// first process of a pid namespace has duties that no server knows.
fn become_the_server(
    spec: &SandboxSpec,
    outside: Outside,
    status: OwnedFd,
    control: OwnedFd,
    gate: OwnedFd,
) -> ! {
    let mut waits = Waits {
        parent: outside.monitor,
        init: None,
        gate,
    };
    if let Some(wanted) = &spec.namespaces {
        waits.parent = getpid();
        let entered = namespaces::enter(spec, wanted, outside.identity, &waits.gate, &control);
        drop(control);
        let entered = entered
            .and_then(|()| pipe().map_err(SandboxError::Gate))
            .and_then(|ends| {
                Ok((
                    ends,
                    sys::fork_single_threaded().map_err(SandboxError::Fork)?,
                ))
            });
        match entered {
            Err(error) => report(status, &error),
            Ok(((server_waits, confined), Forked::Parent { child })) => {
                drop((waits, server_waits));
                // When this process ends, the other one ends with it.
                if let Err(error) = init::confine(spec, &confined) {
                    report(status, &error);
                }
                drop((status, confined));
                sys::exit_without_cleanup(init::wait(child))
            }
            Ok(((init, _), Forked::Child)) => waits.init = Some(init),
        }
    } else {
        drop(control);
    }
    let mut status = std::fs::File::from(status);
    let Err(error) = confine_and_execute(spec, &waits, &mut status);
    report(status.into(), &error)
}

/// Whom the server's process waits for before it executes anything. Held until what failed is told:
/// process 1 ends, and this process with it, when it finds nobody at the other end.
struct Waits {
    /// It ends when this one does.
    parent: Pid,
    /// In the full tier: process 1, until it is confined itself.
    init: Option<OwnedFd>,
    /// The monitor, until the parent says the word.
    gate: OwnedFd,
}

fn wait_for_word(from: &OwnedFd) -> Result<(), SandboxError> {
    loop {
        match nix::unistd::read(from, &mut [0]) {
            Ok(0) => return Err(SandboxError::Gate(io::ErrorKind::UnexpectedEof.into())),
            Ok(_) => return Ok(()),
            Err(nix::Error::EINTR) => {}
            Err(errno) => return Err(SandboxError::Gate(errno.into())),
        }
    }
}

fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(pipe2(OFlag::O_CLOEXEC)?)
}

struct Prepared {
    spec: SandboxSpec,
    outside: Outside,
    forked: Forked,
    signals: SignalFd,
    gate: Gate,
}

/// What can't be asked any more from inside.
struct Outside {
    monitor: Pid,
    identity: Identity,
}

/// The pipe through which the monitor lets the server go, once the parent says so. Only the monitor
/// has the end that opens it, so its end tells that the monitor is gone.
struct Gate {
    wait: OwnedFd,
    open: OwnedFd,
}

fn prepare(
    spec: OwnedFd,
    status: &OwnedFd,
    control: &OwnedFd,
    group: Option<&OwnedFd>,
) -> Result<Prepared, SandboxError> {
    let mut kept = vec![spec.as_fd(), status.as_fd(), control.as_fd()];
    kept.extend(group.map(AsFd::as_fd));
    sys::close_all_except(&kept).map_err(SandboxError::CloseDescriptors)?;
    let spec = SandboxSpec::from_sealed_memory(spec)?;
    limits::dump_no_memory()?;
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
    let (wait, open) = pipe2(OFlag::O_CLOEXEC).map_err(|errno| SandboxError::Gate(errno.into()))?;
    let outside = Outside {
        monitor: getpid(),
        identity: Identity::current(),
    };
    let forked = match &spec.namespaces {
        None => sys::fork_single_threaded().map_err(SandboxError::Fork)?,
        Some(_) => {
            let flags = namespaces::flags(&spec.network, group.is_some());
            sys::clone_single_threaded(flags).map_err(|source| SandboxError::Namespaces {
                what: "make them".to_owned(),
                source,
            })?
        }
    };
    Ok(Prepared {
        spec,
        outside,
        forked,
        signals,
        gate: Gate { wait, open },
    })
}

/// The documented order (ARCHITECTURE.md, "The box"). Descriptors are closed already, and those
/// that remain are close-on-exec.
fn confine_and_execute(
    spec: &SandboxSpec,
    waits: &Waits,
    status: &mut std::fs::File,
) -> Result<Infallible, SandboxError> {
    sys::send_sigkill_when_parent_dies(waits.parent).map_err(SandboxError::ParentDeath)?;
    setsid().map_err(|errno| SandboxError::NewSession(errno.into()))?;
    sys::default_signal_dispositions().map_err(SandboxError::Signals)?;
    std::env::set_current_dir(&spec.working_directory).map_err(|source| {
        SandboxError::WorkingDirectory {
            path: spec.working_directory.clone(),
            source,
        }
    })?;
    let execution = Execution::prepare(spec)?;
    limits::apply(&spec.limits, spec.namespaces.is_some())?;
    capabilities::drop_all()?;
    nix::sys::prctl::set_no_new_privs()
        .map_err(|errno| SandboxError::NoNewPrivileges(errno.into()))?;
    landlock::restrict(spec)?;
    if spec.observed {
        // execve(2) would do the same; until then the parent could not take hold of it. The filter
        // refuses it.
        nix::sys::prctl::set_dumpable(true)
            .map_err(|errno| SandboxError::NotDumpable(errno.into()))?;
    }
    seccomp::install(&spec.filters)?;
    self_check::run(spec)?;
    if let Some(init) = &waits.init {
        wait_for_word(init)?;
    }
    // The last layer: what was done until here needs more calls than many servers.
    seccomp::install(&spec.own_list)?;
    // An end of the pipe without this byte is a stub that died.
    status.write_all(&[READY]).map_err(SandboxError::Status)?;
    // The parent may still be looking at the server's files.
    wait_for_word(&waits.gate)?;
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
        let namespaces = spec.namespaces.as_ref();
        let short = namespaces.and_then(|namespaces| namespaces.short_name.as_ref());
        let renamed = |text| short.map_or(Cow::Borrowed(text), |short| short.shorten(text));
        Ok(Self {
            spec,
            program: c_string(spec.program.as_os_str().as_bytes())?,
            arguments: spec
                .arguments
                .iter()
                .map(|argument| c_string(renamed(argument).as_bytes()))
                .collect::<Result<_, _>>()?,
            environment: spec
                .environment
                .iter()
                .map(|(name, value)| {
                    c_string(format!("{name}={}", renamed(value.as_str())).as_bytes())
                })
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
