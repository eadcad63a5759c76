//! What came of one attempt, as it is told from the box.

use std::fmt;
use std::io;

use nix::errno::Errno;
use nix::sys::signal::Signal;
use serde::{Deserialize, Serialize};

/// A line of what an attacking process writes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attempt {
    pub attack: String,
    pub outcome: Outcome,
}

/// What came of one attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It did what it is after.
    Happened,
    /// Nothing was refused, and yet it did not.
    NoEffect,
    /// The kernel refused, with this number (errno(3)).
    Refused(i32),
    /// It was ended by this signal (signal(7)).
    Killed(i32),
    /// It did not end in time.
    TimedOut,
    /// It can't be tried here, for this reason.
    Untried(String),
    /// It went wrong in a way that says nothing.
    Failed(String),
}

impl Outcome {
    pub(super) fn of(result: io::Result<bool>) -> Self {
        match result {
            Ok(true) => Self::Happened,
            Ok(false) => Self::NoEffect,
            Err(error) => match error.raw_os_error() {
                Some(number) => Self::Refused(number),
                None if error.kind() == io::ErrorKind::Unsupported => {
                    Self::Untried(error.to_string())
                }
                None => Self::Failed(error.to_string()),
            },
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Happened => f.write_str("it happened"),
            Self::NoEffect => f.write_str("no effect"),
            Self::Refused(number) => write!(f, "{:?}", Errno::from_raw(*number)),
            Self::Killed(number) => match Signal::try_from(*number) {
                Ok(signal) => f.write_str(signal.as_str()),
                Err(_) => write!(f, "signal {number}"),
            },
            Self::TimedOut => f.write_str("it did not end"),
            Self::Untried(reason) | Self::Failed(reason) => f.write_str(reason),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_the_kernel_is_told_from_one_of_ours() {
        let refused = io::Error::from_raw_os_error(Errno::ENOSYS as i32);
        assert_eq!(Outcome::of(Err(refused)).to_string(), "ENOSYS");
        let unsupported = io::Error::new(io::ErrorKind::Unsupported, "no home");
        assert_eq!(
            Outcome::of(Err(unsupported)),
            Outcome::Untried("no home".to_owned())
        );
        let other = io::Error::other("strange");
        assert_eq!(
            Outcome::of(Err(other)),
            Outcome::Failed("strange".to_owned())
        );
    }

    #[test]
    fn a_line_survives_the_way_out_of_the_box() {
        let line = r#"{"attack":"signal","outcome":{"refused":1}}"#;
        let attempt: Attempt = serde_json::from_str(line).unwrap();
        assert_eq!(attempt.outcome, Outcome::Refused(1));
        assert_eq!(serde_json::to_string(&attempt).unwrap(), line);
        assert!(serde_json::from_str::<Attempt>(r#"{"attack":"x","outcome":"won"}"#).is_err());
    }
}
