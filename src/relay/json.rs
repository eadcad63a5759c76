//! A view into canonical JSON: find a member, walk the members, and rebuild an object
//! with one member replaced or removed and every other byte as it was.
//!
//! The bytes come from `strict`, so these walks need not check grammar again; on bytes
//! that are not canonical they end early, never panic and never read outside. Each look for a member
//! walks over those before it: where long values end is remembered from the first reading.

use std::borrow::Cow;

use memchr::memchr2;

/// One JSON value: its canonical bytes.
#[derive(Clone, Copy, Debug)]
pub struct Value<'a> {
    bytes: &'a [u8],
    place: Place<'a>,
}

/// One JSON object: its canonical bytes, from `{` to `}`.
#[derive(Clone, Copy, Debug)]
pub struct Object<'a>(Value<'a>);

/// Where a value is in its line, and what is known of that line.
#[derive(Clone, Copy, Debug, Default)]
struct Place<'a> {
    start: usize,
    /// By their start.
    long: &'a [LongValue],
}

/// Where a long value of a line starts and ends, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct LongValue {
    pub(super) start: usize,
    pub(super) end: usize,
}

/// One member of an object.
#[derive(Clone, Copy, Debug)]
pub struct Member<'a> {
    /// The key as written between its quotes. A name without characters that need
    /// escapes is its own canonical form, so `b"method"` can be compared directly.
    pub raw_key: &'a [u8],
    pub value: Value<'a>,
    /// From the key's first quote to the end of the value.
    raw: &'a [u8],
}

impl<'a> Value<'a> {
    /// `bytes` must come from the strict reader.
    pub(super) fn of_canonical(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            place: Place::default(),
        }
    }

    pub fn raw(self) -> &'a [u8] {
        self.bytes
    }

    pub fn as_object(self) -> Option<Object<'a>> {
        (self.bytes.first() == Some(&b'{')).then_some(Object(self))
    }

    /// The elements, when this is an array.
    pub fn as_array(self) -> Option<Elements<'a>> {
        (self.bytes.first() == Some(&b'[')).then_some(Elements { array: self, at: 1 })
    }

    /// The text, unescaped, when this is a string.
    pub fn as_text(self) -> Option<Cow<'a, str>> {
        let content = self.bytes.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
        unescape(content)
    }

    /// The number, when it is written as a plain integer that fits: no fraction, no
    /// exponent, no negative zero.
    pub fn as_integer(self) -> Option<i64> {
        let text = std::str::from_utf8(self.bytes).ok()?;
        let digits = text.strip_prefix('-').unwrap_or(text);
        let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        if plain && text != "-0" {
            text.parse().ok()
        } else {
            None
        }
    }
}

impl<'a> Object<'a> {
    /// `bytes` must come from the strict reader.
    pub(super) fn of_canonical(bytes: &'a [u8]) -> Self {
        Self(Value::of_canonical(bytes))
    }

    /// The whole of a line, of which the long values are known.
    pub(super) fn of_line(bytes: &'a [u8], long: &'a [LongValue]) -> Self {
        Self(Value {
            bytes,
            place: Place { start: 0, long },
        })
    }

    pub fn raw(self) -> &'a [u8] {
        self.0.bytes
    }

    pub fn as_value(self) -> Value<'a> {
        self.0
    }

    pub fn members(self) -> Members<'a> {
        Members {
            object: self.0,
            at: 1,
        }
    }

    /// The value of `key`, a name that needs no escapes.
    pub fn find(self, key: &str) -> Option<Value<'a>> {
        let mut at = 1;
        loop {
            let (raw_key, value, end) = self.0.member(at)?;
            if raw_key == key.as_bytes() {
                return Some(value);
            }
            at = end + 1;
        }
    }

    /// The object with the value of `key` replaced, in its place; without `key`, unchanged.
    pub fn with(self, key: &str, value: &[u8]) -> Vec<u8> {
        self.rebuild(|member, output| {
            if member.raw_key == key.as_bytes() {
                let name = member.raw.len() - member.value.bytes.len();
                output.extend_from_slice(member.raw.get(..name).unwrap_or_default());
                output.extend_from_slice(value);
            } else {
                output.extend_from_slice(member.raw);
            }
        })
    }

    /// The object with the values replaced for which `change` gives another one.
    pub fn map_values(self, mut change: impl FnMut(Value<'a>) -> Option<Vec<u8>>) -> Vec<u8> {
        self.rebuild(|member, output| match change(member.value) {
            Some(value) => {
                let name = member.raw.len() - member.value.bytes.len();
                output.extend_from_slice(member.raw.get(..name).unwrap_or_default());
                output.extend_from_slice(&value);
            }
            None => output.extend_from_slice(member.raw),
        })
    }

    /// The object without the members for which `keep` says no.
    pub fn retain(self, mut keep: impl FnMut(&Member<'a>) -> bool) -> Vec<u8> {
        self.rebuild(|member, output| {
            if keep(&member) {
                output.extend_from_slice(member.raw);
            }
        })
    }

    /// The object without `key`.
    pub fn without(self, key: &str) -> Vec<u8> {
        self.retain(|member| member.raw_key != key.as_bytes())
    }

    fn rebuild(self, mut write: impl FnMut(Member<'a>, &mut Vec<u8>)) -> Vec<u8> {
        let mut output = Vec::with_capacity(self.raw().len());
        output.push(b'{');
        for member in self.members() {
            let before = output.len();
            if before > 1 {
                output.push(b',');
            }
            let written = output.len();
            write(member, &mut output);
            if output.len() == written {
                output.truncate(before);
            }
        }
        output.push(b'}');
        output
    }
}

impl<'a> Member<'a> {
    /// The key, unescaped.
    pub fn key(&self) -> Cow<'a, str> {
        unescape(self.raw_key).unwrap_or_default()
    }
}

/// The members of an object, in their order.
#[derive(Clone, Debug)]
pub struct Members<'a> {
    object: Value<'a>,
    at: usize,
}

impl<'a> Iterator for Members<'a> {
    type Item = Member<'a>;

    fn next(&mut self) -> Option<Member<'a>> {
        let start = self.at;
        let (raw_key, value, end) = self.object.member(start)?;
        self.at = end + 1;
        Some(Member {
            raw_key,
            value,
            raw: self.object.bytes.get(start..end)?,
        })
    }
}

/// The elements of an array, in their order.
#[derive(Clone, Debug)]
pub struct Elements<'a> {
    array: Value<'a>,
    at: usize,
}

impl<'a> Iterator for Elements<'a> {
    type Item = Value<'a>;

    fn next(&mut self) -> Option<Value<'a>> {
        if matches!(self.array.bytes.get(self.at), None | Some(b']')) {
            return None;
        }
        let element = self.array.part(self.at)?;
        self.at += element.bytes.len() + 1;
        Some(element)
    }
}

impl<'a> Value<'a> {
    /// The member of this object that starts at `at`: its key as it is written, its value, and where
    /// it ends.
    fn member(self, at: usize) -> Option<(&'a [u8], Self, usize)> {
        if self.bytes.get(at) != Some(&b'"') {
            return None;
        }
        let key_end = string_end(self.bytes, at);
        let raw_key = self.bytes.get(at + 1..key_end.checked_sub(1)?)?;
        let value = self.part(key_end + 1)?;
        Some((raw_key, value, key_end + 1 + value.bytes.len()))
    }

    /// The value inside of this one that starts at `at`.
    fn part(self, at: usize) -> Option<Self> {
        let Place { start, long } = self.place;
        let start = start + at;
        let known = long.binary_search_by_key(&start, |value| value.start);
        let end = match known.ok().and_then(|index| long.get(index)) {
            Some(value) => at + (value.end - value.start),
            None => value_end(self.bytes, at),
        };
        Some(Self {
            bytes: self.bytes.get(at..end)?,
            place: Place { start, long },
        })
    }
}

/// Where the value that starts at `at` ends.
pub(super) fn value_end(bytes: &[u8], at: usize) -> usize {
    match bytes.get(at) {
        Some(b'"') => string_end(bytes, at),
        Some(b'{' | b'[') => container_end(bytes, at),
        _ => {
            let rest = bytes.get(at..).unwrap_or_default();
            at + rest
                .iter()
                .position(|byte| b",]}".contains(byte))
                .unwrap_or(rest.len())
        }
    }
}

/// A string that is shorter is looked through byte by byte, in bytes.
const NEAR: usize = 16;

/// Where the string whose opening quote is at `at` ends, behind its closing quote.
pub(super) fn string_end(bytes: &[u8], at: usize) -> usize {
    let mut at = at + 1;
    // Most keys end here.
    let start = bytes.get(at..).unwrap_or_default();
    let near = start.iter().take(NEAR);
    match near.copied().position(|byte| byte == b'"' || byte == b'\\') {
        Some(offset) if start.get(offset) == Some(&b'"') => return at + offset + 1,
        Some(_) => {}
        None => at += NEAR.min(start.len()),
    }
    loop {
        let rest = bytes.get(at..).unwrap_or_default();
        match memchr2(b'"', b'\\', rest) {
            Some(offset) if rest.get(offset) == Some(&b'"') => return at + offset + 1,
            Some(offset) => at += offset + 2,
            None => return bytes.len(),
        }
    }
}

fn container_end(bytes: &[u8], at: usize) -> usize {
    let mut at = at;
    let mut depth = 0_usize;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => {
                at = string_end(bytes, at);
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return at + 1;
                }
            }
            _ => {}
        }
        at += 1;
    }
    bytes.len()
}

/// The text of a canonical string's content. Canonical strings hold no surrogates.
pub(super) fn unescape(content: &[u8]) -> Option<Cow<'_, str>> {
    let text = std::str::from_utf8(content).ok()?;
    if !text.contains('\\') {
        return Some(Cow::Borrowed(text));
    }
    let mut output = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        if character != '\\' {
            output.push(character);
            continue;
        }
        output.push(match characters.next()? {
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => {
                let mut code = 0;
                for _ in 0..4 {
                    code = code << 4 | characters.next()?.to_digit(16)?;
                }
                char::from_u32(code)?
            }
            other => other,
        });
    }
    Some(Cow::Owned(output))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::strict::CanonicalLine;

    fn line(text: &str) -> CanonicalLine {
        CanonicalLine::read(text.as_bytes(), 1 << 20).unwrap()
    }

    #[test]
    fn members_and_elements_are_found_whatever_they_hold() {
        let line = line(r#"{"a":"}\"]","b":[1,{"x":"]"},[],"s"],"c":{"d":-1.5e3},"e":null,"":0}"#);
        let members: Vec<_> = line
            .root()
            .members()
            .map(|member| {
                (
                    member.key().into_owned(),
                    String::from_utf8(member.value.raw().to_vec()).unwrap(),
                )
            })
            .collect();
        assert_eq!(members.len(), 5);
        assert_eq!(members[0], ("a".into(), r#""}\"]""#.into()));
        assert_eq!(members[2], ("c".into(), r#"{"d":-1.5e3}"#.into()));
        assert_eq!(members[4], (String::new(), "0".into()));
        let elements: Vec<_> = line.root().find("b").unwrap().as_array().unwrap().collect();
        assert_eq!(elements.len(), 4);
        assert_eq!(elements[1].raw(), br#"{"x":"]"}"#);
        assert!(line.root().find("a").unwrap().as_array().is_none());
    }

    /// What is remembered of long values is what a walk finds.
    fn walks_agree(known: Value<'_>, fresh: Value<'_>) {
        assert_eq!(known.raw(), fresh.raw());
        let mut parts: Vec<(Value<'_>, Value<'_>)> = Vec::new();
        if let (Some(known), Some(fresh)) = (known.as_object(), fresh.as_object()) {
            for (known, fresh) in known.members().zip(fresh.members()) {
                assert_eq!((known.raw_key, known.raw), (fresh.raw_key, fresh.raw));
                parts.push((known.value, fresh.value));
            }
            assert_eq!(known.members().count(), fresh.members().count());
        }
        if let (Some(known), Some(fresh)) = (known.as_array(), fresh.as_array()) {
            assert_eq!(known.clone().count(), fresh.clone().count());
            parts.extend(known.zip(fresh));
        }
        for (known, fresh) in parts {
            walks_agree(known, fresh);
        }
    }

    #[test]
    fn long_values_are_the_same_values() {
        let long = "x\\u00e9\\\"}".repeat(300);
        let mut text = format!(r#"{{"a":1,"long":"{long}","b":[[],"{long}",{{}}],"c":2.0}}"#);
        for depth in 0..8 {
            let canonical = line(&text);
            let fresh = Value::of_canonical(canonical.as_bytes());
            walks_agree(canonical.root().as_value(), fresh);
            let last = canonical.root().find("c").map(Value::raw);
            assert_eq!(last, Some(b"2.0".as_slice()), "{depth}");
            text = format!(r#"{{ "x" : [ {text} , "" , {text} ] , "c" : 2.0 }}"#);
        }
    }

    #[test]
    fn one_member_is_replaced_and_the_rest_is_verbatim() {
        let line = line(r#"{"a":1.0,"b":[2],"c":"\n"}"#);
        let root = line.root();
        assert_eq!(root.with("b", b"{}"), br#"{"a":1.0,"b":{},"c":"\n"}"#);
        assert_eq!(root.with("z", b"{}"), line.as_bytes());
        assert_eq!(root.without("a"), br#"{"b":[2],"c":"\n"}"#);
        assert_eq!(root.without("c"), br#"{"a":1.0,"b":[2]}"#);
        assert_eq!(root.retain(|_| false), b"{}");
    }

    #[test]
    fn strings_are_unescaped() {
        let line = line(r#"{"a":"x\u0000\u2028\ud83d\ude00\\\"\/\b\f\n\r\t"}"#);
        let text = line
            .root()
            .find("a")
            .unwrap()
            .as_text()
            .unwrap()
            .into_owned();
        assert_eq!(text, "x\0\u{2028}😀\\\"/\u{8}\u{c}\n\r\t");
    }

    #[test]
    fn only_plain_integers_are_integers() {
        let read = |text: &str| {
            line(&format!("{{\"n\":{text}}}"))
                .root()
                .find("n")
                .unwrap()
                .as_integer()
        };
        assert_eq!(read("-7"), Some(-7));
        assert_eq!(read("0"), Some(0));
        for text in [
            "-0",
            "1.0",
            "1e2",
            "99999999999999999999",
            "\"1\"",
            "null",
            "[1]",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn walking_bytes_that_are_not_canonical_ends() {
        for bytes in [
            &b""[..],
            b"{",
            b"{\"",
            b"{\"a",
            b"{\"a\"",
            b"{\"a\":",
            b"{\"a\":[",
            b"{\"\\",
        ] {
            assert!(Object::of_canonical(bytes).members().count() <= 1);
        }
    }
}
