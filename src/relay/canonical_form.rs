//! RFC 8785: the one form in which equal values have equal bytes, for digests.
//!
//! Written in one walk over the bytes that the strict reader made. A tree of the values would take
//! some ninety times the memory of a line that is made of small objects, and whoever sends the line
//! chooses that.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::json::{Value, string_end};

/// An integer of so many digits is written alike by everybody.
const PLAIN_DIGITS: usize = 15;

/// The canonical form of a value of a canonical line.
///
/// # Errors
/// A number that no double holds.
pub(super) fn canonical_form(value: Value<'_>) -> Result<Vec<u8>, serde_json::Error> {
    let mut writer = Writer {
        input: value.raw(),
        at: 0,
        output: Vec::with_capacity(value.raw().len()),
        members: Vec::new(),
    };
    writer.value()?;
    Ok(writer.output)
}

/// Reads `input` from `at` on and appends to `output`.
struct Writer<'a> {
    input: &'a [u8],
    at: usize,
    output: Vec<u8>,
    /// Of the objects that are open, innermost last.
    members: Vec<Member<'a>>,
}

/// A member that was written, and where in the output.
struct Member<'a> {
    key: Cow<'a, str>,
    start: usize,
    end: usize,
}

impl<'a> Writer<'a> {
    /// No deeper than a line can be.
    fn value(&mut self) -> Result<(), serde_json::Error> {
        match self.peek() {
            Some(b'"') => self.string().map(drop),
            Some(b'{') => self.object(),
            Some(b'[') => self.array(),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => {
                let literal = self.until_the_next();
                self.output.extend_from_slice(literal);
                Ok(())
            }
        }
    }

    fn object(&mut self) -> Result<(), serde_json::Error> {
        self.copy();
        let first = self.members.len();
        let begin = self.output.len();
        while self.peek() == Some(b'"') {
            let start = self.output.len();
            let key = self.string()?;
            self.copy();
            self.value()?;
            let end = self.output.len();
            self.members.push(Member { key, start, end });
            if self.peek() == Some(b',') {
                self.copy();
            }
        }
        let members = self.members.get_mut(first..).unwrap_or_default();
        if !members.is_sorted_by(|one, other| order(&one.key, &other.key) != Ordering::Greater) {
            members.sort_unstable_by(|one, other| order(&one.key, &other.key));
            let written = members
                .iter()
                .filter_map(|member| self.output.get(member.start..member.end));
            let sorted = written.collect::<Vec<_>>().join(&b',');
            self.output.truncate(begin);
            self.output.extend_from_slice(&sorted);
        }
        self.members.truncate(first);
        self.copy();
        Ok(())
    }

    fn array(&mut self) -> Result<(), serde_json::Error> {
        self.copy();
        if self.peek() != Some(b']') {
            self.value()?;
            while self.peek() == Some(b',') {
                self.copy();
                self.value()?;
            }
        }
        self.copy();
        Ok(())
    }

    /// Writes a string; its text.
    fn string(&mut self) -> Result<Cow<'a, str>, serde_json::Error> {
        let end = string_end(self.input, self.at);
        let token = self.input.get(self.at..end).unwrap_or_default();
        self.at = end;
        let text = Value::of_canonical(token).as_text().unwrap_or_default();
        match &text {
            // Without an escape there is nothing that could be written in another way.
            Cow::Borrowed(_) => self.output.extend_from_slice(token),
            Cow::Owned(text) => serde_json::to_writer(&mut self.output, text)?,
        }
        Ok(text)
    }

    fn number(&mut self) -> Result<(), serde_json::Error> {
        let number = self.until_the_next();
        let is_plain = number.len() <= PLAIN_DIGITS && number.iter().all(u8::is_ascii_digit);
        if is_plain {
            self.output.extend_from_slice(number);
            return Ok(());
        }
        let number: serde_json::Number = serde_json::from_slice(number)?;
        serde_json_canonicalizer::to_writer(&number, &mut self.output)
    }

    /// What stands before the next `,`, `]` or `}`, or the end.
    fn until_the_next(&mut self) -> &'a [u8] {
        let rest = self.input.get(self.at..).unwrap_or_default();
        let end = rest.iter().position(|byte| b",]}".contains(byte));
        let token = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
        self.at += token.len();
        token
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

/// By code units of UTF-16 (RFC 8785, section 3.2.3).
fn order(one: &str, other: &str) -> Ordering {
    one.encode_utf16().cmp(other.encode_utf16())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::relay::strict::CanonicalLine;

    /// Of the value in `{"v":…}`, after the strict reader.
    fn of(text: &str) -> Result<String, serde_json::Error> {
        let line = CanonicalLine::read(format!("{{\"v\":{text}}}").as_bytes(), 1 << 24).unwrap();
        let form = canonical_form(line.root().find("v").unwrap())?;
        Ok(String::from_utf8(form).unwrap())
    }

    #[test]
    fn the_examples_of_the_rfc() {
        // Section 3.2.2.
        let text = r#"{
            "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
            "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
            "literals": [null, true, false]
        }"#;
        assert_eq!(
            of(text).unwrap(),
            r#"{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\u000f\nA'B\"\\\\\"/"}"#
        );
        // Section 3.2.3.
        let text = r#"{"\u20ac":"Euro Sign","\r":"Carriage Return","\ufb33":"Hebrew Letter Dalet With Dagesh","1":"One","\ud83d\ude00":"Emoji: Grinning Face","\u0080":"Control","\u00f6":"Latin Small Letter O With Diaeresis"}"#;
        let order: Vec<String> = of(text)
            .unwrap()
            .split(",\"")
            .map(|member| member.rsplit(':').next().unwrap().to_owned())
            .collect();
        assert!(
            order[0].contains("Carriage") && order[1].contains("One"),
            "{order:?}"
        );
        assert!(
            order[5].contains("Grinning") && order[6].contains("Dalet"),
            "{order:?}"
        );
    }

    #[test]
    fn what_is_written_in_many_ways_has_one_form() {
        for (text, form) in [
            ("{}", "{}"),
            ("[]", "[]"),
            ("-0", "0"),
            ("-0.0", "0"),
            ("-7", "-7"),
            ("1e2", "100"),
            ("123456789012345", "123456789012345"),
            ("9007199254740993", "9007199254740992"),
            ("123456789012345678901234567890", "1.2345678901234568e+29"),
            (
                r#""\u2028\u007f\u0085\ufeff\u0001""#,
                "\"\u{2028}\u{7f}\u{85}\u{feff}\\u0001\"",
            ),
            (
                r#"{"b":{"d":1,"c":[{"z":1,"y":2},{}]},"a":{},"":[[],[1]]}"#,
                r#"{"":[[],[1]],"a":{},"b":{"c":[{"y":2,"z":1},{}],"d":1}}"#,
            ),
        ] {
            assert_eq!(of(text).unwrap(), form, "{text}");
        }
        assert!(of("[1e400]").is_err());
        assert!(of("[-1e400]").is_err());
    }

    #[test]
    fn bytes_that_are_not_canonical_end_it() {
        for odd in [
            "", "[", "[}", "[,", "{\"a\"", "{\"a\":", "{,", "\"a", "[1:2]", "}", "{\"\\",
        ] {
            let _ = canonical_form(Value::of_canonical(odd.as_bytes()));
        }
    }

    fn any_value() -> impl Strategy<Value = serde_json::Value> {
        let text = || prop_oneof!["[a-c\\PC\\u{0}-\\u{20}\"\\\\]{0,6}", "[a-b]{0,2}"];
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            any::<u64>().prop_map(Into::into),
            any::<f64>().prop_map(Into::into),
            (-9_i64..9).prop_map(Into::into),
            text().prop_map(Into::into),
        ];
        leaf.prop_recursive(5, 60, 8, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..8).prop_map(Into::into),
                prop::collection::vec((text(), inner), 0..8)
                    .prop_map(|members| members.into_iter().collect()),
            ]
        })
    }

    proptest! {
        /// Another writer of it says the same.
        #[test]
        fn it_is_as_others_write_it(value in any_value()) {
            let text = value.to_string();
            let other = serde_json::from_str::<serde_json::Value>(&text).unwrap();
            let other = serde_json_canonicalizer::to_string(&other).unwrap();
            prop_assert_eq!(of(&text).unwrap(), other);
        }
    }
}
