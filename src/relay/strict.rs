//! The strict JSON reader: one line in, either a refusal or the one canonical line that
//! every parser reads in the same way. It knows JSON (RFC 8259), not JSON-RPC.
//!
//! Peers forward the bytes they received and were passed by: a parser that keeps the last
//! of two equal keys, one that splits lines at a lone CR, one that repairs bad UTF-8.
//! So nothing that was received is forwarded. What goes out is written here: no white
//! space between tokens, strings with the shortest escapes, and every character that any
//! reader takes for a line break or drops at the start of a text (C0, DEL, C1 with NEL,
//! LS, PS, BOM) as `\uXXXX`. Numbers, key order and unknown members stay as they were.

use super::errors::Refusal;
use super::json::{LongValue, Object};

/// Longest line, in bytes without the newline: the limit of the official TypeScript SDK.
pub const DEFAULT_MAX_LINE: usize = 10 * 1024 * 1024;
/// Deepest nesting, the root being 1: the limit of `serde_json`.
pub const MAX_DEPTH: usize = 128;

/// Values from this length on, in bytes, and down to this depth are walked over once only.
const LONG_VALUE: usize = 128;
const MAX_DEPTH_OF_LONG: usize = 4;

/// Up to this many keys are compared with each other; more are sorted.
const FEW_KEYS: usize = 16;

/// One JSON object on one line, with exactly one reading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CanonicalLine {
    bytes: Vec<u8>,
    /// By their start.
    long: Vec<LongValue>,
}

impl CanonicalLine {
    /// Reads `line` (without its newline). `max_line` bounds the line as received and as
    /// rewritten, because the receiver has a limit too and escapes can make it longer.
    pub fn read(line: &[u8], max_line: usize) -> Result<Self, Refusal> {
        if line.len() > max_line {
            return Err(Refusal::TooLong { limit: max_line });
        }
        if line.starts_with(b"\xef\xbb\xbf") {
            return Err(Refusal::ByteOrderMark);
        }
        // The scanner relies on this: a lead byte is always followed by its continuation bytes.
        std::str::from_utf8(line).map_err(|error| Refusal::NotUtf8 {
            at: error.valid_up_to(),
        })?;
        let mut scanner = Scanner {
            input: line,
            at: 0,
            // And its newline.
            output: Vec::with_capacity(line.len() + 1),
            keys: Vec::new(),
            long: Vec::new(),
            max_line,
        };
        scanner.root()?;
        let Scanner {
            output, mut long, ..
        } = scanner;
        long.sort_unstable();
        Ok(Self {
            bytes: output,
            long,
        })
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    pub fn root(&self) -> Object<'_> {
        Object::of_line(&self.bytes, &self.long)
    }
}

/// Appends `text` as a canonical JSON string, with its quotes.
pub fn write_string(output: &mut Vec<u8>, text: &str) {
    output.push(b'"');
    for character in text.chars() {
        write_character(output, character);
    }
    output.push(b'"');
}

/// Appends one character of a string in its shortest canonical form.
fn write_character(output: &mut Vec<u8>, character: char) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    match character {
        '"' => output.extend_from_slice(b"\\\""),
        '\\' => output.extend_from_slice(b"\\\\"),
        '\u{8}' => output.extend_from_slice(b"\\b"),
        '\t' => output.extend_from_slice(b"\\t"),
        '\n' => output.extend_from_slice(b"\\n"),
        '\u{c}' => output.extend_from_slice(b"\\f"),
        '\r' => output.extend_from_slice(b"\\r"),
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' => {
            output.extend_from_slice(b"\\u");
            for shift in [12, 8, 4, 0] {
                let digit = (u32::from(character) >> shift) & 15;
                output.push(DIGITS.get(digit as usize).copied().unwrap_or(b'0'));
            }
        }
        _ => output.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
    }
}

/// Bytes at which a string can't simply be copied: its end, escapes, controls, and the
/// lead bytes of the characters that are always escaped (U+0080–9F, U+2028/9, U+FEFF).
const fn needs_a_look(byte: u8) -> bool {
    // No short-circuit, so that many bytes are compared at once.
    (byte < 0x20)
        | (byte == 0x7f)
        | (byte == b'"')
        | (byte == b'\\')
        | (byte == 0xc2)
        | (byte == 0xe2)
        | (byte == 0xef)
}

/// How many bytes at the start of `rest` are copied as they are; `None` when all of them are.
fn plain_length(rest: &[u8]) -> Option<usize> {
    const STRIDE: usize = 32;
    let plain = rest
        .chunks_exact(STRIDE)
        .take_while(|chunk| {
            !chunk
                .iter()
                .fold(false, |any, byte| any | needs_a_look(*byte))
        })
        .count()
        * STRIDE;
    rest.iter()
        .skip(plain)
        .position(|byte| needs_a_look(*byte))
        .map(|offset| plain + offset)
}

/// Reads `input` from `at` on and appends to `output`; `input` is known to be UTF-8.
struct Scanner<'a> {
    input: &'a [u8],
    at: usize,
    output: Vec<u8>,
    /// Keys of the objects that are open, as ranges of `output`, innermost last. Two keys
    /// are equal exactly when their canonical forms are.
    keys: Vec<(usize, usize)>,
    /// By their end.
    long: Vec<LongValue>,
    max_line: usize,
}

impl Scanner<'_> {
    fn root(&mut self) -> Result<(), Refusal> {
        match self.next_token() {
            Some(b'{') => self.object(1)?,
            Some(b'[') => return Err(Refusal::Batch),
            Some(_) => {
                self.value(0)?;
                return Err(Refusal::NotAnObject);
            }
            None => return Err(Refusal::UnexpectedEnd),
        }
        match self.next_token() {
            None => self.check_length(),
            Some(_) => Err(Refusal::TrailingData { at: self.at }),
        }
    }

    /// A value inside of one of this depth.
    fn value(&mut self, depth: usize) -> Result<(), Refusal> {
        let token = self.next_token();
        let start = self.output.len();
        match token {
            Some(b'"') => self.string().map(|_| ()),
            Some(b'{') => self.object(depth + 1),
            Some(b'[') => self.array(depth + 1),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.literal(b"true"),
            Some(b'f') => self.literal(b"false"),
            Some(b'n') => self.literal(b"null"),
            Some(_) => Err(self.syntax()),
            None => Err(Refusal::UnexpectedEnd),
        }?;
        let end = self.output.len();
        if end - start >= LONG_VALUE && depth <= MAX_DEPTH_OF_LONG {
            self.long.push(LongValue { start, end });
        }
        Ok(())
    }

    fn object(&mut self, depth: usize) -> Result<(), Refusal> {
        self.open(depth)?;
        let first_key = self.keys.len();
        if self.next_token() != Some(b'}') {
            loop {
                if self.next_token() != Some(b'"') {
                    return Err(self.syntax());
                }
                let key = self.string()?;
                self.keys.push(key);
                if self.next_token() != Some(b':') {
                    return Err(self.syntax());
                }
                self.copy();
                self.value(depth)?;
                match self.next_token() {
                    Some(b',') => self.copy(),
                    Some(b'}') => break,
                    _ => return Err(self.syntax()),
                }
            }
        }
        self.refuse_equal_keys(first_key)?;
        self.keys.truncate(first_key);
        self.copy();
        Ok(())
    }

    fn array(&mut self, depth: usize) -> Result<(), Refusal> {
        self.open(depth)?;
        if self.next_token() != Some(b']') {
            loop {
                self.value(depth)?;
                match self.next_token() {
                    Some(b',') => self.copy(),
                    Some(b']') => break,
                    _ => return Err(self.syntax()),
                }
            }
        }
        self.copy();
        Ok(())
    }

    /// Copies the opening bracket, unless it opens one level too many.
    fn open(&mut self, depth: usize) -> Result<(), Refusal> {
        if depth > MAX_DEPTH {
            return Err(Refusal::TooDeep { limit: MAX_DEPTH });
        }
        self.copy();
        Ok(())
    }

    fn refuse_equal_keys(&mut self, first_key: usize) -> Result<(), Refusal> {
        let output = &self.output;
        let text = |key: &(usize, usize)| output.get(key.0..key.1).unwrap_or_default();
        let keys = self.keys.get_mut(first_key..).unwrap_or_default();
        let equal = if keys.len() <= FEW_KEYS {
            keys.iter().enumerate().any(|(index, key)| {
                keys.iter()
                    .take(index)
                    .any(|earlier| text(earlier) == text(key))
            })
        } else {
            // Sorting needs no memory and no hash that could be attacked.
            keys.sort_unstable_by_key(|key| (key.1 - key.0, text(key)));
            keys.windows(2).any(|pair| text(&pair[0]) == text(&pair[1]))
        };
        if equal {
            Err(Refusal::DuplicateKey { at: self.at })
        } else {
            Ok(())
        }
    }

    /// Reads a string; returns where its content stands in `output`, without the quotes.
    fn string(&mut self) -> Result<(usize, usize), Refusal> {
        self.copy();
        let start = self.output.len();
        loop {
            let rest = self.input.get(self.at..).unwrap_or_default();
            let plain = plain_length(rest).ok_or(Refusal::UnexpectedEnd)?;
            let (run, rest) = rest.split_at(plain);
            self.output.extend_from_slice(run);
            self.at += plain;
            match rest {
                [b'"', ..] => {
                    let end = self.output.len();
                    self.copy();
                    return Ok((start, end));
                }
                [b'\\', ..] => self.escape()?,
                [0..=0x1f, ..] => return Err(Refusal::ControlCharacter { at: self.at }),
                [0x7f, ..] => self.write_escaped('\u{7f}', 1)?,
                [0xc2, low @ 0x80..=0x9f, ..] => self.write_escaped(char::from(*low), 2)?,
                [0xe2, 0x80, 0xa8, ..] => self.write_escaped('\u{2028}', 3)?,
                [0xe2, 0x80, 0xa9, ..] => self.write_escaped('\u{2029}', 3)?,
                [0xef, 0xbb, 0xbf, ..] => self.write_escaped('\u{feff}', 3)?,
                // Another character with one of these lead bytes; the rest of it is plain.
                _ => self.copy(),
            }
        }
    }

    fn write_escaped(&mut self, character: char, length: usize) -> Result<(), Refusal> {
        write_character(&mut self.output, character);
        self.at += length;
        // Only here can the output outgrow the input.
        self.check_length()
    }

    fn escape(&mut self) -> Result<(), Refusal> {
        let start = self.at;
        self.at += 1;
        let character = match self.input.get(self.at) {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                self.at += 1;
                let character = self.unicode_escape(start)?;
                write_character(&mut self.output, character);
                return Ok(());
            }
            Some(_) => return Err(self.syntax()),
            None => return Err(Refusal::UnexpectedEnd),
        };
        self.at += 1;
        write_character(&mut self.output, character);
        Ok(())
    }

    fn unicode_escape(&mut self, start: usize) -> Result<char, Refusal> {
        let lone = Refusal::LoneSurrogate { at: start };
        let first = self.four_digits()?;
        let code = match first {
            0xd800..=0xdbff => {
                if self.input.get(self.at..self.at + 2) != Some(b"\\u") {
                    return Err(lone);
                }
                self.at += 2;
                match self.four_digits()? {
                    second @ 0xdc00..=0xdfff => {
                        0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00)
                    }
                    _ => return Err(lone),
                }
            }
            code => code,
        };
        char::from_u32(code).ok_or(lone)
    }

    fn four_digits(&mut self) -> Result<u32, Refusal> {
        let mut code = 0;
        for _ in 0..4 {
            let digit = self.input.get(self.at).ok_or(Refusal::UnexpectedEnd)?;
            let value = char::from(*digit)
                .to_digit(16)
                .ok_or_else(|| self.syntax())?;
            code = code << 4 | value;
            self.at += 1;
        }
        Ok(code)
    }

    /// RFC 8259 §6, copied verbatim.
    fn number(&mut self) -> Result<(), Refusal> {
        if self.peek() == Some(b'-') {
            self.copy();
        }
        match self.peek() {
            Some(b'0') => self.copy(),
            Some(b'1'..=b'9') => self.digits()?,
            Some(_) => return Err(self.syntax()),
            None => return Err(Refusal::UnexpectedEnd),
        }
        if self.peek() == Some(b'.') {
            self.copy();
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.copy();
            if let Some(b'+' | b'-') = self.peek() {
                self.copy();
            }
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), Refusal> {
        match self.peek() {
            Some(b'0'..=b'9') => {}
            Some(_) => return Err(self.syntax()),
            None => return Err(Refusal::UnexpectedEnd),
        }
        while let Some(b'0'..=b'9') = self.peek() {
            self.copy();
        }
        Ok(())
    }

    fn literal(&mut self, word: &'static [u8]) -> Result<(), Refusal> {
        if !self
            .input
            .get(self.at..)
            .unwrap_or_default()
            .starts_with(word)
        {
            return Err(self.syntax());
        }
        self.output.extend_from_slice(word);
        self.at += word.len();
        Ok(())
    }

    /// Skips insignificant white space and looks at the next byte.
    fn next_token(&mut self) -> Option<u8> {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
        self.peek()
    }

    fn peek(&self) -> Option<u8> {
        self.input.get(self.at).copied()
    }

    /// Copies one byte.
    fn copy(&mut self) {
        self.output.extend(self.peek());
        self.at += 1;
    }

    fn check_length(&self) -> Result<(), Refusal> {
        if self.output.len() > self.max_line {
            return Err(Refusal::TooLong {
                limit: self.max_line,
            });
        }
        Ok(())
    }

    fn syntax(&self) -> Refusal {
        if self.at >= self.input.len() {
            Refusal::UnexpectedEnd
        } else {
            Refusal::Syntax { at: self.at }
        }
    }
}

#[cfg(test)]
mod tests;
