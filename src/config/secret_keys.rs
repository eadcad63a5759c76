//! Values that a manifest names and does not hold: `{ secret = … }`, `{ command = … }`,
//! `{ file = … }`, `{ credential = … }` and, of the client's environment, `{ from = … }`.
//!
//! Names and places only; nothing is read here.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use toml::de::DeTable;

use super::diagnostic::Code;
use super::env_names::is_variable_name;
use super::raw::{Node, Walk};
use super::validate::absolute_path;

const MAX_NAME_BYTES: usize = 64;
/// Of the program and its arguments.
const MAX_COMMAND_WORDS: usize = 64;

/// The key that says where a value is, of which there is exactly one.
const SOURCES: [&str; 5] = ["secret", "command", "file", "credential", "from"];
const KEYS: [&str; 6] = ["secret", "command", "file", "credential", "from", "deliver"];

/// What a secret is called: 1 to 64 of `a-z 0-9 . _ -`, the first a letter or digit. So it is a
/// file's name as it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SecretName(String);

/// Why a text is not the name of a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a secret's name is 1 to 64 of a-z 0-9 . _ - and starts with a letter or digit")]
pub struct SecretNameError;

/// Where the value of a secret is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    /// In the user's secret store, under this name.
    Stored(SecretName),
    /// What this program writes to its standard output. Never empty; the program is a bare name or
    /// an absolute path.
    Command(Vec<String>),
    /// What is in this file; absolute, without `..`.
    File(PathBuf),
    /// What systemd passed to this service under this name (systemd.exec(5), "Credentials").
    Credential(String),
}

/// How a server gets a secret.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Delivery {
    /// The variable holds it.
    #[default]
    Value,
    /// A file that only this server can read holds it, and the variable holds the file's path.
    File,
}

/// A secret that a server gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretUse {
    pub source: SecretSource,
    pub delivery: Delivery,
}

/// A value that is elsewhere.
pub(super) enum Elsewhere {
    Client(String),
    Secret(SecretUse),
}

impl SecretName {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for SecretName {
    type Err = SecretNameError;

    fn from_str(text: &str) -> Result<Self, SecretNameError> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let starts_well = text.bytes().next().is_some_and(plain);
        let rest = text
            .bytes()
            .all(|byte| plain(byte) || b"._-".contains(&byte));
        if starts_well && rest && text.len() <= MAX_NAME_BYTES {
            Ok(Self(text.to_owned()))
        } else {
            Err(SecretNameError)
        }
    }
}

impl std::fmt::Display for SecretName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl SecretUse {
    /// What the lock's policy digest is made of: which secret it is and how it comes, never its value.
    pub fn document(&self) -> serde_json::Value {
        let mut document = match &self.source {
            SecretSource::Stored(name) => serde_json::json!({ "secret": name.as_str() }),
            SecretSource::Command(words) => serde_json::json!({ "command": words }),
            SecretSource::File(path) => serde_json::json!({ "file": path }),
            SecretSource::Credential(name) => serde_json::json!({ "credential": name }),
        };
        if self.delivery == Delivery::File {
            document["deliver"] = "file".into();
        }
        document
    }
}

impl SecretSource {
    /// In the words of a manifest, without the arguments of a command: those may say more than its
    /// reader needs.
    pub fn described(&self) -> String {
        match self {
            Self::Stored(name) => format!("the secret `{name}`"),
            Self::Command(words) => format!(
                "the command `{}`",
                words.first().map(String::as_str).unwrap_or_default()
            ),
            Self::File(path) => format!("the file {}", path.display()),
            Self::Credential(name) => format!("the systemd credential `{name}`"),
        }
    }
}

/// Reads a table that says where a value is. `what` names the value.
pub(super) fn elsewhere(
    walk: &mut Walk,
    node: &Node<'_>,
    table: &DeTable<'_>,
    what: &str,
    home: Option<&Path>,
) -> Option<Elsewhere> {
    walk.only_keys(table, &KEYS, what);
    let delivery = table
        .get("deliver")
        .and_then(|node| delivery(walk, node, table));
    let mut given = SOURCES
        .iter()
        .filter_map(|key| Some((*key, table.get(*key)?)));
    let Some((key, value)) = given.next() else {
        // A key that was meant to be one of them has been reported as unknown already.
        let unknown = table
            .keys()
            .any(|key| !KEYS.contains(&key.get_ref().as_ref()));
        if !unknown {
            walk.report_with_help(
                Code::MissingKey,
                node.span(),
                format!("{what} has no `from`, `secret`, `command`, `file` or `credential`"),
                Some(
                    "for example { secret = \"NAME\" }, put there by `pinfold secret set NAME`"
                        .to_owned(),
                ),
            );
        }
        return None;
    };
    for (other, second) in given {
        walk.report(
            Code::InvalidValue,
            second.span(),
            format!("{what} comes from `{key}` and from `{other}`; one of them has to go"),
        );
    }
    if key == "from" {
        let name = walk.string(value, "`from`")?;
        if is_variable_name(&name) {
            return Some(Elsewhere::Client(name));
        }
        let message = "`from` is not the name of an environment variable";
        walk.report(Code::InvalidValue, value.span(), message);
        return None;
    }
    Some(Elsewhere::Secret(SecretUse {
        source: source(walk, key, value, home)?,
        delivery: delivery.unwrap_or_default(),
    }))
}

fn source(
    walk: &mut Walk,
    key: &str,
    node: &Node<'_>,
    home: Option<&Path>,
) -> Option<SecretSource> {
    let refuse = |walk: &mut Walk, message: String| {
        walk.report(Code::InvalidValue, node.span(), message);
        None
    };
    match key {
        "secret" => match walk.string(node, "`secret`")?.parse() {
            Ok(name) => Some(SecretSource::Stored(name)),
            Err(error) => refuse(walk, SecretNameError::to_string(&error)),
        },
        "credential" => {
            // A file's name (systemd.exec(5)).
            let name = walk.string(node, "`credential`")?;
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-@".contains(&byte);
            if (1..=255).contains(&name.len()) && name.bytes().all(plain) && !name.starts_with('.')
            {
                return Some(SecretSource::Credential(name));
            }
            let message =
                "`credential` is 1 to 255 of A-Z a-z 0-9 . _ - @ and doesn't start with a dot";
            refuse(walk, message.to_owned())
        }
        "file" => {
            let text = walk.string(node, "`file`")?;
            match secret_path(&text, home) {
                Ok(path) => Some(SecretSource::File(path)),
                Err(reason) => refuse(walk, format!("`file` can't be `{text}`: {reason}")),
            }
        }
        _ => {
            let words: Vec<String> = walk
                .strings(Some(node), "`command`")
                .into_iter()
                .map(|(word, _)| word)
                .collect();
            if !node.get_ref().is_array() {
                return None;
            }
            match command_problem(&words) {
                None => Some(SecretSource::Command(words)),
                Some(reason) => refuse(walk, format!("`command` can't be this: {reason}")),
            }
        }
    }
}

fn delivery(walk: &mut Walk, node: &Node<'_>, table: &DeTable<'_>) -> Option<Delivery> {
    let text = walk.string(node, "`deliver`")?;
    if table.get("from").is_some() {
        walk.report(
            Code::InvalidValue,
            node.span(),
            "`deliver` goes with `secret`, `command`, `file` and `credential`; what the client passes is passed on",
        );
    }
    match text.as_str() {
        "file" => Some(Delivery::File),
        "value" => Some(Delivery::Value),
        _ => {
            let message = "`deliver` is \"value\" (as it is without it) or \"file\"";
            walk.report(Code::InvalidValue, node.span(), message);
            None
        }
    }
}

fn secret_path(text: &str, home: Option<&Path>) -> Result<PathBuf, &'static str> {
    match (text.strip_prefix("~/"), home) {
        // An absolute path in join would replace the home directory.
        (Some(below), Some(home)) => {
            let path = home.join(below.trim_start_matches('/'));
            absolute_path(&path.to_string_lossy())
        }
        (Some(_), None) => Err("there is no home directory for `~/`"),
        (None, _) => absolute_path(text),
    }
}

fn command_problem(words: &[String]) -> Option<&'static str> {
    let Some(program) = words.first() else {
        return Some("it is empty; write the program and its arguments, each for itself");
    };
    if words.len() > MAX_COMMAND_WORDS {
        Some("it has more than 64 words")
    } else if program.starts_with('/') {
        absolute_path(program).err()
    } else if program.is_empty() || program == "." || program == ".." {
        Some("its first word is not a program")
    } else if program.contains('/') {
        Some("its program is a relative path; write a bare name or an absolute path")
    } else if program.contains(char::is_whitespace) {
        Some("its first word is the program alone; write each argument for itself")
    } else {
        None
    }
}

#[cfg(test)]
#[path = "secret_keys_tests.rs"]
mod tests;
