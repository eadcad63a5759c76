//! The name server of the box, over UDP and over TCP (RFC 7766).

use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::task::{coop, spawn_local};
use tokio::time::{Instant, sleep, timeout};

use super::dns_message::{Answer, answer, error_answer, read_question};
use super::session::Session;
use super::target::answer_to;

/// Longer than any query that is one question.
const MAX_QUERY_BYTES: usize = 4096;
/// Connections for questions at one time; they don't count as connections of the policy.
const MAX_CONNECTIONS: usize = 32;
/// So many questions of all kinds are answered in [`ROUND`], about 12,000 in a second, so that a
/// flood leaves the thread to the connections.
const QUESTIONS_IN_ROUND: u32 = 256;
const ROUND: Duration = Duration::from_millis(20);
const BACK_OFF: Duration = Duration::from_millis(100);

/// Answers the questions of one box.
pub(super) struct DnsServer {
    session: Rc<Session>,
    connections: Cell<usize>,
    round: Cell<(Instant, u32)>,
}

impl DnsServer {
    pub(super) fn new(session: Rc<Session>) -> Self {
        Self {
            session,
            connections: Cell::new(0),
            round: Cell::new((Instant::now(), 0)),
        }
    }

    /// Answers datagrams for ever.
    pub(super) async fn serve_datagrams(&self, socket: &UdpSocket) {
        let mut message = [0; MAX_QUERY_BYTES];
        loop {
            match socket.recv_from(&mut message).await {
                // One that fills the buffer was longer, and is no question.
                Ok((length, from)) if length < message.len() => {
                    if let Some(answer) = self.answer(&message[..length]) {
                        // Not waited for: a client that does not read asks again or gives up.
                        let _ = socket.try_send_to(&answer, from);
                    }
                }
                Ok(_) => {}
                Err(error) => {
                    tracing::debug!(%error, "a question of the box can't be read");
                    sleep(BACK_OFF).await;
                }
            }
            self.pace().await;
        }
    }

    /// Serves a connection in a task of its own, or drops it, which resets it.
    pub(super) fn take(self: Rc<Self>, stream: TcpStream) {
        if self.connections.get() >= MAX_CONNECTIONS {
            return;
        }
        self.connections.set(self.connections.get() + 1);
        let place = Place(self);
        spawn_local(async move {
            // Whatever ends it, there is nobody to tell.
            let _ = place.0.serve_stream(stream).await;
        });
    }

    async fn serve_stream(&self, mut stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let idle = self.session.timing.dns_idle;
        let mut message = [0; MAX_QUERY_BYTES];
        loop {
            let length = match timeout(idle, stream.read_u16()).await? {
                Ok(length) => usize::from(length),
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => break,
                Err(error) => return Err(error),
            };
            let query = message
                .get_mut(..length)
                .ok_or(io::ErrorKind::InvalidData)?;
            timeout(idle, stream.read_exact(query)).await??;
            if let Some(answer) = self.answer(query) {
                let length = u16::try_from(answer.len()).map_err(io::Error::other)?;
                let framed = [&length.to_be_bytes()[..], &answer].concat();
                timeout(idle, stream.write_all(&framed)).await??;
            }
            self.pace().await;
        }
        super::copy::finish(&stream)
    }

    fn answer(&self, message: &[u8]) -> Option<Vec<u8>> {
        let question = match read_question(message) {
            Ok(question) => question,
            Err(error) => return error_answer(&error),
        };
        let session = &self.session;
        let result = answer_to(&question, &session.policy, &mut session.names.borrow_mut());
        if let (Answer::NoSuchName, Some(name)) = (result, &question.name) {
            // Names of addresses are looked up by many programs, and mean nothing.
            if !name.as_str().ends_with(".arpa") {
                session.refuse_name(name);
            }
        }
        Some(answer(&question, result))
    }

    /// Waits when there were many questions of late.
    async fn pace(&self) {
        let (begun, count) = self.round.get();
        let passed = begun.elapsed();
        if passed >= ROUND {
            self.round.set((Instant::now(), 1));
        } else if count < QUESTIONS_IN_ROUND {
            self.round.set((begun, count + 1));
        } else {
            sleep(ROUND.saturating_sub(passed)).await;
        }
        coop::consume_budget().await;
    }
}

/// One of the connections.
struct Place(Rc<DnsServer>);

impl Drop for Place {
    fn drop(&mut self) {
        let connections = &self.0.connections;
        connections.set(connections.get().saturating_sub(1));
    }
}
