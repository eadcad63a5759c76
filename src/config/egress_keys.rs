//! `egress`, `egress_tier` and `tls_server_name` of a server: what it may reach, and how that is held.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::diagnostic::Code;
use super::egress::{EgressHost, EgressRule, EgressTier};
use super::raw::{Node, Walk};

/// In the box each address of it stands for a name (RFC 2544, appendix C.2.2).
const RESERVED: (Ipv4Addr, u8) = (Ipv4Addr::new(198, 18, 0, 0), 15);
/// Where pinfold's own name server answers in the box.
const NAME_SERVER: Ipv4Addr = Ipv4Addr::LOCALHOST;
const NAME_SERVER_PORT: u16 = 53;
/// In the box, each costs two listening sockets.
const MAX_PORTS: usize = 64;

/// The entries that are fine, in the order in which they are written.
pub(super) fn egress(walk: &mut Walk, node: &Node<'_>) -> Vec<EgressRule> {
    let mut seen = BTreeSet::new();
    let mut rules = Vec::new();
    for (text, span) in walk.strings(Some(node), "`egress`") {
        let rule = text
            .parse::<EgressRule>()
            .map_err(|error| error.to_string())
            .and_then(|rule| refused(&rule).map_or(Ok(rule), |reason| Err(reason.to_owned())));
        match rule {
            Err(reason) => walk.report(
                Code::InvalidValue,
                span,
                format!("`{text}` is not an entry of `egress`: {reason}"),
            ),
            Ok(rule) if !seen.insert(rule.clone()) => {
                walk.report(Code::Duplicate, span, format!("`{rule}` is listed twice"));
            }
            Ok(rule) => rules.push(rule),
        }
    }
    let ports: BTreeSet<u16> = rules.iter().map(|rule| rule.port).collect();
    if ports.len() > MAX_PORTS {
        walk.report(
            Code::InvalidValue,
            node.span(),
            format!("`egress` names more than {MAX_PORTS} different ports"),
        );
    }
    rules
}

/// Why what reads well could not be kept.
fn refused(rule: &EgressRule) -> Option<&'static str> {
    let name_server = rule.port == NAME_SERVER_PORT;
    match &rule.host {
        EgressHost::Network(IpNet::V4(network)) if overlap(network) => {
            Some("198.18.0.0/15 is reserved in the box for names")
        }
        EgressHost::Network(IpNet::V4(network))
            if name_server && network.contains(&NAME_SERVER) =>
        {
            Some("pinfold's own name server answers at 127.0.0.1:53")
        }
        EgressHost::Localhost if name_server => Some("pinfold's own name server answers there"),
        EgressHost::Network(IpNet::V6(network)) if is_mapped(network) => {
            Some("an IPv4 address is written as four decimal numbers")
        }
        _ => None,
    }
}

fn overlap(network: &Ipv4Net) -> bool {
    let (reserved, length) = RESERVED;
    Ipv4Net::new(reserved, length)
        .is_ok_and(|all| all.contains(network) || network.contains(&reserved))
}

/// Addresses below `::ffff:0:0/96` are IPv4 ones (RFC 4291, section 2.5.5.2).
fn is_mapped(network: &Ipv6Net) -> bool {
    network.prefix_len() >= 96 && network.addr().to_ipv4_mapped().is_some()
}

pub(super) fn egress_tier(walk: &mut Walk, node: &Node<'_>) -> Option<EgressTier> {
    match walk.string(node, "`egress_tier`")?.as_str() {
        "names" => Some(EgressTier::Names),
        "ports" => Some(EgressTier::Ports),
        _ => {
            walk.report(
                Code::InvalidValue,
                node.span(),
                "`egress_tier` is \"names\" or \"ports\"",
            );
            None
        }
    }
}

pub(super) fn check_server_name(walk: &mut Walk, node: &Node<'_>) -> Option<bool> {
    match walk.string(node, "`tls_server_name`")?.as_str() {
        "check" => Some(true),
        "off" => Some(false),
        _ => {
            walk.report(
                Code::InvalidValue,
                node.span(),
                "`tls_server_name` is \"check\" or \"off\"",
            );
            None
        }
    }
}
