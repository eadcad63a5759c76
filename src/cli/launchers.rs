//! The commands that get a server from a registry and start it, as people have them in mcp.json:
//! how each begins, its options, and what it would start. Pure.

use std::path::Path;

use crate::config::Source;

/// Where a command gets packages from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packages {
    Npm,
    Pypi,
}

/// What a command would start, and with which arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Started<'w> {
    pub packages: Packages,
    /// As written, with version or range.
    pub package: &'w str,
    /// Named apart from the package: the program that is meant.
    pub program: Option<&'w str>,
    pub arguments: Vec<&'w str>,
}

/// A command that starts servers: how it begins, and its options.
struct Command {
    words: &'static [&'static str],
    /// Options that don't choose what is run.
    ignored: &'static [&'static str],
    /// Options that name the package; then the word after the options is the program.
    package_options: &'static [&'static str],
    packages: Packages,
}

const NPX_IGNORED: &[&str] = &[
    "-y",
    "--yes",
    "-q",
    "--quiet",
    "--prefer-offline",
    "--prefer-online",
    "--offline",
    "--",
];
const NPX_PACKAGE: &[&str] = &["--package", "-p"];
const DLX_IGNORED: &[&str] = &["-q", "--quiet", "--silent", "--bun", "--"];
const UV_IGNORED: &[&str] = &[
    "-q",
    "--quiet",
    "--offline",
    "--no-progress",
    "--isolated",
    "--refresh",
    "--native-tls",
    "--",
];

const fn npm(words: &'static [&'static str], ignored: &'static [&'static str]) -> Command {
    Command {
        words,
        ignored,
        package_options: NPX_PACKAGE,
        packages: Packages::Npm,
    }
}

const fn pypi(
    words: &'static [&'static str],
    ignored: &'static [&'static str],
    package_options: &'static [&'static str],
) -> Command {
    Command {
        words,
        ignored,
        package_options,
        packages: Packages::Pypi,
    }
}

const COMMANDS: [Command; 11] = [
    npm(&["npx"], NPX_IGNORED),
    npm(&["npm", "exec"], NPX_IGNORED),
    npm(&["npm", "x"], NPX_IGNORED),
    npm(&["bunx"], DLX_IGNORED),
    npm(&["bun", "x"], DLX_IGNORED),
    npm(&["pnpm", "dlx"], DLX_IGNORED),
    npm(&["pnpx"], DLX_IGNORED),
    npm(&["yarn", "dlx"], DLX_IGNORED),
    pypi(&["uvx"], UV_IGNORED, &["--from"]),
    pypi(&["uv", "tool", "run"], UV_IGNORED, &["--from"]),
    pypi(
        &["pipx", "run"],
        &["-q", "--quiet", "--no-cache", "--"],
        &["--spec"],
    ),
];

/// What `argv` starts; `None` when it is none of these commands.
///
/// # Errors
/// What is not understood of it, for a person.
pub(super) fn started<'w>(argv: &[&'w str]) -> Option<Result<Started<'w>, String>> {
    let (program, rest) = argv.split_first()?;
    let program = program.rsplit('/').next().unwrap_or_default();
    let command = COMMANDS
        .iter()
        .find(|command| command.words[0] == program && rest.starts_with(&command.words[1..]))?;
    Some(read(command, &rest[command.words.len() - 1..]))
}

fn read<'w>(command: &Command, words: &[&'w str]) -> Result<Started<'w>, String> {
    let program = command.words.join(" ");
    let mut words = words.iter().copied();
    let mut package = None;
    let first = loop {
        let word = words
            .next()
            .ok_or_else(|| format!("{program} was given no package"))?;
        if command.ignored.contains(&word) {
            continue;
        }
        let named = command.package_options.iter().find_map(|option| {
            let rest = word.strip_prefix(option)?;
            rest.strip_prefix('=')
                .or_else(|| rest.is_empty().then(|| words.next())?)
        });
        match named {
            Some(_) if package.is_some() => {
                return Err(format!("{program} is given several packages"));
            }
            Some(named) => package = Some(named),
            None if word.starts_with('-') => {
                return Err(format!(
                    "the {program} option `{word}` is not understood; use `pinfold run NAME`"
                ));
            }
            None => break word,
        }
    };
    Ok(Started {
        packages: command.packages,
        package: package.unwrap_or(first),
        program: package.map(|_| first),
        arguments: words.collect(),
    })
}

impl Started<'_> {
    /// The source that means the same in a manifest.
    ///
    /// # Errors
    /// When it is not of a registry, or starts another program than the one that is called like
    /// its package.
    pub(super) fn source(&self) -> Result<String, String> {
        let text = match self.packages {
            Packages::Npm => {
                let (package, range) = split_range(self.package);
                let range = range.map(|range| format!("@{range}")).unwrap_or_default();
                format!("npm:{package}{range}")
            }
            Packages::Pypi => format!("pypi:{}", python_words(self.package)),
        };
        let source =
            Source::parse(&text, Path::new("/"), None).map_err(|error| error.to_string())?;
        if let Some(program) = self.program
            && !is_own_program(&source, program)
        {
            return Err(format!(
                "it starts `{program}` of `{}`, and pinfold starts the program that is called like its package",
                self.package
            ));
        }
        Ok(text)
    }
}

/// Whether a program is called like its package, without scope.
pub(super) fn is_own_program(source: &Source, program: &str) -> bool {
    match source {
        Source::Npm { name, .. } => name.rsplit('/').next() == Some(program),
        Source::Pypi { name, .. } => {
            use crate::config::normalized_pypi_name;
            normalized_pypi_name(name) == normalized_pypi_name(program)
        }
        Source::Https { .. } | Source::Path { .. } => false,
    }
}

/// `NAME@VERSION` is uvx's way to write `NAME==VERSION`.
pub(super) fn python_words(package: &str) -> String {
    match package.split_once('@') {
        Some((package, "latest")) => package.to_owned(),
        Some((package, version)) => format!("{package}=={version}"),
        None => package.to_owned(),
    }
}

/// `@scope/name@range` → (`@scope/name`, range); `latest` is what no range means.
pub(super) fn split_range(package: &str) -> (&str, Option<&str>) {
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

    fn source(words: &str) -> Option<Result<String, String>> {
        let argv: Vec<&str> = words.split_whitespace().collect();
        Some(started(&argv)?.and_then(|started| {
            let source = started.source()?;
            Ok([&[source.as_str()], started.arguments.as_slice()]
                .concat()
                .join(" "))
        }))
    }

    #[test]
    fn every_launcher_means_a_source_and_arguments() {
        for (words, meant) in [
            ("npx -y @a/b /srv", "npm:@a/b /srv"),
            ("/usr/bin/npx --yes b@latest", "npm:b"),
            ("npx b@^1.2 -y", "npm:b@^1.2 -y"),
            ("npx -y -p @a/b b --x", "npm:@a/b --x"),
            ("npm exec -y -- @a/b@1.0.0 x", "npm:@a/b@1.0.0 x"),
            ("npm x --package=b -- b", "npm:b"),
            ("bunx b", "npm:b"),
            ("bun x --bun b", "npm:b"),
            ("pnpm dlx b", "npm:b"),
            ("yarn dlx b", "npm:b"),
            ("uvx a-b@1.2 --x", "pypi:a-b==1.2 --x"),
            ("uvx --from a_b[x]>=1 a-b", "pypi:a_b[x]>=1"),
            ("uv tool run a", "pypi:a"),
            ("pipx run --spec=a==2 a y", "pypi:a==2 y"),
        ] {
            assert_eq!(source(words), Some(Ok(meant.to_owned())), "{words}");
        }
        for words in [
            "npx",
            "npx -c sh",
            "npx --package b sh",
            "npx -p a -p b a",
            "npx github:a/b",
            "npx ./local",
            "npx b@file:x",
            "uvx --with x a",
            "uvx --from git+https://a.test/b b",
            "uvx --python 3.12 a",
            "uvx --from a other",
        ] {
            assert!(source(words).unwrap().is_err(), "{words}");
        }
        for words in ["node x.js", "npm install x", "uv run x", "docker run x", ""] {
            assert_eq!(source(words), None, "{words}");
        }
    }
}
