//! The registry's API (v0.1): one version of one server by its name.
//!
//! <https://registry.modelcontextprotocol.io/docs>

use std::fmt;
use std::time::Duration;

use super::error::ServerJsonError;
use super::{MAX_BYTES, ServerJson, raw};
use crate::fetch::{Client, Url, is_loopback, origin_of};
use crate::lockfile::printable;

/// The official registry.
pub const PUBLIC_REGISTRY: &str = "https://registry.modelcontextprotocol.io/";

const PATIENCE: Duration = Duration::from_secs(60);
const MAX_NAME: usize = 200;
const MAX_VERSION: usize = 255;

/// `NAMESPACE/NAME[@VERSION]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistryName {
    name: String,
    /// The newest, when there is none.
    version: Option<String>,
}

impl RegistryName {
    pub fn parse(text: &str) -> Result<Self, ServerJsonError> {
        let refuse = || ServerJsonError::Name(printable(text, 80));
        let (name, version) = match text.split_once('@') {
            Some((name, version)) => (name, Some(version)),
            None => (text, None),
        };
        let (namespace, own) = name.split_once('/').ok_or_else(refuse)?;
        let plain = |text: &str, more: &[u8]| {
            !text.is_empty()
                && !text.bytes().all(|byte| byte == b'.')
                && text
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || more.contains(&byte))
        };
        let version_is_plain = version.is_none_or(|version| {
            version.len() <= MAX_VERSION && version != "latest" && plain(version, b".-_+~")
        });
        if name.len() > MAX_NAME
            || !plain(namespace, b".-")
            || !plain(own, b".-_")
            || !version_is_plain
        {
            return Err(refuse());
        }
        Ok(Self {
            name: name.to_owned(),
            version: version.map(str::to_owned),
        })
    }

    /// The address below a registry's.
    fn address(&self, registry: &Url) -> Result<Url, ServerJsonError> {
        let version = self.version.as_deref().unwrap_or("latest");
        let encoded = |text: &str| text.replace('/', "%2F").replace('+', "%2B");
        let text = format!(
            "{registry}v0.1/servers/{}/versions/{}",
            encoded(&self.name),
            encoded(version)
        );
        Url::parse(&text).map_err(|error| ServerJsonError::Address(error.to_string()))
    }
}

impl fmt::Display for RegistryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        match &self.version {
            Some(version) => write!(f, "@{version}"),
            None => Ok(()),
        }
    }
}

/// Reads a registry's address: https, or a server of this machine.
pub fn registry_address(text: &str) -> Result<Url, ServerJsonError> {
    let refuse = |reason: &str| ServerJsonError::Address(reason.to_owned());
    let mut url = Url::parse(text).map_err(|error| refuse(&error.to_string()))?;
    if url.scheme() != "https" && !(url.scheme() == "http" && is_loopback(&url)) {
        return Err(refuse("it is not https"));
    }
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() {
        return Err(refuse("it holds a password or a query"));
    }
    url.set_fragment(None);
    let path = format!("{}/", url.path().trim_end_matches('/'));
    url.set_path(&path);
    Ok(url)
}

/// Asks `registry` about `name`.
///
/// # Errors
/// Also when it answers about another server or version, or has withdrawn it.
pub async fn ask(
    client: &Client,
    registry: &Url,
    name: &RegistryName,
) -> Result<ServerJson, ServerJsonError> {
    let url = name.address(registry)?;
    let request = client.get(&url, None, "application/json", MAX_BYTES);
    let answer = tokio::time::timeout(PATIENCE, request).await;
    let bytes = answer
        .map_err(|_| ServerJsonError::Slow {
            registry: origin_of(registry),
            seconds: PATIENCE.as_secs(),
        })?
        .map_err(|source| match source.status() {
            Some(404 | 410) => ServerJsonError::NotFound {
                registry: origin_of(registry),
                name: name.to_string(),
            },
            _ => ServerJsonError::Registry {
                name: name.to_string(),
                source,
            },
        })?;
    judge(name, &bytes)
}

/// The document in an answer to a question about `name`.
pub(super) fn judge(name: &RegistryName, bytes: &[u8]) -> Result<ServerJson, ServerJsonError> {
    let answer: raw::Answer = serde_json::from_slice(bytes)
        .map_err(|error| ServerJsonError::Unreadable(error.to_string()))?;
    let mut server = ServerJson::parse(answer.server.get().as_bytes())?;
    let other = name
        .version
        .as_ref()
        .is_some_and(|version| *version != server.version);
    if server.name != name.name || other {
        return Err(ServerJsonError::OtherServer {
            asked: name.to_string(),
            found: printable(&format!("{}@{}", server.name, server.version), 200),
        });
    }
    let official = answer.meta.and_then(|meta| meta.official);
    let message = official
        .as_ref()
        .and_then(|official| official.status_message.clone())
        .unwrap_or_default();
    match official
        .and_then(|official| official.status)
        .as_deref()
        .unwrap_or("active")
    {
        "active" => Ok(server),
        "deleted" => Err(ServerJsonError::Deleted {
            name: name.to_string(),
            message,
        }),
        status => {
            server.notes.push(format!(
                "the registry calls this version {status}: {message}"
            ));
            Ok(server)
        }
    }
}
