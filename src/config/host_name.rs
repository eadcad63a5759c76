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
