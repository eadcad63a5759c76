//! Patterns over names and URIs: text in which `*` stands for any characters, also for none
//! and for `/`. Everything else matches byte for byte.

use std::fmt;
use std::str::FromStr;

use memchr::memmem;

use crate::lockfile::is_hidden;

/// Longest pattern, in bytes.
const MAX_PATTERN: usize = 1024;
/// A longer name or URI matches no pattern. A read costs at most this times the patterns.
const MAX_TEXT: usize = 8 * 1024;
/// Most times that a URI was encoded over for another look inside it.
const MAX_DECODED: usize = 4;

/// One pattern.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pattern(String);

/// Why a text is not a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    #[error("it is empty")]
    Empty,
    #[error("it is longer than {MAX_PATTERN} bytes")]
    Long,
    #[error("it holds a control or invisible character")]
    Hidden,
}

impl FromStr for Pattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        if text.is_empty() {
            Err(PatternError::Empty)
        } else if text.len() > MAX_PATTERN {
            Err(PatternError::Long)
        } else if text.chars().any(is_hidden) {
            Err(PatternError::Hidden)
        } else {
            Ok(Self(text.to_owned()))
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Pattern {
    /// Whether the whole of `text` is as the pattern says.
    pub(super) fn matches(&self, text: &str) -> bool {
        if text.len() > MAX_TEXT {
            return false;
        }
        let Some((first, rest)) = self.0.split_once('*') else {
            return self.0 == text;
        };
        let (between, last) = rest.rsplit_once('*').unwrap_or(("", rest));
        let inner = text
            .strip_prefix(first)
            .and_then(|text| text.strip_suffix(last));
        let Some(mut inner) = inner.map(str::as_bytes) else {
            return false;
        };
        // The leftmost place for each piece leaves the most for those behind it.
        for piece in between.split('*') {
            match memmem::find(inner, piece.as_bytes()) {
                Some(at) => inner = inner.get(at + piece.len()..).unwrap_or_default(),
                None => return false,
            }
        }
        true
    }

    /// As [`Pattern::matches`], but a URI with a `.` or `..` between its slashes, however it is
    /// written, is matched only by itself: a server might go to another place than the text
    /// says (RFC 3986, section 5.2.4).
    pub(super) fn matches_uri(&self, uri: &str) -> bool {
        self.0 == uri || (self.matches(uri) && !has_dot_segment(uri))
    }
}

fn has_dot_segment(uri: &str) -> bool {
    let mut plain = uri.to_owned();
    // Some servers decode more than once.
    for _ in 0..MAX_DECODED {
        let decoded = decode_separators(&plain);
        if decoded == plain {
            return plain
                .split(['/', '\\', '?', '#'])
                .any(|segment| segment == "." || segment == "..");
        }
        plain = decoded;
    }
    // Nobody encodes so often who has nothing to hide.
    true
}

/// Decodes the percent-encoded forms of `.`, `/`, `\` and of the percent sign itself.
fn decode_separators(text: &str) -> String {
    let mut output = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        output.push_str(before);
        let code = after.get(..2).map(str::to_ascii_lowercase);
        let character = match code.as_deref() {
            Some("2e") => '.',
            Some("2f") => '/',
            Some("5c") => '\\',
            Some("25") => '%',
            _ => {
                output.push('%');
                rest = after;
                continue;
            }
        };
        output.push(character);
        rest = after.get(2..).unwrap_or_default();
    }
    output.push_str(rest);
    output
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> Pattern {
        text.parse().unwrap()
    }

    #[test]
    fn a_star_stands_for_any_characters() {
        for (text, matching, other) in [
            ("a", &["a"][..], &["", "A", "aa", "a*"][..]),
            ("*", &["", "a", "a/b"], &[]),
            ("a*", &["a", "ab", "a/b"], &["", "ba"]),
            ("*a", &["a", "ba"], &["ab"]),
            ("a*a", &["aa", "aba"], &["a", "ab"]),
            ("a*b*c", &["abc", "axbxc", "abbcc", "abcbc"], &["acb", "ac"]),
            ("*b*", &["b", "abc"], &["ac"]),
            ("**", &["", "a"], &[]),
            ("a**b", &["ab", "axb"], &["a"]),
            (
                "file:///a/*.md",
                &["file:///a/b/c.md"],
                &["file:///a/b.mdx"],
            ),
            ("a?", &["a?"], &["ab"]),
        ] {
            let pattern = pattern(text);
            for name in matching {
                assert!(pattern.matches(name), "{text} {name}");
            }
            for name in other {
                assert!(!pattern.matches(name), "{text} {name}");
            }
        }
    }

    #[test]
    fn a_uri_that_goes_up_is_matched_by_itself_only() {
        let docs = pattern("file:///docs/*");
        for uri in ["file:///docs/a", "file:///docs/a..b/.c", "file:///docs/%41"] {
            assert!(docs.matches_uri(uri), "{uri}");
        }
        for uri in [
            "file:///docs/../etc/passwd",
            "file:///docs/..",
            "file:///docs/./a",
            "file:///docs/%2e%2E/etc",
            "file:///docs/.%2e/etc",
            "file:///docs/a%2f..%2fb",
            "file:///docs/..\\etc",
            "file:///docs/..%5cetc",
            "file:///docs/%252e%252e/etc",
            "file:///docs/%25252e%25252e%25252fetc",
            "file:///docs/..?x",
            "file:///docs/..#x",
        ] {
            assert!(docs.matches(uri), "{uri}");
            assert!(!docs.matches_uri(uri), "{uri}");
            assert!(pattern(uri).matches_uri(uri), "{uri}");
        }
    }

    #[test]
    fn what_is_no_pattern_and_what_is_too_long() {
        assert_eq!("".parse::<Pattern>(), Err(PatternError::Empty));
        assert_eq!("a\nb".parse::<Pattern>(), Err(PatternError::Hidden));
        assert_eq!("a\u{202e}".parse::<Pattern>(), Err(PatternError::Hidden));
        assert_eq!("a".repeat(1025).parse::<Pattern>(), Err(PatternError::Long));
        assert!(pattern("*").matches(&"a".repeat(MAX_TEXT)));
        assert!(!pattern("*").matches(&"a".repeat(MAX_TEXT + 1)));
    }
}
