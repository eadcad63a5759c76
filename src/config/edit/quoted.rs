//! Texts of somebody else's as values of the manifest: on one line, whatever is in them, and with
//! everything written out that an editor shows as nothing, or in another order.

use std::fmt::Write as _;

use toml_edit::Value;

use crate::lockfile::is_hidden_behind;

/// `text` as a string of TOML. One over several lines could look like other lines of the manifest,
/// and would change with the ends of its lines.
pub(super) fn quoted(text: &str) -> Value {
    let mut before = None;
    if !text
        .chars()
        .any(|character| is_hidden_behind(before.replace(character), character))
    {
        return Value::from(text);
    }
    let mut written = String::from("\"");
    let mut before = None;
    for character in text.chars() {
        let code = u32::from(character);
        let _ = match character {
            '"' | '\\' => write!(written, "\\{character}"),
            '\n' => write!(written, "\\n"),
            '\r' => write!(written, "\\r"),
            '\t' => write!(written, "\\t"),
            _ if !is_hidden_behind(before, character) => write!(written, "{character}"),
            _ if code > 0xffff => write!(written, "\\U{code:08X}"),
            _ => write!(written, "\\u{code:04X}"),
        };
        before = Some(character);
    }
    written.push('"');
    // What is written here can be read; if ever it couldn't, the other form says the same.
    written.parse().unwrap_or_else(|_| Value::from(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_stands_on_one_line_and_is_read_back() {
        for plain in [
            "",
            "a b",
            "it's",
            "say \"x\"",
            "C:\\x",
            "grüße 日本 ❤\u{fe0f}",
        ] {
            assert_eq!(quoted(plain).to_string(), Value::from(plain).to_string());
        }
        for (hidden, written) in [
            ("a\nb", r#""a\nb""#),
            (
                "x\"]\r\nprofile = \"web\"\n#",
                r#""x\"]\r\nprofile = \"web\"\n#""#,
            ),
            ("\u{1b}[31m\u{202e}\u{85}", r#""\u001B[31m\u202E\u0085""#),
            ("a\u{e0041}\t\\", r#""a\U000E0041\t\\""#),
            ("'''\n\"\"\"\0", r#""'''\n\"\"\"\u0000""#),
        ] {
            let value = quoted(hidden);
            assert_eq!(value.to_string(), written);
            assert_eq!(value.as_str(), Some(hidden));
        }
    }
}
