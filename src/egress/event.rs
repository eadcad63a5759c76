//! What happened on the network of a box, told so that a person can act on it.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::error::EgressError;
use crate::config::HostName;
use crate::policy::Kind;

/// Whom the box wanted to reach.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Host {
    Name(HostName),
    Address(IpAddr),
    /// The loopback of the machine.
    Localhost,
}

/// One thing that happened. All text in it is ASCII of host names, or our own.
#[derive(Debug)]
pub enum Event {
    /// A name was looked up that does not exist for the box. Told once for each name.
    NameRefused { name: HostName },
    /// So many different names were refused that no more of them are told.
    NamesUntold { told: usize },
    /// A connection was reset before any byte of the box went out.
    Refused {
        host: Host,
        port: u16,
        why: EgressError,
    },
    /// More connections than allowed at one time; the further ones are reset. Told once for a burst.
    TooManyConnections { limit: u64 },
    /// The bytes of the session are spent: every connection was reset, new ones are.
    BytesSpent { limit: u64 },
    /// A connection that was made has ended.
    Closed {
        host: Host,
        port: u16,
        /// Bytes from the box.
        sent: u64,
        /// Bytes to the box.
        received: u64,
        duration: Duration,
        end: End,
    },
}

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Both sides had said all.
    Finished,
    /// Reset by the box's program.
    ResetByBox,
    /// Reset by the host, or the way to it broke.
    ResetByHost,
    /// Nothing moved for so long.
    Idle(Duration),
    BytesSpent,
    /// The box is gone, or its session was ended.
    SessionEnded,
}

impl Host {
    /// The entry of `egress` that allows this.
    fn entry(&self, port: u16) -> String {
        match self {
            Self::Address(address) => SocketAddr::new(*address, port).to_string(),
            Self::Name(_) | Self::Localhost => format!("{self}:{port}"),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => name.fmt(f),
            Self::Address(address) => address.fmt(f),
            Self::Localhost => f.write_str("localhost"),
        }
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Finished => f.write_str("finished"),
            Self::ResetByBox => f.write_str("reset by the server"),
            Self::ResetByHost => f.write_str("reset by the host"),
            Self::Idle(limit) => write!(f, "ended: nothing moved for {} s", limit.as_secs()),
            Self::BytesSpent => f.write_str("reset: the bytes of the session are spent"),
            Self::SessionEnded => f.write_str("reset: the session has ended"),
        }
    }
}

/// What to write in the manifest so that it would have been allowed; none where no line would.
fn remedy(host: &Host, port: u16, why: &EgressError) -> Option<String> {
    let entry = match why {
        EgressError::NotListed => host.entry(port),
        EgressError::LeadsTo { address, kind } if *kind == Kind::Loopback => {
            return Some(format!(
                "if this service of your own machine is meant, let the server use the name `localhost` and write `egress = [\"localhost:{port}\"]`, or write `egress = [\"{}\"]`",
                Host::Address(*address).entry(port)
            ));
        }
        EgressError::LeadsTo { address, .. } => Host::Address(*address).entry(port),
        EgressError::ServerName(name) => Host::Name(name.clone()).entry(port),
        _ => return None,
    };
    Some(format!(
        "if it is meant to, add it to the manifest: `egress = [\"{entry}\"]`"
    ))
}

/// One line without its subject, which is the server; of [`Event::Closed`] a whole one.
impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NameRefused { name } => write!(
                f,
                "looked up `{name}`, which it may not reach; if it is meant to, add the name and its port to the manifest, for example `egress = [\"{name}:443\"]`"
            ),
            Self::NamesUntold { told } => write!(
                f,
                "looked up more than {told} names that it may not reach; no more of them are told"
            ),
            Self::Refused { host, port, why } => {
                write!(
                    f,
                    "was refused a connection to {}: {why}",
                    host.entry(*port)
                )?;
                match remedy(host, *port, why) {
                    Some(remedy) => write!(f, "; {remedy}"),
                    None => Ok(()),
                }
            }
            Self::TooManyConnections { limit } => write!(
                f,
                "has more than {limit} connections at one time (`limits.connections`); the further ones are reset"
            ),
            Self::BytesSpent { limit } => write!(
                f,
                "has moved {limit} bytes, which is all that its session may (`limits.egress`); every connection was reset and no new one is made"
            ),
            Self::Closed {
                host,
                port,
                sent,
                received,
                duration,
                end,
            } => write!(
                f,
                "connection to {} {end}: {sent} bytes sent, {received} received, {} ms",
                host.entry(*port),
                duration.as_millis()
            ),
        }
    }
}

impl Event {
    /// The same of a program that chooses versions, npm or uv: what it may reach is in no manifest,
    /// and nobody but the registry leads it elsewhere.
    pub fn of_resolver(&self) -> String {
        let elsewhere = |place: &str| {
            format!(
                "npm or uv was led to {place}, by an answer or a redirect; that is no registry, index or proxy of your settings, so it was not asked"
            )
        };
        match self {
            Self::NameRefused { name } => elsewhere(&format!("`{name}`")),
            Self::Refused {
                host,
                port,
                why: EgressError::NotListed,
            } => elsewhere(&format!("`{}`", host.entry(*port))),
            Self::Refused { host, port, why } => format!(
                "npm or uv was refused a connection to {}: {why}",
                host.entry(*port)
            ),
            other => format!("npm or uv {other}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(host: Host, port: u16, why: EgressError) -> String {
        Event::Refused { host, port, why }.to_string()
    }

    #[test]
    fn a_refusal_says_which_line_would_allow_it() {
        let name = HostName::parse("api.example.com").unwrap();
        let host = Host::Name(name.clone());
        let text = refused(host.clone(), 80, EgressError::NotListed);
        assert!(text.contains("egress = [\"api.example.com:80\"]"), "{text}");
        let text = Event::NameRefused { name }.to_string();
        assert!(text.contains("egress = [\"api.example.com:443\"]"));

        let v6 = Host::Address("2001:db8::1".parse().unwrap());
        let text = refused(v6, 443, EgressError::NotListed);
        assert!(text.contains("egress = [\"[2001:db8::1]:443\"]"), "{text}");

        let leads_to = |address: &str, kind| EgressError::LeadsTo {
            address: address.parse().unwrap(),
            kind,
        };
        let text = refused(host.clone(), 443, leads_to("10.0.0.1", Kind::Private));
        assert!(text.contains("in a private network"), "{text}");
        assert!(text.contains("egress = [\"10.0.0.1:443\"]"), "{text}");
        let text = refused(host.clone(), 443, leads_to("127.0.0.1", Kind::Loopback));
        assert!(text.contains("egress = [\"localhost:443\"]"), "{text}");

        let other = HostName::parse("other.example").unwrap();
        let text = refused(host.clone(), 443, EgressError::ServerName(other));
        assert!(text.contains("egress = [\"other.example:443\"]"), "{text}");
        let text = refused(host, 443, EgressError::Bytes(256));
        assert!(!text.contains("manifest"), "{text}");
    }

    #[test]
    fn of_a_resolver_no_line_of_the_manifest_is_proposed() {
        let name = HostName::parse("elsewhere.example").unwrap();
        let host = Host::Name(name.clone());
        let refused = |why| Event::Refused {
            host: host.clone(),
            port: 443,
            why,
        };
        for event in [Event::NameRefused { name }, refused(EgressError::NotListed)] {
            let text = event.of_resolver();
            assert!(text.contains("led to `elsewhere.example"), "{text}");
            assert!(!text.contains("egress"), "{text}");
            // Control: of a server it is.
            assert!(event.to_string().contains("egress = ["), "{event}");
        }
        let text = refused(EgressError::Bytes(256)).of_resolver();
        assert!(
            text.contains("a connection to elsewhere.example:443"),
            "{text}"
        );
    }
}
