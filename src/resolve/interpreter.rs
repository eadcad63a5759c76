//! What runs a program file: nothing (it is ELF), or the interpreter that its first line names.
//! Finds that interpreter on PATH; runs nothing.

use std::ffi::OsStr;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::ResolveError;

/// As much of the first line as the kernel reads (BINPRM_BUF_SIZE, execve(2)).
const FIRST_LINE: u64 = 256;
const ELF_MAGIC: &[u8] = b"\x7fELF";

/// How a file is run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Program {
    /// The file is a binary of its own.
    Native,
    Script {
        /// A name to look for on PATH, or an absolute path.
        interpreter: String,
        /// What the first line puts between the interpreter and the file.
        arguments: Vec<String>,
    },
}

/// Reads how `file` wants to be run.
pub fn shebang(file: &Path) -> Result<Program, ResolveError> {
    let head = head_of(file)?;
    let unusable = |reason: &str| ResolveError::Unusable {
        path: file.to_owned(),
        reason: reason.to_owned(),
    };
    if head.starts_with(ELF_MAGIC) {
        return Ok(Program::Native);
    }
    let Some(line) = head.strip_prefix(b"#!") else {
        let is_script = file
            .extension()
            .is_some_and(|end| ["js", "mjs", "cjs"].iter().any(|e| end == *e));
        if is_script {
            return Ok(Program::Script {
                interpreter: "node".to_owned(),
                arguments: Vec::new(),
            });
        }
        if file.extension().is_some_and(|end| end == "py") {
            return Ok(Program::Script {
                interpreter: "python3".to_owned(),
                arguments: Vec::new(),
            });
        }
        return Err(unusable(
            "it is neither an ELF binary, nor a script with `#!`, nor a .js, .mjs, .cjs or .py file",
        ));
    };
    let Some(end) = line.iter().position(|byte| *byte == b'\n') else {
        return Err(unusable("its first line is longer than the kernel reads"));
    };
    let line =
        std::str::from_utf8(&line[..end]).map_err(|_| unusable("its first line is not UTF-8"))?;
    // A carriage return at the end breaks the kernel's reading but is common in npm packages;
    // npm drops it when it links the program.
    parse_line(line.trim_end_matches('\r').trim()).ok_or_else(|| {
        unusable("its first line names no interpreter: expected `#!/usr/bin/env NAME` or `#!/PATH`")
    })
}

/// The first ELF executable called `name` on PATH, links resolved; an absolute `name` is only
/// checked. Wrapper scripts (as pyenv, nvm or asdf put there) are passed over, because what
/// they start is decided anew each time.
pub fn find_program(name: &str, path_variable: &OsStr) -> Result<PathBuf, ResolveError> {
    let mut script = None;
    let folders: Vec<PathBuf> = if name.starts_with('/') {
        vec![PathBuf::from("/")]
    } else if name.is_empty() || name.contains('/') {
        Vec::new()
    } else {
        std::env::split_paths(path_variable).collect()
    };
    for folder in folders.iter().filter(|folder| folder.is_absolute()) {
        let Ok(found) = folder.join(name).canonicalize() else {
            continue;
        };
        if !is_executable(&found) {
            continue;
        }
        match head_of(&found) {
            Ok(head) if head.starts_with(ELF_MAGIC) => return Ok(found),
            Ok(_) if script.is_none() => script = Some(found),
            _ => {}
        }
    }
    Err(match script {
        Some(found) => ResolveError::OnlyScripts {
            name: name.to_owned(),
            found,
        },
        None => ResolveError::NoInterpreter {
            name: name.to_owned(),
        },
    })
}

/// `node`, `python`, or the file name of another interpreter: what the lock calls it.
pub fn kind(program: &Path) -> String {
    let name = program.file_name().unwrap_or_default().to_string_lossy();
    let is_version = |rest: &str| rest.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    for family in ["python", "node", "nodejs"] {
        if name.strip_prefix(family).is_some_and(is_version) {
            return if family == "python" {
                "python".to_owned()
            } else {
                "node".to_owned()
            };
        }
    }
    name.into_owned()
}

fn parse_line(line: &str) -> Option<Program> {
    let (program, rest) = match line.split_once([' ', '\t']) {
        Some((program, rest)) => (program, rest.trim()),
        None => (line, ""),
    };
    if !program.starts_with('/') {
        return None;
    }
    if Path::new(program).file_name()? != "env" {
        // The kernel hands everything after the interpreter over as one argument.
        let arguments = if rest.is_empty() {
            Vec::new()
        } else {
            vec![rest.to_owned()]
        };
        return Some(Program::Script {
            interpreter: program.to_owned(),
            arguments,
        });
    }
    let after_option = rest
        .strip_prefix("--split-string=")
        .or_else(|| rest.strip_prefix("-S"));
    let mut words = after_option
        .unwrap_or(rest)
        .split_ascii_whitespace()
        .map(str::to_owned);
    let interpreter = words.next()?;
    let arguments: Vec<String> = words.collect();
    // Quotes and escapes of `-S` are not worth a second shell grammar. Options of env and
    // variables would change the environment, which is ours to make. And without `-S`, env
    // takes all words for one name, and finds no such program.
    let unclear = |word: &String| word.contains(['"', '\'', '\\', '$', '#']);
    if interpreter.starts_with('-')
        || interpreter.contains('=')
        || unclear(&interpreter)
        || arguments.iter().any(unclear)
        || after_option.is_none() && !arguments.is_empty()
    {
        return None;
    }
    Some(Program::Script {
        interpreter,
        arguments,
    })
}

fn head_of(file: &Path) -> Result<Vec<u8>, ResolveError> {
    let failed = |source| ResolveError::Read {
        path: file.to_owned(),
        source,
    };
    let mut head = Vec::new();
    let opened = std::fs::File::open(file).map_err(failed)?;
    opened
        .take(FIRST_LINE)
        .read_to_end(&mut head)
        .map_err(failed)?;
    Ok(head)
}

pub(super) fn is_executable(path: &Path) -> bool {
    path.metadata()
        .is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "files of tests are not kept")]
mod tests {
    use super::*;

    fn read(name: &str, content: &[u8]) -> Result<Program, ResolveError> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(name);
        std::fs::write(&file, content).unwrap();
        shebang(&file)
    }

    fn script(interpreter: &str, arguments: &[&str]) -> Program {
        Program::Script {
            interpreter: interpreter.to_owned(),
            arguments: arguments.iter().map(|word| (*word).to_owned()).collect(),
        }
    }

    #[test]
    fn programs_say_how_they_are_run() {
        let good = |content: &[u8]| read("x", content).unwrap();
        assert_eq!(good(b"\x7fELF\x02\x01"), Program::Native);
        assert_eq!(good(b"#!/usr/bin/env node\nx"), script("node", &[]));
        assert_eq!(good(b"#!/usr/bin/env node\r\nx"), script("node", &[]));
        assert_eq!(
            good(b"#! /usr/bin/python3 -I -u\n"),
            script("/usr/bin/python3", &["-I -u"])
        );
        assert_eq!(
            good(b"#!/usr/bin/env -S node --no-warnings --max-old-space-size=64\n"),
            script("node", &["--no-warnings", "--max-old-space-size=64"])
        );
        assert_eq!(good(b"#!/bin/sh\n"), script("/bin/sh", &[]));
        assert_eq!(read("x.mjs", b"import 'x'").unwrap(), script("node", &[]));
    }

    #[test]
    fn other_files_are_refused() {
        let long = [b"#!/".as_slice(), &[b'x'; 300], b"\n"].concat();
        for content in [
            b"".as_slice(),
            b"plain text",
            b"MZ\x90",
            b"#!\n",
            b"#!node\n",
            b"#!/usr/bin/env\n",
            b"#!/usr/bin/env -i node\n",
            b"#!/usr/bin/env NODE_OPTIONS=x node\n",
            b"#!/usr/bin/env -S NODE_OPTIONS=x node\n",
            b"#!/usr/bin/env -S node \"a b\"\n",
            b"#!/usr/bin/env node --flag\n",
            b"#!/bin/\xff\n",
            &long,
        ] {
            let result = read("x", content);
            assert!(
                matches!(result, Err(ResolveError::Unusable { .. })),
                "{content:?}"
            );
        }
        assert!(matches!(
            shebang(Path::new("/nonexistent")),
            Err(ResolveError::Read { .. })
        ));
    }

    fn place(folder: &Path, name: &str, content: &[u8], mode: u32) -> PathBuf {
        std::fs::create_dir_all(folder).unwrap();
        let path = folder.join(name);
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        path.canonicalize().unwrap()
    }

    #[test]
    fn wrapper_scripts_and_what_cannot_run_are_passed_over() {
        let top = tempfile::tempdir().unwrap();
        let (shims, data, real) = (
            top.path().join("shims"),
            top.path().join("data"),
            top.path().join("real"),
        );
        let shim = place(&shims, "node", b"#!/bin/sh\n", 0o755);
        place(&data, "node", b"\x7fELF", 0o644);
        let path = std::env::join_paths([&shims, &data]).unwrap();
        match find_program("node", &path) {
            Err(ResolveError::OnlyScripts { found, .. }) => assert_eq!(found, shim),
            other => panic!("{other:?}"),
        }
        let binary = place(&real, "node-22", b"\x7fELF", 0o755);
        std::os::unix::fs::symlink(&binary, real.join("node")).unwrap();
        let path = std::env::join_paths([&shims, &data, &real]).unwrap();
        assert_eq!(find_program("node", &path).unwrap(), binary);
        assert_eq!(
            find_program(binary.to_str().unwrap(), OsStr::new("")).unwrap(),
            binary
        );
        for name in ["deno", "", "../real/node"] {
            let result = find_program(name, &path);
            assert!(
                matches!(result, Err(ResolveError::NoInterpreter { .. })),
                "{name}"
            );
        }
        // An empty or relative element of PATH means the current folder, which nobody pinned.
        assert!(find_program("node", OsStr::new(":bin:.")).is_err());
    }

    #[test]
    fn interpreters_have_kinds() {
        for (file, expected) in [
            ("/usr/bin/node", "node"),
            ("/usr/bin/nodejs", "node"),
            ("/opt/python3.11", "python"),
            ("/opt/python", "python"),
            ("/usr/bin/dash", "dash"),
            ("/usr/bin/python-wrapper", "python-wrapper"),
        ] {
            assert_eq!(kind(Path::new(file)), expected);
        }
    }
}
