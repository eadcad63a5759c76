//! Walking the manifest's TOML tree: typed look-ups that note what is wrong and go on,
//! so that every mistake is found in one go. What the keys mean is in `validate.rs`.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::diagnostic::{Code, Diagnostic};

pub(super) type Node<'i> = Spanned<DeValue<'i>>;

/// Longest string, longest list: far above any use, far below trouble.
const MAX_STRING_BYTES: usize = 64 << 10;
const MAX_ENTRIES: usize = 4096;

/// The mistakes found so far.
#[derive(Default)]
pub(super) struct Walk {
    pub(super) problems: Vec<Diagnostic>,
}

impl Walk {
    pub(super) fn report(&mut self, code: Code, span: Range<usize>, message: impl Into<String>) {
        self.report_with_help(code, span, message, None);
    }

    pub(super) fn report_with_help(
        &mut self,
        code: Code,
        span: Range<usize>,
        message: impl Into<String>,
        help: Option<String>,
    ) {
        self.problems.push(Diagnostic {
            code,
            message: message.into(),
            span,
            help,
        });
    }

    /// Notes every key of `table` that is not one of `known`. `place` names the table.
    pub(super) fn only_keys(&mut self, table: &DeTable<'_>, known: &[&str], place: &str) {
        for key in table.keys() {
            let name = key.get_ref().as_ref();
            if known.contains(&name) {
                continue;
            }
            let help = match nearest(name, known) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("known here: {}", known.join(", ")),
            };
            self.report_with_help(
                Code::UnknownKey,
                key.span(),
                format!("unknown key `{name}` in {place}"),
                Some(help),
            );
        }
    }

    pub(super) fn table<'v, 'i>(
        &mut self,
        node: &'v Node<'i>,
        what: &str,
    ) -> Option<&'v DeTable<'i>> {
        let found = node.get_ref().as_table();
        if found.is_none() {
            self.wrong_type(node, what, "a table");
        }
        found
    }

    pub(super) fn string(&mut self, node: &Node<'_>, what: &str) -> Option<String> {
        let Some(text) = node.get_ref().as_str() else {
            self.wrong_type(node, what, "a string");
            return None;
        };
        if text.contains('\0') {
            self.report(
                Code::InvalidValue,
                node.span(),
                format!("{what} holds a NUL byte, which no program argument or path can"),
            );
            return None;
        }
        if text.len() > MAX_STRING_BYTES {
            self.report(
                Code::InvalidValue,
                node.span(),
                format!("{what} is longer than {MAX_STRING_BYTES} bytes"),
            );
            return None;
        }
        Some(text.to_owned())
    }

    pub(super) fn boolean(&mut self, node: &Node<'_>, what: &str) -> Option<bool> {
        let found = node.get_ref().as_bool();
        if found.is_none() {
            self.wrong_type(node, what, "true or false");
        }
        found
    }

    /// The strings of a list, each with its place. A missing list is an empty one.
    pub(super) fn strings(
        &mut self,
        node: Option<&Node<'_>>,
        what: &str,
    ) -> Vec<(String, Range<usize>)> {
        let Some(node) = node else { return Vec::new() };
        let Some(list) = node.get_ref().as_array() else {
            self.wrong_type(node, what, "a list of strings");
            return Vec::new();
        };
        if list.len() > MAX_ENTRIES {
            self.report(
                Code::InvalidValue,
                node.span(),
                format!("{what} has more than {MAX_ENTRIES} entries"),
            );
            return Vec::new();
        }
        let entry = format!("an entry of {what}");
        list.iter()
            .filter_map(|item| self.string(item, &entry).map(|text| (text, item.span())))
            .collect()
    }

    pub(super) fn wrong_type(&mut self, node: &Node<'_>, what: &str, expected: &str) {
        let found = node.get_ref().type_str();
        self.report(
            Code::WrongType,
            node.span(),
            format!("{what} must be {expected}, and this is of type {found}"),
        );
    }
}

/// The known key that was probably meant: at most a third of its letters differ.
fn nearest<'k>(name: &str, known: &[&'k str]) -> Option<&'k str> {
    // Long names are no typing mistakes, and the distance costs their product.
    if name.len() > 64 {
        return None;
    }
    known
        .iter()
        .map(|candidate| (edit_distance(name, candidate), *candidate))
        .filter(|(distance, candidate)| *distance <= (candidate.len() / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Levenshtein's distance: insertions, deletions and replacements, case ignored.
fn edit_distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.to_lowercase().chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.to_lowercase().chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in to.iter().enumerate() {
            let replaced = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_levenshteins() {
        for (a, b, distance) in [
            ("", "", 0),
            ("", "abc", 3),
            ("kitten", "sitting", 3),
            ("Source", "source", 0),
        ] {
            assert_eq!(edit_distance(a, b), distance, "{a} {b}");
            assert_eq!(edit_distance(b, a), distance, "{b} {a}");
        }
    }

    #[test]
    fn only_near_names_are_suggested() {
        let known = ["source", "args", "profile", "env"];
        assert_eq!(nearest("sorce", &known), Some("source"));
        assert_eq!(nearest("arg", &known), Some("args"));
        assert_eq!(nearest("Profile", &known), Some("profile"));
        assert_eq!(nearest("egress", &known), None);
        assert_eq!(nearest(&"s".repeat(1000), &known), None);
    }
}
