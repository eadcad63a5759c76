//! The plan and its outcome, for people and as JSON. No value of a secret is in either.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::output;
use super::diff::Mask;
use super::plan::Decision;
use super::variables::Held;
use super::{Found, Group, Written};
use crate::config::clients::ClientServer;
use crate::config::shell_word;

/// Longest line of a command that is shown, in characters.
const MAX_COMMAND: usize = 160;

/// Where a server of a file went.
fn group_of(groups: &[Group], file: usize, server: usize) -> Option<(usize, &Group)> {
    let is_of = |group: &Group| group.members.contains(&(file, server));
    groups.iter().enumerate().find(|(_, group)| is_of(group))
}

fn command(server: &ClientServer, mask: &Mask) -> String {
    let words = server.argv().unwrap_or_default();
    output::foreign(&mask.apply(&words.join(" ")), MAX_COMMAND)
}

/// The table, line by line.
pub(super) fn plan(found: &[Found], groups: &[Group], line: fn(&str)) {
    for (index, found) in found.iter().enumerate() {
        let path = output::foreign(&found.place.path.display().to_string(), 300);
        line(&format!("{path} ({})", found.place.client.name()));
        let file = match &found.file {
            Ok(file) => file,
            Err(error) => {
                line(&format!("  left alone: {error}"));
                continue;
            }
        };
        let mask = Mask::of(file);
        for (at, server) in file.servers.iter().enumerate() {
            let name = output::foreign(&server.name, 60);
            let project = server.project().map(|project| {
                format!(
                    " (in {})",
                    output::foreign(&project.display().to_string(), 100)
                )
            });
            let off = if server.disabled { " (off)" } else { "" };
            line(&format!(
                "  {name}{}{off}: {}",
                project.unwrap_or_default(),
                match server.argv() {
                    Some(_) => command(server, &mask),
                    None => "nothing that is started".to_owned(),
                }
            ));
            match &found.decisions[at] {
                Decision::Leave(reason) => line(&format!("      left alone: {reason}")),
                Decision::Refuse(reason) => line(&format!(
                    "      can't be taken over: {}",
                    output::foreign(&mask.apply(reason), 400)
                )),
                Decision::Convert(converted) => {
                    let Some((_, group)) = group_of(groups, index, at) else {
                        continue;
                    };
                    for text in becomes(group) {
                        line(&format!("      {text}"));
                    }
                    for note in &converted.notes {
                        let note = output::foreign(&mask.apply(note), 400);
                        line(&format!("      note: {note}"));
                    }
                }
            }
        }
    }
    if groups.iter().any(|group| group.wanted.egress.is_empty()) {
        line(
            "Servers without `egress` get no network. One that calls an API needs its host: `--egress SERVER:HOST:443`, or later `egress = [\"HOST:443\"]` and `profile = \"web\"` in the manifest and `pinfold lock SERVER`.",
        );
    }
}

fn becomes(group: &Group) -> Vec<String> {
    let wanted = &group.wanted;
    let present = if group.is_present {
        ", which is locked already"
    } else {
        ""
    };
    let profile = wanted.profile.as_deref().unwrap_or("offline");
    let mut lines = vec![format!(
        "becomes `pinfold run {}`: {}, profile {profile}{present}",
        wanted.name,
        output::foreign(&wanted.source, 200)
    )];
    for (key, list) in [
        ("reads", &wanted.read),
        ("reads and writes", &wanted.write),
        ("reaches", &wanted.egress),
    ] {
        if !list.is_empty() {
            lines.push(format!("{key} {}", output::foreign(&list.join(", "), 400)));
        }
    }
    for (words, names) in [
        (
            "into the manifest",
            names_of(group, |held| matches!(held, Held::Literal(_))),
        ),
        (
            "into the secret store",
            names_of(group, |held| matches!(held, Held::Secret(_))),
        ),
        (
            "still from the client",
            names_of(group, |held| *held == Held::FromClient),
        ),
    ] {
        if !names.is_empty() {
            lines.push(format!("{words}: {}", names.join(", ")));
        }
    }
    lines
}

fn names_of(group: &Group, is_meant: impl Fn(&Held) -> bool) -> Vec<String> {
    let held = group.converted.variables.held.iter();
    held.filter(|(_, held)| is_meant(held))
        .map(|(name, _)| name.clone())
        .collect()
}

/// What came of it.
pub(super) struct Outcome<'o> {
    pub failures: &'o BTreeMap<usize, anyhow::Error>,
    pub written: &'o [Written],
}

pub(super) fn outcome(
    groups: &[Group],
    failures: &BTreeMap<usize, anyhow::Error>,
    written: &[Written],
    found: &[Found],
) {
    output::note("");
    for written in written {
        let path = written.path.display();
        let word = shell_word(&written.path.to_string_lossy());
        match &written.error {
            None if written.entries > 0 => output::note(&format!(
                "{path}: {} now started through pinfold; `pinfold restore {word}` puts it back",
                match written.entries {
                    1 => "one server is".to_owned(),
                    count => format!("{count} servers are"),
                }
            )),
            None => {}
            Some(error) => {
                output::warning(&format!("{path} is as it was: {}", output::chain(error)));
            }
        }
        for note in &written.notes {
            output::note(&format!("  {note}"));
        }
    }
    // Why, was said when it was its turn.
    for index in failures.keys() {
        output::warning(&format!(
            "`{}` was not locked, and its entries are as they were; the reason is above, and `pinfold import` tries it again",
            groups[*index].wanted.name
        ));
    }
    if written.iter().any(|written| written.entries > 0) {
        output::note(
            "Restart the clients. The originals are kept, with what secrets were in them, until `pinfold restore --forget`.",
        );
    }
    if found.iter().any(|found| found.file.is_err()) {
        output::warning("some configs could not be read; they are as they were");
    }
}

/// All of it. `outcome`: nothing was done when it is absent.
pub(super) fn json(found: &[Found], groups: &[Group], outcome: Option<&Outcome<'_>>) -> Value {
    let files = found.iter().enumerate().map(|(index, found)| {
        let path = found.place.path.display().to_string();
        let written = outcome.and_then(|outcome| {
            let of_file = |written: &&Written| written.path == found.place.path;
            outcome.written.iter().find(of_file)
        });
        let mut value = json!({
            "path": path,
            "client": found.place.client.name(),
            "error": found.file.as_ref().err().map(ToString::to_string),
            "rewritten": written.map_or(0, |written| written.entries),
            "write_error": written.and_then(|written| written.error.as_ref()).map(output::chain),
        });
        if let Ok(file) = &found.file {
            let mask = Mask::of(file);
            let servers = file.servers.iter().enumerate().map(|(at, server)| {
                let mut value = json!({
                    "name": server.name,
                    "line": server.at.line,
                    "project": server.project().map(|project| project.display().to_string()),
                    "disabled": server.disabled,
                    "command": server.argv().map(|argv| {
                        argv.iter().map(|word| mask.apply(word)).collect::<Vec<_>>()
                    }),
                });
                let (decision, reason) = match &found.decisions[at] {
                    Decision::Leave(reason) => ("left alone", Some(reason)),
                    Decision::Refuse(reason) => ("refused", Some(reason)),
                    Decision::Convert(_) => ("converted", None),
                };
                value["decision"] = json!(decision);
                value["reason"] = json!(reason.map(|reason| mask.apply(reason)));
                if let Some((number, group)) = group_of(groups, index, at) {
                    let error = outcome.and_then(|outcome| outcome.failures.get(&number));
                    value["becomes"] = json!({
                        "name": group.wanted.name.as_str(),
                        "source": group.wanted.source,
                        "profile": group.wanted.profile.as_deref().unwrap_or("offline"),
                        "read": group.wanted.read,
                        "write": group.wanted.write,
                        "egress": group.wanted.egress,
                        "secrets": names_of(group, |held| matches!(held, Held::Secret(_))),
                        "from_client": names_of(group, |held| *held == Held::FromClient),
                        "notes": group.converted.notes.iter().map(|note| mask.apply(note)).collect::<Vec<_>>(),
                        "lock_error": error.map(output::chain),
                    });
                }
                value
            });
            value["servers"] = servers.collect();
        }
        value
    });
    json!({ "files": files.collect::<Vec<_>>() })
}
