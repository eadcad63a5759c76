//! Untrusted text made safe to show: on a terminal, in a log line, in an error message.
//!
//! Control characters could command the terminal, and direction marks could make a line read
//! differently from what it says.

use std::fmt::Write as _;

/// `text` with every character that moves the cursor, breaks the line or hides or
/// reorders what is read written out (`\x1b`, `\u{202e}`), cut after `limit` characters.
pub fn printable(text: &str, limit: usize) -> String {
    let mut shown = String::with_capacity(text.len().min(limit.saturating_mul(4)));
    for (count, character) in text.chars().enumerate() {
        if count == limit {
            shown.push('…');
            break;
        }
        push_printable(&mut shown, character);
    }
    shown
}

/// Like [`printable`] for bytes that may not be UTF-8: a byte that belongs to no character
/// is written `\xNN`. A tab stays a tab. The limit is on bytes of `bytes`, not on the result.
pub fn printable_bytes(bytes: &[u8]) -> String {
    let mut shown = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            if character == '\t' {
                shown.push('\t');
            } else {
                push_printable(&mut shown, character);
            }
        }
        for byte in chunk.invalid() {
            let _ = write!(shown, "\\x{byte:02x}");
        }
    }
    shown
}

fn push_printable(shown: &mut String, character: char) {
    let code = u32::from(character);
    if character.is_control() {
        // Controls are exactly U+0000–U+001F and U+007F–U+009F.
        let _ = write!(shown, "\\x{code:02x}");
    } else if is_hidden(character) {
        let _ = write!(shown, "\\u{{{code:x}}}");
    } else {
        shown.push(character);
    }
}

/// Whether a character is a control, a separator, a bidirectional control or invisible (Unicode 16,
/// categories Cc, Zl, Zp and Cf). The joiners U+200C and U+200D are not: scripts and emoji need them.
pub fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(character,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}'
        | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_text_is_untouched() {
        let text = "grüße, 日本語, 👩‍👩‍👧 \\x1b written by hand";
        assert_eq!(printable(text, 200), text);
        assert_eq!(printable_bytes(text.as_bytes()), text);
    }

    #[test]
    fn escapes_line_breaks_and_bidi_are_written_out() {
        assert_eq!(
            printable("\u{1b}[2J\r\n\u{85}\u{2028}\u{202e}\u{7f}\0\t", 50),
            "\\x1b[2J\\x0d\\x0a\\x85\\u{2028}\\u{202e}\\x7f\\x00\\x09"
        );
    }

    #[test]
    fn long_text_is_cut() {
        assert_eq!(printable("abcdef", 3), "abc…");
        assert_eq!(printable("abc", 3), "abc");
    }

    #[test]
    fn stray_bytes_are_shown_as_hexadecimal() {
        assert_eq!(printable_bytes(b"a\xff\tb\xe2\x80"), "a\\xff\tb\\xe2\\x80");
    }
}
