//! The proxies of the user's environment: which of them leads to which host. Pure.
//!
//! The variables mean here what they mean to the downloads of this program, whose HTTP client reads
//! them by the same code: `HTTP_PROXY` is for port 80 and `HTTPS_PROXY` for every other,
//! `ALL_PROXY` for what neither names, `NO_PROXY` says what goes directly. The upper-case spelling
//! comes first.
//!
//! Every connection through an HTTP proxy is a tunnel (CONNECT), also that to port 80, since what
//! goes through it is not read here. A proxy that is told a name resolves it by itself, so that the
//! addresses of the name can't be judged: there the allowed name alone decides. That is so with
//! `http://` and `socks5h://`; for `socks5://` names are resolved and judged here.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use hyper_util::client::proxy::matcher::Matcher;

use super::error::EgressError;
use super::event::Host;
use super::target::is_own;

/// The pairs of which the first that is set counts.
const ALL: [&str; 2] = ["ALL_PROXY", "all_proxy"];
const HTTP: [&str; 2] = ["HTTP_PROXY", "http_proxy"];
const HTTPS: [&str; 2] = ["HTTPS_PROXY", "https_proxy"];
const NO: [&str; 2] = ["NO_PROXY", "no_proxy"];

/// Which hosts are reached through which proxy.
#[derive(Clone)]
pub struct Proxies(Arc<Matcher>);

/// One proxy. Not `Debug`: it holds a password.
pub(super) struct Proxy {
    pub(super) protocol: Protocol,
    /// A name, or an address without brackets.
    pub(super) host: String,
    pub(super) port: u16,
}

/// How a proxy is spoken to.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Protocol {
    /// With the value of a `Proxy-Authorization` field.
    Http(Option<String>),
    Socks {
        resolves: bool,
        /// User and password (RFC 1929).
        account: Option<(String, String)>,
    },
}

impl Proxies {
    /// The proxies that these environment variables name; none when they name none.
    ///
    /// # Errors
    /// When one that counts names something that can't be used as a proxy. An unusable one is not
    /// passed over, because what goes directly may be what must not be seen.
    pub fn from_variables(
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<Self>, EgressError> {
        let first = |names: [&'static str; 2]| {
            names
                .into_iter()
                .find_map(|name| Some((name, variable(name)?)))
                .filter(|(_, value)| !value.trim().is_empty())
        };
        let mut builder = Matcher::builder();
        let mut is_any = false;
        let settings = [ALL, HTTP, HTTPS].map(first);
        for (index, (name, value)) in settings
            .into_iter()
            .enumerate()
            .filter_map(|(index, set)| Some((index, set?)))
        {
            let alone = Self(Arc::new(Matcher::builder().all(value.as_str()).build()));
            if alone.find("host", 443).is_none() {
                return Err(EgressError::ProxySetting(name));
            }
            is_any = true;
            builder = match index {
                0 => builder.all(value),
                1 => builder.http(value),
                _ => builder.https(value),
            };
        }
        let exceptions = first(NO).map(|(_, value)| value).unwrap_or_default();
        // The matcher takes this for names only.
        let is_all_excepted = exceptions.split(',').any(|one| one.trim() == "*");
        let proxies = Self(Arc::new(builder.no(exceptions).build()));
        Ok((is_any && !is_all_excepted).then_some(proxies))
    }

    /// The proxy for a connection. The machine itself is never reached through one, nor is a name
    /// that could be a proxy's own machine or of its own network: a name without a dot, or below
    /// `localhost`. Those are resolved and judged here.
    pub(super) fn for_host(&self, host: &Host, port: u16) -> Option<Proxy> {
        match host {
            Host::Localhost => None,
            Host::Address(address) if is_own(*address) => None,
            Host::Address(IpAddr::V4(address)) => self.find(&address.to_string(), port),
            Host::Address(IpAddr::V6(address)) => self.find(&format!("[{address}]"), port),
            Host::Name(name) => {
                let name = name.as_str();
                let is_own = !name.contains('.')
                    || name.ends_with(".localhost")
                    || name.ends_with(".localdomain");
                if is_own { None } else { self.find(name, port) }
            }
        }
    }

    fn find(&self, host: &str, port: u16) -> Option<Proxy> {
        let scheme = if port == 80 { "http" } else { "https" };
        let target = format!("{scheme}://{host}/").parse().ok()?;
        let found = self.0.intercept(&target)?;
        let account = found
            .raw_auth()
            .map(|(user, password)| (user.to_owned(), password.to_owned()));
        // RFC 1929: lengths of one byte, and no empty ones.
        let fits = |text: &str| (1..=255).contains(&text.len());
        if account
            .as_ref()
            .is_some_and(|(user, password)| !fits(user) || !fits(password))
        {
            return None;
        }
        let uri = found.uri();
        let (protocol, usual_port) = match uri.scheme_str()? {
            "http" => {
                let basic = found.basic_auth().and_then(|value| value.to_str().ok());
                (Protocol::Http(basic.map(str::to_owned)), 80)
            }
            "socks5" | "socks5h" => {
                let resolves = uri.scheme_str() == Some("socks5h");
                (Protocol::Socks { resolves, account }, 1080)
            }
            _ => return None,
        };
        let proxy_host = uri.host()?.trim_start_matches('[').trim_end_matches(']');
        Some(Proxy {
            protocol,
            host: proxy_host.to_owned(),
            port: uri.port_u16().unwrap_or(usual_port),
        })
    }
}

impl Proxy {
    /// Whether it is told names.
    pub(super) fn resolves(&self) -> bool {
        match self.protocol {
            Protocol::Http(_) => true,
            Protocol::Socks { resolves, .. } => resolves,
        }
    }
}

/// Without user and password.
impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl fmt::Debug for Proxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Proxies")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::HostName;

    fn read(variables: &[(&str, &str)]) -> Result<Option<Proxies>, EgressError> {
        Proxies::from_variables(|name| {
            variables
                .iter()
                .find(|(known, _)| *known == name)
                .map(|(_, value)| (*value).to_owned())
        })
    }

    fn host(text: &str) -> Host {
        match text.parse() {
            Ok(address) => Host::Address(address),
            Err(_) if text == "localhost" => Host::Localhost,
            Err(_) => Host::Name(HostName::parse(text).unwrap()),
        }
    }

    fn shown(proxies: &Proxies, text: &str, port: u16) -> Option<String> {
        proxies
            .for_host(&host(text), port)
            .map(|proxy| proxy.to_string())
    }

    #[test]
    fn the_port_and_the_exceptions_choose_the_proxy() {
        let proxies = read(&[
            ("HTTP_PROXY", "http://plain:3128"),
            ("http_proxy", "http://not-this-one:1"),
            ("https_proxy", "proxy:8080"),
            (
                "NO_PROXY",
                "direct.test, .below.test,10.0.0.0/8,192.0.2.7,[::1],2001:db8::/32",
            ),
        ])
        .unwrap()
        .unwrap();
        for (target, port, expected) in [
            ("a.test", 80, Some("plain:3128")),
            ("a.test", 443, Some("proxy:8080")),
            ("a.test", 5432, Some("proxy:8080")),
            ("direct.test", 443, None),
            ("a.direct.test", 443, None),
            ("notdirect.test", 443, Some("proxy:8080")),
            ("a.below.test", 443, None),
            ("10.1.2.3", 443, None),
            ("11.1.2.3", 443, Some("proxy:8080")),
            ("192.0.2.7", 443, None),
            ("2001:db8::1", 443, None),
            ("2606:4700::1", 443, Some("proxy:8080")),
            // Whatever the variables say.
            ("localhost", 443, None),
            ("127.0.0.2", 443, None),
            ("::1", 443, None),
            ("0.0.0.0", 443, None),
            ("::ffff:127.0.0.1", 443, None),
            ("x.localhost", 443, None),
            ("localhost.localdomain", 443, None),
            ("intranet", 443, None),
        ] {
            let found = shown(&proxies, target, port);
            assert_eq!(found.as_deref(), expected, "{target}:{port}");
        }
    }

    #[test]
    fn user_password_and_kind_come_from_the_address_and_are_not_shown() {
        let proxies = read(&[
            ("ALL_PROXY", "socks5h://me:p%40ss@[2001:db8::9]"),
            ("HTTP_PROXY", "http://me:p%40ss@proxy:1"),
            ("HTTPS_PROXY", ""),
        ])
        .unwrap()
        .unwrap();
        let proxy = proxies.for_host(&host("a.test"), 80).unwrap();
        assert!(proxy.resolves() && proxy.to_string() == "proxy:1");
        assert!(proxy.protocol == Protocol::Http(Some("Basic bWU6cEBzcw==".to_owned())));
        let proxy = proxies.for_host(&host("a.test"), 443).unwrap();
        let account = Some(("me".to_owned(), "p@ss".to_owned()));
        assert!(
            proxy.protocol
                == Protocol::Socks {
                    resolves: true,
                    account
                }
        );
        assert_eq!(proxy.to_string(), "[2001:db8::9]:1080");
        let local = read(&[("ALL_PROXY", "socks5://s:1")]).unwrap().unwrap();
        assert!(!local.for_host(&host("a.test"), 443).unwrap().resolves());
    }

    #[test]
    fn no_proxies_and_such_that_can_not_be_used() {
        assert!(read(&[]).unwrap().is_none());
        assert!(
            read(&[("NO_PROXY", "a"), ("ALL_PROXY", " ")])
                .unwrap()
                .is_none()
        );
        let everything = read(&[("NO_PROXY", "*"), ("ALL_PROXY", "http://p:1")]);
        assert!(everything.unwrap().is_none());
        for bad in [
            "https://proxy:1",
            "socks4://proxy:1",
            "ftp://proxy",
            "http://",
            "not a proxy",
            "socks5h://user-alone@proxy:1",
        ] {
            let error = read(&[("HTTPS_PROXY", bad)]).unwrap_err().to_string();
            assert!(error.contains("`HTTPS_PROXY`"), "{error}");
            assert!(!error.contains("user-alone"), "{error}");
        }
    }
}
