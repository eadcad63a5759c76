//! Where a collector is: OpenTelemetry's own variables ("OpenTelemetry Protocol Exporter",
//! "Environment Variable Specification"). Reads what it is given, opens nothing.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::message::Attribute;
use crate::fetch::{HeaderName, HeaderValue, Url, is_loopback};
use crate::lockfile::printable;

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);
const DEFAULT_SERVICE: &str = "pinfold";
/// Characters of a value that is shown because it is wrong. Never of a header's.
const MAX_SHOWN: usize = 100;

/// What can't be understood.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SettingsError {
    #[error(
        "no collector is named: set OTEL_EXPORTER_OTLP_ENDPOINT, for example to http://localhost:4318, or give --endpoint"
    )]
    NoEndpoint,
    #[error("{variable} is `{value}`, which is no address such as http://localhost:4318")]
    Endpoint {
        variable: &'static str,
        value: String,
    },
    #[error(
        "{variable} is `grpc`, which pinfold doesn't speak: it sends OTLP over HTTP as JSON (http/json), which collectors take at port 4318"
    )]
    Protocol { variable: &'static str },
    #[error("{variable} is no list of NAME=VALUE, separated by commas")]
    Headers { variable: &'static str },
    #[error(
        "headers are set, and `{url}` is plain http: whoever is on the way could read them; use https"
    )]
    Credential { url: String },
    #[error("OTEL_EXPORTER_OTLP_TIMEOUT is `{value}`, which is no number of milliseconds")]
    Timeout { value: String },
}

/// One address, and what goes with each request.
#[derive(Clone)]
pub struct Target {
    pub url: Url,
    pub headers: Vec<(HeaderName, HeaderValue)>,
}

/// Everything that the variables say.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `None`: OTEL_TRACES_EXPORTER is `none`.
    pub traces: Option<Target>,
    /// `None`: OTEL_LOGS_EXPORTER is `none`.
    pub logs: Option<Target>,
    /// Who says all this.
    pub resource: Vec<Attribute>,
    /// For one request.
    pub timeout: Duration,
    /// Trusted besides the machine's own.
    pub certificate: Option<PathBuf>,
    /// OTEL_SDK_DISABLED: nothing is to be exported.
    pub is_disabled: bool,
}

impl Target {
    /// Its address without anything that may be a secret.
    pub fn shown(&self) -> String {
        crate::fetch::without_secrets(&self.url)
    }

    /// Whether others can read what goes there.
    pub fn is_in_the_open(&self) -> bool {
        self.url.scheme() == "http" && !is_loopback(&self.url)
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("Target")
            .field("url", &self.shown())
            .field("headers", &names)
            .finish()
    }
}

/// The names of the variables of one signal.
struct Signal {
    endpoint: &'static str,
    headers: &'static str,
    protocol: &'static str,
    exporter: &'static str,
    path: &'static str,
}

const TRACES: Signal = Signal {
    endpoint: "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    headers: "OTEL_EXPORTER_OTLP_TRACES_HEADERS",
    protocol: "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
    exporter: "OTEL_TRACES_EXPORTER",
    path: "v1/traces",
};
const LOGS: Signal = Signal {
    endpoint: "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT",
    headers: "OTEL_EXPORTER_OTLP_LOGS_HEADERS",
    protocol: "OTEL_EXPORTER_OTLP_LOGS_PROTOCOL",
    exporter: "OTEL_LOGS_EXPORTER",
    path: "v1/logs",
};

impl Settings {
    /// Reads the variables; an empty one is an unset one. `endpoint` is the command line's and stands
    /// for OTEL_EXPORTER_OTLP_ENDPOINT, before every variable.
    ///
    /// # Errors
    /// When no collector is named, or something can't be understood.
    pub fn read(
        variable: &dyn Fn(&str) -> Option<String>,
        endpoint: Option<&str>,
    ) -> Result<Self, SettingsError> {
        let get = |name: &str| variable(name).filter(|value| !value.is_empty());
        let target = |signal: &Signal| target(&get, endpoint, signal);
        let timeout =
            match get("OTEL_EXPORTER_OTLP_TIMEOUT") {
                None => DEFAULT_TIMEOUT,
                Some(value) => value.parse().map(Duration::from_millis).map_err(|_| {
                    SettingsError::Timeout {
                        value: printable(&value, MAX_SHOWN),
                    }
                })?,
            };
        Ok(Self {
            traces: target(&TRACES)?,
            logs: target(&LOGS)?,
            resource: resource(
                get("OTEL_SERVICE_NAME"),
                get("OTEL_RESOURCE_ATTRIBUTES").as_deref(),
            ),
            timeout,
            certificate: get("OTEL_EXPORTER_OTLP_CERTIFICATE").map(PathBuf::from),
            is_disabled: get("OTEL_SDK_DISABLED")
                .is_some_and(|value| value.eq_ignore_ascii_case("true")),
        })
    }
}

fn target(
    get: &impl Fn(&str) -> Option<String>,
    endpoint: Option<&str>,
    signal: &Signal,
) -> Result<Option<Target>, SettingsError> {
    if get(signal.exporter).is_some_and(|value| value == "none") {
        return Ok(None);
    }
    for variable in [signal.protocol, "OTEL_EXPORTER_OTLP_PROTOCOL"] {
        match get(variable).as_deref() {
            None => continue,
            Some("grpc") => return Err(SettingsError::Protocol { variable }),
            // A collector takes both of the others at the same address.
            Some(_) => break,
        }
    }
    const BASE: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
    let own = get(signal.endpoint).filter(|_| endpoint.is_none());
    let base = endpoint.map(str::to_owned).or_else(|| get(BASE));
    let (variable, value, path) = match (own, base) {
        (Some(own), _) => (signal.endpoint, own, None),
        (None, Some(base)) => (BASE, base, Some(signal.path)),
        (None, None) => return Err(SettingsError::NoEndpoint),
    };
    let wrong = || SettingsError::Endpoint {
        variable: if endpoint.is_some() {
            "--endpoint"
        } else {
            variable
        },
        // A password may be in it.
        value: printable(value.rsplit('@').next().unwrap_or_default(), MAX_SHOWN),
    };
    let mut url = Url::parse(&value).map_err(|_| wrong())?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(wrong());
    }
    if let Some(path) = path {
        let below = format!("{}/{path}", url.path().trim_end_matches('/'));
        url.set_path(&below);
    }
    let mut headers = Vec::new();
    for variable in [signal.headers, "OTEL_EXPORTER_OTLP_HEADERS"] {
        // That of the signal stands in the other's place.
        if let Some(text) = get(variable) {
            headers = read_headers(&text).ok_or(SettingsError::Headers { variable })?;
            break;
        }
    }
    let has_credential =
        !headers.is_empty() || !url.username().is_empty() || url.password().is_some();
    if url.scheme() == "http" && has_credential && !is_loopback(&url) {
        return Err(SettingsError::Credential {
            url: crate::fetch::without_secrets(&url),
        });
    }
    Ok(Some(Target { url, headers }))
}

/// `NAME=VALUE,NAME=VALUE`, with octets written as `%2C` (W3C Baggage, without its properties).
fn read_pairs(text: &str) -> Option<Vec<(String, String)>> {
    let pairs = text.split(',').filter(|pair| !pair.trim().is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=')?;
            Some((decoded(name.trim())?, decoded(value.trim())?))
        })
        .collect()
}

fn read_headers(text: &str) -> Option<Vec<(HeaderName, HeaderValue)>> {
    let pairs = read_pairs(text)?;
    pairs
        .into_iter()
        .map(|(name, value)| {
            let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
            let mut value = HeaderValue::from_str(&value).ok()?;
            value.set_sensitive(true);
            Some((name, value))
        })
        .collect()
}

fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, more)) = rest.split_first() {
        rest = more;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let digits = std::str::from_utf8(rest.get(..2)?).ok()?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        rest = rest.get(2..)?;
    }
    String::from_utf8(bytes).ok()
}

fn resource(service: Option<String>, attributes: Option<&str>) -> Vec<Attribute> {
    // "In case of any error the entire value is ignored."
    let mut given = attributes.and_then(read_pairs).unwrap_or_default();
    let named = given
        .iter()
        .find(|(key, _)| key == "service.name")
        .map(|(_, value)| value.clone());
    given.retain(|(key, _)| key != "service.name" && key != "service.version");
    let service = service
        .or(named)
        .unwrap_or_else(|| DEFAULT_SERVICE.to_owned());
    let mut resource = vec![
        Attribute::text("service.name", &service),
        Attribute::text("service.version", env!("CARGO_PKG_VERSION")),
    ];
    resource.extend(
        given
            .iter()
            .map(|(key, value)| Attribute::text(key.as_str(), value)),
    );
    resource
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Settings, SettingsError> {
        let get = |name: &str| {
            let found = pairs.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        Settings::read(&get, None)
    }

    const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";

    fn urls(pairs: &[(&str, &str)]) -> [Option<String>; 2] {
        let settings = read(pairs).unwrap();
        [settings.traces, settings.logs].map(|target| target.map(|target| target.url.to_string()))
    }

    fn both(traces: &str, logs: &str) -> [Option<String>; 2] {
        [Some(traces.to_owned()), Some(logs.to_owned())]
    }

    #[test]
    fn addresses_are_made_as_the_specification_says() {
        let expected = both(
            "http://localhost:4318/v1/traces",
            "http://localhost:4318/v1/logs",
        );
        for base in ["http://localhost:4318", "http://localhost:4318/"] {
            assert_eq!(urls(&[(ENDPOINT, base)]), expected);
        }
        assert_eq!(
            urls(&[(ENDPOINT, "https://c.example/otlp")]),
            both(
                "https://c.example/otlp/v1/traces",
                "https://c.example/otlp/v1/logs"
            )
        );
        // That of a signal is taken as it is.
        assert_eq!(
            urls(&[
                (ENDPOINT, "https://c.example"),
                ("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "https://l.example")
            ]),
            both("https://c.example/v1/traces", "https://l.example/")
        );
        let [traces, logs] = urls(&[
            (ENDPOINT, "https://c.example"),
            ("OTEL_TRACES_EXPORTER", "none"),
        ]);
        assert!(traces.is_none() && logs.is_some());
        let given = Settings::read(&|_| None, Some("http://[::1]:9")).unwrap();
        assert_eq!(given.logs.unwrap().url.as_str(), "http://[::1]:9/v1/logs");
    }

    #[test]
    fn what_can_not_be_meant_is_refused() {
        assert_eq!(read(&[]).unwrap_err(), SettingsError::NoEndpoint);
        assert_eq!(
            read(&[(ENDPOINT, "")]).unwrap_err(),
            SettingsError::NoEndpoint
        );
        for wrong in [
            "localhost:4318",
            "ftp://c.example",
            "http://",
            "/v1",
            "unix:///x",
        ] {
            let error = read(&[(ENDPOINT, wrong)]).unwrap_err();
            assert!(
                matches!(error, SettingsError::Endpoint { .. }),
                "{wrong}: {error}"
            );
        }
        let good = (ENDPOINT, "http://localhost:4318");
        for wrong in ["a", "a=b,c", "a b=c", "a=%f", "a=%zz", "a=%0a"] {
            let error = read(&[good, ("OTEL_EXPORTER_OTLP_HEADERS", wrong)]).unwrap_err();
            assert!(
                matches!(error, SettingsError::Headers { .. }),
                "{wrong}: {error}"
            );
        }
        let error = read(&[good, ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")]).unwrap_err();
        assert!(error.to_string().contains("4318"), "{error}");
        let error = read(&[good, ("OTEL_EXPORTER_OTLP_TIMEOUT", "soon")]).unwrap_err();
        assert!(matches!(error, SettingsError::Timeout { .. }));
        // The control, and a protocol of a signal before the common one.
        for protocol in ["http/json", "http/protobuf"] {
            let own = ("OTEL_EXPORTER_OTLP_LOGS_PROTOCOL", protocol);
            let other = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", protocol);
            let common = ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc");
            assert!(read(&[good, own, other, common]).is_ok());
            assert!(read(&[good, own, common]).is_err());
        }
    }

    #[test]
    fn a_credential_is_neither_shown_nor_sent_in_the_open() {
        let headers = (
            "OTEL_EXPORTER_OTLP_HEADERS",
            "authorization=Bearer%20s3cret, x-a=1",
        );
        let error = read(&[(ENDPOINT, "http://c.example:4318"), headers]).unwrap_err();
        assert!(matches!(error, SettingsError::Credential { .. }));
        let error = read(&[(ENDPOINT, "http://u:p@c.example:4318")]).unwrap_err();
        assert!(!error.to_string().contains("u:p"), "{error}");
        // A token is sent as a password without a name, too.
        let error = read(&[(ENDPOINT, "http://:s3cret@c.example:4318")]).unwrap_err();
        assert!(matches!(error, SettingsError::Credential { .. }));
        assert!(!error.to_string().contains("s3cret"), "{error}");
        for fine in ["https://c.example", "http://127.0.0.1:4318"] {
            let settings = read(&[(ENDPOINT, fine), headers]).unwrap();
            assert!(!format!("{settings:?}").contains("s3cret"));
            let target = settings.traces.unwrap();
            let sent: Vec<_> = target
                .headers
                .iter()
                .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
                .collect();
            assert_eq!(sent, [("authorization", "Bearer s3cret"), ("x-a", "1")]);
        }
        // The control: without them plain http is the user's own choice.
        assert!(read(&[(ENDPOINT, "http://c.example:4318")]).is_ok());
    }

    #[test]
    fn the_resource_says_who_it_is() {
        let told = |pairs: &[(&str, &str)]| {
            let resource = resource(
                pairs.first().map(|(_, value)| (*value).to_owned()),
                pairs.get(1).map(|(_, value)| *value),
            );
            serde_json::to_value(resource).unwrap()
        };
        let plain = told(&[]);
        assert_eq!(plain[0]["value"]["stringValue"], "pinfold");
        let full = resource(None, Some("service.name=a,host.name=b%2Cc"));
        assert_eq!(full[0], Attribute::text("service.name", "a"));
        assert_eq!(full[2], Attribute::text("host.name", "b,c"));
        let both = resource(Some("mine".to_owned()), Some("service.name=a"));
        assert_eq!(both[0], Attribute::text("service.name", "mine"));
        assert_eq!(resource(None, Some("broken")).len(), 2);
    }
}
