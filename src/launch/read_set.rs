//! From the policy's templates to the files of this machine: the Landlock rules of one launch.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::LaunchError;
use super::elf::{libraries_of, library_named};
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

/// Resolves what the manifest grants, as it is on this machine now, into [`Grant::resolved`].
///
/// # Errors
/// When it is missing, or resolves to something that can't be granted.
pub(super) fn resolve_grants(
    policy: &mut EffectivePolicy,
    own: &OwnFolders,
) -> Result<(), LaunchError> {
    for grant in &mut policy.grants {
        if grant.origin == Origin::Manifest {
            let resolved =
                fs::canonicalize(&grant.path).map_err(|source| LaunchError::GrantedPath {
                    path: PathBuf::from(&grant.path),
                    source,
                })?;
            check_grant(&resolved, grant.access, own)?;
            grant.resolved = Some(resolved);
        }
    }
    Ok(())
}

/// Computes the rules: the policy's grants, the programs that may be executed, and the libraries
/// of those. Paths that don't exist are left out; links are resolved, because Landlock judges the
/// file and not the name.
pub(super) fn path_rules(
    policy: &EffectivePolicy,
    expansion: &Expansion,
    programs: &[PathBuf],
) -> Vec<PathRule> {
    let mut rules = Rules::default();
    for grant in &policy.grants {
        if let Some(resolved) = &grant.resolved {
            rules.add(resolved.clone(), grant.access);
            continue;
        }
        let Some(path) = expansion.expand(&grant.path) else {
            continue;
        };
        if path.starts_with("/proc/self") {
            // It means another process here: the stub resolves it.
            rules.add(path, grant.access);
        } else {
            rules.add_resolved(&path, grant.access);
        }
    }
    let plugins = policy
        .libraries_of
        .iter()
        .filter_map(|template| expansion.expand(template))
        .filter_map(|folder| fs::read_dir(folder).ok())
        .flat_map(|entries| entries.flatten().map(|entry| entry.path()));
    let loaded: Vec<PathBuf> = policy
        .loads
        .iter()
        .flat_map(|name| library_named(name))
        .collect();
    let needing = programs.iter().chain(&loaded).cloned().chain(plugins);
    let found = libraries_of(needing);
    for program in programs.iter().chain(&found.linkers) {
        rules.add_resolved(program, Access::Execute);
    }
    for library in found.libraries.iter().chain(&loaded) {
        rules.add_resolved(library, Access::Read);
    }
    rules.0.into_iter().collect()
}

/// Refuses programs that the server could write: each of them is any program.
///
/// # Errors
/// When one lies in a folder that the manifest lets the server write.
pub(super) fn refuse_writable_programs(
    policy: &EffectivePolicy,
    programs: &[PathBuf],
) -> Result<(), LaunchError> {
    let writable = |path: &Path| {
        policy
            .grants
            .iter()
            .filter(|grant| grant.access == Access::Write)
            .filter_map(|grant| grant.resolved.as_ref())
            .any(|folder| path.starts_with(folder))
    };
    for program in programs {
        let resolved = fs::canonicalize(program).unwrap_or_else(|_| program.clone());
        if writable(program) || writable(&resolved) {
            return Err(LaunchError::Program {
                program: program.display().to_string(),
                reason: "it lies in a folder that the server may write, so it could be any program"
                    .to_owned(),
            });
        }
    }
    Ok(())
}

/// Several rules for one path are several rules: Landlock joins their rights.
#[derive(Default)]
struct Rules(BTreeSet<PathRule>);

impl Rules {
    fn add(&mut self, path: PathBuf, access: Access) {
        self.0.insert(PathRule { path, access });
    }

    fn add_resolved(&mut self, path: &Path, access: Access) {
        if let Ok(resolved) = fs::canonicalize(path) {
            self.add(resolved, access);
        }
    }
}
