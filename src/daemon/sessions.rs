//! The sessions that run: one process each, the channel to it, and what is known of it.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::{AsFd as _, OwnedFd};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::{Instant, timeout, timeout_at};

use super::DaemonError;
use super::cgroup::{Delegated, SessionGroup};
use super::follow::{Followed, News, ORDER_PATIENCE, Told, follow};
use super::frames::Connection;
use super::id::new_id;
use super::process::{Program, Stamp, end_group, grouped};
use super::protocol::{
    Client, GroupRow, Launch, Order, Resting, STREAMS, SessionRow, Stage, Target, ToRun,
};
use super::warm::{Pool, Warming, is_aged};

/// Sessions at once.
pub(super) const MAX_SESSIONS: usize = 1024;
/// How long `ps` waits for what a session process says of itself.
const STATUS_PATIENCE: Duration = Duration::from_millis(500);
/// So many may be starting, for each processor: more would only keep each other waiting, and the
/// daemon from answering those who ask.
const STARTING_PER_PROCESSOR: usize = 4;
/// How often one whose turn hasn't come is told so.
const WAITING_WORD: Duration = Duration::from_secs(1);
/// Questions and orders that wait for one session.
const WAITING_ORDERS: usize = 16;

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
    /// Where each gets a control group; `None` where nothing was delegated.
    groups: Option<Arc<Delegated>>,
    pub(super) warming: Arc<Warming>,
    running: Mutex<Running>,
    free: Arc<Semaphore>,
    starting: Arc<Semaphore>,
    /// Told whenever one begins or ends.
    pub(super) changed: Arc<Notify>,
    /// Told whenever there may be something to do for those that are kept warm.
    pub(super) pool_changed: Notify,
}

#[derive(Default)]
pub(super) struct Running {
    last_number: u64,
    /// Of all that run or are being started.
    names: BTreeSet<String>,
    sessions: BTreeMap<u64, Session>,
    pub(super) pool: Pool,
}

/// One of them, as the daemon knows it.
#[derive(Clone)]
pub(super) struct Session {
    pub(super) id: String,
    pub(super) server: String,
    client: Client,
    pub(super) stage: Stage,
    /// Of one that is warm.
    fingerprint: Option<String>,
    /// Why one that was to be kept warm is not.
    problem: Option<String>,
    began: Instant,
    /// When its process was started, since the start of the machine.
    started: Duration,
    pid: u32,
    files: [Stamp; 2],
    pub(super) orders: mpsc::Sender<Told>,
    /// Held by whoever follows it; it ends with that.
    channel: Weak<Connection>,
    group: Option<Arc<SessionGroup>>,
}

impl Running {
    /// The number of a new session, for the daemon itself, and its name.
    fn name(&mut self, server: &str) -> (u64, String) {
        self.last_number += 1;
        loop {
            let id = new_id(server);
            if self.names.insert(id.clone()) {
                return (self.last_number, id);
            }
        }
    }
}

/// Those without a client, in their order.
pub(super) struct Unspoken {
    number: u64,
    pub(super) server: String,
    pub(super) stage: Stage,
    pub(super) began: Instant,
}

impl Sessions {
    pub(super) fn new(
        program: Program,
        groups: Option<Arc<Delegated>>,
        warming: Arc<Warming>,
    ) -> Self {
        Self {
            program,
            groups,
            warming,
            running: Mutex::default(),
            free: Arc::new(Semaphore::new(MAX_SESSIONS)),
            starting: Arc::new(Semaphore::new(
                STARTING_PER_PROCESSOR
                    * std::thread::available_parallelism().map_or(1, usize::from),
            )),
            changed: Arc::default(),
            pool_changed: Notify::new(),
        }
    }

    pub(super) fn count(&self) -> usize {
        MAX_SESSIONS - self.free.available_permits()
    }

    /// Room for one more.
    pub(super) fn admit(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.free).try_acquire_owned().ok()
    }

    /// Has a client served: by a session process that was kept warm, or by a new one when it is its
    /// turn; its id.
    pub(super) async fn begin(
        self: &Arc<Self>,
        ask: &Ask,
        room: OwnedSemaphorePermit,
    ) -> Result<String, DaemonError> {
        if let Some(id) = self.take_warm(ask).await {
            return Ok(id);
        }
        self.running().pool.used(&ask.server, Instant::now());
        self.pool_changed.notify_one();
        self.launch(&ask.server, Some(ask), room).await
    }

    /// Starts a session process when it is its turn, and hands it everything; its id. Without a
    /// client it is one to be kept warm.
    pub(super) async fn launch(
        self: &Arc<Self>,
        server: &str,
        ask: Option<&Ask>,
        room: OwnedSemaphorePermit,
    ) -> Result<String, DaemonError> {
        let turn = self.turn(ask).await?;
        let files = self.program.stamps();
        let (channel, theirs) = Connection::pair()?;
        let mut child = self.program.spawn(&theirs)?;
        drop(theirs);
        let pid = child.id().unwrap_or_default();
        let (orders, told) = mpsc::channel(WAITING_ORDERS);
        let (number, id) = self.running().name(server);
        let handed_over = async {
            let group = match &self.groups {
                Some(groups) => Some(grouped(groups, number, &child).await?),
                None => None,
            };
            let folder = group.as_ref().map(|group| group.folder().to_str());
            let launch = Launch {
                session: id.clone(),
                server: server.to_owned(),
                group: folder.flatten().map(str::to_owned),
                warm: ask.is_none(),
            };
            channel.send(&Order::Launch(launch)).await?;
            if let Some(ask) = ask {
                hand_over(&channel, ask).await?;
            }
            Ok(group)
        };
        let group = match handed_over.await {
            Ok(group) => group,
            Err(error) => {
                self.running().names.remove(&id);
                // Without its channel it ends; it is reaped in any case.
                let _ = child.start_kill();
                tokio::spawn(async move { child.wait().await });
                return Err(error);
            }
        };
        let channel = Arc::new(channel);
        let session = Session {
            id: id.clone(),
            server: server.to_owned(),
            client: ask.map(|ask| ask.client.clone()).unwrap_or_default(),
            stage: match ask {
                Some(_) => Stage::Serving,
                None => Stage::Warming,
            },
            fingerprint: None,
            problem: None,
            began: Instant::now(),
            started: since_the_machine_started(),
            pid,
            files,
            orders,
            channel: Arc::downgrade(&channel),
            group: group.clone(),
        };
        self.running().sessions.insert(number, session);
        self.changed.notify_one();
        let followed = Followed {
            id: id.clone(),
            child,
            channel,
            told,
            turn,
        };
        let sessions = Arc::clone(self);
        tokio::spawn(async move {
            let id = followed.id.clone();
            follow(followed, |news| sessions.hear(number, news)).await;
            sessions.forget(number);
            if let Some(group) = group {
                end_group(&id, group).await;
            }
            drop(room);
            sessions.changed.notify_one();
        });
        Ok(id)
    }

    /// Waits until it is its turn, and tells the one who waits that this is why.
    async fn turn(&self, ask: Option<&Ask>) -> Result<Option<OwnedSemaphorePermit>, DaemonError> {
        let mut turn = pin!(Arc::clone(&self.starting).acquire_owned());
        loop {
            match timeout(WAITING_WORD, &mut turn).await {
                // Never closed.
                Ok(turn) => return Ok(turn.ok()),
                Err(_) => {
                    if let Some(ask) = ask {
                        let told = timeout(WAITING_WORD, ask.connection.send(&ToRun::Waiting));
                        // One that doesn't listen keeps only itself waiting; one that has gone
                        // needs no turn.
                        if let Ok(told) = told.await {
                            told?;
                        }
                    }
                }
            }
        }
    }

    /// Hands a client to a session process that is warm and made from what is there now.
    async fn take_warm(self: &Arc<Self>, ask: &Ask) -> Option<String> {
        let is_warm = |one: &Session| one.server == ask.server && one.stage == Stage::Warm;
        if !self.running().sessions.values().any(is_warm) {
            return None;
        }
        let (warming, server) = (Arc::clone(&self.warming), ask.server.clone());
        // Where this fails there is no reason to trust any of them.
        let now = tokio::task::spawn_blocking(move || (warming.fingerprint)(&server)).await;
        let now = now.unwrap_or_default();
        let moment = since_the_machine_started();
        let is_fresh = |one: &Session| {
            now.is_some() && one.fingerprint == now && !is_aged(one.started, moment)
        };
        loop {
            let (outdated, picked) = {
                let mut running = self.running();
                let (fresh, outdated): (Vec<_>, Vec<_>) = running
                    .sessions
                    .iter()
                    .filter(|(_, one)| is_warm(one))
                    .map(|(number, one)| (*number, is_fresh(one)))
                    .partition(|(_, is_fresh)| *is_fresh);
                let picked = fresh.first().and_then(|(number, _)| {
                    let one = running.sessions.get_mut(number)?;
                    // From here on nobody else gets it.
                    one.stage = Stage::Serving;
                    one.client = ask.client.clone();
                    one.began = Instant::now();
                    one.files = self.program.stamps();
                    Some((*number, one.id.clone(), one.channel.upgrade()))
                });
                if picked.is_some() {
                    running.pool.taken(&ask.server, Instant::now());
                }
                (outdated, picked)
            };
            for (number, _) in outdated {
                self.discard(
                    number,
                    "it is too old, or something that it was made from has changed",
                );
            }
            let (number, id, channel) = picked?;
            self.pool_changed.notify_one();
            self.changed.notify_one();
            if let Some(channel) = channel
                && let Ok(Ok(())) = timeout(ORDER_PATIENCE, hand_over(&channel, ask)).await
            {
                return Some(id);
            }
            self.discard(number, "it does not listen");
        }
    }

    /// Ends one that nobody has spoken to.
    fn discard(&self, number: u64, reason: &str) {
        let mut running = self.running();
        if let Some(one) = running.sessions.get_mut(&number) {
            tracing::info!("session {} is not kept warm any more: {reason}", one.id);
            one.stage = Stage::Ending;
            // With so much to do it is not listening; its channel's end says the same.
            let _ = one.orders.try_send(Told::Stop(reason.to_owned()));
        }
    }

    /// Ends all without a client for which `is_meant`.
    pub(super) fn discard_unspoken(&self, reason: &str, is_meant: impl Fn(&Unspoken) -> bool) {
        for one in self.unspoken() {
            if is_meant(&one) {
                self.discard(one.number, reason);
            }
        }
    }

    pub(super) fn unspoken(&self) -> Vec<Unspoken> {
        let running = self.running();
        let unspoken = running
            .sessions
            .iter()
            .filter(|(_, one)| matches!(one.stage, Stage::Warming | Stage::Warm));
        unspoken
            .map(|(number, one)| Unspoken {
                number: *number,
                server: one.server.clone(),
                stage: one.stage,
                began: one.began,
            })
            .collect()
    }

    fn hear(&self, number: u64, news: News) {
        if let Some(one) = self.running().sessions.get_mut(&number) {
            match news {
                News::Warm(fingerprint) if one.stage == Stage::Warming => {
                    tracing::info!("session {} is warm", one.id);
                    one.stage = Stage::Warm;
                    one.fingerprint = Some(fingerprint);
                }
                // It was told to end meanwhile.
                News::Warm(_) => {}
                News::Failed(reason) => one.problem = Some(reason),
            }
        }
        self.pool_changed.notify_one();
    }

    /// It has ended.
    fn forget(&self, number: u64) {
        let mut running = self.running();
        let ended = running.sessions.remove(&number);
        if let Some(one) = &ended {
            running.names.remove(&one.id);
        }
        if let Some(one) = ended
            && matches!(one.stage, Stage::Warming | Stage::Warm)
        {
            let reason = one.problem.as_deref().unwrap_or("its process was killed");
            tracing::warn!("session {}, kept warm, has ended: {reason}", one.id);
            let now = Instant::now();
            running
                .pool
                .failed(&one.server, reason, one.began.elapsed(), now);
        }
        drop(running);
        self.pool_changed.notify_one();
    }

    /// What `ps` shows, in the order of their beginning, and the servers that rest.
    pub(super) async fn rows(&self) -> (Vec<SessionRow>, Vec<Resting>) {
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
        let now = self.program.stamps();
        let mut rows = Vec::with_capacity(sessions.len());
        for (session, answered) in sessions.into_iter().zip(asked) {
            let status = timeout_at(deadline, answered).await;
            rows.push(SessionRow {
                age_seconds: session.began.elapsed().as_secs(),
                outdated: session.files != now,
                status: status.ok().and_then(Result::ok),
                group: session.group.as_deref().map(|group| self.group_row(group)),
                id: session.id,
                server: session.server,
                stage: session.stage,
                client: session.client,
                session_pid: session.pid,
            });
        }
        let present = self.present();
        let resting = self.running().pool.resting(&present, Instant::now());
        (rows, resting)
    }

    pub(super) fn is_delegated(&self) -> bool {
        self.groups.is_some()
    }

    /// By what the limits of servers are held, in words.
    pub(super) fn limits(&self) -> String {
        let controllers = self.groups.as_ref().map(|groups| {
            let names: Vec<_> = groups
                .controllers()
                .iter()
                .map(ToString::to_string)
                .collect();
            names.join(", ")
        });
        match controllers {
            Some(names) if names.is_empty() => {
                "limits are watched over by pinfold; each session has a control group, to which no controller was delegated".to_owned()
            }
            Some(names) => format!("limits are held by control groups ({names})"),
            None => "limits are watched over by pinfold, as no control groups were delegated to the daemon".to_owned(),
        }
    }

    fn group_row(&self, group: &SessionGroup) -> GroupRow {
        let counts = group.whole();
        let held = self.groups.iter().flat_map(|groups| groups.controllers());
        GroupRow {
            held: held.map(ToString::to_string).collect(),
            memory: counts.memory,
            peak_memory: counts.peak_memory,
            processor: counts.processor.map(|microseconds| microseconds / 1000),
        }
    }

    /// How many of each server have no client.
    pub(super) fn present(&self) -> BTreeMap<String, usize> {
        let mut present = BTreeMap::new();
        for one in self.unspoken() {
            *present.entry(one.server).or_default() += 1;
        }
        present
    }

    /// Asks sessions to end and to say why; their ids.
    pub(super) async fn stop(&self, target: &Target, reason: &str) -> Vec<String> {
        let mut stopped = Vec::new();
        for session in self.mark_ending(target) {
            // One that has just ended needs no telling.
            let _ = session.orders.send(Told::Stop(reason.to_owned())).await;
            stopped.push(session.id);
        }
        stopped
    }

    /// Those that are meant; of their servers none is kept warm for now.
    fn mark_ending(&self, target: &Target) -> Vec<Session> {
        let mut running = self.running();
        let Running { sessions, pool, .. } = &mut *running;
        let mut meant = Vec::new();
        for session in sessions.values_mut() {
            let is_meant = match target {
                Target::All => true,
                Target::Named(name) => *name == session.id || *name == session.server,
            };
            if is_meant {
                if matches!(session.stage, Stage::Warming | Stage::Warm) {
                    pool.stopped(&session.server);
                }
                session.stage = Stage::Ending;
                meant.push(session.clone());
            }
        }
        match target {
            Target::All => pool.stop_all(),
            Target::Named(name) => pool.stopped(name),
        }
        meant
    }

    /// Waits until none is left.
    pub(super) async fn ended(&self) {
        while self.count() > 0 {
            self.changed.notified().await;
        }
    }

    pub(super) fn all(&self) -> Vec<Session> {
        self.running().sessions.values().cloned().collect()
    }

    pub(super) fn running(&self) -> MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counted while the machine sleeps, too (CLOCK_BOOTTIME, clock_gettime(2)); the clock of the runtime
/// stands still then.
fn since_the_machine_started() -> Duration {
    clock_gettime(ClockId::CLOCK_BOOTTIME).map_or(Duration::MAX, Duration::from)
}

async fn hand_over(channel: &Connection, ask: &Ask) -> Result<(), DaemonError> {
    let [input, output, error] = ask.streams.each_ref().map(|stream| stream.as_fd());
    let descriptors = [input, output, error, ask.connection.as_fd()];
    let take = Order::Take {
        client: ask.client.clone(),
    };
    channel.send_with(&take, &descriptors).await
}
