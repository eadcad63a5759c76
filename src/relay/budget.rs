//! How often a tool is called: a token bucket for each tool, and the calls of the last moments.
//! Pure; what time it is comes from outside.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::{Duration, Instant};

use crate::lockfile::{Digest, ToolName};

/// Most calls that are remembered; beyond that the oldest is forgotten.
const MAX_REMEMBERED: usize = 16_384;

/// So many calls in this time; after a pause so many at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Never zero.
    pub calls: u32,
    pub period: Duration,
}

/// What was spent in one session. Bounded by the list of tools.
#[derive(Debug, Default)]
pub(super) struct Budget {
    /// For each tool when its bucket will be full again.
    full_at: BTreeMap<ToolName, Instant>,
    recent: Recent,
}

/// Calls, each until when it must not be repeated.
#[derive(Debug, Default)]
struct Recent {
    until: HashMap<Digest, Instant>,
    oldest_first: VecDeque<Digest>,
}

impl Budget {
    /// Takes a token for a call of `tool`, or says how long the next one takes.
    pub(super) fn spend(
        &mut self,
        tool: &ToolName,
        rate: Rate,
        now: Instant,
    ) -> Result<(), Duration> {
        let token = rate.period / rate.calls.max(1);
        let full_at = self.full_at.get(tool).copied();
        // How much of the bucket is missing (the generic cell rate algorithm).
        let missing = full_at.map_or(Duration::ZERO, |at| at.saturating_duration_since(now));
        let capacity = token * rate.calls;
        let after = missing + token;
        if let Some(wait) = after.checked_sub(capacity).filter(|wait| !wait.is_zero()) {
            return Err(wait);
        }
        self.full_at.insert(tool.clone(), now + after);
        Ok(())
    }

    /// For how long a call must not be repeated yet.
    pub(super) fn seen(&self, call: &Digest, now: Instant) -> Option<Duration> {
        let left = self.recent.until.get(call)?.saturating_duration_since(now);
        (!left.is_zero()).then_some(left)
    }

    /// From now on it must not be repeated, for as long as `window`.
    pub(super) fn note(&mut self, call: Digest, window: Duration, now: Instant) {
        self.recent.insert(call, now + window, now);
    }
}

impl Recent {
    fn insert(&mut self, call: Digest, until: Instant, now: Instant) {
        let over = |recent: &Self, call: &Digest| {
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

    #[test]
    fn a_bucket_holds_its_count_and_fills_steadily() {
        let [echo, sum]: [ToolName; 2] = ["echo", "sum"].map(|name| name.parse().unwrap());
        let mut budget = Budget::default();
        let begin = Instant::now();
        let rate = rate(3, 6 * SECOND);
        let mut spend = |tool, after| budget.spend(tool, rate, begin + after);
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
        for calls in [1, 2, 7, 59, 1_000_000] {
            let mut budget = Budget::default();
            let begin = Instant::now();
            let rate = rate(calls, SECOND);
            let passed = (0..calls + 10)
                .filter(|_| budget.spend(&echo, rate, begin).is_ok())
                .count();
            assert_eq!(passed, calls as usize);
            assert!(budget.spend(&echo, rate, begin + SECOND).is_ok());
        }
    }

    #[test]
    fn a_call_may_be_repeated_after_its_window() {
        let mut budget = Budget::default();
        let begin = Instant::now();
        let [one, other] = [b"1", b"2"].map(|text| Digest::of(text));
        assert_eq!(budget.seen(&one, begin), None);
        budget.note(one, 5 * SECOND, begin);
        assert_eq!(budget.seen(&other, begin), None);
        assert_eq!(budget.seen(&one, begin), Some(5 * SECOND));
        assert_eq!(budget.seen(&one, begin + 4 * SECOND), Some(SECOND));
        assert_eq!(budget.seen(&one, begin + 5 * SECOND), None);
        budget.note(one, 5 * SECOND, begin + 5 * SECOND);
        assert_eq!(budget.seen(&one, begin + 6 * SECOND), Some(4 * SECOND));
    }

    #[test]
    fn memory_is_bounded() {
        let mut budget = Budget::default();
        let begin = Instant::now();
        for number in 0..3 * MAX_REMEMBERED {
            budget.note(Digest::of(number.to_string().as_bytes()), 5 * SECOND, begin);
        }
        let last = Digest::of((3 * MAX_REMEMBERED - 1).to_string().as_bytes());
        assert_eq!(budget.recent.until.len(), MAX_REMEMBERED);
        assert_eq!(budget.recent.oldest_first.len(), MAX_REMEMBERED);
        assert!(budget.seen(&last, begin).is_some());
        assert!(budget.seen(&Digest::of(b"0"), begin).is_none());
        // What is over goes by itself.
        budget.note(Digest::of(b"x"), SECOND, begin + 9 * SECOND);
        assert_eq!(budget.recent.until.len(), 1);
        assert_eq!(budget.recent.oldest_first.len(), 1);
    }
}
