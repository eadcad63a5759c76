//! Servers that are somewhere else.

use super::super::entry::Entry;
use super::super::finding::Finding;
use super::super::machine::Machine;
use super::super::table::Rule;
use super::about;
use crate::config::clients::{Transport, Word};

/// Packages that connect to the address in their arguments.
const BRIDGES: [&str; 4] = [
    "mcp-remote",
    "supergateway",
    "mcp-proxy",
    "mcp-remote-client",
];

/// The addresses that a server is asked at.
pub(super) fn addresses<'f>(entry: &Entry<'f>) -> Vec<&'f Word> {
    match &entry.server.transport {
        Transport::Remote { url } => url.iter().collect(),
        Transport::BuiltIn => Vec::new(),
        Transport::Stdio { .. } => {
            let is_bridge = |word: &&Word| {
                BRIDGES.iter().any(|bridge| {
                    let text = word.text.rsplit('/').next().unwrap_or_default();
                    text == *bridge || text.starts_with(&format!("{bridge}@"))
                })
            };
            let bridged = entry.inner.iter().copied().any(|word| is_bridge(&word));
            let is_address = |word: &&Word| bridged && word.text.contains("://");
            let words = entry.inner.iter().copied();
            words.filter(is_address).collect()
        }
    }
}

pub(super) fn rule(entry: &Entry<'_>, _: &dyn Machine, found: &mut Vec<Finding>) {
    for word in addresses(entry) {
        let Some(host) = plain_host(&word.text) else {
            continue;
        };
        if !is_this_machine(host) {
            let message = format!("`{host}` is asked over `http://`");
            found.push(about(entry, Rule::PlainHttp, word.at, host, message));
        }
    }
}

/// The host of an address without TLS, without user and port.
fn plain_host(address: &str) -> Option<&str> {
    let (scheme, rest) = address.split_once("://")?;
    if !["http", "ws"].contains(&scheme.to_ascii_lowercase().as_str()) {
        return None;
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host);
    match host.starts_with('[') {
        true => host.split_inclusive(']').next(),
        false => host.split(':').next(),
    }
}

fn is_this_machine(host: &str) -> bool {
    let host = host.to_ascii_lowercase();
    host == "localhost"
        || host.ends_with(".localhost")
        || host == "[::1]"
        || host.is_empty()
        || host.starts_with('$')
        || host.starts_with('{')
        || host == "host.docker.internal"
        || host
            .parse::<std::net::Ipv4Addr>()
            .is_ok_and(|address| address.is_loopback())
}
