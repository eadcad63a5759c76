//! Integrity strings (W3C Subresource Integrity): `sha512-` and base64 as npm publishes them, and
//! `sha256-` and base64 for Python packages, whose index publishes nothing stronger.
//!
//! Only parsing, printing and comparing; hashing is in `artifact`. Which of the two a source
//! must have is said by who parses: nothing weaker is ever taken instead.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Longest integrity string that is read.
const MAX_LENGTH: usize = 4096;

use crate::lockfile::Digest;

/// A digest as published by the registry.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Integrity(Published);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Published {
    Sha256(Digest),
    Sha512([u8; 64]),
}

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
    #[error("`{0}` is not a sha256 integrity: expected `sha256-` and 44 characters of base64")]
    NoSha256(String),
    #[error("`{0}` holds two different sha512 digests; only one file can be pinned")]
    Ambiguous(String),
}

impl Integrity {
    /// Takes the 64 bytes of a sha512 digest.
    pub const fn from_bytes(bytes: [u8; 64]) -> Self {
        Self(Published::Sha512(bytes))
    }

    /// Takes a sha256 digest.
    pub const fn of_sha256(digest: Digest) -> Self {
        Self(Published::Sha256(digest))
    }

    /// Reads `sha256-BASE64`, for sources whose index publishes that.
    pub fn parse_sha256(text: &str) -> Result<Self, IntegrityError> {
        let bytes = text
            .strip_prefix("sha256-")
            .filter(|_| text.len() <= MAX_LENGTH)
            .and_then(|encoded| STANDARD.decode(encoded).ok())
            .and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
        match bytes {
            Some(bytes) => Ok(Self::of_sha256(Digest::from_bytes(bytes))),
            None => Err(IntegrityError::NoSha256(text.chars().take(200).collect())),
        }
    }

    /// Whether the published digest is that of a file with these.
    pub fn matches(&self, sha256: &Digest, sha512: &[u8; 64]) -> bool {
        match &self.0 {
            Published::Sha256(published) => published == sha256,
            Published::Sha512(published) => published == sha512,
        }
    }

    /// The digest, in the same algorithm, of a file with these.
    pub(super) fn alike(&self, sha256: Digest, sha512: [u8; 64]) -> Self {
        match self.0 {
            Published::Sha256(_) => Self::of_sha256(sha256),
            Published::Sha512(_) => Self::from_bytes(sha512),
        }
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
            let read = Self::from_bytes(bytes);
            if found.is_some_and(|earlier| earlier != read) {
                return Err(IntegrityError::Ambiguous(text.to_owned()));
            }
            found = Some(read);
        }
        found.ok_or_else(|| IntegrityError::NoSha512(text.to_owned()))
    }
}

impl fmt::Display for Integrity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Published::Sha256(digest) => {
                write!(f, "sha256-{}", STANDARD.encode(digest.as_bytes()))
            }
            Published::Sha512(bytes) => write!(f, "sha512-{}", STANDARD.encode(bytes)),
        }
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
        let sha256 = Digest::of(b"x");
        assert!(integrity.matches(&sha256, &[7; 64]));
        assert!(!integrity.matches(&sha256, &[8; 64]));
    }

    #[test]
    fn a_sha256_is_taken_only_where_it_is_asked_for() {
        let sha256 = Digest::of(b"x");
        let text = Integrity::of_sha256(sha256).to_string();
        let integrity = Integrity::parse_sha256(&text).unwrap();
        assert_eq!(integrity.to_string(), text);
        assert!(integrity.matches(&sha256, &[7; 64]));
        assert!(!integrity.matches(&Digest::of(b"y"), &[7; 64]));
        assert!(text.parse::<Integrity>().is_err());
        for text in [
            "",
            "sha256-",
            "sha256-AAAA",
            "sha1-AAAA",
            &of(1),
            &format!("{text} {text}"),
        ] {
            let refusal = Integrity::parse_sha256(text).unwrap_err();
            assert!(matches!(refusal, IntegrityError::NoSha256(_)), "{text}");
        }
    }

    #[test]
    fn takes_the_sha512_among_several() {
        let text = format!("sha1-AAAAAAAAAAAAAAAAAAAAAAAAAAA= {} {}", of(1), of(1));
        let integrity: Integrity = text.parse().unwrap();
        assert!(integrity.matches(&Digest::of(b"x"), &[1; 64]));
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
