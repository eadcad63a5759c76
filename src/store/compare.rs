//! Naming what differs between the tree that was locked and the one that is there.
//!
//! Pure. Runs only after the digests were found to differ, so it is about being
//! helpful: every change is named once, at the place where it happened.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;

use super::error::{Difference, What};
use super::record::{Content, Record};
use super::scan::Scan;

/// All differences of `found` from `listing`, sorted by path.
pub(super) fn compare(listing: &[Record], found: &Scan) -> Vec<Difference> {
    let expected = by_path(listing);
    let present = by_path(&found.records);
    let mut differences = of_permissions(found);
    for (path, content) in &present {
        let what = match expected.get(path) {
            Some(expected) => replaced(expected, content),
            None => added(path, content, &expected),
        };
        differences.extend(what.map(|what| difference(path, what)));
    }
    for (path, content) in &expected {
        if !present.contains_key(path) {
            let what = removed(path, content, &present);
            differences.extend(what.map(|what| difference(path, what)));
        }
    }
    for path in &found.special {
        let known = expected.contains_key(path.as_slice()) || is_folder_in(path, &expected);
        differences.retain(|d| d.what != What::Removed || d.path != to_path(path));
        let what = if known {
            What::TypeChanged
        } else {
            What::Added
        };
        differences.push(difference(path, what));
    }
    differences.sort_unstable();
    differences.dedup();
    differences
}

/// What is wrong by itself, when there is no listing to compare with.
pub(super) fn evident(found: &Scan) -> Vec<Difference> {
    let mut differences = of_permissions(found);
    differences.extend(
        found
            .special
            .iter()
            .map(|path| difference(path, What::Added)),
    );
    differences.sort_unstable();
    differences
}

type Contents<'a> = BTreeMap<&'a [u8], &'a Content>;

fn by_path(records: &[Record]) -> Contents<'_> {
    records
        .iter()
        .map(|record| (record.path.as_slice(), &record.content))
        .collect()
}

fn of_permissions(found: &Scan) -> Vec<Difference> {
    found
        .loose
        .iter()
        .map(|path| difference(path, What::ModeChanged))
        .collect()
}

fn replaced(expected: &Content, found: &Content) -> Option<What> {
    use Content::{File, Symlink};
    match (expected, found) {
        (expected, found) if expected == found => None,
        (
            File { size, sha256, .. },
            File {
                size: found_size,
                sha256: found_sha256,
                ..
            },
        ) => {
            let same = (size, sha256) == (found_size, found_sha256);
            Some(if same {
                What::ModeChanged
            } else {
                What::Changed
            })
        }
        (Symlink { .. }, Symlink { .. }) => Some(What::Changed),
        (_, Symlink { .. }) => Some(What::BecameSymlink),
        _ => Some(What::TypeChanged),
    }
}

/// A path that only the tree has.
fn added(path: &[u8], content: &Content, expected: &Contents<'_>) -> Option<What> {
    match (is_folder_in(path, expected), content) {
        (false, _) => Some(What::Added),
        // A folder that lost its content: each file is named as removed.
        (true, Content::EmptyFolder) => None,
        (true, Content::Symlink { .. }) => Some(What::BecameSymlink),
        (true, Content::File { .. }) => Some(What::TypeChanged),
    }
}

/// A path that only the listing has.
fn removed(path: &[u8], content: &Content, present: &Contents<'_>) -> Option<What> {
    if is_folder_in(path, present) {
        // An empty folder that got content (named as added), or a file that became a folder.
        return (*content != Content::EmptyFolder).then_some(What::TypeChanged);
    }
    let below_something_else = path
        .iter()
        .enumerate()
        .filter(|(_, byte)| **byte == b'/')
        .filter_map(|(end, _)| present.get(&path[..end]))
        .any(|content| **content != Content::EmptyFolder);
    (!below_something_else).then_some(What::Removed)
}

/// Whether there is anything below `path`.
fn is_folder_in(path: &[u8], contents: &Contents<'_>) -> bool {
    let below = [path, b"/"].concat();
    let range = (Bound::Included(below.as_slice()), Bound::Unbounded);
    contents
        .range::<[u8], _>(range)
        .next()
        .is_some_and(|(next, _)| next.starts_with(&below))
}

fn difference(path: &[u8], what: What) -> Difference {
    Difference {
        path: to_path(path),
        what,
    }
}

fn to_path(path: &[u8]) -> PathBuf {
    std::ffi::OsString::from_vec(path.to_vec()).into()
}

#[cfg(test)]
mod tests {
    use super::super::stamp::Stamp;
    use super::*;
    use crate::lockfile::Digest;

    fn file(bytes: &[u8]) -> Content {
        Content::File {
            executable: false,
            size: bytes.len() as u64,
            sha256: Digest::of(bytes),
        }
    }

    fn link() -> Content {
        Content::Symlink {
            target: b"x".to_vec(),
        }
    }

    fn records(entries: &[(&str, Content)]) -> Vec<Record> {
        let record = |(path, content): &(&str, Content)| Record {
            path: path.as_bytes().to_vec(),
            content: content.clone(),
            stamp: Stamp::default(),
        };
        entries.iter().map(record).collect()
    }

    fn differences(found: &[(&str, Content)]) -> Vec<(String, What)> {
        let listing = records(&[
            ("a/b", file(b"1")),
            ("a/c", file(b"2")),
            ("e", Content::EmptyFolder),
            ("f", file(b"3")),
            ("l", link()),
        ]);
        let scan = Scan {
            records: records(found),
            ..Scan::default()
        };
        let named = |d: Difference| (d.path.to_str().unwrap().to_owned(), d.what);
        compare(&listing, &scan).into_iter().map(named).collect()
    }

    #[test]
    fn each_change_is_named_once() {
        let empty = || ("e", Content::EmptyFolder);
        let same = [
            ("a/b", file(b"1")),
            ("a/c", file(b"2")),
            empty(),
            ("f", file(b"3")),
            ("l", link()),
        ];
        assert_eq!(differences(&same), []);
        let [b, c, e, f, l] = same;
        let one = |path: &str, what| vec![(path.to_owned(), what)];
        let executable = Content::File {
            executable: true,
            size: 1,
            sha256: Digest::of(b"3"),
        };
        let cases = [
            (
                vec![
                    ("a/b", file(b"x")),
                    c.clone(),
                    e.clone(),
                    f.clone(),
                    l.clone(),
                ],
                one("a/b", What::Changed),
            ),
            (
                vec![
                    b.clone(),
                    c.clone(),
                    e.clone(),
                    ("f", executable),
                    l.clone(),
                ],
                one("f", What::ModeChanged),
            ),
            (
                vec![b.clone(), c.clone(), e.clone(), ("f", link()), l.clone()],
                one("f", What::BecameSymlink),
            ),
            (
                vec![
                    b.clone(),
                    c.clone(),
                    e.clone(),
                    ("f", Content::EmptyFolder),
                    l.clone(),
                ],
                one("f", What::TypeChanged),
            ),
            (
                vec![b.clone(), c.clone(), e.clone(), f.clone()],
                one("l", What::Removed),
            ),
            (
                vec![b.clone(), e.clone(), f.clone(), l.clone()],
                one("a/c", What::Removed),
            ),
            (
                vec![
                    b.clone(),
                    c.clone(),
                    e.clone(),
                    f.clone(),
                    l.clone(),
                    ("n", Content::EmptyFolder),
                ],
                one("n", What::Added),
            ),
            (
                vec![("a", link()), e.clone(), f.clone(), l.clone()],
                one("a", What::BecameSymlink),
            ),
            (
                vec![("a", file(b"")), e.clone(), f.clone(), l.clone()],
                one("a", What::TypeChanged),
            ),
            (
                vec![
                    b.clone(),
                    c.clone(),
                    ("e/x", file(b"")),
                    f.clone(),
                    l.clone(),
                ],
                one("e/x", What::Added),
            ),
        ];
        for (found, expected) in cases {
            assert_eq!(differences(&found), expected);
        }
        assert_eq!(
            differences(&[b, c, e, ("f/x", file(b"")), l]),
            [
                ("f".to_owned(), What::TypeChanged),
                ("f/x".to_owned(), What::Added)
            ]
        );
    }
}
