//! The manifest's `program` and `config`: what archives and bundles leave to be said.

use std::collections::BTreeMap;
use std::path::Path;

use super::diagnostic::Code;
use super::raw::{Node, Walk};
use super::secret_keys::{Elsewhere, SecretUse, elsewhere};
use super::source::Source;
use crate::lockfile::is_hidden;

/// A value for what a bundle asks of its user (`user_config` in its manifest.json).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigValue {
    /// Text as written; numbers, `true` and `false` in their usual spelling.
    Text(String),
    List(Vec<String>),
    /// The value that the MCP client passed under `name`, if it passed one.
    FromClient {
        name: String,
    },
    /// A value that is nobody's to read but the server's.
    Secret(SecretUse),
}

/// The file to run, relative to the folder or archive.
pub(super) fn program(walk: &mut Walk, node: &Node<'_>, source: Option<&Source>) -> Option<String> {
    let text = walk.string(node, "`program`")?;
    let problem = if !source.is_none_or(Source::leaves_program_open) {
        Some("this kind of source says itself what is run")
    } else if text.is_empty() || text.len() > 4096 || text.chars().any(is_hidden) {
        Some("it is empty, too long, or holds a control or invisible character")
    } else if text.starts_with('/') || text.contains('\\') {
        Some("it is a path in the folder or archive, with `/`")
    } else if text.split('/').any(|part| matches!(part, "" | "." | "..")) {
        Some("it has an empty, `.` or `..` component")
    } else {
        None
    };
    match problem {
        None => Some(text),
        Some(reason) => {
            let message = format!("`program` can't be `{text}`: {reason}");
            walk.report(Code::InvalidValue, node.span(), message);
            None
        }
    }
}

/// The table of a bundle's values. Which keys it may have is known when the bundle is.
pub(super) fn config(
    walk: &mut Walk,
    node: &Node<'_>,
    source: Option<&Source>,
    home: Option<&Path>,
) -> BTreeMap<String, ConfigValue> {
    let mut values = BTreeMap::new();
    let Some(table) = walk.table(node, "`config`") else {
        return values;
    };
    if !source.is_none_or(Source::may_be_bundle) {
        walk.report(
            Code::InvalidValue,
            node.span(),
            "`config` is for bundles (.mcpb); other servers are told by `args` and `env`",
        );
    }
    for (key, node) in table {
        let name = key.get_ref().as_ref();
        if let Some(value) = config_value(walk, node, name, home) {
            values.insert(name.to_owned(), value);
        }
    }
    values
}

fn config_value(
    walk: &mut Walk,
    node: &Node<'_>,
    name: &str,
    home: Option<&Path>,
) -> Option<ConfigValue> {
    let what = format!("`config.{name}`");
    let value = node.get_ref();
    if value.is_str() {
        return walk.string(node, &what).map(ConfigValue::Text);
    }
    if let Some(truth) = value.as_bool() {
        return Some(ConfigValue::Text(truth.to_string()));
    }
    if value.is_integer() || value.is_float() {
        let text = value.as_integer().map(ToString::to_string);
        let text = text.or_else(|| value.as_float().map(ToString::to_string));
        return match text.filter(|text| text.parse::<f64>().is_ok_and(f64::is_finite)) {
            Some(text) => Some(ConfigValue::Text(text)),
            None => {
                let message = format!("{what} is not a decimal number; write others as a string");
                walk.report(Code::InvalidValue, node.span(), message);
                None
            }
        };
    }
    if value.is_array() {
        let entries = walk.strings(Some(node), &what);
        let entries = entries.into_iter().map(|(text, _)| text).collect();
        return Some(ConfigValue::List(entries));
    }
    let Some(table) = value.as_table() else {
        let expected = "a string, number, boolean, list of strings, { from = \"NAME\" } or { secret = \"NAME\" }";
        walk.wrong_type(node, &what, expected);
        return None;
    };
    Some(match elsewhere(walk, node, table, &what, home)? {
        Elsewhere::Client(name) => ConfigValue::FromClient { name },
        Elsewhere::Secret(secret) => ConfigValue::Secret(secret),
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{Manifest, Server};

    fn server(lines: &str) -> Result<Server, String> {
        let text = format!("[servers.a]\n{lines}\ntools.allow = []\n");
        let parsed = Manifest::parse(&text, Path::new("/x/pinfold.toml"), None);
        let manifest = parsed.map_err(|problems| problems.to_string())?;
        Ok(manifest.servers.into_values().next().unwrap())
    }

    #[test]
    fn programs_are_files_of_archives_and_folders() {
        let https = format!("https://a.test/x.zip#sha256={}", "0".repeat(64));
        for source in ["path:x", &https] {
            let found = server(&format!("source = '{source}'\nprogram = 'bin/a b'")).unwrap();
            assert_eq!(found.program.as_deref(), Some("bin/a b"));
            for bad in ["", "/a", "a//b", "./a", "a/..", "a\\b", "a/\u{202e}"] {
                let lines = format!("source = '{source}'\nprogram = '{bad}'");
                let said = server(&lines).unwrap_err();
                assert!(said.contains("`program` can't be"), "{bad}: {said}");
            }
        }
        for source in ["npm:a", "path:a.mcpb"] {
            let said = server(&format!("source = '{source}'\nprogram = 'a'")).unwrap_err();
            assert!(said.contains("says itself what is run"), "{said}");
        }
    }

    #[test]
    fn values_of_a_bundle_are_read() {
        let table = "a = 'x'\nb = 5\nc = true\nd = 1.5\ne = ['x', 'y']\nf = { from = 'TOKEN' }";
        let found = server(&format!(
            "source = 'path:a.mcpb'\ntools.ask = []\n[servers.a.config]\n{table}\n[servers.a.limits]"
        ));
        // `tools` belongs to the table before; this only asks for the values.
        let said = found.unwrap_err();
        assert!(said.contains("tools"), "{said}");
        let line = table.replace('\n', ", ");
        let found = server(&format!("source = 'path:a.mcpb'\nconfig = {{ {line} }}")).unwrap();
        let text = |text: &str| ConfigValue::Text(text.to_owned());
        let expected = [
            ("a", text("x")),
            ("b", text("5")),
            ("c", text("true")),
            ("d", text("1.5")),
            ("e", ConfigValue::List(vec!["x".into(), "y".into()])),
            (
                "f",
                ConfigValue::FromClient {
                    name: "TOKEN".into(),
                },
            ),
        ];
        let expected = expected.map(|(key, value)| (key.to_owned(), value));
        assert_eq!(found.config, BTreeMap::from(expected));
    }

    #[test]
    fn values_that_are_none_are_refused() {
        for (value, says) in [
            ("nan", "decimal number"),
            ("[1]", "must be a string"),
            ("{}", "has no `from`"),
            ("{ to = 'X' }", "unknown key `to`"),
            (
                "{ from = 'a b' }",
                "not the name of an environment variable",
            ),
            ("1979-05-27", "must be a string, number"),
        ] {
            let said = server(&format!(
                "source = 'path:a.mcpb'\nconfig = {{ a = {value} }}"
            ));
            let said = said.unwrap_err();
            assert!(said.contains(says), "{value}: {said}");
        }
        let said = server("source = 'npm:a'\nconfig = { a = 'x' }").unwrap_err();
        assert!(said.contains("`config` is for bundles"), "{said}");
    }
}
