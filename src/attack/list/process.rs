//! Other processes, and programs that may not be executed.

use std::fs::{self, File, OpenOptions};
use std::io::{self, IoSliceMut, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;

use nix::sched::{sched_getaffinity, sched_setaffinity};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::ptrace;
use nix::sys::signal::{Signal, kill};
use nix::sys::uio::{RemoteIoVec, process_vm_readv};
use rustix::process::{
    PidfdFlags, PidfdGetfdFlags, getpriority_process, pidfd_getfd, pidfd_open, setpriority_process,
};

use super::super::tiny_program;
use super::{Attack, Group::Process, listed, probe_victim as probe, runs};
use crate::sys::{PidFd, probes};

const NOT_HIDDEN: &str = "that a process exists, and its priorities";
const NOT_STOPPED: &str = "signals to other processes of the same user are not stopped";

pub(super) const ATTACKS: &[Attack] = &[
    Attack::new(
        Process,
        "signal",
        "Send a signal to another process; here none (0).",
        |targets| Ok(kill(targets.victim()?, None).map(|()| true)?),
    )
    .below_landlock(6, NOT_STOPPED),
    Attack::new(
        Process,
        "signal-by-descriptor",
        "Send one through a process descriptor; here one that is ignored (SIGURG).",
        |targets| {
            let victim = PidFd::open(targets.victim()?)?;
            victim.send(Signal::SIGURG).map(|()| true)
        },
    )
    .below_landlock(6, NOT_STOPPED),
    Attack::new(
        Process,
        "existence-by-descriptor",
        "Open a process descriptor, which also tells when it ends.",
        |targets| probe(&probes::DESCRIPTOR_OF, targets),
    )
    .in_base_tier(NOT_HIDDEN),
    Attack::new(
        Process,
        "processes-listed",
        "List all processes in /proc.",
        |targets| {
            let number = targets.victim()?.to_string();
            for entry in fs::read_dir("/proc")? {
                if entry?.file_name() == number.as_str() {
                    return Ok(true);
                }
            }
            Ok(false)
        },
    ),
    Attack::new(
        Process,
        "environment-read",
        "Read the variables that another process was started with.",
        |targets| Ok(!fs::read(targets.proc("environ")?)?.is_empty()),
    ),
    Attack::new(
        Process,
        "arguments-read",
        "Read another process's command line, on which people put passwords.",
        |targets| Ok(!fs::read(targets.proc("cmdline")?)?.is_empty()),
    ),
    Attack::new(
        Process,
        "addresses-read",
        "Read where things lie in another process's memory.",
        |targets| Ok(!fs::read(targets.proc("maps")?)?.is_empty()),
    ),
    Attack::new(
        Process,
        "descriptors-listed",
        "List what another process has open.",
        |targets| listed(&targets.proc("fd")?),
    ),
    Attack::new(
        Process,
        "open-file-by-proc",
        "Open anew what another process has open.",
        |targets| {
            let path = targets.proc("fd")?.join(targets.descriptor.to_string());
            Ok(targets.told(&fs::read(path)?))
        },
    ),
    Attack::new(
        Process,
        "open-file-by-copy",
        "Copy a descriptor out of another process.",
        |targets| {
            let victim = rustix::process::Pid::from_raw(targets.victim()?.as_raw())
                .ok_or(io::ErrorKind::InvalidInput)?;
            let victim = pidfd_open(victim, PidfdFlags::empty())?;
            let copy = pidfd_getfd(victim, targets.descriptor, PidfdGetfdFlags::empty())?;
            let mut text = vec![0; targets.secret.len()];
            File::from(copy).read_exact_at(&mut text, 0)?;
            Ok(targets.told(&text))
        },
    ),
    Attack::new(
        Process,
        "memory-by-file",
        "Read another process's memory as a file.",
        |targets| {
            let memory = File::open(targets.proc("mem")?)?;
            let mut text = vec![0; targets.secret.len()];
            memory.read_exact_at(&mut text, targets.address as u64)?;
            Ok(targets.told(&text))
        },
    ),
    Attack::new(
        Process,
        "memory-by-vector",
        "Read it with process_vm_readv.",
        |targets| {
            let mut text = vec![0; targets.secret.len()];
            let theirs = RemoteIoVec {
                base: targets.address,
                len: text.len(),
            };
            let mut ours = [IoSliceMut::new(&mut text)];
            process_vm_readv(targets.victim()?, &mut ours, &[theirs])?;
            Ok(targets.told(&text))
        },
    ),
    Attack::new(
        Process,
        "traced",
        "Become another process's debugger; it isn't stopped.",
        |targets| Ok(ptrace::seize(targets.victim()?, ptrace::Options::empty()).map(|()| true)?),
    ),
    Attack::new(
        Process,
        "trace-asked-for",
        "Have one's parent debug oneself, through code that has often been wrong.",
        |_| Ok(ptrace::traceme().map(|()| true)?),
    ),
    Attack::new(
        Process,
        "memory-compared",
        "Ask the kernel whether two processes share something, which sorts kernel addresses.",
        |targets| probe(&probes::COMPARE_WITH, targets),
    ),
    Attack::new(
        Process,
        "locks-located",
        "Ask where another process keeps its locks, which is an address in it.",
        |targets| probe(&probes::LOCKS_OF, targets),
    ),
    Attack::new(
        Process,
        "priority-set",
        "Set another process's priority; here to what it is.",
        |targets| {
            let victim = rustix::process::Pid::from_raw(targets.victim()?.as_raw());
            setpriority_process(victim, getpriority_process(victim)?)?;
            Ok(true)
        },
    ),
    Attack::new(
        Process,
        "bound-to-processors",
        "Bind another process to processors; here to those that it has.",
        |targets| {
            let victim = targets.victim()?;
            sched_setaffinity(victim, &sched_getaffinity(victim)?)?;
            Ok(true)
        },
    ),
    Attack::new(
        Process,
        "limit-read",
        "Read another process's limits, by the call that also sets them.",
        |targets| probe(&probes::LIMIT_OF, targets),
    ),
    Attack::new(
        Process,
        "offered-to-be-killed",
        "Choose whether another process is killed first when memory runs out; here as it is.",
        |targets| {
            let path = targets.proc("oom_score_adj")?;
            let text = fs::read(&path)?;
            let mut file = OpenOptions::new().write(true).open(path)?;
            file.write_all(&text).map(|()| true)
        },
    ),
    Attack::new(
        Process,
        "priority-read",
        "Ask for the priority of another process.",
        |targets| {
            let victim = rustix::process::Pid::from_raw(targets.victim()?.as_raw());
            Ok(getpriority_process(victim).map(|_| true)?)
        },
    )
    .in_base_tier(NOT_HIDDEN),
    Attack::new(
        Process,
        "scheduling-read",
        "Ask how another process is scheduled.",
        |targets| probe(&probes::SCHEDULER_OF, targets),
    )
    .in_base_tier(NOT_HIDDEN),
    Attack::new(
        Process,
        "disk-priority-read",
        "Ask for another process's disk priority.",
        |targets| probe(&probes::DISK_PRIORITY_OF, targets),
    )
    .in_base_tier(NOT_HIDDEN),
    Attack::new(Process, "program-run", "Run /bin/true.", |_| {
        runs(Path::new("/bin/true"), &[])
    }),
    Attack::new(Process, "shell-run", "Run a shell.", |_| {
        runs(Path::new("/bin/sh"), &["-c", "exit 0"])
    }),
    Attack::new(
        Process,
        "own-program-run",
        "Run a program that it wrote itself.",
        |_| {
            let path = Path::new("pinfold-attack-program");
            let mut file = OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o700)
                .open(path)?;
            file.write_all(&tiny_program::bytes())?;
            drop(file);
            let ran = runs(&std::env::current_dir()?.join(path), &[]);
            fs::remove_file(path)?;
            ran
        },
    ),
    Attack::new(
        Process,
        "memory-program-run",
        "Run a program that is in no file.",
        |_| {
            let memory = memfd_create(c"pinfold-attack", MFdFlags::MFD_CLOEXEC)?;
            File::from(memory.try_clone()?).write_all(&tiny_program::bytes())?;
            let path = format!("/proc/self/fd/{}", memory.as_raw_fd());
            runs(Path::new(&path), &[])
        },
    ),
];
