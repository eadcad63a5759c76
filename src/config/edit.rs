//! Edits of the manifest's text. What the user wrote stays byte for byte; only whole
//! `[servers.NAME]` entries come and go. No I/O, and no judgement of the values:
//! the caller parses the result with [`super::Manifest::parse`] before writing it.

mod grant;
mod quoted;

use std::collections::BTreeMap;
use std::ops::Range;

use toml_edit::{Document, InlineTable, Item, Key, Table, Value};

pub use grant::{Additions, grant};
use quoted::quoted;

use super::error::ConfigError;
use super::manifest::EnvValue;
use super::program_keys::ConfigValue;
use super::secret_keys::{Delivery, SecretSource, SecretUse};
use crate::lockfile::{ServerName, ToolName};

/// Lists longer than this are written one entry per line.
const MAX_LINE: usize = 100;

/// The entry that `pinfold add` writes. Empty lists and absent values are left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewServer {
    pub name: ServerName,
    /// As it shall stand in the manifest.
    pub source: String,
    /// The file to run.
    pub program: Option<String>,
    pub args: Vec<String>,
    /// Values of a bundle.
    pub config: BTreeMap<String, ConfigValue>,
    pub runtime: Option<String>,
    /// Packages whose install scripts are run.
    pub build: Vec<String>,
    /// What those may reach.
    pub build_egress: Vec<String>,
    pub profile: Option<String>,
    /// Entries of `egress`.
    pub egress: Vec<String>,
    pub env: BTreeMap<String, EnvValue>,
    pub exec: Vec<String>,
    /// Paths as they shall stand in the manifest, absolute or `~/`.
    pub read: Vec<String>,
    pub write: Vec<String>,
    /// Always written, for without the list the manifest is not valid.
    pub allow: Vec<ToolName>,
}

/// `text` with an entry for `new` at its end, everything before it unchanged.
pub fn add_server(text: &str, new: &NewServer) -> Result<String, ConfigError> {
    let before = parse(text)?;
    if server_of(&before, &new.name).is_some() {
        return Err(ConfigError::ServerExists {
            name: new.name.clone(),
        });
    }
    let mut addition = String::new();
    if !text.is_empty() && !text.ends_with('\n') {
        addition.push('\n');
    }
    if !text.trim().is_empty() {
        addition.push('\n');
    }
    addition.push_str(&entry_text(new));
    if text.contains("\r\n") {
        addition = addition.replace('\n', "\r\n");
    }
    let result = format!("{text}{addition}");
    let unchanged = parse(&result).is_ok_and(|mut after| {
        take_server(&mut after, &new.name).is_some()
            && without_empty_servers(after) == without_empty_servers(before)
    });
    if unchanged {
        Ok(result)
    } else {
        Err(ConfigError::EditByHand {
            name: new.name.clone(),
        })
    }
}

/// `text` without the entry of `name`: its tables and the comments directly above them.
/// Comments that stand apart stay.
pub fn remove_server(text: &str, name: &ServerName) -> Result<String, ConfigError> {
    let mut expected = parse(text)?;
    take_server(&mut expected, name)
        .ok_or_else(|| ConfigError::NoSuchServer { name: name.clone() })?;
    let document = Document::parse(text).map_err(not_toml)?;
    let mut result = text.to_owned();
    // From the end, so that the earlier places stay true.
    for section in sections_of(&document, text, name).into_iter().rev() {
        result.replace_range(section, "");
    }
    let kept = result.trim_end().len();
    if kept < result.len() {
        let end = if text.contains("\r\n") { "\r\n" } else { "\n" };
        result.truncate(kept);
        if kept > 0 {
            result.push_str(end);
        }
    }
    let only_this_is_gone = parse(&result)
        .is_ok_and(|after| without_empty_servers(after) == without_empty_servers(expected));
    if only_this_is_gone {
        Ok(result)
    } else {
        Err(ConfigError::EditByHand { name: name.clone() })
    }
}

fn parse(text: &str) -> Result<toml::Table, ConfigError> {
    text.parse()
        .map_err(|error: toml::de::Error| ConfigError::NotToml {
            reason: error.message().to_owned(),
        })
}

fn not_toml(error: toml_edit::TomlError) -> ConfigError {
    ConfigError::NotToml {
        reason: error.message().to_owned(),
    }
}

fn server_of<'t>(manifest: &'t toml::Table, name: &ServerName) -> Option<&'t toml::Value> {
    manifest.get("servers")?.get(name.as_str())
}

fn take_server(manifest: &mut toml::Table, name: &ServerName) -> Option<toml::Value> {
    manifest
        .get_mut("servers")?
        .as_table_mut()?
        .remove(name.as_str())
}

/// Whether an empty `[servers]` is there or not makes no difference.
fn without_empty_servers(mut manifest: toml::Table) -> toml::Table {
    let is_empty = |servers: &toml::Value| servers.as_table().is_some_and(toml::Table::is_empty);
    if manifest.get("servers").is_some_and(is_empty) {
        manifest.remove("servers");
    }
    manifest
}

fn entry_text(new: &NewServer) -> String {
    let name = Key::new(new.name.as_str()).to_string();
    let mut lines = vec![
        format!("[servers.{name}]"),
        line("source", &quoted(&new.source)),
    ];
    if let Some(program) = &new.program {
        lines.push(line("program", &quoted(program)));
    }
    if !new.args.is_empty() {
        lines.push(list_line("args", &new.args));
    }
    if let Some(runtime) = &new.runtime {
        lines.push(line("runtime", &quoted(runtime)));
    }
    if !new.build.is_empty() {
        lines.push(list_line("build", &new.build));
    }
    if !new.build_egress.is_empty() {
        lines.push(list_line("build_egress", &new.build_egress));
    }
    if let Some(profile) = &new.profile {
        lines.push(line("profile", &quoted(profile)));
    }
    if !new.egress.is_empty() {
        lines.push(list_line("egress", &new.egress));
    }
    if !new.env.is_empty() {
        lines.push(line("env", &env_table(&new.env).into()));
    }
    if !new.exec.is_empty() {
        lines.push(list_line("exec", &new.exec));
    }
    if !new.config.is_empty() {
        lines.extend([String::new(), format!("[servers.{name}.config]")]);
        for (key, value) in &new.config {
            lines.push(line(&Key::new(key).to_string(), &config_value(value)));
        }
    }
    if !new.read.is_empty() || !new.write.is_empty() {
        lines.extend([String::new(), format!("[servers.{name}.files]")]);
        lines.push(list_line("read", &new.read));
        lines.push(list_line("write", &new.write));
    }
    let allow: Vec<String> = new.allow.iter().map(ToString::to_string).collect();
    lines.extend([String::new(), format!("[servers.{name}.tools]")]);
    lines.push(list_line("allow", &allow));
    lines.join("\n") + "\n"
}

pub(super) fn line(key: &str, value: &Value) -> String {
    format!("{key} = {}", value.to_string().trim())
}

pub(super) fn list_line(key: &str, entries: &[String]) -> String {
    let one_line = line(key, &list_of(entries));
    if one_line.len() <= MAX_LINE {
        return one_line;
    }
    let entries: Vec<String> = entries
        .iter()
        .map(|entry| format!("    {},\n", quoted(entry)))
        .collect();
    format!("{key} = [\n{}]", entries.concat())
}

fn list_of(entries: &[String]) -> Value {
    Value::Array(entries.iter().map(|entry| quoted(entry)).collect())
}

fn env_table(env: &BTreeMap<String, EnvValue>) -> InlineTable {
    let mut table = InlineTable::new();
    for (name, value) in env {
        let value = match value {
            EnvValue::Literal(text) => quoted(text),
            EnvValue::FromClient { name } => {
                Value::from(InlineTable::from_iter([("from", quoted(name))]))
            }
            EnvValue::Secret(secret) => secret_table(secret),
        };
        table.insert(name, value);
    }
    table
}

fn config_value(value: &ConfigValue) -> Value {
    match value {
        ConfigValue::Text(text) => quoted(text),
        ConfigValue::List(entries) => list_of(entries),
        ConfigValue::FromClient { name } => {
            Value::from(InlineTable::from_iter([("from", quoted(name))]))
        }
        ConfigValue::Secret(secret) => secret_table(secret),
    }
}

fn secret_table(secret: &SecretUse) -> Value {
    let (key, value) = match &secret.source {
        SecretSource::Stored(name) => ("secret", Value::from(name.as_str())),
        SecretSource::Command(words) => ("command", list_of(words)),
        SecretSource::File(path) => ("file", quoted(&path.to_string_lossy())),
        SecretSource::Credential(name) => ("credential", quoted(name)),
    };
    let mut table = InlineTable::from_iter([(key, value)]);
    if secret.delivery == Delivery::File {
        table.insert("deliver", Value::from("file"));
    }
    Value::from(table)
}

/// The bytes to take out, in order.
fn sections_of(document: &Document<&str>, text: &str, name: &ServerName) -> Vec<Range<usize>> {
    let mut headers = Vec::new();
    collect_headers(document.as_table(), &mut Vec::new(), &mut headers);
    headers.sort_by_key(|(_, span)| span.start);
    let ends = headers
        .iter()
        .skip(1)
        .map(|(_, span)| span.start)
        .chain([text.len()]);
    let mut sections: Vec<Range<usize>> = Vec::new();
    for ((path, span), end) in headers.iter().zip(ends) {
        if path.first().is_some_and(|first| *first == "servers")
            && path.get(1).is_some_and(|second| *second == name.as_str())
        {
            let start = start_with_comments(text, line_start(text, span.start));
            let limit = start_with_comments(text, line_start(text, end));
            let end = end_of_content(text, span.start, limit);
            sections.push(start..end.max(start));
        }
    }
    sections
}

/// Every `[header]` of the document with its path.
fn collect_headers<'t>(
    table: &'t Table,
    path: &mut Vec<&'t str>,
    headers: &mut Vec<(Vec<&'t str>, Range<usize>)>,
) {
    if let Some(span) = table.span()
        && !table.is_implicit()
        && !table.is_dotted()
        && !path.is_empty()
    {
        headers.push((path.clone(), span));
    }
    for (key, item) in table {
        path.push(key);
        match item {
            Item::Table(inner) => collect_headers(inner, path, headers),
            Item::ArrayOfTables(tables) => {
                tables
                    .iter()
                    .for_each(|inner| collect_headers(inner, path, headers));
            }
            _ => {}
        }
        path.pop();
    }
}

fn line_start(text: &str, offset: usize) -> usize {
    if offset >= text.len() {
        return text.len();
    }
    text[..offset].rfind('\n').map_or(0, |index| index + 1)
}

/// Comment lines directly above a header belong to it.
fn start_with_comments(text: &str, mut start: usize) -> usize {
    while start > 0 && start < text.len() {
        let above = line_start(text, start - 1);
        if !text[above..start].trim_start().starts_with('#') {
            break;
        }
        start = above;
    }
    start
}

/// The end of an entry's last key, of the comment lines that touch it, and of the
/// blank lines after that. A comment after a blank line belongs to what follows.
fn end_of_content(text: &str, start: usize, limit: usize) -> usize {
    let mut content_end = start;
    let mut after_blank_lines = start;
    let mut touching = true;
    let mut offset = start;
    for line in text[start..limit].split_inclusive('\n') {
        offset += line.len();
        let trimmed = line.trim();
        if trimmed.is_empty() {
            touching = false;
            if after_blank_lines + line.len() == offset {
                after_blank_lines = offset;
            }
        } else if !trimmed.starts_with('#') || touching {
            touching = true;
            content_end = offset;
            after_blank_lines = offset;
        }
    }
    content_end.max(after_blank_lines)
}

#[cfg(test)]
mod tests;
