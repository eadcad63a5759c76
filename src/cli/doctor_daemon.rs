//! What `pinfold doctor` says of the daemon, and of what many sessions need. No server needs either.

use std::fs;

use super::output;
use crate::config::Paths;
use crate::daemon::{DaemonError, client};

/// Instances of inotify(7) that are enough for hundreds of sessions.
const ENOUGH: u64 = 1024;
/// Characters of what the daemon says.
const MAX_TEXT: usize = 300;

/// Whether it is as it should be, and what was found.
pub(super) type Found = (bool, String);

/// Whether a daemon answers, which one, and by what it holds the limits of servers.
pub(super) async fn daemon(paths: &Paths) -> Found {
    let asked = async {
        let socket = paths.control_socket().ok_or(DaemonError::NoRuntimeFolder)?;
        Ok((client::ps(&socket).await?, socket))
    };
    let (listing, socket) = match asked.await {
        Ok(found) => found,
        Err(error) => return (false, without(&error)),
    };
    let mut found = format!(
        "pinfold {} at {}, sessions: {}; {}",
        output::foreign(&listing.version, 40),
        socket.display(),
        listing.sessions.len(),
        output::foreign(&listing.limits, MAX_TEXT)
    );
    let is_ours = listing.version == env!("CARGO_PKG_VERSION");
    if !is_ours {
        found.push_str(&format!(
            "; this is pinfold {}: `systemctl --user restart pinfold` starts it there",
            env!("CARGO_PKG_VERSION")
        ));
    } else if !listing.delegated {
        found.push_str(
            "; started by systemd (`systemctl --user enable --now pinfold.socket`) it gets them",
        );
    }
    (is_ours, found)
}

fn without(error: &DaemonError) -> String {
    match error {
        DaemonError::NotRunning { .. } | DaemonError::NoRuntimeFolder => format!(
            "{error}; without it servers run as safely, and there is no `ps`, `stop`, `approve`, warm start or control group"
        ),
        other => other.to_string(),
    }
}

/// Whether hundreds of sessions are told of a quarantine without looking for it.
pub(super) fn inotify() -> Found {
    let number = |path: &str| fs::read_to_string(path).ok()?.trim().parse::<u64>().ok();
    let instances = number("/proc/sys/fs/inotify/max_user_instances");
    let signals = number("/proc/sys/fs/dir-notify-enable") == Some(1);
    judge(instances, signals)
}

fn judge(instances: Option<u64>, signals: bool) -> Found {
    let says = match instances {
        Some(number) => format!("{number} instances for each user"),
        None => "not there".to_owned(),
    };
    let is_enough = instances.is_some_and(|number| number >= ENOUGH);
    let beyond = if signals {
        "; sessions beyond that are told of changes by F_NOTIFY".to_owned()
    } else {
        format!(
            "; sessions beyond that look four times a second: `sysctl fs.inotify.max_user_instances={ENOUGH}` is enough for hundreds"
        )
    };
    let beyond = if is_enough { String::new() } else { beyond };
    (is_enough || signals, format!("{says}{beyond}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_instances_are_told_and_are_a_lack_only_where_nothing_stands_in_for_them() {
        for (instances, signals, ok, says) in [
            (Some(8192), false, true, "8192 instances for each user"),
            (Some(128), true, true, "told of changes by F_NOTIFY"),
            (Some(128), false, false, "sysctl fs.inotify"),
            (None, true, true, "F_NOTIFY"),
            (None, false, false, "not there"),
        ] {
            let (found, text) = judge(instances, signals);
            assert!(found == ok && text.contains(says), "{text}");
        }
    }
}
