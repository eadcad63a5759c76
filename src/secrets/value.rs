//! A value that is shown to nobody and wiped when it is dropped.

use std::io::Read;

use zeroize::Zeroizing;

use super::SecretError;

/// A variable of the environment may hold little more (execve(2), `MAX_ARG_STRLEN` is 128 KiB).
pub const MAX_SECRET_BYTES: usize = 64 << 10;

/// The value of a secret: UTF-8 without NUL, of 1 to [`MAX_SECRET_BYTES`] bytes. It has no
/// `Display` and no `Serialize`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// # Errors
    /// When these bytes can't be the value of a variable.
    pub fn new(bytes: Zeroizing<Vec<u8>>) -> Result<Self, SecretError> {
        let unusable = |reason| Err(SecretError::Unusable { reason });
        if bytes.is_empty() {
            unusable("it is empty")
        } else if bytes.len() > MAX_SECRET_BYTES {
            unusable("it is longer than 64 KiB")
        } else if bytes.contains(&0) {
            unusable("it holds a NUL byte, which no variable can")
        } else if std::str::from_utf8(&bytes).is_err() {
            unusable("it is not UTF-8")
        } else {
            Ok(Self(bytes))
        }
    }

    /// Reads to the end; of a text that ends in a line break, that is taken off.
    ///
    /// # Errors
    /// When it can't be read or is no value.
    pub fn read_line_of(input: impl Read) -> Result<Self, SecretError> {
        Self::new(without_line_break(read_bounded(input)?))
    }

    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    pub fn text(&self) -> &str {
        // Checked when it was made.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// Never the value.
impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// All of it, or one byte more than a secret may have.
pub(super) fn read_bounded(input: impl Read) -> Result<Zeroizing<Vec<u8>>, SecretError> {
    // With room for all of it from the start, so that no copy is left behind by a vector that grows.
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_SECRET_BYTES + 2));
    input
        .take(MAX_SECRET_BYTES as u64 + 2)
        .read_to_end(&mut bytes)
        .map_err(|source| SecretError::Read { source })?;
    Ok(bytes)
}

/// One line break, `\n` or `\r\n`.
pub(super) fn without_line_break(mut bytes: Zeroizing<Vec<u8>>) -> Zeroizing<Vec<u8>> {
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_break_goes_and_the_rest_stays() {
        for (written, kept) in [
            ("a\n", "a"),
            ("a\r\n", "a"),
            ("a\n\n", "a\n"),
            (" a b ", " a b "),
        ] {
            assert_eq!(
                Secret::read_line_of(written.as_bytes()).unwrap().text(),
                kept
            );
        }
    }

    #[test]
    fn what_no_variable_can_hold_is_refused() {
        let long = vec![b'a'; MAX_SECRET_BYTES + 1];
        for (bytes, says) in [
            (&b""[..], "empty"),
            (b"\n", "empty"),
            (b"a\0b", "NUL"),
            (b"\xff", "UTF-8"),
            (&long, "64 KiB"),
        ] {
            let error = Secret::read_line_of(bytes).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
        assert!(Secret::read_line_of(long.get(1..).unwrap()).is_ok());
    }

    #[test]
    fn nothing_that_prints_it_shows_it() {
        let secret = Secret::read_line_of(&b"planted-value"[..]).unwrap();
        assert_eq!(format!("{secret:?} {secret:#?}"), "Secret(…) Secret(…)");
    }
}
