//! The numbers of a session while it runs, for whoever asks from beside it.

use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use super::Running;
use crate::egress::EgressMeter;
use crate::relay::Event;
use crate::sandbox::{self, Layer, Plan};

/// Counts one session; clones count the same one.
#[derive(Clone, Debug, Default)]
pub struct Meter(Arc<Counted>);

#[derive(Debug, Default)]
struct Counted {
    /// 0 before there is one.
    monitor: AtomicI32,
    /// Shared with the relay.
    passed: Arc<AtomicU64>,
    denied: AtomicU64,
    egress: OnceLock<EgressMeter>,
    missing: OnceLock<Vec<Layer>>,
}

/// What was counted up to now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// `None` before the server runs.
    pub server: Option<i32>,
    /// Tool calls of the client, whatever became of them.
    pub calls: u64,
    /// Those that did not reach the server.
    pub denied: u64,
    /// Bytes from the server to the network.
    pub sent: u64,
    /// Bytes from the network to the server.
    pub received: u64,
    /// Bytes of memory of this process and all that descends from it.
    pub memory: u64,
    /// Milliseconds of processor time of the same.
    pub processor: u64,
}

impl Meter {
    /// What the relay counts passed calls with.
    pub fn passed_calls(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.0.passed)
    }

    /// Says which server is meant.
    pub fn watch<Stderr>(&self, running: &Running<Stderr>) {
        if let Some(pid) = running.monitor.pid() {
            self.0.monitor.store(pid, Ordering::Relaxed);
        }
        if let Some(egress) = &running.egress {
            let _ = self.0.egress.set(egress.meter());
        }
    }

    /// The process that watches over the server, once there is one.
    pub fn monitor(&self) -> Option<i32> {
        Some(self.0.monitor.load(Ordering::Relaxed)).filter(|pid| *pid > 0)
    }

    /// Says what is in force around the server.
    pub fn confined(&self, plan: &Plan) {
        let _ = self.0.missing.set(plan.missing());
    }

    /// The layers that are not; empty before the server runs.
    pub fn missing(&self) -> &[Layer] {
        self.0.missing.get().map(Vec::as_slice).unwrap_or_default()
    }

    pub(super) fn note(&self, event: &Event) {
        if let Event::Denied { .. } | Event::CallWithheld { .. } | Event::CallRefused { .. } = event
        {
            self.0.denied.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Walks over the processes of the session, which takes a moment.
    pub fn read(&self) -> Reading {
        let monitor = self.0.monitor.load(Ordering::Relaxed);
        let denied = self.0.denied.load(Ordering::Relaxed);
        let (sent, received) = self
            .0
            .egress
            .get()
            .map(EgressMeter::bytes)
            .unwrap_or_default();
        let (memory, processor) = sandbox::of_this_process_and_descendants();
        Reading {
            server: (monitor > 0).then(|| sandbox::server_of(monitor)).flatten(),
            calls: self.0.passed.load(Ordering::Relaxed) + denied,
            denied,
            sent,
            received,
            memory,
            processor,
        }
    }
}
