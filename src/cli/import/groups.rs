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
use crate::lockfile::{Digest, Lock, ServerName};

/// A server that is locked once.
pub(super) struct Group {
    /// Its manifest entry, without tools.
    pub wanted: NewServer,
    pub converted: Converted,
    pub members: Vec<Member>,
    /// Whether manifest and lock have it already.
    pub is_present: bool,
}

/// What a group is in the manifest, or will be.
struct Named {
    wanted: NewServer,
    is_present: bool,
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

    /// Servers that are named and were taken over before: the same command may be given again after
    /// some could not be locked.
    ///
    /// # Errors
    /// One that is about no server of the plan, and none of the manifest.
    pub(super) fn check(
        &self,
        groups: &[Group],
        manifest: &Manifest,
    ) -> anyhow::Result<BTreeSet<&ServerName>> {
        let planned: BTreeSet<&ServerName> =
            groups.iter().map(|group| &group.wanted.name).collect();
        let named = self.tools.keys().chain(self.egress.keys());
        let others: BTreeSet<&ServerName> = named.filter(|name| !planned.contains(name)).collect();
        let unknown = others
            .iter()
            .find(|name| !manifest.servers.contains_key(**name));
        match unknown {
            None => Ok(others),
            Some(name) => Err(UsageError(format!(
                "no server that would be taken over is called `{name}`; `pinfold import --dry-run` shows their names"
            ))
            .into()),
        }
    }

    pub(super) fn are_about(&self, name: &ServerName) -> bool {
        self.tools.contains_key(name) || self.egress.contains_key(name)
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
            let named = named(context, &manifest, &lock, wishes, converted, &name, &taken)?;
            taken.insert(named.wanted.name.clone());
            Ok(Group {
                wanted: named.wanted,
                converted: converted.clone(),
                members,
                is_present: named.is_present,
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
) -> anyhow::Result<Named> {
    let base = name_for(name);
    for number in 1_usize.. {
        let name: ServerName = match number {
            1 => base.parse()?,
            number => format!("{base}-{number}").parse()?,
        };
        if taken.contains(&name) {
            continue;
        }
        let Some(present) = manifest.servers.get(&name) else {
            let names = secret_names(&name, converted);
            return Ok(Named {
                wanted: new_server(name, converted, wishes, &names),
                is_present: false,
            });
        };
        let Some(names) = names_of_present(context, present, converted) else {
            continue;
        };
        let wanted = new_server(name, converted, wishes, &names);
        // Other words that can't be read are found when it is added.
        let place = (&context.paths.manifest, context.paths.home.as_deref());
        let Ok(server) = parsed(&wanted, place.0, place.1) else {
            continue;
        };
        if is_same(present, &server) {
            let locked = lock.servers.get(&wanted.name);
            let is_present = locked.is_some_and(|locked| locked.source == server.source_text);
            return Ok(Named { wanted, is_present });
        }
    }
    Err(UsageError("there are too many servers of one name".to_owned()).into())
}

/// The names that a server of the manifest has its secrets under, if their values are these. The
/// same server with another token is another server.
fn names_of_present(
    context: &Context,
    present: &Server,
    converted: &Converted,
) -> Option<BTreeMap<String, SecretName>> {
    let named = secret_variables(converted).map(|(variable, value)| {
        let Some(EnvValue::Secret(SecretUse {
            source: SecretSource::Stored(name),
            ..
        })) = present.env.get(variable)
        else {
            return None;
        };
        let is_same = vault::stored(context, name).is_some_and(|stored| stored.text() == value);
        is_same.then(|| (variable.to_owned(), name.clone()))
    });
    named.collect()
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

/// Longest name of a secret.
const MAX_SECRET_NAME: usize = 64;

/// What a server's secrets are called in the store: `SERVER.VARIABLE` in small letters. Both are
/// made of letters that such a name may have. What would be too long, or be called like another,
/// ends in a digest.
fn secret_names(server: &ServerName, converted: &Converted) -> BTreeMap<String, SecretName> {
    let names = secret_variables(converted).filter_map(|(variable, _)| {
        let is_alike = |(other, _): &(&str, &str)| other.eq_ignore_ascii_case(variable);
        let is_alone = secret_variables(converted).filter(is_alike).count() == 1;
        let name = format!("{server}.{}", variable.to_ascii_lowercase());
        let name = match is_alone && name.len() <= MAX_SECRET_NAME {
            true => name,
            false => {
                let digest = Digest::of(format!("{server}.{variable}").as_bytes()).hex();
                with_end(&name, &digest[..16])
            }
        };
        Some((variable.to_owned(), name.parse().ok()?))
    });
    names.collect()
}

/// A name with something at its end, cut so that all of that fits.
pub(super) fn with_end(name: &str, end: &str) -> String {
    let room = MAX_SECRET_NAME - end.len() - 1;
    format!("{}-{end}", name.get(..room).unwrap_or(name))
}

/// The variables of a server that are secrets, with their values.
pub(super) fn secret_variables(converted: &Converted) -> impl Iterator<Item = (&str, &str)> {
    let held = converted.variables.held.iter();
    held.filter_map(|(variable, held)| match held {
        Held::Secret(value) => Some((variable.as_str(), value.as_str())),
        Held::Literal(_) | Held::FromClient => None,
    })
}

fn new_server(
    name: ServerName,
    converted: &Converted,
    wishes: &Wishes,
    names: &BTreeMap<String, SecretName>,
) -> NewServer {
    let egress = wishes.egress.get(&name).cloned().unwrap_or_default();
    let grants = &converted.grants;
    let profile = match (egress.is_empty(), &grants.write, &grants.read) {
        (false, _, _) => Some("web"),
        (true, write, _) if !write.is_empty() => Some("files-rw"),
        (true, _, read) if !read.is_empty() => Some("files-ro"),
        _ => None,
    };
    let env = &converted.variables.held;
    let value = |variable: &String, held: &Held| match (held, names.get(variable)) {
        (Held::Literal(text), _) => EnvValue::Literal(text.clone()),
        (Held::Secret(_), Some(secret)) => EnvValue::Secret(SecretUse {
            source: SecretSource::Stored(secret.clone()),
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

    #[test]
    fn secrets_of_a_server_never_share_a_name() {
        let mut converted = Converted {
            source: "npm:x".to_owned(),
            program: None,
            args: Vec::new(),
            grants: super::super::grants::Grants::default(),
            variables: super::super::variables::Variables::default(),
            notes: Vec::new(),
        };
        let variables = [
            "TOKEN",
            "api_key",
            "API_KEY",
            "SERVICE_TOKEN",
            "SERVICE_PASSWORD",
        ];
        for variable in variables {
            let value = Held::Secret(format!("of {variable}"));
            converted.variables.held.insert(variable.to_owned(), value);
        }
        for server in ["weather".to_owned(), "x".repeat(56)] {
            let names = secret_names(&server.parse().unwrap(), &converted);
            assert_eq!(names.len(), variables.len(), "{names:?}");
            let different: BTreeSet<&str> = names.values().map(SecretName::as_str).collect();
            assert_eq!(different.len(), variables.len(), "{names:?}");
        }
        // The control: one that is alone and short needs no digest.
        let names = secret_names(&"weather".parse().unwrap(), &converted);
        assert_eq!(names["TOKEN"].as_str(), "weather.token");
        let long = with_end(&"x".repeat(64), "2");
        assert!(long.len() == 64 && long.ends_with("x-2"), "{long}");
    }

    #[test]
    fn words_about_servers_of_the_manifest_are_no_mistake() {
        let text = "[servers.files]\nsource = \"npm:x\"\ntools = { allow = [] }\n";
        let manifest = Manifest::parse(text, std::path::Path::new("pinfold.toml"), None).unwrap();
        let wishes = |word: &str| Wishes::read(&[word.to_owned()], &[]).unwrap();
        let known = wishes("files:a");
        let there = known.check(&[], &manifest).unwrap();
        assert_eq!(there.len(), 1);
        let error = wishes("other:a").check(&[], &manifest).unwrap_err();
        assert!(error.to_string().contains("`other`"), "{error}");
    }
}
