//! The text of a file and the places in it.

use super::error::ClientFileError;

const BYTE_ORDER_MARK: &str = "\u{feff}";

/// A place in a file as people count: both start at 1, columns are characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    pub line: usize,
    pub column: usize,
}

/// The text of a file without its byte order mark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceText {
    text: String,
    has_mark: bool,
    /// Where each line starts, in bytes.
    lines: Vec<usize>,
}

impl SourceText {
    /// # Errors
    /// [`ClientFileError::NotUtf8`].
    pub fn new(bytes: Vec<u8>) -> Result<Self, ClientFileError> {
        let text = String::from_utf8(bytes).map_err(|error| {
            let good = error.utf8_error().valid_up_to();
            let before = String::from_utf8_lossy(&error.as_bytes()[..good]).into_owned();
            ClientFileError::NotUtf8 {
                at: Self::of(before).position(good),
            }
        })?;
        Ok(Self::of(text))
    }

    fn of(text: String) -> Self {
        let has_mark = text.starts_with(BYTE_ORDER_MARK);
        let text = match has_mark {
            true => text[BYTE_ORDER_MARK.len()..].to_owned(),
            false => text,
        };
        let ends = memchr::memchr_iter(b'\n', text.as_bytes()).map(|end| end + 1);
        let lines = std::iter::once(0).chain(ends).collect();
        Self {
            text,
            has_mark,
            lines,
        }
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    /// The same file with another text.
    pub(super) fn bytes_with(&self, text: &str) -> Vec<u8> {
        let mark = if self.has_mark { BYTE_ORDER_MARK } else { "" };
        [mark.as_bytes(), text.as_bytes()].concat()
    }

    /// Where a byte of [`Self::text`] is.
    pub fn position(&self, offset: usize) -> Position {
        let mut offset = offset.min(self.text.len());
        while !self.text.is_char_boundary(offset) {
            offset -= 1;
        }
        let line = self.lines.partition_point(|start| *start <= offset);
        let start = self.lines[line - 1];
        Position {
            line,
            column: 1 + self.text[start..offset].chars().count(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_in_lines_and_characters() {
        let text = SourceText::new("\u{feff}aß\r\nc".into()).unwrap();
        assert_eq!(text.text(), "aß\r\nc");
        for (offset, line, column) in [(0, 1, 1), (1, 1, 2), (3, 1, 3), (5, 2, 1), (99, 2, 2)] {
            assert_eq!(text.position(offset), Position { line, column }, "{offset}");
        }
        assert_eq!(text.bytes_with("x"), "\u{feff}x".as_bytes());
        let error = SourceText::new(b"ab\nc\xff".to_vec()).unwrap_err();
        assert!(error.to_string().contains("line 2, column 2"), "{error}");
    }
}
