//! Sending requests to a collector, each until it is taken, or can't be.

use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, sleep, timeout};

use super::reply::{Reception, judge};
use super::settings::{Settings, Target};
use crate::fetch::{
    Client, FetchError, FetchSettings, HeaderName, HeaderValue, ProxySettings, origin_of,
};

/// Of an answer's body.
const MAX_ANSWER: usize = 64 << 10;
/// Before the second attempt; doubled for each one after it.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// The longest that a collector may have us wait.
const LONGEST_REQUESTED: Duration = Duration::from_secs(600);

/// Why sending has ended.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    #[error("the collector could not be reached within {}: {last}; nothing is lost, the next export goes on from there", humantime::format_duration(*patience))]
    Unreachable { patience: Duration, last: String },
    #[error(
        "{url} answered with status {status}: {message}; nothing is lost, the next export goes on from there. Are address and OTEL_EXPORTER_OTLP_HEADERS right?"
    )]
    Unwelcome {
        url: String,
        status: u16,
        message: String,
    },
    #[error(transparent)]
    Client(#[from] FetchError),
}

/// What is said on the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word {
    /// For the first time since something was taken.
    Waiting {
        why: String,
    },
    Again,
    /// Of a request some items were not taken, or none.
    Rejected {
        number: Option<u64>,
        status: u16,
        message: String,
    },
}

/// A client for one collector.
pub struct Sender {
    client: Client,
    timeout: Duration,
    /// `None`: it waits for as long as it takes.
    patience: Option<Duration>,
    is_waiting: bool,
}

impl Sender {
    /// # Errors
    /// When there are no certificates, or the proxy's address is none.
    pub fn new(
        settings: &Settings,
        proxy: ProxySettings,
        patience: Option<Duration>,
    ) -> Result<Self, SendError> {
        let targets = [&settings.traces, &settings.logs];
        let targets = targets.into_iter().flatten();
        let fetch = FetchSettings {
            extra_certificates: settings.certificate.iter().cloned().collect(),
            proxy: past_proxies(proxy),
            // The user has named it with `http://`; settings refuse credentials there.
            plain_http_origins: targets.map(|target| origin_of(&target.url)).collect(),
            // The whole request has that time, which says more when it is over.
            idle_timeout: settings.timeout + Duration::from_secs(1),
            ..FetchSettings::default()
        };
        Ok(Self {
            client: Client::new(&fetch)?,
            timeout: settings.timeout,
            patience,
            is_waiting: false,
        })
    }

    /// Sends one request until it was taken or refused for good. May be cancelled: then it is not known
    /// whether it was taken.
    ///
    /// # Errors
    /// When the collector takes nothing of ours, or none was there for as long as the patience.
    pub async fn send(
        &mut self,
        target: &Target,
        request: &Value,
        mut say: impl FnMut(Word),
    ) -> Result<(), SendError> {
        let body = request.to_string().into_bytes();
        let mut headers = vec![(
            HeaderName::from_static("content-type"),
            HeaderValue::from_static("application/json"),
        )];
        headers.extend(target.headers.iter().cloned());
        let began = Instant::now();
        let mut pause = FIRST_PAUSE;
        loop {
            let posted = self
                .client
                .post(&target.url, &headers, body.clone(), MAX_ANSWER);
            let (why, after) = match timeout(self.timeout, posted).await {
                Err(_) => (
                    format!(
                        "no answer within {}",
                        humantime::format_duration(self.timeout)
                    ),
                    None,
                ),
                Ok(Err(error)) if error.is_network() => (error.to_string(), None),
                Ok(Err(error)) => return Err(error.into()),
                Ok(Ok(reply)) => match judge(&reply) {
                    Reception::Later { status, after } => (
                        format!("{} answered with status {status}", target.shown()),
                        after,
                    ),
                    taken => {
                        if std::mem::take(&mut self.is_waiting) {
                            say(Word::Again);
                        }
                        return settled(target, taken, say);
                    }
                },
            };
            let next = after.unwrap_or(pause).min(LONGEST_REQUESTED);
            if let Some(patience) = self.patience
                && began.elapsed() + next > patience
            {
                return Err(SendError::Unreachable {
                    patience,
                    last: why,
                });
            }
            if !std::mem::replace(&mut self.is_waiting, true) {
                say(Word::Waiting { why });
            }
            sleep(next).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}

/// A collector on this machine is no proxy's business, which would have the headers in the open: an
/// address of the proxy's own machine is meant there.
fn past_proxies(proxy: ProxySettings) -> ProxySettings {
    let own = proxy.no_proxy.iter().map(String::as_str);
    let exceptions: Vec<&str> = own.chain(["localhost", "127.0.0.0/8", "::1"]).collect();
    ProxySettings {
        no_proxy: Some(exceptions.join(",")),
        ..proxy
    }
}

fn settled(
    target: &Target,
    reception: Reception,
    mut say: impl FnMut(Word),
) -> Result<(), SendError> {
    match reception {
        Reception::Accepted {
            rejected: 0,
            message,
        } => {
            if !message.is_empty() {
                tracing::info!("the collector says: {message}");
            }
        }
        Reception::Accepted { rejected, message } => say(Word::Rejected {
            number: Some(rejected),
            status: 200,
            message,
        }),
        Reception::Dropped { status, message } => say(Word::Rejected {
            number: None,
            status,
            message,
        }),
        Reception::Unwelcome { status, message } => {
            return Err(SendError::Unwelcome {
                url: target.shown(),
                status,
                message,
            });
        }
        // Waited for above.
        Reception::Later { .. } => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use super::*;

    /// Who answers every request of one connection with its own name.
    fn serve() -> (String, std::thread::JoinHandle<String>) {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let thread = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut bytes = [0; 4096];
            let count = stream.read(&mut bytes).unwrap();
            stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}")
                .unwrap();
            String::from_utf8_lossy(&bytes[..count]).into_owned()
        });
        (address, thread)
    }

    #[tokio::test]
    async fn headers_for_this_machine_pass_no_proxy() {
        let (collector, asked) = serve();
        let get = |name: &str| match name {
            "OTEL_EXPORTER_OTLP_ENDPOINT" => Some(format!("http://{collector}")),
            "OTEL_EXPORTER_OTLP_HEADERS" => Some("authorization=s3cret".to_owned()),
            _ => None,
        };
        let settings = Settings::read(&get, None).unwrap();
        // Nobody is there.
        let proxy = ProxySettings {
            http: Some("http://127.0.0.1:1".to_owned()),
            no_proxy: Some("other.example".to_owned()),
            ..ProxySettings::default()
        };
        let mut sender = Sender::new(&settings, proxy, Some(Duration::ZERO)).unwrap();
        let target = settings.traces.as_ref().unwrap();
        sender.send(target, &Value::Null, |_| {}).await.unwrap();
        let asked = asked.join().unwrap();
        assert!(asked.starts_with("POST /v1/traces "), "{asked}");
        assert!(asked.contains("s3cret"), "{asked}");
    }
}
