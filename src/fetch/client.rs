//! The client itself: one GET, its redirects, its retries, its bounds; and one POST without them.
//!
//! Redirects are followed here and not by the HTTP library, so that the rules (no way from
//! https to http, no credential for another origin) are a few lines that can be tested.

use std::io::Read as _;
use std::time::{Duration, Instant};

use reqwest::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, HeaderName, HeaderValue, LOCATION,
    RETRY_AFTER,
};
use reqwest::{Response, Url, redirect};

use super::retry::{self, RetrySettings};
use super::settings::{self, Authorization, FetchSettings, is_loopback, leads_inside, origin_of};
use super::{FetchError, without_secrets};

const MAX_REDIRECTS: usize = 5;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);

/// A reason of the caller's own not to keep what arrives.
pub type SinkError = Box<dyn std::error::Error + Send + Sync>;

/// Where a download goes.
pub trait Sink {
    /// Forget what was written: the download begins again. Called before each attempt,
    /// the first included.
    fn restart(&mut self) -> Result<(), SinkError>;
    fn write(&mut self, bytes: &[u8]) -> Result<(), SinkError>;
}

/// How far a download is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DownloadProgress {
    pub received: u64,
    /// As announced by the server; may be absent or wrong.
    pub total: Option<u64>,
}

/// What a server answered to what was sent there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    pub status: u16,
    /// `Retry-After`, where it is a number of seconds.
    pub retry_after: Option<Duration>,
    pub body: Vec<u8>,
}

/// The HTTP client. Cheap to clone; clones share their connections.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    plain_http_origins: Vec<String>,
    retry: RetrySettings,
    patience: Duration,
}

/// What one attempt ended in.
enum Failure {
    Final(FetchError),
    /// May be different next time.
    Passing(FetchError, Option<Duration>),
}

/// What is wanted from one address.
struct Wanted<'a> {
    url: &'a Url,
    authorization: Option<&'a Authorization>,
    accept: &'a str,
    /// `gzip` for documents; archives are wanted byte for byte.
    encoding: &'static str,
    max_bytes: u64,
}

impl Client {
    /// Reads the certificates and builds the client; no request is made.
    pub fn new(settings: &FetchSettings) -> Result<Self, FetchError> {
        let mut builder = reqwest::Client::builder()
            .no_proxy()
            .redirect(redirect::Policy::none())
            .referer(false)
            .retry(reqwest::retry::never())
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(settings.idle_timeout)
            .user_agent(&settings.user_agent);
        let certificates = settings::certificates(settings)?;
        if !certificates.is_empty() {
            builder = builder.tls_certs_merge(certificates);
        }
        for proxy in settings::proxies(&settings.proxy)? {
            builder = builder.proxy(proxy);
        }
        // Everything else was checked above, so what is left to fail is the machine's store.
        let http = builder
            .build()
            .map_err(|source| FetchError::NoCertificateStore { source })?;
        Ok(Self {
            http,
            plain_http_origins: settings.plain_http_origins.clone(),
            retry: settings.retry,
            patience: settings.patience,
        })
    }

    /// A document of at most `max_bytes` (counted after decompression).
    pub async fn get(
        &self,
        url: &Url,
        authorization: Option<&Authorization>,
        accept: &str,
        max_bytes: u64,
    ) -> Result<Vec<u8>, FetchError> {
        let wanted = Wanted {
            url,
            authorization,
            accept,
            encoding: "gzip",
            max_bytes,
        };
        let mut body = Body::default();
        let compressed = self.fetch(&wanted, &mut body, &mut |_| {}).await?;
        if compressed {
            decompress(url, &body.bytes, max_bytes)
        } else {
            Ok(body.bytes)
        }
    }

    /// Sends a document, once, and follows no redirect: the answer is the caller's to judge. Of its
    /// body at most `max_bytes` are kept.
    ///
    /// # Errors
    /// When no whole answer came.
    pub async fn post(
        &self,
        url: &Url,
        headers: &[(HeaderName, HeaderValue)],
        body: Vec<u8>,
        max_bytes: usize,
    ) -> Result<Reply, FetchError> {
        check_scheme(url, &self.plain_http_origins)?;
        let mut request = self.http.post(url.clone()).body(body);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let shown = || without_secrets(url);
        let sent = request.send().await;
        let mut response = sent.map_err(|cause| unreachable(shown(), 1, cause))?;
        let header = response.headers().get(RETRY_AFTER);
        let retry_after = retry::requested_pause(header.and_then(|value| value.to_str().ok()));
        let mut body = Vec::new();
        while body.len() < max_bytes {
            let chunk = response.chunk().await.map_err(|cause| FetchError::Body {
                url: shown(),
                attempts: 1,
                cause: cause.without_url(),
            })?;
            let Some(chunk) = chunk else { break };
            body.extend_from_slice(&chunk);
        }
        body.truncate(max_bytes);
        Ok(Reply {
            status: response.status().as_u16(),
            retry_after,
            body,
        })
    }

    /// A file of at most `max_bytes`, handed to `sink` as it arrives.
    pub async fn download(
        &self,
        url: &Url,
        authorization: Option<&Authorization>,
        max_bytes: u64,
        sink: &mut dyn Sink,
        progress: &mut dyn FnMut(DownloadProgress),
    ) -> Result<(), FetchError> {
        let wanted = Wanted {
            url,
            authorization,
            accept: "*/*",
            encoding: "identity",
            max_bytes,
        };
        if self.fetch(&wanted, sink, progress).await? {
            return Err(FetchError::Compression {
                url: without_secrets(url),
            });
        }
        Ok(())
    }

    /// Tries until it works, can't work, or was tried often enough.
    /// Says whether the bytes that went to `sink` are gzip-encoded.
    async fn fetch(
        &self,
        wanted: &Wanted<'_>,
        sink: &mut dyn Sink,
        progress: &mut dyn FnMut(DownloadProgress),
    ) -> Result<bool, FetchError> {
        let mut attempt = 1;
        loop {
            let (error, asked) = match self.attempt(wanted, attempt, sink, progress).await {
                Ok(compressed) => return Ok(compressed),
                Err(Failure::Final(error)) => return Err(error),
                Err(Failure::Passing(error, asked)) => (error, asked),
            };
            let Some(pause) = retry::pause_after(self.retry, attempt, asked, retry::jitter())
            else {
                return Err(error);
            };
            tracing::debug!(%error, ?pause, "will be tried again");
            tokio::time::sleep(pause).await;
            attempt += 1;
        }
    }

    async fn attempt(
        &self,
        wanted: &Wanted<'_>,
        attempts: u32,
        sink: &mut dyn Sink,
        progress: &mut dyn FnMut(DownloadProgress),
    ) -> Result<bool, Failure> {
        let url = || without_secrets(wanted.url);
        let keep = |source| Failure::Final(FetchError::Sink { url: url(), source });
        let too_large = || {
            Failure::Final(FetchError::TooLarge {
                url: url(),
                limit: wanted.max_bytes,
            })
        };

        let mut response = self.follow(wanted, attempts).await?;
        let began = Instant::now();
        let total = response.content_length();
        if total.is_some_and(|total| total > wanted.max_bytes) {
            return Err(too_large());
        }
        let compressed = match response
            .headers()
            .get(CONTENT_ENCODING)
            .map(|v| v.as_bytes())
        {
            None | Some(b"" | b"identity") => false,
            Some(b"gzip" | b"x-gzip") => true,
            Some(_) => return Err(Failure::Final(FetchError::Compression { url: url() })),
        };
        sink.restart().map_err(keep)?;
        let mut received: u64 = 0;
        loop {
            let chunk = response.chunk().await.map_err(|cause| {
                let cause = cause.without_url();
                Failure::Passing(
                    FetchError::Body {
                        url: url(),
                        attempts,
                        cause,
                    },
                    None,
                )
            })?;
            let Some(chunk) = chunk else { break };
            received = received.saturating_add(u64::try_from(chunk.len()).unwrap_or(u64::MAX));
            let elapsed = began.elapsed();
            if retry::is_too_slow(self.patience, elapsed, received) {
                return Err(Failure::Final(FetchError::TooSlow {
                    url: url(),
                    received,
                    elapsed,
                }));
            }
            if received > wanted.max_bytes {
                return Err(too_large());
            }
            sink.write(&chunk).map_err(keep)?;
            progress(DownloadProgress { received, total });
        }
        if total.is_some_and(|total| total != received) {
            return Err(Failure::Passing(
                FetchError::CutShort {
                    url: url(),
                    attempts,
                },
                None,
            ));
        }
        Ok(compressed)
    }

    /// Sends the request, follows redirects, and returns an answer with status 200.
    async fn follow(&self, wanted: &Wanted<'_>, attempts: u32) -> Result<Response, Failure> {
        let shown = || without_secrets(wanted.url);
        let credential_origin = origin_of(wanted.url);
        let mut url = wanted.url.clone();
        check_scheme(&url, &self.plain_http_origins).map_err(Failure::Final)?;
        for _ in 0..=MAX_REDIRECTS {
            let mut request = self
                .http
                .get(url.clone())
                .header(ACCEPT, wanted.accept)
                .header(ACCEPT_ENCODING, wanted.encoding);
            if let Some(authorization) = wanted.authorization
                && origin_of(&url) == credential_origin
            {
                let value = authorization.header().map_err(Failure::Final)?;
                request = request.header(AUTHORIZATION, value);
            }
            let response = request.send().await.map_err(|cause| {
                match unreachable(shown(), attempts, cause) {
                    // It is the same one next time.
                    error @ FetchError::Certificate { .. } => Failure::Final(error),
                    error => Failure::Passing(error, None),
                }
            })?;
            let status = response.status().as_u16();
            match status {
                200 => return Ok(response),
                301 | 302 | 303 | 307 | 308 => {
                    let location = response
                        .headers()
                        .get(LOCATION)
                        .and_then(|v| v.to_str().ok());
                    url = next_hop(&url, location, &self.plain_http_origins)
                        .map_err(Failure::Final)?;
                }
                _ => {
                    let error = FetchError::Status {
                        url: shown(),
                        status,
                        attempts,
                    };
                    if !retry::is_passing(status) {
                        return Err(Failure::Final(error));
                    }
                    let header = response.headers().get("retry-after");
                    let asked = retry::requested_pause(header.and_then(|v| v.to_str().ok()));
                    return Err(Failure::Passing(error, asked));
                }
            }
        }
        Err(Failure::Final(FetchError::TooManyRedirects {
            url: shown(),
            limit: MAX_REDIRECTS,
        }))
    }
}

/// Where a redirect leads, if it may be followed.
pub(super) fn next_hop(
    current: &Url,
    location: Option<&str>,
    plain_http_origins: &[String],
) -> Result<Url, FetchError> {
    let url = without_secrets(current);
    let Some(next) = location.and_then(|location| current.join(location).ok()) else {
        return Err(FetchError::InvalidRedirect { url });
    };
    let leads_to_plain_http = matches!(
        check_scheme(&next, plain_http_origins),
        Err(FetchError::PlainHttp { .. })
    );
    if leads_to_plain_http || current.scheme() == "https" && next.scheme() != "https" {
        return Err(FetchError::RedirectToPlainHttp {
            url,
            target: without_secrets(&next),
        });
    }
    if leads_inside(&next, current) {
        return Err(FetchError::RedirectInside {
            url,
            target: without_secrets(&next),
        });
    }
    check_scheme(&next, plain_http_origins).map_err(|_| FetchError::InvalidRedirect { url })?;
    Ok(next)
}

/// Why a request was not answered at all.
fn unreachable(url: String, attempts: u32, cause: reqwest::Error) -> FetchError {
    // rustls names what is wrong with a certificate as `invalid peer certificate: UnknownIssuer`.
    const CERTIFICATE: &str = "invalid peer certificate: ";
    let cause = cause.without_url();
    let reason = super::reason_of(&cause);
    match reason.strip_prefix(CERTIFICATE) {
        Some(reason) => FetchError::Certificate {
            url,
            reason: reason.to_owned(),
        },
        None => FetchError::Connect {
            url,
            attempts,
            cause,
        },
    }
}

/// https, or http where the user or the loopback interface makes it acceptable.
pub(super) fn check_scheme(url: &Url, plain_http_origins: &[String]) -> Result<(), FetchError> {
    match url.scheme() {
        "https" => Ok(()),
        "http" if is_loopback(url) || plain_http_origins.contains(&origin_of(url)) => Ok(()),
        "http" => Err(FetchError::PlainHttp {
            url: without_secrets(url),
        }),
        _ => Err(FetchError::InvalidUrl {
            url: without_secrets(url),
        }),
    }
}

/// A document in memory. Its size is bounded by the caller of [`Sink::write`].
#[derive(Default)]
struct Body {
    bytes: Vec<u8>,
}

impl Sink for Body {
    fn restart(&mut self) -> Result<(), SinkError> {
        self.bytes.clear();
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), SinkError> {
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }
}

fn decompress(url: &Url, compressed: &[u8], max_bytes: u64) -> Result<Vec<u8>, FetchError> {
    let mut bytes = Vec::new();
    flate2::read::MultiGzDecoder::new(compressed)
        .take(max_bytes.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(|_| FetchError::Compression {
            url: without_secrets(url),
        })?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > max_bytes) {
        return Err(FetchError::TooLarge {
            url: without_secrets(url),
            limit: max_bytes,
        });
    }
    Ok(bytes)
}
