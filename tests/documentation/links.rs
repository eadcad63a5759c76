//! Relative links of all pages of the project, and the headings that they name.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::pages;
use crate::place::project;

/// Besides README.md and docs/.
const MORE: [&str; 7] = [
    "ARCHITECTURE.md",
    "THREAT_MODEL.md",
    "CHANGELOG.md",
    "lockfile/FORMAT.md",
    "lockfile/REPORTS.md",
    "integration/vm/README.md",
    "profiles/README.md",
];

#[test]
fn every_relative_link_leads_somewhere() {
    let mut broken = Vec::new();
    let mut followed = 0;
    let more = MORE.iter().filter(|path| project().join(path).exists());
    let paths = pages::paths(project()).into_iter();
    for path in paths.chain(more.map(|path| (*path).to_owned())) {
        let text = fs::read_to_string(project().join(&path)).unwrap();
        for (line, target) in links(&text) {
            if target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            followed += 1;
            if let Err(what) = follow(&path, &text, &target) {
                broken.push(format!("{path}:{line}: `{target}`: {what}"));
            }
        }
    }
    assert!(followed > 50, "{followed} links");
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
}

/// # Errors
/// What is not there.
pub(super) fn follow(page: &str, text: &str, target: &str) -> Result<(), String> {
    let (path, heading) = target.split_once('#').unwrap_or((target, ""));
    let other = match path.is_empty() {
        true => None,
        false => {
            let folder = Path::new(page).parent().unwrap_or_else(|| Path::new(""));
            let path = project().join(folder).join(path);
            if !path.exists() {
                return Err("there is no such file".to_owned());
            }
            (!heading.is_empty()).then(|| fs::read_to_string(path).unwrap())
        }
    };
    let text = other.as_deref().unwrap_or(text);
    match heading.is_empty() || anchors(text).iter().any(|anchor| anchor == heading) {
        true => Ok(()),
        false => Err("there is no such heading".to_owned()),
    }
}

/// The targets of `[text](target)`, each with its line; not of those in code.
fn links(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (number, line) in prose(text) {
        let mut rest = without_code(line);
        while let Some(at) = rest.find("](") {
            let after = rest.split_off(at + 2);
            let Some(end) = after.find(')') else { break };
            found.push((number, after[..end].to_owned()));
            rest = after[end..].to_owned();
        }
    }
    found
}

/// The lines outside of fenced blocks.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut is_inside = false;
    text.lines().enumerate().filter_map(move |(index, line)| {
        let is_fence = line.trim_start().starts_with("```");
        is_inside ^= is_fence;
        (!is_inside && !is_fence).then_some((index + 1, line))
    })
}

/// Every other piece between backticks is code.
fn without_code(line: &str) -> String {
    line.split('`').step_by(2).collect::<Vec<_>>().join("``")
}

/// The names of the headings, as forges make them: small letters, no punctuation, `-` for spaces.
fn anchors(text: &str) -> Vec<String> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let headings = prose(text).filter(|(_, line)| line.starts_with('#'));
    headings
        .map(|(_, line)| {
            let heading = line.trim_start_matches('#').trim().to_lowercase();
            let kept = heading
                .chars()
                .filter(|letter| letter.is_alphanumeric() || matches!(letter, ' ' | '-' | '_'));
            let name: String = kept
                .map(|letter| if letter == ' ' { '-' } else { letter })
                .collect();
            let times = seen.entry(name.clone()).or_default();
            *times += 1;
            match *times {
                1 => name,
                many => format!("{name}-{}", many - 1),
            }
        })
        .collect()
}
