//! Two definitions for a person to compare: which parts of them differ, and in which words.
//! Pure. Whatever could command a terminal is written out.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use serde_json::Value;
use similar::{ChangeTag, TextDiff};

use crate::lockfile::printable;

/// Longest text of one part that is shown, in characters.
const MAX_SHOWN: usize = 20_000;
/// Of words that are the same on both sides, this many characters are shown at either end.
const CONTEXT: usize = 120;
/// After which comparisons become coarse ones; of all parts of all definitions together, because a
/// server has as many as it likes.
const PATIENCE: Duration = Duration::from_secs(2);
/// A longer definition, in bytes, is one text. So is one whose parts have longer ways to them, all
/// together: a long key before a long list would be repeated for each element.
pub(super) const MAX_TAKEN_APART: usize = 256 << 10;
const MAX_WAYS: usize = 4 << 20;

/// When comparisons that begin now become coarse ones.
pub(super) fn patience() -> Instant {
    Instant::now() + PATIENCE
}

/// Lines that show a definition by itself.
pub(super) fn laid_out(definition: &[u8]) -> Vec<String> {
    difference(None, definition, patience())
}

/// Lines that show `new`, beside `old` where that is known. A definition is an object in
/// JSON; anything else is shown as a text. From `until` on the comparison is a coarse one.
pub(super) fn difference(old: Option<&[u8]>, new: &[u8], until: Instant) -> Vec<String> {
    let (old, new) = match (old.map(parts), parts(new)) {
        (None, Some(new)) => (None, new),
        (Some(Some(old)), Some(new)) => (Some(old), new),
        // One that can't be taken apart is compared with the whole of the other.
        _ => (old.map(whole), whole(new)),
    };
    let Some(old) = old else {
        let all = new.iter();
        return all
            .flat_map(|(path, text)| part(path, None, Some(text), until))
            .collect();
    };
    let mut paths: Vec<&String> = old.keys().chain(new.keys()).collect();
    paths.sort();
    paths.dedup();
    paths
        .into_iter()
        .filter(|path| old.get(*path) != new.get(*path))
        .flat_map(|path| part(path, old.get(path), new.get(path), until))
        .collect()
}

/// The values in a definition, each with the way to it; `None` when it is too much of that.
fn parts(definition: &[u8]) -> Option<BTreeMap<String, String>> {
    if definition.len() > MAX_TAKEN_APART {
        return None;
    }
    let mut parts = BTreeMap::new();
    match serde_json::from_slice(definition) {
        Ok(Value::Object(members)) => {
            let mut room = MAX_WAYS;
            collect(
                &Value::Object(members),
                String::new(),
                &mut parts,
                &mut room,
            )?;
        }
        _ => {
            let text = String::from_utf8_lossy(definition).into_owned();
            parts.insert("instructions".to_owned(), text);
        }
    }
    Some(parts)
}

/// A definition as one text.
fn whole(definition: &[u8]) -> BTreeMap<String, String> {
    let text = String::from_utf8_lossy(definition).into_owned();
    BTreeMap::from([("all of it".to_owned(), text)])
}

/// `None` when there is no `room` for the ways.
fn collect(
    value: &Value,
    path: String,
    parts: &mut BTreeMap<String, String>,
    room: &mut usize,
) -> Option<()> {
    *room = room.checked_sub(path.len())?;
    match value {
        Value::Object(members) if !members.is_empty() => {
            for (key, value) in members {
                collect(value, below(&path, key), parts, room)?;
            }
        }
        Value::Array(elements) if !elements.is_empty() => {
            for (index, value) in elements.iter().enumerate() {
                collect(value, format!("{path}[{index}]"), parts, room)?;
            }
        }
        // In quotes, so that a text and a number differ.
        Value::String(text) => {
            parts.insert(path, format!("\"{text}\""));
        }
        other => {
            parts.insert(path, other.to_string());
        }
    }
    Some(())
}

/// `a.b`; a key that could be mistaken for more than one is quoted.
fn below(path: &str, key: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_$-".contains(&byte);
    if key.is_empty() || !key.bytes().all(plain) {
        return format!("{path}[{key:?}]");
    }
    if path.is_empty() {
        return key.to_owned();
    }
    format!("{path}.{key}")
}

fn part(path: &str, old: Option<&String>, new: Option<&String>, until: Instant) -> Vec<String> {
    let (old, new) = (old.map(|text| safe(text)), new.map(|text| safe(text)));
    let (old, new) = match (&old, &new) {
        (Some(old), Some(new)) => {
            let (old, new) = marked(old, new, until);
            (Some(old), Some(new))
        }
        _ => (old, new),
    };
    let mut lines = vec![format!("  {}", printable(path, MAX_SHOWN))];
    for (mark, text) in [('-', old), ('+', new)] {
        let Some(text) = text else { continue };
        // Each line has its mark, so that no text can look like a line of ours.
        lines.extend(
            cut(&text)
                .split('\n')
                .map(|line| format!("  {mark} {line}")),
        );
    }
    lines
}

/// Everything but line breaks made safe.
fn safe(text: &str) -> String {
    let lines: Vec<String> = text
        .split('\n')
        .map(|line| printable(line, usize::MAX))
        .collect();
    lines.join("\n")
}

/// Both texts, with `[-what went-]` and `{+what came+}`.
fn marked(old: &str, new: &str, until: Instant) -> (String, String) {
    let diff = TextDiff::configure().deadline(until).diff_words(old, new);
    let mut runs: Vec<(ChangeTag, String)> = Vec::new();
    for change in diff.iter_all_changes() {
        match runs.last_mut() {
            Some((tag, text)) if *tag == change.tag() => text.push_str(change.value()),
            _ => runs.push((change.tag(), change.value().to_owned())),
        }
    }
    let (mut before, mut after) = (String::new(), String::new());
    for (tag, text) in runs {
        match tag {
            ChangeTag::Delete => {
                let _ = write!(before, "[-{text}-]");
            }
            ChangeTag::Insert => {
                let _ = write!(after, "{{+{text}+}}");
            }
            ChangeTag::Equal => {
                let text = shortened(&text);
                before.push_str(&text);
                after.push_str(&text);
            }
        }
    }
    (before, after)
}

/// A text that is the same on both sides, without most of its middle.
fn shortened(text: &str) -> String {
    let characters: Vec<char> = text.chars().collect();
    if characters.len() <= 3 * CONTEXT {
        return text.to_owned();
    }
    let (head, rest) = characters.split_at(CONTEXT);
    let (middle, tail) = rest.split_at(rest.len() - CONTEXT);
    format!(
        "{} …({} characters that are the same)… {}",
        head.iter().collect::<String>(),
        middle.len(),
        tail.iter().collect::<String>()
    )
}

fn cut(text: &str) -> String {
    let length = text.chars().count();
    if length <= MAX_SHOWN {
        return text.to_owned();
    }
    let shown: String = text.chars().take(MAX_SHOWN).collect();
    format!(
        "{shown} …\nNOT SHOWN: {} more characters; --json has all of them",
        length - MAX_SHOWN
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(old: &str, new: &str) -> String {
        difference(Some(old.as_bytes()), new.as_bytes(), patience()).join("\n")
    }

    #[test]
    fn one_letter_is_marked_and_the_rest_is_left_out() {
        assert_eq!(
            shown(
                r#"{"name":"a","description":"Echoes the message back","b":{"c":[1]}}"#,
                r#"{"name":"a","description":"Echoes the massage back","b":{"c":[1]}}"#
            ),
            "  description\n  - \"Echoes the [-message-] back\"\n  + \"Echoes the {+massage+} back\""
        );
    }

    #[test]
    fn parts_come_go_and_change_their_kind() {
        assert_eq!(
            shown(
                r#"{"a":1,"b":[],"c":{"x.y":2}}"#,
                r#"{"a":"1","c":{"x":{"y":2}}}"#
            ),
            "  a\n  - [-1-]\n  + {+\"1\"+}\n  b\n  - []\n  c.x.y\n  + 2\n  c[\"x.y\"]\n  - 2"
        );
        assert_eq!(shown(r#"{"a":1}"#, r#"{"a":1}"#), "");
    }

    #[test]
    fn without_the_old_text_all_of_the_new_one_is_shown() {
        let lines = difference(None, br#"{"name":"a","description":"x"}"#, patience());
        assert_eq!(
            lines.join("\n"),
            "  description\n  + \"x\"\n  name\n  + \"a\""
        );
        let lines = difference(Some(b"be kind"), b"be\nrude", patience());
        assert_eq!(
            lines.join("\n"),
            "  instructions\n  - be[- kind-]\n  + be{+\n  + rude+}"
        );
    }

    #[test]
    fn no_text_can_command_the_terminal_or_forge_a_line() {
        let lines = difference(
            Some(br#"{"d":"x"}"#),
            r#"{"d":"x\u001b[2J\r\n  - old\u202e","\u001b[31m":1}"#.as_bytes(),
            patience(),
        );
        let text = lines.join("\n");
        assert!(!text.contains(['\u{1b}', '\r', '\u{202e}']), "{text}");
        assert!(
            text.contains("\\x1b[2J\\x0d") && text.contains("\\u{202e}"),
            "{text}"
        );
        assert!(lines.iter().all(|line| line.starts_with("  ")), "{text}");
        assert!(
            lines.iter().any(|line| line.starts_with("  +   - old")),
            "{text}"
        );
    }

    #[test]
    fn what_is_the_same_is_shortened_and_what_changed_never_is() {
        let same = "word ".repeat(400);
        let text = shown(
            &format!(r#"{{"d":"{same}end"}}"#),
            &format!(r#"{{"d":"{same}and send it to me"}}"#),
        );
        assert!(text.contains("characters that are the same"), "{text}");
        assert!(text.contains("{+and send it to me\"+}"), "{text}");
        assert!(text.len() < 1500, "{}", text.len());
        let long = difference(
            None,
            format!(r#"{{"d":"{}"}}"#, "x".repeat(MAX_SHOWN)).as_bytes(),
            patience(),
        );
        assert!(
            long.join("\n").contains("NOT SHOWN: 2 more"),
            "{}",
            long.len()
        );
    }

    /// What a server would have to say to keep a review from ever being shown, or to fill the
    /// memory with ways: 100 KB before each of 50 000 elements.
    #[test]
    fn a_definition_that_would_be_too_many_parts_is_one_text() {
        let far = |key: &str, last: &str| format!(r#"{{"{key}":[{}{last}]}}"#, "0,".repeat(50_000));
        let old = r#"{"description":"kind"}"#;
        for key in ["k".repeat(100_000), "k".repeat(MAX_TAKEN_APART)] {
            let text = shown(old, &far(&key, "1"));
            assert!(text.starts_with("  all of it\n  - "), "{}", &text[..200]);
            assert!(
                text.contains("kind") && text.contains("NOT SHOWN"),
                "{}",
                text.len()
            );
            // What differs there is not lost.
            let text = shown(&far(&key, "1"), &far(&key, "2"));
            assert!(text.contains("all of it"), "{}", text.len());
        }
        // The control: a short key before as many.
        let text = shown(&far("k", "1"), &far("k", "2"));
        assert_eq!(text, "  k[50000]\n  - [-1-]\n  + {+2+}");
    }

    #[test]
    fn without_time_all_that_differs_is_shown_all_the_same() {
        let many = |word: &str| {
            let parts =
                (0..200).map(|n| format!(r#""p{n:03}":"{}""#, format!("{word}{n} ").repeat(40)));
            format!("{{{}}}", parts.collect::<Vec<_>>().join(","))
        };
        let past = Instant::now();
        let lines = difference(Some(many("old").as_bytes()), many("new").as_bytes(), past);
        let text = lines.join("\n");
        for n in 0..200 {
            assert!(
                text.contains(&format!("old{n} ")) && text.contains(&format!("new{n} ")),
                "{n}"
            );
        }
    }
}
