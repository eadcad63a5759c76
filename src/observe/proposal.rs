//! The smallest change of the manifest that would grant what was refused; and what is not proposed
//! although it was asked for. Pure, but for questions about the machine.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde::Serialize;

use super::candidates::{Candidates, candidates};
use super::habits::is_tried;
use super::observed::Observed;
use super::outside::Outside;
use super::table::is_foreign;
use crate::sensitive::is_metadata;

/// Ports are not known of a host whose name was refused.
const USUAL_PORT: u16 = 443;

/// What must be known of a server to judge what it asked for.
#[derive(Clone, Debug, Default)]
pub struct Situation {
    pub profile: String,
    /// Paths in its arguments and variables, absolute.
    pub named: Vec<PathBuf>,
    /// The user's home.
    pub home: Option<PathBuf>,
    /// pinfold's own files and folders.
    pub own: Vec<PathBuf>,
    /// Its code, which it may read.
    pub code: Vec<PathBuf>,
    /// What it may read and what it may write in its box now, with links resolved.
    pub readable: Vec<PathBuf>,
    pub writable: Vec<PathBuf>,
    /// Where programs are looked for by name.
    pub programs: Vec<PathBuf>,
    /// Whether its profile has a network, limited by names.
    pub has_named_network: bool,
}

/// One line that could stand in the manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Proposed {
    /// `files.read`, `files.write`, `exec`, `egress`, `system_calls` or `profile`.
    pub key: &'static str,
    pub value: String,
    /// What was asked for, where that is not the value.
    pub asked: BTreeSet<String>,
    pub during: BTreeSet<String>,
    /// What a person should know of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// What was asked for and is not proposed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NotProposed {
    pub what: String,
    pub why: String,
    pub during: BTreeSet<String>,
}

/// What could be changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Proposal {
    pub lines: Vec<Proposed>,
    pub not_proposed: Vec<NotProposed>,
    /// Different paths that programs ask for by habit and do without.
    pub habits: u64,
}

/// Judges what was observed.
pub fn propose(observed: &Observed, situation: &Situation, outside: &impl Outside) -> Proposal {
    let Candidates {
        wanted,
        mut not_proposed,
        habits,
    } = candidates(observed, situation, outside);
    let mut lines: Vec<Proposed> = Vec::new();
    for candidate in wanted {
        let path = &candidate.path;
        let (key, value) = if candidate.execute {
            // By its name, where that is how it is found.
            let by_name = path
                .parent()
                .filter(|folder| situation.programs.iter().any(|known| known == folder))
                .and_then(|_| path.file_name());
            let value = by_name.map_or_else(
                || path.display().to_string(),
                |name| name.to_string_lossy().into_owned(),
            );
            ("exec", value)
        } else if candidate.write {
            ("files.write", path.display().to_string())
        } else {
            ("files.read", path.display().to_string())
        };
        // The same program is there by several paths.
        match lines
            .iter_mut()
            .find(|line| line.key == key && line.value == value)
        {
            Some(line) => {
                line.asked.extend(candidate.asked);
                line.during.extend(candidate.during);
            }
            None => lines.push(Proposed {
                key,
                value,
                asked: candidate.asked,
                during: candidate.during,
                note: None,
            }),
        }
    }
    let writes = lines.iter().any(|line| line.key == "files.write");
    if writes && situation.profile == "files-ro" {
        lines.push(Proposed {
            key: "profile",
            value: "files-rw".to_owned(),
            asked: BTreeSet::new(),
            during: BTreeSet::new(),
            note: Some("`files-ro` promises that nothing is written".to_owned()),
        });
    }
    hosts(observed, &mut lines, &mut not_proposed);
    network(observed, situation, &mut not_proposed);
    for (name, seen) in &observed.unlisted {
        lines.push(Proposed {
            key: "system_calls",
            value: name.clone(),
            asked: BTreeSet::new(),
            during: seen.during.clone(),
            note: None,
        });
    }
    for (name, seen) in &observed.refused_calls {
        if is_tried(name) {
            continue;
        }
        let (what, why) = match is_foreign(name) {
            true => (
                name.clone(),
                "the box ends a program that makes calls of another architecture, which is how filters are evaded",
            ),
            false => (
                format!("system call {name}"),
                "no manifest grants it; most programs do without",
            ),
        };
        not_proposed.push(NotProposed {
            what,
            why: why.to_owned(),
            during: seen.during.clone(),
        });
    }
    for (tool, times) in &observed.withheld_tools {
        not_proposed.push(NotProposed {
            what: format!("tool {tool}"),
            why: format!(
                "{times} {} withheld by the relay: `pinfold tools` and `pinfold log` say why",
                if *times == 1 {
                    "call was"
                } else {
                    "calls were"
                }
            ),
            during: BTreeSet::new(),
        });
    }
    lines.sort_by(|a, b| (a.key, &a.value).cmp(&(b.key, &b.value)));
    Proposal {
        lines,
        not_proposed,
        habits,
    }
}

fn hosts(observed: &Observed, lines: &mut Vec<Proposed>, not_proposed: &mut Vec<NotProposed>) {
    for (host, seen) in &observed.hosts {
        if seen.refused == 0 {
            continue;
        }
        let name = host
            .rsplit_once(':')
            .map_or(host.as_str(), |(name, _)| name);
        let is_address = name
            .trim_matches(['[', ']'])
            .parse::<std::net::IpAddr>()
            .is_ok();
        if is_metadata(name) {
            not_proposed.push(NotProposed {
                what: host.clone(),
                why: "clouds answer there with the credentials of the machine: who reaches it can act as the machine"
                    .to_owned(),
                during: seen.during.clone(),
            });
            continue;
        }
        if is_address || name == "localhost" || name == "*" {
            not_proposed.push(NotProposed {
                what: host.clone(),
                why: "only a person can know what is at an address; `egress` takes it, too"
                    .to_owned(),
                during: seen.during.clone(),
            });
            continue;
        }
        let has_port = host.contains(':');
        lines.push(Proposed {
            key: "egress",
            value: match has_port {
                true => host.clone(),
                false => format!("{host}:{USUAL_PORT}"),
            },
            asked: BTreeSet::new(),
            during: seen.during.clone(),
            note: (!has_port).then(|| {
                "its name was refused before there was a port; 443 is the usual one".to_owned()
            }),
        });
    }
}

fn network(observed: &Observed, situation: &Situation, not_proposed: &mut Vec<NotProposed>) {
    for (address, seen) in &observed.addresses {
        not_proposed.push(NotProposed {
            what: address.clone(),
            why: "the box refused to connect to it".to_owned(),
            during: seen.during.clone(),
        });
    }
    if situation.has_named_network {
        return;
    }
    for (family, seen) in &observed.sockets {
        not_proposed.push(NotProposed {
            what: format!("the network ({family})"),
            why: "it has none, so whom it would reach can't be told: with `profile = \"web\"` and an empty `egress`, names are seen, and still refused".to_owned(),
            during: seen.during.clone(),
        });
    }
}

#[cfg(test)]
mod tests;
