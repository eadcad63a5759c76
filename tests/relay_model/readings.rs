//! A line as other parsers see it: keys twice, keys in another case, keys with NUL in them,
//! line breaks of every kind. Written without pinfold's own reader, to be held against it.

use std::fmt::Write as _;

/// A JSON value with everything that was said: keys in order and as often as they came, and
/// numbers as they were written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Tree {
    Null,
    Bool(bool),
    Number(String),
    Text(String),
    Array(Vec<Tree>),
    Object(Vec<(String, Tree)>),
}

/// Deeper than anything that may pass.
const DEEPEST: usize = 200;

impl Tree {
    /// Reads one JSON text; `None` when it is none.
    pub(crate) fn read(line: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(line).ok()?;
        let mut reader = Reader { rest: text };
        let tree = reader.value(0)?;
        reader.skip_space();
        reader.rest.is_empty().then_some(tree)
    }

    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn members(&self) -> &[(String, Tree)] {
        match self {
            Self::Object(members) => members,
            _ => &[],
        }
    }

    /// What a strict reader sees: the value, when the key is there once.
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        let mut found = self.members().iter().filter(|(name, _)| name == key);
        let (_, value) = found.next()?;
        found.next().is_none().then_some(value)
    }

    /// Every value that some reader may take for `self[key]`.
    pub(crate) fn readings(&self, key: &str) -> Vec<&Self> {
        // Readers in C end a name at its first NUL.
        let cut = |name: &str| loose(name.split('\0').next().unwrap_or_default());
        let same = |name: &str| loose(name) == loose(key) || cut(name) == loose(key);
        let found = self.members().iter().filter(|(name, _)| same(name));
        found.map(|(_, value)| value).collect()
    }

    /// The same without the member at `path`.
    pub(crate) fn without(mut self, path: &[&str]) -> Self {
        self.remove(path);
        self
    }

    fn remove(&mut self, path: &[&str]) {
        let (Self::Object(members), Some((key, deeper))) = (self, path.split_first()) else {
            return;
        };
        if deeper.is_empty() {
            members.retain(|(name, _)| name != key);
        }
        for (name, value) in members {
            if name == key {
                value.remove(deeper);
            }
        }
    }

    /// The one line that may be forwarded for this value.
    pub(crate) fn canonical(&self) -> String {
        let mut line = String::new();
        self.write(&mut line);
        line
    }

    fn write(&self, line: &mut String) {
        match self {
            Self::Null => line.push_str("null"),
            Self::Bool(value) => line.push_str(if *value { "true" } else { "false" }),
            Self::Number(number) => line.push_str(number),
            Self::Text(text) => write_text(text, line),
            Self::Array(elements) => {
                line.push('[');
                for (index, element) in elements.iter().enumerate() {
                    if index > 0 {
                        line.push(',');
                    }
                    element.write(line);
                }
                line.push(']');
            }
            Self::Object(members) => {
                line.push('{');
                for (index, (key, value)) in members.iter().enumerate() {
                    if index > 0 {
                        line.push(',');
                    }
                    write_text(key, line);
                    line.push(':');
                    value.write(line);
                }
                line.push('}');
            }
        }
    }
}

fn write_text(text: &str, line: &mut String) {
    line.push('"');
    for character in text.chars() {
        match character {
            '"' => line.push_str("\\\""),
            '\\' => line.push_str("\\\\"),
            '\u{8}' => line.push_str("\\b"),
            '\t' => line.push_str("\\t"),
            '\n' => line.push_str("\\n"),
            '\u{c}' => line.push_str("\\f"),
            '\r' => line.push_str("\\r"),
            c if c.is_control() || ends_a_line(c) || c == '\u{feff}' => {
                write!(line, "\\u{:04x}", u32::from(c)).unwrap();
            }
            c => line.push(c),
        }
    }
    line.push('"');
}

/// A key as the most lenient reader sees it.
fn loose(key: &str) -> String {
    key.replace('\0', "")
        .replace('ſ', "s")
        .replace('\u{212a}', "k")
        .replace(['ı', 'İ'], "i")
        .to_lowercase()
}

/// Where `str.splitlines` of Python ends a line; the others end them at some of these.
fn ends_a_line(character: char) -> bool {
    matches!(
        character,
        '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{1c}'..='\u{1e}' | '\u{85}' | '\u{2028}' | '\u{2029}'
    )
}

/// Whether every reader takes `line` for one line.
pub(crate) fn is_one_line(line: &[u8]) -> bool {
    std::str::from_utf8(line).is_ok_and(|line| !line.contains(ends_a_line))
}

struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\r', '\n']);
    }

    fn take(&mut self, token: &str) -> Option<()> {
        self.skip_space();
        self.rest = self.rest.strip_prefix(token)?;
        Some(())
    }

    fn value(&mut self, depth: usize) -> Option<Tree> {
        self.skip_space();
        match self.rest.chars().next()? {
            _ if depth > DEEPEST => None,
            '{' => self.object(depth),
            '[' => self.array(depth),
            '"' => self.text().map(Tree::Text),
            't' => self.take("true").map(|()| Tree::Bool(true)),
            'f' => self.take("false").map(|()| Tree::Bool(false)),
            'n' => self.take("null").map(|()| Tree::Null),
            _ => self.number(),
        }
    }

    fn object(&mut self, depth: usize) -> Option<Tree> {
        self.take("{")?;
        let mut members = Vec::new();
        if self.take("}").is_some() {
            return Some(Tree::Object(members));
        }
        loop {
            self.skip_space();
            let key = self.text()?;
            self.take(":")?;
            members.push((key, self.value(depth + 1)?));
            if self.take(",").is_none() {
                self.take("}")?;
                return Some(Tree::Object(members));
            }
        }
    }

    fn array(&mut self, depth: usize) -> Option<Tree> {
        self.take("[")?;
        let mut elements = Vec::new();
        if self.take("]").is_some() {
            return Some(Tree::Array(elements));
        }
        loop {
            elements.push(self.value(depth + 1)?);
            if self.take(",").is_none() {
                self.take("]")?;
                return Some(Tree::Array(elements));
            }
        }
    }

    fn number(&mut self) -> Option<Tree> {
        let is_part = |c: char| c.is_ascii_digit() || "+-.eE".contains(c);
        let end = self.rest.find(|c| !is_part(c)).unwrap_or(self.rest.len());
        let (number, rest) = self.rest.split_at(end);
        self.rest = rest;
        // RFC 8259 §6, by serde_json; it alone refuses what no double holds.
        let mantissa = number.split(['e', 'E']).next()?;
        let exponent = number.get(mantissa.len() + 1..).unwrap_or("0");
        let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        let digits = !exponent.is_empty() && exponent.bytes().all(|b| b.is_ascii_digit());
        serde_json::from_str::<&serde_json::value::RawValue>(mantissa).ok()?;
        digits.then(|| Tree::Number(number.to_owned()))
    }

    fn text(&mut self) -> Option<String> {
        self.rest = self.rest.strip_prefix('"')?;
        let mut units: Vec<u16> = Vec::new();
        loop {
            let character = self.rest.chars().next()?;
            self.rest = &self.rest[character.len_utf8()..];
            match character {
                '"' => return String::from_utf16(&units).ok(),
                '\\' => units.push(self.escape()?),
                '\0'..='\u{1f}' => return None,
                c => units.extend_from_slice(c.encode_utf16(&mut [0; 2])),
            }
        }
    }

    fn escape(&mut self) -> Option<u16> {
        let character = self.rest.chars().next()?;
        self.rest = &self.rest[character.len_utf8()..];
        let plain = match character {
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            '"' | '\\' | '/' => character,
            'u' => {
                let digits = self.rest.get(..4)?;
                self.rest = &self.rest[4..];
                let hex = digits.bytes().all(|b| b.is_ascii_hexdigit());
                return hex.then(|| u16::from_str_radix(digits, 16).ok())?;
            }
            _ => return None,
        };
        u16::try_from(u32::from(plain)).ok()
    }
}
