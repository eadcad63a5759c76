//! The network of a box, served from outside of it: names answered, connections dialled and relayed.
//!
//! In the box every address is local. The stub opened sockets there and handed them over; what comes
//! in on them is answered here, in a thread of its own, by the rules of the policy and nothing else:
//!
//! - A question for an allowed name is answered with a synthetic address that stands for the name.
//!   No question is ever passed on; a name is looked up outside only when it is dialled.
//! - A connection's local address tells which name, or which literal address, was dialled. The name
//!   is resolved outside, every address of it is judged, and one of those very addresses is dialled.
//! - The server name of a TLS handshake must be the name that was dialled. That is what the client
//!   says, not proof of whom it speaks with: hosts that share an address with an allowed one can be
//!   reached by other means (the `Host` of plain HTTP, an encrypted ClientHello).
//!
//! Every byte that comes in is taken for hostile; what is kept for it is bounded.
#![forbid(unsafe_code)]

use std::io;
use std::net::{TcpListener, UdpSocket};
use std::rc::Rc;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use tokio::sync::oneshot;
use tokio::task::LocalSet;

use crate::policy::EgressPolicy;

mod accept;
pub mod client_hello;
mod connection;
mod copy;
mod counters;
mod dial;
mod dns;
pub mod dns_message;
mod error;
mod event;
mod fields;
mod interfaces;
mod names;
mod proxy;
mod session;
mod target;
mod tunnel;

#[cfg(test)]
mod tests;

pub use counters::{EgressMeter, HostCounters};
pub use error::{EgressError, ProxyAnswer};
pub use event::{End, Event, Host};
pub use proxy::Proxies;

use counters::Counters;
use session::{Session, Settings};

/// The sockets that the stub opened inside of the box.
#[derive(Debug)]
pub struct Listeners {
    /// Bound to the address of the box's one name server, 127.0.0.1:53.
    pub names: UdpSocket,
    /// Every stream listener. A connection to the address that `names` is bound to is DNS over TCP;
    /// all others are told apart by the address that was dialled.
    pub streams: Vec<TcpListener>,
}

/// How the outside is reached.
#[derive(Clone, Debug, Default)]
pub struct Outside {
    /// None: directly.
    pub proxies: Option<Proxies>,
}

/// The running network of one box. Dropped, it ends every connection and its thread.
#[derive(Debug)]
pub struct Egress {
    counters: Arc<Counters>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Egress {
    /// Starts the thread that serves one box. Nothing is asked of the network before the box does.
    ///
    /// `events` is called on that thread, so it must not block. A box can cause one event for each
    /// connection that it tries to make; names that it looks up in vain are told once each and only
    /// the first 256 of them.
    ///
    /// # Errors
    /// When no thread, no runtime or no place in epoll(7) is to be had.
    pub fn start(
        listeners: Listeners,
        policy: EgressPolicy,
        outside: Outside,
        events: impl Fn(&Event) + Send + 'static,
    ) -> io::Result<Self> {
        Self::start_with(listeners, policy, outside, Settings::default(), events)
    }

    fn start_with(
        listeners: Listeners,
        policy: EgressPolicy,
        outside: Outside,
        settings: Settings,
        events: impl Fn(&Event) + Send + 'static,
    ) -> io::Result<Self> {
        let counters = Arc::new(Counters::default());
        let (stop, stopped) = oneshot::channel();
        let (ready, is_ready) = std::sync::mpsc::sync_channel(1);
        let counted = Arc::clone(&counters);
        let thread = thread::Builder::new()
            .name("egress".to_owned())
            .spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .max_blocking_threads(dial::MAX_LOOKUPS)
                    .build();
                let runtime = match runtime {
                    Ok(runtime) => runtime,
                    Err(error) => return drop(ready.send(Err(error))),
                };
                let tasks = LocalSet::new();
                let session = Session::new(policy, outside, settings, counted, Box::new(events));
                let started = {
                    let _context = runtime.enter();
                    accept::start(listeners, &Rc::new(session), &tasks)
                };
                let is_started = started.is_ok();
                if ready.send(started).is_ok() && is_started {
                    // An error means that the handle is gone, which says the same.
                    let _ = tasks.block_on(&runtime, stopped);
                }
                // The connections end here; after them nobody waits for a look-up that hangs.
                {
                    let _context = runtime.enter();
                    drop(tasks);
                }
                runtime.shutdown_background();
            })?;
        let egress = Self {
            counters,
            stop: Some(stop),
            thread: Some(thread),
        };
        match is_ready.recv() {
            Ok(started) => started.map(|()| egress),
            Err(_) => Err(io::Error::other("the egress thread did not start")),
        }
    }

    /// Reads the sums, also after the network has ended.
    pub fn meter(&self) -> EgressMeter {
        EgressMeter::new(&self.counters)
    }

    /// What went to which host so far. The number of hosts is bounded; all beyond it are one entry.
    pub fn counters(&self) -> Vec<HostCounters> {
        self.counters.snapshot()
    }
}

impl Drop for Egress {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            // It may have ended by itself.
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != thread::current().id()
        {
            // A panic there has ended the network of the box, which is closed either way.
            let _ = thread.join();
        }
    }
}
