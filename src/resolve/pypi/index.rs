//! One package index: its address, what it takes to be let in, and addresses below it.

use super::PypiError;
use crate::config::normalized_pypi_name;
use crate::fetch::{Authorization, Url, origin_of, without_secrets};

/// An index that speaks the Simple API (PEP 503, PEP 691).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Index {
    /// Ends with a slash; has no user, password, query or fragment.
    pub url: Url,
    pub authorization: Option<Authorization>,
    /// As the user has it, perhaps with a password; for the resolver alone.
    written: String,
}

impl Index {
    /// Reads the value of the setting `key`. uv lets names stand before addresses: `corp=https://…`.
    pub fn parse(key: &str, value: &str) -> Result<Self, PypiError> {
        let refuse = || PypiError::InvalidSetting {
            key: key.to_owned(),
            reason: "expected https://HOST/simple/".to_owned(),
        };
        let value = match value.split_once('=') {
            Some((name, address)) if !name.contains([':', '/']) => address,
            _ => value,
        };
        let mut url = Url::parse(value.trim()).map_err(|_| refuse())?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(refuse());
        }
        let authorization = (!url.username().is_empty()).then(|| {
            let password = url.password().unwrap_or_default();
            Authorization::basic(&percent_decoded(url.username()), &percent_decoded(password))
        });
        let path = format!("{}/", url.path().trim_end_matches('/'));
        url.set_path(&path);
        url.set_query(None);
        url.set_fragment(None);
        let written = url.to_string();
        let url = Url::parse(&without_secrets(&url)).map_err(|_| refuse())?;
        Ok(Self {
            url,
            authorization,
            written,
        })
    }

    /// Where the page of a package is.
    pub fn project(&self, name: &str) -> Result<Url, PypiError> {
        self.absolute(&format!("{}/", normalized_pypi_name(name)))
    }

    /// The whole address of something of this index; an absolute address stays what it is.
    /// The inverse of [`Index::relative`].
    pub fn absolute(&self, url: &str) -> Result<Url, PypiError> {
        let whole = if url.starts_with("https://") || url.starts_with("http://") {
            Url::parse(url)
        } else {
            Url::parse(&format!("{}{url}", self.url))
        };
        whole.map_err(|_| PypiError::InvalidSetting {
            key: "index-url".to_owned(),
            reason: format!("`{url}` below it is no address"),
        })
    }

    /// `url` for the lock: relative to the index when below it.
    pub fn relative(&self, url: &Url) -> String {
        let below = (origin_of(url) == origin_of(&self.url) && url.query().is_none())
            .then(|| url.path().strip_prefix(self.url.path()))
            .flatten()
            .filter(|rest| !rest.is_empty());
        below.map_or_else(|| url.to_string(), str::to_owned)
    }

    /// The credential for `url`: the index's own, for its own origin and no other.
    pub fn authorization_for(&self, url: &Url) -> Option<Authorization> {
        self.authorization
            .clone()
            .filter(|_| origin_of(url) == origin_of(&self.url))
    }

    /// With its credential.
    pub(super) fn with_secrets(&self) -> &str {
        &self.written
    }

    /// For messages.
    pub fn host(&self) -> String {
        self.url.host_str().unwrap_or_default().to_owned()
    }
}

/// RFC 3986, 2.1. In an address, `@` and `:` of a password are written like that.
pub(super) fn percent_decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let digit = |at: usize| {
        bytes
            .get(at)
            .and_then(|byte| char::from(*byte).to_digit(16))
    };
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let pair = (bytes[at] == b'%')
            .then(|| digit(at + 1).zip(digit(at + 2)))
            .flatten();
        match pair.and_then(|(high, low)| u8::try_from(high * 16 + low).ok()) {
            Some(byte) => {
                decoded.push(byte);
                at += 3;
            }
            None => {
                decoded.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_a_header_and_no_part_of_the_address() {
        let index = Index::parse("x", "https://ada:p%40ss@host.example/simple").unwrap();
        assert_eq!(index.url.as_str(), "https://host.example/simple/");
        let expected = Authorization::basic("ada", "p@ss");
        assert_eq!(index.authorization, Some(expected.clone()));
        assert_eq!(
            index.with_secrets(),
            "https://ada:p%40ss@host.example/simple/"
        );
        assert_eq!(index.host(), "host.example");
        let own = Url::parse("https://host.example/files/x.whl").unwrap();
        assert_eq!(index.authorization_for(&own), Some(expected));
        for other in [
            "https://other.example/x",
            "http://host.example/x",
            "https://host.example:8/x",
        ] {
            let other = Url::parse(other).unwrap();
            assert_eq!(index.authorization_for(&other), None, "{other}");
        }
    }

    #[test]
    fn addresses_go_to_the_lock_and_back() {
        let index = Index::parse("x", "corp=https://host.example/simple/").unwrap();
        for (url, locked) in [
            ("https://host.example/simple/a/a-1.whl", "a/a-1.whl"),
            (
                "https://host.example/files/a-1.whl",
                "https://host.example/files/a-1.whl",
            ),
            (
                "https://files.example/a-1.whl",
                "https://files.example/a-1.whl",
            ),
        ] {
            let url = Url::parse(url).unwrap();
            assert_eq!(index.relative(&url), locked);
            assert_eq!(index.absolute(locked).unwrap(), url);
        }
        let project = index.project("My.Package").unwrap();
        assert_eq!(project.as_str(), "https://host.example/simple/my-package/");
    }

    #[test]
    fn what_is_no_index_is_refused_without_showing_it() {
        for value in [
            "",
            "host.example",
            "ftp://host",
            "file:///x",
            "https://",
            "u:secret@x",
        ] {
            let error = Index::parse("PIP_INDEX_URL", value)
                .unwrap_err()
                .to_string();
            assert!(
                error.contains("PIP_INDEX_URL") && !error.contains("secret"),
                "{error}"
            );
        }
    }
}
