//! `pinfold secret`: the values that servers get and nobody else. None is ever printed.

use std::io::IsTerminal as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use serde_json::{Value, json};

use super::args::{Secret as Arguments, SecretAction, SecretSet};
use super::context::Context;
use super::exit::{Exit, UsageError};
use super::secret_users::{Use, Uses};
use super::{hidden_input, output};
use crate::config::{Paths, SecretName};
use crate::launch::{ImposedBy, StateFolder};
use crate::secrets::{PATIENCE, Secret, SecretStore, StoreKind, StoredSecret, keep_out_of_dumps};

/// For a person who is asked for the keyring's password.
const UNLOCK_PATIENCE: Duration = Duration::from_secs(60);

pub(super) fn run(manifest: Option<&Path>, arguments: &Arguments) -> anyhow::Result<Exit> {
    match &arguments.action {
        SecretAction::Set(arguments) => set(&Context::open(manifest)?, arguments),
        SecretAction::List { json, unlock } => {
            // It has nothing to do with packages.
            let (context, _) = Context::for_looking(manifest)?;
            list(&context, *json, *unlock)
        }
        SecretAction::Remove { name } => remove(&Context::open(manifest)?, name),
    }
}

fn set(context: &Context, arguments: &SecretSet) -> anyhow::Result<Exit> {
    keep_out_of_dumps().context("this process's memory could not be kept out of core dumps")?;
    let name: SecretName = arguments.name.parse()?;
    let mut store = SecretStore::for_setting(&context.paths.data, arguments.store)?;
    let value = if std::io::stdin().is_terminal() {
        hidden_input::ask(&format!("Value of `{name}` (it is not shown): "))?
    } else {
        Secret::read_line_of(std::io::stdin().lock())
            .context("the value is what comes on standard input")?
    };
    if store.kind() == StoreKind::SecretService && output::interactive() {
        store.unlock(UNLOCK_PATIENCE)?;
    }
    store.set(&name, &value, PATIENCE)?;
    output::note(&format!("`{name}` is kept {}.", store.place()));
    let uses = Uses::find(context)?;
    if uses.of(&name).next().is_none() {
        output::note(&format!(
            "No server uses it yet: write for example env = {{ TOKEN = {{ secret = \"{name}\" }} }} into its part of the manifest, and run `pinfold lock`."
        ));
    }
    Ok(Exit::Success)
}

fn list(context: &Context, as_json: bool, unlock: bool) -> anyhow::Result<Exit> {
    let store = SecretStore::decided(&context.paths.data)?;
    let stored = match &store {
        None => Vec::new(),
        Some(store) => {
            if unlock {
                store.unlock(UNLOCK_PATIENCE)?;
            }
            store.list(PATIENCE)?
        }
    };
    let uses = Uses::find(context)?;
    let missing: Vec<&SecretName> = uses
        .names()
        .filter(|name| !stored.iter().any(|one| one.name == **name))
        .collect();
    if as_json {
        output::data(&document(store.as_ref(), &stored, &missing, &uses).to_string());
        return Ok(Exit::Success);
    }
    output::note(&match &store {
        Some(store) => format!("Secrets are kept {}.", store.place()),
        None => "No secret was ever stored; `pinfold secret set NAME` stores one.".to_owned(),
    });
    for one in &stored {
        let age = humantime::format_duration(Duration::from_secs(age_of(one)));
        output::data(&format!(
            "{:24} set {} ago; {}",
            one.name.as_str(),
            shortened(&age.to_string()),
            users(uses.of(&one.name))
        ));
    }
    for name in missing {
        output::data(&format!(
            "{:24} missing; {}",
            name.as_str(),
            users(uses.of(name))
        ));
    }
    Ok(Exit::Success)
}

fn remove(context: &Context, name: &str) -> anyhow::Result<Exit> {
    let name: SecretName = name.parse()?;
    // First of all: what can't be found can't be revoked.
    let uses = Uses::find(context)?;
    if let Some(unread) = uses.unread.first() {
        anyhow::bail!(
            "{} can't be read, so it is not known which servers use `{name}`, and their sessions would go on with it; nothing was removed. Mend or remove that file and try again; `pinfold quarantine SERVER` ends a server's sessions meanwhile",
            unread.display()
        );
    }
    let store = SecretStore::decided(&context.paths.data)?;
    let was_there = match &store {
        Some(store) => store.remove(&name, PATIENCE)?,
        None => false,
    };
    if was_there {
        output::note(&format!("`{name}` is not kept any more."));
    }
    let (mut revoked, mut failed) = (false, None);
    for one in uses.of(&name) {
        match revoke(context, &name, one) {
            Ok(now) => revoked |= now,
            // One that can't be stopped doesn't keep the others running.
            Err(error) => failed = Some(error),
        }
    }
    if let Some(error) = failed {
        return Err(error);
    }
    // An earlier removal may have got no further than the store.
    if !was_there && !revoked {
        let place = store.map_or(String::new(), |store| format!(" {}", store.place()));
        return Err(UsageError(format!(
            "there is no secret `{name}`{place}; `pinfold secret list` shows those that are"
        ))
        .into());
    }
    Ok(Exit::Success)
}

/// Ends the sessions that hold the value, and lets none start until somebody releases the server.
/// Whether it was not in quarantine before.
fn revoke(context: &Context, name: &SecretName, used: &Use) -> anyhow::Result<bool> {
    let Use {
        manifest,
        server,
        variable,
    } = used;
    let paths = Paths::resolve(&context.environment, Some(manifest))?;
    let state = StateFolder::create(paths.server_state(server))?;
    let reason = format!("the secret `{name}` ({variable}) was removed");
    let already = state
        .quarantine()
        .impose(ImposedBy::SecretRemoval, Some(&reason))
        .with_context(|| {
            format!("`{server}` could not be put into quarantine, and may still run with it")
        })?;
    let elsewhere = match paths.own_manifest {
        true => String::new(),
        false => format!(" --manifest {}", manifest.display()),
    };
    let is_new = already.is_none();
    output::note(&match already {
        Some(imposed) => format!("`{server}` uses it, and {}", imposed.describe()),
        None => format!(
            "`{server}` used it as {variable} and is in quarantine: its sessions end, and it refuses to start until the secret is set again and `pinfold{elsewhere} release {server}`."
        ),
    });
    Ok(is_new)
}

fn document(
    store: Option<&SecretStore>,
    stored: &[StoredSecret],
    missing: &[&SecretName],
    uses: &Uses,
) -> Value {
    let servers = |name: &SecretName| -> Value {
        uses.of(name)
            .map(|one| {
                json!({
                    "manifest": one.manifest,
                    "server": one.server.as_str(),
                    "variable": one.variable,
                })
            })
            .collect()
    };
    let secrets: Vec<Value> = stored
        .iter()
        .map(|one| {
            json!({
                "name": one.name.as_str(),
                "changed": humantime::format_rfc3339_seconds(one.changed).to_string(),
                "age_seconds": age_of(one),
                "servers": servers(&one.name),
            })
        })
        .collect();
    let missing: Vec<Value> = missing
        .iter()
        .map(|name| json!({ "name": name.as_str(), "servers": servers(name) }))
        .collect();
    json!({
        "store": store.map(|store| store.kind().name()),
        "secrets": secrets,
        "missing": missing,
        "unread": uses.unread,
    })
}

fn age_of(one: &StoredSecret) -> u64 {
    SystemTime::now()
        .duration_since(one.changed)
        .map_or(0, |age| age.as_secs())
}

/// The two largest units.
fn shortened(span: &str) -> String {
    let words: Vec<&str> = span.split(' ').take(2).collect();
    words.join(" ")
}

fn users<'a>(uses: impl Iterator<Item = &'a Use>) -> String {
    let users: Vec<String> = uses
        .map(|one| format!("{} ({})", one.server, one.variable))
        .collect();
    match users.is_empty() {
        true => "no server uses it".to_owned(),
        false => format!("used by {}", output::foreign(&users.join(", "), 2000)),
    }
}
