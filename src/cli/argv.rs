//! The command that was in mcp.json before, looked up in the manifest. Pure.
//!
//! The argv is only ever compared: nothing of it is executed or passed on, so it
//! can't widen what was locked.

use crate::config::{Manifest, Source};
use crate::lockfile::ServerName;

/// Options of npx that don't choose what is run.
const IGNORED: &[&str] = &[
    "-y",
    "--yes",
    "-q",
    "--quiet",
    "--prefer-offline",
    "--offline",
    "--",
];

/// The server that `npx [-y] PACKAGE[@RANGE] [ARGUMENTS]` means.
///
/// # Errors
/// A message for the person: not an npx command, nothing locked like it, or several.
pub(super) fn server_for_argv<'a>(
    argv: &[String],
    manifest: &'a Manifest,
) -> Result<&'a ServerName, String> {
    let (program, rest) = argv
        .split_first()
        .ok_or("no command was given after `--`")?;
    let program = program.rsplit('/').next().unwrap_or_default();
    if program != "npx" {
        return Err(format!(
            "`{program}` is not a command that can be looked up; use `pinfold run NAME`, or `pinfold run -- npx -y PACKAGE`"
        ));
    }
    let mut words = rest
        .iter()
        .skip_while(|word| IGNORED.contains(&word.as_str()));
    let package = words.next().ok_or("npx was given no package")?;
    if package.starts_with('-') {
        return Err(format!(
            "the npx option `{package}` is not understood; use `pinfold run NAME`"
        ));
    }
    let arguments: Vec<&String> = words.collect();
    let (name, range) = split_range(package);
    let found: Vec<&ServerName> = manifest
        .servers
        .iter()
        .filter(|(_, server)| match &server.source {
            Source::Npm {
                name: locked_name,
                range: locked_range,
            } => {
                locked_name == name
                    && (range.is_none() || range == locked_range.as_deref())
                    && server.args.iter().collect::<Vec<_>>() == arguments
            }
            Source::Pypi { .. } | Source::Path { .. } => false,
        })
        .map(|(name, _)| name)
        .collect();
    match found.as_slice() {
        [one] => Ok(one),
        [] => Err(format!(
            "no locked server runs `{package}` with these arguments; `pinfold add NAME npm:{package}` adds it"
        )),
        several => {
            let names: Vec<&str> = several.iter().map(|name| name.as_str()).collect();
            Err(format!(
                "several servers run `{package}` like this ({}); use `pinfold run NAME`",
                names.join(", ")
            ))
        }
    }
}

/// `@scope/name@range` → (`@scope/name`, range); `latest` is what no range means.
fn split_range(package: &str) -> (&str, Option<&str>) {
    let at = package
        .char_indices()
        .skip(1)
        .find(|(_, letter)| *letter == '@');
    match at {
        Some((index, _)) => {
            let range = &package[index + 1..];
            (&package[..index], (range != "latest").then_some(range))
        }
        None => (package, None),
    }
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
