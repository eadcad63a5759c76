//! Whom a connection is meant for, and whether it may be made. Pure.

use std::net::{IpAddr, SocketAddr};

use super::client_hello::FirstBytes;
use super::dns_message::{Answer, Question, QuestionKind};
use super::error::EgressError;
use super::event::Host;
use super::names::Names;
use crate::config::{EgressHost, HostName};
use crate::policy::{EgressPolicy, Kind, Literal, kind};

/// How long a box may keep the answer to a name, in seconds. Short, because an address may stand
/// for another name later; nothing is saved by more, since asking again costs next to nothing.
const TIME_TO_LIVE: u32 = 30;

/// What a question of the box is answered with. Nothing is asked outside of it.
pub(super) fn answer_to(question: &Question, policy: &EgressPolicy, names: &mut Names) -> Answer {
    let Some(name) = &question.name else {
        return Answer::NoSuchName;
    };
    if name.as_str() == "localhost" {
        return match question.kind {
            _ if !allows_localhost(policy) => Answer::NoSuchName,
            QuestionKind::Address => Answer::Address([127, 0, 0, 1].into(), TIME_TO_LIVE),
            QuestionKind::Address6 => {
                Answer::Address6([0, 0, 0, 0, 0, 0, 0, 1].into(), TIME_TO_LIVE)
            }
            QuestionKind::Other(_) => Answer::NoData,
        };
    }
    if !policy.knows(name) {
        return Answer::NoSuchName;
    }
    match question.kind {
        QuestionKind::Address => names
            .address(name)
            .map_or(Answer::ServerFailure, |address| {
                Answer::Address(address, TIME_TO_LIVE)
            }),
        // No IPv6 address, so that programs take the synthetic one; no HTTPS record (RFC 9460), which
        // could name other ports, other hosts and keys for a hidden server name.
        QuestionKind::Address6 | QuestionKind::Other(_) => Answer::NoData,
    }
}

fn allows_localhost(policy: &EgressPolicy) -> bool {
    policy
        .rules
        .iter()
        .any(|rule| rule.host == EgressHost::Localhost)
}

/// Whom a connection to `local`, the address that the box dialled, is meant for.
///
/// # Errors
/// With the host as far as it is known, when the connection may not be made.
pub(super) fn meant(
    local: SocketAddr,
    names: &Names,
    policy: &EgressPolicy,
) -> Result<Host, (Host, EgressError)> {
    let address = local.ip().to_canonical();
    if let IpAddr::V4(v4) = address
        && names.holds(v4)
    {
        // Also where a rule lists the synthetic network: here it leads nowhere else.
        let Some(name) = names.name(v4) else {
            return Err((Host::Address(address), EgressError::StandsForNoName));
        };
        let host = Host::Name(name.clone());
        return if policy.allows_name(name, local.port()) {
            Ok(host)
        } else {
            Err((host, EgressError::NotListed))
        };
    }
    match policy.literal(address, local.port()) {
        Some(Literal::Address(address)) => Ok(Host::Address(address)),
        Some(Literal::Localhost) => Ok(Host::Localhost),
        None if address.is_loopback() => Err((Host::Localhost, EgressError::NotListed)),
        None => Err((Host::Address(address), EgressError::NotListed)),
    }
}

/// Whether what the box sends first may go to `host`.
///
/// A client that dials an address says no server name, as it knows none; one that does asks the
/// host for another name, which then has to be allowed by itself.
///
/// # Errors
/// On a server name that is another host, and on a beginning of TLS that can't be read.
pub(super) fn check_first_bytes(
    first: FirstBytes,
    host: &Host,
    port: u16,
    policy: &EgressPolicy,
) -> Result<(), EgressError> {
    let asked = match first {
        FirstBytes::NotTls | FirstBytes::Tls { server_name: None } => return Ok(()),
        FirstBytes::Unreadable | FirstBytes::NeedMore => return Err(EgressError::ClientHello),
        FirstBytes::Tls {
            server_name: Some(name),
        } => name,
    };
    let is_right = match host {
        Host::Name(name) => asked == *name,
        Host::Localhost => is_localhost(&asked),
        Host::Address(_) => policy.allows_name(&asked, port),
    };
    if is_right {
        Ok(())
    } else {
        Err(EgressError::ServerName(asked))
    }
}

/// Whether a packet to this address stays on the machine that sends it.
pub(super) fn is_own(address: IpAddr) -> bool {
    matches!(kind(address), Kind::Loopback | Kind::Unspecified)
}

fn is_localhost(name: &HostName) -> bool {
    name.as_str() == "localhost"
}

#[cfg(test)]
mod tests {
    use super::super::dns_message::read_question;
    use super::*;

    fn policy(rules: &[&str]) -> EgressPolicy {
        EgressPolicy::by_name(rules)
    }

    fn names() -> Names {
        Names::new("198.18.0.0/15".parse().unwrap())
    }

    fn name(text: &str) -> HostName {
        HostName::parse(text).unwrap()
    }

    fn question(name: &str, kind: u16) -> Question {
        let mut message = vec![0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        for label in name.split('.').filter(|label| !label.is_empty()) {
            message.push(u8::try_from(label.len()).unwrap());
            message.extend_from_slice(label.as_bytes());
        }
        message.push(0);
        message.extend_from_slice(&kind.to_be_bytes());
        message.extend_from_slice(&[0, 1]);
        read_question(&message).unwrap()
    }

    #[test]
    fn names_are_answered_by_the_rules_alone() {
        let policy = policy(&["allowed.test:8443", "*.wild.test:443", "localhost:3000"]);
        let mut names = names();
        let mut ask = |name, kind| answer_to(&question(name, kind), &policy, &mut names);
        let first = Answer::Address([198, 18, 0, 2].into(), TIME_TO_LIVE);
        assert_eq!(ask("allowed.test", 1), first);
        assert_eq!(ask("ALLOWED.test.", 1), first);
        let second = Answer::Address([198, 18, 0, 3].into(), TIME_TO_LIVE);
        assert_eq!(ask("a.b.wild.test", 1), second);
        // AAAA, TXT, MX, HTTPS, SVCB, ANY.
        for kind in [28, 16, 15, 65, 64, 255] {
            assert_eq!(ask("allowed.test", kind), Answer::NoData, "{kind}");
        }
        for refused in [
            "other.test",
            "wild.test",
            "allowed.test.evil.test",
            "127.1",
            "",
        ] {
            for kind in [1, 28, 16, 65] {
                assert_eq!(ask(refused, kind), Answer::NoSuchName, "{refused} {kind}");
            }
        }
        assert_eq!(
            ask("localhost", 1),
            Answer::Address([127, 0, 0, 1].into(), TIME_TO_LIVE)
        );
        assert!(matches!(ask("localhost", 28), Answer::Address6(..)));
        assert_eq!(ask("localhost", 16), Answer::NoData);
    }

    #[test]
    fn localhost_is_no_name_unless_it_is_listed() {
        let mut names = names();
        let policy = policy(&["*:443", "127.0.0.0/8:80"]);
        for kind in [1, 28] {
            let answer = answer_to(&question("localhost", kind), &policy, &mut names);
            assert_eq!(answer, Answer::NoSuchName);
        }
    }

    #[test]
    fn the_dialled_address_tells_the_host() {
        let policy = policy(&["allowed.test:443", "10.0.0.0/8:5432", "localhost:3000"]);
        let mut names = names();
        names.address(&name("allowed.test")).unwrap();
        let ask = |local: &str| meant(local.parse().unwrap(), &names, &policy);
        for (local, host) in [
            ("198.18.0.2:443", Host::Name(name("allowed.test"))),
            ("[::ffff:198.18.0.2]:443", Host::Name(name("allowed.test"))),
            ("10.1.1.1:5432", Host::Address("10.1.1.1".parse().unwrap())),
            ("127.0.0.1:3000", Host::Localhost),
            ("[::1]:3000", Host::Localhost),
        ] {
            assert_eq!(ask(local).unwrap(), host, "{local}");
        }
        for (local, host) in [
            ("198.18.0.2:5432", "allowed.test"),
            ("198.18.0.3:443", "198.18.0.3"),
            ("198.18.0.1:443", "198.18.0.1"),
            ("10.1.1.1:443", "10.1.1.1"),
            ("127.0.0.1:443", "localhost"),
            ("[2001:db8::1]:443", "2001:db8::1"),
        ] {
            let (refused, _) = ask(local).unwrap_err();
            assert_eq!(refused.to_string(), host, "{local}");
        }
    }

    #[test]
    fn the_synthetic_network_can_not_be_listed_as_addresses() {
        let policy = policy(&["198.18.0.0/15:443"]);
        let refused = meant("198.18.0.9:443".parse().unwrap(), &names(), &policy);
        assert!(matches!(refused, Err((_, EgressError::StandsForNoName))));
    }

    #[test]
    fn the_server_name_is_the_host_that_was_dialled() {
        let policy = policy(&["a.test:443", "b.test:443", "10.0.0.1:443", "localhost:443"]);
        let tls = |name_text: Option<&str>| FirstBytes::Tls {
            server_name: name_text.map(name),
        };
        let a = Host::Name(name("a.test"));
        let address = Host::Address("10.0.0.1".parse().unwrap());
        for (first, host, is_allowed) in [
            (tls(Some("a.test")), &a, true),
            (tls(None), &a, true),
            (FirstBytes::NotTls, &a, true),
            // Allowed by itself, but not what was dialled.
            (tls(Some("b.test")), &a, false),
            (tls(Some("evil.test")), &a, false),
            (FirstBytes::Unreadable, &a, false),
            (FirstBytes::NeedMore, &a, false),
            (tls(None), &address, true),
            (tls(Some("b.test")), &address, true),
            (tls(Some("evil.test")), &address, false),
            (tls(Some("localhost")), &Host::Localhost, true),
            (tls(Some("evil.test")), &Host::Localhost, false),
        ] {
            let result = check_first_bytes(first.clone(), host, 443, &policy);
            assert_eq!(result.is_ok(), is_allowed, "{first:?} {host}");
        }
    }
}
