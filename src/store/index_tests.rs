//! Indexes that were written by us, damaged, and made to deceive.

use super::entry::{Entry, Kind};
use super::index::{Draft, Index, encode};
use super::record::{Content, Folder, Record, TreeDigest, tree_digest};
use super::stamp::Stamp;
use crate::lockfile::Digest;

const HEADING: &[u8] = b"pinfold-index-v2\n";

fn stamp(inode: u64, size: u64) -> Stamp {
    Stamp {
        inode,
        size,
        modified: -1,
        changed: 40,
    }
}

fn file(path: &str, inode: u64) -> Record {
    let (size, sha256) = (3, Digest::of(b"abc"));
    Record {
        path: path.into(),
        content: Content::File {
            executable: path == "b/x",
            size,
            sha256,
        },
        stamp: stamp(inode, size),
    }
}

fn folder(path: &str, inode: u64) -> Folder {
    Folder {
        path: path.into(),
        stamp: stamp(inode, 0),
    }
}

/// In the order of their paths, which is not the order of a walk: `b.js` is before `b/x`.
fn records() -> Vec<Record> {
    let target = b"b".to_vec();
    vec![
        Record {
            path: b"a".to_vec(),
            content: Content::EmptyFolder,
            stamp: stamp(1, 0),
        },
        file("a-file", 2),
        file("b.js", 3),
        file("b/c/d", 5),
        file("b/x", 6),
        Record {
            path: b"c\xff".to_vec(),
            content: Content::Symlink { target },
            stamp: stamp(7, 0),
        },
    ]
}

fn folders() -> [Folder; 3] {
    [folder("b/c", 8), folder("", 9), folder("b", 10)]
}

fn bytes() -> Vec<u8> {
    encode(42, &records(), &folders()).unwrap()
}

fn entries(index: &Index) -> Vec<Entry<'_>> {
    let mut found = Vec::new();
    for part in index.parts() {
        let mut entries = index.entries_of(part).unwrap();
        while !entries.rest.is_empty() {
            found.push(entries.read().unwrap());
        }
    }
    found
}

/// An entry, byte for byte, whether it makes sense or not.
fn raw(kind: u8, depth: u8, name: &[u8], rest: &[u8]) -> Vec<u8> {
    let length = u8::try_from(name.len()).unwrap();
    let mut bytes = [&[kind, depth, length], name, b"\0"].concat();
    bytes.extend_from_slice(&[1; 24]);
    bytes.extend_from_slice(rest);
    bytes
}

fn parse(entries: &[Vec<u8>]) -> Option<Index> {
    Index::parse([HEADING, &entries.concat()].concat())
}

#[test]
fn reads_back_what_was_written() {
    let index = Index::parse(bytes()).unwrap();
    assert_eq!(index.records().unwrap(), records());
    assert_eq!(index.digest().unwrap(), tree_digest(&records()));
    assert_eq!((index.files, index.size), (4, 12));
    let name = |entry: &Entry<'_>| (entry.depth, entry.name.to_bytes().to_vec());
    let walk: Vec<_> = entries(&index).iter().map(name).collect();
    let named = |depth, name: &[u8]| (depth, name.to_vec());
    let expected = [
        named(0, b""),
        named(1, b"a"),
        named(1, b"a-file"),
        named(1, b"b.js"),
        named(1, b"b"),
        named(2, b"c"),
        named(3, b"d"),
        named(2, b"x"),
        named(1, b"c\xff"),
    ];
    assert_eq!(walk, expected);
    let of_folders = |entry: &Entry<'_>| (entry.kind == Kind::Folder).then_some(entry.stamp.inode);
    let inodes: Vec<u64> = entries(&index).iter().filter_map(of_folders).collect();
    assert_eq!(inodes, [9, 10, 8]);
}

#[test]
fn an_empty_tree_has_an_index() {
    let index = Index::parse(encode(42, &[], &[folder("", 1)]).unwrap()).unwrap();
    assert_eq!(index.digest().unwrap(), tree_digest([]));
}

#[test]
fn racy_stamps_are_left_out() {
    let inodes = |clock| -> Vec<u64> {
        let bytes = encode(clock, &records(), &folders()).unwrap();
        let index = Index::parse(bytes).unwrap();
        let inodes = entries(&index)
            .iter()
            .map(|entry| entry.stamp.inode)
            .collect();
        assert_eq!(index.digest().unwrap(), tree_digest(&records()));
        inodes
    };
    assert_eq!(inodes(41), [9, 1, 2, 3, 10, 8, 5, 6, 7]);
    assert_eq!(inodes(40), [0; 9]);
}

#[test]
fn no_damage_makes_it_the_list_of_another_tree() {
    let (good, tree) = (bytes(), tree_digest(&records()));
    for length in 0..good.len() {
        let found = Index::parse(good[..length].to_vec());
        assert!(
            found.is_none_or(|index| index.digest() != Some(tree)),
            "{length}"
        );
    }
    let longer = [good.as_slice(), b"x"].concat();
    assert!(Index::parse(longer).is_none());
    let content = |records: Vec<Record>| -> Vec<(Vec<u8>, Content)> {
        records
            .into_iter()
            .map(|record| (record.path, record.content))
            .collect()
    };
    let mut only_stamps = 0;
    for (at, bit) in (0..good.len()).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
        let mut damaged = good.clone();
        damaged[at] ^= 1 << bit;
        let found = Index::parse(damaged).filter(|index| index.digest() == Some(tree));
        if let Some(found) = found {
            only_stamps += 1;
            assert_eq!(
                content(found.records().unwrap()),
                content(records()),
                "{at}"
            );
        }
    }
    // Nine entries with a stamp of 24 bytes.
    assert_eq!(only_stamps, 9 * 24 * 8);
}

#[test]
fn names_that_hide_a_folder_or_an_entry_are_not_accepted() {
    let size_and_hash = [7; 40];
    let root = || raw(b'd', 0, b"", b"");
    let named = |name: &[u8]| parse(&[root(), raw(b'f', 1, name, &size_and_hash)]);
    // Control: a plain name is accepted; and `a/b` is the path of the same file, in a folder.
    assert!(named(b"ab").is_some());
    for name in ["", ".", "..", "a/b", "/", "a/", "a\0b"] {
        assert!(named(name.as_bytes()).is_none(), "{name:?}");
    }
    let inside = [
        root(),
        raw(b'd', 1, b"a", b""),
        raw(b'f', 2, b"b", &size_and_hash),
    ];
    let inside = parse(&inside).unwrap().records().unwrap();
    assert_eq!(inside[0].path, b"a/b");
}

#[test]
fn a_nul_that_hides_an_entry_is_not_accepted() {
    let record = |path: &str, content| Record {
        path: path.into(),
        content,
        stamp: Stamp::default(),
    };
    let target = b"t".to_vec();
    let two = [
        record("a", Content::Symlink { target }),
        record("b", Content::EmptyFolder),
    ];
    // Control: one link has the digest of a link and a folder, if its target may hold a NUL.
    let mut digest = TreeDigest::default();
    digest.link(b"d b", b"t\0a");
    assert_eq!(digest.finish(), tree_digest(&two));
    let link = |name: &[u8], target: &[u8]| {
        let length = u16::try_from(target.len()).unwrap().to_le_bytes();
        let root = raw(b'd', 0, b"", b"");
        parse(&[root, raw(b'l', 1, name, &[&length, target].concat())])
    };
    assert!(link(b"d b", b"t\0a").is_none());
    assert!(link(b"d b", b"t-a").is_some());
    // The same with a name.
    let mut digest = TreeDigest::default();
    digest.link(b"a\0d b", b"t");
    assert_eq!(digest.finish(), tree_digest(&two));
    assert!(link(b"a\0d b", b"t").is_none());
}

#[test]
fn entries_that_are_in_no_recorded_folder_are_not_accepted() {
    let root = || raw(b'd', 0, b"", b"");
    let inner = |depth| raw(b'd', depth, b"a", b"");
    let empty = |depth| raw(b'e', depth, b"e", b"");
    assert!(parse(&[root(), inner(1), empty(2), empty(1)]).is_some());
    let cases = [
        vec![],
        vec![empty(0)],
        vec![empty(1)],
        vec![raw(b'd', 0, b"a", b""), empty(1)],
        vec![raw(b'd', 1, b"", b""), empty(1)],
        vec![root(), root()],
        vec![root(), empty(2)],
        vec![root(), empty(1), empty(2)],
        // A folder that is not empty on the disk, and that no digest would know of.
        vec![root(), inner(1)],
        vec![root(), inner(1), empty(1)],
        vec![root(), inner(1), inner(1), empty(2)],
    ];
    for case in cases {
        assert!(parse(&case).is_none(), "{case:?}");
    }
}

#[test]
fn a_long_index_has_parts_that_hold_each_entry_once() {
    let mut folders = vec![folder("", 1)];
    let mut all = Vec::new();
    for n in 1000..3000 {
        let path = format!("a/{}/{n}", n / 10);
        if n % 10 == 0 {
            folders.push(folder(path.rsplit_once('/').unwrap().0, n));
        }
        all.push(file(&path, n));
    }
    folders.push(folder("a", 2));
    let index = Index::parse(encode(42, &all, &folders).unwrap()).unwrap();
    assert_eq!(index.digest().unwrap(), tree_digest(&all));
    assert_eq!(index.parts().len(), 5);
    assert_eq!(entries(&index).len(), 2000 + 202);
    for part in index.parts() {
        let first = index.entries_of(part).unwrap().read().unwrap();
        let around = index.folders_around(part).unwrap();
        assert_eq!(around.len(), first.depth);
        assert!(around.iter().all(|entry| entry.kind == Kind::Folder));
        assert!(around.iter().map(|entry| entry.depth).eq(0..first.depth));
    }
}

#[test]
fn what_has_no_such_form_has_no_index() {
    let long = "n".repeat(256);
    assert!(encode(42, &[file(&long, 1)], &[folder("", 1)]).is_none());
    assert!(encode(42, &[file(&long[1..], 1)], &[folder("", 1)]).is_some());
}

#[test]
fn a_draft_that_is_dropped_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("index");
    drop(Draft::begin(folder.path().join("draft")).unwrap());
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
    let draft = Draft::begin(folder.path().join("draft")).unwrap();
    let bytes = draft.encode(&records(), &folders()).unwrap();
    draft.commit(&bytes, &place).unwrap();
    let index = Index::load(&place).unwrap();
    assert_eq!(index.as_bytes(), bytes);
    assert_eq!(index.records().unwrap(), records());
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1);
}
