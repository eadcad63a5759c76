//! Which servers are kept warm, how many of each, and when the next one is started. Pure.
//!
//! A warm one is a session process with a running server that nobody has spoken to. It is used once.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use tokio::time::Instant;

use super::protocol::Resting;

/// Warm ones of all servers together; each has the memory of a server.
pub(super) const MAX_WARM: usize = 32;
/// An older one is replaced, so that no server runs with what the machine had long ago: a library
/// that was updated is in use after this time.
pub(super) const MAX_AGE: Duration = Duration::from_secs(60 * 60);
/// After one was taken: its client has the machine for itself first.
const REPLACEMENT_DELAY: Duration = Duration::from_millis(300);
/// After a first failure; each further one doubles it.
const FIRST_DELAY: Duration = Duration::from_secs(1);
const LONGEST_DELAY: Duration = Duration::from_secs(5 * 60);
/// Characters of a reason.
const MAX_REASON: usize = 500;

/// What the manifest wants of one server, and what a session of it would be made from now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// So many are kept; 0 while it is in quarantine.
    pub count: usize,
    pub fingerprint: String,
    /// The server's state folder.
    pub state: PathBuf,
}

/// Of a server by its name.
type Fingerprint = dyn Fn(&str) -> Option<String> + Send + Sync;

/// How the daemon learns of servers that are kept warm. All of it reads files.
pub struct Warming {
    /// Servers by name.
    pub wishes: Box<dyn Fn() -> BTreeMap<String, Wish> + Send + Sync>,
    /// What a session of this server would be made from now; `None` when it would not be started.
    pub fingerprint: Box<Fingerprint>,
    /// A change of one of these may change the answers.
    pub files: Vec<PathBuf>,
    /// The same, by their names in a server's state folder.
    pub markers: Vec<&'static str>,
}

/// One server that is to be kept warm.
#[derive(Clone, Debug)]
struct Kept {
    wanted: usize,
    fingerprint: String,
    failures: u32,
    not_before: Option<Instant>,
    problem: Option<String>,
    /// By `pinfold stop`, until it is used again or something changes.
    is_stopped: bool,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Pool(BTreeMap<String, Kept>);

/// What is to be done next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Next {
    Launch(String),
    /// Nothing before this moment.
    At(Instant),
    Nothing,
}

impl Pool {
    /// Takes over what is wanted now. The servers of which none of the present ones is of use any
    /// more; with `is_anew`, that is all.
    pub(super) fn renew(&mut self, wishes: &BTreeMap<String, Wish>, is_anew: bool) -> Vec<String> {
        let mut outdated: Vec<String> = self
            .0
            .iter()
            .filter(|(name, kept)| {
                is_anew
                    || wishes
                        .get(*name)
                        .is_none_or(|wish| wish.fingerprint != kept.fingerprint)
            })
            .map(|(name, _)| name.clone())
            .collect();
        for name in &outdated {
            self.0.remove(name);
        }
        for (name, wish) in wishes {
            let kept = self.0.entry(name.clone()).or_insert_with(|| Kept {
                wanted: wish.count,
                fingerprint: wish.fingerprint.clone(),
                failures: 0,
                not_before: None,
                problem: None,
                is_stopped: false,
            });
            if wish.count < kept.wanted && !outdated.contains(name) {
                outdated.push(name.clone());
            }
            kept.wanted = wish.count;
        }
        outdated
    }

    /// One was taken, or the server was started without one.
    pub(super) fn used(&mut self, server: &str, now: Instant) {
        if let Some(kept) = self.0.get_mut(server) {
            kept.is_stopped = false;
            // One that fails is no better for being wanted.
            if kept.failures == 0 {
                kept.not_before = Some(now + REPLACEMENT_DELAY);
            }
        }
    }

    /// One was taken alive, so that earlier failures count no more.
    pub(super) fn taken(&mut self, server: &str, now: Instant) {
        if let Some(kept) = self.0.get_mut(server) {
            kept.failures = 0;
            kept.problem = None;
        }
        self.used(server, now);
    }

    /// One could not be started, or has ended after `lived` without having been used.
    pub(super) fn failed(&mut self, server: &str, reason: &str, lived: Duration, now: Instant) {
        let Some(kept) = self.0.get_mut(server) else {
            return;
        };
        if lived >= LONGEST_DELAY {
            kept.failures = 0;
        }
        kept.failures = kept.failures.saturating_add(1);
        kept.problem = Some(reason.chars().take(MAX_REASON).collect());
        kept.not_before = Some(now + delay(kept.failures));
    }

    pub(super) fn stopped(&mut self, server: &str) {
        if let Some(kept) = self.0.get_mut(server) {
            kept.is_stopped = true;
        }
    }

    pub(super) fn stop_all(&mut self) {
        for kept in self.0.values_mut() {
            kept.is_stopped = true;
        }
    }

    /// `present` has how many of each are warm or are getting so.
    pub(super) fn next(&self, present: &BTreeMap<String, usize>, now: Instant) -> Next {
        if present.values().sum::<usize>() >= MAX_WARM {
            return Next::Nothing;
        }
        let mut earliest: Option<Instant> = None;
        for (name, kept) in &self.0 {
            let has = present.get(name).copied().unwrap_or(0);
            if kept.is_stopped || has >= kept.wanted {
                continue;
            }
            match kept.not_before {
                Some(moment) if moment > now => {
                    earliest = Some(earliest.map_or(moment, |other| other.min(moment)));
                }
                _ => return Next::Launch(name.clone()),
            }
        }
        earliest.map_or(Next::Nothing, Next::At)
    }

    /// Those of which none is there, and why.
    pub(super) fn resting(&self, present: &BTreeMap<String, usize>, now: Instant) -> Vec<Resting> {
        let none_of = |name: &String| present.get(name).copied().unwrap_or(0) == 0;
        self.0
            .iter()
            .filter(|(name, kept)| kept.wanted > 0 && none_of(name))
            .filter_map(|(name, kept)| {
                let reason = match &kept.problem {
                    _ if kept.is_stopped => {
                        "stopped (`pinfold stop`); kept again once it is used".to_owned()
                    }
                    Some(problem) => problem.clone(),
                    None => return None,
                };
                let waits = |moment: Instant| moment.saturating_duration_since(now).as_secs();
                Some(Resting {
                    server: name.clone(),
                    failures: kept.failures,
                    next_seconds: match kept.is_stopped {
                        true => None,
                        false => Some(kept.not_before.map_or(0, waits)),
                    },
                    reason,
                })
            })
            .collect()
    }
}

/// Whether one that was started then is too old now. Both are moments of a clock that goes on while
/// the machine sleeps: a laptop that was closed over night has a server from yesterday.
pub(super) fn is_aged(started: Duration, now: Duration) -> bool {
    now.saturating_sub(started) >= MAX_AGE
}

/// After so many failures in a row.
fn delay(failures: u32) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    LONGEST_DELAY.min(FIRST_DELAY * 2_u32.pow(doublings))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wishes(of: &[(&str, usize, &str)]) -> BTreeMap<String, Wish> {
        of.iter()
            .map(|(name, count, fingerprint)| {
                let wish = Wish {
                    count: *count,
                    fingerprint: (*fingerprint).to_owned(),
                    state: PathBuf::new(),
                };
                ((*name).to_owned(), wish)
            })
            .collect()
    }

    fn present(of: &[(&str, usize)]) -> BTreeMap<String, usize> {
        of.iter()
            .map(|(name, has)| ((*name).to_owned(), *has))
            .collect()
    }

    fn launch(name: &str) -> Next {
        Next::Launch(name.to_owned())
    }

    #[test]
    fn what_is_missing_is_launched_up_to_the_bound_of_all() {
        let now = Instant::now();
        let mut pool = Pool::default();
        assert_eq!(pool.next(&present(&[]), now), Next::Nothing);
        assert!(
            pool.renew(&wishes(&[("a", 1, "1"), ("b", 2, "1")]), false)
                .is_empty()
        );
        assert_eq!(pool.next(&present(&[]), now), launch("a"));
        assert_eq!(pool.next(&present(&[("a", 1), ("b", 1)]), now), launch("b"));
        assert_eq!(
            pool.next(&present(&[("a", 1), ("b", 2)]), now),
            Next::Nothing
        );
        let others = present(&[("c", MAX_WARM - 1), ("d", 1)]);
        assert_eq!(pool.next(&others, now), Next::Nothing);
        assert_eq!(
            pool.next(&present(&[("c", MAX_WARM - 1)]), now),
            launch("a")
        );
    }

    #[test]
    fn what_has_changed_is_outdated_and_nothing_else() {
        let mut pool = Pool::default();
        pool.renew(
            &wishes(&[("a", 2, "1"), ("b", 1, "1"), ("c", 1, "1")]),
            false,
        );
        let same = wishes(&[("a", 2, "1"), ("b", 1, "2")]);
        assert_eq!(pool.renew(&same, false), ["b", "c"]);
        assert!(pool.renew(&same, false).is_empty());
        assert_eq!(
            pool.renew(&wishes(&[("a", 1, "1"), ("b", 1, "2")]), false),
            ["a"]
        );
        assert_eq!(
            pool.renew(&wishes(&[("a", 1, "1"), ("b", 1, "2")]), true),
            ["a", "b"]
        );
        assert_eq!(pool.renew(&wishes(&[]), false), ["a", "b"]);
        assert_eq!(pool.next(&present(&[]), Instant::now()), Next::Nothing);
    }

    #[test]
    fn who_fails_waits_longer_each_time_and_not_forever() {
        let seconds: Vec<u64> = (1..12).map(|failures| delay(failures).as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        assert_eq!(delay(u32::MAX), LONGEST_DELAY);
        let now = Instant::now();
        let mut pool = Pool::default();
        pool.renew(&wishes(&[("a", 1, "1")]), false);
        pool.failed("a", "no", Duration::ZERO, now);
        pool.failed("a", "no", Duration::ZERO, now);
        assert_eq!(
            pool.next(&present(&[]), now),
            Next::At(now + Duration::from_secs(2))
        );
        assert_eq!(
            pool.next(&present(&[]), now + Duration::from_secs(2)),
            launch("a")
        );
        let resting = pool.resting(&present(&[]), now);
        assert_eq!((resting[0].failures, resting[0].next_seconds), (2, Some(2)));
        assert!(pool.resting(&present(&[("a", 1)]), now).is_empty());
        // That a client starts it changes nothing about it.
        pool.used("a", now);
        assert_eq!(
            pool.next(&present(&[]), now),
            Next::At(now + Duration::from_secs(2))
        );
        // One that has lived long does not count as failing in a row.
        pool.failed("a", "no", LONGEST_DELAY, now);
        assert_eq!(pool.next(&present(&[]), now), Next::At(now + FIRST_DELAY));
        // A changed manifest or lock is another chance.
        pool.renew(&wishes(&[("a", 1, "2")]), false);
        assert_eq!(pool.next(&present(&[]), now), launch("a"));
    }

    #[test]
    fn age_is_counted_from_the_start_of_the_process() {
        let started = Duration::from_secs(100_000);
        assert!(!is_aged(started, started));
        assert!(!is_aged(
            started,
            started + MAX_AGE - Duration::from_nanos(1)
        ));
        assert!(is_aged(started, started + MAX_AGE));
    }

    #[test]
    fn one_that_was_taken_is_replaced_after_a_moment() {
        let now = Instant::now();
        let mut pool = Pool::default();
        pool.renew(&wishes(&[("a", 1, "1")]), false);
        pool.taken("a", now);
        assert_eq!(
            pool.next(&present(&[]), now),
            Next::At(now + REPLACEMENT_DELAY)
        );
        assert_eq!(
            pool.next(&present(&[]), now + REPLACEMENT_DELAY),
            launch("a")
        );
    }

    #[test]
    fn a_stopped_one_comes_back_when_it_is_used_or_changed() {
        let now = Instant::now();
        for way in ["used", "anew", "changed"] {
            let mut pool = Pool::default();
            pool.renew(&wishes(&[("a", 1, "1")]), false);
            pool.stopped("a");
            assert_eq!(pool.next(&present(&[]), now), Next::Nothing);
            let resting = pool.resting(&present(&[]), now);
            assert_eq!(resting[0].next_seconds, None);
            pool.renew(&wishes(&[("a", 1, "1")]), false);
            assert_eq!(pool.next(&present(&[]), now), Next::Nothing);
            match way {
                "used" => pool.used("a", now),
                "anew" => drop(pool.renew(&wishes(&[("a", 1, "1")]), true)),
                _ => drop(pool.renew(&wishes(&[("a", 1, "2")]), false)),
            }
            assert_eq!(
                pool.next(&present(&[]), now + REPLACEMENT_DELAY),
                launch("a"),
                "{way}"
            );
        }
    }
}
