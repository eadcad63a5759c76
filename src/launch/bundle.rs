//! Bundles at launch: the manifest.json of the tree and the values of the manifest, put together.
//!
//! Read before the tree has been looked at, as the entry point's first line is; the server is let
//! go only when the tree was found to be what was locked.

use std::collections::BTreeMap;
use std::path::Path;

use super::LaunchError;
use crate::config::{ConfigValue, Redact};
use crate::lockfile::{BUNDLE_FOLDER, LockedServer};
use crate::policy::{EffectivePolicy, VariableSource, variable_sources};
use crate::resolve::ResolveError;
use crate::resolve::bundle::{Bundle, BundleInputs, BundleKind, BundlePlaces, BundleRun};

/// What a bundle adds to a launch.
pub(super) struct BundleLaunch {
    /// Whether an interpreter runs the entry point that it doesn't name itself.
    pub(super) interpreted: bool,
    pub(super) run: BundleRun,
}

/// What the bundle of a locked server adds; `None` when it is none.
pub(super) fn bundle_launch(
    locked: &LockedServer,
    tree: &Path,
    policy: &EffectivePolicy,
    inputs: BundleInputs<'_>,
    home: &Path,
    user_home: Option<&Path>,
) -> Result<Option<BundleLaunch>, LaunchError> {
    if !locked.is_bundle() {
        return match policy.config.keys().next() {
            None => Ok(None),
            Some(key) => Err(LaunchError::NoBundle { key: key.clone() }),
        };
    }
    let folder = tree.join(BUNDLE_FOLDER);
    let bundle = Bundle::read(&folder)?;
    let places = BundlePlaces {
        folder: &folder,
        home,
        user_home,
    };
    let run = bundle
        .run(&policy.config, inputs, places)
        .map_err(ResolveError::Bundle)?;
    Ok(Some(BundleLaunch {
        interpreted: bundle.kind != BundleKind::Binary,
        run,
    }))
}

impl BundleLaunch {
    /// Adds the bundle's variables, behind what the manifest and pinfold say of the same names.
    pub(super) fn add_variables(
        &self,
        policy: &EffectivePolicy,
        variables: &mut BTreeMap<String, String>,
    ) {
        let sources = variable_sources(&policy.environment);
        for (name, value) in &self.run.environment {
            match sources.get(name) {
                None | Some(VariableSource::Passed) => {
                    variables.insert(name.clone(), value.clone());
                }
                Some(_) => {}
            }
        }
    }

    /// What is to be taken out of the server's words, unless the manifest says that nothing is.
    pub(super) fn secrets(&self, policy: &EffectivePolicy) -> Vec<(String, String)> {
        match policy.calls.redact {
            Redact::None => Vec::new(),
            _ => self.run.secrets.clone(),
        }
    }
}

/// Whether a value of the bundle is taken from the client's variable `name`.
pub(super) fn asks_client_for(policy: &EffectivePolicy, name: &str) -> bool {
    policy
        .config
        .values()
        .any(|value| matches!(value, ConfigValue::FromClient { name: from } if from == name))
}
