//! Text in the cells of a terminal: cut, and broken into rows. Pure.
//!
//! Terminals differ in what they think of some characters' widths. That may move what follows in
//! the row; it never moves another row, because rows don't wrap by themselves.

use unicode_width::UnicodeWidthChar as _;

use crate::lockfile::printable;

/// Characters without a width of their own may be so many in a row of text.
const MOST_PER_CELL: usize = 4;

/// The beginning of `text`, safe to show, that takes at most `columns` cells; `…` where something is missing.
pub(in crate::cli) fn cut(text: &str, columns: usize) -> String {
    // More can't be shown, and texts of servers are as long as they like.
    let text = printable(
        text,
        columns.saturating_mul(MOST_PER_CELL).saturating_add(1),
    );
    let length = fitting(&text, columns);
    if length == text.len() {
        return text;
    }
    if columns == 0 {
        return String::new();
    }
    format!("{}…", &text[..fitting(&text, columns - 1)])
}

/// All of `text`, safe to show, in rows of at most `columns` cells (at least 1). A row breaks after
/// a space where it has one in its second half; rows after the first begin with `indent` spaces.
pub(in crate::cli) fn wrapped(text: &str, columns: usize, indent: usize) -> Vec<String> {
    let indent = if indent * 2 < columns { indent } else { 0 };
    let text = printable(text, usize::MAX);
    let (mut rows, mut rest) = (Vec::new(), text.as_str());
    loop {
        let margin = if rows.is_empty() { 0 } else { indent };
        let length = fitting(rest, columns - margin);
        let row = |text: &str| format!("{:margin$}{text}", "");
        if length == rest.len() {
            rows.push(row(rest));
            return rows;
        }
        // A character that is wider than everything is there all the same.
        let length = match length {
            0 => rest.chars().next().map_or(rest.len(), char::len_utf8),
            length => length,
        };
        let space = rest[..length].rfind(' ').map(|at| at + 1);
        let length = space.filter(|at| at * 2 > length).unwrap_or(length);
        rows.push(row(&rest[..length]));
        rest = &rest[length..];
    }
}

/// The length in bytes of the longest beginning that takes at most `columns` cells.
fn fitting(text: &str, columns: usize) -> usize {
    let (mut taken, mut count) = (0, 0);
    for (at, character) in text.char_indices() {
        taken += character.width().unwrap_or(0);
        count += 1;
        if taken > columns || count > columns.saturating_mul(MOST_PER_CELL) {
            return at;
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many cells `text` takes.
    fn width(text: &str) -> usize {
        text.chars().map(|c| c.width().unwrap_or(0)).sum()
    }

    #[test]
    fn no_row_is_wider_than_it_may_be() {
        for text in [
            "plain words of some length, and more of them",
            "日本語のとても長い説明、どこにも空白がない",
            "e\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}",
            "\u{1b}[2J\u{202e}x\r\n",
            "",
        ] {
            for columns in 1..50 {
                let short = cut(text, columns);
                assert!(width(&short) <= columns, "{short:?} {columns}");
                for row in wrapped(text, columns, 4) {
                    let most = columns.max(2);
                    assert!(width(&row) <= most, "{row:?} {columns}");
                    assert!(!row.chars().any(crate::lockfile::is_hidden), "{row:?}");
                }
                let all: String = wrapped(text, columns, 0).concat();
                assert_eq!(all, printable(text, usize::MAX));
            }
        }
    }

    #[test]
    fn what_is_missing_is_seen() {
        assert_eq!(cut("abcdef", 6), "abcdef");
        assert_eq!(cut("abcdef", 5), "abcd…");
        assert_eq!(cut("日本語", 5), "日本…");
        assert_eq!(cut("abc", 0), "");
        assert_eq!(wrapped("ab cd ef", 6, 1), ["ab cd ", " ef"]);
        assert_eq!(wrapped("abcdefgh", 4, 1), ["abcd", " efg", " h"]);
    }

    #[test]
    fn a_heap_of_marks_on_one_letter_is_bounded() {
        let heap = format!("a{}", "\u{301}".repeat(100_000));
        assert!(cut(&heap, 10).chars().count() <= 42);
        assert!(
            wrapped(&heap, 10, 0)
                .iter()
                .all(|row| row.chars().count() <= 41)
        );
    }
}
