//! One registry: its address, what it takes to be let in, and addresses below it.

use crate::fetch::{Authorization, Url, without_secrets};
use crate::resolve::ResolveError;

/// A registry and what it takes to be let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registry {
    /// Ends with a slash; has no user, password, query or fragment.
    pub url: Url,
    pub authorization: Option<Authorization>,
}

impl Registry {
    /// Reads the value of the setting `key`.
    pub fn parse(key: &str, value: &str) -> Result<Self, ResolveError> {
        let refuse = || ResolveError::InvalidSetting {
            key: key.to_owned(),
            reason: "expected https://HOST/".to_owned(),
        };
        let mut url = Url::parse(value).map_err(|_| refuse())?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(refuse());
        }
        let authorization = (!url.username().is_empty())
            .then(|| Authorization::basic(url.username(), url.password().unwrap_or_default()));
        let path = format!("{}/", url.path().trim_end_matches('/'));
        url.set_path(&path);
        let url = Url::parse(&without_secrets(&url)).map_err(|_| refuse())?;
        Ok(Self { url, authorization })
    }

    /// The whole address of something in this registry; an absolute address stays what it is.
    /// The inverse of [`Registry::relative`].
    pub fn absolute(&self, url: &str) -> Result<Url, ResolveError> {
        let whole = if url.starts_with("https://") || url.starts_with("http://") {
            url.to_owned()
        } else {
            format!("{}{url}", self.url)
        };
        Url::parse(&whole).map_err(|_| ResolveError::InvalidSetting {
            key: "registry".to_owned(),
            reason: format!("`{whole}` is not an address"),
        })
    }

    /// The part of `url` below this registry, whatever its scheme.
    pub fn relative(&self, url: &Url) -> Option<String> {
        let same_host = url.host_str() == self.url.host_str() && url.port() == self.url.port();
        let plain = url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
        let rest = url.path().strip_prefix(self.url.path())?;
        (same_host && plain && !rest.is_empty()).then(|| rest.to_owned())
    }

    /// For messages.
    pub fn host(&self) -> String {
        self.url.host_str().unwrap_or_default().to_owned()
    }
}
