//! A text that may be longer than the screen. Pure.

use super::text::wrapped;
use super::{Key, Line};

/// Rows that stay in sight when a page is turned.
const OVERLAP: usize = 1;

pub(in crate::cli) struct Pager {
    text: Vec<Line>,
    /// The text in rows, for a width.
    rows: (usize, Vec<Line>),
    top: usize,
    /// Rows of the last frame.
    height: usize,
    /// Its last row was in sight.
    is_read: bool,
}

impl Pager {
    /// Each element becomes one row or more.
    pub(in crate::cli) fn new(text: Vec<Line>) -> Self {
        Self {
            text,
            rows: (0, Vec::new()),
            top: 0,
            height: 1,
            is_read: false,
        }
    }

    /// At most `height` rows (at least 1).
    pub(in crate::cli) fn rows(&mut self, columns: usize, height: usize) -> Vec<Line> {
        if self.rows.0 != columns {
            let rows = self.text.iter().flat_map(|line| {
                let rows = wrapped(&line.text, columns, 4).into_iter();
                rows.map(|row| Line::new(line.style, row))
            });
            self.rows = (columns, rows.collect());
        }
        self.height = height.max(1);
        self.top = self.top.min(self.last_top());
        self.is_read |= self.below() == 0;
        let rows = self.rows.1.iter().skip(self.top);
        rows.take(self.height).cloned().collect()
    }

    /// Rows below those of the last frame.
    pub(in crate::cli) fn below(&self) -> usize {
        let shown = self.top + self.height;
        self.rows.1.len().saturating_sub(shown)
    }

    /// Whether its end was in sight.
    pub(in crate::cli) fn is_read(&self) -> bool {
        self.is_read
    }

    /// Whether the key is one of those that move.
    pub(in crate::cli) fn press(&mut self, key: Key) -> bool {
        let page = self.height.saturating_sub(OVERLAP).max(1);
        self.top = match key {
            Key::Up => self.top.saturating_sub(1),
            Key::Down | Key::Enter => self.top + 1,
            Key::PageUp => self.top.saturating_sub(page),
            Key::PageDown | Key::Character(' ') => self.top + page,
            Key::Home => 0,
            Key::End => usize::MAX,
            _ => return false,
        };
        self.top = self.top.min(self.last_top());
        true
    }

    fn last_top(&self) -> usize {
        self.rows.1.len().saturating_sub(self.height)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::screen::Style;

    fn shown(pager: &mut Pager) -> Vec<String> {
        let rows = pager.rows(10, 3).into_iter();
        rows.map(|line| line.text).collect()
    }

    #[test]
    fn it_is_read_when_its_end_was_in_sight() {
        let lines = (0..6).map(|n| Line::new(Style::Plain, n.to_string()));
        let mut pager = Pager::new(lines.collect());
        assert_eq!(shown(&mut pager), ["0", "1", "2"]);
        assert!(!pager.is_read() && pager.below() == 3);
        assert!(pager.press(Key::Character(' ')));
        assert_eq!(shown(&mut pager), ["2", "3", "4"]);
        assert!(!pager.is_read() && pager.below() == 1);
        assert!(pager.press(Key::PageDown));
        assert_eq!(shown(&mut pager), ["3", "4", "5"]);
        assert!(pager.is_read() && pager.below() == 0);
        pager.press(Key::Home);
        assert_eq!(shown(&mut pager)[0], "0");
        assert!(pager.is_read() && !pager.press(Key::Character('x')));
    }

    #[test]
    fn another_width_makes_other_rows() {
        let mut pager = Pager::new(vec![Line::new(Style::New, "a".repeat(25))]);
        assert_eq!(pager.rows(30, 5).len(), 1);
        pager.press(Key::End);
        assert_eq!(pager.rows(10, 5).len(), 4);
        assert!(pager.rows(10, 5).iter().all(|row| row.style == Style::New));
    }
}
