//! `server.json`, the MCP registry's description of a server, as a proposal in our own words:
//! a source, arguments and variables for a manifest.
//!
//! Nothing of it is a command here. A part that would have to be one (options of npx, uvx or
//! docker), or that can't be kept, is refused by its name.
//!
//! <https://github.com/modelcontextprotocol/registry/tree/main/docs/reference/server-json>

mod error;
mod raw;
mod registry;
mod values;

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::value::RawValue;

pub use error::ServerJsonError;
pub use registry::{PUBLIC_REGISTRY, RegistryName, ask, registry_address};

use crate::config::env_names::{is_variable_name, refused_variable};
use crate::config::{EnvValue, Source, normalized_pypi_name};
use crate::lockfile::{Artifact, Digest, Object, is_hidden, printable};
use raw::{Format, Input, Outline, Package};
use values::{Filled, Values};

/// The largest document that is read: 1 MiB. Real ones have some kilobytes.
pub const MAX_BYTES: u64 = 1 << 20;
const MAX_PACKAGES: usize = 64;
const MAX_INPUTS: usize = 256;

/// Words of npx that say what happens here anyway.
const NPX_YES: [&str; 2] = ["-y", "--yes"];

/// A server.json, of which no package was judged yet.
#[derive(Debug)]
pub struct ServerJson {
    pub name: String,
    pub version: String,
    /// For people; as its author wrote it.
    pub description: String,
    /// For a person.
    pub notes: Vec<String>,
    packages: Vec<Box<RawValue>>,
    is_remote: bool,
}

/// The kinds of packages that have a source here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PackageKind {
    Npm,
    Pypi,
    Mcpb,
}

/// What the user has to say.
#[derive(Clone, Debug, Default)]
pub struct Wishes {
    /// The first that there is, when none is named.
    pub kind: Option<PackageKind>,
    /// Values by what the server.json calls them.
    pub set: BTreeMap<String, Vec<String>>,
    /// Variables that have their value already.
    pub env: BTreeMap<String, EnvValue>,
}

/// What a manifest would say. Nothing of it is in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    pub source: String,
    pub args: Vec<String>,
    /// Without those that the user had given.
    pub env: BTreeMap<String, EnvValue>,
    /// For a person.
    pub notes: Vec<String>,
    promised: Option<Promised>,
}

/// The digest that the server.json says of a package's file.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Promised {
    name: String,
    sha256: Digest,
}

impl PackageKind {
    const ALL: [Self; 3] = [Self::Npm, Self::Pypi, Self::Mcpb];

    /// The `registryType`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Npm => "npm",
            Self::Pypi => "pypi",
            Self::Mcpb => "mcpb",
        }
    }

    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The only registry whose packages are meant, and what would start them elsewhere.
    fn public(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Npm => Some(("https://registry.npmjs.org", "npx")),
            Self::Pypi => Some(("https://pypi.org", "uvx")),
            Self::Mcpb => None,
        }
    }
}

impl ServerJson {
    /// Reads a document.
    pub fn parse(bytes: &[u8]) -> Result<Self, ServerJsonError> {
        if bytes.len() as u64 > MAX_BYTES {
            return Err(ServerJsonError::Unreadable(
                "it is larger than 1 MiB".to_owned(),
            ));
        }
        let Object(document) = serde_json::from_slice::<Object<raw::Document>>(bytes)
            .map_err(|error| ServerJsonError::Unreadable(error.to_string()))?;
        let packages = document.packages.unwrap_or_default();
        if packages.len() > MAX_PACKAGES {
            return Err(ServerJsonError::field("packages", "there are too many"));
        }
        for (field, text) in [("name", &document.name), ("version", &document.version)] {
            if text.is_empty() || text.len() > 255 || text.chars().any(is_hidden) {
                return Err(ServerJsonError::field(
                    field,
                    "it is empty, too long, or holds a control or invisible character",
                ));
            }
        }
        Ok(Self {
            name: document.name,
            version: document.version,
            description: document.description.unwrap_or_default(),
            notes: Vec::new(),
            packages,
            is_remote: document.remotes.is_some_and(|remotes| !remotes.is_empty()),
        })
    }

    /// Judges the package that is meant, and puts the values in.
    ///
    /// # Errors
    /// Names the part that can't be used, or all values that are missing.
    pub fn offer(&self, wishes: &Wishes) -> Result<Offer, ServerJsonError> {
        let mut others = Vec::new();
        let mut chosen = None;
        for (place, package) in self.packages.iter().enumerate() {
            let field = format!("packages[{place}]");
            let Object(outline) = serde_json::from_str::<Object<Outline>>(package.get())
                .map_err(|error| ServerJsonError::field(&field, error.to_string()))?;
            let transport = outline.transport.map_or_else(String::new, |it| it.kind);
            let kind = PackageKind::named(&outline.registry_type)
                .filter(|kind| wishes.kind.is_none_or(|wished| wished == *kind));
            match kind {
                Some(kind) if transport == "stdio" && chosen.is_none() => {
                    chosen = Some((kind, field, package));
                }
                _ => others.push(printable(
                    &format!(
                        "{} `{}` ({})",
                        outline.registry_type,
                        outline.identifier,
                        match transport.as_str() {
                            "" => "no transport",
                            transport => transport,
                        }
                    ),
                    200,
                )),
            }
        }
        if self.is_remote {
            others.push("a server of somebody else's, over the network".to_owned());
        }
        let Some((kind, field, package)) = chosen else {
            return Err(ServerJsonError::NoPackage {
                offered: match others.is_empty() {
                    true => "it has no packages".to_owned(),
                    false => others.join(", "),
                },
            });
        };
        let Object(package) = serde_json::from_str::<Object<Package>>(package.get())
            .map_err(|error| ServerJsonError::field(&field, error.to_string()))?;
        let mut offer = judge(kind, &package, &field, wishes)?;
        if !others.is_empty() {
            offer
                .notes
                .push(format!("it is offered as well as: {}", others.join(", ")));
        }
        Ok(offer)
    }
}

impl Offer {
    /// Whether the file of the package has the digest that the server.json says; nothing is said
    /// of most.
    ///
    /// # Errors
    /// The digest that it has, in words.
    pub fn check(&self, artifacts: &[Artifact]) -> Result<(), String> {
        let Some(promised) = &self.promised else {
            return Ok(());
        };
        let own = |artifact: &&Artifact| {
            artifact.name == promised.name
                || normalized_pypi_name(&artifact.name) == normalized_pypi_name(&promised.name)
        };
        let mut found = artifacts.iter().filter(own).map(|artifact| artifact.sha256);
        match found.clone().any(|sha256| sha256 == promised.sha256) {
            true => Ok(()),
            false => Err(format!(
                "the server.json says that {} has the digest {}, and it has {}; nothing was written",
                printable(&promised.name, 200),
                promised.sha256,
                found
                    .next()
                    .map_or_else(|| "none".to_owned(), |it| it.to_string()),
            )),
        }
    }
}

fn judge(
    kind: PackageKind,
    package: &Package,
    field: &str,
    wishes: &Wishes,
) -> Result<Offer, ServerJsonError> {
    let mut notes = Vec::new();
    judge_runtime(kind, package, field, &mut notes)?;
    let (source, promised) = source(kind, package, field)?;
    let arguments = package.package_arguments.as_deref().unwrap_or_default();
    let variables = package.environment_variables.as_deref().unwrap_or_default();
    for (inputs, key) in [
        (arguments, "packageArguments"),
        (variables, "environmentVariables"),
    ] {
        let field = format!("{field}.{key}");
        if inputs.len() > MAX_INPUTS {
            return Err(ServerJsonError::field(field, "there are too many"));
        }
        if kind == PackageKind::Mcpb && !inputs.is_empty() {
            return Err(ServerJsonError::field(
                field,
                "a bundle says in its own manifest.json how it is run",
            ));
        }
    }
    let mut values = Values::new(&wishes.set);
    let mut args = Vec::new();
    for (place, Object(input)) in arguments.iter().enumerate() {
        let field = format!("{field}.packageArguments[{place}]");
        argument(input, &field, &mut values, &mut args, &mut notes)?;
    }
    let mut env = BTreeMap::new();
    let mut named = Vec::new();
    for (place, Object(input)) in variables.iter().enumerate() {
        let field = format!("{field}.environmentVariables[{place}]");
        let name = variable_name(input, &field)?;
        if named.contains(&name) {
            return Err(ServerJsonError::field(field, "the same name again"));
        }
        named.push(name);
        if let Some(value) = variable(name, input, &field, wishes, &mut values, &mut notes)? {
            env.insert(name.to_owned(), value);
        }
    }
    values.finish()?;
    Ok(Offer {
        source,
        args,
        env,
        notes,
        promised,
    })
}

/// What would start it elsewhere has nothing to say here.
fn judge_runtime(
    kind: PackageKind,
    package: &Package,
    field: &str,
    notes: &mut Vec<String>,
) -> Result<(), ServerJsonError> {
    let public = kind.public();
    let own = public.map(|(_, starter)| starter);
    if let Some(hint) = package
        .runtime_hint
        .as_deref()
        .filter(|hint| Some(*hint) != own)
    {
        notes.push(format!(
            "it hints at being run by `{}`; pinfold runs it by itself",
            printable(hint, 40)
        ));
    }
    for (place, Object(input)) in package.runtime_arguments.iter().flatten().enumerate() {
        let word = match input.kind.as_deref() {
            Some("named") if input.value.is_none() => input.name.as_deref(),
            _ => input.value.as_deref(),
        };
        let is_yes = kind == PackageKind::Npm && word.is_some_and(|word| NPX_YES.contains(&word));
        if !is_yes {
            let word = word.or(input.name.as_deref()).unwrap_or("?");
            return Err(ServerJsonError::field(
                format!("{field}.runtimeArguments[{place}]"),
                format!("`{word}` is for a command that pinfold doesn't run"),
            ));
        }
    }
    let base = package.registry_base_url.as_deref();
    match (base.map(|base| base.trim_end_matches('/')), public) {
        (Some(base), Some((public, _))) if base != public => Err(ServerJsonError::field(
            format!("{field}.registryBaseUrl"),
            format!(
                "`{base}` is another registry than {public}; which one is asked is a setting of yours, not of a server.json"
            ),
        )),
        _ => Ok(()),
    }
}

fn source(
    kind: PackageKind,
    package: &Package,
    field: &str,
) -> Result<(String, Option<Promised>), ServerJsonError> {
    let identifier = &package.identifier;
    let refuse =
        |key: &str, reason: String| Err(ServerJsonError::field(format!("{field}.{key}"), reason));
    let promised = match &package.file_sha256 {
        None => None,
        Some(hex) => match Digest::from_hex(hex) {
            Ok(digest) => Some(digest),
            Err(_) => return refuse("fileSha256", "it is not 64 hexadecimal digits".to_owned()),
        },
    };
    let version = package.version.as_deref().unwrap_or_default();
    let text = match (kind, promised) {
        (PackageKind::Npm, _) => format!("npm:{identifier}@{version}"),
        (PackageKind::Pypi, _) => format!("pypi:{identifier}=={version}"),
        (PackageKind::Mcpb, Some(digest)) => format!("{identifier}#sha256={}", digest.hex()),
        (PackageKind::Mcpb, None) => return refuse("fileSha256", "a bundle needs one".to_owned()),
    };
    if kind != PackageKind::Mcpb && version.is_empty() {
        return refuse("version", "it is missing".to_owned());
    }
    let parsed = match Source::parse(&text, Path::new("/"), None) {
        Ok(parsed) => parsed,
        Err(error) => return refuse("identifier", error.to_string()),
    };
    // What is read back must be what was put in, and one version.
    let is_meant = match &parsed {
        Source::Npm { name, range } => {
            kind == PackageKind::Npm
                && name == identifier
                && range.as_deref() == Some(version)
                && parsed.asks_for_exact_version()
        }
        Source::Pypi { name, extras, .. } => {
            kind == PackageKind::Pypi
                && name == identifier
                && extras.is_empty()
                && parsed.exact_pypi_version() == Some(version)
        }
        Source::Https { .. } => kind == PackageKind::Mcpb && !identifier.contains('#'),
        Source::Path { .. } => false,
    };
    if !is_meant {
        return refuse(
            "version",
            format!("`{identifier}` `{version}` is not a name and one exact version"),
        );
    }
    let promised = promised
        .filter(|_| kind != PackageKind::Mcpb)
        .map(|sha256| Promised {
            name: identifier.clone(),
            sha256,
        });
    Ok((text, promised))
}

fn argument(
    input: &Input,
    field: &str,
    values: &mut Values<'_>,
    args: &mut Vec<String>,
    notes: &mut Vec<String>,
) -> Result<(), ServerJsonError> {
    let (flag, key) = match input.kind.as_deref() {
        Some("positional") => {
            if input.name.is_some() {
                return Err(ServerJsonError::field(
                    field,
                    "a positional argument has no name",
                ));
            }
            (None, input.value_hint.as_deref())
        }
        Some("named") => {
            let name = input.name.as_deref().unwrap_or_default();
            let is_flag = name.starts_with('-')
                && name
                    .trim_start_matches('-')
                    .starts_with(|c: char| c.is_ascii_alphanumeric())
                && !name.chars().any(|c| is_hidden(c) || c.is_whitespace());
            if !is_flag {
                return Err(ServerJsonError::field(
                    field,
                    format!("`{name}` is not the name of an option, such as `--port`"),
                ));
            }
            (Some(name), Some(name.trim_start_matches('-')))
        }
        _ => {
            return Err(ServerJsonError::field(
                field,
                "its type is neither `positional` nor `named`",
            ));
        }
    };
    let Some(key) = key.or(input.value.as_deref()) else {
        return Err(ServerJsonError::field(
            field,
            "it has neither a value nor a valueHint",
        ));
    };
    let shown = printable(key, 80);
    match values.fill(input, Some(key), field)? {
        Filled::Texts(texts) => {
            if input.format == Format::Filepath {
                notes.push(format!(
                    "`{shown}` is a path; the server can use it when it is granted by --read or --write"
                ));
            }
            for text in texts {
                args.extend(flag.map(str::to_owned));
                // `--set KEY=` is the option alone.
                if flag.is_none() || !text.is_empty() {
                    args.push(text);
                }
            }
        }
        Filled::Secret if input.is_required || values.is_given(key) => {
            return Err(ServerJsonError::field(
                field,
                "it is a secret, and arguments stand in the manifest, where every program can read them; the server has to take it from a variable",
            ));
        }
        Filled::Secret | Filled::Nothing => {
            let what = flag.map_or_else(
                || format!("`{shown}`"),
                |flag| format!("`{}`", printable(flag, 80)),
            );
            notes.push(format!(
                "{what} is optional and left out; `--set {shown}=VALUE` gives it"
            ));
        }
        // Variables within its value have said themselves what is missing.
        Filled::Missing if input.value.is_some() => {}
        Filled::Missing => values.miss(input, format!("--set {shown}=VALUE")),
    }
    Ok(())
}

fn variable_name<'i>(input: &'i Input, field: &str) -> Result<&'i str, ServerJsonError> {
    let name = input.name.as_deref().unwrap_or_default();
    if !is_variable_name(name) {
        return Err(ServerJsonError::field(
            field,
            format!("`{name}` is not the name of a variable"),
        ));
    }
    if let Some(reason) = refused_variable(name) {
        return Err(ServerJsonError::field(
            field,
            format!("{name} can't be set: {reason}"),
        ));
    }
    if input.kind.is_some() || input.is_repeated {
        return Err(ServerJsonError::field(
            field,
            "a variable has no `type` and is not repeated",
        ));
    }
    Ok(name)
}

fn variable(
    name: &str,
    input: &Input,
    field: &str,
    wishes: &Wishes,
    values: &mut Values<'_>,
    notes: &mut Vec<String>,
) -> Result<Option<EnvValue>, ServerJsonError> {
    if wishes.env.contains_key(name) {
        return Ok(None);
    }
    Ok(match values.fill(input, None, field)? {
        Filled::Texts(texts) => {
            if input.format == Format::Filepath {
                notes.push(format!(
                    "{name} is a path; the server can use it when it is granted by --read or --write"
                ));
            }
            Some(EnvValue::Literal(texts.concat()))
        }
        Filled::Secret => {
            let needed = if input.is_required {
                "needed"
            } else {
                "optional"
            };
            notes.push(format!(
                "{name} is a secret ({needed}): the client has to pass it; it is written nowhere"
            ));
            Some(EnvValue::FromClient {
                name: name.to_owned(),
            })
        }
        Filled::Nothing => {
            notes.push(format!(
                "{name} is optional and left out; `--env {name}=VALUE` gives it"
            ));
            None
        }
        Filled::Missing => {
            // Variables within its value have said themselves what is missing.
            if input.value.is_none() {
                values.miss(input, format!("--env {name}=VALUE"));
            }
            None
        }
    })
}

#[cfg(test)]
mod tests;
