//! `npm:NAME[@RANGE]`.

use super::{Source, SourceError};

/// npm's own limit for names.
const MAX_NAME_BYTES: usize = 214;
const MAX_RANGE_BYTES: usize = 256;

pub(super) fn parse(text: &str) -> Result<Source, SourceError> {
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
pub(in crate::config) fn check_npm_name(name: &str) -> Result<(), &'static str> {
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

pub(super) fn is_exact_version(range: &str) -> bool {
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
