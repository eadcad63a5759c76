//! The strict reader and the message view, line by line from the corpus, and by property.

use proptest::prelude::*;

use super::*;
use crate::relay::message::Message;

const CORPUS: &str = include_str!("../../../tests/relay/hostile_lines.jsonl");
const LIMIT: usize = 1 << 20;

fn read(line: &[u8]) -> Result<String, Refusal> {
    CanonicalLine::read(line, LIMIT).map(|line| String::from_utf8(line.into_bytes()).unwrap())
}

fn bytes_of(row: &serde_json::Value) -> Vec<u8> {
    if let Some(line) = row["line"].as_str() {
        return line.as_bytes().to_vec();
    }
    let digits = row["hex"].as_str().unwrap();
    let byte = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
    (0..digits.len()).step_by(2).map(byte).collect()
}

#[test]
fn every_line_of_the_corpus_gets_its_verdict() {
    let mut rows = 0;
    for row in CORPUS.lines() {
        rows += 1;
        let row: serde_json::Value = serde_json::from_str(row).unwrap();
        let expected = row["verdict"].as_str().unwrap();
        let line = bytes_of(&row);
        let verdict = match CanonicalLine::read(&line, LIMIT) {
            Err(refusal) => format!("{refusal:?}"),
            Ok(canonical) => {
                if let Some(expected) = row["canonical"].as_str() {
                    let text = String::from_utf8(canonical.as_bytes().to_vec()).unwrap();
                    assert_eq!(text, expected, "{row}");
                }
                match Message::read(&canonical) {
                    Ok(_) => "accepted".to_owned(),
                    Err(refused) => format!("{:?}", refused.refusal),
                }
            }
        };
        let name = verdict.split([' ', '{']).next().unwrap();
        assert_eq!(name, expected, "{row}");
    }
    assert!(rows > 200, "{rows}");
}

#[test]
fn the_length_is_bounded_before_and_after() {
    let line = br#"{"a":"xxxxxxxx"}"#;
    assert!(CanonicalLine::read(line, line.len()).is_ok());
    let limit = line.len() - 1;
    assert_eq!(
        CanonicalLine::read(line, limit),
        Err(Refusal::TooLong { limit })
    );
    // One byte becomes six.
    let line = "{\"a\":\"\u{7f}\u{7f}\u{7f}\u{7f}\"}";
    assert_eq!(
        CanonicalLine::read(line.as_bytes(), 20),
        Err(Refusal::TooLong { limit: 20 })
    );
    assert!(CanonicalLine::read(line.as_bytes(), 32).is_ok());
}

#[test]
fn deep_nesting_is_refused_early() {
    let line = format!("{{\"a\":{}", "[".repeat(100_000));
    assert_eq!(
        read(line.as_bytes()),
        Err(Refusal::TooDeep { limit: MAX_DEPTH })
    );
    let line = format!(
        "{{\"a\":{}1{}}}",
        "[".repeat(MAX_DEPTH - 1),
        "]".repeat(MAX_DEPTH - 1)
    );
    assert_eq!(read(line.as_bytes()), Ok(line.clone()));
}

#[test]
fn many_keys_are_compared_in_bounded_time() {
    let keys = |last: &str| {
        let members: Vec<_> = (0..60_000).map(|n| format!("\"key{n}\":0")).collect();
        format!("{{{},\"{last}\":0}}", members.join(","))
    };
    assert!(read(keys("key").as_bytes()).is_ok());
    assert!(matches!(
        read(keys("key59999").as_bytes()),
        Err(Refusal::DuplicateKey { .. })
    ));
    assert!(matches!(
        read(keys("key0").as_bytes()),
        Err(Refusal::DuplicateKey { .. })
    ));
}

#[test]
fn parse_errors_are_told_from_invalid_messages() {
    for line in [
        &b"x"[..],
        b"{",
        b"\xff",
        b"{\"a\":\"\\ud800\"}",
        b"{} {}",
        b"\xef\xbb\xbf{}",
    ] {
        assert!(read(line).unwrap_err().is_parse_error());
    }
    for line in [&b"[]"[..], b"1", b"{\"a\":1,\"a\":1}"] {
        assert!(!read(line).unwrap_err().is_parse_error());
    }
}

/// JSON text with the value it must be read as.
fn json_value() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(serde_json::Value::from),
        any::<i64>().prop_map(serde_json::Value::from),
        any::<String>().prop_map(serde_json::Value::from),
        "[\u{7f}-\u{a0}\u{2020}-\u{2030}\u{feff}\"\\\\/\r\n]*".prop_map(serde_json::Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(serde_json::Value::from),
            prop::collection::btree_map(any::<String>(), inner, 0..6)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    /// What another parser writes is read, means the same to it afterwards, and holds no
    /// byte at which any reader splits lines. Reading it again changes nothing.
    #[test]
    fn canonical_lines_mean_the_same(value in json_value(), pretty in any::<bool>()) {
        let value = serde_json::json!({ "v": value });
        let text = if pretty {
            serde_json::to_string_pretty(&value).unwrap()
        } else {
            serde_json::to_string(&value).unwrap()
        };
        let canonical = read(text.as_bytes()).unwrap();
        prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&canonical).unwrap(), value);
        let splits = |c: char| c.is_control() || "\u{2028}\u{2029}\u{feff}".contains(c);
        prop_assert!(!canonical.contains(splits));
        prop_assert_eq!(read(canonical.as_bytes()).unwrap(), canonical);
    }

    /// Whatever is accepted is accepted by another parser too, with the same meaning.
    #[test]
    fn nothing_is_accepted_that_is_not_json(
        line in "\\{\"a\":[\\[\\]{}\",:\\\\u0-9eE+.truefalsn \r\t-]{0,24}\\}"
    ) {
        if let Ok(canonical) = read(line.as_bytes()) {
            let before: serde_json::Result<serde_json::Value> = serde_json::from_str(&line);
            let after: serde_json::Result<serde_json::Value> = serde_json::from_str(&canonical);
            match (before, after) {
                (Ok(before), Ok(after)) => prop_assert_eq!(before, after),
                // serde_json alone refuses numbers that no double holds.
                (Err(before), Err(_)) => {
                    prop_assert!(before.to_string().contains("number out of range"))
                }
                (before, after) => prop_assert!(false, "{before:?} {after:?}"),
            }
        }
    }

    /// Any bytes: a verdict, never a panic, never more than the limit.
    #[test]
    fn any_bytes_get_a_verdict(line in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(canonical) = CanonicalLine::read(&line, 100) {
            prop_assert!(canonical.as_bytes().len() <= 100);
        }
    }
}

#[test]
fn no_byte_that_needs_a_look_is_copied_wherever_it_stands() {
    let special: Vec<u8> = (0..0x20)
        .chain([0x22, 0x5c, 0x7f, 0xc2, 0xe2, 0xef])
        .collect();
    for length in [1, 31, 32, 33, 64, 100] {
        for at in 0..length {
            for byte in 0..=255_u8 {
                let mut text = vec![b'a'; length];
                text[at] = byte;
                let expected = special.contains(&byte).then_some(at);
                assert_eq!(
                    plain_length(&text),
                    expected,
                    "{byte:#x} at {at} of {length}"
                );
            }
        }
    }
}
