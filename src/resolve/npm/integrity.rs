//! Published digests in the form of W3C Subresource Integrity: `sha512-` and base64.
//!
//! Only sha512 counts: it is what npm has published since 2017, and sha1, which older entries
//! carry, can be forged.

use base64::Engine as _;

use super::MAX_TEXT;

/// The one sha512 of an integrity string, as `sha512-BASE64`; `None` when there is none, when
/// there are several that differ, or when it is malformed. Options (`?…`) are dropped.
pub fn sha512(text: &str) -> Option<&str> {
    if text.len() > MAX_TEXT {
        return None;
    }
    let mut found = None;
    for part in text.split_ascii_whitespace() {
        let hash = part.split('?').next().unwrap_or_default();
        let Some(encoded) = hash.strip_prefix("sha512-") else {
            continue;
        };
        let digest = base64::engine::general_purpose::STANDARD
            .decode(encoded)
            .ok()?;
        if digest.len() != 64 || found.is_some_and(|earlier| earlier != hash) {
            return None;
        }
        found = Some(hash);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_sha512_is_found_among_others() {
        let good = format!("sha512-{}==", "A".repeat(86));
        let other = format!("sha512-{}B==", "A".repeat(85).replace('A', "C"));
        assert_eq!(sha512(&good), Some(good.as_str()));
        assert_eq!(
            sha512(&format!("sha1-AAAA {good}?opt {good}")),
            Some(good.as_str())
        );
        assert_eq!(sha512("sha1-2jmj7l5rSw0yVb/vlWAYkK/YBwk="), None);
        assert_eq!(sha512(""), None);
        assert_eq!(sha512("sha512-AAAA"), None);
        assert_eq!(sha512("sha512-!"), None);
        assert_eq!(sha512(&format!("{good} {other}")), None);
    }
}
