//! The keys of the page against the parser, which is asked for each: the keys beside it, the types
//! that it takes, what holds without it.

use std::collections::{BTreeMap, BTreeSet};

use pinfold::config::{Alarm, Code, Diagnostic, Manifest, Redact, Server};
use pinfold::relay::Elicitation;

use super::edits::{is_free, whole, with, without};
use super::page::{Default, Key, Page, codes};
use super::{judge, parse, resolve};

/// Far from every word that the parser could think was meant.
const UNKNOWN: &str = "zzzzzzzzzzzzzzzzzzzzzzzz";

/// A value of each type, none of which is of another.
const VALUES: [(&str, &str); 6] = [
    ("string", "\"x\""),
    ("integer", "1"),
    ("number", "1.5"),
    ("boolean", "true"),
    ("list", "[]"),
    ("table", "{}"),
];

/// Where rules are made of keywords, which are a table of the page.
const RULE: &str = "servers.NAME.tools.rules.TOOL";
const VARIABLE: &str = "servers.NAME.env.VARIABLE";

/// What was found of a key that was said of it in these words.
pub(super) type Checked = BTreeMap<String, Vec<String>>;

pub(super) fn problems(page: &Page, checked: &mut Checked) -> Vec<String> {
    let mut problems = Vec::new();
    let keys: Vec<Key> = keywords(page);
    let all: Vec<&Key> = page.keys.iter().chain(&keys).collect();
    problems.extend(beside(page, &keys, "", ""));
    for example in &page.examples {
        if let Err(said) = judge(&whole(example)) {
            problems.push(format!("an example is refused: {said}"));
        }
    }
    for key in &all {
        let found = checked
            .entry(format!("{key:?}"))
            .or_insert_with(|| check(key));
        let found = found.iter();
        problems.extend(found.map(|problem| format!("`{}`: {problem}", key.path)));
    }
    for key in &page.keys {
        if key.types.iter().any(|word| word == "table") {
            problems.extend(beside(page, &keys, &key.path, &whole(&key.example)));
        }
        if !key.text.contains("Risk: ")
            && !key.text.contains("Cost: ")
            && !key.text.contains("Cost of ")
        {
            problems.push(format!(
                "`{}`: neither its cost nor its risk is said",
                key.path
            ));
        }
    }
    let alarms = page
        .keys
        .iter()
        .find(|key| key.path.ends_with(".alarms.quarantine"));
    for alarm in Alarm::ALL {
        let name = format!("`\"{}\"`", alarm.name());
        if !alarms.is_some_and(|key| key.text.contains(&name)) {
            problems.push(format!("the alarm `{}` is not in the page", alarm.name()));
        }
    }
    problems
}

/// One key by itself.
fn check(key: &Key) -> Vec<String> {
    let text = whole(&key.example);
    if without(&text, &key.path).is_none() {
        return vec!["it is not in its example".to_owned()];
    }
    let mut problems = types(key, &text);
    problems.extend(default(key, &text));
    if let Err(said) = judge(&text) {
        problems.push(format!("an example is refused: {said}"));
    }
    for (refused, expected) in &key.refused {
        match judge(&whole(refused)) {
            Ok(()) => problems.push(format!("it is accepted: {refused}")),
            Err(said) if said == *expected => {}
            Err(said) => problems.push(format!("what is said is\n{said}")),
        }
    }
    problems
}

/// The keywords of rules, as keys.
fn keywords(page: &Page) -> Vec<Key> {
    let rows = page.rows("Rules on arguments", "keyword").iter();
    rows.map(|row| {
        let example = codes(&row[3])[0];
        Key {
            path: format!("{RULE}.{}", codes(&row[0])[0]),
            types: row[1]
                .replace(" or ", ", ")
                .split(", ")
                .map(str::to_owned)
                .collect(),
            default: Default::Free,
            text: row[2].clone(),
            example: format!("tools = {{ allow = [\"do\"], rules = {{ do = {example} }} }}\n"),
            refused: Vec::new(),
        }
    })
    .collect()
}

/// The keys of the page in one table against those that the parser says are known there.
fn beside(page: &Page, keywords: &[Key], table: &str, text: &str) -> Vec<String> {
    // Values of a bundle are named as values of variables are.
    let documented_at = match table {
        "servers.NAME.config.KEY" => VARIABLE,
        other => other,
    };
    let documented: BTreeSet<&str> = page
        .keys
        .iter()
        .chain(keywords)
        .filter_map(|key| {
            let (above, last) = key.path.rsplit_once('.').unwrap_or(("", &key.path));
            (above == documented_at).then_some(last)
        })
        .collect();
    let free: Vec<&&str> = documented.iter().filter(|key| is_free(key)).collect();
    let asked = match table {
        "" => Some(format!("{UNKNOWN} = 1\n")),
        table => with(text, table, &format!("{{ {UNKNOWN} = 1 }}")),
    };
    let Some(asked) = asked else {
        return vec![format!("`{table}`: it is not in its example")];
    };
    let said = parse(&asked).err().unwrap_or_default();
    let message = format!("unknown key `{UNKNOWN}`");
    let known = said
        .iter()
        .find(|item| item.message.starts_with(&message))
        .and_then(|item| item.help.as_deref()?.strip_prefix("known here: "));
    let Some(known) = known else {
        // Every name is taken here.
        return match free.len() == 1 && documented.len() == 1 {
            true => Vec::new(),
            false => vec![format!(
                "`{table}` takes any key, and the page has {documented:?}"
            )],
        };
    };
    let known: BTreeSet<&str> = known.split(", ").collect();
    let path = |key: &str| format!("{table}.{key}").trim_start_matches('.').to_owned();
    let missing = known.difference(&documented);
    let too_many = documented.difference(&known);
    missing
        .map(|key| format!("`{}` is not in the page", path(key)))
        .chain(too_many.map(|key| format!("`{}` is no key", path(key))))
        .collect()
}

/// Each type that the page names is taken, and no other.
fn types(key: &Key, text: &str) -> Vec<String> {
    let mut problems = Vec::new();
    for (word, value) in VALUES {
        let has = |word: &str| key.types.iter().any(|own| own == word);
        let expected = has(word) || word == "integer" && has("number");
        let changed = with(text, &key.path, value).unwrap_or_default();
        let found = parse(&changed).err().unwrap_or_default();
        let accepted = !found.iter().any(|item| item.code == Code::WrongType);
        let article = if word == "integer" { "an" } else { "a" };
        match (expected, accepted) {
            (true, false) => problems.push(format!("{article} {word} is refused: {found:?}")),
            (false, true) => problems.push(format!("{article} {word} is accepted")),
            _ => {}
        }
    }
    for word in &key.types {
        if !VALUES.iter().any(|(known, _)| known == word) {
            problems.push(format!("`{word}` is no type"));
        }
    }
    problems
}

/// What holds without the key.
fn default(key: &Key, text: &str) -> Option<String> {
    let absent = without(text, &key.path)?;
    let parsed = parse(&absent);
    let last = key.path.rsplit('.').next().unwrap_or_default();
    match &key.default {
        Default::Free if is_free(last) || key.path.starts_with(RULE) => None,
        Default::Free => Some("it has a name, so it has a default".to_owned()),
        Default::Required => {
            let missing = |item: &Diagnostic| item.code == Code::MissingKey;
            let refused = parsed.is_err_and(|items| items.iter().any(missing));
            (!refused).then(|| "it is not required".to_owned())
        }
        Default::Literal(literal) => {
            let said = with(text, &key.path, literal).map(|said| parse(&said));
            match (parsed, said) {
                (Ok(absent), Some(Ok(said))) if are_same(&absent, &said) => None,
                _ => Some(format!("its default is not `{literal}`")),
            }
        }
        unset => {
            let server = parsed.ok()?.servers.into_values().next()?;
            let own = is_of_the_profile(&key.path, server);
            match (unset, own) {
                (Default::OfTheProfile, Some(false)) => Some("no profile says it".to_owned()),
                (Default::Unset, Some(true)) => Some("a profile says it".to_owned()),
                (_, Some(_)) => None,
                (_, None) => {
                    Some("what holds without it is nothing that this test knows".to_owned())
                }
            }
        }
    }
}

/// Whether two manifests mean the same. Two keys are judged by the policy, because the manifest keeps
/// whether they were written.
fn are_same(left: &Manifest, right: &Manifest) -> bool {
    let policies = |manifest: &Manifest| -> Vec<_> {
        let servers = manifest.servers.values();
        let judged = servers.map(|server| resolve(server).map_err(|error| error.to_string()));
        judged.collect()
    };
    let without_them = |manifest: &Manifest| {
        let mut manifest = manifest.clone();
        for server in manifest.servers.values_mut() {
            (server.egress_tier, server.check_server_name) = (None, None);
        }
        manifest
    };
    policies(left) == policies(right) && without_them(left) == without_them(right)
}

/// Of a key that the server doesn't have: whether the profile's value holds then, or none.
fn is_of_the_profile(path: &str, mut server: Server) -> Option<bool> {
    "web".clone_into(&mut server.profile);
    let policy = resolve(&server).unwrap();
    let egress = policy.egress.as_ref().unwrap();
    // Each is nothing in the manifest, and in the policy what the profile says, or nothing.
    let (own, effective) = match path.strip_prefix("servers.NAME.")? {
        "egress" => (server.egress.is_some(), !egress.rules.is_empty()),
        "program" => (server.program.is_some(), policy.program.is_some()),
        "redact" => (server.redact != Redact::Secrets, false),
        "grants.elicitation" => (server.grants.elicitation != Elicitation::Off, false),
        "limits.memory" => (
            server.limits.memory.is_some(),
            policy.limits.memory.is_some(),
        ),
        "limits.processes" => (
            server.limits.processes.is_some(),
            policy.limits.processes.is_some(),
        ),
        "limits.processor_time" => (
            server.limits.processor_time.is_some(),
            policy.limits.processor_time.is_some(),
        ),
        "limits.cpu" => (server.limits.cpu.is_some(), policy.limits.cpu.is_some()),
        "limits.disk" => (server.limits.disk.is_some(), policy.limits.disk.is_some()),
        "limits.open_files" => (
            server.limits.open_files.is_some(),
            policy.limits.open_files.is_some(),
        ),
        "limits.file_size" => (
            server.limits.file_size.is_some(),
            policy.limits.file_size.is_some(),
        ),
        "limits.connections" => (server.limits.connections.is_some(), egress.connections > 0),
        "limits.egress" => (server.limits.egress.is_some(), egress.bytes.is_some()),
        "system_calls" => (server.system_calls.is_some(), policy.system_calls.is_some()),
        _ => return None,
    };
    (!own).then_some(effective)
}
