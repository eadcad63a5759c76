//! What the connections of one box share: policy, names, limits, and who is told.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::fmt;
use std::net::Ipv4Addr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use ipnet::Ipv4Net;
use tokio::sync::watch;
use tokio::time::Instant;

use super::Outside;
use super::counters::Counters;
use super::dial::{Lookup, Lookups, system_lookup};
use super::error::EgressError;
use super::event::{Event, Host};
use super::names::Names;
use super::proxy::Proxies;
use crate::config::{HostName, NAMES_NETWORK};
use crate::policy::EgressPolicy;

/// So many refused names are told, and remembered so that none is told twice.
const MAX_TOLD_NAMES: usize = 256;
/// The limit of connections is told again after so long.
const BURST: Duration = Duration::from_secs(10);

/// How long things may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timing {
    /// A connection on which nothing moves.
    pub(super) idle: Duration,
    /// From the dialled name to its addresses, and from those to a connection: each.
    pub(super) connect: Duration,
    /// The same by way of a proxy, which has to do both.
    pub(super) proxy: Duration,
    /// From the first byte of a client to the end of its ClientHello.
    pub(super) client_hello: Duration,
    /// DNS over TCP without a question, or with an answer that isn't read.
    pub(super) dns_idle: Duration,
    /// What was read of a reset side may still be passed on for so long.
    pub(super) drain: Duration,
}

impl Timing {
    const USUAL: Self = Self {
        idle: Duration::from_secs(2 * 60 * 60),
        connect: Duration::from_secs(10),
        proxy: Duration::from_secs(30),
        client_hello: Duration::from_secs(10),
        dns_idle: Duration::from_secs(10),
        drain: Duration::from_secs(1),
    };
}

/// What tests set otherwise.
pub(super) struct Settings {
    pub(super) timing: Timing,
    pub(super) synthetic: Ipv4Net,
    pub(super) lookup: Lookup,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            timing: Timing::USUAL,
            synthetic: NAMES_NETWORK,
            lookup: Arc::new(system_lookup),
        }
    }
}

/// Of one thread.
pub(super) struct Session {
    pub(super) policy: EgressPolicy,
    pub(super) proxies: Option<Proxies>,
    pub(super) timing: Timing,
    pub(super) lookups: Lookups,
    pub(super) names: RefCell<Names>,
    pub(super) counters: Arc<Counters>,
    events: Box<dyn Fn(&Event)>,
    told_names: RefCell<BTreeSet<HostName>>,
    open: Cell<u64>,
    told_limit: Cell<Option<Instant>>,
    moved: Cell<u64>,
    spent: watch::Sender<bool>,
    /// Pipes that connections have open, see `copy`.
    pub(super) pipes: Cell<usize>,
}

impl Session {
    pub(super) fn new(
        policy: EgressPolicy,
        outside: Outside,
        settings: Settings,
        counters: Arc<Counters>,
        events: Box<dyn Fn(&Event)>,
    ) -> Self {
        Self {
            policy,
            proxies: outside.proxies,
            timing: settings.timing,
            lookups: Lookups::new(settings.lookup),
            names: RefCell::new(Names::new(settings.synthetic)),
            counters,
            events,
            told_names: RefCell::default(),
            open: Cell::new(0),
            told_limit: Cell::new(None),
            moved: Cell::new(0),
            spent: watch::Sender::new(false),
            pipes: Cell::new(0),
        }
    }

    pub(super) fn tell(&self, event: &Event) {
        (self.events)(event);
    }

    pub(super) fn refuse(&self, host: Host, port: u16, why: EgressError) {
        self.counters.refuse(&host);
        self.tell(&Event::Refused { host, port, why });
    }

    /// A name was asked for that does not exist for the box.
    pub(super) fn refuse_name(&self, name: &HostName) {
        let mut told = self.told_names.borrow_mut();
        if told.len() > MAX_TOLD_NAMES || told.contains(name) {
            return;
        }
        told.insert(name.clone());
        let event = if told.len() > MAX_TOLD_NAMES {
            Event::NamesUntold {
                told: MAX_TOLD_NAMES,
            }
        } else {
            Event::NameRefused { name: name.clone() }
        };
        drop(told);
        self.tell(&event);
    }

    /// One connection more, from now on and until what is returned is dropped.
    pub(super) fn admit(self: &Rc<Self>) -> Option<Place> {
        let limit = self.policy.connections;
        if self.open.get() < limit {
            self.open.set(self.open.get() + 1);
            return Some(Place {
                session: Rc::clone(self),
                address: None,
            });
        }
        let now = Instant::now();
        let is_new = self
            .told_limit
            .get()
            .is_none_or(|told| now.duration_since(told) > BURST);
        self.told_limit.set(Some(now));
        if is_new {
            self.tell(&Event::TooManyConnections { limit });
        }
        None
    }

    /// How many bytes may still be moved.
    pub(super) fn bytes_left(&self) -> u64 {
        self.policy
            .bytes
            .map_or(u64::MAX, |limit| limit.saturating_sub(self.moved.get()))
    }

    /// Counts bytes that were read. When they are more than allowed, every connection ends.
    pub(super) fn spend(&self, bytes: u64) {
        let is_passed = bytes > self.bytes_left();
        self.moved.set(self.moved.get().saturating_add(bytes));
        if is_passed && !self.spent.send_replace(true) {
            let limit = self.policy.bytes.unwrap_or_default();
            self.tell(&Event::BytesSpent { limit });
        }
    }

    pub(super) fn is_spent(&self) -> bool {
        *self.spent.borrow()
    }

    /// Returns when the bytes of the session are spent.
    pub(super) async fn spent(&self) {
        // The sender is `self`, so it can't be gone.
        let _ = self.spent.subscribe().wait_for(|is_spent| *is_spent).await;
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("open", &self.open.get())
            .field("moved", &self.moved.get())
            .finish_non_exhaustive()
    }
}

/// The place that a connection takes: one of the number allowed, and the name it is meant for.
pub(super) struct Place {
    session: Rc<Session>,
    address: Option<Ipv4Addr>,
}

impl Place {
    /// Keeps this address standing for its name.
    pub(super) fn hold(&mut self, address: Ipv4Addr) {
        self.session.names.borrow_mut().open(address);
        self.address = Some(address);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let open = &self.session.open;
        open.set(open.get().saturating_sub(1));
        if let Some(address) = self.address {
            self.session.names.borrow_mut().close(address);
        }
    }
}
