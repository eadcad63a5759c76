//! Who connects, what is asked, and what is answered. Everything that waits for somebody else is
//! bounded in number and in time.

use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::net::{SocketFlags, accept_with};
use tokio::io::unix::AsyncFd;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout, timeout_at};

use super::cgroup::{Delegated, NotDelegated};
use super::frames::{Connection, Frame};
use super::keeper::{keep_warm, watch};
use super::process::Program;
use super::protocol::{self, Answer, Places, Request, Target, Wanted};
use super::sessions::{Ask, MAX_SESSIONS, Sessions};
use super::warm::Warming;
use super::{DaemonError, Listening, notify, peer};
use crate::sys;

/// Connections that have not finished their request.
const MAX_PENDING: usize = 64;
/// How long one more waits for its turn.
const PENDING_PATIENCE: Duration = Duration::from_millis(500);
/// For a request, with everything that belongs to it.
const REQUEST_TIME: Duration = Duration::from_secs(5);
/// For saying why a connection is closed.
const FAREWELL_TIME: Duration = Duration::from_millis(200);
/// After accept(2) failed, for example for want of descriptors.
const BREATH: Duration = Duration::from_millis(100);
/// All sessions together have so long to end when the daemon does.
const STOPPING_TIME: Duration = Duration::from_secs(2);
/// For the record of its end, when it has ended everything else: as long as the log waits for its lock.
const RECORDING_TIME: Duration = Duration::from_secs(5);
/// Refusals that are said aloud, and recorded, in a minute; a client could cause any number.
const MAX_SPOKEN: u32 = 30;
const SPOKEN_PERIOD: Duration = Duration::from_secs(60);

/// Whether a server is one for this daemon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Serve,
    /// It can be served without the daemon.
    Unserved(String),
    Refused(String),
}

/// What the daemon is told of everything outside of it.
pub struct Settings {
    /// Its own; requests that mean others are not served.
    pub places: Places,
    /// Beside the manifest.
    pub lock: PathBuf,
    /// The hidden verb of a session process.
    pub verb: &'static str,
    /// Behind the verb and the number of the channel.
    pub arguments: Vec<String>,
    pub questions: Questions,
    /// Where sessions get control groups.
    pub groups: Result<Delegated, NotDelegated>,
    pub warming: Warming,
}

/// Takes an event's name, and what there is to say of it.
pub type RecordEvent = dyn Fn(&'static str, Option<&str>) + Send + Sync;

/// What the daemon asks of whoever knows manifests.
pub struct Questions {
    /// Judges a server by its name, in a thread of its own; reads files.
    pub judge: Box<dyn Fn(&str) -> Verdict + Send + Sync>,
    /// Says what of the manifest and the lock is valid, or why they aren't; reads files.
    pub check: Box<dyn Fn() -> Result<String, String> + Send + Sync>,
    /// Records what the daemon has done; writes files.
    pub record: Box<RecordEvent>,
}

struct Shared {
    places: Places,
    questions: Questions,
    sessions: Arc<Sessions>,
    pending: Arc<Semaphore>,
    spoken: Mutex<(Instant, u32)>,
}

/// Serves until SIGTERM or SIGINT; ends every session then. SIGHUP reads manifest and lock again, to
/// say whether they are valid: each session reads them anew anyway.
///
/// # Errors
/// When signals or the socket can't be waited for.
pub async fn serve(mut listening: Listening, settings: Settings) -> Result<(), DaemonError> {
    let mut hangup = signal(SignalKind::hangup())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut watchdog = notify::watchdog().map(|period| {
        let mut ticks = interval(period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks
    });
    let program = Program {
        verb: settings.verb.to_owned(),
        arguments: settings.arguments.clone(),
        files: [
            PathBuf::from(&settings.places.manifest),
            settings.lock.clone(),
        ],
    };
    let Settings {
        places,
        questions,
        groups,
        warming,
        ..
    } = settings;
    let groups = match groups {
        Ok(groups) => {
            tracing::info!("sessions get control groups in {}", groups.path().display());
            Some(Arc::new(groups))
        }
        Err(reason) => {
            tracing::info!("sessions get no control groups: {reason}");
            None
        }
    };
    let sessions = Arc::new(Sessions::new(program, groups, Arc::new(warming)));
    let reload = Arc::new(Notify::new());
    let shared = Arc::new(Shared {
        sessions: Arc::clone(&sessions),
        places,
        questions,
        pending: Arc::new(Semaphore::new(MAX_PENDING)),
        spoken: Mutex::new((Instant::now(), 0)),
    });
    let changes = watch(&sessions);
    let socket = sys::watch(listening.take_socket()?)?;
    let accepting = tokio::spawn(accept_all(socket, Arc::clone(&shared)));
    let found = shared.check().await;
    shared.record("start", Some(&found)).await;
    notify::ready(&found);
    let keeping =
        changes.map(|changes| tokio::spawn(keep_warm(sessions, changes, Arc::clone(&reload))));
    loop {
        let tick = async {
            match &mut watchdog {
                Some(ticks) => ticks.tick().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = tick => notify::alive(),
            _ = hangup.recv() => {
                notify::reloading();
                let found = shared.check().await;
                shared.record("reload", Some(&found)).await;
                notify::ready(&found);
                reload.notify_one();
            }
            () = shared.sessions.changed.notified() => {
                notify::status(&format!("sessions: {}", shared.sessions.count()));
            }
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
        }
    }
    notify::stopping();
    accepting.abort();
    if let Some(keeping) = keeping {
        keeping.abort();
    }
    let reason = "pinfold's daemon was stopped, and its sessions with it";
    let ended = async {
        shared.sessions.stop(&Target::All, reason).await;
        shared.sessions.ended().await;
    };
    if timeout(STOPPING_TIME, ended).await.is_err() {
        // The end of this process is the end of their channels.
        tracing::warn!("{} sessions are still ending", shared.sessions.count());
    }
    let _ = timeout(RECORDING_TIME, shared.record("stop", None)).await;
    Ok(())
}

async fn accept_all(socket: AsyncFd<OwnedFd>, shared: Arc<Shared>) {
    loop {
        let accepted = match accept(&socket).await {
            Ok(accepted) => accepted,
            Err(error) => {
                shared.say(&format!("a connection could not be taken: {error}"));
                sleep(BREATH).await;
                continue;
            }
        };
        let Ok(connection) = Connection::new(accepted) else {
            continue;
        };
        let pid = match peer::own_peer(&connection) {
            Ok(pid) => pid,
            Err(error) => {
                shared.refuse(&connection, 0, &error).await;
                continue;
            }
        };
        let pending = Arc::clone(&shared.pending).acquire_owned();
        match timeout(PENDING_PATIENCE, pending).await {
            Ok(Ok(pending)) => {
                let shared = Arc::clone(&shared);
                tokio::spawn(async move { shared.attend(connection, pid, pending).await });
            }
            _ => {
                let error = DaemonError::Refused(format!(
                    "{MAX_PENDING} connections have not finished their request; try again"
                ));
                shared.refuse(&connection, pid, &error).await;
            }
        }
    }
}

async fn accept(socket: &AsyncFd<OwnedFd>) -> io::Result<OwnedFd> {
    loop {
        let mut ready = socket.readable().await?;
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        if let Ok(accepted) = ready.try_io(|socket| Ok(accept_with(socket, flags)?)) {
            return accepted;
        }
    }
}

impl Shared {
    /// One connection, until its request is answered.
    async fn attend(
        self: Arc<Self>,
        connection: Connection,
        pid: i32,
        pending: OwnedSemaphorePermit,
    ) {
        let deadline = Instant::now() + REQUEST_TIME;
        let answered = match timeout_at(deadline, connection.receive::<Request>()).await {
            Err(_) => Err(DaemonError::NoAnswer),
            Ok(Err(error)) => Err(error),
            // Somebody looked whether anybody is here.
            Ok(Ok(None)) => return,
            Ok(Ok(Some(request))) => match request {
                Request::Run(wanted) => {
                    return self.run(connection, pid, wanted, deadline, pending).await;
                }
                Request::Streams => Err(DaemonError::Descriptors),
                Request::Ps => self.ps(&connection).await,
                Request::Stop(target) => self.stop(&connection, &target).await,
                Request::Held => self.held(&connection).await,
                Request::Show { call } => self.show(&connection, &call).await,
                Request::Decide { call, accept } => {
                    self.decide(&connection, pid, &call, accept).await
                }
            },
        };
        if let Err(error) = answered {
            self.refuse(&connection, pid, &error).await;
        }
    }

    async fn run(
        self: Arc<Self>,
        connection: Connection,
        pid: i32,
        wanted: Wanted,
        deadline: Instant,
        pending: OwnedSemaphorePermit,
    ) {
        let answer = match self.judge(&wanted).await {
            Verdict::Serve => Answer::Ready,
            Verdict::Unserved(reason) => Answer::Unserved {
                reason: protocol::reason(&reason),
            },
            Verdict::Refused(reason) => Answer::Refused {
                reason: protocol::reason(&reason),
            },
        };
        let is_ready = answer == Answer::Ready;
        if timeout_at(deadline, connection.send(&answer))
            .await
            .is_err()
            || !is_ready
        {
            return;
        }
        // Judging took its part of the time; what the client has to do now did not begin before.
        let streams = match timeout(REQUEST_TIME, connection.receive_frame()).await {
            Err(_) => Err(DaemonError::NoAnswer),
            Ok(Err(error)) => Err(error),
            Ok(Ok(None)) => return,
            Ok(Ok(Some(frame))) => streams(frame),
        };
        let streams = match streams {
            Ok(streams) => streams,
            Err(error) => return self.refuse(&connection, pid, &error).await,
        };
        let Some(room) = self.sessions.admit() else {
            let error = DaemonError::Refused(format!("{MAX_SESSIONS} sessions run already"));
            return self.refuse(&connection, pid, &error).await;
        };
        // The request is finished; a session may have to wait for its turn.
        drop(pending);
        let ask = Ask {
            server: wanted.server,
            client: peer::client(pid),
            streams,
            connection,
        };
        match self.sessions.begin(&ask, room).await {
            Ok(id) => tracing::info!("session {id} begins, for process {pid}"),
            Err(error) => self.refuse(&ask.connection, pid, &error).await,
        }
    }

    async fn judge(self: &Arc<Self>, wanted: &Wanted) -> Verdict {
        if wanted.places != self.places {
            return Verdict::Unserved(format!(
                "the daemon serves {}, and this is about another manifest or other folders",
                self.places.manifest
            ));
        }
        let shared = Arc::clone(self);
        let server = wanted.server.clone();
        tokio::task::spawn_blocking(move || (shared.questions.judge)(&server))
            .await
            // Like any error in deciding, a panic is a no.
            .unwrap_or_else(|_| {
                Verdict::Refused("the decision failed, which is a bug of pinfold".to_owned())
            })
    }

    async fn ps(&self, connection: &Connection) -> Result<(), DaemonError> {
        let told = async {
            let (rows, rests) = self.sessions.rows().await;
            let complete = Answer::Complete {
                sessions: rows.len(),
                resting: rests.len(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
                delegated: self.sessions.is_delegated(),
                limits: self.sessions.limits(),
            };
            for row in rows {
                connection.send(&Answer::Session(Box::new(row))).await?;
            }
            for rest in rests {
                connection.send(&Answer::Resting(Box::new(rest))).await?;
            }
            connection.send(&complete).await
        };
        timeout(REQUEST_TIME, told)
            .await
            .unwrap_or(Err(DaemonError::NoAnswer))
    }

    async fn stop(&self, connection: &Connection, target: &Target) -> Result<(), DaemonError> {
        let reason = "the session was stopped (`pinfold stop`)";
        let sessions = self.sessions.stop(target, reason).await;
        let answer = Answer::Stopped { sessions };
        timeout(FAREWELL_TIME, connection.send(&answer))
            .await
            .unwrap_or(Err(DaemonError::NoAnswer))
    }

    async fn held(&self, connection: &Connection) -> Result<(), DaemonError> {
        let told = async {
            let (held, silent) = self.sessions.held().await;
            let sessions = held.len();
            for answer in held {
                connection.send(&answer).await?;
            }
            let complete = Answer::HeldComplete { sessions, silent };
            connection.send(&complete).await
        };
        timeout(REQUEST_TIME, told)
            .await
            .unwrap_or(Err(DaemonError::NoAnswer))
    }

    async fn show(&self, connection: &Connection, call: &str) -> Result<(), DaemonError> {
        let answer = self.sessions.show(call).await?;
        timeout(FAREWELL_TIME, connection.send(&answer))
            .await
            .unwrap_or(Err(DaemonError::NoAnswer))
    }

    async fn decide(
        &self,
        connection: &Connection,
        pid: i32,
        call: &str,
        accept: bool,
    ) -> Result<(), DaemonError> {
        let decided = self.sessions.decide(call, accept).await?;
        let word = if accept { "accepted" } else { "declined" };
        tracing::info!("process {pid} {word} the call {call:?}: {decided:?}");
        timeout(FAREWELL_TIME, connection.send(&Answer::Decided(decided)))
            .await
            .unwrap_or(Err(DaemonError::NoAnswer))
    }

    /// Whether manifest and lock are valid, in words.
    async fn check(self: &Arc<Self>) -> String {
        let shared = Arc::clone(self);
        let checked = tokio::task::spawn_blocking(move || (shared.questions.check)()).await;
        match checked {
            Ok(Ok(found)) => {
                tracing::info!("{found}");
                found
            }
            Ok(Err(problem)) => {
                tracing::warn!("sessions will be refused: {problem}");
                format!("sessions will be refused: {problem}")
            }
            Err(_) => "the check of the manifest failed, which is a bug of pinfold".to_owned(),
        }
    }

    /// Says why a connection is closed, here and to the other side, which may not listen.
    async fn refuse(self: &Arc<Self>, connection: &Connection, pid: i32, error: &DaemonError) {
        let reason = match error {
            DaemonError::NoAnswer => "the request was not finished in time".to_owned(),
            DaemonError::Refused(reason) => reason.clone(),
            DaemonError::ForeignPeer { uid } => {
                format!("this is another user's daemon, and you are user {uid}")
            }
            other => other.to_string(),
        };
        if self.say(&format!("refused a request of process {pid}: {reason}")) {
            let (shared, text) = (Arc::clone(self), format!("process {pid}: {reason}"));
            tokio::spawn(async move { shared.record("refused", Some(&text)).await });
        }
        let answer = Answer::Refused {
            reason: protocol::reason(&reason),
        };
        let _ = timeout(FAREWELL_TIME, connection.send(&answer)).await;
    }

    /// Puts it into the audit log, in a thread of its own.
    async fn record(self: &Arc<Self>, event: &'static str, text: Option<&str>) {
        let (shared, text) = (Arc::clone(self), text.map(str::to_owned));
        // A panic there has been printed.
        let _ = tokio::task::spawn_blocking(move || {
            (shared.questions.record)(event, text.as_deref());
        })
        .await;
    }

    /// Whether it was said, and not kept quiet because there were too many.
    fn say(&self, what: &str) -> bool {
        let mut spoken = self.spoken.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, number) = &mut *spoken;
        if since.elapsed() > SPOKEN_PERIOD {
            (*since, *number) = (Instant::now(), 0);
        }
        *number = number.saturating_add(1);
        if *number <= MAX_SPOKEN {
            tracing::warn!("{what}");
        } else if *number == MAX_SPOKEN + 1 {
            tracing::warn!("further refusals are not shown for a while");
        }
        *number <= MAX_SPOKEN
    }
}

/// The three of a frame that has exactly three.
fn streams(frame: Frame) -> Result<[OwnedFd; protocol::STREAMS], DaemonError> {
    match protocol::read::<Request>(&frame.bytes)? {
        Request::Streams => frame
            .descriptors
            .try_into()
            .map_err(|_| DaemonError::Descriptors),
        _ => Err(DaemonError::Unexpected),
    }
}
