//! Credentials for registries as npmrc files hold them: by address, without a scheme.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;

use crate::fetch::{Authorization, Url};
use crate::resolve::ResolveError;

/// By address without scheme: `//host/path`, no slash at the end.
#[derive(Clone, Default)]
pub(super) struct Credentials(BTreeMap<String, Credential>);

#[derive(Clone, Default)]
struct Credential {
    token: Option<String>,
    /// base64 of `user:password`
    basic: Option<String>,
    username: Option<String>,
    /// base64
    password: Option<String>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Credentials {
    /// A token from elsewhere than a file.
    pub(super) fn set_token(&mut self, url: &Url, token: String) {
        self.0.entry(prefix_of(url)).or_default().token = Some(token);
    }

    /// Takes `//host/path/:field`.
    pub(super) fn add(&mut self, key: &str, value: &str, warnings: &mut Vec<String>) {
        let Some((address, field)) = key.rsplit_once(':') else {
            return;
        };
        let (host, path) = match address[2..].split_once('/') {
            Some((host, path)) => (host, format!("/{path}")),
            None => (&address[2..], String::new()),
        };
        let address = format!("//{}{path}", host.to_ascii_lowercase());
        let address = address.trim_end_matches('/').to_owned();
        let credential = self.0.entry(address).or_default();
        let value = Some(value.to_owned());
        match field {
            "_authToken" => credential.token = value,
            "_auth" => credential.basic = value,
            "username" => credential.username = value,
            "_password" => credential.password = value,
            "certfile" | "keyfile" => {
                warnings.push(format!(
                    "npm setting `{key}`: client certificates are not supported"
                ));
            }
            _ => {}
        }
    }

    /// The longest address that `url` lies below, of those that have a usable credential.
    pub(super) fn for_url(&self, url: &Url) -> Result<Option<Authorization>, ResolveError> {
        let whole = prefix_of(url);
        let mut address = whole.as_str();
        while address.len() > 2 {
            if let Some(credential) = self.0.get(address)
                && let Some(found) = credential.authorization(address)?
            {
                return Ok(Some(found));
            }
            address = address.rsplit_once('/').map_or("", |(above, _)| above);
        }
        Ok(None)
    }
}

impl Credential {
    fn authorization(&self, address: &str) -> Result<Option<Authorization>, ResolveError> {
        if let Some(token) = &self.token {
            return Ok(Some(Authorization::bearer(token)));
        }
        if let (Some(username), Some(password)) = (&self.username, &self.password) {
            let decoded = base64::engine::general_purpose::STANDARD.decode(password.trim());
            let decoded = decoded.ok().and_then(|bytes| String::from_utf8(bytes).ok());
            let Some(password) = decoded else {
                return Err(ResolveError::InvalidSetting {
                    key: format!("{address}/:_password"),
                    reason: "expected base64".to_owned(),
                });
            };
            return Ok(Some(Authorization::basic(username, &password)));
        }
        Ok(self.basic.as_deref().map(Authorization::basic_encoded))
    }
}

/// npm's key for what belongs to an address: `//host:port/path/`.
pub(super) fn nerf_dart(url: &Url) -> String {
    format!("{}/", prefix_of(url))
}

/// `//host:port/path`, without a slash at the end and without a default port.
fn prefix_of(url: &Url) -> String {
    let port = url
        .port()
        .map(|port| format!(":{port}"))
        .unwrap_or_default();
    let path = url.path().trim_end_matches('/');
    format!("//{}{port}{path}", url.host_str().unwrap_or_default())
}
