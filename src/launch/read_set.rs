//! From the policy's templates to the files of this machine: the Landlock rules of one launch.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::LaunchError;
use super::elf::libraries_of;
use crate::policy::{EffectivePolicy, Origin, OwnFolders, check_grant};
use crate::sandbox::{Access, PathRule};

/// What the templates stand for.
#[derive(Clone, Debug)]
pub(super) struct Expansion {
    pub tree: PathBuf,
    pub home: PathBuf,
    pub temporary: PathBuf,
    /// The interpreter, links resolved; `None` when the entry point is executed itself.
    pub interpreter: Option<PathBuf>,
}

impl Expansion {
    /// `None` when a template asks for something that this server doesn't have.
    fn expand(&self, template: &str) -> Option<PathBuf> {
        if !template.contains('{') {
            return Some(PathBuf::from(template));
        }
        let mut text = template.to_owned();
        let mut put = |name: &str, value: Option<&Path>| -> Option<()> {
            if text.contains(name) {
                text = text.replace(name, value?.to_str()?);
            }
            Some(())
        };
        put("{tree}", Some(&self.tree))?;
        put("{home}", Some(&self.home))?;
        put("{temporary}", Some(&self.temporary))?;
        let interpreter = self.interpreter.as_deref();
        put(
            "{prefix}",
            interpreter.and_then(Path::parent).and_then(Path::parent),
        )?;
        put(
            "{name}",
            interpreter.and_then(Path::file_name).map(Path::new),
        )?;
        Some(PathBuf::from(text))
    }
}

/// Computes the rules: the policy's grants, the programs that may be executed, and the libraries
/// of those. Paths that don't exist are left out; links are resolved, because Landlock judges the
/// file and not the name.
///
/// # Errors
/// When a folder that the manifest grants is missing, or resolves to one that can't be granted.
pub(super) fn path_rules(
    policy: &EffectivePolicy,
    expansion: &Expansion,
    programs: &[PathBuf],
    own: &OwnFolders,
) -> Result<Vec<PathRule>, LaunchError> {
    let mut rules = Rules::default();
    for grant in &policy.grants {
        let Some(path) = expansion.expand(&grant.path) else {
            continue;
        };
        match fs::canonicalize(&path) {
            Ok(_) if path.starts_with("/proc/self") => {
                // It means another process here: the stub resolves it.
                rules.add(path, grant.access);
            }
            Ok(resolved) => {
                if grant.origin == Origin::Manifest {
                    check_grant(&resolved, grant.access, own)?;
                }
                rules.add(resolved, grant.access);
            }
            Err(source) if grant.origin == Origin::Manifest => {
                return Err(LaunchError::GrantedPath { path, source });
            }
            Err(_) => {}
        }
    }
    let plugins = policy
        .libraries_of
        .iter()
        .filter_map(|template| expansion.expand(template))
        .filter_map(|folder| fs::read_dir(folder).ok())
        .flat_map(|entries| entries.flatten().map(|entry| entry.path()));
    let found = libraries_of(programs.iter().cloned().chain(plugins));
    for program in programs.iter().chain(&found.linkers) {
        rules.add_resolved(program, Access::Execute);
    }
    for library in &found.libraries {
        rules.add_resolved(library, Access::Read);
    }
    Ok(rules.into_vec())
}

/// Several rules for one path are several rules: Landlock joins their rights.
#[derive(Default)]
struct Rules(BTreeMap<(PathBuf, Access), ()>);

impl Rules {
    fn add(&mut self, path: PathBuf, access: Access) {
        self.0.insert((path, access), ());
    }

    fn add_resolved(&mut self, path: &Path, access: Access) {
        if let Ok(resolved) = fs::canonicalize(path) {
            self.add(resolved, access);
        }
    }

    fn into_vec(self) -> Vec<PathRule> {
        self.0
            .into_keys()
            .map(|(path, access)| PathRule { path, access })
            .collect()
    }
}
