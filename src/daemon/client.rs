//! The other side of the control socket: what `run`, `ps`, `stop` and `approve` ask.

use std::io;
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::time::Duration;

use rustix::io::Errno;
use tokio::time::{sleep, timeout};

use super::frames::Connection;
use super::protocol::{
    Answer, Decided, FromRun, HeldCall, Request, Resting, STREAMS, SessionRow, ShownCall, Target,
    ToRun, Wanted,
};
use super::{DaemonError, peer, socket};

/// For the answers to `ps` and `stop`.
const LONG_PATIENCE: Duration = Duration::from_secs(5);
/// Before trying again to get into a queue that is full.
const QUEUE: Duration = Duration::from_millis(10);

/// What the daemon says to a wish to run a server.
pub enum Reception {
    /// The descriptors may go.
    Ready(Handover),
    /// Not by this daemon.
    Unserved(String),
    Refused(String),
}

/// A connection on which the descriptors are awaited.
pub struct Handover(Connection);

/// A session that serves this process's client.
pub struct RemoteSession(Connection);

/// What came of handing descriptors over.
pub enum Answered {
    Said(ToRun),
    /// They were taken in the very moment in which nobody waited any more. That session may have read
    /// of the client, and ends with this connection.
    TooLate,
}

/// Asks the daemon at `path` to run a server.
///
/// # Errors
/// No daemon, none of this user, none that answers in time.
pub async fn ask_to_run(
    path: &Path,
    wanted: Wanted,
    patience: Duration,
) -> Result<Reception, DaemonError> {
    let asked = async {
        let connection = connect(path).await?;
        connection.send(&Request::Run(wanted)).await?;
        match connection.receive::<Answer>().await? {
            Some(Answer::Ready) => Ok(Reception::Ready(Handover(connection))),
            Some(Answer::Unserved { reason }) => Ok(Reception::Unserved(reason)),
            Some(Answer::Refused { reason }) => Ok(Reception::Refused(reason)),
            Some(_) => Err(DaemonError::Unexpected),
            None => Err(DaemonError::Closed),
        }
    };
    timeout(patience, asked)
        .await
        .unwrap_or(Err(DaemonError::NoAnswer))
}

impl Handover {
    /// Hands the client's standard input, output and error over. Until [`ToRun::Taken`] comes nobody
    /// has read from them.
    ///
    /// # Errors
    /// When the daemon has gone.
    pub async fn give(
        self,
        streams: [BorrowedFd<'_>; STREAMS],
    ) -> Result<RemoteSession, DaemonError> {
        self.0.send_with(&Request::Streams, &streams).await?;
        Ok(RemoteSession(self.0))
    }
}

impl RemoteSession {
    /// What it says next; `None` when it has ended without a word.
    pub async fn next(&self) -> Option<ToRun> {
        // What can't be read is as good as nothing.
        self.0.receive().await.ok().flatten()
    }

    /// Waits until a session has taken the descriptors; gives up when for as long as `patience` neither
    /// that nor a word of waiting came. Once it has given up nobody can take them any more.
    ///
    /// # Errors
    /// [`DaemonError::NoAnswer`] and [`DaemonError::Closed`], after which nobody has read or will read
    /// anything of the client.
    pub async fn taken(&self, patience: Duration) -> Result<Answered, DaemonError> {
        loop {
            match timeout(patience, self.next()).await {
                Ok(Some(ToRun::Waiting)) => {}
                Ok(Some(said)) => return Ok(Answered::Said(said)),
                Ok(None) => return Err(DaemonError::Closed),
                Err(_) => break,
            }
        }
        self.0.hear_no_more()?;
        // It may have come just before.
        loop {
            match self.next().await {
                Some(ToRun::Waiting) => {}
                Some(ToRun::Taken) => return Ok(Answered::TooLate),
                Some(said) => return Ok(Answered::Said(said)),
                None => return Err(DaemonError::NoAnswer),
            }
        }
    }

    /// Tells it of a signal.
    pub async fn signal(&self, number: i32) {
        // One that has ended needs no telling.
        let _ = self.0.send(&FromRun::Signal { number }).await;
    }
}

/// What the daemon tells of its sessions.
pub struct Listing {
    pub sessions: Vec<SessionRow>,
    pub resting: Vec<Resting>,
    /// Of the daemon's pinfold.
    pub version: String,
    /// Whether sessions get control groups.
    pub delegated: bool,
    /// By what the limits of servers are held, in words.
    pub limits: String,
}

/// The sessions of the daemon at `path`, and the servers that should be kept warm and aren't.
///
/// # Errors
/// As [`ask_to_run`].
pub async fn ps(path: &Path) -> Result<Listing, DaemonError> {
    let asked = async {
        let connection = connect(path).await?;
        connection.send(&Request::Ps).await?;
        let mut rows = Vec::new();
        let mut rests = Vec::new();
        loop {
            match connection.receive::<Answer>().await? {
                Some(Answer::Session(row)) => rows.push(*row),
                Some(Answer::Resting(row)) => rests.push(*row),
                Some(Answer::Complete {
                    sessions,
                    resting,
                    version,
                    delegated,
                    limits,
                }) if (sessions, resting) == (rows.len(), rests.len()) => {
                    return Ok(Listing {
                        sessions: rows,
                        resting: rests,
                        version,
                        delegated,
                        limits,
                    });
                }
                Some(Answer::Refused { reason }) => return Err(DaemonError::Refused(reason)),
                Some(_) => return Err(DaemonError::Unexpected),
                None => return Err(DaemonError::Closed),
            }
        }
    };
    timeout(LONG_PATIENCE, asked)
        .await
        .unwrap_or(Err(DaemonError::NoAnswer))
}

/// Asks sessions to end; their ids.
///
/// # Errors
/// As [`ask_to_run`].
pub async fn stop(path: &Path, target: Target) -> Result<Vec<String>, DaemonError> {
    let asked = async {
        let connection = connect(path).await?;
        connection.send(&Request::Stop(target)).await?;
        match connection.receive::<Answer>().await? {
            Some(Answer::Stopped { sessions }) => Ok(sessions),
            Some(Answer::Refused { reason }) => Err(DaemonError::Refused(reason)),
            Some(_) => Err(DaemonError::Unexpected),
            None => Err(DaemonError::Closed),
        }
    };
    timeout(LONG_PATIENCE, asked)
        .await
        .unwrap_or(Err(DaemonError::NoAnswer))
}

/// The calls of one session that wait for the user.
pub struct HeldCalls {
    /// Its id.
    pub session: String,
    pub server: String,
    pub calls: Vec<HeldCall>,
}

/// All calls that wait for the user, and how many sessions did not say.
///
/// # Errors
/// As [`ask_to_run`].
pub async fn held(path: &Path) -> Result<(Vec<HeldCalls>, usize), DaemonError> {
    let asked = async {
        let connection = connect(path).await?;
        connection.send(&Request::Held).await?;
        let mut held = Vec::new();
        loop {
            match connection.receive::<Answer>().await? {
                Some(Answer::Held {
                    session,
                    server,
                    calls,
                }) => held.push(HeldCalls {
                    session,
                    server,
                    calls,
                }),
                Some(Answer::HeldComplete { sessions, silent }) if sessions == held.len() => {
                    return Ok((held, silent));
                }
                other => return Err(not_that(other)),
            }
        }
    };
    timeout(LONG_PATIENCE, asked)
        .await
        .unwrap_or(Err(DaemonError::NoAnswer))
}

/// A call with its arguments, and its server; `None`: no such call waits, or not any more.
///
/// # Errors
/// As [`ask_to_run`].
pub async fn show(path: &Path, call: &str) -> Result<Option<(String, ShownCall)>, DaemonError> {
    let call = call.to_owned();
    match ask(path, Request::Show { call }).await? {
        Some(Answer::Shown { server, call }) => Ok(call.map(|call| (server, *call))),
        other => Err(not_that(other)),
    }
}

/// The user's word about a call.
///
/// # Errors
/// As [`ask_to_run`]. Without an answer it is not known what became of the call.
pub async fn decide(path: &Path, call: &str, accept: bool) -> Result<Decided, DaemonError> {
    let call = call.to_owned();
    match ask(path, Request::Decide { call, accept }).await? {
        Some(Answer::Decided(decided)) => Ok(decided),
        other => Err(not_that(other)),
    }
}

/// One question, and its one answer.
async fn ask(path: &Path, request: Request) -> Result<Option<Answer>, DaemonError> {
    let asked = async {
        let connection = connect(path).await?;
        connection.send(&request).await?;
        connection.receive::<Answer>().await
    };
    timeout(LONG_PATIENCE, asked)
        .await
        .unwrap_or(Err(DaemonError::NoAnswer))
}

fn not_that(answer: Option<Answer>) -> DaemonError {
    match answer {
        Some(Answer::Refused { reason }) => DaemonError::Refused(reason),
        Some(_) => DaemonError::Unexpected,
        None => DaemonError::Closed,
    }
}

async fn connect(path: &Path) -> Result<Connection, DaemonError> {
    let address = socket::address(path)?;
    loop {
        let socket = socket::new_socket()?;
        match rustix::net::connect(&socket, &address) {
            Ok(()) => {
                peer::own_peer(&socket)?;
                return Ok(Connection::new(socket)?);
            }
            // The queue of those that wait to be taken is full.
            Err(Errno::AGAIN) => sleep(QUEUE).await,
            Err(Errno::NOENT | Errno::CONNREFUSED) => {
                return Err(DaemonError::NotRunning {
                    path: path.to_owned(),
                });
            }
            Err(error) => return Err(io::Error::from(error).into()),
        }
    }
}
