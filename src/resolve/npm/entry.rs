//! Which file of an unpacked package is its program: the `bin` of its package.json, chosen as
//! npx chooses.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Component, Path};

use serde::{Deserialize, Deserializer};

use crate::resolve::ResolveError;

const MAX_MANIFEST_BYTES: u64 = 4 * 1024 * 1024;

/// A program inside a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryPoint {
    /// Relative to the tree, with `/`.
    pub path: String,
    /// The name that the package gives to the program.
    pub name: String,
}

/// What is read of a package.json.
#[derive(Deserialize)]
pub(crate) struct Manifest {
    #[serde(default)]
    pub(crate) name: Option<String>,
    #[serde(default)]
    pub(crate) main: Option<String>,
    /// Program name to file; a single unnamed program has the empty name.
    #[serde(default, deserialize_with = "programs")]
    pub(crate) bin: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Programs {
    One(String),
    Named(BTreeMap<String, String>),
}

/// The program of the package at `package_path` (`node_modules/NAME`) below `tree`.
pub fn entry_point(
    tree: &Path,
    package_path: &str,
    package_name: &str,
) -> Result<EntryPoint, ResolveError> {
    let folder = tree.join(package_path);
    let manifest: Manifest = read_manifest(&folder.join("package.json"))?;
    let (name, file) = choose(package_name, manifest.bin)?;
    let inside = clean(&file).ok_or_else(|| ResolveError::ProgramOutside {
        package: package_name.to_owned(),
        path: file.chars().take(200).collect(),
    })?;
    if !is_file_inside(&folder, &inside)? {
        return Err(ResolveError::ProgramOutside {
            package: package_name.to_owned(),
            path: inside,
        });
    }
    Ok(EntryPoint {
        path: format!("{package_path}/{inside}"),
        name,
    })
}

pub(crate) fn read_manifest<T: serde::de::DeserializeOwned>(
    path: &Path,
) -> Result<T, ResolveError> {
    let failed = |source| ResolveError::Read {
        path: path.to_owned(),
        source,
    };
    let mut text = Vec::new();
    let file = std::fs::File::open(path).map_err(failed)?;
    file.take(MAX_MANIFEST_BYTES + 1)
        .read_to_end(&mut text)
        .map_err(failed)?;
    let unusable = |reason: String| ResolveError::Unusable {
        path: path.to_owned(),
        reason,
    };
    if u64::try_from(text.len()).is_ok_and(|length| length > MAX_MANIFEST_BYTES) {
        return Err(unusable(format!(
            "it is larger than {MAX_MANIFEST_BYTES} bytes"
        )));
    }
    // Windows editors put a byte order mark in front; npm drops it too.
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&text);
    serde_json::from_slice(text).map_err(|error| unusable(error.to_string()))
}

pub(super) fn programs<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, String>, D::Error> {
    Ok(match Option::<Programs>::deserialize(deserializer)? {
        None => BTreeMap::new(),
        Some(Programs::One(file)) => BTreeMap::from([(String::new(), file)]),
        Some(Programs::Named(programs)) => programs,
    })
}

/// The only program, the one that is named like the package, or any when all are one file.
pub(crate) fn choose(
    package: &str,
    programs: BTreeMap<String, String>,
) -> Result<(String, String), ResolveError> {
    let unscoped = package.rsplit('/').next().unwrap_or(package);
    let mut files: Vec<&String> = programs.values().collect();
    files.sort();
    files.dedup();
    let chosen = match files.len() {
        0 => {
            return Err(ResolveError::NoProgram {
                package: package.to_owned(),
            });
        }
        1 => programs
            .get_key_value(unscoped)
            .or_else(|| programs.first_key_value()),
        _ => programs.get_key_value(unscoped),
    };
    match chosen {
        Some((name, file)) if name.is_empty() => Ok((unscoped.to_owned(), file.clone())),
        Some((name, file)) => Ok((name.clone(), file.clone())),
        None => Err(ResolveError::SeveralPrograms {
            package: package.to_owned(),
            names: programs.into_keys().take(20).collect(),
        }),
    }
}

/// `./a//b` as `a/b`; nothing for a path that is absolute or has `..` anywhere.
pub(crate) fn clean(file: &str) -> Option<String> {
    let mut parts = Vec::new();
    for component in Path::new(file).components() {
        match component {
            Component::CurDir => {}
            Component::Normal(part) => parts.push(part.to_str()?),
            _ => return None,
        }
    }
    (!parts.is_empty() && !file.contains('\0')).then(|| parts.join("/"))
}

/// Whether `inside` is a regular file of `folder` once all links are followed.
pub(crate) fn is_file_inside(folder: &Path, inside: &str) -> Result<bool, ResolveError> {
    let resolve = |path: &Path| {
        path.canonicalize().map_err(|source| ResolveError::Read {
            path: path.to_owned(),
            source,
        })
    };
    let file = resolve(&folder.join(inside))?;
    Ok(file.starts_with(resolve(folder)?) && file.is_file())
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "files of tests are not kept")]
mod tests {
    use super::*;

    fn tree(bin: &str) -> tempfile::TempDir {
        let tree = tempfile::tempdir().unwrap();
        let folder = tree.path().join("node_modules/@s/server");
        std::fs::create_dir_all(folder.join("dist")).unwrap();
        std::fs::write(folder.join("dist/index.js"), "").unwrap();
        std::fs::write(folder.join("other.js"), "").unwrap();
        std::fs::write(tree.path().join("outside.js"), "").unwrap();
        std::fs::write(
            folder.join("package.json"),
            format!("{{\"name\":\"x\"{bin}}}"),
        )
        .unwrap();
        tree
    }

    fn entry(bin: &str) -> Result<EntryPoint, ResolveError> {
        entry_point(tree(bin).path(), "node_modules/@s/server", "@s/server")
    }

    #[test]
    fn the_program_is_chosen_as_npx_chooses() {
        let chosen = |bin: &str| {
            let entry = entry(bin).unwrap();
            (entry.path, entry.name)
        };
        let index = "node_modules/@s/server/dist/index.js".to_owned();
        assert_eq!(
            chosen(r#","bin":"./dist/index.js""#),
            (index.clone(), "server".to_owned())
        );
        assert_eq!(
            chosen(r#","bin":{"mcp":"dist/index.js"}"#),
            (index.clone(), "mcp".to_owned())
        );
        assert_eq!(
            chosen(r#","bin":{"a":"other.js","server":"dist//./index.js"}"#),
            (index.clone(), "server".to_owned())
        );
        assert_eq!(
            chosen(r#","bin":{"a":"dist/index.js","b":"dist/index.js"}"#),
            (index, "a".to_owned())
        );
    }

    #[test]
    fn no_choice_is_an_error_that_lists_the_programs() {
        assert!(matches!(entry(""), Err(ResolveError::NoProgram { .. })));
        assert!(matches!(
            entry(r#","bin":{}"#),
            Err(ResolveError::NoProgram { .. })
        ));
        let error = entry(r#","bin":{"a":"other.js","b":"dist/index.js"}"#).unwrap_err();
        assert!(matches!(error, ResolveError::SeveralPrograms { .. }));
        assert!(error.to_string().contains("a, b"), "{error}");
        assert!(matches!(
            entry(r#","bin":5"#),
            Err(ResolveError::Unusable { .. })
        ));
    }

    #[test]
    fn programs_outside_of_the_package_are_refused() {
        for file in [
            "../../../outside.js",
            "/bin/sh",
            "dist/../other.js",
            ".",
            "",
        ] {
            let result = entry(&format!(r#","bin":"{file}""#));
            assert!(
                matches!(result, Err(ResolveError::ProgramOutside { .. })),
                "{file}"
            );
        }
        assert!(matches!(
            entry(r#","bin":"dist""#),
            Err(ResolveError::ProgramOutside { .. })
        ));
        assert!(matches!(
            entry(r#","bin":"gone.js""#),
            Err(ResolveError::Read { .. })
        ));
        let tree = tree(r#","bin":"link.js""#);
        let link = tree.path().join("node_modules/@s/server/link.js");
        std::os::unix::fs::symlink(tree.path().join("outside.js"), &link).unwrap();
        let result = entry_point(tree.path(), "node_modules/@s/server", "@s/server");
        assert!(matches!(result, Err(ResolveError::ProgramOutside { .. })));
    }
}
