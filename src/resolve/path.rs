//! `path:` sources: which file of a local file or folder is the program. Reads, copies nothing.

use std::fs;
use std::path::{Path, PathBuf};

use super::ResolveError;
use super::archive::named_program;
use super::interpreter::is_executable;
use super::npm::entry::{Manifest, choose, clean, is_file_inside, read_manifest};

/// A folder with more files at its top is not a program that someone wrote by hand.
const MAX_ENTRIES: usize = 10_000;

/// A program on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalEntry {
    /// Links resolved. For a single file the folder that holds it.
    pub root: PathBuf,
    /// Relative to `root`, with `/`.
    pub entry_point: String,
    /// Whether the source is that one file, and nothing else of `root`.
    pub single_file: bool,
}

/// Finds the program of `path`: the file itself; or of a folder `program`, or else what its package.json names as
/// `bin` or else `main`; or without one the only executable file at its top.
pub fn local_entry(path: &Path, program: Option<&str>) -> Result<LocalEntry, ResolveError> {
    let real = path.canonicalize().map_err(|source| ResolveError::Read {
        path: path.to_owned(),
        source,
    })?;
    if real.is_file() && program.is_some() {
        return Err(unusable(
            path,
            "it is a single file, which is its own program; leave out `program`",
        ));
    }
    if real.is_file() {
        return single_file(&real);
    }
    if !real.is_dir() {
        return Err(unusable(path, "it is neither a file nor a folder"));
    }
    let manifest = real.join("package.json");
    let entry_point = if let Some(program) = program {
        named_program(&real, &path.to_string_lossy(), program)?
    } else if manifest.is_file() {
        program_of_manifest(&real, &manifest)?
    } else {
        only_executable(&real)?
    };
    Ok(LocalEntry {
        root: real,
        entry_point,
        single_file: false,
    })
}

fn single_file(file: &Path) -> Result<LocalEntry, ResolveError> {
    let name = file.file_name().and_then(|name| name.to_str());
    match (file.parent(), name) {
        (Some(folder), Some(name)) => Ok(LocalEntry {
            root: folder.to_owned(),
            entry_point: name.to_owned(),
            single_file: true,
        }),
        _ => Err(unusable(file, "its name is not UTF-8")),
    }
}

fn program_of_manifest(folder: &Path, path: &Path) -> Result<String, ResolveError> {
    let manifest: Manifest = read_manifest(path)?;
    let name = manifest.name.unwrap_or_else(|| "this folder".to_owned());
    let file = match manifest.main {
        Some(main) if manifest.bin.is_empty() => main,
        _ => choose(&name, manifest.bin)?.1,
    };
    let outside = |file: &str| ResolveError::ProgramOutside {
        package: name.clone(),
        path: file.chars().take(200).collect(),
    };
    let inside = clean(&file).ok_or_else(|| outside(&file))?;
    if is_file_inside(folder, &inside)? {
        Ok(inside)
    } else {
        Err(outside(&inside))
    }
}

fn only_executable(folder: &Path) -> Result<String, ResolveError> {
    let failed = |source| ResolveError::Read {
        path: folder.to_owned(),
        source,
    };
    let mut found = Vec::new();
    for (count, entry) in fs::read_dir(folder).map_err(failed)?.enumerate() {
        let entry = entry.map_err(failed)?;
        if count >= MAX_ENTRIES {
            return Err(unusable(folder, "it has too many files at its top"));
        }
        // A link may lead out of the folder, and is not what someone means by its program.
        let is_file = entry.file_type().map_err(failed)?.is_file();
        if is_file && is_executable(&entry.path()) {
            found.push(entry.file_name());
        }
    }
    found.sort();
    match found.as_slice() {
        [name] => match name.to_str() {
            Some(name) => Ok(name.to_owned()),
            None => Err(unusable(folder, "the name of its executable is not UTF-8")),
        },
        [] => Err(unusable(
            folder,
            "it has neither a package.json nor an executable file at its top: \
             name the program's file with `program = \"FILE\"`, or `chmod +x` it",
        )),
        several => {
            let names: Vec<_> = several
                .iter()
                .take(10)
                .map(|name| name.to_string_lossy().into_owned())
                .collect();
            let reason = format!(
                "it has several executable files at its top ({}): name one with `program = \"FILE\"`",
                names.join(", ")
            );
            Err(unusable(folder, &reason))
        }
    }
}

fn unusable(path: &Path, reason: &str) -> ResolveError {
    ResolveError::Unusable {
        path: path.to_owned(),
        reason: reason.to_owned(),
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "files of tests are not kept")]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn folder(files: &[(&str, &str, u32)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, content, mode) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, content).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(*mode)).unwrap();
        }
        folder
    }

    fn entry(files: &[(&str, &str, u32)]) -> Result<String, ResolveError> {
        local_entry(folder(files).path(), None).map(|entry| entry.entry_point)
    }

    #[test]
    fn a_file_is_its_own_program() {
        let folder = folder(&[("server.py", "", 0o644)]);
        let found = local_entry(&folder.path().join("server.py"), None).unwrap();
        assert_eq!(found.entry_point, "server.py");
        assert_eq!(found.root, folder.path().canonicalize().unwrap());
        assert!(found.single_file);
    }

    #[test]
    fn a_package_names_its_program() {
        let index = ("dist/index.js", "", 0o644);
        let manifest = |text| ("package.json", text, 0o644);
        assert_eq!(
            entry(&[index, manifest(r#"{"bin":"./dist/index.js"}"#)]).unwrap(),
            index.0
        );
        assert_eq!(
            entry(&[index, manifest(r#"{"main":"dist/index.js"}"#)]).unwrap(),
            index.0
        );
        assert_eq!(
            entry(&[
                index,
                manifest(r#"{"name":"x","main":"no","bin":{"y":"dist/index.js"}}"#)
            ])
            .unwrap(),
            index.0
        );
        let refused = |text| entry(&[index, manifest(text), ("run", "", 0o755)]).unwrap_err();
        assert!(matches!(refused("{}"), ResolveError::NoProgram { .. }));
        assert!(matches!(refused("{"), ResolveError::Unusable { .. }));
        assert!(matches!(
            refused(r#"{"main":"../x"}"#),
            ResolveError::ProgramOutside { .. }
        ));
        assert!(matches!(
            refused(r#"{"main":"dist"}"#),
            ResolveError::ProgramOutside { .. }
        ));
        assert!(matches!(
            refused(r#"{"main":"gone"}"#),
            ResolveError::Read { .. }
        ));
    }

    #[test]
    fn a_folder_without_package_json_has_one_executable() {
        let one = [
            ("serve", "", 0o755),
            ("README", "", 0o644),
            ("lib/tool", "", 0o755),
        ];
        assert_eq!(entry(&one).unwrap(), "serve");
        let none = entry(&[("README", "", 0o644)]).unwrap_err().to_string();
        assert!(none.contains("chmod +x"), "{none}");
        let two = entry(&[("a", "", 0o755), ("b", "", 0o755)])
            .unwrap_err()
            .to_string();
        assert!(two.contains("(a, b)"), "{two}");
    }

    #[test]
    fn the_manifest_can_name_the_program() {
        let files = [("a", "", 0o755), ("lib/b.js", "", 0o644)];
        let folder = folder(&files);
        let named = |program| local_entry(folder.path(), Some(program));
        assert_eq!(named("lib/b.js").unwrap().entry_point, "lib/b.js");
        let gone = named("lib/c.js").unwrap_err().to_string();
        assert!(gone.contains("no file `lib/c.js`"), "{gone}");
        let single = local_entry(&folder.path().join("a"), Some("a")).unwrap_err();
        assert!(single.to_string().contains("leave out `program`"));
    }

    #[test]
    fn what_is_not_there_is_said() {
        let result = local_entry(Path::new("/nonexistent/server"), None);
        assert!(matches!(result, Err(ResolveError::Read { .. })));
        assert!(matches!(
            local_entry(Path::new("/dev/null"), None),
            Err(ResolveError::Unusable { .. })
        ));
    }
}
