//! Walking the manifest's TOML tree: typed look-ups that note what is wrong and go on,
//! so that every mistake is found in one go. What the keys mean is in `validate.rs`.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::diagnostic::{Code, Diagnostic};
use super::nearest::nearest;

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
