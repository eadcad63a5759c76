//! What a server may reach. Pure: who asks for what is told, and the answer is yes or why not.

use std::collections::BTreeSet;
use std::net::IpAddr;

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

    /// Whether a name that may be reached may lead to this address.
    ///
    /// # Errors
    /// The kind of address, when it is not a public one and no rule lists it with this port.
    pub fn may_lead_to(&self, address: IpAddr, port: u16) -> Result<(), Kind> {
        match kind(address) {
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
