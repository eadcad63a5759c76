//! Which servers use which stored secret: of the user's own manifest, of the one that was named, and
//! of those that were ever trusted.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::context::Context;
use crate::config::{
    ConfigError, ConfigValue, EnvValue, Manifest, Paths, SecretName, SecretSource, Server, Trust,
};
use crate::lockfile::ServerName;

/// A server that gets a secret.
pub(super) struct Use {
    pub(super) manifest: PathBuf,
    pub(super) server: ServerName,
    /// The variable, or `config.KEY`.
    pub(super) variable: String,
}

/// All of them, by the secret.
pub(super) struct Uses {
    by_name: BTreeMap<SecretName, Vec<Use>>,
    /// Manifests that can't be read, so that nobody knows what they use.
    pub(super) unread: Vec<PathBuf>,
}

impl Uses {
    pub(super) fn find(context: &Context) -> anyhow::Result<Self> {
        let own = Paths::resolve(&context.environment, None)?;
        let trust = Trust::load(&own.trusted())?;
        let mut manifests: BTreeSet<PathBuf> =
            [own.manifest.clone(), context.paths.manifest.clone()].into();
        manifests.extend(trust.manifests().map(PathBuf::from));
        let mut found = Self {
            by_name: BTreeMap::new(),
            unread: Vec::new(),
        };
        for path in manifests {
            let paths = Paths::resolve(&context.environment, Some(&path))?;
            match Manifest::load(&paths) {
                Ok(manifest) => found.add(&path, &manifest),
                Err(ConfigError::MissingManifest { .. }) => {}
                Err(error) => {
                    super::output::warning(&format!(
                        "{} can't be read, so what its servers use is not known: {error}",
                        path.display()
                    ));
                    found.unread.push(path);
                }
            }
        }
        Ok(found)
    }

    fn add(&mut self, path: &std::path::Path, manifest: &Manifest) {
        for (server, written) in &manifest.servers {
            for (variable, name) in stored(written) {
                self.by_name.entry(name).or_default().push(Use {
                    manifest: path.to_owned(),
                    server: server.clone(),
                    variable,
                });
            }
        }
    }

    pub(super) fn of(&self, name: &SecretName) -> impl Iterator<Item = &Use> {
        self.by_name.get(name).into_iter().flatten()
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &SecretName> {
        self.by_name.keys()
    }
}

/// The secrets of a server, each with where it goes.
pub(super) fn secrets_of(server: &Server) -> Vec<(String, &SecretSource)> {
    let env = server
        .env
        .iter()
        .filter_map(|(variable, value)| match value {
            EnvValue::Secret(secret) => Some((variable.clone(), &secret.source)),
            EnvValue::Literal(_) | EnvValue::FromClient { .. } => None,
        });
    let config = server.config.iter().filter_map(|(key, value)| match value {
        ConfigValue::Secret(secret) => Some((format!("config.{key}"), &secret.source)),
        _ => None,
    });
    env.chain(config).collect()
}

/// Those that are stored.
fn stored(server: &Server) -> Vec<(String, SecretName)> {
    let secrets = secrets_of(server).into_iter();
    secrets
        .filter_map(|(variable, source)| match source {
            SecretSource::Stored(name) => Some((variable, name.clone())),
            _ => None,
        })
        .collect()
}
