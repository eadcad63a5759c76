//! Servers of several configs that are the same are one; each gets a name of its own.

use std::collections::{BTreeMap, BTreeSet};

use super::super::add::parsed;
use super::super::context::Context;
use super::super::exit::UsageError;
use super::plan::{Converted, Decision};
use super::variables::Held;
use super::{Found, Member, vault};
use crate::config::{
    Delivery, EnvValue, Manifest, NewServer, SecretName, SecretSource, SecretUse, Server,
};
use crate::lockfile::{Lock, ServerName};

/// A server that is locked once.
pub(super) struct Group {
    /// Its manifest entry, without tools.
    pub wanted: NewServer,
    pub converted: Converted,
    pub members: Vec<Member>,
    /// Whether manifest and lock have it already.
    pub is_present: bool,
}

/// What the command line says of single servers.
#[derive(Default)]
pub(super) struct Wishes {
    tools: BTreeMap<ServerName, Vec<String>>,
    egress: BTreeMap<ServerName, Vec<String>>,
}

impl Wishes {
    pub(super) fn read(allow: &[String], egress: &[String]) -> anyhow::Result<Self> {
        Ok(Self {
            tools: by_server(allow, "SERVER:TOOL")?,
            egress: by_server(egress, "SERVER:HOST:PORT")?,
        })
    }

    /// # Errors
    /// One that is about no server of the plan.
    pub(super) fn check(&self, groups: &[Group]) -> anyhow::Result<()> {
        let known: BTreeSet<&ServerName> = groups.iter().map(|group| &group.wanted.name).collect();
        let mut named = self.tools.keys().chain(self.egress.keys());
        match named.find(|name| !known.contains(name)) {
            None => Ok(()),
            Some(name) => Err(UsageError(format!(
                "no server that would be taken over is called `{name}`; `pinfold import --dry-run` shows their names"
            ))
            .into()),
        }
    }

    pub(super) fn tools_of(&self, name: &ServerName) -> Vec<String> {
        self.tools.get(name).cloned().unwrap_or_default()
    }
}

fn by_server(words: &[String], shape: &str) -> anyhow::Result<BTreeMap<ServerName, Vec<String>>> {
    let mut found: BTreeMap<ServerName, Vec<String>> = BTreeMap::new();
    for word in words {
        let (name, rest) = word
            .split_once(':')
            .ok_or_else(|| UsageError(format!("`{word}` is not {shape}")))?;
        found
            .entry(name.parse()?)
            .or_default()
            .push(rest.to_owned());
    }
    Ok(found)
}

/// The servers to lock, in the order of the configs.
pub(super) fn groups(
    context: &Context,
    found: &[Found],
    wishes: &Wishes,
) -> anyhow::Result<Vec<Group>> {
    let mut order: Vec<(&Converted, String, Vec<Member>)> = Vec::new();
    let mut seen: BTreeMap<&Converted, usize> = BTreeMap::new();
    for (index, found) in found.iter().enumerate() {
        for (server, decision) in found.decisions.iter().enumerate() {
            let (Decision::Convert(converted), Ok(file)) = (decision, &found.file) else {
                continue;
            };
            let at = *seen.entry(converted).or_insert_with(|| {
                order.push((converted, file.servers[server].name.clone(), Vec::new()));
                order.len() - 1
            });
            order[at].2.push((index, server));
        }
    }
    let manifest = context.manifest_or_empty()?;
    let lock = context.lock_or_empty()?;
    let mut taken = BTreeSet::new();
    order
        .into_iter()
        .map(|(converted, name, members)| {
            let (wanted, is_present) =
                named(context, &manifest, &lock, wishes, converted, &name, &taken)?;
            taken.insert(wanted.name.clone());
            Ok(Group {
                wanted,
                converted: converted.clone(),
                members,
                is_present,
            })
        })
        .collect()
}

/// The first name that is free, or belongs to this very server already.
fn named(
    context: &Context,
    manifest: &Manifest,
    lock: &Lock,
    wishes: &Wishes,
    converted: &Converted,
    name: &str,
    taken: &BTreeSet<ServerName>,
) -> anyhow::Result<(NewServer, bool)> {
    let base = name_for(name);
    for number in 1_usize.. {
        let name: ServerName = match number {
            1 => base.parse()?,
            number => format!("{base}-{number}").parse()?,
        };
        if taken.contains(&name) {
            continue;
        }
        let wanted = new_server(name, converted, wishes);
        let Some(present) = manifest.servers.get(&wanted.name) else {
            return Ok((wanted, false));
        };
        // Other words that can't be read are found when it is added.
        let place = (&context.paths.manifest, context.paths.home.as_deref());
        let Ok(server) = parsed(&wanted, place.0, place.1) else {
            continue;
        };
        if is_same(present, &server) && has_same_secrets(context, &wanted.name, converted) {
            let locked = lock.servers.get(&wanted.name);
            let is_locked = locked.is_some_and(|locked| locked.source == server.source_text);
            return Ok((wanted, is_locked));
        }
    }
    Err(UsageError("there are too many servers of one name".to_owned()).into())
}

/// The same server with another token is another server.
fn has_same_secrets(context: &Context, name: &ServerName, converted: &Converted) -> bool {
    converted.variables.held.iter().all(|(variable, held)| {
        let Held::Secret(value) = held else {
            return true;
        };
        secret_name(name, variable).is_some_and(|secret| {
            vault::stored(context, &secret).is_some_and(|stored| stored.text() == value.as_str())
        })
    })
}

/// What a person granted since is theirs: only what is run counts, and with which values.
fn is_same(present: &Server, wanted: &Server) -> bool {
    present.source == wanted.source
        && present.program == wanted.program
        && present.args == wanted.args
        && present.env == wanted.env
}

/// A name of the manifest for any text: `Weather Station` becomes `weather-station`.
pub(super) fn name_for(text: &str) -> String {
    let mut name = String::new();
    for letter in text.chars() {
        let letter = letter.to_ascii_lowercase();
        match letter {
            'a'..='z' | '0'..='9' => name.push(letter),
            '_' | '.' if !name.is_empty() => name.push(letter),
            _ if !name.is_empty() && !name.ends_with('-') => name.push('-'),
            _ => {}
        }
        // A number may follow.
        if name.len() >= 56 {
            break;
        }
    }
    let name = name.trim_end_matches(['-', '.', '_']);
    match name.is_empty() {
        true => "server".to_owned(),
        false => name.to_owned(),
    }
}

/// What a server's secret is called in the store: `SERVER.VARIABLE` in small letters. Both are made
/// of letters that such a name may have; what would be too long is cut.
fn secret_name(server: &ServerName, variable: &str) -> Option<SecretName> {
    let name = format!("{server}.{}", variable.to_ascii_lowercase());
    name[..name.len().min(64)].parse().ok()
}

/// The secrets of a group, each with its name in the store.
pub(super) fn secrets(group: &Group) -> Vec<(SecretName, &str)> {
    let held = group.converted.variables.held.iter();
    held.filter_map(|(variable, held)| match held {
        Held::Secret(value) => Some((secret_name(&group.wanted.name, variable)?, value.as_str())),
        Held::Literal(_) | Held::FromClient => None,
    })
    .collect()
}

fn new_server(name: ServerName, converted: &Converted, wishes: &Wishes) -> NewServer {
    let egress = wishes.egress.get(&name).cloned().unwrap_or_default();
    let grants = &converted.grants;
    let profile = match (egress.is_empty(), &grants.write, &grants.read) {
        (false, _, _) => Some("web"),
        (true, write, _) if !write.is_empty() => Some("files-rw"),
        (true, _, read) if !read.is_empty() => Some("files-ro"),
        _ => None,
    };
    let env = &converted.variables.held;
    let value = |variable: &String, held: &Held| match (held, secret_name(&name, variable)) {
        (Held::Literal(text), _) => EnvValue::Literal(text.clone()),
        (Held::Secret(_), Some(secret)) => EnvValue::Secret(SecretUse {
            source: SecretSource::Stored(secret),
            delivery: Delivery::Value,
        }),
        (Held::FromClient | Held::Secret(_), _) => EnvValue::FromClient {
            name: variable.clone(),
        },
    };
    let env = env
        .iter()
        .map(|(variable, held)| (variable.clone(), value(variable, held)))
        .collect();
    NewServer {
        env,
        name,
        source: converted.source.clone(),
        program: converted.program.clone(),
        args: converted.args.clone(),
        config: BTreeMap::new(),
        runtime: None,
        build: Vec::new(),
        build_egress: Vec::new(),
        profile: profile.map(str::to_owned),
        egress,
        exec: Vec::new(),
        read: grants.read.clone(),
        write: grants.write.clone(),
        allow: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_becomes_a_name() {
        for (text, name) in [
            ("notes", "notes"),
            ("Weather Station", "weather-station"),
            ("../x", "x"),
            ("", "server"),
            ("..", "server"),
            ("日本", "server"),
            ("@scope/Name", "scope-name"),
            ("a__b.c ", "a__b.c"),
            ("a\u{1b}[2J", "a-2j"),
        ] {
            assert_eq!(name_for(text), name, "{text:?}");
            assert!(name_for(text).parse::<ServerName>().is_ok(), "{text:?}");
        }
        let long = name_for(&"x".repeat(500));
        assert!(format!("{long}-1000000").parse::<ServerName>().is_ok());
    }
}
