//! Which variables a server gets, and which ones the client tried to pass in vain.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::config::{EnvValue, Environment, SecretUse};

/// Variables that pass from the client when it has them: language, time zone, terminal, user.
const PASSED: &[&str] = &["LANG", "LC_ALL", "LOGNAME", "TERM", "TZ", "USER"];

/// Variables that pinfold sets itself.
const OURS: &[&str] = &["HOME", "PATH", "PYTHONNOUSERSITE", "TMPDIR"];

/// Where the server's own folders are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    pub home: PathBuf,
    pub temporary: PathBuf,
    /// Search path for programs; of our making, never the client's.
    pub programs: String,
}

/// Where the value of a variable comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VariableSource {
    /// The client's variable of this name passes to every server.
    Passed,
    /// The manifest says the value.
    Manifest(String),
    /// The manifest lets the client's variable `name` pass.
    Client { name: String },
    /// A secret that the manifest names.
    Secret(SecretUse),
    /// pinfold says the value; nothing can change it.
    Pinfold,
}

/// The environment that was decided.
#[must_use]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EnvironmentDecision {
    /// The whole environment of the server but for its secrets, sorted.
    pub variables: BTreeMap<String, String>,
    /// Names, never values, of what the client passed and the server doesn't get.
    pub withheld: Vec<String>,
}

/// Every variable that a server with this `env` can get, and where its value comes from.
pub fn variable_sources(manifest: &BTreeMap<String, EnvValue>) -> BTreeMap<String, VariableSource> {
    let passed = PASSED
        .iter()
        .map(|name| ((*name).to_owned(), VariableSource::Passed));
    let named = manifest.iter().map(|(name, value)| {
        let source = match value {
            EnvValue::Literal(text) => VariableSource::Manifest(text.clone()),
            EnvValue::FromClient { name } => VariableSource::Client { name: name.clone() },
            EnvValue::Secret(secret) => VariableSource::Secret(secret.clone()),
        };
        (name.clone(), source)
    });
    // Last, so that nothing above can change them.
    let ours = OURS
        .iter()
        .map(|name| ((*name).to_owned(), VariableSource::Pinfold));
    passed.chain(named).chain(ours).collect()
}

/// Decides from the client's environment and the manifest's `env`.
///
/// Variables whose value is not UTF-8 are withheld.
pub fn decide_environment(
    client: &Environment,
    manifest: &BTreeMap<String, EnvValue>,
    places: &Places,
) -> EnvironmentDecision {
    let from_client = |name: &str| {
        client
            .get(name)
            .and_then(|value| value.to_str())
            .map(str::to_owned)
    };
    let variables: BTreeMap<String, String> = variable_sources(manifest)
        .into_iter()
        .filter_map(|(name, source)| {
            let value = match source {
                VariableSource::Passed => from_client(&name),
                VariableSource::Manifest(text) => Some(below_home(&text, places)),
                VariableSource::Client { name } => from_client(&name),
                // Whoever starts the server fetches it, and puts it in.
                VariableSource::Secret(_) => None,
                VariableSource::Pinfold => Some(own_value(&name, places)),
            };
            Some((name, value?))
        })
        .collect();
    let asked_for = |name: &str| {
        manifest
            .values()
            .any(|value| matches!(value, EnvValue::FromClient { name: from } if from == name))
    };
    let withheld = client
        .iter()
        .map(|(name, _)| name.to_string_lossy().into_owned())
        .filter(|name| {
            !OURS.contains(&name.as_str()) && !variables.contains_key(name) && !asked_for(name)
        })
        .collect();
    EnvironmentDecision {
        variables,
        withheld,
    }
}

/// The value of one of [`OURS`].
fn own_value(name: &str, places: &Places) -> String {
    match name {
        "HOME" => places.home.to_string_lossy().into_owned(),
        "TMPDIR" => places.temporary.to_string_lossy().into_owned(),
        "PATH" => places.programs.clone(),
        // PYTHONNOUSERSITE: else a server that was taken over once could leave a usercustomize.py in
        // its HOME, which runs before the pinned code at every later start.
        _ => "1".to_owned(),
    }
}

/// A value that starts with `~/` is a path below the server's own HOME, the only folder that it can
/// always write and whose name nobody should have to know.
fn below_home(text: &str, places: &Places) -> String {
    match text.strip_prefix("~/") {
        Some(rest) => places.home.join(rest).to_string_lossy().into_owned(),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(pairs: &[(&str, &str)]) -> Environment {
        Environment::from_pairs(pairs.iter().copied())
    }

    fn places() -> Places {
        Places {
            home: "/s/home".into(),
            temporary: "/s/tmp".into(),
            programs: "/usr/bin".into(),
        }
    }

    #[test]
    fn only_the_short_list_passes_and_the_rest_is_named() {
        let client = client(&[
            ("AWS_SECRET_ACCESS_KEY", "x"),
            ("LANG", "de_DE.UTF-8"),
            ("HOME", "/home/me"),
            ("LD_PRELOAD", "/tmp/evil.so"),
        ]);
        let decision = decide_environment(&client, &BTreeMap::new(), &places());
        assert_eq!(decision.variables["LANG"], "de_DE.UTF-8");
        assert_eq!(decision.variables["HOME"], "/s/home");
        assert_eq!(decision.variables["PYTHONNOUSERSITE"], "1");
        assert_eq!(decision.variables.len(), 5);
        assert_eq!(decision.withheld, ["AWS_SECRET_ACCESS_KEY", "LD_PRELOAD"]);
    }

    #[test]
    fn the_manifest_adds_values_and_names_that_pass() {
        let manifest = BTreeMap::from([
            ("LEVEL".to_owned(), EnvValue::Literal("info".into())),
            (
                "MEMORY_FILE_PATH".to_owned(),
                EnvValue::Literal("~/memory.json".into()),
            ),
            (
                "TOKEN".to_owned(),
                EnvValue::FromClient {
                    name: "MY_TOKEN".into(),
                },
            ),
            (
                "ABSENT".to_owned(),
                EnvValue::FromClient {
                    name: "NOWHERE".into(),
                },
            ),
        ]);
        let decision = decide_environment(&client(&[("MY_TOKEN", "t")]), &manifest, &places());
        assert_eq!(decision.variables["LEVEL"], "info");
        assert_eq!(
            decision.variables["MEMORY_FILE_PATH"],
            "/s/home/memory.json"
        );
        assert_eq!(decision.variables["TOKEN"], "t");
        assert!(!decision.variables.contains_key("ABSENT"));
        assert!(decision.withheld.is_empty());
    }
}
