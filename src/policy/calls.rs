//! What holds for calls of tools beyond the list of those that are allowed, and for what a server
//! answers.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::config::{EnvValue, PerTool, Rate, Redact, Server};
use crate::lockfile::ToolName;
use crate::schema::Schema;

/// Shorter values are left alone: they would be found in ordinary words. In characters.
const LEAST: usize = 8;
/// The same for those that are named in `redact`.
const LEAST_NAMED: usize = 4;
/// A name that holds one of these is a secret's.
const WITHIN: [&str; 6] = [
    "TOKEN",
    "SECRET",
    "PASSW",
    "PASSPHRASE",
    "CREDENTIAL",
    "APIKEY",
];
/// A name that has one of these between its underscores is a secret's.
const WORDS: [&str; 5] = ["KEY", "KEYS", "PASS", "PAT", "AUTH"];

/// Of one server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallPolicy {
    /// What the arguments must be.
    pub rules: BTreeMap<ToolName, Schema>,
    pub limits: PerTool<Rate>,
    /// For so long the same call is refused.
    pub repeat: PerTool<Duration>,
    /// Tools whose calls the user decides about.
    pub ask: BTreeSet<ToolName>,
    pub redact: Redact,
    pub neutralise: bool,
}

impl CallPolicy {
    pub(super) fn of(server: &Server) -> Self {
        Self {
            rules: server.tools.rules.clone(),
            limits: server.tools.limits.clone(),
            repeat: server.tools.repeat.clone(),
            ask: server.tools.ask.clone(),
            redact: server.redact.clone(),
            neutralise: server.neutralise,
        }
    }

    /// Everything that is not so anyway, for the digest and for `explain`.
    pub fn document(&self) -> Map<String, Value> {
        let mut document = Map::new();
        if !self.rules.is_empty() {
            let rules: BTreeMap<&str, Value> = self
                .rules
                .iter()
                .map(|(tool, rule)| (tool.as_str(), rule.document()))
                .collect();
            document.insert("rules".to_owned(), json!(rules));
        }
        if !self.limits.is_empty() {
            let limits = self.limits.iter();
            let limits: BTreeMap<&str, String> = limits
                .map(|(tool, rate)| (tool, rate.to_string()))
                .collect();
            document.insert("limits".to_owned(), json!(limits));
        }
        if !self.repeat.is_empty() {
            let spans = self.repeat.iter();
            let spans: BTreeMap<&str, String> = spans
                .map(|(tool, span)| (tool, humantime::format_duration(*span).to_string()))
                .collect();
            document.insert("repeat".to_owned(), json!(spans));
        }
        if !self.ask.is_empty() {
            let ask: Vec<&str> = self.ask.iter().map(ToolName::as_str).collect();
            document.insert("ask".to_owned(), json!(ask));
        }
        let redact = match &self.redact {
            Redact::Secrets => None,
            Redact::All => Some(json!(true)),
            Redact::None => Some(json!(false)),
            Redact::Named(names) => Some(json!(names)),
        };
        document.extend(redact.map(|redact| ("redact".to_owned(), redact)));
        if self.neutralise {
            document.insert("neutralise".to_owned(), json!(true));
        }
        document
    }

    /// Names and values of the variables whose values are taken out of what the server says.
    /// `variables` are those that it gets; of secrets, whoever fetches them has the values.
    pub fn secrets(
        &self,
        env: &BTreeMap<String, EnvValue>,
        variables: &BTreeMap<String, String>,
    ) -> Vec<(String, String)> {
        let least = match &self.redact {
            Redact::Named(_) => LEAST_NAMED,
            _ => LEAST,
        };
        self.redacted(env)
            .into_iter()
            .filter_map(|name| Some((name.to_owned(), variables.get(name)?.clone())))
            .filter(|(_, value)| value.chars().count() >= least)
            .collect()
    }

    /// The variables among `env` whose values are taken out, if they are long enough.
    pub fn redacted<'a>(&self, env: &'a BTreeMap<String, EnvValue>) -> Vec<&'a str> {
        let wanted = |name: &String, value: &EnvValue| match (&self.redact, value) {
            (Redact::None, _) => false,
            (_, EnvValue::Secret(_)) => true,
            (Redact::Named(names), _) => names.contains(name),
            (Redact::All, EnvValue::FromClient { .. }) => true,
            (Redact::Secrets, EnvValue::FromClient { name: from }) => {
                is_secret(name) || is_secret(from)
            }
            (Redact::All | Redact::Secrets, EnvValue::Literal(_)) => false,
        };
        env.iter()
            .filter(|(name, value)| wanted(name, value))
            .map(|(name, _)| name.as_str())
            .collect()
    }
}

/// Whether a variable's name says that its value is secret. Paths, locales and levels, which
/// servers are given in the same way, must be left alone: without them an answer makes no sense.
fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    let words = name.split('_');
    WITHIN.iter().any(|part| name.contains(part))
        || words.into_iter().any(|word| WORDS.contains(&word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_what_is_secret() {
        for name in [
            "GITHUB_PERSONAL_ACCESS_TOKEN",
            "OPENAI_API_KEY",
            "PGPASSWORD",
            "DB_PASS",
            "client_secret",
            "AWS_SECRET_ACCESS_KEY",
            "GH_PAT",
            "APIKEY",
            "BASIC_AUTH",
            "GOOGLE_CREDENTIALS",
        ] {
            assert!(is_secret(name), "{name}");
        }
        for name in [
            "LANG",
            "HOME",
            "WORKSPACE",
            "LOG_LEVEL",
            "PATH",
            "KEYBOARD",
            "PATTERN",
            "AUTHOR",
            "COMPASS",
        ] {
            assert!(!is_secret(name), "{name}");
        }
    }

    #[test]
    fn each_setting_chooses_its_variables() {
        let from = |name: &str| EnvValue::FromClient {
            name: name.to_owned(),
        };
        let env = BTreeMap::from([
            ("LANG".to_owned(), from("LANG")),
            ("LOGIN".to_owned(), from("MY_TOKEN")),
            ("API_KEY".to_owned(), from("API_KEY")),
            (
                "TOKEN".to_owned(),
                EnvValue::Literal("literal-value".to_owned()),
            ),
        ]);
        let variables = BTreeMap::from(
            [
                ("LANG", "de_DE.UTF-8"),
                ("LOGIN", "12345678"),
                ("API_KEY", "1234567"),
                ("TOKEN", "literal-value"),
                ("PATH", "/usr/bin:/bin"),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned())),
        );
        let names = |names: &[&str]| Redact::Named(names.iter().map(ToString::to_string).collect());
        for (redact, expected) in [
            (Redact::Secrets, &["LOGIN"][..]),
            (Redact::All, &["LANG", "LOGIN"]),
            (Redact::None, &[]),
            (names(&["API_KEY", "TOKEN"]), &["API_KEY", "TOKEN"]),
        ] {
            let calls = CallPolicy {
                redact,
                ..CallPolicy::default()
            };
            let secrets = calls.secrets(&env, &variables);
            let found: Vec<&str> = secrets.iter().map(|(name, _)| name.as_str()).collect();
            assert_eq!(found, expected);
        }
        let short = BTreeMap::from([("API_KEY".to_owned(), "abc".to_owned())]);
        let calls = CallPolicy {
            redact: names(&["API_KEY"]),
            ..CallPolicy::default()
        };
        assert!(calls.secrets(&env, &short).is_empty());
    }
}
