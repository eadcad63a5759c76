//! When a failed request is tried again, and after how long. Pure.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

/// Longest pause that a server may ask for with `Retry-After`; beyond it, the error is reported.
const LONGEST_REQUESTED_PAUSE: Duration = Duration::from_secs(30);

/// How often and how patiently to try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetrySettings {
    /// Attempts in all, the first included.
    pub attempts: u32,
    /// Pause before the second attempt; doubled for each one after it.
    pub first_pause: Duration,
}

impl Default for RetrySettings {
    fn default() -> Self {
        Self {
            attempts: 4,
            first_pause: Duration::from_millis(400),
        }
    }
}

/// Whether an answer with this status may be different in a moment.
pub(super) fn is_passing(status: u16) -> bool {
    matches!(status, 408 | 429 | 500..=599)
}

/// The pause after attempt number `attempt` (counted from 1), or `None` to give up.
///
/// `retry_after` is what the server asked for; it wins over our own doubling.
pub(super) fn pause_after(
    settings: RetrySettings,
    attempt: u32,
    retry_after: Option<Duration>,
    jitter: f64,
) -> Option<Duration> {
    if attempt >= settings.attempts {
        return None;
    }
    match retry_after {
        Some(asked) if asked > LONGEST_REQUESTED_PAUSE => None,
        Some(asked) => Some(asked),
        None => {
            let doubled = settings
                .first_pause
                .saturating_mul(1 << attempt.min(8).saturating_sub(1));
            // Between half and the whole, so that clients which failed together come back apart.
            Some(doubled.mul_f64(0.5 + 0.5 * jitter.clamp(0.0, 1.0)))
        }
    }
}

/// The `Retry-After` header in its form of seconds (RFC 9110, section 10.2.3).
/// The form of a date is rare and left to our own pause.
pub(super) fn requested_pause(header: Option<&str>) -> Option<Duration> {
    header?.trim().parse().ok().map(Duration::from_secs)
}

/// Slowest answer that is waited for, in bytes per second: a sixteenth of a telephone line.
const SLOWEST: u64 = 256;

/// Whether an answer of which so much has come after so long can be given up.
pub(super) fn is_too_slow(patience: Duration, elapsed: Duration, received: u64) -> bool {
    elapsed >= patience && received < elapsed.as_secs().max(1).saturating_mul(SLOWEST)
}

/// A number in 0..1 that differs from call to call; not for secrets.
pub(super) fn jitter() -> f64 {
    let random = RandomState::new().hash_one(0_u8);
    f64::from(u16::try_from(random & 0xffff).unwrap_or(0)) / 65536.0
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: RetrySettings = RetrySettings {
        attempts: 4,
        first_pause: Duration::from_millis(100),
    };

    #[test]
    fn pauses_double_and_end() {
        let pause = |attempt| pause_after(SETTINGS, attempt, None, 1.0);
        assert_eq!(pause(1), Some(Duration::from_millis(100)));
        assert_eq!(pause(2), Some(Duration::from_millis(200)));
        assert_eq!(pause(3), Some(Duration::from_millis(400)));
        assert_eq!(pause(4), None);
    }

    #[test]
    fn a_short_request_of_the_server_is_honoured_and_a_long_one_ends_it() {
        let asked = |seconds| pause_after(SETTINGS, 1, Some(Duration::from_secs(seconds)), 0.0);
        assert_eq!(asked(30), Some(Duration::from_secs(30)));
        assert_eq!(asked(31), None);
        assert_eq!(requested_pause(Some("7")), Some(Duration::from_secs(7)));
        assert_eq!(requested_pause(Some("Wed, 21 Oct 2026 07:28:00 GMT")), None);
    }

    #[test]
    fn only_a_trickle_is_given_up_and_not_at_once() {
        let patience = Duration::from_secs(300);
        let slow =
            |seconds, received| is_too_slow(patience, Duration::from_secs(seconds), received);
        assert!(!slow(299, 1));
        assert!(slow(300, 600));
        assert!(!slow(300, 300 * SLOWEST));
        assert!(slow(36_000, 300 * SLOWEST));
        // A large file over a slow line.
        assert!(!slow(36_000, 36_000 * SLOWEST));
    }

    #[test]
    fn refusals_are_final_and_overload_is_not() {
        for status in [400, 401, 403, 404, 410] {
            assert!(!is_passing(status), "{status}");
        }
        for status in [408, 429, 500, 502, 503] {
            assert!(is_passing(status), "{status}");
        }
        assert!((0.0..1.0).contains(&jitter()));
    }
}
