//! Where a server's code comes from: `npm:NAME[@RANGE]`, `pypi:NAME[EXTRA,…]SPECIFIERS`,
//! `https://HOST/PATH#sha256=HEX` or
//! `path:FILE-OR-FOLDER`.
//! Syntax only; what a source resolves to is found out elsewhere.

mod https;
mod npm;
mod path;
mod pypi;

pub(super) use npm::check_npm_name;

use std::fmt;
use std::path::{Path, PathBuf};

use crate::lockfile::{Digest, printable};

/// What the name of a bundle ends in.
const BUNDLE_EXTENSION: &str = "mcpb";

pub use pypi::normalized_pypi_name;

/// A parsed `source`. Its Display is the text as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    Npm {
        /// `name` or `@scope/name`.
        name: String,
        /// A version, range or dist-tag; never an address, file or alias.
        range: Option<String>,
    },
    Pypi {
        /// As written after `pypi:`.
        written: String,
        /// As written; [`normalized_pypi_name`] is what is compared.
        name: String,
        extras: Vec<String>,
        /// Version specifiers (PEP 440), such as `>=1.2,<2`.
        specifiers: Option<String>,
    },
    /// One file: a program, an archive or a bundle.
    Https {
        /// Without the fragment.
        address: String,
        sha256: Digest,
        /// What the file is called, after its address.
        file_name: String,
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
    #[error("`{}` is not a source: write `npm:NAME`, `npm:NAME@RANGE`, `pypi:NAME`, `pypi:NAME==VERSION`, `https://HOST/PATH#sha256=HEX` or `path:FILE-OR-FOLDER`{}", printable(.0, 80), perhaps(.0))]
    NoScheme(String),
    #[error("sources of the kind `{}:` are not supported by this version; it supports `npm:`, `pypi:`, `https:` and `path:`", printable(.0, 40))]
    UnknownScheme(String),
    #[error("`{}` is not an npm package name: {reason}", printable(name, 80))]
    NpmName { name: String, reason: &'static str },
    #[error(
        "`{}` is not a version range that pinfold resolves: {reason}",
        printable(range, 80)
    )]
    NpmRange { range: String, reason: &'static str },
    #[error(
        "`{}` is not the name of a Python package: {reason}",
        printable(name, 80)
    )]
    PypiName { name: String, reason: &'static str },
    #[error(
        "`{}` is not a version specifier that pinfold resolves: {reason}",
        printable(specifiers, 80)
    )]
    PypiSpecifiers {
        specifiers: String,
        reason: &'static str,
    },
    #[error("`{}` can't be used as an address: {reason}", printable(address, 160))]
    Https {
        address: String,
        reason: &'static str,
    },
    #[error("`{}` can't be used as a path: {reason}", printable(path, 80))]
    Path { path: String, reason: &'static str },
}

/// What may be meant by a text without a scheme: a file, or the command that stands in configs.
fn perhaps(text: &str) -> String {
    let mut words = text.split_whitespace();
    let scheme = match words.next() {
        Some(first) if first.starts_with(['/', '.', '~']) => return meant("path", text),
        Some(first) if first.starts_with('@') => return meant("npm", first),
        Some("npx") => "npm",
        Some("uvx") => "pypi",
        _ => return String::new(),
    };
    let package = words.find(|word| !word.starts_with('-'));
    package.map_or_else(String::new, |package| meant(scheme, package))
}

fn meant(scheme: &str, rest: &str) -> String {
    format!("; perhaps `{scheme}:{}`", printable(rest, 80))
}

impl Source {
    /// Parses a manifest's `source`. Relative paths start at `folder` (the manifest's,
    /// absolute), `~/` at `home`.
    pub fn parse(text: &str, folder: &Path, home: Option<&Path>) -> Result<Self, SourceError> {
        let (scheme, rest) = text
            .split_once(':')
            .ok_or_else(|| SourceError::NoScheme(text.to_owned()))?;
        match scheme {
            "npm" => npm::parse(rest),
            "https" => https::parse(rest),
            "pypi" => pypi::parse(rest),
            "path" => path::parse(rest, folder, home),
            other => Err(SourceError::UnknownScheme(other.to_owned())),
        }
    }

    /// Whether exactly one version is asked for, such as `npm:zod@4.1.5` or
    /// `pypi:mcp==1.2.0`. Then the
    /// release age doesn't count: the user has chosen. Never for `path:`, which has no versions.
    pub fn asks_for_exact_version(&self) -> bool {
        match self {
            Self::Npm { range, .. } => range.as_deref().is_some_and(npm::is_exact_version),
            Self::Pypi { specifiers, .. } => specifiers
                .as_deref()
                .is_some_and(|specifiers| pypi::exact_version(specifiers).is_some()),
            Self::Https { .. } | Self::Path { .. } => false,
        }
    }

    /// Whether the manifest may have to say which file is run.
    pub fn leaves_program_open(&self) -> bool {
        match self {
            Self::Npm { .. } | Self::Pypi { .. } => false,
            Self::Https { .. } => true,
            Self::Path { .. } => !self.is_local_bundle(),
        }
    }

    /// Whether it can turn out to be a bundle, which takes values from the manifest.
    pub fn may_be_bundle(&self) -> bool {
        matches!(self, Self::Https { .. }) || self.is_local_bundle()
    }

    /// Whether it is a file of this machine that is called a bundle.
    pub fn is_local_bundle(&self) -> bool {
        let Self::Path { file, .. } = self else {
            return false;
        };
        file.extension().is_some_and(|end| end == BUNDLE_EXTENSION)
    }

    /// The one version that a `pypi:` source asks for with `==VERSION`.
    pub fn exact_pypi_version(&self) -> Option<&str> {
        match self {
            Self::Pypi { specifiers, .. } => pypi::exact_version(specifiers.as_deref()?),
            _ => None,
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
            Self::Https {
                address, sha256, ..
            } => write!(f, "{address}#sha256={}", sha256.hex()),
            Self::Pypi { written, .. } => write!(f, "pypi:{written}"),
            Self::Path { written, .. } => write!(f, "path:{written}"),
        }
    }
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
        let address = format!("https://a.test/x?y#sha256={}", "0a".repeat(32));
        assert_eq!(parse(&address).unwrap().to_string(), address);
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
        for text in ["http://x/y", "oci:x", "NPM:zod", ":x"] {
            let error = parse(text).unwrap_err();
            assert!(matches!(error, SourceError::UnknownScheme(_)), "{text}");
            assert!(
                error
                    .to_string()
                    .contains("supports `npm:`, `pypi:`, `https:` and `path:`"),
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

    #[test]
    fn what_is_no_source_is_proposed_as_what_it_may_be() {
        let said = |text: &str| parse(text).unwrap_err().to_string();
        for (text, meant) in [
            ("/srv/a.mcpb", "; perhaps `path:/srv/a.mcpb`"),
            ("./server.py", "; perhaps `path:./server.py`"),
            ("~/a", "; perhaps `path:~/a`"),
            ("@scope/server", "; perhaps `npm:@scope/server`"),
            ("npx -y @scope/server /srv", "; perhaps `npm:@scope/server`"),
            ("uvx mcp-server-time", "; perhaps `pypi:mcp-server-time`"),
        ] {
            assert!(said(text).ends_with(meant), "{}", said(text));
        }
        for open in ["server-everything", "npx", ""] {
            assert!(!said(open).contains("perhaps"), "{}", said(open));
        }
    }
}
