//! Names and versions of npm packages, as far as they may be trusted in addresses, paths and
//! arguments.

use crate::resolve::ResolveError;

/// npm's own limit on the length of a name.
const MAX_NAME: usize = 214;
/// Longer than any version or range that a person writes.
const MAX_RANGE: usize = 256;

/// What a manifest asks of a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// `1.2.3`: this version and no other.
    Exactly(String),
    /// A range (`^1.2`) or a tag (`latest`).
    Newest(String),
}

impl Wanted {
    /// `None` stands for the tag `latest`.
    pub fn parse(range: Option<&str>) -> Result<Self, ResolveError> {
        let Some(text) = range.map(str::trim).filter(|text| !text.is_empty()) else {
            return Ok(Self::Newest("latest".to_owned()));
        };
        // No `:`, `/`, `@`, `#` or `%`: with these npm also takes addresses, folders and aliases.
        let plain = |b: u8| b.is_ascii_alphanumeric() || b".*^~<>=|+- _".contains(&b);
        let folder = text.starts_with('.') || text.starts_with('~') && text.len() == 1;
        if text.len() > MAX_RANGE || !text.bytes().all(plain) || folder || is_archive(text) {
            return Err(ResolveError::InvalidRange {
                range: text.chars().take(80).collect(),
            });
        }
        let bare = text.strip_prefix('=').unwrap_or(text).trim_start();
        let bare = bare.strip_prefix('v').unwrap_or(bare);
        if is_version(bare) {
            Ok(Self::Exactly(bare.to_owned()))
        } else {
            Ok(Self::Newest(text.to_owned()))
        }
    }

    pub fn as_str(&self) -> &str {
        match self {
            Self::Exactly(text) | Self::Newest(text) => text,
        }
    }
}

/// `@scope/name@^1` as name and range. Neither is checked here.
pub fn split_specifier(text: &str) -> (&str, Option<&str>) {
    // The first character of a scoped name is an `@` too.
    match text
        .char_indices()
        .skip(1)
        .find(|(_, letter)| *letter == '@')
    {
        Some((at, _)) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    }
}

/// `name` or `@scope/name`, safe as a folder and in an address.
///
/// Capitals are accepted because old packages have them. Rules: npm's
/// validate-npm-package-name, less the characters that would need escaping.
pub fn is_package_name(name: &str) -> bool {
    if name.len() > MAX_NAME {
        return false;
    }
    match name.strip_prefix('@') {
        None => is_name_part(name) && name != "node_modules" && name != "favicon.ico",
        Some(scoped) => scoped
            .split_once('/')
            .is_some_and(|(scope, name)| is_name_part(scope) && is_name_part(name)),
    }
}

/// A full version of semver 2.0: three numbers, optional pre-release and build.
pub fn is_version(text: &str) -> bool {
    if text.len() > MAX_RANGE {
        return false;
    }
    let (text, build) = split_once_or_all(text, '+');
    let (numbers, prerelease) = split_once_or_all(text, '-');
    let mut count = 0;
    let all_numbers = numbers.split('.').all(|part| {
        count += 1;
        !part.is_empty() && part.len() <= 16 && part.bytes().all(|b| b.is_ascii_digit())
    });
    let tail = |tail: Option<&str>| {
        tail.is_none_or(|tail| {
            tail.split('.').all(|part| {
                !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            })
        })
    };
    all_numbers && count == 3 && tail(prerelease) && tail(build)
}

fn is_name_part(part: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"._-~".contains(&b);
    !part.is_empty() && !part.starts_with(['.', '_', '-']) && part.bytes().all(allowed)
}

/// npm takes such a word for a file.
fn is_archive(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    [".tgz", ".tar.gz", ".tar"]
        .iter()
        .any(|ending| text.ends_with(ending))
}

fn split_once_or_all(text: &str, separator: char) -> (&str, Option<&str>) {
    match text.split_once(separator) {
        Some((before, after)) => (before, Some(after)),
        None => (text, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_ranges_and_tags_are_told_apart() {
        let exact = |text| Wanted::parse(Some(text)).unwrap();
        assert_eq!(exact("1.2.3"), Wanted::Exactly("1.2.3".to_owned()));
        assert_eq!(
            exact("=v1.2.3-rc.1+x"),
            Wanted::Exactly("1.2.3-rc.1+x".to_owned())
        );
        assert_eq!(exact("^2026.8"), Wanted::Newest("^2026.8".to_owned()));
        assert_eq!(exact("1.2"), Wanted::Newest("1.2".to_owned()));
        assert_eq!(
            exact(">=1.0.0 <2.0.0 || ~3.1"),
            Wanted::Newest(">=1.0.0 <2.0.0 || ~3.1".to_owned())
        );
        assert_eq!(exact("next"), Wanted::Newest("next".to_owned()));
        assert_eq!(Wanted::parse(None).unwrap().as_str(), "latest");
        assert_eq!(Wanted::parse(Some(" ")).unwrap().as_str(), "latest");
    }

    #[test]
    fn addresses_folders_and_aliases_are_refused() {
        let long = "1".repeat(300);
        for text in [
            "git+ssh://x",
            "file:../x",
            "https://x/y.tgz",
            "npm:other@1",
            "user/repo",
            "..",
            "./x",
            "~/x",
            "x.tgz",
            "x.tar.gz",
            "github:u/r",
            "workspace:*",
            "1.0.0\n",
            "a\"b",
            &long,
        ] {
            // A trailing line break is trimmed, everything else stands as written.
            let result = Wanted::parse(Some(text));
            assert_eq!(result.is_err(), text != "1.0.0\n", "{text}");
        }
    }

    #[test]
    fn specifiers_are_split_at_the_second_at_sign() {
        assert_eq!(split_specifier("zod"), ("zod", None));
        assert_eq!(split_specifier("zod@^4"), ("zod", Some("^4")));
        assert_eq!(split_specifier("@s/zod"), ("@s/zod", None));
        assert_eq!(
            split_specifier("@s/zod@1.0.0@x"),
            ("@s/zod", Some("1.0.0@x"))
        );
        assert_eq!(split_specifier("é@1"), ("é", Some("1")));
        assert_eq!(split_specifier(""), ("", None));
    }

    #[test]
    fn names_are_npm_names() {
        for good in [
            "zod",
            "@modelcontextprotocol/sdk",
            "JSONStream",
            "a.b-c_d",
            "socket.io",
        ] {
            assert!(is_package_name(good), "{good}");
        }
        let long = "x".repeat(215);
        for bad in [
            "",
            ".",
            "..",
            ".hidden",
            "_x",
            "-g",
            "a/b",
            "@a",
            "@a/",
            "@/a",
            "@a/b/c",
            "@../x",
            "node_modules",
            "a b",
            "a%2fb",
            "a\\b",
            "ünïcode",
            &long,
        ] {
            assert!(!is_package_name(bad), "{bad}");
        }
    }

    #[test]
    fn versions_are_three_numbers() {
        for good in ["0.0.0", "2026.8.31", "1.0.0-beta.1", "1.0.0-a-b+build.5"] {
            assert!(is_version(good), "{good}");
        }
        for bad in [
            "",
            "1",
            "1.2",
            "1.2.3.4",
            "1.x.3",
            "1.2.3-",
            "1.2.3-a..b",
            "../1.2.3",
        ] {
            assert!(!is_version(bad), "{bad}");
        }
    }
}
