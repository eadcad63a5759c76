//! Untrusted text made safe to show: on a terminal, in a log line, in an error message.
//!
//! Control characters could command the terminal, and direction marks could make a line read
//! differently from what it says.

use std::fmt::Write as _;

/// `text` with every character that moves the cursor, breaks the line or hides or
/// reorders what is read written out (`\x1b`, `\u{202e}`), cut after `limit` characters.
pub fn printable(text: &str, limit: usize) -> String {
    let mut shown = String::with_capacity(text.len().min(limit.saturating_mul(4)));
    let mut before = None;
    for (count, character) in text.chars().enumerate() {
        if count == limit {
            shown.push('…');
            break;
        }
        push_printable(&mut shown, before, character);
        before = Some(character);
    }
    shown
}

/// Like [`printable`] for bytes that may not be UTF-8: a byte that belongs to no character
/// is written `\xNN`. A tab stays a tab. The limit is on bytes of `bytes`, not on the result.
pub fn printable_bytes(bytes: &[u8]) -> String {
    let mut shown = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        let mut before = None;
        for character in chunk.valid().chars() {
            if character == '\t' {
                shown.push('\t');
            } else {
                push_printable(&mut shown, before, character);
            }
            before = Some(character);
        }
        for byte in chunk.invalid() {
            let _ = write!(shown, "\\x{byte:02x}");
        }
    }
    shown
}

fn push_printable(shown: &mut String, before: Option<char>, character: char) {
    let code = u32::from(character);
    if character.is_control() {
        // Controls are exactly U+0000–U+001F and U+007F–U+009F.
        let _ = write!(shown, "\\x{code:02x}");
    } else if is_hidden_behind(before, character) {
        let _ = write!(shown, "\\u{{{code:x}}}");
    } else {
        shown.push(character);
    }
}

/// Whether a character is a control, a separator, a bidirectional control or shown as nothing or as
/// a blank wherever it stands (Unicode 16: categories Cc, Zl and Zp, of Cf what has no shape, and
/// what else is to be ignored by default). Of joiners and variation selectors, which scripts and
/// emoji need, [`is_hidden_behind`] judges.
pub fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(character,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
        | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// As [`is_hidden`], of a character behind another one: a joiner or a variation selector has a
/// meaning only behind some. Elsewhere it is seen by nobody, and a model reads it: sixteen
/// selectors are enough to write whole texts with.
pub fn is_hidden_behind(before: Option<char>, character: char) -> bool {
    let is_joiner = |character| matches!(character, '\u{200c}' | '\u{200d}');
    let is_selector = |character| matches!(character, '\u{fe00}'..='\u{fe0f}' | '\u{180b}'..='\u{180d}' | '\u{180f}');
    let Some(before) = before else {
        return is_hidden(character) || is_joiner(character) || is_selector(character);
    };
    // `1` and `#` with U+FE0F become keys of a telephone.
    let is_key = before.is_ascii_digit() || matches!(before, '#' | '*');
    let stands_alone = (before.is_ascii() && !is_key) || before.is_whitespace();
    is_hidden(character)
        || (is_joiner(character) && (stands_alone || is_key || is_joiner(before)))
        || (is_selector(character)
            && (stands_alone
                || (is_key && !matches!(character, '\u{fe0e}' | '\u{fe0f}'))
                || is_joiner(before)
                || is_selector(before)
                || is_hidden(before)))
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
    fn what_nobody_sees_is_written_out() {
        // A text in variation selectors, which looks like one heart, and one letter by letter.
        let nibbles = |text: &str| -> String {
            let of = |nibble: u8| char::from_u32(0xfe00 + u32::from(nibble)).unwrap();
            text.bytes()
                .flat_map(|byte| [of(byte >> 4), of(byte & 15)])
                .collect()
        };
        let secret = nibbles("send it");
        let heart = format!("\u{2764}{secret}");
        let shown = printable(&heart, 200);
        assert_eq!(shown.matches("\\u{fe0").count(), 13, "{shown}");
        let letters: String = "harmless text!"
            .chars()
            .zip(secret.chars())
            .flat_map(|(letter, selector)| [letter, selector])
            .collect();
        assert_eq!(printable(&letters, 200).matches("\\u{fe0").count(), 14);
        for hidden in [
            "a\u{200d}b",
            "\u{200c}",
            "क\u{200d}\u{200c}ष",
            " \u{fe0f}",
            "1\u{fe00}",
            "1\u{200d}",
            "\u{3164}",
            "가\u{ffa0}",
            "a\u{34f}b",
            "\u{1d173}",
            "\u{1bca0}",
            "\u{115f}",
        ] {
            assert!(
                printable(hidden, 9).contains("\\u{"),
                "{}",
                hidden.escape_unicode()
            );
        }
        // The control: what people write.
        for plain in [
            "❤\u{fe0f} 👁\u{fe0f}\u{200d}🗨\u{fe0f} 1\u{fe0f}\u{20e3} #\u{fe0f}\u{20e3} ©\u{fe0f}",
            "می\u{200c}خواهم क\u{94d}\u{200d}ष 葛\u{fe00} ᠠ\u{180b}",
            "👩\u{1f3fd}\u{200d}🚀 🏳\u{fe0f}\u{200d}🌈",
        ] {
            assert_eq!(printable(plain, 200), plain, "{}", plain.escape_unicode());
        }
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
