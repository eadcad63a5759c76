//! One file from somewhere: what it is by its first bytes, and which file of an archive is run.
//!
//! Reads, unpacks nothing.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::ResolveError;
use super::interpreter::is_executable;
use super::npm::entry::{clean, is_file_inside};

/// Folders and files that are looked at to find the one program of an archive.
const MAX_LOOKED_AT: usize = 100_000;

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// An ELF binary, or a script that names its interpreter.
    Program,
    /// A gzip-compressed tar archive.
    TarGz,
    Zip,
}

/// Archives that are known and not read.
const OTHER_ARCHIVES: [(&[u8], &str); 5] = [
    (b"\xfd7zXZ\0", "an xz archive"),
    (b"BZh", "a bzip2 archive"),
    (b"\x28\xb5\x2f\xfd", "a zstd archive"),
    (b"7z\xbc\xaf", "a 7z archive"),
    (b"MZ", "a program for Windows"),
];

/// Looks at the first bytes of `file`, which is called `name` in messages.
pub fn content_of(file: &Path, name: &str) -> Result<Content, ResolveError> {
    let failed = |source| ResolveError::Read {
        path: file.to_owned(),
        source,
    };
    let mut head = Vec::new();
    let opened = fs::File::open(file).map_err(failed)?;
    opened.take(16).read_to_end(&mut head).map_err(failed)?;
    if head.starts_with(b"\x7fELF") || head.starts_with(b"#!") {
        return Ok(Content::Program);
    }
    if head.starts_with(b"\x1f\x8b") {
        return Ok(Content::TarGz);
    }
    if head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06") {
        return Ok(Content::Zip);
    }
    let other = OTHER_ARCHIVES
        .iter()
        .find(|(magic, _)| head.starts_with(magic))
        .map_or("something else", |(_, what)| what);
    Err(unusable(
        name.as_ref(),
        format!(
            "it is {other}; an ELF binary, a script with `#!`, a .tar.gz, a .zip or a .mcpb can be"
        ),
    ))
}

/// Which file of the unpacked archive at `root` is run: the one that the manifest names, or
/// the only one that is executable.
///
/// Returns its path relative to `root`.
pub fn archive_entry(
    root: &Path,
    name: &str,
    program: Option<&str>,
) -> Result<String, ResolveError> {
    if let Some(program) = program {
        return named_program(root, name, program);
    }
    let found = executables(root)?;
    match found.as_slice() {
        [one] => Ok(one.clone()),
        [] => Err(unusable(
            name.as_ref(),
            "no file in it is marked as executable: name the one to run with `program = \"PATH\"`"
                .to_owned(),
        )),
        several => {
            let listed: Vec<&str> = several.iter().take(10).map(String::as_str).collect();
            Err(unusable(
                name.as_ref(),
                format!(
                    "{} files in it are executable ({}): name the one to run with `program = \"PATH\"`",
                    several.len(),
                    listed.join(", ")
                ),
            ))
        }
    }
}

/// The file that the manifest's `program` names, if it is one inside of `root`.
pub(super) fn named_program(
    root: &Path,
    name: &str,
    program: &str,
) -> Result<String, ResolveError> {
    let outside = || ResolveError::ProgramOutside {
        package: name.to_owned(),
        path: program.chars().take(200).collect(),
    };
    let inside = clean(program).ok_or_else(outside)?;
    match fs::symlink_metadata(root.join(&inside)) {
        Ok(_) if is_file_inside(root, &inside)? => Ok(inside),
        Ok(_) => Err(outside()),
        Err(_) => Err(unusable(
            name.as_ref(),
            format!("it has no file `{inside}`, which `program` names"),
        )),
    }
}

/// Executable files below `root`, sorted. Links are left out: what they lead to is found itself.
fn executables(root: &Path) -> Result<Vec<String>, ResolveError> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::new()];
    let mut seen = 0;
    while let Some(folder) = folders.pop() {
        let at = root.join(&folder);
        let failed = |source| ResolveError::Read {
            path: at.clone(),
            source,
        };
        for entry in fs::read_dir(&at).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            seen += 1;
            if seen > MAX_LOOKED_AT {
                return Err(unusable(root, "it has too many files".to_owned()));
            }
            let kind = entry.file_type().map_err(failed)?;
            let path = folder.join(entry.file_name());
            if kind.is_dir() {
                folders.push(path);
            } else if kind.is_file() && is_executable(&entry.path()) {
                // Trees hold names in UTF-8 only.
                found.extend(path.to_str().map(str::to_owned));
            }
        }
    }
    found.sort();
    Ok(found)
}

fn unusable(path: &Path, reason: String) -> ResolveError {
    ResolveError::Unusable {
        path: path.to_owned(),
        reason,
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "files of tests are not kept")]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn content(bytes: &[u8]) -> Result<Content, String> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("f");
        fs::write(&file, bytes).unwrap();
        content_of(&file, "server.bin").map_err(|error| error.to_string())
    }

    fn folder(files: &[(&str, u32)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, mode) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, "").unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(*mode)).unwrap();
        }
        folder
    }

    #[test]
    fn files_are_known_by_their_first_bytes() {
        assert_eq!(content(b"\x7fELF...."), Ok(Content::Program));
        assert_eq!(content(b"#!/bin/sh\n"), Ok(Content::Program));
        assert_eq!(content(b"\x1f\x8b\x08"), Ok(Content::TarGz));
        assert_eq!(content(b"PK\x03\x04"), Ok(Content::Zip));
        for (bytes, says) in [
            (&b"\xfd7zXZ\0"[..], "an xz archive"),
            (b"MZ\x90", "Windows"),
            (b"<!DOCTYPE html>", "something else"),
            (b"", "something else"),
        ] {
            let said = content(bytes).unwrap_err();
            assert!(said.contains(says) && said.contains("server.bin"), "{said}");
        }
    }

    #[test]
    fn the_program_is_the_only_one_or_the_one_named() {
        let one = folder(&[("x/bin/server", 0o755), ("x/README", 0o644)]);
        let entry = |root: &tempfile::TempDir, program| {
            archive_entry(root.path(), "a.zip", program).map_err(|error| error.to_string())
        };
        assert_eq!(entry(&one, None), Ok("x/bin/server".to_owned()));
        assert_eq!(entry(&one, Some("x/README")), Ok("x/README".to_owned()));
        let two = folder(&[("b", 0o755), ("a", 0o755)]);
        let said = entry(&two, None).unwrap_err();
        assert!(
            said.contains("2 files in it are executable (a, b)"),
            "{said}"
        );
        assert_eq!(entry(&two, Some("b")), Ok("b".to_owned()));
        let none = folder(&[("a", 0o644)]);
        assert!(entry(&none, None).unwrap_err().contains("no file in it"));
        for (program, says) in [
            ("gone", "has no file `gone`"),
            ("../a", "outside"),
            ("/etc/passwd", "outside"),
        ] {
            let said = entry(&none, Some(program)).unwrap_err();
            assert!(said.contains(says), "{program}: {said}");
        }
        std::os::unix::fs::symlink("/etc/passwd", none.path().join("l")).unwrap();
        assert!(entry(&none, Some("l")).unwrap_err().contains("outside"));
    }
}
