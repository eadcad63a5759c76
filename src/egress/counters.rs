//! What went to which host, readable while it goes.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::event::Host;

/// So many hosts are counted by themselves; which they are is the box's choice.
const MAX_HOSTS: usize = 1024;
/// So many of them may be hosts that were only ever refused, so that those can't crowd out others.
const MAX_REFUSED_HOSTS: usize = 256;

/// The numbers of one host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostCounters {
    /// None: all hosts together that are beyond the number counted by themselves.
    pub host: Option<Host>,
    /// Connections that were made.
    pub allowed: u64,
    /// Connections that were not.
    pub refused: u64,
    /// Bytes from the box.
    pub sent: u64,
    /// Bytes to the box.
    pub received: u64,
}

/// Reads how much went through one box's network.
#[derive(Clone, Debug)]
pub struct EgressMeter(Arc<Counters>);

impl EgressMeter {
    pub(super) fn new(counters: &Arc<Counters>) -> Self {
        Self(Arc::clone(counters))
    }

    /// What went to which host, as [`super::Egress::counters`] has it.
    pub fn hosts(&self) -> Vec<HostCounters> {
        self.0.snapshot()
    }

    /// Bytes from the box, and to it.
    pub fn bytes(&self) -> (u64, u64) {
        self.0
            .snapshot()
            .iter()
            .fold((0, 0), |(sent, received), host| {
                (sent + host.sent, received + host.received)
            })
    }
}

/// The same, being counted.
#[derive(Debug, Default)]
pub(super) struct HostCount {
    pub(super) allowed: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) sent: AtomicU64,
    pub(super) received: AtomicU64,
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    hosts: Mutex<BTreeMap<Host, Arc<HostCount>>>,
    others: Arc<HostCount>,
}

impl Counters {
    /// Where a connection to `host` is counted.
    pub(super) fn of(&self, host: &Host) -> Arc<HostCount> {
        self.find(host, MAX_HOSTS)
    }

    /// Counts a connection that was not made.
    pub(super) fn refuse(&self, host: &Host) {
        let count = self.find(host, MAX_REFUSED_HOSTS);
        count.refused.fetch_add(1, Ordering::Relaxed);
    }

    fn find(&self, host: &Host, limit: usize) -> Arc<HostCount> {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = hosts.get(host) {
            return Arc::clone(count);
        }
        if hosts.len() >= limit {
            return Arc::clone(&self.others);
        }
        Arc::clone(hosts.entry(host.clone()).or_default())
    }

    /// The hosts in order, and behind them all others together if there are any.
    pub(super) fn snapshot(&self) -> Vec<HostCounters> {
        let hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<_> = hosts
            .iter()
            .map(|(host, count)| count.read(Some(host.clone())))
            .collect();
        drop(hosts);
        let others = self.others.read(None);
        if others.allowed + others.refused > 0 {
            all.push(others);
        }
        all
    }
}

impl HostCount {
    fn read(&self, host: Option<Host>) -> HostCounters {
        let read = |number: &AtomicU64| number.load(Ordering::Relaxed);
        HostCounters {
            host,
            allowed: read(&self.allowed),
            refused: read(&self.refused),
            sent: read(&self.sent),
            received: read(&self.received),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::HostName;

    fn host(number: usize) -> Host {
        Host::Name(HostName::parse(&format!("h{number}.example")).unwrap())
    }

    #[test]
    fn refused_hosts_can_neither_grow_without_end_nor_crowd_out_others() {
        let counters = Counters::default();
        for number in 0..10_000 {
            counters.refuse(&host(number));
        }
        let allowed = counters.of(&host(99_999));
        allowed.allowed.fetch_add(1, Ordering::Relaxed);
        allowed.sent.fetch_add(7, Ordering::Relaxed);
        let all = counters.snapshot();
        assert_eq!(all.len(), MAX_REFUSED_HOSTS + 2);
        assert_eq!(all.iter().map(|host| host.refused).sum::<u64>(), 10_000);
        let one = all.iter().find(|found| found.host == Some(host(99_999)));
        assert_eq!(one.map(|one| (one.allowed, one.sent)), Some((1, 7)));
        let counters = Arc::new(counters);
        assert_eq!(EgressMeter::new(&counters).bytes(), (7, 0));
        for number in 20_000..30_000 {
            counters.of(&host(number));
        }
        assert!(counters.snapshot().len() <= MAX_HOSTS + 1);
    }
}
