//! `build`, `build_egress` and `build_timeout` of a server: whose install scripts are run, what they
//! may reach, and for how long.

use std::collections::BTreeSet;
use std::time::Duration;

use toml::de::DeTable;

use super::diagnostic::Code;
use super::egress::EgressRule;
use super::egress_keys::egress_rules;
use super::raw::{Node, Walk};
use super::source::{Source, check_npm_name};
use crate::lockfile;

/// A large addon on a slow machine.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30 * 60);
const MAX_TIMEOUT: Duration = Duration::from_secs(24 * 60 * 60);

/// Install scripts that are run, each once, when the server is locked; none by default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildRule {
    /// Names of packages. Whether they are there is known when the source is resolved.
    pub packages: BTreeSet<String>,
    /// Nothing, unless the manifest says so.
    pub egress: BTreeSet<EgressRule>,
    /// For each script.
    pub timeout: Duration,
}

impl Default for BuildRule {
    fn default() -> Self {
        Self {
            packages: BTreeSet::new(),
            egress: BTreeSet::new(),
            timeout: DEFAULT_TIMEOUT,
        }
    }
}

impl BuildRule {
    /// As the lock records it.
    pub fn recorded(&self) -> Option<lockfile::Build> {
        // The order of texts, not that of rules.
        let egress: BTreeSet<String> = self.egress.iter().map(ToString::to_string).collect();
        (!self.packages.is_empty()).then(|| lockfile::Build {
            packages: self.packages.iter().cloned().collect(),
            egress: egress.into_iter().collect(),
        })
    }
}

pub(super) fn build(walk: &mut Walk, table: &DeTable<'_>, source: Option<&Source>) -> BuildRule {
    let mut rule = BuildRule::default();
    let Some(node) = table.get("build") else {
        for key in ["build_egress", "build_timeout"] {
            if let Some(node) = table.get(key) {
                let message = format!("`{key}` is about install scripts, and there is no `build`");
                walk.report(Code::InvalidValue, node.span(), message);
            }
        }
        return rule;
    };
    if !source.is_none_or(|source| matches!(source, Source::Npm { .. })) {
        walk.report(
            Code::InvalidValue,
            node.span(),
            "`build` is for packages of npm; no other source has install scripts",
        );
    }
    rule.packages = packages(walk, node);
    if let Some(node) = table.get("build_egress") {
        rule.egress = egress_rules(walk, node, "`build_egress`")
            .into_iter()
            .collect();
    }
    if let Some(timeout) = table
        .get("build_timeout")
        .and_then(|node| timeout(walk, node))
    {
        rule.timeout = timeout;
    }
    rule
}

fn packages(walk: &mut Walk, node: &Node<'_>) -> BTreeSet<String> {
    let mut packages = BTreeSet::new();
    for (name, span) in walk.strings(Some(node), "`build`") {
        if let Err(error) = check_npm_name(&name) {
            let message = format!("`{name}` is not the name of an npm package: {error}");
            walk.report(Code::InvalidValue, span, message);
        } else if !packages.insert(name.clone()) {
            walk.report(Code::Duplicate, span, format!("`{name}` is listed twice"));
        }
    }
    packages
}

fn timeout(walk: &mut Walk, node: &Node<'_>) -> Option<Duration> {
    let text = walk.string(node, "`build_timeout`")?;
    match humantime::parse_duration(&text) {
        Ok(time) if !time.is_zero() && time <= MAX_TIMEOUT => Some(time),
        _ => {
            walk.report_with_help(
                Code::InvalidValue,
                node.span(),
                "`build_timeout` is not a time span of at most a day",
                Some("write for example \"45min\"".to_owned()),
            );
            None
        }
    }
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
    fn nothing_is_built_unless_it_is_named() {
        let rule = server("source = 'npm:a'").unwrap().build;
        assert_eq!(rule, BuildRule::default());
        assert_eq!(rule.recorded(), None);
        assert_eq!(
            server("source = 'npm:a'\nbuild = []")
                .unwrap()
                .build
                .recorded(),
            None
        );
    }

    #[test]
    fn packages_hosts_and_time_are_read() {
        let rule = server(
            "source = 'npm:a'\nbuild = ['b', '@s/a']\nbuild_egress = ['b.test:443', 'a.test:1']\nbuild_timeout = '2min'",
        )
        .unwrap()
        .build;
        assert_eq!(rule.timeout, Duration::from_secs(120));
        let recorded = rule.recorded().unwrap();
        assert_eq!(recorded.packages, ["@s/a", "b"]);
        assert_eq!(recorded.egress, ["a.test:1", "b.test:443"]);
    }

    #[test]
    fn what_could_not_be_meant_is_refused() {
        for (lines, says) in [
            ("source = 'path:x'\nbuild = ['b']", "is for packages of npm"),
            ("source = 'npm:a'\nbuild = ['b', 'b']", "listed twice"),
            (
                "source = 'npm:a'\nbuild = ['../b']",
                "not the name of an npm package",
            ),
            ("source = 'npm:a'\nbuild = 'b'", "a list of strings"),
            (
                "source = 'npm:a'\nbuild_egress = ['a.test:1']",
                "there is no `build`",
            ),
            (
                "source = 'npm:a'\nbuild_timeout = '2min'",
                "there is no `build`",
            ),
            (
                "source = 'npm:a'\nbuild = ['b']\nbuild_egress = ['a.test']",
                "not an entry of `build_egress`",
            ),
            (
                "source = 'npm:a'\nbuild = ['b']\nbuild_timeout = '0s'",
                "at most a day",
            ),
        ] {
            let said = server(lines).unwrap_err();
            assert!(said.contains(says), "{lines}: {said}");
        }
    }
}
