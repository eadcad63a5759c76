//! The command that was in mcp.json before, looked up in the manifest. Pure.
//!
//! The argv is only ever compared: nothing of it is executed or passed on, so it
//! can't widen what was locked.

use std::collections::BTreeSet;

use super::launchers::{Packages, Started, is_own_program, python_words, split_range, started};
use crate::config::{Manifest, Source, normalized_pypi_name};
use crate::lockfile::ServerName;

/// The server that a command of before means: `npx [-y] PACKAGE[@RANGE] [ARGUMENTS]`,
/// `uvx PACKAGE[@VERSION] [ARGUMENTS]`, `uv tool run …`, `pipx run …`.
///
/// # Errors
/// A message for the person: not such a command, nothing locked like it, or several.
pub(super) fn server_for_argv<'a>(
    argv: &[String],
    manifest: &'a Manifest,
) -> Result<&'a ServerName, String> {
    let words: Vec<&str> = argv.iter().map(String::as_str).collect();
    let program = words.first().ok_or("no command was given after `--`")?;
    let program = program.rsplit('/').next().unwrap_or_default();
    let started = started(&words).ok_or_else(|| {
        format!(
            "`{program}` is not a command that can be looked up; use `pinfold run NAME`, or `pinfold run -- npx -y PACKAGE`, `pinfold run -- uvx PACKAGE`"
        )
    })??;
    let package = started.package;
    let found: Vec<&ServerName> = manifest
        .servers
        .iter()
        .filter(|(_, server)| {
            is_meant(&server.source, &started) && server.args.iter().eq(started.arguments.iter())
        })
        .map(|(name, _)| name)
        .collect();
    match found.as_slice() {
        [one] => Ok(one),
        [] => {
            let kind = match started.packages {
                Packages::Npm => "npm",
                Packages::Pypi => "pypi",
            };
            Err(format!(
                "no locked server runs `{package}` with these arguments; `pinfold add NAME {kind}:{package}` adds it"
            ))
        }
        several => {
            let names: Vec<&str> = several.iter().map(|name| name.as_str()).collect();
            Err(format!(
                "several servers run `{package}` like this ({}); use `pinfold run NAME`",
                names.join(", ")
            ))
        }
    }
}

fn is_meant(source: &Source, started: &Started<'_>) -> bool {
    let (package, range) = split_range(started.package);
    match source {
        Source::Npm {
            name,
            range: locked_range,
        } => {
            started.packages == Packages::Npm
                && name == package
                && started
                    .program
                    .is_none_or(|program| is_own_program(source, program))
                && (range.is_none() || range == locked_range.as_deref())
        }
        Source::Pypi { name, extras, .. } => {
            started.packages == Packages::Pypi && is_python_package(source, name, extras, started)
        }
        _ => false,
    }
}

fn is_python_package(
    source: &Source,
    name: &str,
    extras: &[String],
    started: &Started<'_>,
) -> bool {
    let text = python_words(started.package);
    let nowhere = std::path::Path::new("/");
    let Ok(Source::Pypi {
        name: asked,
        extras: asked_extras,
        specifiers,
        ..
    }) = Source::parse(&format!("pypi:{text}"), nowhere, None)
    else {
        return false;
    };
    let locked_specifiers = match source {
        Source::Pypi { specifiers, .. } => specifiers,
        _ => &None,
    };
    let normalized = |names: &[String]| -> BTreeSet<String> {
        names
            .iter()
            .map(|name| normalized_pypi_name(name))
            .collect()
    };
    normalized_pypi_name(&asked) == normalized_pypi_name(name)
        && (asked_extras.is_empty() || normalized(&asked_extras) == normalized(extras))
        && (specifiers.is_none() || specifiers == *locked_specifiers)
        // The program that pinfold starts of a package is the one that is called like it.
        && started.program.is_none_or(|program| is_own_program(source, program))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> Manifest {
        let text = r#"
            [servers.everything]
            source = "npm:@scope/everything@^2026.8"
            [servers.everything.tools]
            allow = []
            [servers.files]
            source = "npm:files"
            args = ["/srv"]
            [servers.files.tools]
            allow = []
            [servers.twin]
            source = "npm:files"
            args = ["/srv"]
            [servers.twin.tools]
            allow = []
            [servers.time]
            source = "pypi:mcp-server-time"
            args = ["--local-timezone", "UTC"]
            [servers.time.tools]
            allow = []
            [servers.git]
            source = "pypi:mcp_server_git[x]==1.2"
            [servers.git.tools]
            allow = []
        "#;
        Manifest::parse(text, std::path::Path::new("/m/pinfold.toml"), None).unwrap()
    }

    fn look_up(words: &str) -> Result<String, String> {
        let argv: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
        server_for_argv(&argv, &manifest()).map(ToString::to_string)
    }

    #[test]
    fn what_was_in_the_client_configuration_is_found() {
        for words in [
            "npx -y @scope/everything",
            "/usr/bin/npx --yes @scope/everything@latest",
            "npx @scope/everything@^2026.8",
        ] {
            assert_eq!(look_up(words).as_deref(), Ok("everything"), "{words}");
        }
    }

    #[test]
    fn commands_of_uv_and_pipx_are_found() {
        for words in [
            "uvx mcp-server-time --local-timezone UTC",
            "uvx -q mcp-server-time@latest --local-timezone UTC",
            "/usr/bin/uv tool run MCP_server.time --local-timezone UTC",
            "uvx --from mcp-server-time mcp-server-time --local-timezone UTC",
            "uvx --from=mcp-server-time mcp-server-time --local-timezone UTC",
            "pipx run mcp-server-time --local-timezone UTC",
            "pipx run --spec mcp-server-time mcp-server-time --local-timezone UTC",
        ] {
            assert_eq!(look_up(words).as_deref(), Ok("time"), "{words}");
        }
        for words in [
            "uvx mcp-server-git",
            "uvx mcp-server-git@1.2",
            "uvx mcp-server-git==1.2",
            "uvx --from mcp-server-git[x]==1.2 mcp-server-git",
        ] {
            assert_eq!(look_up(words).as_deref(), Ok("git"), "{words}");
        }
        for words in [
            "uvx mcp-server-time",
            "uvx mcp-server-time@1.0 --local-timezone UTC",
            "uvx mcp-server-git[y]",
            "uvx --from mcp-server-git other",
            "uvx --from mcp-server-git",
            "uvx --from",
            "uvx --with evil mcp-server-git",
            "uvx @scope/everything",
            "uvx files",
            "npx mcp-server-git",
            "uv run mcp-server-git",
            "uv",
            "pipx install mcp-server-git",
        ] {
            assert!(look_up(words).is_err(), "{words}");
        }
    }

    #[test]
    fn what_was_not_locked_is_refused() {
        for words in [
            "npx -y @scope/other",
            "npx -y @scope/everything --more",
            "npx -y @scope/everything@1",
            "npx -y files",
            "npx -c evil",
            "node evil.js",
            "npx",
        ] {
            assert!(look_up(words).is_err(), "{words}");
        }
    }

    #[test]
    fn several_are_named() {
        assert!(
            look_up("npx files /srv")
                .unwrap_err()
                .contains("files, twin")
        );
    }
}
