//! Text of a server that people and models read, with terminal escapes and direction marks
//! written out. Pure.
//!
//! `structuredContent` and `_meta` are for programs and stay as they are.

use std::fmt::Write as _;

use super::json::{Object, Value};
use super::strict::write_string;
use crate::lockfile::is_hidden_behind;

/// Strings below these keys are read as text.
const TEXT: [&[u8]; 6] = [
    b"text",
    b"message",
    b"description",
    b"title",
    b"instructions",
    b"data",
];
const NOT_TEXT: [&[u8]; 2] = [b"structuredContent", b"_meta"];

/// A canonical message with its text written out; `None` when nothing had to be.
pub(super) fn neutralise(line: &[u8]) -> Option<Vec<u8>> {
    let root = Object::of_canonical(line);
    let mut clean: Option<Vec<u8>> = None;
    for key in ["params", "result", "error"] {
        let Some(value) = root.find(key) else {
            continue;
        };
        let mut output = Vec::with_capacity(value.raw().len());
        write_value(&mut output, b"", value);
        if output != value.raw() {
            let so_far = clean.as_deref().unwrap_or(line);
            clean = Some(Object::of_canonical(so_far).with(key, &output));
        }
    }
    clean
}

/// No deeper than a line can be.
fn write_value(output: &mut Vec<u8>, key: &[u8], value: Value<'_>) {
    if NOT_TEXT.contains(&key) {
        output.extend_from_slice(value.raw());
    } else if let Some(object) = value.as_object() {
        output.push(b'{');
        for (index, member) in object.members().enumerate() {
            if index > 0 {
                output.push(b',');
            }
            output.push(b'"');
            output.extend_from_slice(member.raw_key);
            output.extend_from_slice(b"\":");
            write_value(output, member.raw_key, member.value);
        }
        output.push(b'}');
    } else if let Some(elements) = value.as_array() {
        output.push(b'[');
        for (index, element) in elements.enumerate() {
            if index > 0 {
                output.push(b',');
            }
            write_value(output, key, element);
        }
        output.push(b']');
    } else {
        match value.as_text().filter(|_| TEXT.contains(&key)) {
            Some(text) => match written_out(&text) {
                plain if plain == text => output.extend_from_slice(value.raw()),
                plain => write_string(output, &plain),
            },
            None => output.extend_from_slice(value.raw()),
        }
    }
}

/// Tabs and line ends stay, a carriage return only before a newline.
fn written_out(text: &str) -> String {
    let mut output = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    let mut before = None;
    while let Some(character) = characters.next() {
        let behind = before.replace(character);
        let code = u32::from(character);
        match character {
            '\n' | '\t' => output.push(character),
            '\r' if characters.peek() == Some(&'\n') => output.push(character),
            _ if character.is_control() => {
                let _ = write!(output, "\\x{code:02x}");
            }
            _ if is_hidden_behind(behind, character) => {
                let _ = write!(output, "\\u{{{code:x}}}");
            }
            _ => output.push(character),
        }
    }
    output
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::strict::CanonicalLine;

    fn clean(line: &str) -> Option<String> {
        let line = CanonicalLine::read(line.as_bytes(), 1 << 20).unwrap();
        let clean = neutralise(line.as_bytes())?;
        let clean = CanonicalLine::read(&clean, 1 << 20).unwrap().into_bytes();
        Some(String::from_utf8(clean).unwrap())
    }

    #[test]
    fn text_is_written_out_wherever_it_is_read() {
        for (line, expected) in [
            (
                r#"{"result":{"content":[{"type":"text","text":"a\u001b[2Jb\u202ec"}]}}"#,
                r#"{"result":{"content":[{"type":"text","text":"a\\x1b[2Jb\\u{202e}c"}]}}"#,
            ),
            (
                r#"{"error":{"code":1,"message":"\u009b31m"}}"#,
                r#"{"error":{"code":1,"message":"\\x9b31m"}}"#,
            ),
            (
                r#"{"result":{"tools":[{"name":"a","description":"x\ry\r\nz\t"}]}}"#,
                r#"{"result":{"tools":[{"name":"a","description":"x\\x0dy\r\nz\t"}]}}"#,
            ),
            (
                r#"{"method":"notifications/message","params":{"level":"info","data":["\u0007"]}}"#,
                r#"{"method":"notifications/message","params":{"level":"info","data":["\\x07"]}}"#,
            ),
            (
                r#"{"result":{"instructions":"\u2066"}}"#,
                r#"{"result":{"instructions":"\\u{2066}"}}"#,
            ),
        ] {
            assert_eq!(clean(line).as_deref(), Some(expected), "{line}");
        }
    }

    #[test]
    fn all_else_stays_byte_for_byte() {
        for line in [
            r#"{"result":{"content":[{"type":"text","text":"plain\n\ttext, 日本語, 👩‍👩‍👧"}],"n":1.0}}"#,
            r#"{"result":{"structuredContent":{"text":"\u001b"},"_meta":{"message":"\u001b"}}}"#,
            r#"{"result":{"uri":"\u001b","name":"\u202e","blob":"AAAA"}}"#,
            r#"{"id":"\u001b","result":{}}"#,
        ] {
            assert_eq!(clean(line), None, "{line}");
        }
    }
}
