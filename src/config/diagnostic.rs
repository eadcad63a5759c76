//! Mistakes in the manifest, and how they are shown under the lines they are in.
//! What counts as a mistake is decided in `validate.rs`.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

use crate::lockfile::printable;

/// So many mistakes are shown with their lines; a broken file could have thousands.
const MAX_SHOWN: usize = 50;
/// So many lines of one mistake are shown.
const MAX_LINES: usize = 5;
/// Longest sentence of one mistake, in characters.
const MAX_SENTENCE: usize = 400;

/// The kinds of mistakes; their names are stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Code {
    Syntax,
    UnknownKey,
    MissingKey,
    WrongType,
    InvalidValue,
    RefusedVariable,
    Duplicate,
}

impl Code {
    pub const ALL: [Self; 7] = [
        Self::Syntax,
        Self::UnknownKey,
        Self::MissingKey,
        Self::WrongType,
        Self::InvalidValue,
        Self::RefusedVariable,
        Self::Duplicate,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Syntax => "syntax",
            Self::UnknownKey => "unknown-key",
            Self::MissingKey => "missing-key",
            Self::WrongType => "wrong-type",
            Self::InvalidValue => "invalid-value",
            Self::RefusedVariable => "refused-variable",
            Self::Duplicate => "duplicate",
        }
    }
}

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    pub code: Code,
    /// What is wrong, in one sentence.
    pub message: String,
    /// Bytes of the manifest that are wrong.
    pub span: Range<usize>,
    /// What to do about it.
    pub help: Option<String>,
}

/// All mistakes of one manifest, in order of their place; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostics {
    path: PathBuf,
    text: String,
    items: Vec<Diagnostic>,
}

impl Diagnostics {
    /// For a text that is in no file: `place` is named in its stead.
    #[must_use]
    pub fn in_place(self, place: &str) -> Self {
        let path = PathBuf::from(place);
        Self { path, ..self }
    }

    pub(super) fn new(path: &Path, text: &str, mut items: Vec<Diagnostic>) -> Self {
        for item in &mut items {
            item.span = clamped(text, &item.span);
        }
        items.sort_by_key(|item| (item.span.start, item.span.end, item.code));
        items.dedup();
        Self {
            path: path.to_owned(),
            text: text.to_owned(),
            items,
        }
    }

    pub fn items(&self) -> &[Diagnostic] {
        &self.items
    }

    /// Line and column of a mistake, both from 1; the column counts characters.
    pub fn position(&self, item: &Diagnostic) -> (usize, usize) {
        let before = self.text.get(..item.span.start).unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |index| index + 1);
        let line = 1 + before.bytes().filter(|byte| *byte == b'\n').count();
        (line, 1 + before[line_start..].chars().count())
    }

    /// Every mistake with its line, for a terminal or a log. Colours only when asked for.
    pub fn render(&self, colour: bool) -> String {
        let renderer = if colour {
            Renderer::styled()
        } else {
            Renderer::plain()
        };
        let path = printable(&self.path.to_string_lossy(), 300);
        let mut shown: Vec<String> = self
            .items
            .iter()
            .take(MAX_SHOWN)
            .map(|item| self.render_one(&renderer, &path, item))
            .collect();
        if let Some(more) = self
            .items
            .len()
            .checked_sub(MAX_SHOWN)
            .filter(|more| *more > 0)
        {
            shown.push(format!("and {more} more"));
        }
        shown.join("\n\n")
    }

    /// The whole lines that a mistake is in, at most [`MAX_LINES`]. The renderer reads all
    /// that it is given for each mistake, so it is not given a large file many times.
    fn lines_of(&self, span: &Range<usize>) -> Range<usize> {
        let start = self
            .text
            .get(..span.start)
            .and_then(|t| t.rfind('\n'))
            .map_or(0, |at| at + 1);
        let lines = self
            .text
            .get(start..)
            .unwrap_or_default()
            .split_inclusive('\n');
        let mut end = start;
        for line in lines.take(MAX_LINES) {
            end += line.len();
            if end >= span.end {
                break;
            }
        }
        start..end.max(span.start)
    }

    fn render_one(&self, renderer: &Renderer, path: &str, item: &Diagnostic) -> String {
        let window = self.lines_of(&item.span);
        let span = item.span.start - window.start..item.span.end.min(window.end) - window.start;
        let snippet = Snippet::source(self.text.get(window).unwrap_or_default())
            .line_start(self.position(item).0)
            .path(path)
            .annotation(AnnotationKind::Primary.span(span));
        let mut group = Level::ERROR
            .primary_title(printable(&item.message, MAX_SENTENCE))
            .id(item.code.name())
            .element(snippet);
        if let Some(help) = &item.help {
            group = group.element(Level::HELP.message(printable(help, MAX_SENTENCE)));
        }
        renderer.render(&[group])
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Diagnostics {}

/// The parser's spans are trusted to be near the truth, not to be on character borders.
fn clamped(text: &str, span: &Range<usize>) -> Range<usize> {
    let mut start = span.start.min(text.len());
    while !text.is_char_boundary(start) {
        start -= 1;
    }
    let mut end = span.end.clamp(start, text.len());
    while !text.is_char_boundary(end) {
        end += 1;
    }
    start..end
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn mistake(span: Range<usize>) -> Diagnostic {
        Diagnostic {
            code: Code::UnknownKey,
            message: "unknown key `sorce`".into(),
            span,
            help: Some("did you mean `source`?".into()),
        }
    }

    #[test]
    fn codes_are_unique_and_stable() {
        let names: Vec<&str> = Code::ALL.iter().map(|code| code.name()).collect();
        assert_eq!(
            names,
            [
                "syntax",
                "unknown-key",
                "missing-key",
                "wrong-type",
                "invalid-value",
                "refused-variable",
                "duplicate"
            ]
        );
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
    }

    #[test]
    fn a_mistake_is_shown_in_its_place() {
        let text = "[servers.ä]\nsorce = 1\n";
        let diagnostics = Diagnostics::new(Path::new("p.toml"), text, vec![mistake(13..18)]);
        assert_eq!(
            diagnostics.to_string(),
            "error[unknown-key]: unknown key `sorce`
 --> p.toml:2:1
  |
2 | sorce = 1
  | ^^^^^
  |
  = help: did you mean `source`?"
        );
        assert_eq!(diagnostics.position(&diagnostics.items()[0]), (2, 1));
        assert!(diagnostics.render(true).contains('\u{1b}'));
    }

    #[test]
    fn of_a_long_mistake_the_first_lines_are_shown() {
        let text = "first\nargs = [\n 1,\n 2,\n 3,\n 4,\n 5,\n 6]\nlast\n";
        let span = 13..text.len() - 6;
        let shown = Diagnostics::new(Path::new("p"), text, vec![mistake(span)]).to_string();
        assert!(
            shown.contains("p:2:8") && shown.contains("args = ["),
            "{shown}"
        );
        assert!(!shown.contains("first") && !shown.contains("6]"), "{shown}");
    }

    #[test]
    fn mistakes_are_sorted_and_their_number_bounded() {
        let text = "x\n".repeat(200);
        let items = (0..200)
            .rev()
            .map(|line| mistake(line * 2..line * 2 + 1))
            .collect();
        let diagnostics = Diagnostics::new(Path::new("p"), &text, items);
        assert_eq!(diagnostics.position(&diagnostics.items()[0]), (1, 1));
        let shown = diagnostics.to_string();
        assert!(shown.ends_with("and 150 more"));
        assert_eq!(shown.matches("error[").count(), 50);
    }

    #[test]
    fn no_span_and_no_text_breaks_the_picture() {
        for (text, span) in [
            ("", 0..0),
            ("ä", 1..1),
            ("ä", 1..9),
            ("a\n", 2..2),
            ("x", 7..9),
        ] {
            let mut bad = mistake(span);
            bad.message = "a \u{1b}[2J b".into();
            let shown = Diagnostics::new(Path::new("p\u{1b}"), text, vec![bad]).to_string();
            assert!(
                shown.contains("unknown-key") && !shown.contains('\u{1b}'),
                "{shown}"
            );
        }
    }
}
