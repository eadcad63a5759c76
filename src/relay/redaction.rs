//! The values of a server's own secrets, taken out of what it says. Against accidents: a server
//! that wants to say a secret finds another spelling of it.
//!
//! In a line of JSON only whole strings and numbers are looked at, unescaped, so what comes out is
//! still JSON. Pure.

use std::borrow::Cow;

use memchr::memmem;

use super::json::{Object, Value};
use super::message::Id;
use super::strict::write_string;

/// A line of a secret of many lines is looked for by itself from this length on, in bytes.
const MIN_LINE: usize = 8;
/// The beginning of a secret at the end of a line that was cut is recognised from this length on.
const MIN_BEGINNING: usize = 4;

/// The marks that are no escapes in an address, by who writes it: RFC 3986 (Go, Rust),
/// `encodeURIComponent`, Python's `quote`, and a form, in which a space is `+`.
const PERCENT: [&[u8]; 4] = [b"-._~", b"-._~!*'()", b"-._~/", b"-._* "];

/// What is to be taken out.
#[derive(Clone, Default)]
pub struct Redaction {
    /// The longest first.
    needles: Vec<Needle>,
}

#[derive(Clone)]
struct Needle {
    text: String,
    /// How a canonical string holds it.
    canonical: Vec<u8>,
    instead: String,
}

impl Redaction {
    /// Of secrets by their names; empty values are none.
    pub fn new(secrets: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut needles = Vec::new();
        for (name, value) in secrets.into_iter().filter(|(_, value)| !value.is_empty()) {
            let lines = value.lines().map(str::trim);
            let lines = lines
                .filter(|line| line.len() >= MIN_LINE)
                .map(str::to_owned);
            let mut texts: Vec<String> = [value.clone()].into_iter().chain(lines).collect();
            // JSON within a string, as most writers write it and as Python does.
            let escaped = serde_json::Value::from(value.as_str()).to_string();
            texts.push(unquoted(&escaped));
            texts.push(unquoted(&ascii(&escaped)));
            texts.extend(PERCENT.map(|plain| percent_encoded(&value, plain)));
            texts.sort();
            texts.dedup();
            for text in texts.into_iter().filter(|text| !text.is_empty()) {
                let mut canonical = Vec::new();
                write_string(&mut canonical, &text);
                needles.push(Needle {
                    canonical: canonical
                        .get(1..canonical.len() - 1)
                        .unwrap_or_default()
                        .to_vec(),
                    text,
                    instead: format!("[redacted: {name}]"),
                });
            }
        }
        needles.sort_by_key(|needle| std::cmp::Reverse(needle.text.len()));
        Self { needles }
    }

    pub fn is_empty(&self) -> bool {
        self.needles.is_empty()
    }

    /// The text without the secrets.
    pub fn of_text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut clean = Cow::Borrowed(text);
        for needle in &self.needles {
            if clean.contains(&needle.text) {
                clean = Cow::Owned(clean.replace(&needle.text, &needle.instead));
            }
        }
        clean
    }

    /// As [`Self::of_text`] for text that names hosts, in which large and small letters are the same
    /// (RFC 4343).
    pub fn of_hosts<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut clean = Cow::Borrowed(text);
        for needle in &self.needles {
            let (low, wanted) = (clean.to_ascii_lowercase(), needle.text.to_ascii_lowercase());
            if !low.contains(&wanted) {
                continue;
            }
            let mut output = String::new();
            let mut rest = 0;
            // Neither length nor boundaries of characters change with the case of ASCII.
            for (at, found) in low.match_indices(&wanted) {
                output.push_str(clean.get(rest..at).unwrap_or_default());
                output.push_str(&needle.instead);
                rest = at + found.len();
            }
            output.push_str(clean.get(rest..).unwrap_or_default());
            clean = Cow::Owned(output);
        }
        clean
    }

    /// Whether the id of a request holds one. Short numbers are ids, and no secrets.
    pub(super) fn is_in_id(&self, id: &Id) -> bool {
        match id {
            Id::Text(text) => matches!(self.of_text(text), Cow::Owned(_)),
            Id::Number(number) => {
                let number = number.to_string();
                let found = |needle: &Needle| {
                    needle.text.len() >= MIN_BEGINNING && number.contains(&needle.text)
                };
                self.needles.iter().any(found)
            }
        }
    }

    /// As [`Self::of_text`] for bytes of which the end may be missing.
    pub(super) fn of_cut_bytes(&self, bytes: &[u8], is_cut: bool) -> Option<Vec<u8>> {
        let mut clean: Option<Vec<u8>> = None;
        for needle in &self.needles {
            let (text, instead) = (needle.text.as_bytes(), needle.instead.as_bytes());
            let now = clean.as_deref().unwrap_or(bytes);
            let mut output = Vec::new();
            let mut rest = 0;
            for at in memmem::find_iter(now, text) {
                output.extend_from_slice(now.get(rest..at).unwrap_or_default());
                output.extend_from_slice(instead);
                rest = at + text.len();
            }
            let tail = now.get(rest..).unwrap_or_default();
            let kept = if is_cut {
                tail.len() - beginning_at_end(text, tail)
            } else {
                tail.len()
            };
            if rest == 0 && kept == tail.len() {
                continue;
            }
            output.extend_from_slice(tail.get(..kept).unwrap_or_default());
            if kept < tail.len() {
                output.extend_from_slice(instead);
            }
            clean = Some(output);
        }
        clean
    }

    /// A canonical message of the server without the secrets in its `params`, `result` and
    /// `error`; `None` when there are none. Keys may have become equal.
    pub(super) fn of_message(&self, line: &[u8]) -> Option<Vec<u8>> {
        let holds = |bytes: &[u8]| {
            let found = |needle: &Needle| memmem::find(bytes, &needle.canonical).is_some();
            self.needles.iter().any(found)
        };
        if !holds(line) {
            return None;
        }
        let mut clean = line.to_vec();
        for key in ["params", "result", "error"] {
            let Some(value) = Object::of_canonical(line).find(key) else {
                continue;
            };
            if holds(value.raw()) {
                let value = self.of_value(value);
                clean = Object::of_canonical(&clean).with(key, &value);
            }
        }
        Some(clean)
    }

    /// Every string and every number of a value, keys too.
    pub(super) fn of_value(&self, value: Value<'_>) -> Vec<u8> {
        let bytes = value.raw();
        let mut output = Vec::with_capacity(bytes.len());
        let mut at = 0;
        while let Some(byte) = bytes.get(at) {
            let rest = bytes.get(at..).unwrap_or_default();
            let token = match byte {
                b'"' => rest.get(..string_length(rest)).unwrap_or(rest),
                b'-' | b'0'..=b'9' => {
                    let end = rest.iter().position(|byte| b",]}".contains(byte));
                    rest.get(..end.unwrap_or(rest.len())).unwrap_or(rest)
                }
                _ => {
                    output.push(*byte);
                    at += 1;
                    continue;
                }
            };
            at += token.len();
            let text = match Value::of_canonical(token).as_text() {
                Some(text) => text,
                None => String::from_utf8_lossy(token),
            };
            match self.of_text(&text) {
                Cow::Borrowed(_) => output.extend_from_slice(token),
                Cow::Owned(clean) => write_string(&mut output, &clean),
            }
        }
        output
    }
}

/// How many bytes at the end of `tail` are the beginning of `secret`; a few may be chance.
fn beginning_at_end(secret: &[u8], tail: &[u8]) -> usize {
    let longest = secret.len().saturating_sub(1).min(tail.len());
    (MIN_BEGINNING..=longest)
        .rev()
        .find(|length| tail.ends_with(secret.get(..*length).unwrap_or_default()))
        .unwrap_or(0)
}

/// Of the string at the start of `bytes`, with its quotes.
fn string_length(bytes: &[u8]) -> usize {
    let mut at = 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    bytes.len()
}

fn unquoted(json: &str) -> String {
    json.trim_start_matches('"')
        .strip_suffix('"')
        .unwrap_or(json)
        .to_owned()
}

/// With `\uXXXX` for everything beyond ASCII.
fn ascii(json: &str) -> String {
    let mut output = String::new();
    for character in json.chars() {
        if character.is_ascii() {
            output.push(character);
        } else {
            for unit in character.encode_utf16(&mut [0; 2]) {
                output.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    output
}

/// As it stands in an address, where letters, digits and the bytes of `plain` need no escape.
fn percent_encoded(text: &str, plain: &[u8]) -> String {
    let mut output = String::new();
    for byte in text.bytes() {
        match byte {
            b' ' if plain.contains(&b' ') => output.push('+'),
            byte if byte.is_ascii_alphanumeric() || plain.contains(&byte) => {
                output.push(char::from(byte));
            }
            byte => output.push_str(&format!("%{byte:02X}")),
        }
    }
    output
}

/// Never the secrets.
impl std::fmt::Debug for Redaction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Redaction({} forms)", self.needles.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::strict::CanonicalLine;

    fn redaction(value: &str) -> Redaction {
        Redaction::new([("TOKEN".to_owned(), value.to_owned())])
    }

    fn message(value: &str, line: &str) -> Option<String> {
        let line = CanonicalLine::read(line.as_bytes(), 1 << 20).unwrap();
        let clean = redaction(value).of_message(line.as_bytes())?;
        let clean = CanonicalLine::read(&clean, 1 << 20).unwrap().into_bytes();
        Some(String::from_utf8(clean).unwrap())
    }

    #[test]
    fn every_place_of_an_answer_is_looked_at() {
        for (line, clean) in [
            (
                r#"{"id":1,"result":{"text":"is s3cret-value!"}}"#,
                r#"{"id":1,"result":{"text":"is [redacted: TOKEN]!"}}"#,
            ),
            (
                r#"{"id":1,"result":{"s3cret-value":{"a":["s3cret-values3cret-value"]}}}"#,
                r#"{"id":1,"result":{"[redacted: TOKEN]":{"a":["[redacted: TOKEN][redacted: TOKEN]"]}}}"#,
            ),
            (
                r#"{"id":1,"error":{"code":1,"message":"s3cret\u002dvalue"}}"#,
                r#"{"id":1,"error":{"code":1,"message":"[redacted: TOKEN]"}}"#,
            ),
            (
                r#"{"method":"n","params":{"data":"s3cret-value"}}"#,
                r#"{"method":"n","params":{"data":"[redacted: TOKEN]"}}"#,
            ),
            // The id belongs to the client.
            (
                r#"{"id":"s3cret-value","result":{}}"#,
                r#"{"id":"s3cret-value","result":{}}"#,
            ),
        ] {
            assert_eq!(
                message("s3cret-value", line).as_deref(),
                Some(clean),
                "{line}"
            );
        }
        assert_eq!(
            message("s3cret-value", r#"{"id":1,"result":{"t":"s3cret"}}"#),
            None
        );
        assert_eq!(
            message(
                "12345678",
                r#"{"id":12345678,"result":{"a":12345678,"b":[1.5e3,-123456789,true]}}"#
            )
            .unwrap(),
            r#"{"id":12345678,"result":{"a":"[redacted: TOKEN]","b":[1.5e3,"-[redacted: TOKEN]9",true]}}"#
        );
        // A match across the structure of the line is none.
        assert_eq!(
            message("u001babcd", r#"{"id":1,"result":{"t":"\u001babcd"}}"#).unwrap(),
            r#"{"id":1,"result":{"t":"\u001babcd"}}"#
        );
        assert_eq!(
            message("\"b\":1,\"c", r#"{"id":1,"result":{"a":"x","b":1,"c":2}}"#),
            None
        );
    }

    #[test]
    fn json_within_a_string_and_lines_of_a_key_are_found() {
        let value = "pa\"ss\\wörd😀\n";
        for text in [
            value.to_owned(),
            serde_json::json!({ "k": value }).to_string(),
            r#"{"k": "pa\"ss\\w\u00f6rd\ud83d\ude00\n"}"#.to_owned(),
        ] {
            let line = serde_json::json!({"id": 1, "result": {"text": text}}).to_string();
            let clean = message(value, &line).unwrap();
            assert!(
                clean.contains("[redacted: TOKEN]") && !clean.contains("ss"),
                "{clean}"
            );
        }
        let key = "-----BEGIN KEY-----\nMIIEvQIBADANBg\nabc\n-----END KEY-----\n";
        assert_eq!(
            redaction(key).of_text("x MIIEvQIBADANBg y abc"),
            "x [redacted: TOKEN] y abc"
        );
    }

    #[test]
    fn it_is_found_in_an_address() {
        let secret = redaction("p@ss/wört (1)*");
        for spelled in [
            "p%40ss%2Fw%C3%B6rt%20%281%29%2A",
            "p%40ss%2Fw%C3%B6rt%20(1)*",
            "p%40ss/w%C3%B6rt%20%281%29%2A",
            "p%40ss%2Fw%C3%B6rt+%281%29*",
        ] {
            let text = format!("GET https://x.example/?k={spelled}&n=1 failed");
            assert_eq!(
                secret.of_text(&text),
                "GET https://x.example/?k=[redacted: TOKEN]&n=1 failed"
            );
        }
        // One that needs no escape has no second spelling.
        assert_eq!(
            format!("{:?}", redaction("s3cret-value_1.2")),
            "Redaction(1 forms)"
        );
    }

    #[test]
    fn hosts_are_compared_in_any_case_and_ids_whole() {
        let secret = redaction("S3cret-Value");
        assert_eq!(
            secret.of_hosts("looked up `s3cret-value.Evil.example`, S3CRET-VALUE, ü"),
            "looked up `[redacted: TOKEN].Evil.example`, [redacted: TOKEN], ü"
        );
        assert_eq!(secret.of_hosts("s3cret.example"), "s3cret.example");
        assert_eq!(secret.of_text("s3cret-value"), "s3cret-value");
        assert!(secret.is_in_id(&Id::Text("a S3cret-Value".to_owned())));
        assert!(!secret.is_in_id(&Id::Text("a".to_owned())));
        assert!(redaction("12345").is_in_id(&Id::Number(-9_123_456)));
        assert!(!redaction("12345").is_in_id(&Id::Number(1234)));
        assert!(!redaction("1").is_in_id(&Id::Number(1)));
    }

    #[test]
    fn bytes_are_cleaned_and_a_cut_secret_has_no_beginning() {
        let redaction = redaction("s3cret-value");
        assert_eq!(
            redaction
                .of_cut_bytes(b"\xff s3cret-value \xfe", false)
                .unwrap(),
            b"\xff [redacted: TOKEN] \xfe"
        );
        assert_eq!(
            redaction.of_cut_bytes(b"ends s3cret-va", true).unwrap(),
            b"ends [redacted: TOKEN]"
        );
        assert_eq!(redaction.of_cut_bytes(b"ends s3cret-va", false), None);
        assert_eq!(redaction.of_cut_bytes(b"ends s3c", true), None);
        assert_eq!(format!("{redaction:?}"), "Redaction(1 forms)");
        assert!(Redaction::new([("A".to_owned(), String::new())]).is_empty());
    }
}
