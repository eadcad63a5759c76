//! `pinfold explain`: what a server may do, where each right comes from, and what holds it there.

use std::path::Path;

use serde_json::{Value, json};

use super::args::Explain;
use super::context::Context;
use super::exit::Exit;
use super::fingerprint::reason_against;
use super::session::command;
use super::why::{Questions, Situation};
use super::{explain_bundle, explain_text, output, protocol};
use crate::config::{EgressTier, Lines, Manifest, Server};
use crate::launch::{Explanation, Launcher, Right, RightSource, StateFolder};
use crate::lockfile::{LockedServer, ServerName};
use crate::policy::{EgressPolicy, Grant, Origin, VariableSource, variable_sources};
use crate::sandbox::{Access, CallRule};

/// An explanation with everything that it speaks of.
pub(super) struct Explained<'a> {
    pub manifest: &'a Path,
    /// Of the manifest.
    pub text: String,
    pub lines: Lines,
    pub name: &'a ServerName,
    pub server: &'a Server,
    pub locked: &'a LockedServer,
    pub found: Explanation,
    /// Why it would not be started now, in words for a person.
    pub refusal: Option<String>,
}

/// A variable that the server can get.
pub(super) struct Variable {
    pub name: String,
    pub source: VariableSource,
    /// Whether it would get it now.
    pub present: bool,
}

pub(super) async fn run(manifest: Option<&Path>, arguments: &Explain) -> anyhow::Result<Exit> {
    let context = Context::open(manifest)?;
    let questions = Questions::parse(&arguments.why, context.paths.home.as_deref())?;
    let text = Manifest::load_text(&context.paths)?;
    let manifest = context.manifest()?;
    let lock = context.lock()?;
    let (name, server, locked) = context.server(&arguments.name, &manifest, &lock)?;
    let launcher = Launcher::new(&context.paths, &context.store, &context.environment);
    let staging = context.store.staging()?;
    let found = launcher.explain(&staging, &name, server, locked).await?;
    // Whoever doesn't trust a manifest yet wants to know what is in it all the more.
    let state = StateFolder::planned(context.paths.server_state(&name));
    let quarantine = state.quarantine().look().map(|imposed| {
        let release = command(&context, "release", &name);
        format!(
            "it {}; nothing of it runs until `{release}`",
            imposed.describe()
        )
    });
    let refusal = match (context.trusted().err(), &found.refusal) {
        (Some(error), _) => Some(error.to_string()),
        (None, refusal) => quarantine.or_else(|| refusal.as_ref().map(ToString::to_string)),
    };
    let explained = Explained {
        manifest: &context.paths.manifest,
        lines: Lines::of(&text, &name),
        text,
        name: &name,
        server,
        locked,
        found,
        refusal,
    };
    let answers = questions.answer(&Situation {
        context: &context,
        launcher: &launcher,
        explained: &explained,
    });
    if arguments.json {
        let mut document = document(&explained);
        document["why"] = answers.document();
        output::data(&document.to_string());
    } else {
        let lines = match arguments.why.is_empty() {
            true => explain_text::lines(&explained),
            false => answers.lines(),
        };
        for line in lines {
            output::data(&line);
        }
    }
    Ok(match answers.all_yes() {
        true => Exit::Success,
        false => Exit::Drift,
    })
}

impl Explained<'_> {
    /// The line of the manifest that grants this, when it is one that does.
    pub(super) fn line_of(&self, right: &Right) -> Option<usize> {
        self.lines.get(&self.key_of(right)?)
    }

    /// The key of the manifest that grants this, with the place in a list: `files.read.0`.
    pub(super) fn key_of(&self, right: &Right) -> Option<String> {
        match &right.source {
            RightSource::Exec(place) => Some(format!("exec.{place}")),
            RightSource::Grant(grant) => self.key_of_grant(grant),
            _ => None,
        }
    }

    /// The key of an entry of a list that is called `key`, or of the whole list.
    pub(super) fn key_in(&self, key: &str, list: &[String], entry: &str) -> String {
        let place = list.iter().position(|one| one == entry);
        place.map_or_else(|| key.to_owned(), |place| format!("{key}.{place}"))
    }

    /// A list of texts in the server's entry, as it is written; empty when there is none.
    pub(super) fn written_list(&self, key: &[&str]) -> Vec<String> {
        let manifest: toml::Table = self.text.parse().unwrap_or_default();
        let entry = manifest
            .get("servers")
            .and_then(|servers| servers.get(self.name.as_str()));
        let list = key.iter().fold(entry, |above, key| above?.get(key));
        let list = list.and_then(toml::Value::as_array).into_iter().flatten();
        list.filter_map(|text| text.as_str().map(str::to_owned))
            .collect()
    }

    fn line_of_grant(&self, grant: &Grant) -> Option<usize> {
        self.lines.get(&self.key_of_grant(grant)?)
    }

    fn key_of_grant(&self, grant: &Grant) -> Option<String> {
        if grant.origin != Origin::Manifest {
            return None;
        }
        let files = &self.server.files;
        let (key, paths) = match grant.access {
            Access::Write => ("files.write", &files.write),
            _ => ("files.read", &files.read),
        };
        let place = paths
            .iter()
            .position(|path| path.as_path() == Path::new(&grant.path))?;
        Some(format!("{key}.{place}"))
    }

    /// The entries of the egress in force, each with where it comes from and its line.
    pub(super) fn egress_entries(&self) -> Vec<(String, Origin, Option<usize>)> {
        let policy = &self.found.policy;
        let profile = || Origin::Profile(policy.profile.clone());
        let rules = policy.egress.iter().flat_map(|egress| &egress.rules);
        match &self.server.egress {
            Some(written) => written
                .iter()
                .enumerate()
                .map(|(place, rule)| {
                    let line = self.lines.get(&format!("egress.{place}"));
                    (rule.to_string(), Origin::Manifest, line)
                })
                .collect(),
            None => rules
                .map(|rule| (rule.to_string(), profile(), None))
                .collect(),
        }
    }

    /// Egress that passes through pinfold, so that it is limited by name.
    fn egress_by_name(&self) -> Option<&EgressPolicy> {
        let egress = self.found.policy.egress.as_ref()?;
        (egress.tier == EgressTier::Names).then_some(egress)
    }

    /// Names and values: bytes, counts, of `processor_time` milliseconds, of `cpu` hundredths of a processor.
    pub(super) fn numbers(&self) -> Vec<(&'static str, Option<u64>)> {
        let egress = self.egress_by_name();
        let limits = &self.found.policy.limits;
        let own_root = &self.found.policy.own_root;
        vec![
            ("memory", limits.memory),
            ("processes", limits.processes),
            ("processor_time", limits.processor_time),
            ("cpu", limits.cpu),
            ("disk", limits.disk),
            ("open_files", limits.open_files),
            ("file_size", limits.file_size),
            ("shared_memory", Some(own_root.shared_memory)),
            ("temporary", Some(own_root.temporary)),
            ("connections", egress.map(|egress| egress.connections)),
            ("egress", egress.and_then(|egress| egress.bytes)),
        ]
    }

    pub(super) fn origin_of_number(&self, name: &str) -> Option<&Origin> {
        self.found.policy.origins.get(name)
    }

    pub(super) fn variables(&self) -> Vec<Variable> {
        variable_sources(&self.server.env)
            .into_iter()
            .map(|(name, source)| Variable {
                // Whether a secret is there is only known by fetching it.
                present: self.found.variables.contains(&name)
                    || matches!(source, VariableSource::Secret(_)),
                name,
                source,
            })
            .collect()
    }

    pub(super) fn profile_is_chosen(&self) -> bool {
        self.lines.get("profile").is_some()
    }

    pub(super) fn policy_is_as_locked(&self) -> bool {
        self.found.policy.digest() == self.locked.confinement.policy
    }
}

/// Calls that are always allowed, that are allowed with some arguments only, and that are refused.
pub(super) fn calls(allow: &[CallRule], deny: &[CallRule]) -> [Vec<String>; 3] {
    let names = |rules: &[CallRule], conditional: Option<bool>| {
        let mut names: Vec<String> = rules
            .iter()
            .filter(|rule| conditional.is_none_or(|wanted| wanted != rule.when.is_empty()))
            .flat_map(|rule| rule.calls.clone())
            .collect();
        names.sort();
        names.dedup();
        names
    };
    let always = names(allow, Some(false));
    let mut sometimes = names(allow, Some(true));
    sometimes.retain(|name| !always.contains(name));
    let mut never = names(deny, Some(false));
    never.retain(|name| !sometimes.contains(name));
    [always, sometimes, never]
}

fn document(explained: &Explained<'_>) -> Value {
    let found = &explained.found;
    let policy = &found.policy;
    let number = |(name, value): (&str, Option<u64>)| {
        let origin = explained.origin_of_number(name);
        let line = explained.lines.get(&format!("limits.{name}"));
        json!({ "name": name, "value": value, "from": origin.map(|origin| from(origin, line)) })
    };
    let variables: Vec<Value> = explained
        .variables()
        .into_iter()
        .map(|variable| variable_document(explained, &variable))
        .collect();
    let [allowed, allowed_with, refused] = calls(&found.calls.allow, &found.calls.deny);
    let tools: Vec<&str> = policy.tools.iter().map(|tool| tool.as_str()).collect();
    json!({
        "server": explained.name.as_str(),
        "manifest": { "path": explained.manifest, "line": explained.lines.get("") },
        "would_start": explained.refusal.is_none(),
        "refusal": explained.refusal,
        "policy": {
            "digest": policy.digest().to_string(),
            "locked": explained.locked.confinement.policy.to_string(),
            "as_locked": explained.policy_is_as_locked(),
        },
        "profile": {
            "name": policy.profile,
            "line": explained.lines.get("profile"),
        },
        "runtime": policy.runtime.name(),
        "interpreter": explained.locked.interpreter.as_ref().map(|program| json!({
            "kind": program.kind,
            "path": program.path,
            "version": program.version,
            "sha256": program.sha256.to_string(),
        })),
        "network": network_document(explained),
        "files": found.rights.iter().map(|right| json!({
            "path": right.path,
            "access": right.access,
            "why": right.why(),
            "from": right.origin().map(|origin| from(origin, explained.line_of(right))),
        })).collect::<Vec<_>>(),
        "absent": found.absent.iter().map(|grant| json!({
            "path": grant.path,
            "access": grant.access,
            "why": grant.why,
            "from": from(&grant.origin, explained.line_of_grant(grant)),
        })).collect::<Vec<_>>(),
        "environment": variables,
        "bundle": found.bundle.as_ref().map(|bundle| explain_bundle::document(explained, bundle)),
        "withheld": found.withheld,
        "arguments": policy.arguments,
        "tools": tools,
        "calls": policy.calls.document(),
        "alarms": policy.alarms_document(),
        "redacted": policy.calls.redacted(&policy.environment),
        "protocol": protocol_document(explained),
        "numbers": explained.numbers().into_iter().map(number).collect::<Vec<_>>(),
        "system_calls": { "allowed": allowed, "allowed_with": allowed_with, "refused": refused, "unlisted": found.unlisted },
        "layers": found.layers.iter().map(|state| json!({
            "name": state.layer.name(),
            "in_force": state.in_force,
            "note": state.note,
        })).collect::<Vec<_>>(),
        "asked": {
            "namespaces": policy.layers.namespaces.name(),
            "landlock": policy.layers.landlock.name(),
        },
        "warm": json!({
            "count": explained.server.warm,
            "line": explained.lines.get("warm"),
            "kept": explained.server.warm > 0 && reason_against(explained.server).is_none(),
        }),
        "limitations": limitations(found),
    })
}

fn network_document(explained: &Explained<'_>) -> Value {
    let policy = &explained.found.policy;
    let egress = policy.egress.as_ref();
    let origin = match explained.server.egress {
        Some(_) => Origin::Manifest,
        None => Origin::Profile(policy.profile.clone()),
    };
    let entries: Vec<Value> = explained
        .egress_entries()
        .iter()
        .map(|(entry, origin, line)| json!({ "entry": entry, "from": from(origin, *line) }))
        .collect();
    json!({
        "tier": egress.map(|egress| egress.tier.name()),
        "egress": entries,
        "ports": egress.map(EgressPolicy::ports).unwrap_or_default(),
        "check_server_name": egress.map(|egress| egress.check_server_name),
        "own_sockets": policy.own_sockets,
        "from": from(&origin, explained.lines.get("egress")),
    })
}

fn protocol_document(explained: &Explained<'_>) -> Value {
    let entries = protocol::entries(&explained.found.policy.protocol);
    let values = entries.into_iter().map(|entry| {
        let line = explained.lines.get(&format!("grants.{}", entry.key));
        let value = json!({ "value": entry.value, "from": { "part": "manifest", "line": line } });
        let default = json!({ "value": entry.value, "from": null });
        (
            entry.key.to_owned(),
            if line.is_some() { value } else { default },
        )
    });
    Value::Object(values.collect())
}

fn variable_document(explained: &Explained<'_>, variable: &Variable) -> Value {
    let (kind, client) = match &variable.source {
        VariableSource::Passed => ("client", Some(&variable.name)),
        VariableSource::Client { name } => ("client", Some(name)),
        VariableSource::Manifest(_) => ("manifest", None),
        VariableSource::Secret(_) => ("secret", None),
        VariableSource::Pinfold => ("pinfold", None),
    };
    let secret = match &variable.source {
        VariableSource::Secret(secret) => Some(secret.document()),
        _ => None,
    };
    json!({
        "name": variable.name,
        "value_from": kind,
        "client_name": client,
        "secret": secret,
        "line": explained.lines.get(&format!("env.{}", variable.name)),
        "present": variable.present,
    })
}

/// What can't be limited: of the profile, and of this machine.
pub(super) fn limitations(found: &Explanation) -> Vec<String> {
    let machine = found.plan.iter().flat_map(|plan| plan.limitations.clone());
    found
        .policy
        .limitations
        .iter()
        .cloned()
        .chain(machine)
        .collect()
}

fn from(origin: &Origin, line: Option<usize>) -> Value {
    match origin {
        Origin::Base => json!({ "part": "base" }),
        Origin::Profile(name) => json!({ "part": "profile", "name": name }),
        Origin::Runtime(name) => json!({ "part": "runtime", "name": name }),
        Origin::Manifest => json!({ "part": "manifest", "line": line }),
    }
}
