//! Single edits of a text: a value replaced, a list, a key put in, keys taken out.
//!
//! Each gives a range and what stands there instead. They need not be right about every way to
//! write a file: what comes of them is read again and compared.

use std::collections::BTreeSet;
use std::ops::Range;

use super::shape::Dialect;
use super::tree::{Member, Node};

/// A range of the text, and what takes its place.
pub(super) type Edit = (Range<usize>, String);

/// Why an entry can't be edited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refused(pub(super) &'static str);

pub(super) struct Editor<'t> {
    pub text: &'t str,
    pub dialect: Dialect,
}

impl Editor<'_> {
    /// # Errors
    /// Where more may depend on this value than can be seen.
    pub(super) fn plain(&self, node: &Node) -> Result<(), Refused> {
        match node.unusual {
            Some(reason) => Err(Refused(reason)),
            None if node.get("<<").is_some() => Err(Refused("it takes in another entry (`<<`)")),
            None => Ok(()),
        }
    }

    pub(super) fn replace_text(&self, node: &Node, text: &str) -> Result<Edit, Refused> {
        self.plain(node)?;
        Ok((node.span.clone(), quoted(text)))
    }

    /// In place of `null`, or of nothing, which is YAML's null.
    pub(super) fn replace_null(&self, member: &Member, list: &[String]) -> Result<Edit, Refused> {
        let node = &member.value;
        self.plain(node)?;
        if !self.text[node.span.clone()].trim().is_empty() {
            return Ok((node.span.clone(), one_line(list)));
        }
        let at = self.after_colon(member)?;
        Ok((at..at, format!(" {}", one_line(list))))
    }

    /// Behind the colon of a key of YAML.
    fn after_colon(&self, member: &Member) -> Result<usize, Refused> {
        let rest = &self.text[member.key_span.end..];
        let colon = rest.find(':').ok_or(Refused("a key of it has no `:`"))?;
        Ok(member.key_span.end + colon + 1)
    }

    /// Written over several lines if the old one was.
    pub(super) fn replace_list(&self, node: &Node, list: &[String]) -> Result<Edit, Refused> {
        self.plain(node)?;
        let old = &self.text[node.span.clone()];
        let end = self.line_end_at(node.span.start);
        if !old.starts_with('[') {
            let column = self.before_on_line(node.span.start);
            if !column.trim().is_empty() {
                return Err(Refused("its list begins in the middle of a line"));
            }
            let lines: Vec<String> = list
                .iter()
                .map(|word| format!("- {}", quoted(word)))
                .collect();
            return Ok((node.span.clone(), lines.join(&format!("{end}{column}"))));
        }
        let first = node.entries().first();
        let indent = first.map(|first| self.before_on_line(first.span.start));
        let replacement = match indent {
            Some(indent) if old.contains('\n') && indent.trim().is_empty() => {
                let lines: Vec<String> = list
                    .iter()
                    .map(|word| format!("{indent}{}", quoted(word)))
                    .collect();
                let closing = self.before_on_line(node.span.end - 1);
                let closing = match closing.trim().is_empty() {
                    true => closing,
                    false => indent,
                };
                format!("[{end}{}{end}{closing}]", lines.join(&format!(",{end}")))
            }
            _ => one_line(list),
        };
        Ok((node.span.clone(), replacement))
    }

    /// A key that was not there, after `member` of `map`.
    pub(super) fn insert_after(
        &self,
        map: &Node,
        member: &Member,
        key: &str,
        list: &[String],
    ) -> Result<Edit, Refused> {
        let list = one_line(list);
        let before = self.before_on_line(member.key_span.start);
        let end = self.line_end_at(member.key_span.start);
        let after_value = member.value.span.end;
        let line_end = self.end_of_line(after_value);
        let in_braces = self.text[map.span.clone()].starts_with('{');
        Ok(match self.dialect {
            Dialect::Json | Dialect::Jsonc => {
                let space = match before.trim().is_empty() {
                    true => format!("{end}{before}"),
                    false => " ".to_owned(),
                };
                let text = format!(",{space}{}: {list}", quoted(key));
                (after_value..after_value, text)
            }
            Dialect::Toml if before.contains('{') || before.contains('=') => {
                (after_value..after_value, format!(", {key} = {list}"))
            }
            // Dotted keys begin alike.
            Dialect::Toml => (line_end..line_end, format!("{end}{before}{key} = {list}")),
            Dialect::Yaml if in_braces => (after_value..after_value, format!(", {key}: {list}")),
            Dialect::Yaml => {
                let column = " ".repeat(before.chars().count());
                (line_end..line_end, format!("{end}{column}{key}: {list}"))
            }
        })
    }

    /// Takes the named members out of `map`; their comments stay.
    pub(super) fn remove_members(
        &self,
        map: &Member,
        names: &BTreeSet<String>,
    ) -> Result<Vec<Edit>, Refused> {
        let node = &map.value;
        let (gone, kept): (Vec<&Member>, Vec<&Member>) = node
            .members()
            .iter()
            .partition(|member| names.contains(&member.key));
        if gone.is_empty() {
            return Ok(Vec::new());
        }
        self.plain(node)?;
        for member in &gone {
            self.plain(&member.value)?;
        }
        if self.text[node.span.clone()].starts_with('{') {
            let inside = &self.text[node.span.start + 1..node.span.end - 1];
            let has_comment = ["//", "/*", "#"].iter().any(|mark| inside.contains(mark));
            if kept.is_empty() && !has_comment {
                return Ok(vec![(node.span.clone(), "{}".to_owned())]);
            }
            return Ok(self.remove_between_commas(&gone, &kept));
        }
        let mut edits: Vec<Edit> = gone
            .iter()
            .map(|member| self.remove_lines(member))
            .collect();
        if kept.is_empty() && self.dialect == Dialect::Yaml {
            // A key without a value would be null, which clients refuse.
            let at = self.after_colon(map)?;
            edits.push((at..at, " {}".to_owned()));
        }
        Ok(edits)
    }

    fn remove_between_commas(&self, gone: &[&Member], kept: &[&Member]) -> Vec<Edit> {
        let mut edits = Vec::new();
        for member in gone {
            let end = member.value.span.end;
            let after = self.comma_after(end);
            if after.is_none() {
                // The last one: what is before it is now the last.
                let before = kept
                    .iter()
                    .rfind(|kept| kept.key_span.start < member.key_span.start);
                let comma = before.and_then(|kept| self.comma_after(kept.value.span.end));
                if let Some(comma) = comma {
                    edits.push((comma..comma + 1, String::new()));
                }
            }
            let end = after.map_or(end, |comma| comma + 1);
            edits.push((
                self.with_blank_line(member.key_span.start..end),
                String::new(),
            ));
        }
        edits
    }

    /// The line, or what of it is not a comment.
    fn remove_lines(&self, member: &Member) -> Edit {
        let start = self.line_start(member.key_span.start);
        (
            self.with_blank_line(start..member.value.span.end),
            String::new(),
        )
    }

    /// A range with the rest of its lines, if nothing else stands on them.
    fn with_blank_line(&self, range: Range<usize>) -> Range<usize> {
        let start = self.line_start(range.start);
        let alone = self.text[start..range.start].trim().is_empty();
        let end = self.end_of_line(range.end);
        let rest = &self.text[range.end..end];
        if alone && rest.trim().is_empty() {
            let line_break = self.text[end..].find('\n').map_or(0, |at| at + 1);
            return start..end + line_break;
        }
        // On a line with others the space after it goes with it.
        let spaces = rest.len() - rest.trim_start_matches(' ').len();
        match alone {
            true => range,
            false => range.start..range.end + spaces,
        }
    }

    /// The comma after a value, past space and comments.
    fn comma_after(&self, mut at: usize) -> Option<usize> {
        loop {
            let rest = &self.text[at..];
            let trimmed = rest.trim_start();
            at += rest.len() - trimmed.len();
            if trimmed.starts_with("/*") {
                at += trimmed.find("*/")? + 2;
            } else if trimmed.starts_with("//") || trimmed.starts_with('#') {
                at += trimmed.find('\n')?;
            } else {
                return trimmed.starts_with(',').then_some(at);
            }
        }
    }

    fn line_start(&self, at: usize) -> usize {
        self.text[..at].rfind('\n').map_or(0, |before| before + 1)
    }

    /// Before the line break.
    fn end_of_line(&self, at: usize) -> usize {
        let rest = &self.text[at..];
        let end = rest.find('\n').unwrap_or(rest.len());
        at + rest[..end].trim_end_matches('\r').len()
    }

    fn before_on_line(&self, at: usize) -> &str {
        &self.text[self.line_start(at)..at]
    }

    /// The line break that is used around there.
    fn line_end_at(&self, at: usize) -> &'static str {
        let end = self.end_of_line(at);
        match self.text[end..].starts_with("\r\n") {
            true => "\r\n",
            false => "\n",
        }
    }
}

/// A text as JSON writes it, which TOML and YAML read alike.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn one_line(list: &[String]) -> String {
    let words: Vec<String> = list.iter().map(|word| quoted(word)).collect();
    format!("[{}]", words.join(", "))
}
