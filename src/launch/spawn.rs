//! A spec goes in, a confined process with three pipes comes out.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::Stdio;

use nix::fcntl::OFlag;
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout};

use super::LaunchError;
use crate::sandbox::{KILL, SandboxError, SandboxSpec, StepFailure, TERMINATE, end_orphans, stub};
use crate::sys;

/// A failure record is one line; anything longer is not ours.
const MAX_RECORD_BYTES: u64 = 64 << 10;

/// A server that runs, and its pipes.
pub struct Running {
    pub monitor: Monitor,
    pub stdin: ChildStdin,
    pub stdout: ChildStdout,
    pub stderr: ChildStderr,
}

/// The hold on every process of a session.
///
/// Dropping it closes the control pipe, at which the monitor ends them all.
pub struct Monitor {
    process: Child,
    control: File,
}

/// Starts the stub and waits until the server has been executed.
///
/// The stub is this very program: `/proc/self/exe` also works after an upgrade replaced the file.
///
/// # Errors
/// The step of the sandbox that failed; nothing of the server has run then.
pub async fn spawn(spec: &SandboxSpec) -> Result<Running, LaunchError> {
    // Should the monitor be killed, those that it watched become ours; see `Monitor::ended`.
    nix::sys::prctl::set_child_subreaper(true)
        .map_err(|errno| SandboxError::Subreaper(errno.into()))
        .map_err(step_failed)?;
    let memory = spec
        .to_sealed_memory()
        .map_err(SandboxError::WriteSpec)
        .map_err(step_failed)?;
    let (status, status_end) = pipe_pair().map_err(LaunchError::Spawn)?;
    let (control_end, control) = pipe_pair().map_err(LaunchError::Spawn)?;
    let inherited = [
        memory.as_raw_fd(),
        status_end.as_raw_fd(),
        control_end.as_raw_fd(),
    ];
    let mut command = std::process::Command::new("/proc/self/exe");
    command
        .arg0("mcp-monitor")
        .arg(stub::VERB)
        .args(inherited.map(|number| number.to_string()))
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    sys::keep_across_exec(&mut command, inherited.to_vec());
    let mut monitor = tokio::process::Command::from(command)
        .spawn()
        .map_err(LaunchError::Spawn)?;
    drop((memory, status_end, control_end));
    let (Some(stdin), Some(stdout), Some(stderr)) = (
        monitor.stdin.take(),
        monitor.stdout.take(),
        monitor.stderr.take(),
    ) else {
        return Err(LaunchError::Spawn(io::ErrorKind::BrokenPipe.into()));
    };
    let mut monitor = Monitor {
        process: monitor,
        control: control.into(),
    };
    monitor.executed(status).await?;
    Ok(Running {
        monitor,
        stdin,
        stdout,
        stderr,
    })
}

/// A step of the box that failed on our side of it.
fn step_failed(error: SandboxError) -> LaunchError {
    LaunchError::Sandbox(StepFailure::from(&error))
}

impl Monitor {
    /// Waits for the end of the status pipe, which execve(2) closes.
    async fn executed(&mut self, status: OwnedFd) -> Result<(), LaunchError> {
        let mut record = Vec::new();
        pipe::Receiver::from_owned_fd(status)
            .map_err(LaunchError::Spawn)?
            .take(MAX_RECORD_BYTES)
            .read_to_end(&mut record)
            .await
            .map_err(LaunchError::Spawn)?;
        if record == [stub::READY] {
            return Ok(());
        }
        // Nothing of the server runs.
        let code = self
            .process
            .wait()
            .await
            .map_err(LaunchError::Spawn)?
            .code();
        let failure = record.strip_prefix(&[stub::READY]).unwrap_or(&record);
        Err(serde_json::from_slice::<StepFailure>(failure)
            .map_or(LaunchError::StubDied { code }, LaunchError::Sandbox))
    }

    /// Asks every process of the session to end (SIGTERM).
    pub fn terminate(&mut self) {
        self.tell(TERMINATE);
    }

    /// Ends every process of the session (SIGKILL).
    pub fn kill(&mut self) {
        self.tell(KILL);
    }

    fn tell(&mut self, word: u8) {
        // A monitor that has ended needs no telling.
        let _ = self.control.write_all(&[word]);
    }

    /// Waits until no process of the session is left; returns the server's code, or 128 and the
    /// number of the signal that ended it.
    ///
    /// # Errors
    /// What wait(2) reports.
    pub async fn ended(&mut self) -> io::Result<i32> {
        let status = self.process.wait().await?;
        Ok(status.code().unwrap_or_else(|| {
            // Somebody killed the monitor, so it has ended nobody.
            end_orphans();
            stub::REFUSED
        }))
    }
}

/// (read end, write end), both close-on-exec.
fn pipe_pair() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(nix::unistd::pipe2(OFlag::O_CLOEXEC)?)
}
