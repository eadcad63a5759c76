//! What a server may reach. Pure: who asks for what is told, and the answer is yes or why not.

use core::net::IpAddr;
use std::collections::BTreeSet;

use ipnet::IpNet;

use super::address::{Kind, kind};
use crate::config::{EgressHost, EgressRule, EgressTier, HostName};

/// The effective egress policy of one server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EgressPolicy {
    pub rules: BTreeSet<EgressRule>,
    pub tier: EgressTier,
    /// Whether the server name of a TLS handshake must be the name that was dialled.
    pub check_server_name: bool,
    /// Connections at one time.
    pub connections: u64,
    /// Both ways of all connections of a session, in bytes.
    pub bytes: Option<u64>,
    /// Whether names may lead to any address: for hosts that the user's own settings name.
    pub trusts_names: bool,
}

/// Where an address that the server dialled itself leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Literal {
    /// To that address.
    Address(IpAddr),
    /// To the loopback of the machine.
    Localhost,
}

impl EgressPolicy {
    /// Whether this name exists for the server: some port of it may be reached.
    pub fn knows(&self, name: &HostName) -> bool {
        self.rules.iter().any(|rule| names(&rule.host, name))
    }

    /// Whether this port of this name may be reached.
    pub fn allows_name(&self, name: &HostName, port: u16) -> bool {
        self.rules
            .iter()
            .any(|rule| rule.port == port && names(&rule.host, name))
    }

    /// Where a connection to an address leads that stands for no name; `None` is a refusal.
    pub fn literal(&self, address: IpAddr, port: u16) -> Option<Literal> {
        let address = plain(address);
        if self.lists(address, port) {
            return Some(Literal::Address(address));
        }
        let localhost = EgressRule {
            host: EgressHost::Localhost,
            port,
        };
        (address.is_loopback() && self.rules.contains(&localhost)).then_some(Literal::Localhost)
    }

    /// Whether a name that may be reached may lead to this address. `near` are the addresses of the
    /// machine itself and the networks that it takes for its own.
    ///
    /// # Errors
    /// The kind of address, when it is not a public one, or near, and no rule lists it with this port.
    pub fn may_lead_to(&self, address: IpAddr, port: u16, near: &[IpNet]) -> Result<(), Kind> {
        let is_near = near.iter().any(|own| own.contains(&plain(address)));
        let kind = match kind(address) {
            Kind::Public if is_near => Kind::Near,
            other => other,
        };
        match kind {
            Kind::Public => Ok(()),
            _ if self.trusts_names || self.lists(plain(address), port) => Ok(()),
            other => Err(other),
        }
    }

    /// The ports at which something may be reached.
    pub fn ports(&self) -> BTreeSet<u16> {
        self.rules.iter().map(|rule| rule.port).collect()
    }

    fn lists(&self, address: IpAddr, port: u16) -> bool {
        self.rules.iter().any(|rule| {
            rule.port == port
                && matches!(&rule.host, EgressHost::Network(network) if network.contains(&address))
        })
    }
}

fn names(host: &EgressHost, name: &HostName) -> bool {
    match host {
        EgressHost::Name(own) => own == name,
        EgressHost::Subdomains(parent) => name.is_below(parent),
        EgressHost::AnyName => name.as_str() != "localhost" && !is_below_localhost(name),
        EgressHost::Network(_) | EgressHost::Localhost => false,
    }
}

/// `*.localhost` is loopback too (RFC 6761, section 6.3).
fn is_below_localhost(name: &HostName) -> bool {
    name.as_str().ends_with(".localhost")
}

/// An IPv4 address also where it is written as an IPv6 one (RFC 4291, section 2.5.5.2).
fn plain(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(address, IpAddr::V4),
        IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
impl EgressPolicy {
    /// These entries by name, and everything else as it is without a word in the manifest.
    pub(crate) fn by_name(rules: &[&str]) -> Self {
        Self {
            rules: rules
                .iter()
                .map(|rule| rule.parse().expect("a rule"))
                .collect(),
            tier: EgressTier::Names,
            check_server_name: true,
            connections: 256,
            bytes: None,
            trusts_names: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(rules: &[&str]) -> EgressPolicy {
        EgressPolicy::by_name(rules)
    }

    fn name(text: &str) -> HostName {
        HostName::from_ascii(text).unwrap()
    }

    #[test]
    fn names_are_reached_at_their_ports() {
        let policy = policy(&["allowed.test:8443", "*.wild.test:80", "*.wild.test:443"]);
        for (host, port, expected) in [
            ("allowed.test", 8443, true),
            ("ALLOWED.TEST.", 8443, true),
            ("allowed.test", 443, false),
            ("a.allowed.test", 8443, false),
            ("allowed.test.evil.test", 8443, false),
            ("notallowed.test", 8443, false),
            ("a.wild.test", 80, true),
            ("a.b.wild.test", 443, true),
            ("a.wild.test", 8443, false),
            ("wild.test", 80, false),
            ("awild.test", 80, false),
            ("test", 80, false),
            ("localhost", 80, false),
        ] {
            assert_eq!(
                policy.allows_name(&name(host), port),
                expected,
                "{host}:{port}"
            );
        }
        assert!(policy.knows(&name("allowed.test")) && policy.knows(&name("x.wild.test")));
        assert!(!policy.knows(&name("wild.test")) && !policy.knows(&name("other.test")));
        assert_eq!(policy.ports(), [80, 443, 8443].into());
    }

    #[test]
    fn any_name_is_not_the_machine_itself() {
        let policy = policy(&["*:443"]);
        assert!(policy.allows_name(&name("whatever.example"), 443));
        assert!(!policy.allows_name(&name("whatever.example"), 80));
        for own in ["localhost", "x.localhost", "LOCALHOST."] {
            assert!(!policy.knows(&name(own)), "{own}");
        }
        let loopback = "127.0.0.1".parse().unwrap();
        assert_eq!(policy.literal(loopback, 443), None);
        assert_eq!(policy.literal("8.8.8.8".parse().unwrap(), 443), None);
    }

    #[test]
    fn addresses_are_reached_only_where_they_are_listed() {
        let policy = policy(&[
            "10.0.0.0/8:5432",
            "localhost:3000",
            "[2001:db8::1]:443",
            "*:443",
        ]);
        for (address, port, expected) in [
            ("10.1.2.3", 5432, true),
            ("::ffff:10.1.2.3", 5432, true),
            ("10.1.2.3", 5433, false),
            ("11.0.0.1", 5432, false),
            ("2001:db8::1", 443, true),
            ("2001:db8::2", 443, false),
            ("127.0.0.1", 443, false),
            ("169.254.169.254", 443, false),
            ("64:ff9b::a00:1", 5432, false),
        ] {
            let target = policy.literal(address.parse().unwrap(), port);
            assert_eq!(target.is_some(), expected, "{address} {port}");
        }
        for loopback in ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"] {
            let target = policy.literal(loopback.parse().unwrap(), 3000);
            assert_eq!(target, Some(Literal::Localhost), "{loopback}");
            assert_eq!(policy.literal(loopback.parse().unwrap(), 3001), None);
        }
    }

    #[test]
    fn a_name_leads_to_public_addresses_and_to_listed_ones() {
        let strict = policy(&["db.test:5432", "10.0.0.0/8:5432", "localhost:5432"]);
        let may = |policy: &EgressPolicy, address: &str, port| {
            let near = ["8.8.4.4/32", "2a00:1450::/64"].map(|own| own.parse().unwrap());
            policy.may_lead_to(address.parse().unwrap(), port, &near)
        };
        assert_eq!(may(&strict, "8.8.8.8", 5432), Ok(()));
        assert_eq!(may(&strict, "10.0.0.1", 5432), Ok(()));
        assert_eq!(may(&strict, "::ffff:10.0.0.1", 5432), Ok(()));
        assert_eq!(may(&strict, "10.0.0.1", 443), Err(Kind::Private));
        // Rebinding: the machine's own loopback is reached by the name `localhost` alone.
        assert_eq!(may(&strict, "127.0.0.1", 5432), Err(Kind::Loopback));
        assert_eq!(may(&strict, "::1", 5432), Err(Kind::Loopback));
        assert_eq!(may(&strict, "169.254.169.254", 5432), Err(Kind::LinkLocal));
        assert_eq!(may(&strict, "64:ff9b::a00:1", 5432), Err(Kind::Private));
        assert_eq!(may(&strict, "8.8.4.4", 5432), Err(Kind::Near));
        assert_eq!(may(&strict, "::ffff:8.8.4.4", 5432), Err(Kind::Near));
        assert_eq!(may(&strict, "2a00:1450::5", 5432), Err(Kind::Near));
        assert_eq!(may(&strict, "2a00:1450:0:1::5", 5432), Ok(()));
        let near = policy(&["db.test:5432", "8.8.4.4:5432"]);
        assert_eq!(may(&near, "8.8.4.4", 5432), Ok(()));
        let trusting = EgressPolicy {
            trusts_names: true,
            ..strict
        };
        assert_eq!(may(&trusting, "127.0.0.1", 4873), Ok(()));
    }
}
