//! Keys that some parsers take for a key we route on, although they are other keys.
//!
//! Go's `encoding/json` matches names after Unicode case folding (CVE-2026-27896 in the Go
//! SDK), an older release of it also ignored NUL characters at the end of a name
//! (GHSA-q382-vc8q-7jhj), readers in C end a name at its first NUL (cJSON, which ignores case,
//! too), and case-insensitive readers exist in Java and C#. A message that holds `Method`
//! beside `method` has two readings, so it has none here.

use super::errors::Refusal;
use super::json::{Object, unescape};

/// The keys by which this room, a client or a server decides what a message is and does.
const ROUTED: [&str; 41] = [
    "jsonrpc",
    "id",
    "method",
    "params",
    "result",
    "error",
    "name",
    "arguments",
    "tools",
    "cursor",
    "nextCursor",
    "_meta",
    "inputRequests",
    "inputResponses",
    "requestState",
    "resultType",
    "task",
    "requestId",
    "progressToken",
    "protocolVersion",
    "supportedVersions",
    "capabilities",
    "instructions",
    "clientInfo",
    "serverInfo",
    "notifications",
    "resources",
    "resourceTemplates",
    "prompts",
    "uri",
    "url",
    "ref",
    "roots",
    "mode",
    "includeContext",
    "io.modelcontextprotocol/logLevel",
    "io.modelcontextprotocol/related-task",
    "io.modelcontextprotocol/protocolVersion",
    "io.modelcontextprotocol/clientCapabilities",
    "io.modelcontextprotocol/clientInfo",
    "io.modelcontextprotocol/serverInfo",
];

/// More of them inside an error.
pub(super) const ROUTED_IN_ERRORS: [&str; 3] = ["code", "message", "data"];

/// More of them inside a tool definition: what the model reads and the user reviews.
pub(super) const ROUTED_IN_TOOLS: [&str; 7] = [
    "title",
    "description",
    "inputSchema",
    "outputSchema",
    "annotations",
    "icons",
    "execution",
];

/// More of them in the state of a task, and in a request about one.
pub(super) const ROUTED_IN_TASKS: [&str; 3] = ["taskId", "status", "ttl"];

/// Longer than any routed key; a longer folded key equals none of them.
const LONGEST: usize = 64;

/// Refuses `object` when one of its own keys can be taken for a routed key, or for one of
/// `more`, without being byte-identical to it. Objects inside it are not looked at.
pub(super) fn refuse_confusing_keys(
    object: Object<'_>,
    more: &[&'static str],
) -> Result<(), Refusal> {
    for member in object.members() {
        refuse_confusing_key(member.raw_key, more)?;
    }
    Ok(())
}

/// As [`refuse_confusing_keys`], for one key as it is written.
pub(super) fn refuse_confusing_key(raw_key: &[u8], more: &[&'static str]) -> Result<(), Refusal> {
    let mut routed = ROUTED.iter().chain(more);
    if is_plain(raw_key) {
        // Of the same length: a look at the others would take longer than all the rest.
        let confused = routed.find(|routed| {
            routed.len() == raw_key.len()
                && raw_key != routed.as_bytes()
                && raw_key.eq_ignore_ascii_case(routed.as_bytes())
        });
        return confused.map_or(Ok(()), |routed| Err(Refusal::ConfusingKey { routed }));
    }
    let key = unescape(raw_key).unwrap_or_default();
    let cut = key.split_once('\0').map(|(before, _)| fold(before));
    let key = fold(&key);
    let is_taken_for = |routed: &&&str| {
        raw_key != routed.as_bytes()
            && (key.eq_ignore_ascii_case(routed)
                || cut
                    .as_ref()
                    .is_some_and(|cut| cut.eq_ignore_ascii_case(routed)))
    };
    match routed.find(is_taken_for) {
        Some(routed) => Err(Refusal::ConfusingKey { routed }),
        None => Ok(()),
    }
}

/// ASCII without escapes: folding it is ignoring ASCII case.
fn is_plain(raw_key: &[u8]) -> bool {
    raw_key.iter().all(|byte| byte.is_ascii() && *byte != b'\\')
}

/// `key` without NUL characters, case folded in the widest way any parser is known to use:
/// upper case, then lower case (which brings ſ to s, K to k), and the dotted and the
/// dotless i of Turkish to i, as Java's `equalsIgnoreCase` does.
pub(super) fn fold(key: &str) -> String {
    let mut folded = String::new();
    for character in key.chars().filter(|character| *character != '\0') {
        match character {
            'İ' | 'ı' => folded.push('i'),
            _ => folded.extend(character.to_uppercase().flat_map(char::to_lowercase)),
        }
        if folded.len() > LONGEST {
            break;
        }
    }
    folded
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::strict::CanonicalLine;

    fn check(key: &str) -> Result<(), Refusal> {
        let line = format!("{{\"a\":1,\"{key}\":2}}");
        let line = CanonicalLine::read(line.as_bytes(), 4096).unwrap();
        refuse_confusing_keys(line.root(), &ROUTED_IN_ERRORS)
    }

    #[test]
    fn the_routed_keys_and_ordinary_keys_are_fine() {
        for key in ROUTED.into_iter().chain(ROUTED_IN_ERRORS) {
            assert_eq!(check(key), Ok(()), "{key}");
        }
        for key in [
            "",
            "ids",
            "i d",
            "nom",
            "größe",
            "мethod",
            "structuredContent",
            "x\\u0000",
        ] {
            assert_eq!(check(key), Ok(()), "{key}");
        }
    }

    #[test]
    fn keys_that_fold_to_a_routed_key_are_refused() {
        for (key, routed) in [
            ("Method", "method"),
            ("METHOD", "method"),
            ("method\\u0000", "method"),
            ("\\u0000i\\u0000d", "id"),
            ("name\\u0000x", "name"),
            ("Name\\u0000\\u0000x", "name"),
            ("paramſ", "params"),
            ("reſult", "result"),
            ("taſ\u{212a}", "task"),
            ("TOO\\u212aS", "tooks"),
            ("NextCursor", "nextCursor"),
            ("nextcursor", "nextCursor"),
            ("ıd", "id"),
            ("İD", "id"),
            ("Code", "code"),
            (
                "IO.modelcontextprotocol/clientCapabilities",
                "io.modelcontextprotocol/clientCapabilities",
            ),
        ] {
            let expected = if routed == "tooks" {
                Ok(())
            } else {
                Err(Refusal::ConfusingKey { routed })
            };
            assert_eq!(check(key), expected, "{key}");
        }
    }

    #[test]
    fn very_long_keys_are_not_routed() {
        assert_eq!(check(&"Ä".repeat(500)), Ok(()));
        // NUL characters don't count, however many there are.
        assert!(check(&format!("id{}", "\\u0000".repeat(300))).is_err());
    }
}
