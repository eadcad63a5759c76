//! `--why "connect …"`: judged by the policy by which connections are judged.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use super::answer::{Finding, Ground, Word};
use crate::cli::explain::Explained;
use crate::config::{EgressHost, EgressRule, EgressTier, NAMES_NETWORK};
use crate::policy::{EgressPolicy, Origin};
use crate::sandbox::NAME_SERVER_PORT;

pub(super) fn judge(wanted: &EgressRule, explained: &Explained<'_>) -> Finding {
    let policy = &explained.found.policy;
    let about = format!("connect {wanted}");
    let profile = || Ground::Part(Origin::Profile(policy.profile.clone()));
    let Some(egress) = &policy.egress else {
        let reason = format!("the profile `{}` has no network", policy.profile);
        return Finding::new(Word::No, about, reason, profile());
    };
    let ground = |key: &str| match explained.server.egress {
        Some(_) => Ground::Manifest(key.to_owned()),
        None => profile(),
    };
    if egress.tier == EgressTier::Ports {
        return if egress.ports().contains(&wanted.port) {
            let reason = format!("port {} may be reached, of any host", wanted.port);
            let key = key_of(explained, |rule| rule.port == wanted.port);
            Finding::new(Word::Yes, about, reason, ground(&key))
        } else {
            let reason = format!("no entry of `egress` has port {}", wanted.port);
            Finding::new(Word::No, about, reason, ground("egress"))
        };
    }
    let key = key_of(explained, |rule| {
        rule.port == wanted.port && reaches(egress, wanted, Some(rule))
    });
    if reaches(egress, wanted, None) {
        let finding = Finding::new(Word::Yes, about, "`egress` has it", ground(&key));
        let is_name = matches!(wanted.host, EgressHost::Name(_));
        return finding.note_if(
            is_name,
            "a name may lead to public addresses only; a private one has to be listed, too",
        );
    }
    let finding = Finding::new(
        Word::No,
        about,
        "no entry of `egress` has it",
        ground("egress"),
    );
    let EgressHost::Network(network) = &wanted.host else {
        return finding;
    };
    let address = network.addr().to_canonical();
    let is_synthetic = matches!(address, IpAddr::V4(v4) if NAMES_NETWORK.contains(&v4));
    let is_own = address.is_loopback() && wanted.port == NAME_SERVER_PORT;
    finding
        .note_if(is_synthetic, "in the box these addresses stand for names")
        .note_if(is_own, "in the box pinfold's own name server answers there")
        .note_if(
            egress
                .rules
                .iter()
                .any(|rule| rule.host == EgressHost::AnyName),
            "`*` is every name; addresses are reached only where they are listed",
        )
}

/// UNIX sockets are no network: the filter for system calls decides.
pub(super) fn judge_socket(path: &Path, explained: &Explained<'_>) -> Finding {
    let about = format!("connect {}", path.display());
    if explained.found.policy.own_sockets {
        let reason = "it may use UNIX sockets among its own processes, and this is none of them";
        let profile = Origin::Profile(explained.found.policy.profile.clone());
        return Finding::new(Word::No, about, reason, Ground::Part(profile));
    }
    let reason = "no server may use UNIX sockets, which would lead out of the box";
    Finding::new(Word::No, about, reason, Ground::Pinfold)
}

/// Whether the policy, or this one rule of it, lets a connection be made.
fn reaches(egress: &EgressPolicy, wanted: &EgressRule, only: Option<&EgressRule>) -> bool {
    let single;
    let egress = match only {
        None => egress,
        Some(rule) => {
            single = EgressPolicy {
                rules: [rule.clone()].into(),
                ..egress.clone()
            };
            &single
        }
    };
    match &wanted.host {
        EgressHost::Name(name) => egress.allows_name(name, wanted.port),
        EgressHost::Network(network) => egress.literal(network.addr(), wanted.port).is_some(),
        // The name's address in the box.
        EgressHost::Localhost => {
            let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
            egress.literal(loopback, wanted.port).is_some()
        }
        EgressHost::Subdomains(_) | EgressHost::AnyName => false,
    }
}

/// The entry of the manifest's list that says it.
fn key_of(explained: &Explained<'_>, says: impl Fn(&EgressRule) -> bool) -> String {
    let written = explained.server.egress.iter().flatten();
    let place = written.enumerate().find(|(_, rule)| says(rule));
    place.map_or_else(
        || "egress".to_owned(),
        |(place, _)| format!("egress.{place}"),
    )
}
