//! `redact` and `neutralise` of a server: what of its answers does not reach the client as it is.

use std::collections::{BTreeMap, BTreeSet};

use super::diagnostic::Code;
use super::manifest::EnvValue;
use super::raw::{Node, Walk};

/// Of which variables the values are taken out of everything that the server says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Redact {
    /// Those that are secrets in the manifest, and those that the client passes and whose names say
    /// that they are secret. The former are taken out by every setting but [`Self::None`].
    #[default]
    Secrets,
    /// All that the client passes.
    All,
    None,
    Named(BTreeSet<String>),
}

/// `env` is the server's.
pub(super) fn redact(walk: &mut Walk, node: &Node<'_>, env: &BTreeMap<String, EnvValue>) -> Redact {
    match node.get_ref().as_bool() {
        Some(true) => return Redact::All,
        Some(false) => return Redact::None,
        None => {}
    }
    if !node.get_ref().is_array() {
        walk.wrong_type(node, "`redact`", "true, false or a list of names of `env`");
        return Redact::default();
    }
    let mut names = BTreeSet::new();
    for (name, span) in walk.strings(Some(node), "`redact`") {
        if !env.contains_key(&name) {
            let text = format!("`{name}` is not in `env`, so there is no value to redact");
            walk.report(Code::InvalidValue, span, text);
        } else if !names.insert(name.clone()) {
            walk.report(Code::Duplicate, span, format!("`{name}` is listed twice"));
        }
    }
    Redact::Named(names)
}

pub(super) fn neutralise(walk: &mut Walk, node: &Node<'_>) -> bool {
    let found = node.get_ref().as_bool();
    if found.is_none() {
        walk.wrong_type(node, "`neutralise`", "true or false");
    }
    found.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{Manifest, Server};

    fn parse(lines: &str) -> Result<Server, Vec<(Code, usize)>> {
        let text = format!(
            "[servers.s]\nsource = \"npm:x\"\ntools.allow = []\nenv = {{ A = {{ from = \"B\" }}, C = \"c\" }}\n{lines}\n"
        );
        match Manifest::parse(&text, Path::new("/m/pinfold.toml"), None) {
            Ok(mut manifest) => Ok(manifest.servers.pop_first().unwrap().1),
            Err(diagnostics) => {
                let items = diagnostics.items().iter();
                Err(items
                    .map(|item| (item.code, diagnostics.position(item).1))
                    .collect())
            }
        }
    }

    #[test]
    fn what_is_redacted_is_said_in_four_ways() {
        let names = |names: &[&str]| Redact::Named(names.iter().map(ToString::to_string).collect());
        for (lines, expected) in [
            ("", Redact::Secrets),
            ("redact = true", Redact::All),
            ("redact = false", Redact::None),
            ("redact = [\"A\", \"C\"]", names(&["A", "C"])),
            ("redact = []", names(&[])),
        ] {
            assert_eq!(parse(lines).unwrap().redact, expected, "{lines}");
        }
        for (lines, expected) in [
            ("redact = \"A\"", (Code::WrongType, 10)),
            ("redact = [\"B\"]", (Code::InvalidValue, 11)),
            ("redact = [\"A\", \"A\"]", (Code::Duplicate, 16)),
            ("neutralise = 1", (Code::WrongType, 14)),
        ] {
            assert_eq!(parse(lines).unwrap_err(), [expected], "{lines}");
        }
        assert!(parse("neutralise = true").unwrap().neutralise);
        assert!(!parse("").unwrap().neutralise);
    }
}
