//! `[settings] audit`: how large the audit log becomes, and what of arguments is in it.

use toml::de::DeTable;

use super::diagnostic::Code;
use super::raw::{Node, Walk};
use super::size::parse_size;

/// Below this a file holds hardly a session.
const MIN_SIZE: u64 = 64 << 10;
const MAX_SIZE: u64 = 1 << 40;
const MAX_KEEP: u64 = 10_000;

/// The audit log, as the user wants it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuditSettings {
    /// Bytes after which a file is full.
    pub max_size: u64,
    /// Full files that are kept beside the current one; never zero.
    pub keep: usize,
    /// Whether arguments of calls are in it, without the session's secrets, and not only their
    /// digest.
    pub arguments: bool,
}

impl Default for AuditSettings {
    fn default() -> Self {
        // About a million calls.
        Self {
            max_size: 64 << 20,
            keep: 8,
            arguments: false,
        }
    }
}

pub(super) fn audit(walk: &mut Walk, node: &Node<'_>) -> AuditSettings {
    let mut settings = AuditSettings::default();
    let Some(table) = walk.table(node, "`audit`") else {
        return settings;
    };
    walk.only_keys(table, &["max_size", "keep", "arguments"], "`audit`");
    if let Some(size) = number(walk, table, "max_size", true, MIN_SIZE..=MAX_SIZE) {
        settings.max_size = size;
    }
    if let Some(keep) = number(walk, table, "keep", false, 1..=MAX_KEEP) {
        settings.keep = usize::try_from(keep).unwrap_or(usize::MAX);
    }
    if let Some(node) = table.get("arguments")
        && let Some(text) = walk.string(node, "`audit.arguments`")
    {
        match text.as_str() {
            "digest" => settings.arguments = false,
            "redacted" => settings.arguments = true,
            _ => walk.report(
                Code::InvalidValue,
                node.span(),
                "`audit.arguments` is \"digest\", or \"redacted\" for the arguments themselves without the values of secrets",
            ),
        }
    }
    settings
}

fn number(
    walk: &mut Walk,
    table: &DeTable<'_>,
    key: &str,
    is_size: bool,
    range: std::ops::RangeInclusive<u64>,
) -> Option<u64> {
    let node = table.get(key)?;
    let value = match (node.get_ref().as_integer(), node.get_ref().as_str()) {
        (Some(integer), _) => u64::from_str_radix(integer.as_str(), integer.radix()).ok(),
        (None, Some(text)) if is_size => parse_size(text).ok(),
        _ => {
            let expected = if is_size {
                "a number of bytes or a size such as \"64MiB\""
            } else {
                "a whole number"
            };
            walk.wrong_type(node, &format!("`audit.{key}`"), expected);
            return None;
        }
    };
    let value = value.filter(|value| range.contains(value));
    if value.is_none() {
        let (least, most) = (range.start(), range.end());
        walk.report(
            Code::InvalidValue,
            node.span(),
            format!("`audit.{key}` is not between {least} and {most}"),
        );
    }
    value
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Manifest;

    fn parse(text: &str) -> Result<AuditSettings, String> {
        let text = format!("[settings]\naudit = {text}\n");
        Manifest::parse(&text, Path::new("/m/pinfold.toml"), None)
            .map(|manifest| manifest.settings.audit)
            .map_err(|diagnostics| diagnostics.to_string())
    }

    #[test]
    fn what_is_written_is_read() {
        assert_eq!(parse("{}"), Ok(AuditSettings::default()));
        let all = "{ max_size = \"1MiB\", keep = 3, arguments = \"redacted\" }";
        let settings = parse(all).unwrap();
        assert_eq!((settings.max_size, settings.keep), (1 << 20, 3));
        assert!(settings.arguments);
        assert_eq!(parse("{ max_size = 65536 }").unwrap().max_size, 65536);
        assert!(!parse("{ arguments = \"digest\" }").unwrap().arguments);
    }

    #[test]
    fn mistakes_are_found_all_at_once() {
        for (text, part) in [
            ("{ max_size = \"1KiB\" }", "not between"),
            ("{ max_size = \"64 apples\" }", "not between"),
            ("{ max_size = true }", "must be a number of bytes"),
            ("{ keep = 0 }", "not between 1 and"),
            ("{ keep = \"8\" }", "must be a whole number"),
            ("{ arguments = \"all\" }", "is \"digest\""),
            ("{ kep = 8 }", "did you mean `keep`?"),
            ("8", "must be a table"),
        ] {
            let said = parse(text).unwrap_err();
            assert!(said.contains(part), "{text}: {said}");
        }
        let said = parse("{ keep = 0, arguments = \"all\" }").unwrap_err();
        assert!(said.contains("keep") && said.contains("digest"), "{said}");
    }
}
