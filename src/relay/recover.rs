//! Best effort: whose answer was a line that the relay refused?
//!
//! Only used to tell the client that no answer will come, so that it does not wait for
//! ever. A server that plays with this can only fail its own answers.

use super::json::Value;
use super::message::Id;
use super::strict::CanonicalLine;

/// How much of the start of an over-long line is looked at.
pub(super) const HEAD: usize = 64 * 1024;
/// How much of its end is kept: the TypeScript SDK writes `id` last.
pub(super) const TAIL: usize = 4 * 1024;

/// The id at the root of `line`, which may be cut off or not JSON at all. `None` when the
/// line names a method (then it is no answer), and when two ids are seen.
pub(super) fn answered_id(line: &[u8]) -> Option<Id> {
    let mut found = None;
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(byte) = line.get(at) {
        match byte {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    break;
                }
            }
            b'"' => {
                let Some(end) = string_end(line, at) else {
                    break;
                };
                let text = line.get(at + 1..end - 1)?;
                at = end;
                if depth == 1 {
                    let rest = after_colon(line.get(end..)?);
                    match (text, rest) {
                        (b"method", Some(_)) => return None,
                        (b"id", Some(_)) if found.is_some() => return None,
                        (b"id", Some(rest)) => found = Some(scalar_id(rest)?),
                        _ => {}
                    }
                }
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    found
}

/// The id at the very end of an over-long line: `… "id":7}`. The last brace of a JSON text
/// closes its root, so a member right before it belongs to the root.
pub(super) fn answered_id_at_end(tail: &[u8]) -> Option<Id> {
    let tail = tail.trim_ascii_end().strip_suffix(b"}")?;
    let key = memchr::memmem::rfind(tail, b"\"id\"")?;
    // After a backslash the quote is text inside a string.
    if !matches!(tail.get(key.checked_sub(1)?), Some(b',' | b'{' | b' ')) {
        return None;
    }
    let value = after_colon(tail.get(key + 4..)?)?.trim_ascii();
    let id = scalar_id(value)?;
    let mut written = Vec::new();
    id.write(&mut written);
    (written == value).then_some(id)
}

fn after_colon(rest: &[u8]) -> Option<&[u8]> {
    rest.trim_ascii_start()
        .strip_prefix(b":")
        .map(<[u8]>::trim_ascii_start)
}

/// The id that `rest` starts with.
fn scalar_id(rest: &[u8]) -> Option<Id> {
    let end = match rest.first()? {
        b'"' => string_end(rest, 0)?,
        _ => rest
            .iter()
            .position(|byte| b",} \t\r]".contains(byte))
            .unwrap_or(rest.len()),
    };
    // Through the strict reader, so that an id is an id here too.
    let mut line = b"{\"id\":".to_vec();
    line.extend_from_slice(rest.get(..end)?);
    line.push(b'}');
    let line = CanonicalLine::read(&line, HEAD + TAIL).ok()?;
    line.root()
        .find("id")
        .and_then(|value: Value<'_>| Id::read(value).ok())
}

fn string_end(bytes: &[u8], at: usize) -> Option<usize> {
    let mut at = at + 1;
    loop {
        match bytes.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_of_an_answer_is_found() {
        for line in [
            &br#"{"jsonrpc":"2.0","id":7,"result":{"id":8,"x":[{"id":9}]}}"#[..],
            br#"{"result":{"id":8},"jsonrpc":"2.0","id": 7 }"#,
            br#"{"id":7,"result":{"text":"cut off he"#,
            b"{\"id\":7,\"result\":{\"text\":\"\xff\"}}",
            br#"{"id":7,"result":{"a":1,"a":2}}"#,
            br#"{"x":"\"id\":3","id":7,"result":{}}"#,
        ] {
            assert_eq!(
                answered_id(line),
                Some(Id::Number(7)),
                "{}",
                line.escape_ascii()
            );
        }
        assert_eq!(
            answered_id(br#"{"id":"a\u0062","result":1}"#),
            Some(Id::Text("ab".into()))
        );
    }

    #[test]
    fn no_id_is_made_up() {
        for line in [
            &b""[..],
            b"Listening on stdio, \"id\": 7",
            br#"{"method":"x","id":7}"#,
            br#"{"id":7,"method":"x"}"#,
            br#"{"id":7,"id":8,"result":{}}"#,
            br#"{"id":null,"result":{}}"#,
            br#"{"id":1.5,"result":{}}"#,
            br#"{"result":{"id":7}}"#,
            br#"[{"id":7,"result":{}}]"#,
            br#"{"result":"id","x":7}"#,
        ] {
            assert_eq!(answered_id(line), None, "{}", line.escape_ascii());
        }
    }

    #[test]
    fn the_id_at_the_end_of_a_long_line_is_found() {
        let found = |tail: &[u8]| answered_id_at_end(tail);
        assert_eq!(
            found(br#"xxxx"}]},"jsonrpc":"2.0","id":7}"#),
            Some(Id::Number(7))
        );
        assert_eq!(
            found(br#"xxxx"}]}, "id" : "a" } "#),
            Some(Id::Text("a".into()))
        );
        assert_eq!(found(br#"xxxx"}]},"id":7}}"#), None);
        assert_eq!(found(br#"xx\"id\":7}"#), None);
        assert_eq!(found(br#"xx,\"id":7}"#), None);
        assert_eq!(found(br#"xx,"id":7,"x":1}"#), None);
        assert_eq!(found(b"\"id\":7"), None);
    }
}
