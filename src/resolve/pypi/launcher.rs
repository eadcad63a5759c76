//! Console scripts (the entry points specification): which one is the server, and the small
//! program that starts it. Pure.

use std::collections::BTreeMap;

use super::PypiError;
use crate::config::normalized_pypi_name;

/// Longest text of an entry point.
const MAX_TEXT: usize = 512;
const MAX_SCRIPTS: usize = 10_000;

/// One console script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsoleScript {
    pub name: String,
    /// `package.module`
    pub module: String,
    /// `main`, or `group.main`
    pub attribute: String,
}

/// Reads `[console_scripts]` of an entry_points.txt. `wheel` is for messages.
pub fn console_scripts(wheel: &str, text: &[u8]) -> Result<Vec<ConsoleScript>, PypiError> {
    let refuse = |reason: &str| PypiError::Metadata {
        wheel: wheel.to_owned(),
        file: "entry_points.txt",
        reason: reason.to_owned(),
    };
    let text = std::str::from_utf8(text).map_err(|_| refuse("it is not UTF-8"))?;
    let mut scripts = BTreeMap::new();
    let mut wanted = false;
    for line in text.lines().map(str::trim) {
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(section) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
            wanted = section.trim() == "console_scripts";
            continue;
        }
        if !wanted {
            continue;
        }
        let (name, reference) = line
            .split_once('=')
            .filter(|_| line.len() <= MAX_TEXT)
            .ok_or_else(|| refuse("a line is not `NAME = MODULE:ATTRIBUTE`"))?;
        let name = name.trim();
        // Extras behind the reference have no meaning any more.
        let reference = reference.split('[').next().unwrap_or_default();
        let (module, attribute) = reference
            .split_once(':')
            .ok_or_else(|| refuse("a script names no function"))?;
        let (module, attribute) = (module.trim(), attribute.trim());
        // All three become code, or a file.
        if !is_script_name(name) || !is_dotted_name(module) || !is_dotted_name(attribute) {
            return Err(refuse("a script's name or function is malformed"));
        }
        scripts.insert(
            name.to_owned(),
            ConsoleScript {
                name: name.to_owned(),
                module: module.to_owned(),
                attribute: attribute.to_owned(),
            },
        );
    }
    if scripts.len() > MAX_SCRIPTS {
        return Err(refuse("it has too many scripts"));
    }
    Ok(scripts.into_values().collect())
}

/// The one of `names` that is meant by the package `name`: the one that is called like it, as
/// uvx has it, or the only one.
pub fn choose<'n>(name: &str, names: &[&'n str]) -> Result<&'n str, PypiError> {
    let own = normalized_pypi_name(name);
    if let Some(exact) = names.iter().find(|script| **script == name) {
        return Ok(exact);
    }
    let alike: Vec<&&str> = names
        .iter()
        .filter(|script| normalized_pypi_name(script) == own)
        .collect();
    match (alike.as_slice(), names) {
        ([one], _) => Ok(one),
        ([], []) => Err(PypiError::NoProgram {
            name: name.to_owned(),
        }),
        ([], [one]) => Ok(one),
        _ => Err(PypiError::SeveralPrograms {
            name: name.to_owned(),
            names: names
                .iter()
                .take(20)
                .map(|name| (*name).to_owned())
                .collect(),
        }),
    }
}

/// What every launcher does first. `-I -S`: no folder, variable or start-up file of the machine or
/// the user is looked at, so nothing but the tree and the standard library can be imported; `-B`:
/// nothing is written beside the code.
const HEAD: &str = r#"#!/usr/bin/env -S python3 -I -S -B
import builtins, os, sys, _sitebuiltins
top = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(top, "site-packages"))
for name in ("exit", "quit"):
    setattr(builtins, name, _sitebuiltins.Quitter(name, "Ctrl-D"))
"#;

/// The program for a console script.
pub fn launcher(script: &ConsoleScript) -> String {
    let ConsoleScript {
        module, attribute, ..
    } = script;
    let first = attribute.split('.').next().unwrap_or_default();
    format!("{HEAD}from {module} import {first}\nsys.exit({attribute}())\n")
}

/// The program for a Python script that came with a wheel, at `path` in the tree.
pub fn script_launcher(path: &str) -> Option<String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte);
    path.bytes().all(plain).then(|| {
        format!("{HEAD}import runpy\nrunpy.run_path(os.path.join(top, \"{path}\"), run_name=\"__main__\")\n")
    })
}

fn is_script_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    !name.is_empty()
        && name.len() <= 128
        && !name.starts_with(['.', '-'])
        && name.bytes().all(allowed)
}

/// Identifiers joined by dots. Python allows more letters than ASCII; no published package has any.
fn is_dotted_name(name: &str) -> bool {
    name.split('.').all(|part| {
        !part.is_empty()
            && !part.starts_with(|c: char| c.is_ascii_digit())
            && part
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn console_scripts_are_read() {
        let text =
            b"[other]\nx = y:z\n[console_scripts]\n# c\nmcp-server-time = mcp_server_time:main\n\
                     cli= a.b : group.main [extra]\n\n[gui_scripts]\ng = h:i\n";
        let scripts = console_scripts("x", text).unwrap();
        let found: Vec<_> = scripts
            .iter()
            .map(|script| {
                (
                    script.name.as_str(),
                    script.module.as_str(),
                    script.attribute.as_str(),
                )
            })
            .collect();
        assert_eq!(
            found,
            [
                ("cli", "a.b", "group.main"),
                ("mcp-server-time", "mcp_server_time", "main")
            ]
        );
        let text = launcher(&scripts[0]);
        assert!(
            text.ends_with("from a.b import group\nsys.exit(group.main())\n"),
            "{text}"
        );
        assert!(text.starts_with("#!/usr/bin/env -S python3 -I -S -B\n"));
    }

    #[test]
    fn what_could_be_code_of_its_own_is_refused() {
        for line in [
            "x = a:b; import os",
            "x = a:b()",
            "x = a b:c",
            "x = a",
            "x = :b",
            "x = a:",
            "x = a..b:c",
            "x = 1a:b",
            "../x = a:b",
            "x/y = a:b",
            "-x = a:b",
            "= a:b",
            "x",
            "x = a:b\u{2028}c",
        ] {
            let text = format!("[console_scripts]\n{line}\n");
            assert!(console_scripts("w", text.as_bytes()).is_err(), "{line}");
        }
        assert!(console_scripts("w", b"[console_scripts]\nx = \xff").is_err());
        assert!(script_launcher("scripts/a\"b").is_none());
        assert!(script_launcher("scripts/a-b.py").is_some());
    }

    #[test]
    fn the_program_is_the_one_that_uvx_would_start() {
        assert_eq!(choose("a-b", &["x", "a-b"]).unwrap(), "a-b");
        assert_eq!(choose("A.b", &["x", "a_b"]).unwrap(), "a_b");
        assert_eq!(choose("a", &["x"]).unwrap(), "x");
        assert!(matches!(choose("a", &[]), Err(PypiError::NoProgram { .. })));
        let error = choose("a", &["x", "y"]).unwrap_err().to_string();
        assert!(error.contains("x, y"), "{error}");
    }
}
