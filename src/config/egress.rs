//! `egress` in the manifest: the hosts that a server may reach.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;

use super::host_name::{HostName, HostNameError};

/// One entry of `egress`: a host, or several, and a port of them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EgressRule {
    pub host: EgressHost,
    /// Never 0.
    pub port: u16,
}

/// Which hosts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EgressHost {
    /// This name and no other.
    Name(HostName),
    /// `*.name`: names below, by one label or more; not the name itself.
    Subdomains(HostName),
    /// `*`: every name.
    AnyName,
    /// Addresses as such, and names whose addresses lie in it although they are not public.
    Network(IpNet),
    /// The loopback of the machine itself, by the name `localhost`.
    Localhost,
}

/// Why an entry was not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EgressRuleError {
    #[error("it has no port; write for example `api.example.com:443`")]
    NoPort,
    #[error("its port is not a number from 1 to 65535")]
    Port,
    #[error("it is an address of a page; write only the host and its port, for example `{0}`")]
    Url(String),
    #[error("an IPv6 address is written in brackets, for example `[2001:db8::1]:443`")]
    Brackets,
    #[error("the address or its prefix length can't be read")]
    Address,
    #[error("the network has bits set behind its prefix; write `{0}`")]
    HostBits(IpNet),
    #[error(
        "`*` stands for the first labels of a name, as in `*.example.com:443`, or for every name, as in `*:443`"
    )]
    Wildcard,
    #[error("`{name}` is not the name of a host: {source}")]
    Name { name: String, source: HostNameError },
}

/// How the entries are enforced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum EgressTier {
    /// By name, in a network of the server's own; needs namespaces.
    #[default]
    Names,
    /// Only their ports, by Landlock; any host.
    Ports,
}

impl EgressTier {
    /// Its word in the manifest.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Names => "names",
            Self::Ports => "ports",
        }
    }
}

impl EgressRule {
    /// The rule for one host as an address of a page has it: a name, or an address, an IPv6 one in
    /// brackets.
    ///
    /// # Errors
    /// When it is no single host, or `port` is 0.
    pub fn of_endpoint(host: &str, port: u16) -> Result<Self, EgressRuleError> {
        // Both are fine in an address of a page or in a manifest, and neither is one host.
        if host.contains('*') {
            return Err(EgressRuleError::Wildcard);
        }
        if host.contains('/') {
            return Err(EgressRuleError::Address);
        }
        format!("{host}:{port}").parse()
    }
}

impl FromStr for EgressRule {
    type Err = EgressRuleError;

    fn from_str(text: &str) -> Result<Self, EgressRuleError> {
        if let Some((_, rest)) = text.split_once("://") {
            let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
            let host = host.rsplit('@').next().unwrap_or_default();
            let suggestion = if host.contains(':') {
                host.to_owned()
            } else {
                format!("{host}:443")
            };
            return Err(EgressRuleError::Url(suggestion));
        }
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (address, rest) = rest.split_once(']').ok_or(EgressRuleError::Brackets)?;
                // The prefix length may stand inside or behind the brackets.
                let (prefix, port) = rest.rsplit_once(':').ok_or(EgressRuleError::NoPort)?;
                (format!("{address}{prefix}"), port)
            }
            None => {
                let (host, port) = text.rsplit_once(':').ok_or(EgressRuleError::NoPort)?;
                if host.contains(':') {
                    return Err(EgressRuleError::Brackets);
                }
                (host.to_owned(), port)
            }
        };
        // `u16::from_str` takes a plus sign.
        if !port.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(EgressRuleError::Port);
        }
        let port: u16 = port.parse().map_err(|_| EgressRuleError::Port)?;
        if port == 0 {
            return Err(EgressRuleError::Port);
        }
        let host = if text.starts_with('[') {
            network(&host)?
        } else {
            host_of(&host)?
        };
        Ok(Self { host, port })
    }
}

fn host_of(text: &str) -> Result<EgressHost, EgressRuleError> {
    let name = |text: &str| {
        HostName::parse(text).map_err(|source| EgressRuleError::Name {
            name: text.to_owned(),
            source,
        })
    };
    if text == "*" {
        return Ok(EgressHost::AnyName);
    }
    if let Some(parent) = text.strip_prefix("*.") {
        if parent.contains('*') {
            return Err(EgressRuleError::Wildcard);
        }
        return Ok(EgressHost::Subdomains(name(parent)?));
    }
    if text.contains('*') {
        return Err(EgressRuleError::Wildcard);
    }
    if text.contains('/') || text.parse::<IpAddr>().is_ok() {
        return network(text);
    }
    let name = name(text)?;
    Ok(if name.as_str() == "localhost" {
        EgressHost::Localhost
    } else {
        EgressHost::Name(name)
    })
}

fn network(text: &str) -> Result<EgressHost, EgressRuleError> {
    let network = match text.parse::<IpAddr>() {
        Ok(address) => IpNet::from(address),
        Err(_) => text
            .parse::<IpNet>()
            .map_err(|_| EgressRuleError::Address)?,
    };
    if network.trunc() == network {
        Ok(EgressHost::Network(network))
    } else {
        Err(EgressRuleError::HostBits(network.trunc()))
    }
}

impl fmt::Display for EgressRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            EgressHost::Network(IpNet::V6(network)) if network.prefix_len() == 128 => {
                write!(f, "[{}]", network.addr())?;
            }
            EgressHost::Network(IpNet::V6(network)) => write!(f, "[{network}]")?,
            EgressHost::Network(IpNet::V4(network)) if network.prefix_len() == 32 => {
                write!(f, "{}", network.addr())?;
            }
            EgressHost::Network(IpNet::V4(network)) => write!(f, "{network}")?,
            EgressHost::Name(name) => write!(f, "{name}")?,
            EgressHost::Subdomains(name) => write!(f, "*.{name}")?,
            EgressHost::AnyName => f.write_str("*")?,
            EgressHost::Localhost => f.write_str("localhost")?,
        }
        write!(f, ":{}", self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<EgressRule, EgressRuleError> {
        text.parse()
    }

    #[test]
    fn entries_have_one_spelling() {
        for (written, shown) in [
            ("api.github.com:443", "api.github.com:443"),
            ("API.GitHub.com.:0443", "api.github.com:443"),
            ("*.example.com:8443", "*.example.com:8443"),
            ("*:443", "*:443"),
            ("bücher.example:1", "xn--bcher-kva.example:1"),
            ("LOCALHOST:3000", "localhost:3000"),
            ("127.0.0.1:65535", "127.0.0.1:65535"),
            ("127.0.0.1/32:80", "127.0.0.1:80"),
            ("10.0.0.0/8:5432", "10.0.0.0/8:5432"),
            ("[2001:db8::1]:443", "[2001:db8::1]:443"),
            ("[2001:DB8:0::1/128]:443", "[2001:db8::1]:443"),
            ("[fd00::/8]:443", "[fd00::/8]:443"),
            ("[fd00::]/8:443", "[fd00::/8]:443"),
        ] {
            let rule = parse(written).unwrap_or_else(|error| panic!("{written}: {error}"));
            assert_eq!(rule.to_string(), shown, "{written}");
            assert_eq!(parse(shown), Ok(rule), "{shown}");
        }
    }

    #[test]
    fn an_endpoint_is_one_host() {
        for (host, shown) in [
            ("registry.npmjs.org", "registry.npmjs.org:443"),
            ("localhost", "localhost:443"),
            ("127.0.0.1", "127.0.0.1:443"),
            ("[::1]", "[::1]:443"),
        ] {
            let rule = EgressRule::of_endpoint(host, 443).map(|rule| rule.to_string());
            assert_eq!(rule.as_deref(), Ok(shown), "{host}");
        }
        for host in [
            "*",
            "*.npmjs.org",
            "10.0.0.0/8",
            "[fd00::]/8",
            "[fd00::/8]",
            "a:1",
            "",
        ] {
            assert!(EgressRule::of_endpoint(host, 443).is_err(), "{host}");
        }
        assert!(EgressRule::of_endpoint("registry.npmjs.org", 0).is_err());
    }

    #[test]
    fn nonsense_is_refused_with_what_was_meant() {
        for (written, says) in [
            ("api.github.com", "no port"),
            ("", "no port"),
            ("[::1]", "no port"),
            ("api.github.com:", "its port"),
            ("api.github.com:0", "its port"),
            ("api.github.com:65536", "its port"),
            ("api.github.com:+443", "its port"),
            ("api.github.com:https", "its port"),
            ("api.github.com:443 ", "its port"),
            ("https://api.github.com/v3", "`api.github.com:443`"),
            ("http://user:word@host.test:81/", "`host.test:81`"),
            ("::1:443", "in brackets"),
            ("2001:db8::1:443", "in brackets"),
            ("[::1:443", "in brackets"),
            ("[127.0.0.1.5]:443", "can't be read"),
            ("[example.com]:443", "can't be read"),
            ("[::1]x:443", "can't be read"),
            ("[::1/64/64]:443", "can't be read"),
            ("10.0.0.0/33:443", "can't be read"),
            ("10.0.0.1/8:443", "write `10.0.0.0/8`"),
            ("[fd00::1/8]:443", "write `fd00::/8`"),
            ("*.*.com:443", "`*` stands for"),
            ("api.*.com:443", "`*` stands for"),
            ("*example.com:443", "`*` stands for"),
            ("*.:443", "empty label"),
            ("a b.com:443", "internationalised"),
            ("127.1:443", "four decimal numbers"),
            ("0x7f000001:443", "four decimal numbers"),
            ("*.1:443", "four decimal numbers"),
            (":443", "empty label"),
        ] {
            let error = parse(written).unwrap_err().to_string();
            assert!(error.contains(says), "{written}: {error}");
        }
    }
}
