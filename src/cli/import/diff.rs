//! What would change in a file, as a unified diff in which no secret can be read.

use super::super::context::Context;
use super::super::file_difference;
use super::apply::{rewritten, wanted};
use super::{Found, Group};
use crate::config::clients::{ClientFile, known_tokens, secrets_in};

/// Stands for a secret.
pub(super) const HIDDEN: &str = "[secret]";

pub(super) fn show(
    index: usize,
    found: &Found,
    groups: &[Group],
    context: &Context,
    program: &str,
) {
    let Ok(file) = &found.file else { return };
    let wanted = wanted(index, file, groups, context, program, |_| true);
    if wanted.is_empty() {
        return;
    }
    let Ok((after, _, _)) = rewritten(file, &wanted) else {
        return;
    };
    let mask = Mask::of(file);
    let before = mask.apply(file.text.text());
    let after = mask.apply(&String::from_utf8_lossy(&after));
    let after = after.trim_start_matches('\u{feff}');
    let path = found.place.path.display().to_string();
    file_difference::show(&path, &before, after);
}

/// Takes the secrets of a file out of any text about it.
pub(in crate::cli) struct Mask(Vec<String>);

impl Mask {
    pub(in crate::cli) fn of(file: &ClientFile) -> Self {
        let mut words = Vec::new();
        for secret in secrets_in(&file.root, file.text.text()) {
            let escaped = serde_json::Value::from(secret.as_str()).to_string();
            words.push(escaped[1..escaped.len() - 1].to_owned());
            words.push(secret);
        }
        Self(words)
    }

    pub(in crate::cli) fn apply(&self, text: &str) -> String {
        let hidden = |text: String, secret: &String| match text.contains(secret.as_str()) {
            true => text.replace(secret.as_str(), HIDDEN),
            false => text,
        };
        let mut text = self.0.iter().fold(text.to_owned(), hidden);
        // What stands in comments is no value.
        let tokens: Vec<_> = known_tokens(&text).collect();
        for range in tokens.into_iter().rev() {
            text.replace_range(range, HIDDEN);
        }
        text
    }
}
