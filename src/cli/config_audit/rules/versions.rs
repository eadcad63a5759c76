//! Which version is started: launchers, runners of projects, code of repositories.

use super::super::entry::Entry;
use super::super::finding::Finding;
use super::super::machine::Machine;
use super::super::table::Rule;
use super::about;
use crate::cli::launchers::{Packages, Started, python_words, split_range};
use crate::config::clients::{Position, Word};

pub(super) fn rule(entry: &Entry<'_>, _: &dyn Machine, found: &mut Vec<Finding>) {
    let program = entry.program();
    match entry.started() {
        Some(Ok(started)) => found.extend(launched(entry, &started)),
        Some(Err(_)) => found.extend(not_understood(entry)),
        None => found.extend(runner(entry, program)),
    }
}

fn launched(entry: &Entry<'_>, started: &Started<'_>) -> Option<Finding> {
    let package = started.package;
    let at = place_of(entry, package)?;
    if is_unpublished(package) {
        return Some(unpublished(entry, at, package));
    }
    let is_exact = match started.packages {
        Packages::Npm => split_range(package).1.is_some_and(is_exact_npm),
        Packages::Pypi => is_exact_python(&python_words(package)),
    };
    Some(judged(entry, at, package, is_exact))
}

fn judged(entry: &Entry<'_>, at: Position, package: &str, is_exact: bool) -> Finding {
    let program = entry.program();
    match is_exact {
        true => about(
            entry,
            Rule::UnpinnedLauncher,
            at,
            package,
            format!("`{program}` starts `{package}` with whatever dependencies are newest"),
        ),
        false => about(
            entry,
            Rule::FloatingVersion,
            at,
            package,
            format!("`{program}` starts whatever version of `{package}` is newest"),
        ),
    }
}

fn unpublished(entry: &Entry<'_>, at: Position, source: &str) -> Finding {
    let message = format!("`{}` gets code from `{source}`", entry.program());
    about(entry, Rule::UnpublishedSource, at, source, message)
}

/// A launcher with options that pinfold doesn't know: any of its words may be the package.
fn not_understood(entry: &Entry<'_>) -> Option<Finding> {
    let arguments = entry.arguments();
    if let Some(word) = arguments.iter().find(|word| is_unpublished(value(word))) {
        return Some(unpublished(entry, word.at, value(word)));
    }
    // Code that `-c` brings is another rule's.
    let is_code = |word: &&&Word| matches!(word.text.as_str(), "-c" | "--call");
    if arguments.iter().any(|word| is_code(&word)) {
        return None;
    }
    let first = arguments.iter().find(|word| !word.text.starts_with('-'))?;
    let at = first.at;
    let message = format!(
        "`{}` is started with options that pinfold doesn't know; what it gets is not pinned",
        entry.program()
    );
    Some(about(
        entry,
        Rule::UnpinnedLauncher,
        at,
        entry.program(),
        message,
    ))
}

/// What stands after the `=` of an option, or the word.
fn value(word: &Word) -> &str {
    let text = word.text.as_str();
    match text.split_once('=') {
        Some((option, value)) if option.starts_with("--") => value,
        _ => text,
    }
}

/// Commands that start a project's script or build something first, and where code comes from
/// then. `true`: the word after the options names a package.
const RUNNERS: &[(&str, &str)] = &[
    ("uv", "run"),
    ("go", "run"),
    ("deno", "run"),
    ("deno", ""),
    ("cargo", "install"),
    ("npm", "install"),
    ("npm", "i"),
];

fn runner(entry: &Entry<'_>, program: &str) -> Option<Finding> {
    let arguments = entry.arguments();
    let verb = arguments.first()?.text.as_str();
    if !RUNNERS.contains(&(program, verb)) {
        return None;
    }
    for (index, word) in arguments.iter().enumerate().skip(1) {
        let text = value(word);
        if is_unpublished(text) {
            return Some(unpublished(entry, word.at, text));
        }
        let before = arguments[index - 1].text.as_str();
        match program {
            "uv" if matches!(before, "--with") || word.text.starts_with("--with=") => {
                let all_exact = text.split(',').all(is_exact_python);
                return Some(judged(entry, word.at, text, all_exact));
            }
            "go" if text.contains('@') && !text.starts_with('-') => {
                // Go's checksum database holds the closure of an exact version.
                let is_exact = text.split('@').nth(1).is_some_and(is_exact_npm);
                return (!is_exact).then(|| judged(entry, word.at, text, false));
            }
            "deno" if text.starts_with("npm:") || text.starts_with("jsr:") => {
                let is_exact = split_range(&text[4..]).1.is_some_and(is_exact_npm);
                return Some(judged(entry, word.at, text, is_exact));
            }
            "npm" if !text.starts_with('-') => {
                let is_exact = split_range(text).1.is_some_and(is_exact_npm);
                return Some(judged(entry, word.at, text, is_exact));
            }
            _ => {}
        }
    }
    None
}

/// The place of the word that ends with `package`.
fn place_of(entry: &Entry<'_>, package: &str) -> Option<Position> {
    let word = |word: &&&Word| word.text == package || word.text.ends_with(package);
    let exact = entry.arguments().iter().find(word);
    exact.map(|word| word.at)
}

/// A repository, or a file of a host.
fn is_unpublished(text: &str) -> bool {
    let starts = [
        "git+",
        "git:",
        "git@",
        "github:",
        "gitlab:",
        "bitbucket:",
        "gist:",
        "http://",
        "https://",
        "file:",
    ];
    let after_at = text
        .split_once("@ ")
        .map_or(text, |(_, after)| after)
        .trim();
    let after_name = split_range(after_at).1.unwrap_or_default();
    [after_at, after_name]
        .iter()
        .any(|text| starts.iter().any(|start| text.starts_with(start)))
        || is_owner_and_repository(text)
}

/// `owner/repository`, as npm takes it from GitHub.
fn is_owner_and_repository(text: &str) -> bool {
    let name = |part: &str| {
        !part.is_empty()
            && part.starts_with(|c: char| c.is_ascii_alphanumeric())
            && part
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
    };
    matches!(text.split('#').next().unwrap_or_default().split_once('/'),
        Some((owner, repository)) if name(owner) && name(repository) && !repository.contains('/'))
}

/// `1.2.3`, `v1.2.3`, `1.2.3-beta.1`; no range and no word.
fn is_exact_npm(version: &str) -> bool {
    let version = version.trim_start_matches(['=', 'v']);
    let numbers = version.split(['-', '+']).next().unwrap_or_default();
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let parts: Vec<&str> = numbers.split('.').collect();
    parts.len() == 3 && parts.iter().all(|part| is_number(part)) && !version.contains(' ')
}

/// `name==1.2`, with nothing else and no `*`.
fn is_exact_python(words: &str) -> bool {
    let words = words.split(';').next().unwrap_or_default();
    match words.split_once("==") {
        Some((name, version)) => {
            let version = version.trim().trim_start_matches('=');
            !name.contains(['<', '>', '~', '!'])
                && version.starts_with(|c: char| c.is_ascii_digit())
                && !version.contains(['*', ',', '<', '>', '~', ' '])
        }
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_versions_are_told_from_ranges() {
        for version in ["1.2.3", "v1.2.3", "=1.2.3", "1.2.3-beta.1", "2026.8.0+x"] {
            assert!(is_exact_npm(version), "{version}");
        }
        for version in [
            "1",
            "1.2",
            "^1.2.3",
            "~1.2.3",
            "1.x",
            "next",
            ">=1.2.3",
            "1.2.3 - 2.0.0",
            "",
        ] {
            assert!(!is_exact_npm(version), "{version}");
        }
        for words in ["a==1.2", "a[x]==1", "a===1.2.post1"] {
            assert!(is_exact_python(words), "{words}");
        }
        for words in ["a", "a>=1", "a==1.*", "a==1,<2", "a~=1.2", "a<2,==1"] {
            assert!(!is_exact_python(words), "{words}");
        }
    }

    #[test]
    fn repositories_are_told_from_packages() {
        for text in [
            "github:a/b",
            "a/b",
            "git+https://x.test/a",
            "a@git+https://x.test/b",
            "a @ https://x.test/a.whl",
            "https://x.test/a.tgz",
        ] {
            assert!(is_unpublished(text), "{text}");
        }
        for text in [
            "@a/b",
            "a",
            "a@1.2.3",
            "/srv/a",
            "./a/b",
            "-y",
            "@a/b@latest",
        ] {
            assert!(!is_unpublished(text), "{text}");
        }
    }
}
