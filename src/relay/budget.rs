//! How often a tool is called: a token bucket for each tool, and the calls of the last moments.
//! Pure; what time it is comes from outside.
//!
//! What was spent is kept by a [`Budget`]: in memory for one session, or by whoever lets several
//! sessions share one.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt;
use std::time::{Duration, Instant};

use crate::lockfile::{Digest, ToolName};

/// Most calls that are remembered; beyond that the oldest is forgotten.
const MAX_REMEMBERED: usize = 16_384;
/// Most buckets; far more than a server has tools.
const MAX_BUCKETS: usize = 4_096;

/// So many calls in this time; after a pause so many at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Never zero.
    pub calls: u32,
    pub period: Duration,
}

/// What stands for a bucket or a call: the first half of a SHA-256.
pub type SpendingKey = [u8; 16];

/// What a call needs to be allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost<'a> {
    pub tool: &'a ToolName,
    pub rate: Option<Rate>,
    /// The call with its arguments, and for how long it must not be made again.
    pub repeat: Option<(Digest, Duration)>,
}

/// Why a call is not paid for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unpaid {
    /// The same call was made; it can be made again after so long.
    Repeated { left: Duration },
    /// The next call of the tool can be made after so long.
    TooOften { wait: Duration },
    /// What was spent can't be known or noted, for this reason.
    Unknown { reason: String },
}

/// What was spent, of which a call takes its part.
pub trait Budget: fmt::Debug {
    /// Judges a call and takes what it costs, in one step: nobody else's call comes between.
    ///
    /// # Errors
    /// Why it must not be made; then nothing was taken.
    fn spend(&mut self, cost: &Cost<'_>, now: Instant) -> Result<(), Unpaid>;
}

/// The budget of one session, which forgets at its end.
#[derive(Debug, Default)]
pub struct OwnBudget {
    begin: Option<Instant>,
    ledger: Ledger,
}

/// What was spent. Times count from any one moment. Bounded.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    /// When each bucket will be full again.
    full_at: BTreeMap<SpendingKey, Duration>,
    recent: Recent,
}

/// What one call has taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spent {
    /// A bucket, and when it will be full again.
    pub bucket: Option<(SpendingKey, Duration)>,
    /// A call, and until when it must not be repeated.
    pub call: Option<(SpendingKey, Duration)>,
}

/// Calls, each until when it must not be repeated.
#[derive(Clone, Debug, Default)]
struct Recent {
    until: HashMap<SpendingKey, Duration>,
    oldest_first: VecDeque<SpendingKey>,
}

impl Budget for OwnBudget {
    fn spend(&mut self, cost: &Cost<'_>, now: Instant) -> Result<(), Unpaid> {
        let begin = *self.begin.get_or_insert(now);
        let now = now.saturating_duration_since(begin);
        let spent = self.ledger.judge(cost, now, None)?;
        self.ledger.note(&spent, now);
        Ok(())
    }
}

impl Ledger {
    /// What a call would take now. Whatever is not known is taken for spent at `unknown_at`, if
    /// that is given.
    ///
    /// # Errors
    /// Why it must not be made.
    pub fn judge(
        &self,
        cost: &Cost<'_>,
        now: Duration,
        unknown_at: Option<Duration>,
    ) -> Result<Spent, Unpaid> {
        // A repeated call costs nothing of the limit; one beyond the limit was not made.
        let call = match cost.repeat {
            None => None,
            Some((call, window)) => {
                let key = key(&["call", &call.hex(), &window.as_nanos().to_string()]);
                let until = self.recent.until.get(&key).copied();
                let until = until.or_else(|| Some(unknown_at? + window));
                let left = until.unwrap_or_default().saturating_sub(now);
                if !left.is_zero() {
                    return Err(Unpaid::Repeated { left });
                }
                Some((key, now + window))
            }
        };
        let bucket = match cost.rate {
            None => None,
            Some(rate) => {
                // Another rate is another bucket: a person who changes it is not held to the old one.
                let period = rate.period.as_nanos().to_string();
                let key = key(&["tool", cost.tool.as_str(), &rate.calls.to_string(), &period]);
                let token = rate.period / rate.calls.max(1);
                let capacity = token * rate.calls;
                let full_at = self.full_at.get(&key).copied();
                let full_at = full_at.or_else(|| Some(unknown_at? + capacity));
                // How much of the bucket is missing (the generic cell rate algorithm).
                let missing = full_at.unwrap_or_default().saturating_sub(now);
                let after = missing + token;
                if let Some(wait) = after.checked_sub(capacity).filter(|wait| !wait.is_zero()) {
                    return Err(Unpaid::TooOften { wait });
                }
                Some((key, now + after))
            }
        };
        Ok(Spent { bucket, call })
    }

    pub fn note(&mut self, spent: &Spent, now: Duration) {
        if let Some((key, full_at)) = spent.bucket {
            if self.full_at.len() >= MAX_BUCKETS {
                self.full_at.retain(|_, full_at| *full_at > now);
            }
            self.full_at.insert(key, full_at);
        }
        if let Some((key, until)) = spent.call {
            self.recent.insert(key, until, now);
        }
    }

    /// Everything that still matters, from which the ledger can be made again by noting it.
    pub fn entries(&self, now: Duration) -> impl Iterator<Item = Spent> + '_ {
        let buckets = self.full_at.iter().map(|(key, at)| Spent {
            bucket: Some((*key, *at)),
            call: None,
        });
        let calls = self.recent.oldest_first.iter().filter_map(|key| {
            let until = self.recent.until.get(key)?;
            Some(Spent {
                bucket: None,
                call: Some((*key, *until)),
            })
        });
        let matters = move |time: Option<(_, Duration)>| time.is_some_and(|(_, time)| time > now);
        buckets
            .chain(calls)
            .filter(move |spent| matters(spent.bucket) || matters(spent.call))
    }
}

/// Different parts, another key.
fn key(parts: &[&str]) -> SpendingKey {
    let digest = Digest::of(parts.join("\n").as_bytes());
    let mut key = SpendingKey::default();
    key.copy_from_slice(&digest.as_bytes()[..16]);
    key
}

impl Recent {
    fn insert(&mut self, call: SpendingKey, until: Duration, now: Duration) {
        let over = |recent: &Self, call: &SpendingKey| {
            let until = recent.until.get(call);
            until.is_none_or(|until| *until <= now)
        };
        while let Some(oldest) = self.oldest_first.front()
            && (over(self, oldest) || self.oldest_first.len() >= MAX_REMEMBERED)
        {
            self.until.remove(oldest);
            self.oldest_first.pop_front();
        }
        if self.until.insert(call, until).is_none() {
            self.oldest_first.push_back(call);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn rate(calls: u32, period: Duration) -> Rate {
        Rate { calls, period }
    }

    fn spend(
        budget: &mut OwnBudget,
        tool: &ToolName,
        rate: Rate,
        now: Instant,
    ) -> Result<(), Duration> {
        let cost = Cost {
            tool,
            rate: Some(rate),
            repeat: None,
        };
        budget.spend(&cost, now).map_err(|unpaid| match unpaid {
            Unpaid::TooOften { wait } => wait,
            other => panic!("{other:?}"),
        })
    }

    fn repeat(
        budget: &mut OwnBudget,
        call: Digest,
        window: Duration,
        now: Instant,
    ) -> Option<Duration> {
        let tool: ToolName = "echo".parse().unwrap();
        let cost = Cost {
            tool: &tool,
            rate: None,
            repeat: Some((call, window)),
        };
        match budget.spend(&cost, now) {
            Ok(()) => None,
            Err(Unpaid::Repeated { left }) => Some(left),
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_bucket_holds_its_count_and_fills_steadily() {
        let [echo, sum]: [ToolName; 2] = ["echo", "sum"].map(|name| name.parse().unwrap());
        let mut budget = OwnBudget::default();
        let begin = Instant::now();
        let rate = rate(3, 6 * SECOND);
        let mut spend = |tool, after| spend(&mut budget, tool, rate, begin + after);
        for _ in 0..3 {
            assert_eq!(spend(&echo, Duration::ZERO), Ok(()));
        }
        assert_eq!(spend(&echo, Duration::ZERO), Err(2 * SECOND));
        assert_eq!(spend(&sum, Duration::ZERO), Ok(()), "each tool has its own");
        assert_eq!(spend(&echo, SECOND), Err(SECOND));
        assert_eq!(spend(&echo, 2 * SECOND), Ok(()));
        assert_eq!(spend(&echo, 3 * SECOND), Err(SECOND));
        // After a pause there is no more than the count.
        for _ in 0..3 {
            assert_eq!(spend(&echo, 3600 * SECOND), Ok(()));
        }
        assert_eq!(spend(&echo, 3600 * SECOND), Err(2 * SECOND));
        // Time that goes back gives nothing away.
        assert!(spend(&echo, Duration::ZERO).is_err());
    }

    #[test]
    fn no_rate_lets_more_through_than_it_says() {
        let echo: ToolName = "echo".parse().unwrap();
        for calls in [1, 2, 7, 59, 100_000] {
            let mut budget = OwnBudget::default();
            let begin = Instant::now();
            let rate = rate(calls, SECOND);
            let passed = (0..calls + 10)
                .filter(|_| spend(&mut budget, &echo, rate, begin).is_ok())
                .count();
            assert_eq!(passed, calls as usize);
            assert!(spend(&mut budget, &echo, rate, begin + SECOND).is_ok());
        }
    }

    #[test]
    fn a_call_may_be_repeated_after_its_window() {
        let mut budget = OwnBudget::default();
        let begin = Instant::now();
        let [one, other] = [b"1", b"2"].map(|text| Digest::of(text));
        let mut repeat = |call, after| repeat(&mut budget, call, 5 * SECOND, begin + after);
        assert_eq!(repeat(one, Duration::ZERO), None);
        assert_eq!(repeat(other, Duration::ZERO), None);
        assert_eq!(repeat(one, Duration::ZERO), Some(5 * SECOND));
        assert_eq!(repeat(one, 4 * SECOND), Some(SECOND));
        assert_eq!(repeat(one, 5 * SECOND), None);
        assert_eq!(repeat(one, 6 * SECOND), Some(4 * SECOND));
    }

    #[test]
    fn what_is_unknown_counts_as_spent_where_that_is_asked_for() {
        let echo: ToolName = "echo".parse().unwrap();
        let ledger = Ledger::default();
        let cost = Cost {
            tool: &echo,
            rate: Some(rate(2, 2 * SECOND)),
            repeat: None,
        };
        assert!(ledger.judge(&cost, 9 * SECOND, None).is_ok());
        assert_eq!(
            ledger.judge(&cost, 9 * SECOND, Some(9 * SECOND)),
            Err(Unpaid::TooOften { wait: SECOND })
        );
        assert!(ledger.judge(&cost, 10 * SECOND, Some(9 * SECOND)).is_ok());
        let cost = Cost {
            rate: None,
            repeat: Some((Digest::of(b"1"), 5 * SECOND)),
            ..cost
        };
        assert_eq!(
            ledger.judge(&cost, 10 * SECOND, Some(9 * SECOND)),
            Err(Unpaid::Repeated { left: 4 * SECOND })
        );
        assert!(ledger.judge(&cost, 14 * SECOND, Some(9 * SECOND)).is_ok());
    }

    #[test]
    fn memory_is_bounded_and_can_be_made_again() {
        let mut ledger = Ledger::default();
        let now = SECOND;
        let spent = |number: usize| Spent {
            bucket: Some((key(&["b", &(number % 9).to_string()]), 2 * SECOND)),
            call: Some((key(&["c", &number.to_string()]), 6 * SECOND)),
        };
        for number in 0..2 * MAX_REMEMBERED {
            ledger.note(&spent(number), now);
        }
        assert_eq!(ledger.recent.until.len(), MAX_REMEMBERED);
        assert_eq!(ledger.recent.oldest_first.len(), MAX_REMEMBERED);
        let (first, _) = spent(0).call.unwrap();
        let (last, _) = spent(2 * MAX_REMEMBERED - 1).call.unwrap();
        assert!(ledger.recent.until.contains_key(&last));
        assert!(!ledger.recent.until.contains_key(&first));
        let mut again = Ledger::default();
        for spent in ledger.entries(3 * SECOND) {
            assert_eq!(spent.bucket, None, "it is full again");
            again.note(&spent, 3 * SECOND);
        }
        assert_eq!(again.recent.oldest_first, ledger.recent.oldest_first);
        assert_eq!(again.recent.until, ledger.recent.until);
        assert_eq!(ledger.entries(6 * SECOND).count(), 0);
        // What is over goes by itself.
        ledger.note(&spent(7), 9 * SECOND);
        assert_eq!(ledger.recent.until.len(), 1);
        assert_eq!(ledger.full_at.len(), 9);
        for number in 0..2 * MAX_BUCKETS {
            let bucket = key(&["x", &number.to_string()]);
            let bucket = Some((bucket, 10 * SECOND));
            ledger.note(&Spent { bucket, call: None }, 11 * SECOND);
        }
        assert!(ledger.full_at.len() <= MAX_BUCKETS);
    }
}
