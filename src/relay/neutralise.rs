//! Text of a server that people and models read, with terminal escapes and direction marks
//! written out. Pure.
//!
//! `structuredContent` and `_meta` are for programs and stay as they are, but for what a task's
//! `_meta` has for the model.

use std::fmt::Write as _;

use super::json::{Object, Value, string_end, value_end};
use super::strict::write_string;
use crate::lockfile::is_hidden_behind;

/// Strings below these keys are read as text.
const TEXT: [&[u8]; 7] = [
    b"text",
    b"statusMessage",
    b"message",
    b"description",
    b"title",
    b"instructions",
    b"data",
];
/// What is below this key is not.
const PROGRAMS: &[u8] = b"structuredContent";
/// In `_meta`: what the model is told while a task is worked on (2025-11-25).
const TEXT_IN_META: &[u8] = b"io.modelcontextprotocol/model-immediate-response";

/// A canonical message with its text written out; `None` when nothing had to be.
pub(super) fn neutralise(line: &[u8]) -> Option<Vec<u8>> {
    let root = Object::of_canonical(line);
    let mut clean: Option<Vec<u8>> = None;
    for key in ["params", "result", "error"] {
        let Some(value) = root.find(key) else {
            continue;
        };
        let mut writer = Writer {
            input: value.raw(),
            at: 0,
            output: Vec::with_capacity(value.raw().len()),
        };
        writer.value(b"");
        let output = writer.output;
        if output != value.raw() {
            let so_far = clean.as_deref().unwrap_or(line);
            clean = Some(Object::of_canonical(so_far).with(key, &output));
        }
    }
    clean
}

/// Reads `input` from `at` on and appends to `output`: one walk, however deep it is nested.
struct Writer<'a> {
    input: &'a [u8],
    at: usize,
    output: Vec<u8>,
}

impl Writer<'_> {
    /// The value of `key`, or one in a list there. No deeper than a line can be.
    fn value(&mut self, key: &[u8]) {
        match self.peek() {
            Some(b'{') if key == b"_meta" => self.object(|key| match key {
                TEXT_IN_META => b"text",
                _ => PROGRAMS,
            }),
            Some(b'{') if key != PROGRAMS => self.object(|key| key),
            Some(b'[') if key != PROGRAMS && key != b"_meta" => {
                self.copy();
                if self.peek() != Some(b']') {
                    self.value(key);
                    while self.peek() == Some(b',') {
                        self.copy();
                        self.value(key);
                    }
                }
                self.copy();
            }
            _ => {
                let token = self.take(value_end(self.input, self.at));
                let text = Value::of_canonical(token).as_text();
                match text.filter(|_| TEXT.contains(&key)) {
                    Some(text) => match written_out(&text) {
                        plain if plain == text => self.output.extend_from_slice(token),
                        plain => write_string(&mut self.output, &plain),
                    },
                    None => self.output.extend_from_slice(token),
                }
            }
        }
    }

    /// `meaning`: the key as which one in the object is to be taken.
    fn object(&mut self, meaning: for<'k> fn(&'k [u8]) -> &'k [u8]) {
        self.copy();
        while self.peek() == Some(b'"') {
            let token = self.take(string_end(self.input, self.at));
            self.output.extend_from_slice(token);
            self.copy();
            let key = token.strip_prefix(b"\"").unwrap_or_default();
            self.value(meaning(key.strip_suffix(b"\"").unwrap_or_default()));
            if self.peek() == Some(b',') {
                self.copy();
            }
        }
        self.copy();
    }

    fn peek(&self) -> Option<u8> {
        self.input.get(self.at).copied()
    }

    /// Copies one byte.
    fn copy(&mut self) {
        self.output.extend(self.peek());
        self.at += 1;
    }
}

impl<'a> Writer<'a> {
    /// What stands before `end`, which is not copied.
    fn take(&mut self, end: usize) -> &'a [u8] {
        let token = self.input.get(self.at..end).unwrap_or_default();
        self.at = end;
        token
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
                r#"{"result":{"text":[["\u0007",{"text":"\u0008","a":"\u0007"}],"b"],"c":1}}"#,
                r#"{"result":{"text":[["\\x07",{"text":"\\x08","a":"\u0007"}],"b"],"c":1}}"#,
            ),
            (
                r#"{"result":{"instructions":"\u2066"}}"#,
                r#"{"result":{"instructions":"\\u{2066}"}}"#,
            ),
            (
                r#"{"result":{"task":{"statusMessage":"\u001b"},"_meta":{"a":"\u001b","io.modelcontextprotocol/model-immediate-response":"\u001b"}}}"#,
                r#"{"result":{"task":{"statusMessage":"\\x1b"},"_meta":{"a":"\u001b","io.modelcontextprotocol/model-immediate-response":"\\x1b"}}}"#,
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
            r#"{"result":{"a":[],"text":{},"b":[[],{"c":null,"text":[1,-2.5,true]}],"_meta":["\u001b"]}}"#,
        ] {
            assert_eq!(clean(line), None, "{line}");
        }
    }
}
