//! The thread that watches: it alone sees the stops of the server's processes, and lets them go on.
//!
//! Whatever ends this thread ends them all (`PTRACE_O_EXITKILL`), so nothing of a server outlives
//! its observation. What it reads of their memory may have been changed by another thread between
//! the look and the call: that makes a report wrong, and the box no wider.

use std::fs::{self, File};
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::sync::mpsc::sync_channel;
use std::thread::{self, JoinHandle};

use nix::unistd::Pid;

use super::collector::Process;
use super::observer::{Observer, TraceError};
use super::table::foreign_name;
use crate::sys::ptrace::{self, Stop, SystemCall};

/// linux/limits.h
const PATH_MAX: usize = 4096;
/// Memory is there, or not there, in pages of at least this size.
const PAGE: u64 = 4096;

/// Takes over the process `server` and everything that comes of it.
pub(super) fn begin(server: Pid, observer: Observer) -> Result<JoinHandle<()>, TraceError> {
    let (tell, told) = sync_channel(1);
    let thread = thread::Builder::new()
        .name("observe".to_owned())
        .spawn(move || {
            let taken = take_over(server);
            let is_taken = taken.is_ok();
            // Whoever started this waits for the answer.
            let _ = tell.send(taken);
            if is_taken {
                watch(&observer);
            }
        })
        .map_err(TraceError::Thread)?;
    match told.recv() {
        Ok(Ok(())) => Ok(thread),
        Ok(Err(source)) => Err(TraceError::Refused {
            hint: hint(),
            source,
        }),
        Err(_) => Err(TraceError::Thread(std::io::ErrorKind::BrokenPipe.into())),
    }
}

fn take_over(server: Pid) -> std::io::Result<()> {
    ptrace::seize(server)?;
    // Its first stop is the one that was asked for.
    match ptrace::next_stop()? {
        Some((process, Stop::Trap)) if process == server => {}
        _ => return Err(std::io::Error::other("the server's process has ended")),
    }
    // An older kernel doesn't know this.
    ptrace::system_call(server)?;
    ptrace::resume(server, 0)
}

fn hint() -> &'static str {
    let scope = fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope").unwrap_or_default();
    match scope.trim() {
        "3" => ": kernel.yama.ptrace_scope is 3, which forbids it to everybody",
        "2" => ": kernel.yama.ptrace_scope is 2, which leaves it to root",
        _ => ": a container whose filter refuses ptrace(2), or a kernel before Linux 5.3",
    }
}

fn watch(observer: &Observer) {
    // An error of waitpid(2) itself ends the thread, and with it the server.
    while let Ok(Some((process, stop))) = ptrace::next_stop() {
        let mut signal = 0;
        match stop {
            Stop::Ended => {
                observer.tell(|collector, _| collector.ends(process.as_raw()));
                continue;
            }
            Stop::Group => {
                let _ = ptrace::leave_stopped(process);
                continue;
            }
            Stop::SystemCall => note(observer, process),
            Stop::Executed => {
                observer.tell(|collector, moment| collector.executes(process.as_raw(), moment));
            }
            Stop::Signal(number) => signal = number,
            Stop::Trap => {}
        }
        // One that was killed meanwhile says so next.
        let _ = ptrace::resume(process, signal);
    }
}

fn note(observer: &Observer, process: Pid) {
    let thread = process.as_raw();
    let stopped = Stopped(process);
    match ptrace::system_call(process) {
        Ok(SystemCall::Entry {
            architecture,
            number,
            arguments,
        }) => observer.tell(|collector, moment| {
            if let Some(name) = foreign_name(architecture, number) {
                collector.enters_foreign(thread, &name, moment);
            } else {
                collector.enters(thread, number, arguments, &stopped);
            }
        }),
        Ok(SystemCall::Exit { result }) => {
            observer.tell(|collector, moment| collector.leaves(thread, result, moment, &stopped));
        }
        Ok(SystemCall::Neither) | Err(_) => {}
    }
}

/// A thread that has stopped.
struct Stopped(Pid);

impl Stopped {
    fn read(&self, address: u64, into: &mut [u8]) -> Option<usize> {
        if address == 0 {
            return None;
        }
        ptrace::read_memory(self.0, address, into)
            // Some containers refuse that, and not this.
            .or_else(|_| File::open(self.entry("mem"))?.read_at(into, address))
            .ok()
    }

    fn entry(&self, name: &str) -> String {
        format!("/proc/{}/{name}", self.0)
    }
}

impl Process for Stopped {
    fn text(&self, address: u64) -> Option<Vec<u8>> {
        let mut text = Vec::new();
        let mut buffer = [0; 256];
        while text.len() < PATH_MAX {
            let here = address.checked_add(u64::try_from(text.len()).ok()?)?;
            // Never over the end of a page: what is behind it need not be there.
            let left = usize::try_from(PAGE - here % PAGE).ok()?;
            let length = left.min(buffer.len());
            let read = self.read(here, buffer.get_mut(..length)?)?;
            let piece = buffer.get(..read).filter(|piece| !piece.is_empty())?;
            if let Some(end) = memchr::memchr(0, piece) {
                text.extend_from_slice(&piece[..end]);
                return Some(text);
            }
            text.extend_from_slice(piece);
        }
        None
    }

    fn bytes(&self, address: u64, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        let read = self.read(address, &mut bytes).unwrap_or(0);
        bytes.truncate(read);
        bytes
    }

    fn working_directory(&self) -> Option<PathBuf> {
        fs::read_link(self.entry("cwd")).ok()
    }

    fn descriptor(&self, number: i32) -> Option<PathBuf> {
        let path = fs::read_link(self.entry(&format!("fd/{number}"))).ok()?;
        // What the kernel adds to the name of a removed file (proc_pid_fd(5)).
        let bytes = path.clone().into_os_string().into_vec();
        match bytes.strip_suffix(b" (deleted)") {
            Some(name) => Some(PathBuf::from(std::ffi::OsString::from_vec(name.to_vec()))),
            None => Some(path),
        }
    }
}
