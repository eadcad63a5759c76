//! What can only be seen over several configs.

use std::collections::BTreeMap;

use super::super::entry::Entry;
use super::super::finding::Finding;
use super::super::table::Rule;
use super::about;
use super::secrets::secrets;
use crate::config::clients::{Client, ClientServer};

/// Findings of each file, in the order of `files`.
pub(in super::super) fn rule(files: &[Vec<Entry<'_>>]) -> Vec<Vec<Finding>> {
    let mut found: Vec<Vec<Finding>> = files.iter().map(|_| Vec::new()).collect();
    repeated(files, &mut found);
    same_names(files, &mut found);
    found
}

/// At its first place in each file.
fn repeated(files: &[Vec<Entry<'_>>], found: &mut [Vec<Finding>]) {
    let mut places: BTreeMap<String, Vec<(usize, Finding)>> = BTreeMap::new();
    for (index, entries) in files.iter().enumerate() {
        for entry in entries {
            for secret in secrets(entry) {
                // What is short is no secret that two places share by more than chance.
                if secret.rule == Rule::PossibleSecret || secret.value.len() < 8 {
                    continue;
                }
                let places = places.entry(secret.value.clone()).or_default();
                if places.iter().all(|(file, _)| *file != index) {
                    let name = &secret.text.name;
                    let finding = about(
                        entry,
                        Rule::RepeatedSecret,
                        secret.text.at,
                        name,
                        String::new(),
                    );
                    places.push((index, finding));
                }
            }
        }
    }
    for places in places.into_values().filter(|places| places.len() > 1) {
        let path = |index: usize| {
            let entry = files[index].first();
            entry.map_or_else(String::new, |entry| {
                entry.file.place.path.display().to_string()
            })
        };
        let all: Vec<usize> = places.iter().map(|(index, _)| *index).collect();
        for (index, mut finding) in places {
            let others = all.iter().filter(|other| **other != index);
            let others: Vec<String> = others.map(|other| path(*other)).collect();
            let name = &finding.subject;
            finding.message = format!("the secret in `{name}` is in {} too", others.join(", "));
            found[index].push(finding);
        }
    }
}

/// Servers that one client has in several files under one name, and not for several projects.
fn same_names(files: &[Vec<Entry<'_>>], found: &mut [Vec<Finding>]) {
    let mut seen: BTreeMap<(Client, &str), Vec<(usize, &Entry<'_>)>> = BTreeMap::new();
    for (index, entries) in files.iter().enumerate() {
        for entry in entries {
            let client = entry.file.place.client;
            // Several copies of a file are no several configs of one client.
            if client == Client::Other || entry.server.name.is_empty() || entry.server.disabled {
                continue;
            }
            let key = (client, entry.server.name.as_str());
            seen.entry(key).or_default().push((index, entry));
        }
    }
    for entries in seen.into_values() {
        for (at, (index, entry)) in entries.iter().enumerate() {
            let earlier = entries[..at].iter().find(|(_, other)| {
                share_a_session(entry, other) && differ(entry.server, other.server)
            });
            if let Some((_, other)) = earlier {
                let message = format!(
                    "another one of this name is in {}:{}",
                    other.file.place.path.display(),
                    other.server.at.line
                );
                let server = entry.server;
                found[*index].push(about(entry, Rule::DuplicateName, server.at, "", message));
            }
        }
    }
}

/// The user's own and a project's are there at once, and so is all of one file; several editions
/// of a program have files of their own.
fn share_a_session(one: &Entry<'_>, two: &Entry<'_>) -> bool {
    let (here, there) = (&one.file.place, &two.file.place);
    let are_read_together =
        here.scope != there.scope || here.path == there.path || here.client == Client::Continue;
    are_read_together
        && match (one.server.project(), two.server.project()) {
            (Some(one), Some(two)) => one == two,
            _ => true,
        }
}

/// Whether it matters which of the two is meant.
fn differ(one: &ClientServer, two: &ClientServer) -> bool {
    match (one.argv(), two.argv()) {
        (None, None) => !one.node.says_the_same(&two.node),
        (one, two) => one != two,
    }
}
