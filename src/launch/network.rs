//! The network of a server that runs: what the box asks for is answered out here, and a person hears
//! of what was refused.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use super::LaunchError;
use crate::config::Environment;
use crate::egress::{Egress, Event, Listeners, Outside, Proxies};
use crate::policy::EgressPolicy;
use crate::sandbox::{NAME_SERVER, OwnFile};

/// Different messages that are said aloud; a hostile server could cause millions.
const MAX_SPOKEN: usize = 100;

/// What a server finds of its network in files, in place of what the machine has there.
pub(super) fn files() -> Vec<OwnFile> {
    let file = |path: &str, text: String| OwnFile {
        path: path.into(),
        text,
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
) -> Result<Egress, LaunchError> {
    let crate::sandbox::Listeners { names, streams } = listeners;
    // One that is no text can't be used, which is said; it is not as if it weren't there.
    let variable = |name: &str| Some(environment.get(name)?.to_string_lossy().into_owned());
    let outside = if policy.trusts_names {
        // npm knows the user's proxies by itself, and they are among its rules.
        Outside::default()
    } else {
        Outside {
            proxies: Proxies::from_variables(variable).map_err(LaunchError::Egress)?,
        }
    };
    let spoken = RefCell::new(BTreeSet::new());
    Egress::start(
        Listeners { names, streams },
        policy.clone(),
        outside,
        move |event| speak(event, &mut spoken.borrow_mut()),
    )
    .map_err(LaunchError::Spawn)
}

/// Each refusal once: a server that tries again says nothing new.
fn speak(event: &Event, spoken: &mut BTreeSet<String>) {
    if let Event::Closed { .. } = event {
        tracing::debug!("the server's network: {event}");
        return;
    }
    let text = event.to_string();
    if spoken.len() < MAX_SPOKEN && spoken.insert(text) {
        tracing::warn!("the server {event}");
        if spoken.len() == MAX_SPOKEN {
            tracing::warn!("further messages about the server's network are not shown");
        }
    }
}
