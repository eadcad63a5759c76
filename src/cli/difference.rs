//! Two definitions for a person to compare: which parts of them differ, and in which words.
//! Pure. Whatever could command a terminal is written out.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use serde_json::Value;
use similar::{ChangeTag, TextDiff};

use crate::lockfile::printable;

/// Longest text of one part that is shown, in characters.
const MAX_SHOWN: usize = 20_000;
/// Of words that are the same on both sides, this many characters are shown at either end.
const CONTEXT: usize = 120;
/// After which a comparison becomes a coarse one.
const PATIENCE: Duration = Duration::from_secs(2);

/// Lines that show `new`, beside `old` where that is known. A definition is an object in
/// JSON; anything else is shown as a text.
pub(super) fn difference(old: Option<&[u8]>, new: &[u8]) -> Vec<String> {
    let (old, new) = (old.map(parts), parts(new));
    let Some(old) = old else {
        let all = new.iter();
        return all
            .flat_map(|(path, text)| part(path, None, Some(text)))
            .collect();
    };
    let mut paths: Vec<&String> = old.keys().chain(new.keys()).collect();
    paths.sort();
    paths.dedup();
    paths
        .into_iter()
        .filter(|path| old.get(*path) != new.get(*path))
        .flat_map(|path| part(path, old.get(path), new.get(path)))
        .collect()
}

/// The values in a definition, each with the way to it.
fn parts(definition: &[u8]) -> BTreeMap<String, String> {
    let mut parts = BTreeMap::new();
    match serde_json::from_slice(definition) {
        Ok(Value::Object(members)) => collect(&Value::Object(members), String::new(), &mut parts),
        _ => {
            let text = String::from_utf8_lossy(definition).into_owned();
            parts.insert("instructions".to_owned(), text);
        }
    }
    parts
}

fn collect(value: &Value, path: String, parts: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(members) if !members.is_empty() => {
            for (key, value) in members {
                collect(value, below(&path, key), parts);
            }
        }
        Value::Array(elements) if !elements.is_empty() => {
            for (index, value) in elements.iter().enumerate() {
                collect(value, format!("{path}[{index}]"), parts);
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

fn part(path: &str, old: Option<&String>, new: Option<&String>) -> Vec<String> {
    let (old, new) = (old.map(|text| safe(text)), new.map(|text| safe(text)));
    let (old, new) = match (&old, &new) {
        (Some(old), Some(new)) => {
            let (old, new) = marked(old, new);
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
fn marked(old: &str, new: &str) -> (String, String) {
    let diff = TextDiff::configure().timeout(PATIENCE).diff_words(old, new);
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
        difference(Some(old.as_bytes()), new.as_bytes()).join("\n")
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
        let lines = difference(None, br#"{"name":"a","description":"x"}"#);
        assert_eq!(
            lines.join("\n"),
            "  description\n  + \"x\"\n  name\n  + \"a\""
        );
        let lines = difference(Some(b"be kind"), b"be\nrude");
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
        );
        assert!(
            long.join("\n").contains("NOT SHOWN: 2 more"),
            "{}",
            long.len()
        );
    }
}
