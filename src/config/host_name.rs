//! Names of hosts: one spelling for each name, and nothing that a resolver would read as an address.

use std::fmt;

use idna::AsciiDenyList;

/// Longest name (RFC 1035, section 2.3.4, less the root's empty label).
const MAX_NAME_BYTES: usize = 253;
const MAX_LABEL_BYTES: usize = 63;

/// A host's name as the wire has it: ASCII, lower case, A-labels (RFC 5890), no dot at the end.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostName(String);

/// Why a text is no host name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HostNameError {
    #[error("it is empty or has an empty label, between two dots for example")]
    EmptyLabel,
    #[error("a name has at most 253 bytes and each of its labels at most 63")]
    TooLong,
    #[error("a label holds letters, digits, `-` and `_`, and `-` neither first nor last")]
    Character,
    #[error("it can't be written as an internationalised name (IDNA)")]
    Internationalised,
    #[error(
        "its last label is a number, so it would be read as an address; write IPv4 as four decimal numbers"
    )]
    Number,
}

impl HostName {
    /// Reads what a person wrote: any case, Unicode, a dot at the end.
    ///
    /// # Errors
    /// When it is no name that can be asked for.
    pub fn parse(text: &str) -> Result<Self, HostNameError> {
        let ascii = idna::domain_to_ascii_cow(text.as_bytes(), AsciiDenyList::URL)
            .map_err(|_| HostNameError::Internationalised)?;
        Self::from_ascii(&ascii)
    }

    /// Reads what came over the wire, where names are ASCII already.
    ///
    /// # Errors
    /// When it is no name that can be asked for.
    pub fn from_ascii(text: &str) -> Result<Self, HostNameError> {
        let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        if name.len() > MAX_NAME_BYTES {
            return Err(HostNameError::TooLong);
        }
        for label in name.split('.') {
            if label.is_empty() {
                return Err(HostNameError::EmptyLabel);
            }
            if label.len() > MAX_LABEL_BYTES {
                return Err(HostNameError::TooLong);
            }
            let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
            if !label.bytes().all(fits) || label.starts_with('-') || label.ends_with('-') {
                return Err(HostNameError::Character);
            }
        }
        if name.rsplit('.').next().is_some_and(is_number) {
            return Err(HostNameError::Number);
        }
        Ok(Self(name))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is below `parent`, by one label or more; no name is below itself.
    pub fn is_below(&self, parent: &Self) -> bool {
        self.0
            .strip_suffix(&parent.0)
            .is_some_and(|labels| labels.ends_with('.'))
    }
}

/// What inet_aton(3) takes for a part of an address, and with it every resolver.
fn is_number(label: &str) -> bool {
    let hexadecimal = label
        .strip_prefix("0x")
        .is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
    hexadecimal || label.bytes().all(|byte| byte.is_ascii_digit())
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_one_spelling() {
        for (written, name) in [
            ("api.github.com", "api.github.com"),
            ("API.GitHub.COM.", "api.github.com"),
            ("_http._tcp.example", "_http._tcp.example"),
            ("bücher.example", "xn--bcher-kva.example"),
            ("BÜCHER.example", "xn--bcher-kva.example"),
            // A full-width letter and an ideographic full stop (UTS 46).
            ("ａpi。example", "api.example"),
            ("localhost", "localhost"),
            ("1e100.net", "1e100.net"),
            ("0xfg.example", "0xfg.example"),
        ] {
            let parsed = HostName::parse(written);
            assert_eq!(parsed.as_ref().map(HostName::as_str), Ok(name), "{written}");
        }
    }

    /// Each of them looks like `paypal.com` or `apple.com` and is another name.
    #[test]
    fn a_look_alike_is_another_name() {
        for (real, look_alike) in [("paypal.com", "pаypal.com"), ("apple.com", "аррӏе.com")] {
            let other = HostName::parse(look_alike).unwrap();
            assert!(other.as_str().starts_with("xn--"), "{other}");
            assert_ne!(HostName::parse(real).unwrap(), other);
        }
    }

    #[test]
    fn what_is_no_name_is_refused() {
        let long_label = format!("{}.example", "a".repeat(64));
        let long_name = ["a".repeat(63).as_str(); 4].join(".");
        for (written, error) in [
            ("", HostNameError::EmptyLabel),
            (".", HostNameError::EmptyLabel),
            ("a..b", HostNameError::EmptyLabel),
            (".example", HostNameError::EmptyLabel),
            ("example..", HostNameError::EmptyLabel),
            (long_label.as_str(), HostNameError::TooLong),
            (long_name.as_str(), HostNameError::TooLong),
            ("-a.example", HostNameError::Character),
            ("a-.example", HostNameError::Character),
            ("a b.example", HostNameError::Internationalised),
            ("a%2eb.example", HostNameError::Internationalised),
            ("a\0.example", HostNameError::Internationalised),
            ("a/b.example", HostNameError::Internationalised),
            ("xn--zzzzzzz99999.example", HostNameError::Internationalised),
            ("127.1", HostNameError::Number),
            ("2130706433", HostNameError::Number),
            ("0x7f.1", HostNameError::Number),
            ("0x7f000001", HostNameError::Number),
            ("0X7F.0x1", HostNameError::Number),
            ("example.0x", HostNameError::Number),
            ("0177.0.0.01", HostNameError::Number),
            ("１２７.1", HostNameError::Number),
        ] {
            assert_eq!(HostName::parse(written), Err(error), "{written:?}");
        }
    }

    #[test]
    fn the_wire_is_ascii() {
        for bad in ["bücher.example", "a b.example", "a\u{0}b.example", "a.b:53"] {
            assert_eq!(HostName::from_ascii(bad), Err(HostNameError::Character));
        }
        let upper = HostName::from_ascii("ALLOWED.TEST.").unwrap();
        assert_eq!(upper.as_str(), "allowed.test");
    }

    #[test]
    fn below_means_whole_labels() {
        let name = |text| HostName::parse(text).unwrap();
        let parent = name("example.com");
        for (child, expected) in [
            ("a.example.com", true),
            ("a.b.example.com", true),
            ("example.com", false),
            ("notexample.com", false),
            ("example.com.evil.test", false),
            ("com", false),
        ] {
            assert_eq!(name(child).is_below(&parent), expected, "{child}");
        }
    }
}
