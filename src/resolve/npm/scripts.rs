//! Which scripts npm would run when it installs a package, in which order, and what they may ask
//! of their environment. Nothing is run here.
//!
//! As npm's documentation has it (docs.npmjs.com/cli/using-npm/scripts, "npm install"): `preinstall`
//! of all packages, then `install`, then `postinstall`; a package with a `binding.gyp` and neither
//! `install` nor `preinstall` has `node-gyp rebuild` for the former. Packages nearer to the top of
//! the tree come first, those of one depth by their paths.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

use super::entry::{clean, is_file_inside, programs, read_manifest};
use crate::lockfile::Artifact;
use crate::resolve::ResolveError;

/// In npm's order.
const EVENTS: [&str; 3] = ["preinstall", "install", "postinstall"];
/// What a package with a binding.gyp means.
const IMPLIED: &str = "node-gyp rebuild";
/// More than any package.json says in earnest.
const MAX_VARIABLES: usize = 1000;

/// One script of one package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// `better-sqlite3@12.4.1`
    pub package: String,
    /// Of the package, in the tree.
    pub path: String,
    pub event: &'static str,
    /// For `sh -c`.
    pub command: String,
    /// What its package.json gives it, by npm's names: `npm_package_…`.
    pub variables: BTreeMap<String, String>,
}

/// What is read of a package.json here.
#[derive(Deserialize)]
struct Manifest {
    #[serde(default)]
    scripts: BTreeMap<String, Value>,
    #[serde(default)]
    gypfile: Option<Value>,
    #[serde(default)]
    config: Value,
    #[serde(default)]
    engines: Value,
}

/// What is read of it for `node_modules/.bin`.
#[derive(Deserialize)]
struct Programs {
    #[serde(default, deserialize_with = "programs")]
    bin: BTreeMap<String, String>,
}

/// The artifacts of packages with these names.
///
/// # Errors
/// When there is none, or it asks for no script.
pub fn chosen<'a>(
    artifacts: &'a [Artifact],
    names: &[String],
) -> Result<Vec<&'a Artifact>, ResolveError> {
    for name in names {
        let mut found = artifacts.iter().filter(|one| one.name == *name).peekable();
        if found.peek().is_none() {
            let possible: BTreeSet<&String> = artifacts
                .iter()
                .filter(|artifact| artifact.install_script)
                .map(|artifact| &artifact.name)
                .collect();
            return Err(ResolveError::NotInClosure {
                name: name.clone(),
                possible: possible.into_iter().cloned().collect(),
            });
        }
        if !found.any(|artifact| artifact.install_script) {
            return Err(ResolveError::NoInstallScript { name: name.clone() });
        }
    }
    let named = |artifact: &&Artifact| artifact.install_script && names.contains(&artifact.name);
    Ok(artifacts.iter().filter(named).collect())
}

/// The scripts of `packages`, which are unpacked in `tree`, in the order in which they are run.
///
/// # Errors
/// When a package.json can't be read, or has no such script, whatever the registry says of it.
pub fn install_scripts(tree: &Path, packages: &[&Artifact]) -> Result<Vec<Script>, ResolveError> {
    let mut packages = packages.to_vec();
    packages.sort_by_key(|package| (package.path.matches("node_modules/").count(), &package.path));
    let mut scripts = Vec::new();
    for package in packages {
        let folder = tree.join(&package.path);
        let manifest: Manifest = read_manifest(&folder.join("package.json"))?;
        let own = commands(&manifest, folder.join("binding.gyp").is_file());
        if own.is_empty() {
            return Err(ResolveError::NoInstallScript {
                name: package.name.clone(),
            });
        }
        let variables = variables(package, &manifest);
        scripts.extend(own.into_iter().map(|(event, command)| Script {
            package: format!("{}@{}", package.name, package.version),
            path: package.path.clone(),
            event,
            command,
            variables: variables.clone(),
        }));
    }
    // Stable: within an event the order of packages stays.
    scripts.sort_by_key(|script| EVENTS.iter().position(|event| *event == script.event));
    Ok(scripts)
}

fn commands(manifest: &Manifest, has_binding: bool) -> Vec<(&'static str, String)> {
    let own = |event: &str| manifest.scripts.get(event).and_then(Value::as_str);
    let implied = has_binding
        && own("install").is_none()
        && own("preinstall").is_none()
        && manifest.gypfile != Some(Value::Bool(false));
    let command = |event: &'static str| match own(event) {
        Some(command) if !command.trim().is_empty() => Some((event, command.to_owned())),
        None if implied && event == "install" => Some((event, IMPLIED.to_owned())),
        _ => None,
    };
    EVENTS.into_iter().filter_map(command).collect()
}

/// Name, version, `config` and `engines`: what npm passes on since version 7.
fn variables(package: &Artifact, manifest: &Manifest) -> BTreeMap<String, String> {
    let mut variables = BTreeMap::from([
        ("npm_package_name".to_owned(), package.name.clone()),
        ("npm_package_version".to_owned(), package.version.clone()),
    ]);
    flatten("npm_package_config", &manifest.config, &mut variables);
    flatten("npm_package_engines", &manifest.engines, &mut variables);
    variables
}

/// `{"a": {"b": 1}}` is `PREFIX_a_b=1`. What can't be the name of a variable is left out.
fn flatten(prefix: &str, value: &Value, into: &mut BTreeMap<String, String>) {
    let text = match value {
        Value::Object(members) => {
            for (key, value) in members {
                flatten(&format!("{prefix}_{key}"), value, into);
            }
            return;
        }
        Value::Array(items) => {
            for (index, value) in items.iter().enumerate() {
                flatten(&format!("{prefix}_{index}"), value, into);
            }
            return;
        }
        Value::Null if prefix.ends_with("_config") || prefix.ends_with("_engines") => return,
        Value::Null | Value::Bool(false) => String::new(),
        Value::Bool(true) => "true".to_owned(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.clone(),
    };
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.@/".contains(&byte);
    if into.len() < MAX_VARIABLES && prefix.bytes().all(allowed) && !text.contains('\0') {
        into.insert(prefix.to_owned(), text);
    }
}

/// The programs that a package finds in the folders `node_modules/.bin` on its way to the top of the
/// tree, each by its name; a nearer one hides others.
///
/// # Errors
/// When a package.json can't be read.
pub fn programs_of(
    tree: &Path,
    package: &str,
    artifacts: &[Artifact],
) -> Result<BTreeMap<String, PathBuf>, ResolveError> {
    let mut seen: Vec<&Artifact> = artifacts
        .iter()
        .filter(|artifact| {
            let own = artifact
                .path
                .rsplit_once("node_modules/")
                .map_or("", |(folder, _)| folder);
            format!("{package}/").starts_with(own)
        })
        .collect();
    seen.sort_by_key(|artifact| std::cmp::Reverse(artifact.path.matches("node_modules/").count()));
    let mut found = BTreeMap::new();
    for artifact in seen {
        let folder = tree.join(&artifact.path);
        let Programs { bin } = read_manifest(&folder.join("package.json"))?;
        for (name, file) in bin {
            let unscoped = artifact.name.rsplit('/').next().unwrap_or_default();
            let name = if name.is_empty() { unscoped } else { &name };
            let Some(inside) = clean(&file).filter(|_| is_program_name(name)) else {
                continue;
            };
            if is_file_inside(&folder, &inside).unwrap_or(false) {
                let place = folder.join(inside);
                found.entry(name.to_owned()).or_insert(place);
            }
        }
    }
    Ok(found)
}

fn is_program_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    (1..=100).contains(&name.len()) && !name.starts_with('.') && name.bytes().all(allowed)
}

/// Whether node-gyp and make left this behind, at a path in a package: what was only needed to
/// compile names folders of this machine and is no part of the result.
pub fn is_left_over(path: &str) -> bool {
    let Some(below) = path.strip_prefix("build/") else {
        return false;
    };
    match below.split_once('/') {
        None => {
            matches!(
                below,
                "Makefile" | "config.gypi" | "gyp-mac-tool" | "node_gyp_bins"
            ) || below.ends_with(".mk")
                || below.ends_with(".Makefile")
        }
        Some(("Release" | "Debug", part)) => matches!(part, ".deps" | "obj" | "obj.target"),
        Some(_) => false,
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "files of tests are not kept")]
mod tests {
    use super::*;
    use crate::lockfile::Digest;

    fn artifact(path: &str, install_script: bool) -> Artifact {
        let name = path.rsplit_once("node_modules/").unwrap().1;
        Artifact {
            name: name.to_owned(),
            version: "1.0.0".to_owned(),
            path: path.to_owned(),
            url: String::new(),
            integrity: String::new(),
            sha256: Digest::of(path.as_bytes()),
            size: 0,
            published: None,
            install_script,
            publisher: None,
            signature: None,
            provenance: None,
        }
    }

    /// A tree of packages: path, package.json, whether there is a binding.gyp.
    fn tree(packages: &[(&str, &str, bool)]) -> (tempfile::TempDir, Vec<Artifact>) {
        let tree = tempfile::tempdir().unwrap();
        for (path, manifest, binding) in packages {
            let folder = tree.path().join(path);
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join("package.json"), manifest).unwrap();
            std::fs::write(folder.join("tool.js"), "").unwrap();
            if *binding {
                std::fs::write(folder.join("binding.gyp"), "").unwrap();
            }
        }
        let artifacts = packages.iter().map(|(path, ..)| artifact(path, true));
        (tree, artifacts.collect())
    }

    fn order(packages: &[(&str, &str, bool)]) -> Result<Vec<String>, ResolveError> {
        let (tree, artifacts) = tree(packages);
        let all: Vec<&Artifact> = artifacts.iter().collect();
        let scripts = install_scripts(tree.path(), &all)?;
        let shown = |script: Script| format!("{} {} {}", script.path, script.event, script.command);
        Ok(scripts.into_iter().map(shown).collect())
    }

    #[test]
    fn scripts_come_in_npms_order() {
        let all = r#"{"scripts":{"postinstall":"c","install":"b","preinstall":"a","test":"x"}}"#;
        let found = order(&[
            ("node_modules/z", all, true),
            ("node_modules/a/node_modules/b", all, false),
        ]);
        assert_eq!(
            found.unwrap(),
            [
                "node_modules/z preinstall a",
                "node_modules/a/node_modules/b preinstall a",
                "node_modules/z install b",
                "node_modules/a/node_modules/b install b",
                "node_modules/z postinstall c",
                "node_modules/a/node_modules/b postinstall c",
            ]
        );
    }

    #[test]
    fn a_binding_implies_node_gyp_unless_the_package_says_otherwise() {
        let implied = "node_modules/a install node-gyp rebuild";
        for (manifest, expected) in [
            ("{}", vec![implied]),
            (
                r#"{"scripts":{"postinstall":"c"}}"#,
                vec![implied, "node_modules/a postinstall c"],
            ),
            (
                r#"{"scripts":{"preinstall":"a"}}"#,
                vec!["node_modules/a preinstall a"],
            ),
        ] {
            let found = order(&[("node_modules/a", manifest, true)]).unwrap();
            assert_eq!(found, expected, "{manifest}");
        }
        for (manifest, binding) in [
            (r#"{"gypfile":false}"#, true),
            ("{}", false),
            (r#"{"scripts":{"install":" "}}"#, true),
        ] {
            let found = order(&[("node_modules/a", manifest, binding)]);
            assert!(matches!(found, Err(ResolveError::NoInstallScript { .. })));
        }
    }

    #[test]
    fn a_name_that_names_nothing_is_an_error_that_says_what_could_be_named() {
        let artifacts = [
            artifact("node_modules/a", true),
            artifact("node_modules/b", false),
        ];
        let chosen = |name: &str| chosen(&artifacts, &[name.to_owned()]).map(|found| found.len());
        assert_eq!(chosen("a").unwrap(), 1);
        let said = chosen("x").unwrap_err().to_string();
        assert!(
            said.contains("not a package of this server; it can name a"),
            "{said}"
        );
        let said = chosen("b").unwrap_err().to_string();
        assert!(said.contains("has no install script"), "{said}");
    }

    #[test]
    fn a_nearer_program_hides_one_that_is_further_away() {
        let bin = r#"{"bin":{"tool":"tool.js","../evil":"tool.js","out":"../x"}}"#;
        let (tree, artifacts) = tree(&[
            ("node_modules/top", bin, false),
            ("node_modules/a", r#"{"bin":"tool.js"}"#, false),
            ("node_modules/a/node_modules/inner", bin, false),
            (
                "node_modules/b/node_modules/other",
                r#"{"bin":{"other":"tool.js"}}"#,
                false,
            ),
        ]);
        let found = programs_of(tree.path(), "node_modules/a", &artifacts).unwrap();
        let inner = tree
            .path()
            .join("node_modules/a/node_modules/inner/tool.js");
        let own = tree.path().join("node_modules/a/tool.js");
        let expected = [("a".to_owned(), own), ("tool".to_owned(), inner)];
        assert_eq!(found, BTreeMap::from(expected));
    }

    #[test]
    fn variables_are_flattened_and_bounded() {
        let manifest = r#"{"scripts":{"install":"x"},"config":{"a":{"b":[1,"x"]},"c=d":"no","e":false},"engines":{"node":">=20"}}"#;
        let (tree, artifacts) = tree(&[("node_modules/a", manifest, false)]);
        let scripts = install_scripts(tree.path(), &[&artifacts[0]]).unwrap();
        let expected = [
            ("npm_package_config_a_b_0", "1"),
            ("npm_package_config_a_b_1", "x"),
            ("npm_package_config_e", ""),
            ("npm_package_engines_node", ">=20"),
            ("npm_package_name", "a"),
            ("npm_package_version", "1.0.0"),
        ];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(scripts[0].variables, BTreeMap::from(expected));
    }

    #[test]
    fn what_was_only_needed_to_compile_is_left_out() {
        for path in [
            "build/Makefile",
            "build/x.target.mk",
            "build/Release/obj.target",
            "build/node_gyp_bins",
        ] {
            assert!(is_left_over(path), "{path}");
        }
        for path in [
            "build",
            "build/Release/x.node",
            "lib/Makefile",
            "build/Release",
            "build/x.js",
        ] {
            assert!(!is_left_over(path), "{path}");
        }
    }
}
