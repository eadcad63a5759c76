//! The names of sessions: `SERVER@CODE`. The code is drawn at random, so that a name in the audit log
//! means one session also when the daemon was started anew, and short, because people type it.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};

/// Digits and letters, without those that are taken for each other (`0o 1il`).
const ALPHABET: &[u8; 31] = b"23456789abcdefghjkmnpqrstuvwxyz";
/// 27 thousand million codes for each server.
const LENGTH: usize = 7;

/// A name for a session of this server. No name of a server has an `@`.
pub(super) fn new_id(server: &str) -> String {
    // The standard library's hasher keys differ at every call.
    let mut rest = RandomState::new().build_hasher().finish();
    let mut id = format!("{server}@");
    for _ in 0..LENGTH {
        let place = usize::try_from(rest % 31).unwrap_or_default();
        id.push(char::from(ALPHABET[place]));
        rest /= 31;
    }
    id
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_short_and_differ() {
        let ids: BTreeSet<String> = (0..1000).map(|_| new_id("files")).collect();
        // A thousand have two alike once in 55 000 runs.
        assert!(ids.len() >= 999, "{}", ids.len());
        for id in &ids {
            let code = id.strip_prefix("files@").unwrap();
            assert_eq!(code.len(), LENGTH);
            assert!(code.bytes().all(|byte| ALPHABET.contains(&byte)), "{id}");
        }
        // Each place takes different values.
        for place in "files@".len().."files@".len() + LENGTH {
            let seen: BTreeSet<u8> = ids.iter().map(|id| id.as_bytes()[place]).collect();
            assert!(seen.len() > 20, "{place}: {seen:?}");
        }
    }
}
