//! What a wheel may not do, in the words that the user reads.

/// The rule of the wheel format that a wheel broke (packaging.python.org, "Binary distribution
/// format"; PEP 427).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WheelRule {
    #[error("it has no folder `{0}`, so it is not the wheel that its name says")]
    NoDistInfo(String),
    #[error("it has a second folder `{0}`; there is one to a wheel")]
    SecondDistInfo(String),
    #[error("its {0} is missing")]
    Missing(&'static str),
    #[error("its {file} can't be read: {reason}")]
    Malformed {
        file: &'static str,
        reason: &'static str,
    },
    #[error("it has version {0} of the wheel format; 1 is understood")]
    Version(String),
    #[error("`{0}` is in its RECORD and not in the wheel")]
    Absent(String),
    #[error("`{0}` is in the wheel and not in its RECORD")]
    Unlisted(String),
    #[error("`{0}` is not what its RECORD says; it was changed after the wheel was made")]
    Changed(String),
    #[error("`{0}` has no sha256 in its RECORD")]
    NoHash(String),
    #[error("`{0}` is for a place that wheels have no word for")]
    UnknownPlace(String),
    #[error("`{0}` is there already from another wheel, with other content")]
    Clash(String),
}
