//! Where a server's code comes from: `npm:NAME[@RANGE]` or `path:FILE-OR-FOLDER`.
//! Syntax only; what a source resolves to is found out elsewhere.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::lockfile::{is_hidden, printable};

/// A parsed `source`. Its Display is the text as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    Npm {
        /// `name` or `@scope/name`.
        name: String,
        /// A version, range or dist-tag; never an address, file or alias.
        range: Option<String>,
    },
    Path {
        /// As written after `path:`.
        written: String,
        /// Absolute, `~/` expanded. Not looked at yet: it may not exist.
        file: PathBuf,
    },
}

/// Why a source was not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    #[error("`{}` is not a source: write `npm:NAME`, `npm:NAME@RANGE` or `path:FILE-OR-FOLDER`", printable(.0, 80))]
    NoScheme(String),
    #[error("sources of the kind `{}:` are not supported by this version; it supports `npm:` and `path:`", printable(.0, 40))]
    UnknownScheme(String),
    #[error("`{}` is not an npm package name: {reason}", printable(name, 80))]
    NpmName { name: String, reason: &'static str },
    #[error(
        "`{}` is not a version range that pinfold resolves: {reason}",
        printable(range, 80)
    )]
    NpmRange { range: String, reason: &'static str },
    #[error("`{}` can't be used as a path: {reason}", printable(path, 80))]
    Path { path: String, reason: &'static str },
}

/// npm's own limit for names.
const MAX_NAME_BYTES: usize = 214;
const MAX_RANGE_BYTES: usize = 256;
const MAX_PATH_BYTES: usize = 4096;

impl Source {
    /// Parses a manifest's `source`. Relative paths start at `folder` (the manifest's,
    /// absolute), `~/` at `home`.
    pub fn parse(text: &str, folder: &Path, home: Option<&Path>) -> Result<Self, SourceError> {
        let (scheme, rest) = text
            .split_once(':')
            .ok_or_else(|| SourceError::NoScheme(text.to_owned()))?;
        match scheme {
            "npm" => parse_npm(rest),
            "path" => parse_path(rest, folder, home),
            other => Err(SourceError::UnknownScheme(other.to_owned())),
        }
    }

    /// Whether exactly one version is asked for, such as `npm:zod@4.1.5`. Then the
    /// release age doesn't count: the user has chosen. Never for `path:`, which has no versions.
    pub fn asks_for_exact_version(&self) -> bool {
        match self {
            Self::Npm { range, .. } => range.as_deref().is_some_and(is_exact_version),
            Self::Path { .. } => false,
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Npm { name, range: None } => write!(f, "npm:{name}"),
            Self::Npm {
                name,
                range: Some(range),
            } => write!(f, "npm:{name}@{range}"),
            Self::Path { written, .. } => write!(f, "path:{written}"),
        }
    }
}

fn parse_npm(text: &str) -> Result<Source, SourceError> {
    // The first character of a scoped name is an @ too.
    let at = text
        .char_indices()
        .skip(1)
        .find(|(_, character)| *character == '@');
    let (name, range) = match at {
        Some((index, _)) => (&text[..index], Some(&text[index + 1..])),
        None => (text, None),
    };
    check_npm_name(name).map_err(|reason| SourceError::NpmName {
        name: name.to_owned(),
        reason,
    })?;
    if let Some(range) = range {
        check_npm_range(range).map_err(|reason| SourceError::NpmRange {
            range: range.to_owned(),
            reason,
        })?;
    }
    Ok(Source::Npm {
        name: name.to_owned(),
        range: range.map(str::to_owned),
    })
}

/// The registry's rules for new names (the `validate-npm-package-name` package), without
/// the characters that only names of before 2015 have.
fn check_npm_name(name: &str) -> Result<(), &'static str> {
    if name.len() > MAX_NAME_BYTES {
        return Err("it is longer than 214 characters");
    }
    match name.strip_prefix('@') {
        Some(scoped) => {
            let (scope, package) = scoped
                .split_once('/')
                .ok_or("a name with a scope is `@scope/name`")?;
            check_npm_name_part(scope)?;
            check_npm_name_part(package)
        }
        None if name.starts_with('-') => Err("it looks like an option"),
        None if matches!(name, "node_modules" | "favicon.ico") => Err("npm reserves it"),
        None => check_npm_name_part(name),
    }
}

fn check_npm_name_part(part: &str) -> Result<(), &'static str> {
    let allowed =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte);
    if part.is_empty() {
        Err("a part of it is empty")
    } else if part.starts_with(['.', '_']) {
        Err("no part may start with `.` or `_`")
    } else if part.bytes().all(allowed) {
        Ok(())
    } else {
        Err("use a-z 0-9 - _ . only")
    }
}

/// Only what semver ranges and dist-tags are made of, so that npm can't take it for
/// an address, a file, a git repository or an alias.
fn check_npm_range(range: &str) -> Result<(), &'static str> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b" .-+~^*<>=|_".contains(&byte);
    let lower = range.to_ascii_lowercase();
    if range.is_empty() {
        Err("it is empty; leave out the `@` to take the newest version")
    } else if range.len() > MAX_RANGE_BYTES {
        Err("it is longer than 256 characters")
    } else if range.contains([':', '/', '@']) || range.starts_with("git+") {
        Err("addresses, git repositories, files and aliases are not pinned by a registry")
    } else if range.starts_with('-') {
        Err("it looks like an option")
    } else if range.starts_with('.')
        || [".tgz", ".tar.gz", ".tar"]
            .iter()
            .any(|end| lower.ends_with(end))
    {
        Err("it looks like a file")
    } else if range.starts_with(' ') || range.ends_with(' ') {
        Err("it starts or ends with a space")
    } else if range.bytes().all(allowed) {
        Ok(())
    } else {
        Err("it holds a character that no version has")
    }
}

fn is_exact_version(range: &str) -> bool {
    let text = range.trim_start_matches('=').trim_start();
    let text = text.strip_prefix('v').unwrap_or(text);
    let (core, tail) = match text.find(['-', '+']) {
        Some(index) => (&text[..index], &text[index + 1..]),
        None => (text, "0"),
    };
    let numbers: Vec<&str> = core.split('.').collect();
    let all_digits = |part: &&str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    numbers.len() == 3
        && numbers.iter().all(all_digits)
        && !tail.is_empty()
        && tail
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b".-+".contains(&b))
}

fn parse_path(text: &str, folder: &Path, home: Option<&Path>) -> Result<Source, SourceError> {
    let refuse = |reason| {
        Err(SourceError::Path {
            path: text.to_owned(),
            reason,
        })
    };
    if text.is_empty() {
        return refuse("it is empty");
    }
    if text.len() > MAX_PATH_BYTES {
        return refuse("it is longer than 4096 bytes");
    }
    if text.chars().any(is_hidden) {
        return refuse("it holds a control or invisible character");
    }
    let file = match (text.strip_prefix("~/"), home) {
        (Some(below), Some(home)) => home.join(below.trim_start_matches('/')),
        (Some(_), None) => return refuse("there is no home directory for `~/`"),
        (None, _) if text.starts_with('~') => return refuse("only `~/` is expanded"),
        (None, _) => folder.join(text),
    };
    Ok(Source::Path {
        written: text.to_owned(),
        file,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Source, SourceError> {
        Source::parse(text, Path::new("/etc/here"), Some(Path::new("/home/ada")))
    }

    #[test]
    fn sources_are_read_and_displayed_as_written() {
        for (text, name, range) in [
            ("npm:zod", "zod", None),
            ("npm:zod@4.1.5", "zod", Some("4.1.5")),
            ("npm:@a/b", "@a/b", None),
            ("npm:@a/b@^1.2 || >=3 <4", "@a/b", Some("^1.2 || >=3 <4")),
            ("npm:a.b_c-d@latest", "a.b_c-d", Some("latest")),
        ] {
            let source = parse(text).unwrap();
            assert_eq!(
                source,
                Source::Npm {
                    name: name.into(),
                    range: range.map(str::to_owned)
                },
                "{text}"
            );
            assert_eq!(source.to_string(), text);
        }
        for (text, expected) in [
            ("path:server.py", "/etc/here/server.py"),
            ("path:../x/", "/etc/here/../x/"),
            ("path:/opt/a b", "/opt/a b"),
            ("path:~/src", "/home/ada/src"),
            ("path:~//etc", "/home/ada/etc"),
        ] {
            let source = parse(text).unwrap();
            assert_eq!(source.to_string(), text);
            assert!(
                matches!(&source, Source::Path { file, .. } if file == Path::new(expected)),
                "{source:?}"
            );
        }
    }

    #[test]
    fn names_that_npm_would_not_take_are_refused() {
        let long = format!("npm:{}", "a".repeat(215));
        for text in [
            "npm:",
            "npm:@",
            "npm:@a",
            "npm:@a/",
            "npm:@/b",
            "npm:@a/b/c",
            "npm:Zod",
            "npm:.a",
            "npm:_a",
            "npm:a/b",
            "npm:../x",
            "npm:-g",
            "npm:a b",
            "npm:node_modules",
            "npm:ä",
            "npm:a%2fb",
            "npm:a\0",
            "npm:@a/.b",
            "npm:http://x",
            &long,
        ] {
            assert!(
                matches!(parse(text), Err(SourceError::NpmName { .. })),
                "{text}"
            );
        }
        assert!(parse(&format!("npm:{}", "a".repeat(214))).is_ok());
    }

    #[test]
    fn ranges_that_lead_out_of_the_registry_are_refused() {
        for range in [
            "",
            "git+ssh://x",
            "github:a/b",
            "a/b",
            "file:x",
            "npm:other@1",
            "http://x/y.tgz",
            "./x",
            "..",
            "-g",
            "--registry=x",
            " 1",
            "1 ",
            "1\n2",
            "1\0",
            "x.tgz",
            "X.TAR.GZ",
            "1'2",
            "$(x)",
            "1@2",
            "~/x",
            "^\u{202e}1",
            &"1".repeat(257),
        ] {
            let text = format!("npm:zod@{range}");
            assert!(
                matches!(parse(&text), Err(SourceError::NpmRange { .. })),
                "{text:?}"
            );
        }
    }

    #[test]
    fn other_schemes_are_named_with_what_is_supported() {
        for text in ["pypi:x", "https://x/y", "oci:x", "NPM:zod", ":x"] {
            let error = parse(text).unwrap_err();
            assert!(matches!(error, SourceError::UnknownScheme(_)), "{text}");
            assert!(
                error.to_string().contains("supports `npm:` and `path:`"),
                "{error}"
            );
        }
        assert!(matches!(parse("zod"), Err(SourceError::NoScheme(_))));
    }

    #[test]
    fn paths_that_mean_nothing_are_refused() {
        let long = format!("path:{}", "x".repeat(5000));
        for text in [
            "path:",
            "path:~bob/x",
            "path:~",
            "path:a\0b",
            "path:a\u{1b}b",
            &long,
        ] {
            assert!(
                matches!(parse(text), Err(SourceError::Path { .. })),
                "{text}"
            );
        }
        assert!(matches!(
            Source::parse("path:~/x", Path::new("/"), None),
            Err(SourceError::Path { .. })
        ));
    }

    #[test]
    fn exact_versions_are_known() {
        for range in [
            "1.2.3",
            "v1.2.3",
            "=1.2.3",
            "= 1.2.3",
            "1.2.3-beta.1",
            "1.2.3+b",
        ] {
            assert!(
                parse(&format!("npm:a@{range}"))
                    .unwrap()
                    .asks_for_exact_version(),
                "{range}"
            );
        }
        for range in [
            "1.2",
            "^1.2.3",
            "~1.2.3",
            ">=1.2.3",
            "1.2.x",
            "1.2.3 - 2.0.0",
            "1.2.3 || 2.0.0",
            "latest",
            "1.2.3.4",
            "1.2.3-",
        ] {
            assert!(
                !parse(&format!("npm:a@{range}"))
                    .unwrap()
                    .asks_for_exact_version(),
                "{range}"
            );
        }
        assert!(!parse("npm:a").unwrap().asks_for_exact_version());
        assert!(!parse("path:a").unwrap().asks_for_exact_version());
    }
}
