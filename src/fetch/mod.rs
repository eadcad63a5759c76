//! The one HTTP client: bounded, retried GETs over TLS, and plain POSTs.
//!
//! Knows nothing of registries, packages or policy. Callers say what they want, with which
//! authorization, and how many bytes they are prepared to take. Errors never carry a
//! credential: addresses are shown without user, password, query and fragment.

mod client;
mod concurrent;
mod retry;
mod settings;

#[cfg(test)]
pub(crate) mod tests;

use std::path::PathBuf;
use std::time::Duration;

pub use client::{Client, DownloadProgress, Reply, Sink, SinkError};
pub use concurrent::{DOWNLOADS_AT_ONCE, for_each_concurrent};
pub use reqwest::Url;
pub use reqwest::header::{HeaderName, HeaderValue};
pub use retry::RetrySettings;
pub(crate) use settings::read_bounded;
pub use settings::{
    Authorization, FetchSettings, ProxySettings, is_loopback, leads_inside, origin_of, proxy_url,
};

/// Why something could not be fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    #[error(
        "this machine has no certificates to check TLS servers with: \
         install ca-certificates or set SSL_CERT_FILE"
    )]
    NoCertificateStore { source: reqwest::Error },
    #[error("can't read the certificates in {}", path.display())]
    ReadCertificates {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("{origin} holds no certificate in PEM form, or one that can't be read")]
    InvalidCertificates {
        origin: String,
        source: Option<reqwest::Error>,
    },
    #[error("the proxy setting `{proxy}` can't be used")]
    InvalidProxy {
        proxy: String,
        source: Option<reqwest::Error>,
    },
    #[error("the credential for a registry holds characters that an HTTP header can't carry")]
    InvalidAuthorization,
    #[error("`{url}` is not an address that can be fetched: expected https://HOST/PATH")]
    InvalidUrl { url: String },
    #[error(
        "{url} is plain http, which anyone on the way can change: use https, \
         or name that registry with http:// in your npmrc to accept the risk"
    )]
    PlainHttp { url: String },
    #[error(
        "{url} redirects to {target}, which is plain http, and anyone on the way can change that: refused"
    )]
    RedirectToPlainHttp { url: String, target: String },
    #[error("{url} redirects to {target}, an address of this machine or its network: refused")]
    RedirectInside { url: String, target: String },
    #[error("{url} redirects to an address that can't be followed; expected https://HOST/PATH")]
    InvalidRedirect { url: String },
    #[error("{url} was redirected more than {limit} times: refused")]
    TooManyRedirects { url: String, limit: usize },
    #[error("can't reach {url} ({}): {}", tried(*attempts), reason_of(cause))]
    Connect {
        url: String,
        attempts: u32,
        /// Not a `source`: what says more than its layers is in the message.
        cause: reqwest::Error,
    },
    #[error(
        "the certificate of {url} was not accepted ({reason}); if an authority of your own vouches for it, `npm config set cafile FILE`, or the variable SSL_CERT_FILE, names its certificate"
    )]
    Certificate { url: String, reason: String },
    #[error("{url} answered with status {status} ({})", tried(*attempts))]
    Status {
        url: String,
        status: u16,
        attempts: u32,
    },
    #[error(
        "the answer of {url} broke off or stalled ({}): {}",
        tried(*attempts),
        reason_of(cause)
    )]
    Body {
        url: String,
        attempts: u32,
        /// As in `Connect`.
        cause: reqwest::Error,
    },
    #[error("the answer of {url} ended before its announced length ({})", tried(*attempts))]
    CutShort { url: String, attempts: u32 },
    #[error(
        "the answer of {url} comes too slowly: {received} bytes in {} s; try again later, or use another registry",
        elapsed.as_secs()
    )]
    TooSlow {
        url: String,
        received: u64,
        elapsed: Duration,
    },
    #[error("{url} is larger than the {} MiB that are accepted for it", limit >> 20)]
    TooLarge { url: String, limit: u64 },
    #[error("{url} is compressed in a way that can't be read")]
    Compression { url: String },
    #[error("can't keep what {url} sent: {source}")]
    Sink { url: String, source: SinkError },
}

impl FetchError {
    /// The HTTP status, when the server gave an answer that was not a success.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Status { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// Whether the server could not be talked to at all, as opposed to having said no.
    pub fn is_network(&self) -> bool {
        matches!(
            self,
            Self::Connect { .. }
                | Self::Certificate { .. }
                | Self::Body { .. }
                | Self::CutShort { .. }
                | Self::TooSlow { .. }
        )
    }
}

/// `url` without user, password, query and fragment: any of these may hold a secret.
pub fn without_secrets(url: &Url) -> String {
    let mut shown = url.clone();
    // These only fail for addresses that can have neither, such as `data:`.
    let _ = shown.set_username("");
    let _ = shown.set_password(None);
    shown.set_query(None);
    shown.set_fragment(None);
    shown.into()
}

fn tried(attempts: u32) -> String {
    match attempts {
        1 => "1 attempt".to_owned(),
        more => format!("{more} attempts"),
    }
}

/// The innermost cause, which says more ("connection refused") than the layers around it.
fn reason_of(error: &reqwest::Error) -> String {
    let mut innermost: &dyn std::error::Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}
