//! One connection of the box, from the dialling to its end.

use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rustix::net::sockopt::set_socket_send_buffer_size;
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::client_hello::{FirstBytes, MAX_FIRST_BYTES, look};
use super::copy::{Stop, Way, finish};
use super::counters::HostCount;
use super::dial::dial;
use super::error::EgressError;
use super::event::{End, Event, Host};
use super::session::{Place, Session};
use super::target::check_first_bytes;

/// Each look reads all again, so a ClientHello in more pieces than this is given up.
const MAX_LOOKS: usize = 64;
const CHUNK_BYTES: usize = 4096;
/// What waits in the kernel for the box to read it; its way is as short as one can be. More only
/// grows stale in the processor's cache: measured, it costs a third of the throughput.
const INNER_SEND_BYTES: usize = 192 * 1024;

/// Connects `inner`, which the box made, with `host`, and relays until both sides have ended.
///
/// `inner` is one that is reset when it is dropped.
pub(super) async fn serve(
    session: Rc<Session>,
    inner: TcpStream,
    host: Host,
    port: u16,
    place: Place,
) {
    let outer = match dial(&session, &host, port).await {
        Ok(outer) => outer,
        Err(why) => return session.refuse(host, port, why),
    };
    if let Err(error) = prepare(&inner, &outer) {
        return session.refuse(host, port, EgressError::Connect(error));
    }
    let record = Record::new(Rc::clone(&session), host, port);
    let outcome = relay(&session, &inner, &outer, &record).await;
    match outcome {
        Ok(end) => {
            if end == End::Finished {
                // One that is broken by now ends all the same.
                let _ = finish(&inner).and_then(|()| finish(&outer));
            }
            record.end.set(Some(end));
        }
        Err(why) => record.refuse(why),
    }
    // Both connections first, so that what an event says is so.
    drop((inner, outer));
    drop(record);
    drop(place);
}

/// Sets what both sockets need before they relay.
fn prepare(inner: &TcpStream, outer: &TcpStream) -> io::Result<()> {
    // From here on it is reset, too, unless it ends in order.
    outer.set_zero_linger()?;
    // Small writes are the programs' own affair; held back here they would wait twice.
    inner.set_nodelay(true)?;
    outer.set_nodelay(true)?;
    Ok(set_socket_send_buffer_size(inner, INNER_SEND_BYTES)?)
}

/// What is told of a connection when it ends, however it does.
struct Record {
    session: Rc<Session>,
    count: Arc<HostCount>,
    host: Host,
    port: u16,
    begun: Instant,
    last: Cell<Instant>,
    sent: Cell<u64>,
    received: Cell<u64>,
    end: Cell<Option<End>>,
    refused: Cell<Option<EgressError>>,
}

impl Record {
    fn new(session: Rc<Session>, host: Host, port: u16) -> Self {
        let count = session.counters.of(&host);
        count.allowed.fetch_add(1, Ordering::Relaxed);
        let now = Instant::now();
        Self {
            session,
            count,
            host,
            port,
            begun: now,
            last: Cell::new(now),
            sent: Cell::new(0),
            received: Cell::new(0),
            end: Cell::new(None),
            refused: Cell::new(None),
        }
    }

    fn sent(&self, bytes: u64) {
        self.last.set(Instant::now());
        self.sent.set(self.sent.get() + bytes);
        self.count.sent.fetch_add(bytes, Ordering::Relaxed);
    }

    fn received(&self, bytes: u64) {
        self.last.set(Instant::now());
        self.received.set(self.received.get() + bytes);
        self.count.received.fetch_add(bytes, Ordering::Relaxed);
    }

    fn refuse(&self, why: EgressError) {
        self.refused.set(Some(why));
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let (host, port) = (self.host.clone(), self.port);
        if let Some(why) = self.refused.take() {
            return self.session.refuse(host, port, why);
        }
        self.session.tell(&Event::Closed {
            host,
            port,
            sent: self.sent.get(),
            received: self.received.get(),
            duration: self.begun.elapsed(),
            end: self.end.get().unwrap_or(End::SessionEnded),
        });
    }
}

/// Relays until both sides have ended, one is broken, or nothing moves.
///
/// # Errors
/// When the box sends first what it may not.
async fn relay(
    session: &Session,
    inner: &TcpStream,
    outer: &TcpStream,
    record: &Record,
) -> Result<End, EgressError> {
    let outward = Way {
        from: inner,
        to: outer,
        session,
        moved: |bytes| record.sent(bytes),
    };
    let inward = Way {
        from: outer,
        to: inner,
        session,
        moved: |bytes| record.received(bytes),
    };
    let outward = async {
        if session.policy.check_server_name {
            let first = read_first(&outward, session.timing.client_hello).await?;
            check_first_bytes(first.kind, &record.host, record.port, &session.policy)
                .map_err(Failure::Refused)?;
            outward.write(&first.bytes).await?;
        }
        Ok(outward.copy().await?)
    };
    let inward = async { Ok(inward.copy().await?) };
    let both = both_ways(outward, inward);
    let drain = session.timing.drain;
    tokio::select! {
        biased;
        ended = both => ended,
        () = session.spent() => Ok(End::BytesSpent),
        () = broken(inner, drain) => Ok(End::ResetByBox),
        () = broken(outer, drain) => Ok(End::ResetByHost),
        () = idle(record, session.timing.idle) => Ok(End::Idle(session.timing.idle)),
    }
}

/// Why a way ended before its end.
enum Failure {
    Stopped(Stop),
    Refused(EgressError),
}

impl From<Stop> for Failure {
    fn from(stop: Stop) -> Self {
        Self::Stopped(stop)
    }
}

/// Waits for both ways. Where one can't be written any more, the other may end by itself: what the
/// side that is gone had sent before is still to be had.
async fn both_ways(
    outward: impl Future<Output = Result<(), Failure>>,
    inward: impl Future<Output = Result<(), Failure>>,
) -> Result<End, EgressError> {
    tokio::pin!(outward, inward);
    let (mut sent, mut received) = (None, None);
    while sent.is_none() || received.is_none() {
        let (result, broken_when_read, broken_when_written) = tokio::select! {
            result = &mut outward, if sent.is_none() => {
                sent = Some(matches!(result, Ok(())));
                (result, End::ResetByBox, End::ResetByHost)
            }
            result = &mut inward, if received.is_none() => {
                received = Some(matches!(result, Ok(())));
                (result, End::ResetByHost, End::ResetByBox)
            }
        };
        match result {
            Ok(()) => {}
            Err(Failure::Refused(why)) => return Err(why),
            Err(Failure::Stopped(Stop::BytesSpent)) => return Ok(End::BytesSpent),
            Err(Failure::Stopped(Stop::Read)) => return Ok(broken_when_read),
            Err(Failure::Stopped(Stop::Write)) if sent.is_some() && received.is_some() => {
                return Ok(broken_when_written);
            }
            Err(Failure::Stopped(Stop::Write)) => {}
        }
    }
    Ok(match (sent, received) {
        (Some(true), Some(true)) => End::Finished,
        (Some(false), _) => End::ResetByHost,
        _ => End::ResetByBox,
    })
}

/// The first bytes of a client, and what they are.
struct First {
    bytes: Vec<u8>,
    kind: FirstBytes,
}

/// Reads until it is clear what the client begins with; waits for its first byte as long as that
/// takes, since with many protocols it is the host that speaks first.
async fn read_first<F: Fn(u64)>(way: &Way<'_, F>, limit: Duration) -> Result<First, Failure> {
    let mut bytes = Vec::new();
    let mut chunk = [0; CHUNK_BYTES];
    let mut read = way.read(&mut chunk).await?;
    let begun = Instant::now();
    for _ in 0..MAX_LOOKS {
        if read == 0 {
            // Nothing at all, or the piece of something.
            let kind = if bytes.is_empty() {
                FirstBytes::NotTls
            } else {
                FirstBytes::Unreadable
            };
            return Ok(First { bytes, kind });
        }
        bytes.extend_from_slice(&chunk[..read]);
        let kind = look(&bytes);
        if kind != FirstBytes::NeedMore || bytes.len() > MAX_FIRST_BYTES {
            return Ok(First { bytes, kind });
        }
        let left = limit.saturating_sub(begun.elapsed());
        read = timeout(left, way.read(&mut chunk))
            .await
            .map_err(|_| Failure::Refused(EgressError::ClientHelloTimeout(limit)))??;
    }
    let kind = FirstBytes::Unreadable;
    Ok(First { bytes, kind })
}

/// Returns when a side was reset, and what it had sent before had its time to be passed on. Else
/// that would not be noticed while the way from it waits for the other side.
async fn broken(stream: &TcpStream, drain: Duration) {
    if stream.ready(Interest::ERROR).await.is_ok() {
        sleep(drain).await;
    }
}

async fn idle(record: &Record, limit: Duration) {
    loop {
        let until = record.last.get() + limit;
        if Instant::now() >= until {
            return;
        }
        sleep_until(until).await;
    }
}
