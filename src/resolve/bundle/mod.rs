//! Bundles (.mcpb): what their manifest.json says, in our own words.
//!
//! A bundle is a zip archive with a `manifest.json` at its root. That file names a
//! command line; nothing here passes it on. What is run is the entry point, by the
//! interpreter that the lock pins, with the arguments that come after it; a command
//! line that means anything else is refused by the name of the part that does.
//!
//! The manifest.json is in the tree, so the tree's digest pins it, and it is read
//! anew at each launch.

mod described;
mod error;
mod raw;
mod template;
mod values;

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

pub use self::described::{BundleDescription, DescribedValue, ValueOrigin};
pub use self::error::BundleError;

use self::template::Template;
use self::values::Values;
use super::ResolveError;
use super::npm::entry::{clean, is_file_inside};
use crate::config::env_names::{is_variable_name, refused_variable};
use crate::config::{ConfigValue, Delivery};
use crate::lockfile::Object;

/// The file at a bundle's root.
pub const MANIFEST: &str = "manifest.json";

const MAX_MANIFEST_BYTES: u64 = 1 << 20;
const MAX_ARGUMENTS: usize = 1024;
const VERSIONS: [&str; 4] = ["0.1", "0.2", "0.3", "0.4"];

/// Options before the entry point that change nothing about which code is run.
const NODE_OPTIONS: [&str; 2] = ["--enable-source-maps", "--no-warnings"];
const PYTHON_OPTIONS: [&str; 5] = ["-u", "-B", "-E", "-s", "-I"];

/// Variables that name folders of code, which may be the bundle's own.
const CODE_PATHS: [&str; 2] = ["PYTHONPATH", "NODE_PATH"];

/// What runs the entry point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BundleKind {
    Node,
    Python,
    /// Nothing, or what its first line names.
    Binary,
}

/// A bundle whose every part is understood.
#[derive(Debug)]
pub struct Bundle {
    pub name: String,
    pub version: String,
    pub kind: BundleKind,
    /// Relative to the bundle's folder, with `/`.
    pub entry_point: String,
    /// The tools that it says it has; `None` when it doesn't say, or says there are more.
    pub tools: Option<Vec<String>>,
    /// What it asks of its surroundings and nobody checks, in words for a person.
    pub notes: Vec<String>,
    /// Of the interpreter, before the entry point.
    options: Vec<String>,
    arguments: Vec<Template>,
    environment: BTreeMap<String, Template>,
    asked: BTreeMap<String, raw::Asked>,
}

/// What the variables of a bundle stand for.
#[derive(Clone, Copy, Debug)]
pub struct BundlePlaces<'a> {
    /// Where the bundle's files are.
    pub folder: &'a Path,
    /// The server's own home.
    pub home: &'a Path,
    /// The user's, for `~/` in values.
    pub user_home: Option<&'a Path>,
}

/// Where the values come from that the manifest doesn't hold.
#[derive(Clone, Copy)]
pub struct BundleInputs<'a> {
    /// Of the MCP client, by the variable's name.
    pub client: &'a dyn Fn(&str) -> Option<String>,
    /// Secrets, by the key of `config`: the value, or the path of a file that holds it.
    pub secret: &'a dyn Fn(&str) -> Option<String>,
}

/// How an entry point is run: values put in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BundleRun {
    /// Of the interpreter, before the entry point.
    pub options: Vec<String>,
    /// After the entry point.
    pub arguments: Vec<String>,
    pub environment: BTreeMap<String, String>,
    /// Names and values of what must not be repeated.
    pub secrets: Vec<(String, String)>,
}

/// Whether this manifest.json is one of a bundle. Other programs have files of that name, too.
pub fn looks_like_manifest(bytes: &[u8]) -> bool {
    // The values are passed over: made into objects, they take many times their length.
    let parsed = serde_json::from_slice::<BTreeMap<String, serde::de::IgnoredAny>>(bytes);
    parsed.is_ok_and(|keys| keys.contains_key("server") || keys.contains_key("dxt_version"))
}

impl Bundle {
    /// Reads and judges the bundle that was unpacked to `folder`.
    ///
    /// # Errors
    /// When a part of its manifest.json is not understood or can't be honoured, or its entry
    /// point is not one of its files.
    pub fn read(folder: &Path) -> Result<Self, ResolveError> {
        let path = folder.join(MANIFEST);
        let failed = |source| ResolveError::Read {
            path: path.clone(),
            source,
        };
        let mut bytes = Vec::new();
        let file = std::fs::File::open(&path).map_err(failed)?;
        file.take(MAX_MANIFEST_BYTES + 1)
            .read_to_end(&mut bytes)
            .map_err(failed)?;
        let bundle = Self::parse(&bytes).map_err(ResolveError::Bundle)?;
        let entry = &bundle.entry_point;
        let missing = || BundleError::field("server.entry_point", "there is no such file in it");
        match std::fs::symlink_metadata(folder.join(entry)) {
            Ok(_) if is_file_inside(folder, entry)? => Ok(bundle),
            _ => Err(ResolveError::Bundle(missing())),
        }
    }

    /// Judges a manifest.json.
    pub fn parse(bytes: &[u8]) -> Result<Self, BundleError> {
        let unreadable = |reason: String| BundleError::Manifest(reason);
        if bytes.len() as u64 > MAX_MANIFEST_BYTES {
            return Err(unreadable("it is larger than 1 MiB".to_owned()));
        }
        let Object(manifest) = serde_json::from_slice::<Object<raw::Manifest>>(bytes)
            .map_err(|error| unreadable(error.to_string()))?;
        judge_version(&manifest)?;
        let Object(server) = manifest.server;
        let kind = kind_of(&server.kind)?;
        let entry_point = clean(&server.entry_point)
            .filter(|entry| !entry.is_empty() && !server.entry_point.contains('\\'))
            .ok_or_else(|| {
                let reason = "it is not the path of a file in the bundle";
                BundleError::field("server.entry_point", reason)
            })?;
        let command = match server.mcp_config {
            Some(Object(command)) => for_linux(command),
            None => CommandLine::default(),
        };
        let asked: BTreeMap<String, raw::Asked> = manifest
            .user_config
            .map(|asked| asked.0)
            .unwrap_or_default()
            .into_iter()
            .map(|(key, Object(asked))| (key, asked))
            .collect();
        let (options, arguments) = command_line(kind, &entry_point, &command)?;
        let environment = environment(&command)?;
        for template in arguments.iter().chain(environment.values()) {
            if let Some(unknown) = template.values().find(|key| !asked.contains_key(*key)) {
                return Err(BundleError::Variable {
                    field: "server.mcp_config".to_owned(),
                    variable: format!("user_config.{unknown}"),
                });
            }
        }
        let mut notes = Vec::new();
        if let Some(Object(compatibility)) = manifest.compatibility {
            judge_compatibility(compatibility, &mut notes)?;
        }
        if manifest.prompts.is_some_and(|prompts| !prompts.is_empty()) {
            notes.push(
                "the bundle has prompts of its own, which the server may not offer; they are left out"
                    .to_owned(),
            );
        }
        let complete = !manifest.tools_generated.unwrap_or(false);
        let tools = manifest
            .tools
            .filter(|_| complete)
            .map(|tools| tools.into_iter().map(|Object(tool)| tool.name).collect());
        Ok(Self {
            name: manifest.name,
            version: manifest.version,
            kind,
            entry_point,
            tools,
            notes,
            options,
            arguments,
            environment,
            asked,
        })
    }

    /// Puts `given` values in. `inputs` are asked for what is elsewhere.
    ///
    /// # Errors
    /// When a value is missing, unknown or not of its kind.
    pub fn run(
        &self,
        given: &BTreeMap<String, ConfigValue>,
        inputs: BundleInputs<'_>,
        places: BundlePlaces<'_>,
    ) -> Result<BundleRun, BundleError> {
        let values = Values::decide(&self.asked, given, inputs, places)?;
        for key in self.arguments.iter().flat_map(Template::values) {
            if let Some(ConfigValue::Secret(secret)) = given.get(key)
                && secret.delivery == Delivery::Value
            {
                return Err(BundleError::config(
                    key,
                    "it is a secret, and the bundle puts it into an argument, which every program of this user can read; if the bundle takes a file, add deliver = \"file\"",
                ));
            }
        }
        let mut run = BundleRun {
            options: self.options.clone(),
            secrets: values.secrets(),
            ..BundleRun::default()
        };
        for template in &self.arguments {
            run.arguments
                .extend(values.fill(template, "server.mcp_config.args", places)?);
        }
        for (name, template) in &self.environment {
            let field = format!("server.mcp_config.env.{name}");
            let mut filled = values.fill(template, &field, places)?;
            if filled.len() > 1 {
                let reason = "a list of values is no value of a variable";
                return Err(BundleError::field(field, reason));
            }
            if let Some(text) = filled.pop() {
                judge_code_path(name, &text, places.folder)?;
                run.environment.insert(name.clone(), text);
            }
        }
        Ok(run)
    }
}

/// A command line as written, with what holds for this system.
#[derive(Default)]
struct CommandLine {
    command: Option<String>,
    args: Vec<String>,
    env: BTreeMap<String, String>,
}

fn for_linux(command: raw::CommandLine) -> CommandLine {
    let overrides = command.platform_overrides.map(|map| map.0);
    let own = overrides.and_then(|mut map| map.remove("linux"));
    let Object(own) = own.unwrap_or(Object(raw::Override {
        command: None,
        args: None,
        env: None,
    }));
    let env = own.env.or(command.env);
    CommandLine {
        command: own.command.or(command.command),
        args: own.args.or(command.args).unwrap_or_default(),
        env: env.map(|map| map.0).unwrap_or_default(),
    }
}

fn judge_version(manifest: &raw::Manifest) -> Result<(), BundleError> {
    let version = match (&manifest.manifest_version, &manifest.dxt_version) {
        (Some(version), None) | (None, Some(version)) => version,
        (Some(version), Some(other)) if version == other => version,
        (Some(_), Some(_)) => {
            let reason = "it differs from `dxt_version`";
            return Err(BundleError::field("manifest_version", reason));
        }
        (None, None) => return Err(BundleError::field("manifest_version", "it is missing")),
    };
    match VERSIONS.contains(&version.as_str()) {
        true => Ok(()),
        false => Err(BundleError::Version(version.clone())),
    }
}

fn kind_of(written: &str) -> Result<BundleKind, BundleError> {
    match written {
        "node" => Ok(BundleKind::Node),
        "python" => Ok(BundleKind::Python),
        "binary" => Ok(BundleKind::Binary),
        "uv" => Err(BundleError::field(
            "server.type",
            "with `uv` its packages are chosen at each start, so nothing pins them; ask its author for a bundle of type `python`, or use its PyPI package",
        )),
        _ => Err(BundleError::field(
            "server.type",
            "it is none of `node`, `python` and `binary`",
        )),
    }
}

/// The options before the entry point and the arguments after it.
fn command_line(
    kind: BundleKind,
    entry_point: &str,
    command: &CommandLine,
) -> Result<(Vec<String>, Vec<Template>), BundleError> {
    const COMMAND: &str = "server.mcp_config.command";
    if command.args.len() > MAX_ARGUMENTS {
        return Err(BundleError::field(
            "server.mcp_config.args",
            "there are too many",
        ));
    }
    let mut args = Vec::new();
    for (place, text) in command.args.iter().enumerate() {
        let field = format!("server.mcp_config.args[{place}]");
        args.push(Template::parse(text, &field)?);
    }
    let is_entry = |template: &Template| {
        let path = template.below_folder().or_else(|| template.plain());
        path.and_then(clean).is_some_and(|path| path == entry_point)
    };
    let Some(written) = &command.command else {
        // 0.4 lets it be left out: the kind says how the entry point is run.
        return Ok((Vec::new(), args));
    };
    let program = Template::parse(written, COMMAND)?;
    if kind == BundleKind::Binary {
        return match is_entry(&program) {
            true => Ok((Vec::new(), args)),
            false => Err(BundleError::field(COMMAND, "it is not the entry point")),
        };
    }
    let (names, known): (&[&str], &[&str]) = match kind {
        BundleKind::Node => (&["node"], &NODE_OPTIONS),
        _ => (&["python", "python3"], &PYTHON_OPTIONS),
    };
    if !program.plain().is_some_and(|name| names.contains(&name)) {
        let reason = format!("expected `{}`", names.join("` or `"));
        return Err(BundleError::field(COMMAND, reason));
    }
    let mut options = Vec::new();
    let mut rest = args.into_iter();
    for argument in rest.by_ref() {
        match argument.plain() {
            _ if is_entry(&argument) => return Ok((options, rest.collect())),
            Some(option) if known.contains(&option) => options.push(option.to_owned()),
            _ => break,
        }
    }
    let place = options.len();
    let known = known.join("`, `");
    Err(BundleError::field(
        format!("server.mcp_config.args[{place}]"),
        format!("expected the entry point, `${{__dirname}}/{entry_point}`, or one of `{known}`"),
    ))
}

fn environment(command: &CommandLine) -> Result<BTreeMap<String, Template>, BundleError> {
    let mut environment = BTreeMap::new();
    for (name, text) in &command.env {
        let field = format!("server.mcp_config.env.{name}");
        if !is_variable_name(name) {
            return Err(BundleError::field(
                field,
                "it is not the name of a variable",
            ));
        }
        if let Some(reason) =
            refused_variable(name).filter(|_| !CODE_PATHS.contains(&name.as_str()))
        {
            return Err(BundleError::field(field, reason));
        }
        let template = Template::parse(text, &field)?;
        environment.insert(name.clone(), template);
    }
    Ok(environment)
}

/// Code may come from the bundle's own folders only: they are in the lock.
fn judge_code_path(name: &str, value: &str, folder: &Path) -> Result<(), BundleError> {
    if !CODE_PATHS.contains(&name) {
        return Ok(());
    }
    let inside = |part: &str| {
        let below = Path::new(part).strip_prefix(folder).map(Path::to_owned);
        below.is_ok_and(|below: PathBuf| {
            below.as_os_str().is_empty() || below.to_str().and_then(clean).is_some()
        })
    };
    match value.split(':').all(inside) {
        true => Ok(()),
        false => Err(BundleError::field(
            format!("server.mcp_config.env.{name}"),
            "it names a folder outside of the bundle, whose code is not in the lock",
        )),
    }
}

fn judge_compatibility(
    compatibility: raw::Compatibility,
    notes: &mut Vec<String>,
) -> Result<(), BundleError> {
    if let Some(platforms) = compatibility.platforms
        && !platforms.iter().any(|platform| platform == "linux")
    {
        return Err(BundleError::Platform(platforms.join(", ")));
    }
    let Some(Object(runtimes)) = compatibility.runtimes else {
        return Ok(());
    };
    for (runtime, wanted) in [("node", runtimes.node), ("python", runtimes.python)] {
        if let Some(wanted) = wanted {
            notes.push(format!(
                "the bundle says it needs {runtime} {wanted}; pinfold doesn't compare"
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
