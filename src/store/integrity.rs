//! Integrity strings as npm publishes them: `sha512-` and base64 (W3C Subresource Integrity).
//!
//! Only parsing, printing and comparing; hashing is in `artifact`.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Longest integrity string that is read.
const MAX_LENGTH: usize = 4096;

/// A sha512 digest as published by the registry.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Integrity([u8; 64]);

/// Why an integrity string was not accepted. Each names the string.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IntegrityError {
    #[error("the integrity is {0} bytes long; at most {MAX_LENGTH} are read")]
    TooLong(usize),
    #[error(
        "`{0}` holds no sha512 digest; weaker ones don't pin a file, so it can't be installed from this registry entry"
    )]
    NoSha512(String),
    #[error("`{0}` is not a sha512 integrity: expected `sha512-` and 88 characters of base64")]
    Malformed(String),
    #[error("`{0}` holds two different sha512 digests; only one file can be pinned")]
    Ambiguous(String),
}

impl Integrity {
    /// Takes the 64 bytes of a sha512 digest.
    pub const fn from_bytes(bytes: [u8; 64]) -> Self {
        Self(bytes)
    }

    /// Whether `sha512` is the published digest.
    pub fn matches(&self, sha512: &[u8; 64]) -> bool {
        self.0 == *sha512
    }
}

impl FromStr for Integrity {
    type Err = IntegrityError;

    /// Reads one or more digests separated by white space and keeps the sha512 one.
    ///
    /// Weaker digests beside it are ignored, as the SRI specification asks
    /// (3.2.2, "get the strongest metadata from set"); alone they are refused.
    fn from_str(text: &str) -> Result<Self, IntegrityError> {
        if text.len() > MAX_LENGTH {
            return Err(IntegrityError::TooLong(text.len()));
        }
        let mut found: Option<Self> = None;
        for token in text.split_ascii_whitespace() {
            let Some(encoded) = token.strip_prefix("sha512-") else {
                continue;
            };
            let bytes = STANDARD
                .decode(encoded)
                .ok()
                .and_then(|bytes| <[u8; 64]>::try_from(bytes).ok())
                .ok_or_else(|| IntegrityError::Malformed(text.to_owned()))?;
            if found.is_some_and(|earlier| earlier.0 != bytes) {
                return Err(IntegrityError::Ambiguous(text.to_owned()));
            }
            found = Some(Self(bytes));
        }
        found.ok_or_else(|| IntegrityError::NoSha512(text.to_owned()))
    }
}

impl fmt::Display for Integrity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha512-{}", STANDARD.encode(self.0))
    }
}

impl fmt::Debug for Integrity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(byte: u8) -> String {
        Integrity::from_bytes([byte; 64]).to_string()
    }

    #[test]
    fn reads_back_what_it_prints() {
        let text = of(7);
        let integrity: Integrity = text.parse().unwrap();
        assert_eq!(integrity.to_string(), text);
        assert!(integrity.matches(&[7; 64]));
        assert!(!integrity.matches(&[8; 64]));
    }

    #[test]
    fn takes_the_sha512_among_several() {
        let text = format!("sha1-AAAAAAAAAAAAAAAAAAAAAAAAAAA= {} {}", of(1), of(1));
        assert!(text.parse::<Integrity>().unwrap().matches(&[1; 64]));
    }

    #[test]
    fn refuses_what_pins_nothing() {
        let read = |text: &str| text.parse::<Integrity>().unwrap_err();
        assert!(matches!(read(""), IntegrityError::NoSha512(_)));
        assert!(matches!(
            read("sha1-AAAAAAAAAAAAAAAAAAAAAAAAAAA="),
            IntegrityError::NoSha512(_)
        ));
        assert!(matches!(
            read("sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="),
            IntegrityError::NoSha512(_)
        ));
        assert!(matches!(read("SHA512-AAAA"), IntegrityError::NoSha512(_)));
        assert!(matches!(read("sha512-AAAA"), IntegrityError::Malformed(_)));
        assert!(matches!(read("sha512-!"), IntegrityError::Malformed(_)));
        assert!(matches!(
            read(&format!("{}=", of(1))),
            IntegrityError::Malformed(_)
        ));
        assert!(matches!(
            read(&format!("{} {}", of(1), of(2))),
            IntegrityError::Ambiguous(_)
        ));
        assert!(matches!(
            read(&"a ".repeat(4096)),
            IntegrityError::TooLong(_)
        ));
    }
}
