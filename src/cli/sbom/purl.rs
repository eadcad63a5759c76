//! Package URLs, as <https://github.com/package-url/purl-spec> has them. Pure.

use std::fmt::Write as _;

/// What the lock has for the version of a file that has none.
const ABSENT: &str = "absent";

/// The package URL of something from a source of this kind (`npm`, `pypi`, or another word).
pub(super) fn of(kind: &str, name: &str, version: &str, download: Option<&str>) -> String {
    let version = match version {
        ABSENT => String::new(),
        version => format!("@{}", encoded(version)),
    };
    match kind {
        "npm" => match name.split_once('/') {
            Some((scope, name)) => {
                format!("pkg:npm/{}/{}{version}", encoded(scope), encoded(name))
            }
            None => format!("pkg:npm/{}{version}", encoded(name)),
        },
        // Names there are compared without case, and `_` is `-`.
        "pypi" => {
            let name = name.to_ascii_lowercase().replace('_', "-");
            format!("pkg:pypi/{}{version}", encoded(&name))
        }
        _ => {
            // The slash separates nothing in a qualifier, and stays.
            let place =
                download.map(|url| format!("?download_url={}", encoded(url).replace("%2F", "/")));
            format!(
                "pkg:generic/{}{version}{}",
                encoded(name),
                place.unwrap_or_default()
            )
        }
    }
}

/// Percent-encoding of everything but what RFC 3986 never has to encode, and `:`, which the
/// specification wants as it is.
fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~:".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_the_specification_has_them() {
        for (kind, name, version, expected) in [
            ("npm", "foobar", "12.3.1", "pkg:npm/foobar@12.3.1"),
            (
                "npm",
                "@angular/animation",
                "12.3.1",
                "pkg:npm/%40angular/animation@12.3.1",
            ),
            ("npm", "x", "1.0.0+b", "pkg:npm/x@1.0.0%2Bb"),
            (
                "pypi",
                "Django_Thing",
                "1.11.1",
                "pkg:pypi/django-thing@1.11.1",
            ),
            ("https", "a b/c", "1", "pkg:generic/a%20b%2Fc@1"),
        ] {
            assert_eq!(of(kind, name, version, None), expected);
        }
        assert_eq!(
            of("https", "tool", "1", Some("https://host.example/a?b")),
            "pkg:generic/tool@1?download_url=https://host.example/a%3Fb"
        );
        assert_eq!(of("https", "tool", "absent", None), "pkg:generic/tool");
    }
}
