//! The source tree as text, and rules about the words in it.

use std::fs;
use std::path::PathBuf;

use crate::place::project;

/// One source file.
pub(super) struct File {
    /// Below `src`, for example `relay/session.rs`.
    pub(super) path: String,
    pub(super) text: String,
    pub(super) is_test: bool,
}

impl File {
    /// The lines that are compiled into the program: no comments, no unit tests.
    pub(super) fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let end = if self.is_test {
            0
        } else {
            // A module with a body; a bare `mod tests;` is a file of its own.
            let tests = self.text.find("\nmod tests {");
            tests.unwrap_or(self.text.len())
        };
        self.text[..end]
            .lines()
            .enumerate()
            .map(|(index, line)| (index + 1, line))
            .filter(|(_, line)| !line.trim_start().starts_with("//"))
    }

    pub(super) fn room(&self) -> &str {
        self.path.split('/').next().unwrap_or_default()
    }
}

pub(super) fn files() -> Vec<File> {
    let source = project().join("src");
    let mut found = Vec::new();
    let mut folders = vec![source.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                let path = path
                    .strip_prefix(&source)
                    .unwrap()
                    .to_str()
                    .unwrap()
                    .to_owned();
                let name = path.rsplit('/').next().unwrap();
                let is_test = path.contains("/tests/")
                    || name == "tests.rs"
                    || name == "testing.rs"
                    || name.ends_with("_tests.rs");
                found.push(File {
                    path,
                    text,
                    is_test,
                });
            }
        }
    }
    assert!(found.len() > 50, "the sources are somewhere else");
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

/// Whether `word` stands in `line` by itself, not as a part of a longer name.
pub(super) fn has_word(line: &str, word: &str) -> bool {
    let is_part = |letter: Option<char>| {
        letter.is_some_and(|letter| letter.is_alphanumeric() || letter == '_')
    };
    line.match_indices(word).any(|(at, _)| {
        let before =
            word.starts_with(char::is_alphanumeric) && is_part(line[..at].chars().next_back());
        let after = word.ends_with(char::is_alphanumeric)
            && is_part(line[at + word.len()..].chars().next());
        !before && !after
    })
}

/// No code of the files that `wanted` chooses holds one of `words`.
pub(super) fn forbid(wanted: impl Fn(&File) -> bool, words: &[&str]) {
    let (mut seen, mut broken) = (0, Vec::new());
    for file in files().iter().filter(|file| wanted(file)) {
        seen += 1;
        for (number, line) in file.code() {
            for word in words.iter().filter(|word| has_word(line, word)) {
                broken.push(format!(
                    "src/{}:{number}: `{word}`: {}",
                    file.path,
                    line.trim()
                ));
            }
        }
    }
    assert!(seen > 0, "the rule is about no file");
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
}

pub(super) fn in_room(room: &str) -> impl Fn(&File) -> bool {
    move |file| file.room() == room
}
