//! How lines hang together: each has a number, and the digest of the line before it. Pure.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;

use crate::lockfile::Digest;

/// The longest line that is taken for a record, in bytes, with its newline.
pub(super) const MAX_LINE: usize = 1 << 20;

/// No record has this number or a higher one: a line that says so is none, and numbers can be added to.
pub(super) const MAX_SEQ: u64 = 1 << 62;

/// One record, by its number and the sha256 of its line without the newline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Anchor {
    pub seq: u64,
    pub hash: Digest,
}

impl Anchor {
    /// What the first record hangs on.
    pub(super) const NONE: Self = Self {
        seq: 0,
        hash: Digest::from_bytes([0; 32]),
    };
}

/// What of a line makes the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) seq: u64,
    pub(super) prev: Digest,
    pub(super) hash: Digest,
}

#[derive(Deserialize)]
struct RawLink<'a> {
    seq: u64,
    prev: &'a str,
}

impl Link {
    /// Reads a line, without its newline. `None`: it is no record.
    pub(super) fn read(line: &[u8]) -> Option<Self> {
        let raw: RawLink<'_> = serde_json::from_slice(line).ok()?;
        (raw.seq < MAX_SEQ).then_some(())?;
        Some(Self {
            seq: raw.seq,
            prev: Digest::from_hex(raw.prev).ok()?,
            hash: Digest::of(line),
        })
    }

    pub(super) const fn anchor(&self) -> Anchor {
        Anchor {
            seq: self.seq,
            hash: self.hash,
        }
    }

    /// Whether it comes directly behind that record.
    pub(super) fn follows(&self, before: &Anchor) -> bool {
        before.seq.checked_add(1) == Some(self.seq) && self.prev == before.hash
    }
}

/// `SEQ:HASH`, as `pinfold log head` prints it.
impl fmt::Display for Anchor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.seq, self.hash.hex())
    }
}

impl FromStr for Anchor {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let read = || {
            let (seq, hash) = text.split_once(':')?;
            Some(Self {
                seq: seq.parse().ok()?,
                hash: Digest::from_hex(hash).ok()?,
            })
        };
        read().ok_or_else(|| {
            "an end of the log is NUMBER:SHA256, as `pinfold log head` prints it".to_owned()
        })
    }
}
