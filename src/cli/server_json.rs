//! What `add` makes of a server.json: `server.json:PATH`, or `registry:NAME` of the MCP registry.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::args::Add;
use super::context::Context;
use super::exit::{DriftError, UsageError};
use super::output;
use super::sources::npm_settings;
use crate::config::EnvValue;
use crate::fetch::{Client, FetchSettings};
use crate::lockfile::LockedServer;
use crate::resolve::server_json::{
    MAX_BYTES, Offer, PUBLIC_REGISTRY, PackageKind, RegistryName, ServerJson, Wishes, ask,
    registry_address,
};

const FILE: &str = "server.json:";
const REGISTRY: &str = "registry:";
/// Names another registry than the official one.
const VARIABLE: &str = "PINFOLD_REGISTRY";

/// Longest description that is shown, in characters.
const MAX_TEXT: usize = 300;

/// The offer that `arguments` mean; `None` when they name a source themselves. It has been shown.
pub(super) async fn offer(
    context: &Context,
    arguments: &Add,
    env: &BTreeMap<String, EnvValue>,
) -> anyhow::Result<Option<Offer>> {
    let (document, from) = match place(&arguments.source)? {
        None => {
            if !arguments.set.is_empty() || arguments.package.is_some() {
                return Err(UsageError(
                    "--set and --package are for `server.json:` and `registry:`".to_owned(),
                )
                .into());
            }
            return Ok(None);
        }
        Some(Place::File(path)) => {
            let from = path.display().to_string();
            (read(&path)?, from)
        }
        Some(Place::Registry(name)) => {
            let address = match context.environment.get(VARIABLE) {
                Some(address) => address
                    .to_str()
                    .with_context(|| format!("{VARIABLE} is not UTF-8"))?
                    .to_owned(),
                None => PUBLIC_REGISTRY.to_owned(),
            };
            let registry = registry_address(&address)?;
            let settings = FetchSettings {
                // The permission to use plain http is about another registry.
                plain_http_origins: Vec::new(),
                ..npm_settings(context)?.fetch_settings()
            };
            let client = Client::new(&settings)?;
            let document = ask(&client, &registry, &name).await?;
            (document, registry.to_string())
        }
    };
    let wishes = Wishes {
        kind: arguments.package.as_deref().and_then(PackageKind::named),
        set: set(&arguments.set)?,
        env: env.clone(),
    };
    let described = output::foreign(&document.description, MAX_TEXT);
    let (name, version) = (&document.name, &document.version);
    output::note(&format!("server     {name} {version}, from {from}"));
    if !described.is_empty() {
        output::note(&format!("           {described}"));
    }
    let offer = document.offer(&wishes)?;
    for line in lines(&document, &offer) {
        output::note(&line);
    }
    Ok(Some(offer))
}

/// Whether the file of the package is the one that the server.json means.
pub(super) fn check(offer: Option<&Offer>, locked: &LockedServer) -> anyhow::Result<()> {
    match offer.map(|offer| offer.check(&locked.artifacts)) {
        Some(Err(reason)) => Err(DriftError(reason).into()),
        Some(Ok(())) | None => Ok(()),
    }
}

enum Place {
    File(PathBuf),
    Registry(RegistryName),
}

fn place(source: &str) -> anyhow::Result<Option<Place>> {
    if let Some(path) = source.strip_prefix(FILE) {
        return Ok(Some(Place::File(PathBuf::from(path))));
    }
    match source.strip_prefix(REGISTRY) {
        Some(name) => Ok(Some(Place::Registry(RegistryName::parse(name)?))),
        None => Ok(None),
    }
}

fn read(path: &Path) -> anyhow::Result<ServerJson> {
    let failed = || format!("could not read {}", path.display());
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).with_context(failed)?;
    file.take(MAX_BYTES + 1)
        .read_to_end(&mut bytes)
        .with_context(failed)?;
    Ok(ServerJson::parse(&bytes)?)
}

fn set(words: &[String]) -> anyhow::Result<BTreeMap<String, Vec<String>>> {
    let mut set: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for word in words {
        let Some((key, value)) = word.split_once('=').filter(|(key, _)| !key.is_empty()) else {
            return Err(UsageError(format!("`{word}` is not KEY=VALUE")).into());
        };
        set.entry(key.to_owned())
            .or_default()
            .push(value.to_owned());
    }
    Ok(set)
}

/// Everything that it would have written, for a person.
fn lines(document: &ServerJson, offer: &Offer) -> Vec<String> {
    let mut lines = vec![format!(
        "source     {}",
        output::foreign(&offer.source, MAX_TEXT)
    )];
    if !offer.args.is_empty() {
        let args: Vec<String> = offer
            .args
            .iter()
            .map(|word| format!("`{}`", output::foreign(word, MAX_TEXT)))
            .collect();
        lines.push(format!("arguments  {}", args.join(" ")));
    }
    for (name, value) in &offer.env {
        lines.push(match value {
            EnvValue::Literal(text) => {
                format!("variable   {name} = `{}`", output::foreign(text, MAX_TEXT))
            }
            EnvValue::FromClient { name: from } => {
                format!("variable   {name}, as the client passes {from}")
            }
            EnvValue::Secret(secret) => {
                format!("variable   {name}, {}", secret.source.described())
            }
        });
    }
    for note in document.notes.iter().chain(&offer.notes) {
        lines.push(format!("note       {}", output::foreign(note, MAX_TEXT)));
    }
    lines
}
