//! Which egress a server has: its profile and what the manifest says of it, held against each other.

use std::collections::BTreeSet;

use super::settings::Settings;
use super::{EgressPolicy, PolicyError, Profile};
use crate::config::{EgressHost, EgressRule, EgressTier, Server};
use crate::sandbox::{Network, Requirement};

/// Decides for a server of the manifest; `None` is no network.
///
/// # Errors
/// When the profile has no network and the manifest speaks of one, or when what the manifest asks
/// for could not be kept.
pub(super) fn egress_of(
    server: &Server,
    profile: &Profile,
    settings: &Settings,
) -> Result<Option<EgressPolicy>, PolicyError> {
    let Some(own) = profile.egress()? else {
        let refused = asked(server).into_iter().find(|(_, is_there)| *is_there);
        return match refused {
            None => Ok(None),
            Some((key, _)) => Err(PolicyError::NoNetwork {
                profile: server.profile.clone(),
                key,
            }),
        };
    };
    let rules = match &server.egress {
        Some(rules) => rules.iter().cloned().collect(),
        None => own,
    };
    let tier = server.egress_tier.unwrap_or_default();
    match tier {
        EgressTier::Names if server.layers.namespaces == Requirement::Off => {
            return Err(PolicyError::NamesNeedNamespaces);
        }
        EgressTier::Names => {}
        EgressTier::Ports => {
            for (key, is_there) in [
                ("tls_server_name", server.check_server_name == Some(true)),
                ("limits.connections", server.limits.connections.is_some()),
                ("limits.egress", server.limits.egress.is_some()),
            ] {
                if is_there {
                    return Err(PolicyError::NamesOnly { key });
                }
            }
        }
    }
    let check_server_name = server.check_server_name.unwrap_or(true);
    policy(rules, tier, check_server_name, settings).map(Some)
}

/// The egress of npm while it resolves. Its hosts are of the user's own settings, so their names
/// may lead anywhere.
pub(super) fn egress_of_resolver(
    rules: BTreeSet<EgressRule>,
    tier: EgressTier,
    settings: &Settings,
) -> Result<EgressPolicy, PolicyError> {
    Ok(EgressPolicy {
        trusts_names: true,
        ..policy(rules, tier, true, settings)?
    })
}

/// The egress of install scripts: by name or not at all.
pub(super) fn egress_of_build(
    rules: BTreeSet<EgressRule>,
    settings: &Settings,
) -> Result<EgressPolicy, PolicyError> {
    policy(rules, EgressTier::Names, true, settings)
}

fn policy(
    rules: BTreeSet<EgressRule>,
    tier: EgressTier,
    check_server_name: bool,
    settings: &Settings,
) -> Result<EgressPolicy, PolicyError> {
    let connections = settings.connections.ok_or_else(|| PolicyError::BuiltIn {
        file: "profiles/web.toml or another",
        message: "a network without `limits.connections`".to_owned(),
    })?;
    Ok(EgressPolicy {
        rules,
        tier,
        // Nobody looks at the handshakes of connections that don't pass through us.
        check_server_name: check_server_name && tier == EgressTier::Names,
        connections,
        bytes: settings.egress,
        trusts_names: false,
    })
}

/// The keys that need a network, and whether the manifest has them.
fn asked(server: &Server) -> [(&'static str, bool); 5] {
    [
        ("egress", server.egress.is_some()),
        ("egress_tier", server.egress_tier.is_some()),
        ("tls_server_name", server.check_server_name.is_some()),
        ("limits.connections", server.limits.connections.is_some()),
        ("limits.egress", server.limits.egress.is_some()),
    ]
}

/// What the sandbox is told.
pub(super) fn network_of(egress: Option<&EgressPolicy>) -> Network {
    let Some(egress) = egress else {
        return Network::Off;
    };
    let ports = egress.ports().into_iter().collect();
    match egress.tier {
        EgressTier::Names => Network::Relayed(ports),
        EgressTier::Ports => Network::Ports(ports),
    }
}

/// Whether the sockets that this server can name are its own: those of a network namespace that is
/// not the machine's, and of a root in which nothing of the user's is. A read-only mount doesn't
/// keep anybody from connecting to a socket in it, and Landlock has no right for that in the
/// versions that this is tested on.
pub(super) fn sockets_are_its_own(server: &Server, egress: Option<&EgressPolicy>) -> bool {
    let own_network = egress.is_some_and(|egress| egress.tier == EgressTier::Names);
    own_network && server.files.read.is_empty() && server.files.write.is_empty()
}

/// What this egress doesn't limit, in words for a person.
pub(super) fn limitations_of(egress: &EgressPolicy) -> Vec<String> {
    match egress.tier {
        EgressTier::Names => {
            let any = |rule: &&EgressRule| rule.host == EgressHost::AnyName;
            let ports: Vec<u16> = egress
                .rules
                .iter()
                .filter(any)
                .map(|rule| rule.port)
                .collect();
            if ports.is_empty() {
                return Vec::new();
            }
            vec![format!(
                "any public host can be reached at {}, so data can be sent to any of them; `egress` in the manifest names the hosts that are needed",
                at_ports(&ports)
            )]
        }
        EgressTier::Ports => {
            let ports: Vec<u16> = egress.ports().into_iter().collect();
            let mut texts = Vec::new();
            if !ports.is_empty() {
                texts.push(format!(
                    "only ports are limited (`egress_tier = \"ports\"`), not hosts: anything that listens at {} can be reached, also on this machine and in the local network",
                    at_ports(&ports)
                ));
            }
            texts.push("UDP is not limited, because names are resolved over it".to_owned());
            texts
        }
    }
}

/// `port 443`, or `ports 80 and 443`.
fn at_ports(ports: &[u16]) -> String {
    let words: Vec<String> = ports.iter().map(u16::to_string).collect();
    match words.split_last() {
        None => String::new(),
        Some((only, [])) => format!("port {only}"),
        Some((last, others)) => format!("ports {} and {last}", others.join(", ")),
    }
}

#[cfg(test)]
mod tests;
