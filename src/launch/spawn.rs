//! A spec goes in, a confined process with three pipes comes out.

use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::Stdio;

use nix::fcntl::OFlag;
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout};

use super::alarms::SessionAlarms;
use super::secret_files::SecretFolder;
use super::{LaunchError, network, own_group};
use crate::audit::Recorder;
use crate::cgroup::ServerGroup;
use crate::config::{Alarms, Environment};
use crate::egress::Egress;
use crate::observe::Observer;
use crate::policy::EgressPolicy;
use crate::relay::Redaction;
use crate::sandbox::{
    GO, KILL, Listeners, Network, Report, ResourceLimits, SandboxError, SandboxSpec, StepFailure,
    TERMINATE, end_orphans, server_of, stub,
};
use crate::store::TreeInUse;
use crate::sys;

/// A failure record is one line; anything longer is not ours.
const MAX_RECORD_BYTES: u64 = 64 << 10;

/// A box that stands and waits, with nothing of the server executed in it.
#[must_use]
pub(super) struct Standing {
    running: Running,
    status: pipe::Receiver,
    /// Of a relayed network.
    listeners: Option<Listeners>,
}

/// A server that runs, and its pipes. `Stderr` is the pipe, or what has become of it.
pub struct Running<Stderr = ChildStderr> {
    pub monitor: Monitor,
    pub stdin: ChildStdin,
    pub stdout: ChildStdout,
    pub stderr: Stderr,
    /// What it may use.
    pub limits: ResourceLimits,
    pub alarms: SessionAlarms,
    /// Its network, which is served for as long as this lives.
    pub egress: Option<Egress>,
    /// Its code and its interpreter's, which stay in the store for as long as this lives.
    pub trees: Vec<TreeInUse>,
    /// Its secrets on the disk, which are there for as long as this lives.
    pub secret_folder: Option<SecretFolder>,
}

/// The hold on every process of a session.
///
/// Dropping it closes the control pipe, at which the monitor ends them all.
pub struct Monitor {
    process: Child,
    control: UnixStream,
    limits: ResourceLimits,
    /// The server's control group, where it has one; removed with this.
    group: Option<ServerGroup>,
}

/// Starts the stub and waits until the box stands. The server is then in its control group, if it has
/// one.
///
/// The stub is this very program: `/proc/self/exe` also works after an upgrade replaced the file.
///
/// # Errors
/// The step of the sandbox that failed; nothing of the server has run then.
pub(super) async fn spawn(
    spec: &SandboxSpec,
    group: Option<ServerGroup>,
) -> Result<Standing, LaunchError> {
    // Should the monitor be killed, those that it watched become ours; see `Monitor::ended`.
    nix::sys::prctl::set_child_subreaper(true)
        .map_err(|errno| SandboxError::Subreaper(errno.into()))
        .map_err(step_failed)?;
    let memory = spec
        .to_sealed_memory()
        .map_err(SandboxError::WriteSpec)
        .map_err(step_failed)?;
    let (status, status_end) = pipe_pair().map_err(LaunchError::Spawn)?;
    let (control_end, control) = UnixStream::pair().map_err(LaunchError::Spawn)?;
    let entrance = group
        .as_ref()
        .map(ServerGroup::entrance)
        .transpose()
        .map_err(|error| own_group::failed(&error))?;
    let inherited: Vec<_> = [&memory, &status_end]
        .into_iter()
        .map(OwnedFd::as_raw_fd)
        .chain([control_end.as_raw_fd()])
        .chain(entrance.as_ref().map(OwnedFd::as_raw_fd))
        .collect();
    let mut command = std::process::Command::new("/proc/self/exe");
    command
        .arg0("mcp-monitor")
        .arg(stub::VERB)
        .args(inherited.iter().map(ToString::to_string))
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    sys::keep_across_exec(&mut command, inherited);
    let mut monitor = tokio::process::Command::from(command)
        .spawn()
        .map_err(LaunchError::Spawn)?;
    drop((memory, status_end, control_end, entrance));
    let (Some(stdin), Some(stdout), Some(stderr)) = (
        monitor.stdin.take(),
        monitor.stdout.take(),
        monitor.stderr.take(),
    ) else {
        return Err(LaunchError::Spawn(io::ErrorKind::BrokenPipe.into()));
    };
    let mut monitor = Monitor {
        process: monitor,
        control,
        limits: spec.limits.clone(),
        group,
    };
    let mut status = pipe::Receiver::from_owned_fd(status).map_err(LaunchError::Spawn)?;
    let mut first = Vec::new();
    (&mut status)
        .take(1)
        .read_to_end(&mut first)
        .await
        .map_err(LaunchError::Spawn)?;
    if first != [stub::READY] {
        return Err(monitor.failure(status, first).await?);
    }
    let listeners = match spec.network {
        Network::Relayed(_) => {
            Some(Listeners::receive(&monitor.control).map_err(LaunchError::Spawn)?)
        }
        Network::Off | Network::Ports(_) => None,
    };
    Ok(Standing {
        running: Running {
            monitor,
            stdin,
            stdout,
            stderr,
            limits: spec.limits.clone(),
            alarms: SessionAlarms::new(Alarms::default()),
            egress: None,
            trees: Vec::new(),
            secret_folder: None,
        },
        status,
        listeners,
    })
}

impl Standing {
    /// Keeps the secrets on the disk for as long as the server runs.
    pub(super) fn holding(mut self, folder: Option<SecretFolder>) -> Self {
        self.running.secret_folder = folder;
        self
    }

    /// Listens for these.
    pub(super) fn with_alarms(mut self, alarms: SessionAlarms) -> Self {
        self.running.alarms = alarms;
        self
    }

    /// Answers what the server will ask of its network, if that is relayed.
    ///
    /// # Errors
    /// When it can't be served; the box is taken down then.
    pub(super) fn serve_network(
        &mut self,
        policy: &EgressPolicy,
        environment: &Environment,
        recorder: Option<Recorder>,
        redaction: Redaction,
        observer: Option<Observer>,
    ) -> Result<(), LaunchError> {
        if let Some(listeners) = self.listeners.take() {
            let listener = self.running.alarms.of_egress();
            let egress = network::serve(
                listeners,
                policy,
                environment,
                recorder,
                listener,
                redaction,
                observer,
            )?;
            self.running.egress = Some(egress);
        }
        Ok(())
    }

    /// Lets it be watched from before its first instruction, if anybody is to watch; takes the box
    /// down again where that can't be.
    ///
    /// # Errors
    /// When this machine doesn't let pinfold watch it.
    pub(super) async fn observed_by(
        self,
        observer: Option<Observer>,
        spec: &SandboxSpec,
    ) -> Result<Self, LaunchError> {
        let Some(observer) = observer else {
            return Ok(self);
        };
        let server = self.running.monitor.pid().and_then(server_of);
        match observer.begin(spec, server) {
            Ok(()) => Ok(self),
            Err(error) => {
                self.abandon().await?;
                Err(LaunchError::Observe(error))
            }
        }
    }

    /// Lets the server be executed.
    ///
    /// # Errors
    /// What execve(2) said; nothing of the server has run then.
    pub(super) async fn execute(mut self) -> Result<Running, LaunchError> {
        self.running.monitor.tell(GO);
        let mut first = Vec::new();
        // execve(2) closes the pipe.
        (&mut self.status)
            .take(1)
            .read_to_end(&mut first)
            .await
            .map_err(LaunchError::Spawn)?;
        if first.is_empty() {
            return Ok(self.running);
        }
        Err(self.running.monitor.failure(self.status, first).await?)
    }

    /// Takes the box down again.
    pub(super) async fn abandon(mut self) -> io::Result<()> {
        self.running.monitor.kill();
        self.running.monitor.ended().await.map(drop)
    }
}

/// A step of the box that failed on our side of it.
fn step_failed(error: SandboxError) -> LaunchError {
    LaunchError::Sandbox(StepFailure::from(&error))
}

impl Monitor {
    /// The step that failed, whose record begins with `first`. Nothing of the server runs.
    async fn failure(
        &mut self,
        status: pipe::Receiver,
        first: Vec<u8>,
    ) -> Result<LaunchError, LaunchError> {
        let mut record = first;
        status
            .take(MAX_RECORD_BYTES)
            .read_to_end(&mut record)
            .await
            .map_err(LaunchError::Spawn)?;
        let code = self
            .process
            .wait()
            .await
            .map_err(LaunchError::Spawn)?
            .code();
        // Where two processes fail at the same step, the first record counts.
        Ok(serde_json::Deserializer::from_slice(&record)
            .into_iter::<StepFailure>()
            .next()
            .and_then(Result::ok)
            .map_or(LaunchError::StubDied { code }, LaunchError::Sandbox))
    }

    /// Its own number; `None` when it has ended.
    pub fn pid(&self) -> Option<i32> {
        self.process.id().and_then(|id| i32::try_from(id).ok())
    }

    /// Asks every process of the session to end (SIGTERM).
    pub fn terminate(&mut self) {
        self.tell(TERMINATE);
    }

    /// Ends every process of the session (SIGKILL).
    pub fn kill(&mut self) {
        // The kernel's own way can't be outrun. What it finds is the server's; the monitor ends the rest.
        if let Some(group) = &self.group {
            group.kill();
        }
        self.tell(KILL);
    }

    fn tell(&mut self, word: u8) {
        // A monitor that has ended needs no telling.
        let _ = self.control.write_all(&[word]);
    }

    /// Waits until no process of the session is left; tells how it ended.
    ///
    /// # Errors
    /// What wait(2) reports.
    pub async fn ended(&mut self) -> io::Result<Report> {
        let status = self.process.wait().await?;
        let Some(code) = status.code() else {
            // Somebody killed the monitor, so it has ended nobody.
            if let Some(group) = &self.group {
                group.kill();
            }
            end_orphans();
            let report = Report {
                code: stub::REFUSED,
                ..Report::default()
            };
            return Ok(self.with_counts(report));
        };
        // The other end is closed, so this doesn't wait.
        let mut record = Vec::new();
        let _ = (&self.control)
            .take(MAX_RECORD_BYTES)
            .read_to_end(&mut record);
        let report = serde_json::from_slice(&record).unwrap_or_else(|_| Report {
            code,
            ..Report::default()
        });
        Ok(self.with_counts(report))
    }

    fn with_counts(&self, report: Report) -> Report {
        match &self.group {
            Some(group) => report.counted(&own_group::counted(&group.counts()), &self.limits),
            None => report,
        }
    }
}

/// (read end, write end), both close-on-exec.
fn pipe_pair() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(nix::unistd::pipe2(OFlag::O_CLOEXEC)?)
}
