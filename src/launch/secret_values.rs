//! The secrets of one launch, fetched: what the variables and a bundle's values will hold, and what
//! has to be kept out of everything the server says.

use std::collections::BTreeMap;
use std::time::Instant;

use super::prepare::Launcher;
use super::secret_files::SecretFiles;
use super::{LaunchError, StateFolder};
use crate::config::{ConfigValue, Delivery, EnvValue, Redact, SecretSource, SecretUse};
use crate::lockfile::ServerName;
use crate::policy::EffectivePolicy;
use crate::secrets::{self, Secret, SecretError, Supply};

/// Shorter ones are left alone in what the server says: they would be found in ordinary words. In
/// characters.
const LEAST_REDACTED: usize = 4;
/// In the place of a value that is not fetched: text, and a number.
const PLACEHOLDER: &str = "0";

/// Whether a launch is meant, or only the question what it would be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fetching {
    Now,
    /// Nobody is asked, and placeholders stand for the values.
    Never,
}

/// Every secret of a server.
#[derive(Debug)]
pub(super) struct SecretValues {
    /// By the variable.
    pub(super) variables: BTreeMap<String, Given>,
    /// By the key of `config`.
    config: BTreeMap<String, Given>,
    pub(super) files: SecretFiles,
}

/// A secret as it is given.
#[derive(Debug)]
pub(super) struct Given {
    value: Secret,
    /// What the variable holds where that is not the value.
    path: Option<String>,
}

impl Given {
    pub(super) fn text(&self) -> &str {
        self.path.as_deref().unwrap_or_else(|| self.value.text())
    }
}

impl SecretValues {
    /// What a bundle's value `key` is.
    pub(super) fn of_config(&self, key: &str) -> Option<String> {
        Some(self.config.get(key)?.text().to_owned())
    }

    /// Names and values of what is taken out of the server's words.
    pub(super) fn redacted(&self, policy: &EffectivePolicy) -> Vec<(String, String)> {
        if policy.calls.redact == Redact::None {
            return Vec::new();
        }
        let variables = self.variables.iter();
        let variables = variables.map(|(name, given)| (name.clone(), given));
        let config = self.config.iter();
        let config = config.map(|(key, given)| (format!("config.{key}"), given));
        variables
            .chain(config)
            .map(|(name, given)| (name, given.value.text().to_owned()))
            .filter(|(_, text)| text.chars().count() >= LEAST_REDACTED)
            .collect()
    }
}

impl Launcher<'_> {
    /// Fetches all secrets of a policy, each once, all within [`secrets::PATIENCE`].
    ///
    /// # Errors
    /// The first that can't be had, by its variable.
    pub(super) fn fetch_secrets(
        &self,
        name: &ServerName,
        policy: &EffectivePolicy,
        state: &StateFolder,
        fetching: Fetching,
    ) -> Result<SecretValues, LaunchError> {
        let env = policy.environment.iter();
        let env = env.filter_map(|(name, value)| match value {
            EnvValue::Secret(secret) => Some((name, secret)),
            EnvValue::Literal(_) | EnvValue::FromClient { .. } => None,
        });
        let config = policy.config.iter();
        let config = config.filter_map(|(key, value)| match value {
            ConfigValue::Secret(secret) => Some((key, secret)),
            _ => None,
        });
        let (env, config): (Vec<_>, Vec<_>) = (env.collect(), config.collect());
        if fetching == Fetching::Now && !(env.is_empty() && config.is_empty()) {
            secrets::keep_out_of_dumps()?;
        }
        let private = self.own_folders().private;
        let mut fetcher = Fetcher {
            supply: Supply {
                paths: self.paths,
                environment: self.environment,
                private: &private,
            },
            fetching,
            deadline: Instant::now() + secrets::PATIENCE,
            fetched: Vec::new(),
            files: SecretFiles::new(state.secret_files(self.paths.runtime.as_deref(), name)),
        };
        let failed = |variable: String| {
            let name = name.clone();
            move |source| LaunchError::Secret {
                name,
                variable,
                source,
            }
        };
        let mut variables = BTreeMap::new();
        for (variable, secret) in env {
            let given = fetcher
                .give(secret, variable)
                .map_err(failed(variable.clone()))?;
            variables.insert(variable.clone(), given);
        }
        let mut values = BTreeMap::new();
        for (place, (key, secret)) in config.into_iter().enumerate() {
            // A key may hold what no file's name can.
            let given = fetcher
                .give(secret, &format!("config.{place}"))
                .map_err(failed(format!("config.{key}")))?;
            values.insert(key.clone(), given);
        }
        Ok(SecretValues {
            variables,
            config: values,
            files: fetcher.files,
        })
    }
}

struct Fetcher<'a> {
    supply: Supply<'a>,
    fetching: Fetching,
    deadline: Instant,
    /// The same source is not asked twice.
    fetched: Vec<(SecretSource, Secret)>,
    files: SecretFiles,
}

impl Fetcher<'_> {
    fn give(&mut self, wanted: &SecretUse, file: &str) -> Result<Given, SecretError> {
        let value = self.value(&wanted.source)?;
        let path = match wanted.delivery {
            Delivery::Value => None,
            Delivery::File => {
                let path = self.files.add(file, value.text());
                Some(path.to_string_lossy().into_owned())
            }
        };
        Ok(Given { value, path })
    }

    fn value(&mut self, source: &SecretSource) -> Result<Secret, SecretError> {
        if self.fetching == Fetching::Never {
            return Secret::read_line_of(PLACEHOLDER.as_bytes());
        }
        if let Some((_, value)) = self.fetched.iter().find(|(known, _)| known == source) {
            return Ok(value.clone());
        }
        let value = self.supply.fetch(source, self.deadline)?;
        self.fetched.push((source.clone(), value.clone()));
        Ok(value)
    }
}
