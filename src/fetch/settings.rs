//! What the HTTP client needs to know before its first request: roots, proxies, credentials.
//!
//! The values are found elsewhere (for npm: `resolve::npm::settings`); here they are only
//! checked and turned into the form that the HTTP library takes.

use std::fmt;
use std::io::Read as _;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use reqwest::header::HeaderValue;
use reqwest::{Certificate, NoProxy, Proxy, Url};

use super::{FetchError, RetrySettings, without_secrets};

/// The public store of all roots is about 250 KB; nobody has a bundle of this size.
const MAX_CERTIFICATE_BYTES: u64 = 8 * 1024 * 1024;
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// As long as npm and uv have for all that they do.
const PATIENCE: Duration = Duration::from_secs(300);

/// How to reach servers and whom to believe.
#[derive(Clone, Debug)]
pub struct FetchSettings {
    /// PEM bundles whose certificates are trusted besides the machine's own store.
    pub extra_certificates: Vec<PathBuf>,
    /// The same, as PEM text.
    pub inline_certificates: Vec<String>,
    pub proxy: ProxySettings,
    pub user_agent: String,
    /// Origins (see [`origin_of`]) that the user's own settings name with `http://`.
    /// Plain http is refused for all others except loopback.
    pub plain_http_origins: Vec<String>,
    pub retry: RetrySettings,
    /// Longest silence in the middle of an answer. There is no limit on the whole: a large file over
    /// a slow line is not an error.
    pub idle_timeout: Duration,
    /// After so long an answer must have come at a speed that ends some day: a server that sends a
    /// byte now and then is never silent.
    pub patience: Duration,
}

/// Proxies, as written by the user.
#[derive(Clone, Default)]
pub struct ProxySettings {
    /// For `http://` addresses.
    pub http: Option<String>,
    /// For `https://` addresses.
    pub https: Option<String>,
    /// Hosts that are reached directly: comma-separated names, addresses, networks, or `*`.
    pub no_proxy: Option<String>,
}

/// The value of an `Authorization` header. Never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Authorization(String);

impl Default for FetchSettings {
    fn default() -> Self {
        Self {
            extra_certificates: Vec::new(),
            inline_certificates: Vec::new(),
            proxy: ProxySettings::default(),
            user_agent: concat!("pinfold/", env!("CARGO_PKG_VERSION")).to_owned(),
            plain_http_origins: Vec::new(),
            retry: RetrySettings::default(),
            idle_timeout: IDLE_TIMEOUT,
            patience: PATIENCE,
        }
    }
}

impl fmt::Debug for ProxySettings {
    /// A proxy's address often holds a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProxySettings")
            .field("http", &self.http.as_deref().map(shown_proxy))
            .field("https", &self.https.as_deref().map(shown_proxy))
            .field("no_proxy", &self.no_proxy)
            .finish()
    }
}

impl Authorization {
    /// RFC 6750.
    pub fn bearer(token: &str) -> Self {
        Self(format!("Bearer {token}"))
    }

    /// RFC 7617, from `base64(user:password)` as npm keeps it in `_auth`.
    pub fn basic_encoded(encoded: &str) -> Self {
        Self(format!("Basic {encoded}"))
    }

    /// RFC 7617.
    pub fn basic(username: &str, password: &str) -> Self {
        let pair = format!("{username}:{password}");
        Self::basic_encoded(&base64::engine::general_purpose::STANDARD.encode(pair))
    }

    /// The header's value; for the HTTP client and for tests.
    pub fn expose(&self) -> &str {
        &self.0
    }

    pub(super) fn header(&self) -> Result<HeaderValue, FetchError> {
        let mut value =
            HeaderValue::from_str(&self.0).map_err(|_| FetchError::InvalidAuthorization)?;
        value.set_sensitive(true);
        Ok(value)
    }
}

impl fmt::Debug for Authorization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Authorization(redacted)")
    }
}

/// Scheme, host and port: `https://example.org:443`. The unit that credentials belong to.
pub fn origin_of(url: &Url) -> String {
    let port = url.port_or_known_default().unwrap_or(0);
    format!(
        "{}://{}:{port}",
        url.scheme(),
        url.host_str().unwrap_or_default()
    )
}

/// Whether the address can only mean this machine.
pub fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

/// Whether `from`, which may be anybody's, names an address of this machine or its network that is
/// not its own: a request there would be made in the user's place.
pub fn leads_inside(url: &Url, from: &Url) -> bool {
    // `localhost` and `127.0.0.1` are the same host by two names.
    let same = url.host_str() == from.host_str() || is_loopback(url) && is_loopback(from);
    !same && is_inside(url)
}

/// By its name or number alone; nothing is looked up.
fn is_inside(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_end_matches('.');
    if host == "localhost" || host.ends_with(".localhost") {
        return true;
    }
    let host = host.trim_start_matches('[').trim_end_matches(']');
    match host.parse::<IpAddr>().map(|address| address.to_canonical()) {
        Ok(IpAddr::V4(address)) => match address.octets() {
            // The last is public by number only: in Azure each machine reaches its host there.
            [0 | 10 | 127, ..] | [100, 64..=127, ..] | [168, 63, 129, 16] => true,
            [169, 254, ..] | [172, 16..=31, ..] | [192, 168, ..] | [224..=255, ..] => true,
            _ => false,
        },
        // Only 2000::/3 is public; 2002::/16 and 2001:0::/32 carry IPv4 addresses inside.
        Ok(IpAddr::V6(address)) => {
            !matches!(address.segments(), [0x2000..=0x3fff, ..])
                || matches!(address.segments(), [0x2002, ..] | [0x2001, 0, ..])
        }
        Err(_) => false,
    }
}

/// Every certificate that the settings add.
pub(super) fn certificates(settings: &FetchSettings) -> Result<Vec<Certificate>, FetchError> {
    let mut found = Vec::new();
    for path in &settings.extra_certificates {
        let pem = read_bounded(path, MAX_CERTIFICATE_BYTES).map_err(|source| {
            FetchError::ReadCertificates {
                path: path.clone(),
                source,
            }
        })?;
        found.extend(parse_bundle(&pem, &path.display().to_string())?);
    }
    for pem in &settings.inline_certificates {
        found.extend(parse_bundle(pem.as_bytes(), "the `ca` setting of npm")?);
    }
    Ok(found)
}

/// The proxies in the HTTP library's form.
pub(super) fn proxies(settings: &ProxySettings) -> Result<Vec<Proxy>, FetchError> {
    let exceptions = || settings.no_proxy.as_deref().and_then(NoProxy::from_string);
    let mut found = Vec::new();
    if let Some(address) = &settings.http {
        let proxy = Proxy::http(proxy_url(address)?);
        found.push(
            proxy
                .map_err(|e| refused_proxy(address, e))?
                .no_proxy(exceptions()),
        );
    }
    if let Some(address) = &settings.https {
        let proxy = Proxy::https(proxy_url(address)?);
        found.push(
            proxy
                .map_err(|e| refused_proxy(address, e))?
                .no_proxy(exceptions()),
        );
    }
    Ok(found)
}

/// A proxy's address; `proxy.example.org:3128` is short for http.
pub fn proxy_url(address: &str) -> Result<Url, FetchError> {
    let refuse = || FetchError::InvalidProxy {
        proxy: shown_proxy(address),
        source: None,
    };
    let full = if address.contains("://") {
        address.to_owned()
    } else {
        format!("http://{address}")
    };
    let url = Url::parse(&full).map_err(|_| refuse())?;
    let known = matches!(
        url.scheme(),
        "http" | "https" | "socks4" | "socks5" | "socks5h"
    );
    if known && url.has_host() {
        Ok(url)
    } else {
        Err(refuse())
    }
}

fn refused_proxy(address: &str, source: reqwest::Error) -> FetchError {
    FetchError::InvalidProxy {
        proxy: shown_proxy(address),
        source: Some(source.without_url()),
    }
}

fn shown_proxy(address: &str) -> String {
    match Url::parse(address) {
        Ok(url) if url.has_host() => without_secrets(&url),
        // `user:password@host:port` parses as a scheme called `user`: show only what follows.
        _ => address.rsplit('@').next().unwrap_or_default().to_owned(),
    }
}

/// The whole of a file of the user's settings.
///
/// # Errors
/// Also when it has more than `limit` bytes.
pub(crate) fn read_bounded(path: &Path, limit: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)?
        .take(limit + 1)
        .read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > limit) {
        return Err(std::io::Error::other(format!("larger than {limit} bytes")));
    }
    Ok(bytes)
}

fn parse_bundle(pem: &[u8], origin: &str) -> Result<Vec<Certificate>, FetchError> {
    let refuse = |source| FetchError::InvalidCertificates {
        origin: origin.to_owned(),
        source,
    };
    let found = Certificate::from_pem_bundle(pem).map_err(|error| refuse(Some(error)))?;
    if found.is_empty() {
        Err(refuse(None))
    } else {
        Ok(found)
    }
}
