//! `egress`, `egress_tier` and `tls_server_name` of a server: what it may reach, and how that is held.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::diagnostic::Code;
use super::egress::{EgressHost, EgressRule, EgressTier};
use super::raw::{Node, Walk};

/// In the box each address of it stands for a name (RFC 2544, appendix C.2.2).
pub const NAMES_NETWORK: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(198, 18, 0, 0), 15);
/// Where pinfold's own name server answers in the box.
const NAME_SERVER: Ipv4Addr = Ipv4Addr::LOCALHOST;
const NAME_SERVER_PORT: u16 = 53;
/// In the box, each costs two listening sockets.
const MAX_PORTS: usize = 64;

/// The entries that are fine, in the order in which they are written.
pub(super) fn egress(walk: &mut Walk, node: &Node<'_>) -> Vec<EgressRule> {
    egress_rules(walk, node, "`egress`")
}

/// As [`egress`], for the key called `what`.
pub(super) fn egress_rules(walk: &mut Walk, node: &Node<'_>, what: &str) -> Vec<EgressRule> {
    let mut seen = BTreeSet::new();
    let mut rules = Vec::new();
    for (text, span) in walk.strings(Some(node), what) {
        let rule = text
            .parse::<EgressRule>()
            .map_err(|error| error.to_string())
            .and_then(|rule| refused(&rule).map_or(Ok(rule), |reason| Err(reason.to_owned())));
        match rule {
            Err(reason) => walk.report(
                Code::InvalidValue,
                span,
                format!("`{text}` is not an entry of {what}: {reason}"),
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
            format!("{what} names more than {MAX_PORTS} different ports"),
        );
    }
    rules
}

/// Why what reads well could not be kept.
fn refused(rule: &EgressRule) -> Option<&'static str> {
    let name_server = rule.port == NAME_SERVER_PORT;
    match &rule.host {
        EgressHost::Network(network)
            if network.addr().is_unspecified()
                && network.prefix_len() == network.max_prefix_len() =>
        {
            Some("it is the address of no host; this machine is `localhost`")
        }
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
    NAMES_NETWORK.contains(network) || network.contains(&NAMES_NETWORK)
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::config::{Code, Manifest, Server};

    fn parse(lines: &str) -> Result<Server, Vec<(Code, usize, String)>> {
        let text = format!("[servers.s]\nsource = \"npm:x\"\ntools.allow = []\n{lines}\n");
        match Manifest::parse(&text, Path::new("/m/pinfold.toml"), None) {
            Ok(mut manifest) => Ok(manifest.servers.pop_first().unwrap().1),
            Err(diagnostics) => Err(diagnostics
                .items()
                .iter()
                .map(|item| {
                    let column = diagnostics.position(item).1;
                    (item.code, column, item.message.clone())
                })
                .collect()),
        }
    }

    #[test]
    fn no_list_and_an_empty_one_are_not_the_same() {
        assert_eq!(parse("").unwrap().egress, None);
        assert_eq!(parse("egress = []").unwrap().egress, Some(Vec::new()));
    }

    #[test]
    fn each_bad_entry_is_reported_in_its_place() {
        let mistakes =
            parse(r#"egress = ["a.test:443", "a.test", "*.*:1", "A.TEST.:443", "b.test:0"]"#)
                .unwrap_err();
        let expected = [
            (
                Code::InvalidValue,
                25,
                "`a.test` is not an entry of `egress`: it has no port",
            ),
            (
                Code::InvalidValue,
                35,
                "`*.*:1` is not an entry of `egress`: `*` stands for",
            ),
            (Code::Duplicate, 44, "`a.test:443` is listed twice"),
            (
                Code::InvalidValue,
                59,
                "`b.test:0` is not an entry of `egress`: its port",
            ),
        ];
        assert_eq!(mistakes.len(), expected.len(), "{mistakes:?}");
        for ((code, column, message), (wanted, place, says)) in mistakes.iter().zip(expected) {
            assert_eq!((*code, *column), (wanted, place), "{message}");
            assert!(message.starts_with(says), "{message}");
        }
    }

    #[test]
    fn what_the_box_uses_itself_is_refused() {
        for (entry, says) in [
            ("198.18.0.0/15:443", "reserved in the box"),
            ("198.19.255.255:443", "reserved in the box"),
            ("198.18.7.0/24:443", "reserved in the box"),
            ("198.0.0.0/8:443", "reserved in the box"),
            ("0.0.0.0/0:443", "reserved in the box"),
            ("0.0.0.0:443", "of no host"),
            ("[::]:443", "of no host"),
            ("localhost:53", "name server"),
            ("127.0.0.1:53", "name server"),
            ("127.0.0.0/8:53", "name server"),
            ("[::ffff:10.0.0.1]:443", "four decimal numbers"),
            ("[::ffff:0:0/96]:443", "four decimal numbers"),
        ] {
            let mistakes = parse(&format!("egress = [{entry:?}]")).unwrap_err();
            assert_eq!(mistakes.len(), 1, "{entry}");
            assert!(mistakes[0].2.contains(says), "{entry}: {mistakes:?}");
        }
        for entry in [
            "198.17.255.255:443",
            "198.20.0.0/16:443",
            "localhost:54",
            "127.0.0.2:53",
            "10.0.0.1:53",
            "dns.test:53",
            "[::1]:53",
            "[::/0]:443",
        ] {
            assert!(parse(&format!("egress = [{entry:?}]")).is_ok(), "{entry}");
        }
    }

    #[test]
    fn ports_are_bounded_and_hosts_are_not() {
        let list = |entries: Vec<String>| format!("egress = {entries:?}");
        let ports = |count: u16| list((1..=count).map(|port| format!("a.test:{port}")).collect());
        assert!(parse(&ports(64)).is_ok());
        let mistakes = parse(&ports(65)).unwrap_err();
        assert!(mistakes[0].2.contains("64 different ports"), "{mistakes:?}");
        let hosts = (0..1000).map(|host| format!("h{host}.test:443")).collect();
        assert!(parse(&list(hosts)).is_ok());
    }
}
