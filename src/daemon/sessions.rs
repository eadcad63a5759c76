//! The sessions that run: one process each, the channel to it, and what is known of it.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::process::Child;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use super::frames::Connection;
use super::protocol::{Client, Launch, Order, Report, STREAMS, SessionRow, Status, Target};
use super::{DaemonError, notify};
use crate::sys;

/// Sessions at once.
pub(super) const MAX_SESSIONS: usize = 1024;
/// How long `ps` waits for what a session process says of itself.
const STATUS_PATIENCE: Duration = Duration::from_millis(500);
/// For a session process that was told to end, or whose channel has ended, to be gone.
const ENDING_TIME: Duration = Duration::from_secs(3);
/// For one that doesn't read its channel.
const ORDER_PATIENCE: Duration = Duration::from_millis(500);
/// So many may be starting, for each processor: more would only keep each other waiting, and the
/// daemon from answering those who ask.
const STARTING_PER_PROCESSOR: usize = 4;
/// One that takes longer to start no longer keeps others waiting.
const STARTING_TIME: Duration = Duration::from_secs(1);
/// Questions and orders that wait for one session.
const WAITING_ORDERS: usize = 16;

/// How a session process is started.
#[derive(Clone, Debug)]
pub(super) struct Program {
    /// The verb, before the number of the channel's descriptor.
    pub(super) verb: String,
    /// Behind it.
    pub(super) arguments: Vec<String>,
    /// The manifest and the lock.
    pub(super) files: [PathBuf; 2],
}

/// A client whose server was found to be one that may be served.
pub(super) struct Ask {
    pub(super) server: String,
    pub(super) client: Client,
    pub(super) streams: [OwnedFd; STREAMS],
    pub(super) connection: Connection,
}

/// All sessions.
pub(super) struct Sessions {
    program: Program,
    running: Mutex<Running>,
    free: Arc<Semaphore>,
    starting: Arc<Semaphore>,
    /// Told whenever one begins or ends.
    pub(super) changed: Arc<Notify>,
}

#[derive(Default)]
struct Running {
    last_number: u64,
    sessions: BTreeMap<u64, Session>,
}

/// One of them, as the daemon knows it.
#[derive(Clone)]
struct Session {
    id: String,
    server: String,
    client: Client,
    began: Instant,
    pid: u32,
    files: [Stamp; 2],
    orders: mpsc::Sender<Told>,
}

/// What the task of a session is told.
enum Told {
    Status(oneshot::Sender<Status>),
    Stop(String),
}

/// Which file it is, and in which state (stat(2)); `None` when it isn't there.
type Stamp = Option<[i64; 6]>;

impl Sessions {
    pub(super) fn new(program: Program) -> Self {
        Self {
            program,
            running: Mutex::default(),
            free: Arc::new(Semaphore::new(MAX_SESSIONS)),
            starting: Arc::new(Semaphore::new(
                STARTING_PER_PROCESSOR
                    * std::thread::available_parallelism().map_or(1, usize::from),
            )),
            changed: Arc::default(),
        }
    }

    pub(super) fn count(&self) -> usize {
        MAX_SESSIONS - self.free.available_permits()
    }

    /// Room for one more.
    pub(super) fn admit(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.free).try_acquire_owned().ok()
    }

    /// Starts a session process when it is its turn, and hands it everything; its id.
    pub(super) async fn begin(
        self: &Arc<Self>,
        ask: &Ask,
        room: OwnedSemaphorePermit,
    ) -> Result<String, DaemonError> {
        // Never closed.
        let turn = Arc::clone(&self.starting).acquire_owned().await.ok();
        let files = self.program.files.each_ref().map(stamp);
        let (channel, theirs) = Connection::pair()?;
        let mut child = self.program.spawn(&theirs)?;
        drop(theirs);
        let pid = child.id().unwrap_or_default();
        let (orders, told) = mpsc::channel(WAITING_ORDERS);
        let (number, id) = {
            let mut running = self.running();
            running.last_number += 1;
            (
                running.last_number,
                format!("{}@{}", ask.server, running.last_number),
            )
        };
        let launch = Launch {
            session: id.clone(),
            server: ask.server.clone(),
        };
        if let Err(error) = hand_over(&channel, launch, ask).await {
            // Without its channel it ends; it is reaped in any case.
            let _ = child.start_kill();
            tokio::spawn(async move { child.wait().await });
            return Err(error);
        }
        let session = Session {
            id: id.clone(),
            server: ask.server.clone(),
            client: ask.client.clone(),
            began: Instant::now(),
            pid,
            files,
            orders,
        };
        self.running().sessions.insert(number, session);
        self.changed.notify_one();
        let sessions = Arc::clone(self);
        let name = id.clone();
        tokio::spawn(async move {
            watch(&name, child, channel, told, turn).await;
            sessions.running().sessions.remove(&number);
            drop(room);
            sessions.changed.notify_one();
        });
        Ok(id)
    }

    /// What `ps` shows, in the order of their beginning.
    pub(super) async fn rows(&self) -> Vec<SessionRow> {
        let sessions = self.all();
        let asked: Vec<_> = sessions
            .iter()
            .map(|session| {
                let (answer, answered) = oneshot::channel();
                // One with so much to do is shown as one that doesn't answer.
                let _ = session.orders.try_send(Told::Status(answer));
                answered
            })
            .collect();
        let deadline = Instant::now() + STATUS_PATIENCE;
        let now = self.program.files.each_ref().map(stamp);
        let mut rows = Vec::with_capacity(sessions.len());
        for (session, answered) in sessions.into_iter().zip(asked) {
            let status = timeout_at(deadline, answered).await;
            rows.push(SessionRow {
                age_seconds: session.began.elapsed().as_secs(),
                outdated: session.files != now,
                status: status.ok().and_then(Result::ok),
                id: session.id,
                server: session.server,
                client: session.client,
                session_pid: session.pid,
            });
        }
        rows
    }

    /// Asks sessions to end and to say why; their ids.
    pub(super) async fn stop(&self, target: &Target, reason: &str) -> Vec<String> {
        let mut stopped = Vec::new();
        for session in self.all() {
            let is_meant = match target {
                Target::All => true,
                Target::Named(name) => *name == session.id || *name == session.server,
            };
            if is_meant {
                // One that has just ended needs no telling.
                let _ = session.orders.send(Told::Stop(reason.to_owned())).await;
                stopped.push(session.id);
            }
        }
        stopped
    }

    /// Waits until none is left.
    pub(super) async fn ended(&self) {
        while self.count() > 0 {
            self.changed.notified().await;
        }
    }

    fn all(&self) -> Vec<Session> {
        self.running().sessions.values().cloned().collect()
    }

    fn running(&self) -> MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Program {
    /// This very program, also after an upgrade has replaced its file.
    fn spawn(&self, channel: &OwnedFd) -> io::Result<Child> {
        let mut command = std::process::Command::new("/proc/self/exe");
        command
            .arg0("pinfold-session")
            .arg(&self.verb)
            .arg(channel.as_raw_fd().to_string())
            .args(&self.arguments)
            // A Ctrl-C is for the daemon, which then ends them in order.
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        for name in notify::VARIABLES {
            command.env_remove(name);
        }
        sys::keep_across_exec(&mut command, vec![channel.as_raw_fd()]);
        // Not ended with this value: it ends by itself, and in order, when its channel does.
        tokio::process::Command::from(command).spawn()
    }
}

async fn hand_over(channel: &Connection, launch: Launch, ask: &Ask) -> Result<(), DaemonError> {
    channel.send(&Order::Launch(launch)).await?;
    let [input, output, error] = ask.streams.each_ref().map(|stream| stream.as_fd());
    let descriptors = [input, output, error, ask.connection.as_fd()];
    channel.send_with(&Order::Take, &descriptors).await
}

/// Follows one session process until it has ended.
async fn watch(
    id: &str,
    mut child: Child,
    channel: Connection,
    mut told: mpsc::Receiver<Told>,
    mut turn: Option<OwnedSemaphorePermit>,
) {
    let mut channel = Some(channel);
    let mut asked: Vec<oneshot::Sender<Status>> = Vec::new();
    // When one that should have ended is killed. What it has started ends with it.
    let mut deadline: Option<Instant> = None;
    let started_by = Instant::now() + STARTING_TIME;
    let is_orderly = loop {
        let report = async {
            match &channel {
                Some(channel) => channel.receive::<Report>().await,
                None => std::future::pending().await,
            }
        };
        let late = async {
            match deadline {
                Some(deadline) => sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        };
        let slow = async {
            match turn {
                Some(_) => sleep_until(started_by).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            ended = child.wait() => break ended.is_ok_and(|status| status.code().is_some()),
            () = slow => turn = None,
            report = report => match report {
                Ok(Some(Report::Started)) => turn = None,
                Ok(Some(Report::Status(status))) => {
                    for answer in asked.drain(..) {
                        // Who asked may have gone.
                        let _ = answer.send(status.clone());
                    }
                }
                other => {
                    if let Err(error) = other {
                        tracing::warn!("session {id} says what it should not: {error}");
                    }
                    // It sees the end of its channel, and ends.
                    channel = None;
                    deadline = Some(Instant::now() + ENDING_TIME);
                }
            },
            Some(told) = told.recv() => {
                let order = match told {
                    Told::Status(answer) => {
                        asked.push(answer);
                        Order::Status
                    }
                    Told::Stop(reason) => {
                        deadline = Some(Instant::now() + ENDING_TIME);
                        Order::Stop { reason }
                    }
                };
                if let Some(open) = &channel {
                    let is_stop = matches!(order, Order::Stop { .. });
                    let sent = timeout(ORDER_PATIENCE, open.send(&order)).await;
                    if is_stop && !matches!(sent, Ok(Ok(()))) {
                        channel = None;
                    }
                }
            }
            () = late => {
                tracing::warn!("session {id} did not end in time and is killed");
                deadline = None;
                let _ = child.start_kill();
            }
        }
    };
    if !is_orderly {
        tracing::warn!("session {id} was killed or crashed; its server has ended with it");
    }
}

fn stamp(path: &PathBuf) -> Stamp {
    let found = fs::metadata(path).ok()?;
    let number = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    Some([
        number(found.dev()),
        number(found.ino()),
        number(found.size()),
        found.mtime(),
        found.mtime_nsec(),
        found.ctime_nsec(),
    ])
}
