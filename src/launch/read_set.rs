//! From the policy's templates to the files of this machine: the Landlock rules of one launch.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use super::LaunchError;
use super::elf::{libraries_with, library_named};
use super::prepare::PROGRAMS;
use crate::policy::{EffectivePolicy, Grant, Origin, OwnFolders, check_grant};
use crate::sandbox::{Access, Link, PathRule};

/// What the templates stand for.
#[derive(Clone, Debug)]
pub(super) struct Expansion {
    pub tree: PathBuf,
    pub home: PathBuf,
    pub temporary: PathBuf,
    /// The interpreter, links resolved; `None` when the entry point is executed itself.
    pub interpreter: Option<PathBuf>,
    /// The tree that the interpreter comes from, when that is no program of the machine.
    pub runtime: Option<PathBuf>,
    /// Compiled modules of the tree, which link to libraries of the machine.
    pub modules: Vec<PathBuf>,
}

impl Expansion {
    /// `None` when a template asks for something that this server doesn't have.
    pub(super) fn expand(&self, template: &str) -> Option<PathBuf> {
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

/// What a launch may reach.
pub(super) struct ReadSet<'p> {
    pub rules: BTreeMap<PathRule, Reason<'p>>,
    /// The links on the way to what was resolved: a root of its own needs them, too.
    pub links: Vec<Link>,
    /// What is granted but not on this machine.
    pub absent: Vec<&'p Grant>,
}

/// Why there is a rule; the first reason, when there are several.
#[derive(Clone, Copy, Debug)]
pub(super) enum Reason<'p> {
    Granted(&'p Grant),
    /// One of the programs, by its place among them.
    Program(usize),
    /// The program that loads programs.
    Linker,
    /// A shared library of the programs, or of the server's own modules.
    Library,
}

/// Links of the root folder that programs take for granted, `#!/bin/sh` for example (hier(7)).
const ROOT_LINKS: [&str; 6] = ["/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"];

/// Computes the rules: the policy's grants, the programs that may be executed, and the libraries
/// of those. Paths that don't exist are left out; links are resolved, because Landlock judges the
/// file and not the name.
pub(super) fn read_set<'p>(
    policy: &'p EffectivePolicy,
    expansion: &Expansion,
    programs: &[PathBuf],
) -> ReadSet<'p> {
    let mut rules = Rules::default();
    let mut absent = Vec::new();
    for link in ROOT_LINKS {
        let _ = rules.resolve(Path::new(link));
    }
    for grant in &policy.grants {
        if let Some(resolved) = &grant.resolved {
            let _ = rules.resolve(Path::new(&grant.path));
            rules.add(resolved.clone(), grant.access, Reason::Granted(grant));
            continue;
        }
        let there = match expansion.expand(&grant.path) {
            // It means another process here: the stub resolves it.
            Some(path) if path.starts_with("/proc/self") => Some(path),
            Some(path) => rules.resolve(&path),
            None => None,
        };
        match there {
            Some(path) => rules.add(path, grant.access, Reason::Granted(grant)),
            None => absent.push(grant),
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
    let modules = expansion.modules.iter();
    let needing = programs.iter().chain(&loaded).chain(modules);
    let needing = needing.cloned().chain(plugins);
    let trees: Vec<&Path> = std::iter::once(&expansion.tree)
        .chain(&expansion.runtime)
        .map(PathBuf::as_path)
        .collect();
    let found = libraries_with(needing, &trees);
    for (place, program) in programs.iter().enumerate() {
        rules.add_resolved(program, Access::Execute, Reason::Program(place));
    }
    // What is called by a link (`sh`, `awk`) is looked for by that name.
    for name in &policy.execute {
        for folder in std::env::split_paths(PROGRAMS) {
            // An absolute name takes the folder's place.
            let path = folder.join(name);
            if fs::canonicalize(&path).is_ok_and(|found| programs.contains(&found)) {
                let _ = rules.resolve(&path);
            }
        }
    }
    for linker in &found.linkers {
        rules.add_resolved(linker, Access::Execute, Reason::Linker);
    }
    // Those of the tree itself can be read with it.
    let outside = |library: &&PathBuf| !library.starts_with(&expansion.tree);
    for library in found.libraries.iter().chain(&loaded).filter(outside) {
        rules.add_resolved(library, Access::Read, Reason::Library);
    }
    ReadSet {
        rules: rules.paths,
        absent,
        links: rules
            .links
            .into_iter()
            .map(|(path, target)| Link { path, target })
            .collect(),
    }
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

/// Links that follow one another for longer than this lead nowhere (`ELOOP`, path_resolution(7)).
const MAX_LINKS: usize = 40;

/// Several rules for one path are several rules: Landlock joins their rights.
#[derive(Default)]
struct Rules<'p> {
    paths: BTreeMap<PathRule, Reason<'p>>,
    links: BTreeMap<PathBuf, PathBuf>,
    /// Paths that are no links, nor is anything on the way to them.
    plain: HashSet<PathBuf>,
}

impl<'p> Rules<'p> {
    fn add(&mut self, path: PathBuf, access: Access, reason: Reason<'p>) {
        let rule = PathRule { path, access };
        self.paths.entry(rule).or_insert(reason);
    }

    fn add_resolved(&mut self, path: &Path, access: Access, reason: Reason<'p>) {
        if let Some(resolved) = self.resolve(path) {
            self.add(resolved, access, reason);
        }
    }

    /// What `path` is with every link resolved, like realpath(3); notes the links that are met.
    /// `None` when it leads nowhere. Many paths share their folders, which are asked about once.
    fn resolve(&mut self, path: &Path) -> Option<PathBuf> {
        let mut left: Vec<PathBuf> = parts(path);
        let mut here = PathBuf::from("/");
        let mut met = Vec::new();
        while let Some(part) = left.pop() {
            if part == Path::new("..") {
                here.pop();
                continue;
            }
            let next = here.join(&part);
            if self.plain.contains(&next) {
                here = next;
                continue;
            }
            match fs::read_link(&next) {
                Ok(target) => {
                    if met.len() == MAX_LINKS {
                        return None;
                    }
                    if target.is_absolute() {
                        here = PathBuf::from("/");
                    }
                    left.extend(parts(&target));
                    met.push((next, target));
                }
                // It is there, and no link (readlink(2)).
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                    self.plain.insert(next.clone());
                    here = next;
                }
                Err(_) => return None,
            }
        }
        self.links.extend(met);
        Some(here)
    }
}

/// The names in a path, the last one first.
fn parts(path: &Path) -> Vec<PathBuf> {
    let named = |component: Component<'_>| match component {
        Component::Normal(name) => Some(PathBuf::from(name)),
        Component::ParentDir => Some(PathBuf::from("..")),
        _ => None,
    };
    path.components().filter_map(named).rev().collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn every_link_on_the_way_is_noted() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| fs::canonicalize(folder.path()).unwrap().join(name);
        fs::create_dir_all(at("real/inner")).unwrap();
        fs::File::create(at("real/inner/file.1")).unwrap();
        symlink("file.1", at("real/inner/file")).unwrap();
        symlink("real/../real", at("relative")).unwrap();
        symlink(at("relative"), at("absolute")).unwrap();
        symlink("loop", at("loop")).unwrap();
        let mut rules = Rules::default();
        rules.add_resolved(&at("absolute/inner/file"), Access::Read, Reason::Library);
        rules.add_resolved(&at("loop"), Access::Read, Reason::Library);
        rules.add_resolved(&at("missing"), Access::Read, Reason::Library);
        let links: Vec<(PathBuf, PathBuf)> = rules.links.into_iter().collect();
        assert_eq!(
            links,
            [
                (at("absolute"), at("relative")),
                (at("real/inner/file"), "file.1".into()),
                (at("relative"), "real/../real".into()),
            ]
        );
        let paths: Vec<PathBuf> = rules.paths.into_keys().map(|rule| rule.path).collect();
        assert_eq!(paths, [at("real/inner/file.1")]);
    }
}
