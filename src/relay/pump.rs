//! The pump: moves lines between client and server through a [`Session`], both ways at
//! once, in one task. It decides nothing about the lines.
//!
//! Each side has an outbox. A direction stops reading while the outbox it fills holds
//! [`HIGH_WATER`] bytes, so a slow reader slows its writer down and memory stays bounded.
//! The two directions never wait for each other: what the relay itself answers to the side
//! that asked goes beyond the high water, up to [`HARD_LIMIT`]. Needs a runtime with time.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, Sleep};

use super::call_log::Judged;
use super::errors::RelayError;
use super::event::{Direction, Event};
use super::framing::{Line, LineReader};
use super::outbox::Outbox;
use super::outside::{Decided, HeldCall};
use super::session::{Outcome, Session};

/// A direction stops reading while this many bytes wait for the other side.
const HIGH_WATER: usize = 256 * 1024;
/// The relay's own answers may wait up to this many bytes.
const HARD_LIMIT: usize = 4 * 1024 * 1024;
/// For so many lines there is always room while they are judged.
const FEW_LINES: usize = 32;
/// Reads per direction before the other one gets its turn.
const READS_PER_TURN: usize = 16;
/// Turns before the rest of the program gets its turn.
const TURNS_PER_POLL: usize = 32;
/// How long a server that no longer reads may go on writing.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Why the pump stopped.
#[derive(Debug)]
pub enum End {
    /// The client closed its side. Call [`Pump::drain`] for the answers under way.
    ClientClosed,
    /// The server closed its output, or stopped reading its input; what it wrote has
    /// reached the client.
    ServerClosed,
    /// The client no longer reads.
    ClientGone(io::Error),
    /// [`Pump::drain`] was not done in time.
    DeadlinePassed,
    /// Reading failed.
    Failed(RelayError),
}

/// What somebody outside of the session asks about the calls that wait for the user. Who has gone
/// meanwhile is not told.
#[derive(Debug)]
pub enum Inquiry {
    List(oneshot::Sender<Vec<HeldCall>>),
    Decide {
        /// As in [`HeldCall`].
        number: u64,
        accepted: bool,
        /// `None`: no such call waits, or not any more. What it led to is delivered already.
        answer: oneshot::Sender<Option<Decided>>,
    },
}

/// The four ends of one session, and what is under way between them.
pub struct Pump<ClientIn, ClientOut, ServerIn, ServerOut, Events> {
    session: Session,
    events: Events,
    from_client: LineReader<ClientIn>,
    from_server: LineReader<ServerOut>,
    to_client: Outbox<ClientOut>,
    /// `None` once the server's input is closed.
    to_server: Option<Outbox<ServerIn>>,
    /// Lines of the client on their way to the server, until the calls in them are recorded.
    judged: Vec<Judged>,
    /// What they take, in bytes.
    judged_length: usize,
    client_ended: bool,
    server_ended: bool,
    /// When a question of the relay has waited long enough.
    alarm: Option<(Instant, Pin<Box<Sleep>>)>,
    /// From outside; read as long as the client is.
    inquiries: Option<mpsc::Receiver<Inquiry>>,
    /// Set when the server stopped reading its input.
    last_words: Option<Pin<Box<Sleep>>>,
}

impl<ClientIn, ClientOut, ServerIn, ServerOut, Events>
    Pump<ClientIn, ClientOut, ServerIn, ServerOut, Events>
where
    ClientIn: AsyncRead + Unpin,
    ClientOut: AsyncWrite + Unpin,
    ServerIn: AsyncWrite + Unpin,
    ServerOut: AsyncRead + Unpin,
    Events: FnMut(&Event),
{
    /// `server_in` is what the server reads, `server_out` what it writes.
    pub fn new(
        client_in: ClientIn,
        client_out: ClientOut,
        server_in: ServerIn,
        server_out: ServerOut,
        session: Session,
        events: Events,
    ) -> Self {
        let max_line = session.max_line();
        Self {
            session,
            events,
            from_client: LineReader::new(client_in, max_line),
            from_server: LineReader::new(server_out, max_line),
            to_client: Outbox::new(client_out),
            to_server: Some(Outbox::new(server_in)),
            judged: Vec::new(),
            judged_length: 0,
            client_ended: false,
            server_ended: false,
            alarm: None,
            inquiries: None,
            last_words: None,
        }
    }

    /// Answers these, too.
    #[must_use]
    pub fn with_inquiries(mut self, inquiries: Option<mpsc::Receiver<Inquiry>>) -> Self {
        self.inquiries = inquiries;
        self
    }

    /// Relays until one side ends. May be cancelled and called again: nothing is lost, so a
    /// shutdown is `select!` with whatever asks for it.
    pub async fn run_until_client_closes(&mut self) -> End {
        poll_fn(|cx| self.poll_run(cx)).await
    }

    /// After the client closed: hands the server what is left for it, closes its input, and
    /// relays its answers until it closes its output or `deadline` passes.
    pub async fn drain(&mut self, deadline: Instant) -> End {
        let drained = poll_fn(|cx| self.poll_drain(cx));
        tokio::time::timeout_at(deadline, drained)
            .await
            .unwrap_or(End::DeadlinePassed)
    }

    /// Reads what the client has said so far, so that it is among what [`Self::answer_outstanding`]
    /// answers; nothing of it goes to the server. Only time shows that there is no more: it takes all
    /// of `time`, unless the client ends.
    pub async fn hear_client_out(&mut self, time: Duration) {
        let heard = poll_fn(|cx| {
            for _ in 0..TURNS_PER_POLL {
                match self.read_client(cx) {
                    Ok(true) if !self.client_ended => {}
                    Ok(false) => return Poll::Pending,
                    Ok(true) | Err(_) => return Poll::Ready(()),
                }
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        });
        let _ = tokio::time::timeout(time, heard).await;
    }

    /// After the server ended: tells the client, for each request that still waits, that no
    /// answer will come and why. Waits for a client that does not read until `deadline`.
    pub async fn answer_outstanding(&mut self, message: &str, deadline: Instant) -> End {
        for line in self.session.answer_outstanding(message) {
            self.to_client.push(line);
        }
        let sent = poll_fn(|cx| self.to_client.poll_send(cx));
        match tokio::time::timeout_at(deadline, sent).await {
            Ok(Ok(())) => End::ServerClosed,
            Ok(Err(error)) => End::ClientGone(error),
            Err(_) => End::DeadlinePassed,
        }
    }

    fn poll_run(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        for _ in 0..TURNS_PER_POLL {
            if self.client_ended {
                return Poll::Ready(End::ClientClosed);
            }
            match self.turn(cx, true) {
                Err(end) => return Poll::Ready(end),
                Ok(true) => {}
                Ok(false) => return Poll::Pending,
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        for _ in 0..TURNS_PER_POLL {
            if self.to_server.as_ref().is_some_and(Outbox::is_done) {
                self.to_server = None;
            }
            match self.turn(cx, false) {
                Err(end) => return Poll::Ready(end),
                Ok(true) => {}
                Ok(false) => return Poll::Pending,
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Moves what can be moved without waiting; whether anything moved.
    fn turn(&mut self, cx: &mut Context<'_>, read_client: bool) -> Result<bool, End> {
        let mut moved = self.watch_the_time(cx);
        if read_client && !self.server_ended && self.last_words.is_none() {
            moved |= self.read_client(cx)?;
            moved |= self.answer_inquiries(cx);
        }
        moved |= self.write_server(cx);
        if !self.server_ended {
            let read = self.read_server(cx);
            // The client sees no answer to a call before its end is recorded.
            self.session.settle();
            moved |= read?;
        }
        moved |= self.write_client(cx)?;
        let silent = match &mut self.last_words {
            Some(last_words) => last_words.as_mut().poll(cx).is_ready(),
            None => false,
        };
        if (self.server_ended || silent) && self.to_client.is_done() {
            return Err(End::ServerClosed);
        }
        Ok(moved)
    }

    /// As the client's lines these wait while much is under way to either side.
    fn answer_inquiries(&mut self, cx: &mut Context<'_>) -> bool {
        let mut moved = false;
        for _ in 0..READS_PER_TURN {
            let waiting = self.to_server.as_ref().map_or(0, Outbox::waiting);
            if waiting >= HIGH_WATER || self.to_client.waiting() >= HARD_LIMIT {
                return moved;
            }
            let Some(inquiries) = &mut self.inquiries else {
                return moved;
            };
            let inquiry = match inquiries.poll_recv(cx) {
                Poll::Ready(Some(inquiry)) => inquiry,
                Poll::Ready(None) => {
                    self.inquiries = None;
                    return moved;
                }
                Poll::Pending => return moved,
            };
            moved = true;
            self.session.set_time(Instant::now().into_std());
            match inquiry {
                Inquiry::List(answer) => {
                    let _ = answer.send(self.session.held());
                }
                Inquiry::Decide {
                    number,
                    accepted,
                    answer,
                } => {
                    // Whoever has stopped waiting may not think that it was done.
                    if answer.is_closed() {
                        continue;
                    }
                    let mut decided = self.session.decide_held(number, accepted);
                    if let Some(decided) = &mut decided {
                        for outcome in std::mem::take(&mut decided.outcomes) {
                            self.deliver(outcome);
                        }
                    }
                    let _ = answer.send(decided);
                }
            }
        }
        moved
    }

    /// Calls that are read together are recorded together, and then passed on.
    fn read_client(&mut self, cx: &mut Context<'_>) -> Result<bool, End> {
        let moved = self.judge_client(cx);
        self.judged_length = 0;
        let mut all = std::mem::take(&mut self.judged);
        for judged in all.drain(..) {
            let outcome = self.session.release(judged);
            self.deliver(outcome);
        }
        all.shrink_to(FEW_LINES);
        self.judged = all;
        moved
    }

    fn judge_client(&mut self, cx: &mut Context<'_>) -> Result<bool, End> {
        let mut moved = false;
        for _ in 0..READS_PER_TURN {
            loop {
                let to_server = self.to_server.as_ref().map_or(0, Outbox::waiting);
                let to_client = self.to_client.waiting() + self.judged_length;
                if to_server + self.judged_length >= HIGH_WATER || to_client >= HARD_LIMIT {
                    return Ok(moved);
                }
                let line = self.from_client.next_buffered();
                self.session.set_time(Instant::now().into_std());
                let judged = match line {
                    Some(Line::Whole(line)) => self.session.judge_client(line),
                    Some(Line::TooLong { .. }) => self.session.from_client_too_long(),
                    Some(Line::Incomplete { .. }) | None => break,
                };
                self.judged_length += judged.length();
                self.judged.push(judged);
                moved = true;
            }
            match self.from_client.poll_fill(cx) {
                Poll::Pending => return Ok(moved),
                Poll::Ready(Err(error)) => return Err(End::Failed(RelayError::ReadClient(error))),
                Poll::Ready(Ok(true)) => moved = true,
                Poll::Ready(Ok(false)) => {
                    self.client_ended = true;
                    let incomplete = self.from_client.take_incomplete();
                    self.note_incomplete(Direction::FromClient, incomplete);
                    return Ok(true);
                }
            }
        }
        Ok(moved)
    }

    fn read_server(&mut self, cx: &mut Context<'_>) -> Result<bool, End> {
        let mut moved = false;
        for _ in 0..READS_PER_TURN {
            loop {
                if self.to_client.waiting() >= HIGH_WATER {
                    return Ok(moved);
                }
                let line = self.from_server.next_buffered();
                self.session.set_time(Instant::now().into_std());
                let outcome = match line {
                    Some(Line::Whole(line)) => self.session.from_server(line),
                    Some(Line::TooLong { head, tail }) => {
                        self.session.from_server_too_long(head, tail)
                    }
                    Some(Line::Incomplete { .. }) | None => break,
                };
                self.deliver(outcome);
                moved = true;
            }
            match self.from_server.poll_fill(cx) {
                Poll::Pending => return Ok(moved),
                Poll::Ready(Err(error)) => return Err(End::Failed(RelayError::ReadServer(error))),
                Poll::Ready(Ok(true)) => moved = true,
                Poll::Ready(Ok(false)) => {
                    self.server_ended = true;
                    let incomplete = self.from_server.take_incomplete();
                    self.note_incomplete(Direction::FromServer, incomplete);
                    return Ok(true);
                }
            }
        }
        Ok(moved)
    }

    /// Delivers what is due, and is woken for the next of it.
    fn watch_the_time(&mut self, cx: &mut Context<'_>) -> bool {
        let mut moved = false;
        loop {
            let Some(deadline) = self.session.next_deadline().map(Instant::from_std) else {
                self.alarm = None;
                return moved;
            };
            if self.alarm.as_ref().is_none_or(|(at, _)| *at != deadline) {
                let sleep = Box::pin(tokio::time::sleep_until(deadline));
                self.alarm = Some((deadline, sleep));
            }
            let due = self
                .alarm
                .as_mut()
                .is_some_and(|(_, sleep)| sleep.as_mut().poll(cx).is_ready());
            if !due {
                return moved;
            }
            self.alarm = None;
            self.session
                .set_time(Instant::now().into_std().max(deadline.into_std()));
            for outcome in self.session.expire() {
                self.deliver(outcome);
                moved = true;
            }
        }
    }

    fn deliver(&mut self, outcome: Outcome) {
        for event in &outcome.events {
            (self.events)(event);
        }
        if let Some(line) = outcome.to_client {
            self.to_client.push(line);
        }
        for line in [outcome.to_server, outcome.own_request]
            .into_iter()
            .flatten()
        {
            let Some(to_server) = &mut self.to_server else {
                break;
            };
            if to_server.waiting() < HARD_LIMIT {
                to_server.push(line);
            } else {
                // Only answers of the relay get here: the client is not read beyond the
                // high water. Waiting could block for ever, as this server waits for us.
                (self.events)(&Event::ReplyToServerDropped);
            }
        }
    }

    fn note_incomplete(&mut self, direction: Direction, line: Option<Line<'_>>) {
        if let Some(Line::Incomplete { length }) = line {
            (self.events)(&Event::IncompleteLine { direction, length });
        }
    }

    /// An error is no end yet: what a dying server wrote is still read.
    fn write_server(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(to_server) = self.to_server.as_mut().filter(|outbox| !outbox.is_done()) else {
            return false;
        };
        let before = to_server.waiting();
        match to_server.poll_send(cx) {
            Poll::Ready(Ok(())) => true,
            Poll::Ready(Err(_)) => {
                self.to_server = None;
                self.last_words = Some(Box::pin(tokio::time::sleep(LAST_WORDS)));
                true
            }
            Poll::Pending => to_server.waiting() < before,
        }
    }

    fn write_client(&mut self, cx: &mut Context<'_>) -> Result<bool, End> {
        if self.to_client.is_done() {
            return Ok(false);
        }
        let before = self.to_client.waiting();
        match self.to_client.poll_send(cx) {
            Poll::Ready(Ok(())) => Ok(true),
            Poll::Ready(Err(error)) => Err(End::ClientGone(error)),
            Poll::Pending => Ok(self.to_client.waiting() < before),
        }
    }
}

#[cfg(test)]
mod tests;
