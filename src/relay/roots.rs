//! The client's roots as the server sees them: what they have in common with the folders that
//! the manifest grants.
//!
//! A root that lies in a granted folder (or is one) stays, with its name. A root above granted
//! folders is replaced by these, without a name: the box holds nothing else of it. All others
//! go, and with them everything in a root but `uri` and `name`. Paths are compared as text; a
//! grant is known by the path as written and by the one with its links resolved.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::event::Event;
use super::json::{Object, Value};
use super::strict::write_string;

const SCHEME: &str = "file://";

/// What became of a list of roots.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Reduced {
    /// The object with its `roots` replaced.
    pub(super) object: Vec<u8>,
    pub(super) given: usize,
    pub(super) told: usize,
}

impl Reduced {
    /// What is to be said of it, if anything changed.
    pub(super) fn event(&self, original: Object<'_>) -> Option<Event> {
        (self.object != original.raw()).then_some(Event::RootsReduced {
            given: self.given,
            told: self.told,
        })
    }
}

/// `None` when `object` has no array `roots`.
pub(super) fn reduce(object: Object<'_>, granted: &[PathBuf]) -> Option<Reduced> {
    let roots = object.find("roots")?.as_array()?;
    let mut told: Vec<Vec<u8>> = Vec::new();
    let mut seen = BTreeSet::new();
    let mut given = 0;
    for root in roots {
        given += 1;
        let Some((uri, path, name)) = read(root) else {
            continue;
        };
        if granted.iter().any(|folder| path.starts_with(folder)) {
            if seen.insert(path) {
                told.push(written(&uri, name));
            }
            continue;
        }
        for folder in granted.iter().filter(|folder| folder.starts_with(&path)) {
            if seen.insert(folder.clone()) {
                told.push(written(&uri_of(folder), None));
            }
        }
    }
    let list = [&b"["[..], &told.join(&b','), b"]"].concat();
    Some(Reduced {
        object: object.with("roots", &list),
        given,
        told: told.len(),
    })
}

/// URI, path and name of a root that is a file or folder of this machine.
fn read(root: Value<'_>) -> Option<(String, PathBuf, Option<Value<'_>>)> {
    let root = root.as_object()?;
    let uri = root.find("uri")?.as_text()?.into_owned();
    let path = path_of(&uri)?;
    let name = root.find("name").filter(|name| name.as_text().is_some());
    Some((uri, path, name))
}

/// The path of a `file` URI (RFC 8089): of this host, absolute, without `.`, `..` and NUL.
fn path_of(uri: &str) -> Option<PathBuf> {
    let (scheme, rest) = uri.split_at_checked(SCHEME.len())?;
    if !scheme.eq_ignore_ascii_case(SCHEME) || rest.contains(['?', '#']) {
        return None;
    }
    let path = rest.strip_prefix("localhost").unwrap_or(rest);
    if !path.starts_with('/') {
        return None;
    }
    let mut plain = PathBuf::from("/");
    for segment in path.split('/').filter(|segment| !segment.is_empty()) {
        let segment = decode(segment)?;
        if matches!(segment.as_str(), "." | "..") || segment.contains(['/', '\0']) {
            return None;
        }
        plain.push(segment);
    }
    Some(plain)
}

fn decode(segment: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        if *first == b'%' {
            let code = std::str::from_utf8(after.get(..2)?).ok()?;
            if !code.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                return None;
            }
            bytes.push(u8::from_str_radix(code, 16).ok()?);
            rest = after.get(2..)?;
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    String::from_utf8(bytes).ok()
}

fn uri_of(path: &Path) -> String {
    let mut uri = SCHEME.to_owned();
    for byte in path.as_os_str().as_encoded_bytes() {
        if byte.is_ascii_alphanumeric() || b"/-._~".contains(byte) {
            uri.push(char::from(*byte));
        } else {
            uri.push_str(&format!("%{byte:02X}"));
        }
    }
    uri
}

fn written(uri: &str, name: Option<Value<'_>>) -> Vec<u8> {
    let mut root = b"{\"uri\":".to_vec();
    write_string(&mut root, uri);
    if let Some(name) = name {
        root.extend_from_slice(b",\"name\":");
        root.extend_from_slice(name.raw());
    }
    root.push(b'}');
    root
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::strict::CanonicalLine;

    fn told(roots: &str, granted: &[&str]) -> String {
        let line = format!("{{\"roots\":{roots}}}");
        let line = CanonicalLine::read(line.as_bytes(), 1 << 16).unwrap();
        let granted: Vec<PathBuf> = granted.iter().map(PathBuf::from).collect();
        let reduced = reduce(line.root(), &granted).unwrap();
        String::from_utf8(reduced.object).unwrap()
    }

    #[test]
    fn roots_in_granted_folders_stay_with_their_names() {
        assert_eq!(
            told(
                r#"[{"uri":"file:///projects/a","name":"A","_meta":{"x":1}},{"uri":"file:///home/me","name":"secret"},{"uri":"file:///projects"},{"uri":"file:///projects/a"},{"uri":"file:///workshop"}]"#,
                &["/projects"]
            ),
            r#"{"roots":[{"uri":"file:///projects/a","name":"A"},{"uri":"file:///projects"}]}"#
        );
        assert_eq!(
            told(
                r#"[{"uri":"file:///projects/a%20b/"},{"uri":"FILE://localhost/projects/c"}]"#,
                &["/projects"]
            ),
            r#"{"roots":[{"uri":"file:///projects/a%20b/"},{"uri":"FILE://localhost/projects/c"}]}"#
        );
        assert_eq!(
            told(r#"[{"uri":"file:///projects"}]"#, &[]),
            r#"{"roots":[]}"#
        );
    }

    #[test]
    fn a_root_above_granted_folders_becomes_these() {
        assert_eq!(
            told(
                r#"[{"uri":"file:///home/me","name":"home"},{"uri":"file:///home/me/src/x"}]"#,
                &["/home/me/src", "/home/me/a b%", "/srv"]
            ),
            r#"{"roots":[{"uri":"file:///home/me/src"},{"uri":"file:///home/me/a%20b%25"},{"uri":"file:///home/me/src/x"}]}"#
        );
    }

    #[test]
    fn what_is_no_folder_of_this_machine_goes() {
        for uri in [
            "https://example.com/projects",
            "file://evil/projects",
            "file://projects",
            "file:/projects",
            "file:///projects/../home",
            "file:///projects/%2e%2e/home",
            "file:///projects/a%2fb",
            "file:///projects/%00",
            "file:///projects/%zz",
            "file:///projects/%+1",
            "file:///projects/%4",
            "file:///projects/%ff",
            "file:///projects?x",
            "file:///projects#x",
            "é",
            "",
        ] {
            let roots = format!("[{{\"uri\":\"{uri}\"}}]");
            assert_eq!(told(&roots, &["/projects"]), r#"{"roots":[]}"#, "{uri}");
        }
        for root in [
            "1",
            "{}",
            r#"{"uri":1}"#,
            r#"{"URI":"file:///projects"}"#,
            "[]",
        ] {
            assert_eq!(
                told(&format!("[{root}]"), &["/projects"]),
                r#"{"roots":[]}"#
            );
        }
        let line = CanonicalLine::read(br#"{"roots":{}}"#, 100).unwrap();
        assert_eq!(reduce(line.root(), &[]), None);
    }

    #[test]
    fn a_name_that_is_not_a_text_is_left_out() {
        assert_eq!(
            told(
                r#"[{"uri":"file:///projects","name":{"x":1}}]"#,
                &["/projects"]
            ),
            r#"{"roots":[{"uri":"file:///projects"}]}"#
        );
    }
}
