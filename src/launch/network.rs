//! The network of a server that runs: what the box asks for is answered out here, and a person hears
//! of what was refused.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::time::Instant;

use super::LaunchError;
use super::alarms::Listener;
use crate::audit::{Decision, Record, Recorder};
use crate::config::Environment;
use crate::egress::{Egress, EgressError, Event, Host, Listeners, Outside, Proxies};
use crate::observe::Observer;
use crate::policy::EgressPolicy;
use crate::relay::Redaction;
use crate::sandbox::{NAME_SERVER, OwnFile};

/// Different messages that are said aloud; a hostile server could cause millions.
const MAX_SPOKEN: usize = 100;

/// What a server finds of its network in files, in place of what the machine has there.
pub(super) fn files() -> Vec<OwnFile> {
    let file = |path: &str, text: String| OwnFile {
        path: path.into(),
        text: text.into(),
        is_private: false,
    };
    vec![
        // resolv.conf(5)
        file("/etc/resolv.conf", format!("nameserver {NAME_SERVER}\n")),
        // hosts(5)
        file(
            "/etc/hosts",
            format!("{} localhost\n::1 localhost\n", Ipv4Addr::LOCALHOST),
        ),
        // nsswitch.conf(5): else libc asks services that aren't there.
        file(
            "/etc/nsswitch.conf",
            "passwd: files\ngroup: files\nhosts: files dns\nservices: files\nprotocols: files\n"
                .to_owned(),
        ),
    ]
}

/// Serves a box's network until the returned value is dropped.
///
/// # Errors
/// When the thread for it can't be started, or the proxy that the environment names can't be used.
pub(super) fn serve(
    listeners: crate::sandbox::Listeners,
    policy: &EgressPolicy,
    environment: &Environment,
    recorder: Option<Recorder>,
    alarms: Listener,
    redaction: Redaction,
    observer: Option<Observer>,
) -> Result<Egress, LaunchError> {
    let crate::sandbox::Listeners { names, streams } = listeners;
    let outside = if policy.trusts_names {
        // npm knows the user's proxies by itself, and they are among its rules.
        Outside::default()
    } else {
        Outside {
            proxies: proxies(environment).map_err(LaunchError::Egress)?,
        }
    };
    let spoken = RefCell::new(BTreeSet::new());
    let is_resolver = policy.trusts_names;
    let alarms = RefCell::new(alarms);
    Egress::start(
        Listeners { names, streams },
        policy.clone(),
        outside,
        move |event| {
            if let (Some(recorder), Some(record)) = (&recorder, record_of(event)) {
                recorder.egress(record);
            }
            if let Some(observer) = &observer {
                observe(event, observer);
            }
            speak(event, is_resolver, &redaction, &mut spoken.borrow_mut());
            alarms.borrow_mut().hear_egress(event, Instant::now());
        },
    )
    .map_err(LaunchError::Spawn)
}

fn proxies(environment: &Environment) -> Result<Option<Proxies>, EgressError> {
    // One that is no text can't be used, which is said; it is not as if it weren't there.
    Proxies::from_variables(|name| Some(environment.get(name)?.to_string_lossy().into_owned()))
}

/// What is recorded of an event; totals are recorded at the end of the session.
fn record_of(event: &Event) -> Option<Record> {
    let refused = |host: String, port: Option<u16>, reason: String| Record::Egress {
        decision: Decision::Deny,
        host,
        port,
        reason: Some(reason),
        sent: 0,
        received: 0,
        duration_ms: 0,
    };
    Some(match event {
        Event::Closed {
            host,
            port,
            sent,
            received,
            duration,
            end,
        } => Record::Egress {
            decision: Decision::Allow,
            host: host.to_string(),
            port: Some(*port),
            reason: Some(end.to_string()),
            sent: *sent,
            received: *received,
            duration_ms: u64::try_from(duration.as_millis()).unwrap_or(u64::MAX),
        },
        Event::NameRefused { name } => refused(
            name.to_string(),
            None,
            "the name may not be reached".to_owned(),
        ),
        Event::Refused { host, port, why } => {
            refused(host.to_string(), Some(*port), why.to_string())
        }
        Event::TooManyConnections { .. } | Event::BytesSpent { .. } => {
            refused("*".to_owned(), None, event.to_string())
        }
        Event::NamesUntold { .. } => return None,
    })
}

fn observe(event: &Event, observer: &Observer) {
    match event {
        Event::NameRefused { name } => observer.host(name.to_string(), false),
        Event::Refused { host, port, .. } => observer.host(place(host, *port), false),
        Event::Closed { host, port, .. } => observer.host(place(host, *port), true),
        Event::TooManyConnections { .. } | Event::BytesSpent { .. } | Event::NamesUntold { .. } => {
        }
    }
}

fn place(host: &Host, port: u16) -> String {
    match host {
        Host::Address(address) => std::net::SocketAddr::new(*address, port).to_string(),
        Host::Name(_) | Host::Localhost => format!("{host}:{port}"),
    }
}

/// Each refusal once: a server that tries again says nothing new.
fn speak(event: &Event, is_resolver: bool, redaction: &Redaction, spoken: &mut BTreeSet<String>) {
    let text = match is_resolver {
        true => event.of_resolver(),
        false => format!("the server {event}"),
    };
    let text = redaction.of_hosts(&text);
    if let Event::Closed { .. } = event {
        tracing::debug!("{text}");
        return;
    }
    if spoken.len() < MAX_SPOKEN && spoken.insert(text.clone().into_owned()) {
        tracing::warn!("{text}");
        if spoken.len() == MAX_SPOKEN {
            tracing::warn!("further messages about the server's network are not shown");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt as _;

    use super::*;

    #[test]
    fn a_proxy_that_is_no_text_is_not_passed_over() {
        let with = |value: &[u8]| {
            let value = OsString::from_vec(value.to_vec());
            proxies(&Environment::from_pairs([("HTTPS_PROXY", value)]))
        };
        assert!(with(b"http://proxy:3128").unwrap().is_some());
        assert!(with(b"http://pr\xffxy:3128").is_err());
    }
}
