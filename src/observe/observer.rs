//! The hold on one observed run: what the tracer, the relay and the network of the box tell of it
//! comes together here.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::unistd::Pid;

use super::collector::Collector;
use super::observed::Observed;
use super::tracer;
use crate::sandbox::SandboxSpec;

/// Different hosts and tools that are kept.
const MAX_NAMES: usize = 1_000;
/// For the ends of processes that were killed a moment ago.
const LAST_STOPS: Duration = Duration::from_secs(2);

/// Why a run can't be observed. Nothing of the server has been executed then.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    #[error("the server's process can't be found below its monitor")]
    NoServer,
    #[error(
        "this machine doesn't let pinfold watch its own child ({source}){hint}; `pinfold run` needs none of this"
    )]
    Refused {
        hint: &'static str,
        source: std::io::Error,
    },
    #[error("the thread that would watch the server could not be started")]
    Thread(#[source] std::io::Error),
}

/// Shared by all who tell.
#[derive(Clone, Default)]
pub struct Observer(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    collector: Collector,
    /// Tools that are being called, by the numbers of the calls.
    calls: BTreeMap<u64, String>,
    any_call: bool,
    tracer: Option<JoinHandle<()>>,
}

impl std::fmt::Debug for Observer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Observer")
    }
}

impl Observer {
    /// Nothing yet, of a run with this policy.
    pub fn new(policy: &str) -> Self {
        let observed = Observed {
            runs: 1,
            ..Observed::of_policy(policy)
        };
        let observer = Self::default();
        observer.state().collector = Collector::new(&[], None, observed);
        observer
    }

    /// Watches the process that waits to become the server in the box of `spec`, and all that come of
    /// it.
    ///
    /// # Errors
    /// When this machine doesn't let anybody watch it; it must not be started then.
    pub fn begin(&self, spec: &SandboxSpec, server: Option<i32>) -> Result<(), TraceError> {
        let server = Pid::from_raw(server.ok_or(TraceError::NoServer)?);
        {
            let mut state = self.state();
            let observed = state.collector.observed().clone();
            let namespaces = spec.namespaces.as_ref();
            let short_name = namespaces.and_then(|namespaces| namespaces.short_name.clone());
            state.collector = Collector::new(&spec.filters, spec.own_list.as_ref(), observed)
                .with_short_name(short_name);
        }
        let tracer = tracer::begin(server, self.clone())?;
        self.state().tracer = Some(tracer);
        Ok(())
    }

    /// What was observed, once the session has ended; the tracer then sees the last process end.
    pub fn finish(&self) -> Observed {
        let tracer = self.state().tracer.take();
        let given_up = Instant::now() + LAST_STOPS;
        while tracer.as_ref().is_some_and(|tracer| !tracer.is_finished())
            && Instant::now() < given_up
        {
            std::thread::sleep(Duration::from_millis(1));
        }
        self.state().collector.observed().clone()
    }

    /// A call is passed on to the server.
    pub fn call_begins(&self, number: u64, tool: &str) {
        let mut state = self.state();
        state.any_call = true;
        state.calls.insert(number, tool.to_owned());
        count(&mut state.collector.observed_mut().tools, tool);
    }

    pub fn call_ends(&self, number: u64) {
        self.state().calls.remove(&number);
    }

    /// A call is not passed on.
    pub fn call_refused(&self, tool: &str) {
        count(
            &mut self.state().collector.observed_mut().withheld_tools,
            tool,
        );
    }

    /// The box asked for this host, as `HOST:PORT`, or `HOST` where only its name was looked up.
    pub fn host(&self, host: String, is_allowed: bool) {
        let mut state = self.state();
        let moment = state.moment();
        let hosts = &mut state.collector.observed_mut().hosts;
        if hosts.len() >= MAX_NAMES && !hosts.contains_key(&host) {
            return;
        }
        let seen = hosts.entry(host).or_default();
        if is_allowed {
            seen.allowed += 1;
        } else {
            seen.refused += 1;
        }
        if seen.during.len() < MAX_NAMES {
            seen.during.insert(moment);
        }
    }

    /// Lets the tracer tell something, with what goes on at this moment.
    pub(super) fn tell<T>(&self, told: impl FnOnce(&mut Collector, &str) -> T) -> T {
        let mut state = self.state();
        let moment = state.moment();
        told(&mut state.collector, &moment)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn moment(&self) -> String {
        if self.calls.is_empty() {
            return if self.any_call {
                super::observed::BETWEEN
            } else {
                super::observed::START
            }
            .to_owned();
        }
        let mut tools: Vec<&str> = self.calls.values().map(String::as_str).collect();
        tools.sort_unstable();
        tools.dedup();
        tools.join(", ")
    }
}

fn count(tools: &mut BTreeMap<String, u64>, tool: &str) {
    if tools.len() < MAX_NAMES || tools.contains_key(tool) {
        *tools.entry(tool.to_owned()).or_default() += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_on_is_told_by_the_calls_that_are_under_way() {
        let observer = Observer::new("p");
        let moment = || observer.tell(|_, moment| moment.to_owned());
        assert_eq!(moment(), "start");
        observer.call_begins(1, "read");
        assert_eq!(moment(), "read");
        observer.call_begins(2, "list");
        observer.call_begins(3, "read");
        assert_eq!(moment(), "list, read");
        observer.call_ends(1);
        observer.call_ends(2);
        assert_eq!(moment(), "read");
        observer.call_ends(3);
        assert_eq!(moment(), "between calls");
        observer.call_refused("write");
        observer.host("example.com:443".to_owned(), true);
        observer.host("example.org".to_owned(), false);
        let observed = observer.finish();
        assert_eq!(observed.tools["read"], 2);
        assert_eq!(observed.withheld_tools["write"], 1);
        assert_eq!(observed.hosts["example.org"].refused, 1);
        assert_eq!(observed.hosts["example.com:443"].allowed, 1);
    }
}
