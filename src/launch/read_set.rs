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
    let writable = writable_folders(policy);
    for grant in &policy.grants {
        let Some(path) = expansion.expand(&grant.path) else {
            continue;
        };
        match fs::canonicalize(&path) {
            Ok(_) if path == Path::new("/proc/self") => {
                // It means another folder in every process: the stub resolves it.
                rules.add(path, grant.access);
            }
            Ok(resolved) => {
                if grant.origin == Origin::Manifest {
                    check_grant(&resolved, grant.access, own)?;
                    not_steered(&path, &resolved, &writable)?;
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
    for program in programs {
        not_its_own(program, &writable)?;
    }
    for program in programs.iter().chain(&found.linkers) {
        rules.add_resolved(program, Access::Execute);
    }
    for library in &found.libraries {
        rules.add_resolved(library, Access::Read);
    }
    Ok(rules.into_vec())
}

/// The folders that the manifest lets the server write, links resolved.
fn writable_folders(policy: &EffectivePolicy) -> Vec<PathBuf> {
    policy
        .grants
        .iter()
        .filter(|grant| grant.origin == Origin::Manifest && grant.access == Access::Write)
        .filter_map(|grant| fs::canonicalize(&grant.path).ok())
        .collect()
}

/// A grant that lies in a folder which the server may write must not lead out of it: the server
/// could have put a link there in an earlier session, and so have chosen what it is granted.
fn not_steered(path: &Path, resolved: &Path, writable: &[PathBuf]) -> Result<(), LaunchError> {
    let passes = path
        .ancestors()
        .skip(1)
        .filter_map(|ancestor| fs::canonicalize(ancestor).ok())
        .collect::<Vec<_>>();
    let left = writable.iter().find(|folder| {
        !resolved.starts_with(folder) && passes.iter().any(|place| place.starts_with(folder))
    });
    match left {
        None => Ok(()),
        Some(folder) => Err(LaunchError::SteeredGrant {
            path: path.to_owned(),
            resolved: resolved.to_owned(),
            folder: folder.clone(),
        }),
    }
}

/// A program that the server can write is any program.
fn not_its_own(program: &Path, writable: &[PathBuf]) -> Result<(), LaunchError> {
    let resolved = fs::canonicalize(program).unwrap_or_else(|_| program.to_owned());
    let changeable = |path: &Path| writable.iter().any(|folder| path.starts_with(folder));
    if changeable(&resolved) || changeable(program) {
        return Err(LaunchError::Program {
            program: program.display().to_string(),
            reason: "it lies in a folder that the server may write, so it could be any program"
                .to_owned(),
        });
    }
    Ok(())
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
