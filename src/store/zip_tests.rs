//! Zip archives that play tricks, and the ordinary ones beside them.
//!
//! Every refusal is seen to leave nothing in the store and nothing beside it;
//! every trick is a small change of an archive that is accepted.

use super::testing::{Home, expected_digest, listing};
use super::zip_testing::{LINK, Member, PROGRAM, deflated, end, with_comment, zip};
use super::{Bounds, Links, Rule, StoreError, ZipRule, read_zip_file};
use crate::lockfile::Digest;

fn unpack(home: &Home, bytes: &[u8], bounds: &Bounds, links: Links) -> Result<Digest, StoreError> {
    let archive = home.archive(bytes);
    let mut builder = home.store.staging()?.tree()?;
    builder.unpack_zip(&archive, "p", bounds, links, &|name| Some(name.to_owned()))?;
    builder.finish()
}

fn failure_within(bytes: &[u8], bounds: &Bounds, links: Links) -> StoreError {
    let home = Home::new();
    home.archive(bytes);
    let before = listing(home.folder.path());
    let error = unpack(&home, bytes, bounds, links).unwrap_err();
    assert_eq!(listing(home.folder.path()), before, "left behind: {error}");
    error
}

fn refusal_within(bytes: &[u8], bounds: &Bounds, links: Links) -> Rule {
    match failure_within(bytes, bounds, links) {
        StoreError::Refused { rule, .. } => rule,
        other => panic!("not a refusal: {other}"),
    }
}

fn refusal(bytes: &[u8]) -> Rule {
    refusal_within(bytes, &Bounds::default(), Links::Inside)
}

/// The rule of the zip format that an archive of `members` breaks.
fn broken(members: &[Member]) -> ZipRule {
    zip_rule(&zip(members))
}

fn zip_rule(bytes: &[u8]) -> ZipRule {
    match refusal(bytes) {
        Rule::Zip(rule) => rule,
        other => panic!("not a rule of the format: {other}"),
    }
}

fn accepted(members: &[Member]) {
    accepted_bytes(&zip(members));
}

fn accepted_bytes(bytes: &[u8]) {
    unpack(&Home::new(), bytes, &Bounds::default(), Links::Inside).unwrap();
}

fn a() -> Member {
    Member::stored("a", "first")
}

fn b() -> Member {
    Member::deflated("d/b", "second second second")
}

#[test]
fn a_good_archive_becomes_a_tree() {
    let members = [
        a(),
        Member::stored("d/", ""),
        b(),
        Member::deflated("empty", ""),
        Member::deflated("d/run", "#!/bin/sh\n").with(PROGRAM | 0o4000 << 16),
        Member::deflated("ü", "utf-8"),
        Member::stored("link", "d/b").with(LINK),
        Member::deflated("streamed", "later").streamed(b"PK\x07\x08"),
        Member::deflated("unsigned", "later").streamed(b""),
    ];
    let home = Home::new();
    let bytes = with_comment(&members, b"a comment");
    let tree = unpack(&home, &bytes, &Bounds::default(), Links::Inside).unwrap();
    let expected = expected_digest(&[
        ("p/a", "first"),
        ("p/d/b", "second second second"),
        ("p/empty", ""),
        ("x p/d/run", "#!/bin/sh\n"),
        ("p/ü", "utf-8"),
        ("p/link", "-> d/b"),
        ("p/streamed", "later"),
        ("p/unsigned", "later"),
    ]);
    assert_eq!(tree, expected);
}

#[test]
fn entries_are_placed_or_left_out() {
    let home = Home::new();
    let archive = home.archive(&zip(&[a(), b()]));
    let mut builder = home.store.staging().unwrap().tree().unwrap();
    let place = |name: &str| name.strip_prefix("d/").map(|rest| format!("lib/{rest}"));
    let bounds = Bounds::default();
    builder
        .unpack_zip(&archive, "", &bounds, Links::Refused, &place)
        .unwrap();
    let expected = expected_digest(&[("lib/b", "second second second")]);
    assert_eq!(builder.finish().unwrap(), expected);

    let place_all_at = |place: &'static str| {
        let mut builder = home.store.staging().unwrap().tree().unwrap();
        let placed = builder.unpack_zip(&archive, "x", &bounds, Links::Refused, &|_| {
            Some(place.to_owned())
        });
        match placed.unwrap_err() {
            StoreError::Refused { rule, .. } => rule,
            other => panic!("{other}"),
        }
    };
    assert_eq!(place_all_at("../y"), Rule::ParentComponent);
    assert_eq!(place_all_at("/y"), Rule::AbsolutePath);
    assert_eq!(place_all_at("y"), Rule::Duplicate);

    // What is left out is still read to its end.
    let damaged = home.archive(&zip(&[a().both(|header| header.crc ^= 1)]));
    let mut builder = home.store.staging().unwrap().tree().unwrap();
    let error = builder
        .unpack_zip(&damaged, "", &bounds, Links::Refused, &|_| None)
        .unwrap_err();
    assert!(error.to_string().contains("checksum"), "{error}");
}

#[test]
fn one_file_can_be_read_by_itself() {
    let home = Home::new();
    let archive = home.archive(&zip(&[a(), b()]));
    let read = |name| read_zip_file(&archive, name, 100, &Bounds::default());
    assert_eq!(read("d/b").unwrap().unwrap(), b"second second second");
    assert_eq!(read("c").unwrap(), None);
    assert_eq!(read("d").unwrap(), None);
    home.archive(&zip(&[a(), b().both(|header| header.crc ^= 1)]));
    read("a").unwrap_err();
}

#[test]
fn one_file_can_not_be_longer_than_is_asked_for() {
    let home = Home::new();
    let archive = home.archive(&zip(&[a(), b()]));
    let read = |limit| read_zip_file(&archive, "d/b", limit, &Bounds::default());
    let length = "second second second".len() as u64;
    assert_eq!(read(length).unwrap().unwrap().len() as u64, length);
    let StoreError::Refused { entry, rule, .. } = read(length - 1).unwrap_err() else {
        panic!("refused for something else");
    };
    assert_eq!(
        (entry.as_str(), rule),
        ("d/b", Rule::FileTooLong(length - 1))
    );
    // Another file's length doesn't matter.
    read_zip_file(&archive, "none", 0, &Bounds::default()).unwrap();

    // It is refused by what the archive says of it, before a byte is read: this one can't be.
    let broken = Member::stored("d/b", "second second second").both(|header| header.method = 8);
    home.archive(&zip(&[a(), broken]));
    assert!(!matches!(
        read(length),
        Err(StoreError::Refused {
            rule: Rule::FileTooLong(_),
            ..
        })
    ));
    read(length).unwrap_err();
    let StoreError::Refused { rule, .. } = read(length - 1).unwrap_err() else {
        panic!("refused for something else");
    };
    assert_eq!(rule, Rule::FileTooLong(length - 1));
}

#[test]
fn both_lists_of_files_have_to_agree() {
    accepted(&[a(), b()]);
    let differs = |change: fn(&mut super::zip_testing::Header)| broken(&[a().local(change), b()]);
    let disagree = ZipRule::HeaderDisagrees;
    assert_eq!(differs(|h| h.name = b"c".into()), disagree("name"));
    assert_eq!(differs(|h| h.name = b"aa".into()), disagree("name"));
    assert_eq!(differs(|h| h.flags = 2), disagree("flags"));
    assert_eq!(differs(|h| h.method = 8), disagree("compression"));
    assert_eq!(differs(|h| h.crc ^= 1), disagree("checksum"));
    assert_eq!(differs(|h| h.size += 1), disagree("size"));
    assert_eq!(differs(|h| h.compressed -= 1), disagree("size"));
    // Zeros stand for nothing without the flag that says so.
    let zeros = |h: &mut super::zip_testing::Header| (h.compressed, h.size) = (0, 0);
    assert_eq!(broken(&[a().local(zeros), b()]), disagree("size"));
}

#[test]
fn no_file_is_in_one_list_alone() {
    let unlisted = |at: usize| {
        let mut members = [a(), Member::stored("hidden", "x"), b()];
        members.swap(1, at);
        members[at].central = None;
        broken(&members)
    };
    for at in 0..3 {
        assert_eq!(unlisted(at), ZipRule::Gap);
    }
    // An entry of the directory that shares the bytes of another, or has none.
    let twice = |shift| {
        let mut first = a();
        first.shift = shift;
        broken(&[first, b()])
    };
    assert_eq!(twice(1), ZipRule::Gap);
    let bytes = zip(&[a(), b()]);
    let start = usize::from(bytes[bytes.len() - 6]) | usize::from(bytes[bytes.len() - 5]) << 8;
    let directory = &bytes[start..bytes.len() - 22];
    let doubled = [
        &bytes[..start],
        directory,
        directory,
        &end(4, directory.len() * 2, start, b""),
    ]
    .concat();
    assert_eq!(zip_rule(&doubled), ZipRule::Overlap);
}

#[test]
fn nothing_hides_around_the_files() {
    let good = zip(&[a(), b()]);
    assert_eq!(
        zip_rule(&[b"#!/bin/sh\n", good.as_slice()].concat()),
        ZipRule::DirectoryMisplaced
    );
    let shifted = |mut member: Member, by| {
        member.shift = by;
        member
    };
    // A program in front, with every offset moved to fit.
    let in_front = Member {
        central: None,
        ..Member::stored("front", "")
    };
    assert_eq!(broken(&[in_front, a()]), ZipRule::Gap);
    let mut between = a();
    between.after = b"PK\x03\x04 hidden".to_vec();
    assert_eq!(broken(&[between.clone(), b()]), ZipRule::Gap);
    assert_eq!(broken(&[b(), between]), ZipRule::Gap);
    assert_eq!(
        broken(&[a(), shifted(b(), 1)]),
        ZipRule::Gap,
        "a header that is not where the directory says"
    );
    assert_eq!(broken(&[a(), shifted(b(), -1)]), ZipRule::Overlap);

    let trailing = [good.as_slice(), b"x"].concat();
    assert_eq!(zip_rule(&trailing), ZipRule::AmbiguousEnd);
    // A second archive behind the first, or in its comment.
    let second = [good.as_slice(), &zip(&[Member::stored("c", "c")])].concat();
    assert_eq!(zip_rule(&second), ZipRule::DirectoryMisplaced);
    let inner = zip(&[]);
    assert_eq!(
        zip_rule(&with_comment(&[a()], &inner)),
        ZipRule::DirectoryMisplaced
    );
    assert_eq!(
        zip_rule(&with_comment(&[a()], b"PK\x05\x06")),
        ZipRule::AmbiguousEnd
    );
    accepted_bytes(&with_comment(&[a()], b"PK\x05"));
    accepted_bytes(&inner);
}

#[test]
fn the_directory_is_where_and_as_long_as_it_says() {
    let good = zip(&[a(), b()]);
    let changed = |at: usize, by: u8| {
        let mut bytes = good.clone();
        let place = bytes.len() - at;
        bytes[place] = bytes[place].wrapping_add(by);
        zip_rule(&bytes)
    };
    assert_eq!(changed(6, 1), ZipRule::DirectoryMisplaced);
    assert_eq!(changed(10, 1), ZipRule::DirectoryMisplaced);
    assert_eq!(changed(12, 1), ZipRule::Split);
    assert_eq!(changed(18, 1), ZipRule::Split);
    let counted = |by: u8| {
        let mut bytes = good.clone();
        let length = bytes.len();
        bytes[length - 14] = by;
        bytes[length - 12] = by;
        zip_rule(&bytes)
    };
    let disagrees = |stated, found| ZipRule::CountDisagrees { stated, found };
    assert_eq!(counted(1), disagrees(1, 2));
    assert_eq!(counted(3), disagrees(3, 2));
    let mut locator = good[..good.len() - 22].to_vec();
    locator.extend_from_slice(b"PK\x06\x07................");
    locator.extend_from_slice(&good[good.len() - 22..]);
    assert_eq!(zip_rule(&locator), ZipRule::Zip64Archive);
}

#[test]
fn only_plain_stored_and_deflated_files() {
    let flagged = |flag: u16| broken(&[a().both(|header| header.flags |= flag)]);
    assert_eq!(flagged(1), ZipRule::Encrypted);
    for flag in [1 << 4, 1 << 5, 1 << 6, 1 << 13] {
        assert_eq!(flagged(flag), ZipRule::Flags(flag));
    }
    for method in [1, 9, 12, 14, 93, 99] {
        assert_eq!(
            broken(&[a().both(|header| header.method = method)]),
            ZipRule::Method(method)
        );
    }
    accepted(&[b().both(|header| header.flags |= 0b110)]);
    let stored = a().both(|header| header.size += 1);
    assert_eq!(broken(&[stored]), ZipRule::StoredSize);
}

#[test]
fn descriptors_say_what_the_directory_says() {
    accepted(&[b().streamed(b"PK\x07\x08"), a()]);
    assert_eq!(
        broken(&[a().streamed(b"PK\x07\x08")]),
        ZipRule::StoredWithDescriptor
    );
    let mut other = b().streamed(b"PK\x07\x08");
    other.after[6] ^= 1;
    assert_eq!(broken(&[other]), ZipRule::DescriptorDisagrees);
    let other = b().streamed(b"PK\x07\x07");
    assert_eq!(broken(&[other]), ZipRule::DescriptorDisagrees);
    let mut missing = b().streamed(b"");
    missing.after.clear();
    assert_eq!(broken(&[missing, a()]), ZipRule::Gap);
    let half = b().streamed(b"").local(|header| header.size = 20);
    assert_eq!(broken(&[half]), ZipRule::HeaderDisagrees("size"));
}

#[test]
fn contents_are_as_long_and_as_checked_as_stated() {
    let wrong = |member: Member| broken(&[member]);
    assert_eq!(wrong(a().both(|h| h.crc ^= 1)), ZipRule::Checksum);
    assert_eq!(wrong(b().both(|h| h.crc ^= 1)), ZipRule::Checksum);
    assert_eq!(wrong(b().both(|h| h.size -= 1)), ZipRule::SizeDisagrees);
    assert_eq!(wrong(b().both(|h| h.size += 1)), ZipRule::SizeDisagrees);
    // Bytes behind the end of the compressed data, which only some readers skip.
    let mut padded = b().both(|header| header.compressed += 3);
    padded.content.extend_from_slice(b"xyz");
    assert_eq!(wrong(padded), ZipRule::SizeDisagrees);
    let mut cut = b().both(|header| header.compressed -= 3);
    cut.content.truncate(cut.content.len() - 3);
    let error = failure_within(&zip(&[cut]), &Bounds::default(), Links::Inside);
    let text = error.to_string();
    assert!(matches!(error, StoreError::UnreadableZip { .. }), "{text}");
}

#[test]
fn bombs_are_stopped() {
    let bounds = Bounds {
        max_bytes: 1 << 20,
        max_entries: 3,
        ..Bounds::default()
    };
    let zeros = "\0".repeat(2 << 20);
    let bomb = zip(&[Member::deflated("zeros", &zeros)]);
    let stopped = |bytes: &[u8]| refusal_within(bytes, &bounds, Links::Inside);
    assert_eq!(stopped(&bomb), Rule::TooManyBytes(1 << 20));
    // One that lies about it.
    let liar = Member::deflated("zeros", &zeros).both(|header| header.size = 10);
    assert_eq!(stopped(&zip(&[liar])), Rule::Zip(ZipRule::SizeDisagrees));
    let half = |name: &str| Member::deflated(name, &"\0".repeat(600 << 10));
    let two = zip(&[half("a"), half("b")]);
    assert_eq!(stopped(&two), Rule::TooManyBytes(1 << 20));
    let many: Vec<_> = ["a", "b", "c", "d"].map(|n| Member::stored(n, "")).into();
    assert_eq!(stopped(&zip(&many)), Rule::TooManyEntries(3));
    unpack(&Home::new(), &zip(&[half("a")]), &bounds, Links::Inside).unwrap();
    unpack(&Home::new(), &zip(&many[..3]), &bounds, Links::Inside).unwrap();
}

#[test]
fn names_are_plain_and_stay_inside() {
    let named = |name: &str| refusal(&zip(&[Member::stored(name, "x")]));
    assert_eq!(named("../victim/file"), Rule::ParentComponent);
    assert_eq!(named("a/../../b"), Rule::ParentComponent);
    assert_eq!(named("/etc/x"), Rule::AbsolutePath);
    assert_eq!(named(""), Rule::EmptyName);
    assert_eq!(named("a\0.py"), Rule::ControlCharacter);
    assert_eq!(named("a\\b"), Rule::Zip(ZipRule::Backslash));
    for name in ["./a", "a//b", "a/./b"] {
        assert_eq!(named(name), Rule::Zip(ZipRule::NotPlain), "{name}");
    }
    let folder = refusal(&zip(&[Member::stored("./", "")]));
    assert_eq!(folder, Rule::Zip(ZipRule::NotPlain));
    let unmarked = Member::stored("ü", "").both(|header| header.flags = 0);
    assert_eq!(broken(&[unmarked]), ZipRule::UnmarkedName);
    let bytes = a().both(|header| header.name = b"\xff".into());
    assert_eq!(refusal(&zip(&[bytes])), Rule::NotUtf8);

    let two = |first: &str, second: &str| {
        refusal(&zip(&[
            Member::stored(first, ""),
            Member::stored(second, ""),
        ]))
    };
    assert_eq!(two("a", "a"), Rule::Duplicate);
    assert_eq!(two("a/", "a"), Rule::Duplicate);
    assert_eq!(two("d/", "d/"), Rule::Duplicate);
    assert_eq!(two("a", "A"), Rule::CaseCollision("a".into()));
    assert_eq!(two("a", "a/b"), Rule::NotAFolder("p/a".into()));
}

#[test]
fn kinds_are_clear_and_ordinary() {
    let kind = |name: &str, mode: u32| refusal(&zip(&[Member::stored(name, "").with(mode << 16)]));
    let disagrees = Rule::Zip(ZipRule::KindDisagrees);
    assert_eq!(kind("d/", 0o100_644), disagrees);
    assert_eq!(kind("d", 0o040_755), disagrees);
    assert_eq!(kind("d/", 0o120_777), disagrees);
    assert_eq!(kind("f", 0o010_644), Rule::Fifo);
    assert_eq!(kind("f", 0o020_644), Rule::Device);
    assert_eq!(kind("f", 0o060_644), Rule::Device);
    assert_eq!(kind("f", 0o140_644), Rule::Socket);
    let dos = refusal(&zip(&[Member::stored("f", "").with(0x10)]));
    assert_eq!(dos, disagrees);
    accepted(&[
        Member::stored("f", "").with(0x20),
        Member::stored("d/", "").with(0x10 | 0o040_755 << 16),
    ]);
    let content = refusal(&zip(&[Member::stored("d/", "x").with(0)]));
    assert_eq!(content, Rule::ContentOutsideFile);
}

#[test]
fn links_stay_inside_or_are_refused() {
    let link = |target: &str| zip(&[b(), Member::deflated("d/link", target).with(LINK)]);
    let refused = |target: &str| refusal(&link(target));
    assert_eq!(refused("../../victim"), Rule::LinkEscapes);
    assert_eq!(refused("/etc/passwd"), Rule::LinkAbsolute);
    assert_eq!(refused("nothing"), Rule::LinkDangling);
    assert_eq!(refused(&"a".repeat(1025)), Rule::PathTooLong(1024));
    let rule = refusal_within(&link("b"), &Bounds::default(), Links::Refused);
    assert_eq!(rule, Rule::Zip(ZipRule::Link));
    accepted_bytes(&link("b"));
    // Nothing is written through one.
    let below = [
        Member::stored("l", "d").with(LINK),
        b(),
        Member::stored("l/x", "x"),
    ];
    assert_eq!(refusal(&zip(&below)), Rule::NotAFolder("p/l".into()));
}

#[test]
fn extra_fields_hide_nothing() {
    let zip64 = |name: &str, size: u64| {
        let field = [
            &[1, 0, 16, 0][..],
            &size.to_le_bytes(),
            &5_u64.to_le_bytes(),
        ]
        .concat();
        Member::stored(name, "first").local(|header| {
            (header.size, header.compressed) = (u32::MAX, u32::MAX);
            header.extra = field.clone();
        })
    };
    accepted(&[zip64("a", 5)]);
    assert_eq!(broken(&[zip64("a", 6)]), ZipRule::HeaderDisagrees("size"));
    let field = |extra: &'static [u8]| broken(&[a().central(|h| h.extra = extra.to_vec())]);
    assert_eq!(field(b"\x75\x70\x05\0\x01...."), ZipRule::ExtraName(0x7075));
    assert_eq!(field(b"\x01\0\0\0"), ZipRule::Zip64Field);
    assert_eq!(field(b"\x55"), ZipRule::ExtraMalformed);
    accepted(&[a().both(|header| header.extra = b"\x55\x54\x01\0\x01".to_vec())]);
}

#[test]
fn what_is_no_zip_archive_is_said_to_be_none() {
    let good = zip(&[a(), b()]);
    for bytes in [&b""[..], b"PK\x03\x04", &good[..good.len() - 22]] {
        let error = failure_within(bytes, &Bounds::default(), Links::Inside);
        let text = error.to_string();
        assert!(text.contains("not a complete zip archive"), "{text}");
    }
    let error = failure_within(
        &zip(&[
            a(),
            Member::stored("../e\u{202e}x", "").both(|h| h.flags = 1 << 11),
        ]),
        &Bounds::default(),
        Links::Inside,
    );
    let text = error.to_string();
    assert!(text.ends_with("(entry `../e\\u{202e}x`)"), "{text}");
    // No byte of an archive can be changed without notice, except what says nothing of a file:
    // versions, times, and attributes that are no part of a mode.
    let home = Home::new();
    let meant = unpack(&home, &good, &Bounds::default(), Links::Inside).unwrap();
    for at in 0..good.len() {
        let mut bytes = good.clone();
        bytes[at] ^= 0x80;
        if let Ok(tree) = unpack(&home, &bytes, &Bounds::default(), Links::Inside) {
            assert_eq!(tree, meant, "byte {at}");
        }
    }
    assert_eq!(deflated(b"").len(), 2);
}
