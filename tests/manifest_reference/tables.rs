//! The tables of the page: sources, hosts, profiles.

use std::collections::BTreeSet;

use pinfold::config::{EgressHost, Source};
use pinfold::policy::{PROFILES, Profile, Runtime};

use super::edits::whole;
use super::page::{Page, codes};
use super::parse;

pub(super) fn problems(page: &Page) -> Vec<String> {
    let mut problems = sources(page);
    problems.extend(hosts(page));
    problems.extend(profiles(page));
    problems.extend(paths(page));
    problems
}

fn source(text: &str) -> Result<Source, String> {
    let text = text
        .replace("NAME", "name")
        .replace("SCOPE", "scope")
        .replace("DIGEST", &"0".repeat(64));
    let (folder, home) = ("/home/me/.config/pinfold", "/home/me");
    Source::parse(&text, folder.as_ref(), Some(home.as_ref())).map_err(|error| error.to_string())
}

fn sources(page: &Page) -> Vec<String> {
    let mut problems = Vec::new();
    let mut schemes = BTreeSet::new();
    for row in page.rows("Sources", "source") {
        for text in codes(&row[0]) {
            schemes.insert(format!("{}:", text.split(':').next().unwrap_or_default()));
            if let Err(said) = source(text) {
                problems.push(format!("the source `{text}` is refused: {said}"));
            }
        }
    }
    // The parser says itself what it supports.
    let unknown = source("unknown:x").unwrap_err();
    let supported = unknown.split_once("it supports ").unwrap().1;
    let supported: BTreeSet<String> = codes(supported).into_iter().map(str::to_owned).collect();
    if schemes != supported {
        problems.push(format!(
            "sources are {supported:?}, and the page has {schemes:?}"
        ));
    }
    for row in page.rows("Sources", "refused") {
        let text = row[0].trim_matches('`');
        problems.extend(refusal(text, source(text).err(), &row[1]));
    }
    problems
}

/// What the parser says of one entry of `egress`.
fn host(text: &str) -> Result<EgressHost, String> {
    let lines = format!("profile = \"web\"\negress = [{text:?}]\n");
    let parsed = parse(&whole(&lines)).map_err(|items| items[0].message.clone())?;
    let server = parsed.servers.into_values().next().unwrap();
    Ok(server.egress.unwrap().remove(0).host)
}

fn hosts(page: &Page) -> Vec<String> {
    let mut problems = Vec::new();
    let mut kinds = BTreeSet::new();
    for row in page.rows("Egress", "entry") {
        for text in codes(&row[0]) {
            match host(text) {
                Ok(host) => kinds.insert(kind(&host)),
                Err(said) => {
                    problems.push(format!("the entry `{text}` is refused: {said}"));
                    false
                }
            };
        }
    }
    for kind in ["Name", "Subdomains", "AnyName", "Network", "Localhost"] {
        if !kinds.contains(kind) {
            problems.push(format!("no entry of `egress` shows {kind}"));
        }
    }
    for row in page.rows("Egress", "refused") {
        let text = row[0].trim_matches('`');
        problems.extend(refusal(text, host(text).err(), &row[1]));
    }
    problems
}

fn kind(host: &EgressHost) -> &'static str {
    match host {
        EgressHost::Name(_) => "Name",
        EgressHost::Subdomains(_) => "Subdomains",
        EgressHost::AnyName => "AnyName",
        EgressHost::Network(_) => "Network",
        EgressHost::Localhost => "Localhost",
    }
}

fn refusal(text: &str, said: Option<String>, expected: &str) -> Option<String> {
    match said {
        None => Some(format!("`{text}` is accepted")),
        Some(said) if said.contains(expected) => None,
        Some(said) => Some(format!("of `{text}` is said: {said}")),
    }
}

fn profiles(page: &Page) -> Vec<String> {
    let mut problems = Vec::new();
    let base = Profile::base().unwrap();
    let rows = page.rows("Profiles", "profile");
    let names: Vec<&str> = rows.iter().map(|row| codes(&row[0])[0]).collect();
    if names != PROFILES {
        problems.push(format!(
            "the profiles are {PROFILES:?}, and the page has {names:?}; `offline` is the default"
        ));
        return problems;
    }
    for row in rows {
        let name = codes(&row[0])[0];
        let profile = Profile::named(name).unwrap();
        let (own, all) = (&profile.limits, &base.limits);
        let text = |own: &Option<String>, all: &Option<String>| {
            own.clone()
                .or_else(|| all.clone())
                .unwrap_or_else(|| "none".to_owned())
        };
        let number = |own: Option<u64>, all: Option<u64>| {
            own.or(all)
                .map_or_else(|| "none".to_owned(), |number| number.to_string())
        };
        let network = profile.egress().unwrap().map_or_else(
            || "none".to_owned(),
            |rules| {
                let rules = rules.iter().map(|rule| format!("`{rule}`"));
                rules.collect::<Vec<_>>().join(" ")
            },
        );
        let demand = |demand| format!("{demand:?}").to_lowercase();
        let expected = [
            ("network", network),
            ("files.read", demand(profile.files.read)),
            ("files.write", demand(profile.files.write)),
            ("memory", text(&own.memory, &all.memory)),
            ("processes", number(own.processes, all.processes)),
            ("disk", text(&own.disk, &all.disk)),
            ("open files", number(own.open_files, all.open_files)),
            ("file size", text(&own.file_size, &all.file_size)),
            ("connections", number(own.connections, all.connections)),
            (
                "/dev/shm",
                text(
                    &profile.own_root.shared_memory,
                    &base.own_root.shared_memory,
                ),
            ),
            (
                "/tmp",
                text(&profile.own_root.temporary, &base.own_root.temporary),
            ),
            (
                "own sockets",
                if profile.own_sockets { "yes" } else { "no" }.to_owned(),
            ),
        ];
        for ((what, expected), found) in expected.into_iter().zip(&row[1..]) {
            if sorted(&expected) != sorted(found) {
                problems.push(format!(
                    "`{name}`: {what} is {expected}, and the page has {found}"
                ));
            }
        }
    }
    problems
}

fn sorted(cell: &str) -> Vec<&str> {
    let mut words: Vec<&str> = cell.split_whitespace().collect();
    words.sort_unstable();
    words
}

/// The paths of each part, whatever their order.
fn paths(page: &Page) -> Vec<String> {
    let mut expected = BTreeSet::new();
    let runtimes = [
        ("on Node", Runtime::Node),
        ("on Python", Runtime::Python),
        ("other programs", Runtime::Native),
    ];
    let parts = [("every server", Profile::base().unwrap())]
        .into_iter()
        .chain(
            PROFILES
                .iter()
                .map(|name| (*name, Profile::named(name).unwrap())),
        )
        .chain(runtimes.map(|(name, runtime)| (name, Profile::runtime(runtime).unwrap())));
    for (name, profile) in parts {
        let before = expected.len();
        for (access, paths) in [
            ("read", &profile.read),
            ("write", &profile.write),
            ("device", &profile.device),
            ("list", &profile.list),
        ] {
            let paths: BTreeSet<String> = paths.iter().map(|path| path.path.clone()).collect();
            if !paths.is_empty() {
                expected.insert((format!("{name} {access}"), paths));
            }
        }
        if expected.len() == before {
            expected.insert((format!("{name} nothing"), BTreeSet::new()));
        }
    }
    let found: BTreeSet<(String, BTreeSet<String>)> = page
        .rows("Profiles", "part")
        .iter()
        .map(|row| {
            let paths = codes(&row[2]).into_iter().map(str::to_owned).collect();
            (format!("{} {}", row[0], row[1]), paths)
        })
        .collect();
    let differing = expected.symmetric_difference(&found);
    differing
        .map(|(place, paths)| format!("{place}: {paths:?} is in one of page and profile alone"))
        .collect()
}
