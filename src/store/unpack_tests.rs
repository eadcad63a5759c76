//! Archives that play tricks, and the ordinary ones beside them.
//!
//! Every refusal is seen to leave nothing in the store and nothing beside it.

use std::os::unix::fs::PermissionsExt as _;

use super::testing::{Home, Tar, expected_digest, gz};
use super::{Bounds, Rule, StoreError, TreeReport, Verification};

fn refusal(tar: Tar) -> Rule {
    Home::new().refusal(&tar.gz(), &Bounds::default())
}

fn mode(path: &std::path::Path) -> u32 {
    path.symlink_metadata().unwrap().permissions().mode() & 0o7777
}

#[test]
fn a_good_archive_becomes_a_read_only_tree() {
    let long = format!("package/{}/file.js", "d".repeat(200));
    let tar = Tar::default()
        .pax(b'g', &[("comment", "0123456789")])
        .folder("package/")
        .file("package/package.json", "{}")
        .file("./package/lib/deep/er/index.js", "code")
        .program("package/bin/run.sh", "#!/bin/sh\n")
        .folder("package/empty/")
        .folder("package/empty/")
        .link("package/bin/main", "../lib/deep/er/index.js")
        .pax(b'x', &[("path", &long), ("mtime", "1.5"), ("size", "4")])
        .file("package/short", "long")
        .long_name(&format!("package/{}", "n".repeat(150)))
        .file("package/short", "gnu")
        .entry(b"package/contiguous", b'7', 0o644, "", b"7")
        .entry(b"package/old-folder/", 0, 0o755, "", b"");
    let home = Home::new();
    let tree = home
        .unpack(&tar.clone().gz(), "node_modules/@a/b", &Bounds::default())
        .unwrap();
    let at = "node_modules/@a/b";
    let names = [
        ("package.json", "{}"),
        ("lib/deep/er/index.js", "code"),
        ("x bin/run.sh", "#!/bin/sh\n"),
        ("empty/", ""),
        ("bin/main", "-> ../lib/deep/er/index.js"),
        (&long["package/".len()..], "long"),
        (&"n".repeat(150), "gnu"),
        ("contiguous", "7"),
        ("old-folder/", ""),
    ]
    .map(|(name, content)| match name.strip_prefix("x ") {
        Some(name) => (format!("x {at}/{name}"), content),
        None => (format!("{at}/{name}"), content),
    });
    let entries: Vec<(&str, &str)> = names.iter().map(|(n, c)| (n.as_str(), *c)).collect();
    assert_eq!(tree, expected_digest(&entries));

    let root = home.store.tree(&tree);
    assert_eq!(mode(&root), 0o555);
    assert_eq!(mode(&root.join(at).join("empty")), 0o555);
    assert_eq!(mode(&root.join(at).join("package.json")), 0o444);
    assert_eq!(mode(&root.join(at).join("bin/run.sh")), 0o555);
    assert_eq!(home.store.trees().unwrap(), [tree]);
    assert_eq!(
        std::fs::read_dir(home.store.staging_folder())
            .unwrap()
            .count(),
        0
    );
    let report = home
        .store
        .verify_tree(&tree, Verification::Recorded)
        .unwrap();
    assert_eq!(
        report,
        TreeReport {
            files: 6,
            bytes: 24,
            listed: 0,
            hashed: 0
        }
    );

    // The same content at the root is another tree; several artifacts make one.
    let rooted = home.unpack(&tar.gz(), "", &Bounds::default()).unwrap();
    assert_ne!(rooted, tree);
    let mut builder = home.store.staging().unwrap().tree().unwrap();
    for (at, content) in [
        ("node_modules/a", "1"),
        ("node_modules/a/node_modules/b", "2"),
    ] {
        let archive = home.archive(&Tar::default().file("p/index.js", content).gz());
        builder
            .unpack_tar_gz(&archive, at, &Bounds::default())
            .unwrap();
    }
    let expected = expected_digest(&[
        ("node_modules/a/index.js", "1"),
        ("node_modules/a/node_modules/b/index.js", "2"),
    ]);
    assert_eq!(builder.finish().unwrap(), expected);
}

#[test]
fn names_that_lead_elsewhere_are_refused() {
    let file = |name: &str| Tar::default().file(name, "x");
    assert_eq!(refusal(file("../victim/file")), Rule::ParentComponent);
    assert_eq!(
        refusal(file("package/../../../victim/file")),
        Rule::ParentComponent
    );
    assert_eq!(refusal(file("/tmp/pinfold-was-here")), Rule::AbsolutePath);
    assert_eq!(refusal(file("index.js")), Rule::OutsideTopFolder);
    assert_eq!(refusal(file("package/a\nb")), Rule::ControlCharacter);
    assert_eq!(
        refusal(Tar::default().folder("package/../..")),
        Rule::ParentComponent
    );
    let bad_utf8 = Tar::default().entry(b"package/\xff", b'0', 0o644, "", b"");
    assert_eq!(refusal(bad_utf8), Rule::NotUtf8);
    let long_name = Tar::default()
        .long_name("../../victim/file")
        .file("package/x", "x");
    assert_eq!(refusal(long_name), Rule::ParentComponent);
    let pax = Tar::default()
        .pax(b'x', &[("path", "../../victim/file")])
        .file("package/x", "x");
    assert_eq!(refusal(pax), Rule::ParentComponent);
    let at = Home::new();
    let good = file("package/x").gz();
    for place in ["../x", "/x", "a/../x"] {
        assert!(
            at.unpack(&good, place, &Bounds::default()).is_err(),
            "{place}"
        );
    }
    at.unpack(&good, "node_modules/x", &Bounds::default())
        .unwrap();
}

#[test]
fn links_that_lead_elsewhere_are_refused() {
    let link =
        |name: &str, target: &str| Tar::default().file("package/d/f", "x").link(name, target);
    assert_eq!(
        refusal(link("package/l", "../../../victim")),
        Rule::LinkEscapes
    );
    assert_eq!(refusal(link("package/l", "../other")), Rule::LinkEscapes);
    assert_eq!(
        refusal(link("package/l", "/etc/passwd")),
        Rule::LinkAbsolute
    );
    assert_eq!(refusal(link("package/l", "missing")), Rule::LinkDangling);
    assert_eq!(
        refusal(link("package/l", "d/../../..")),
        Rule::LinkMalformed
    );
    let pax = Tar::default()
        .pax(b'x', &[("linkpath", "../../victim")])
        .link("package/l", "d");
    assert_eq!(refusal(pax), Rule::LinkEscapes);
    let long = Tar::default()
        .entry(b"././@LongLink", b'K', 0, "", b"../../victim\0")
        .link("package/l", "d");
    assert_eq!(refusal(long), Rule::LinkEscapes);

    let chain = |second: &str| link("package/s1", "d").link("package/s2", second);
    assert_eq!(refusal(chain("s1/../..")), Rule::LinkThroughLink);
    assert_eq!(refusal(chain("s1/f")), Rule::LinkThroughLink);
    assert_eq!(refusal(chain("s1")), Rule::LinkThroughLink);
    let looped = Tar::default().link("package/a", "b").link("package/b", "a");
    assert_eq!(refusal(looped), Rule::LinkThroughLink);
    let good = Home::new();
    good.unpack(&chain("d/f").gz(), "p", &Bounds::default())
        .unwrap();
}

#[test]
fn nothing_is_written_through_a_link() {
    let through = |name: &str| {
        Tar::default()
            .file("package/d/f", "x")
            .link("package/l", "d")
            .file(name, "y")
    };
    let not_a_folder = |path: &str| Rule::NotAFolder(format!("node_modules/p/{path}"));
    assert_eq!(refusal(through("package/l/f2")), not_a_folder("l"));
    assert_eq!(refusal(through("package/l")), Rule::Duplicate);
    let out = Tar::default()
        .link("package/l", "../../victim")
        .file("package/l/file", "y");
    assert_eq!(refusal(out), not_a_folder("l"));
    let folder = Tar::default().link("package/l", "d").folder("package/l");
    assert_eq!(refusal(folder), not_a_folder("l"));
    let below_file = Tar::default()
        .file("package/f", "x")
        .file("package/f/x", "y");
    assert_eq!(refusal(below_file), not_a_folder("f"));
    let late = Tar::default()
        .file("package/l/f", "x")
        .link("package/l", "d");
    assert_eq!(refusal(late), Rule::Duplicate);

    // A second artifact does not get through the link of a first one either.
    let home = Home::new();
    let mut builder = home.store.staging().unwrap().tree().unwrap();
    let first = Tar::default()
        .file("p/d/f", "x")
        .link("p/node_modules", "d");
    builder
        .unpack_tar_gz(&home.archive(&first.gz()), "a", &Bounds::default())
        .unwrap();
    let second = home.archive(&Tar::default().file("p/x", "x").gz());
    let at = "a/node_modules/b";
    let error = builder
        .unpack_tar_gz(&second, at, &Bounds::default())
        .unwrap_err();
    assert!(matches!(
        error,
        StoreError::Refused {
            rule: Rule::NotAFolder(_),
            ..
        }
    ));
    // And what failed half-way can be neither continued nor finished.
    let again = builder
        .unpack_tar_gz(&second, "b", &Bounds::default())
        .unwrap_err();
    assert!(matches!(again, StoreError::UnfinishedTree));
    assert!(matches!(
        builder.finish().unwrap_err(),
        StoreError::UnfinishedTree
    ));
    assert!(home.store.trees().unwrap().is_empty());
}

#[test]
fn only_files_folders_and_links_are_accepted() {
    let kind = |kind: u8| {
        refusal(Tar::default().file("package/a", "x").entry(
            b"package/b",
            kind,
            0o644,
            "package/a",
            b"",
        ))
    };
    assert_eq!(kind(b'1'), Rule::HardLink);
    assert_eq!(kind(b'3'), Rule::Device);
    assert_eq!(kind(b'4'), Rule::Device);
    assert_eq!(kind(b'6'), Rule::Fifo);
    assert_eq!(kind(b'S'), Rule::Sparse);
    assert_eq!(kind(b'V'), Rule::UnknownKind(b'V'));
    let sparse = Tar::default()
        .pax(b'x', &[("GNU.sparse.major", "1")])
        .file("package/a", "x");
    assert_eq!(refusal(sparse), Rule::Sparse);
    let content = Tar::default().entry(b"package/d", b'5', 0o755, "", b"x");
    assert_eq!(refusal(content), Rule::ContentOutsideFile);
    assert_eq!(
        refusal(Tar::default().file("package/f/", "x")),
        Rule::FileNamedAsFolder
    );
}

#[test]
fn duplicates_and_names_that_differ_in_case_are_refused() {
    let two = |a: &str, b: &str| refusal(Tar::default().file(a, "1").file(b, "2"));
    assert_eq!(two("package/a", "package/a"), Rule::Duplicate);
    assert_eq!(two("package/a", "./package//a"), Rule::Duplicate);
    assert_eq!(two("package/a", "package/./a"), Rule::Duplicate);
    assert_eq!(two("package/a", "other/a"), Rule::Duplicate);
    assert_eq!(
        two("package/README", "package/readme"),
        Rule::CaseCollision("README".into())
    );
    assert_eq!(
        two("package/A/x", "package/a/y"),
        Rule::CaseCollision("A".into())
    );
    let folder = Tar::default().file("package/a/x", "").file("package/a", "");
    assert_eq!(refusal(folder), Rule::Duplicate);
}

#[test]
fn names_are_bounded_before_they_are_read() {
    let name = format!("package/{}f", "a/".repeat(2500));
    let gnu = Tar::default().long_name(&name).file("package/x", "x");
    assert_eq!(refusal(gnu), Rule::PathTooLong(1024));
    let pax = Tar::default()
        .pax(b'x', &[("path", &name)])
        .file("package/x", "x");
    assert_eq!(refusal(pax), Rule::PathTooLong(1024));
    let component = format!("package/{}", "a".repeat(256));
    let long = Tar::default().long_name(&component).file("package/x", "x");
    assert_eq!(refusal(long), Rule::ComponentTooLong(255));
    let deep = Tar::default()
        .long_name(&format!("{}f", "a/".repeat(70)))
        .file("package/x", "x");
    assert_eq!(refusal(deep), Rule::TooDeep(64));
    let huge = Tar::default().sized(b"././@LongLink", b'L', 0, "", 1 << 40);
    assert_eq!(refusal(huge), Rule::PathTooLong(1024));
    let huge = Tar::default().sized(b"pax", b'x', 0, "", 1 << 40);
    assert_eq!(refusal(huge), Rule::PaxTooLong(64 << 10));
    let comment = "c".repeat(70_000);
    let long = Tar::default()
        .pax(b'x', &[("comment", &comment)])
        .file("package/x", "x");
    assert_eq!(refusal(long), Rule::PaxTooLong(64 << 10));
}

#[test]
fn headers_that_can_be_read_in_two_ways_are_refused() {
    let sized = Tar::default()
        .pax(b'x', &[("size", "0")])
        .file("package/x", "hidden");
    assert_eq!(refusal(sized), Rule::SizeDisagrees { header: 6, pax: 0 });
    let global = |key| {
        Tar::default()
            .pax(b'g', &[(key, "9")])
            .file("package/x", "x")
    };
    assert_eq!(refusal(global("path")), Rule::GlobalName("path"));
    assert_eq!(refusal(global("size")), Rule::GlobalName("size"));
    assert_eq!(refusal(global("linkpath")), Rule::GlobalName("linkpath"));
    let both = Tar::default()
        .pax(b'x', &[("path", "package/a")])
        .long_name("package/b")
        .file("package/x", "x");
    assert_eq!(refusal(both), Rule::NamedTwice);
    let twice = Tar::default()
        .long_name("package/a")
        .long_name("package/b")
        .file("package/x", "");
    assert_eq!(refusal(twice), Rule::NamedTwice);
    let nul = Tar::default()
        .long_name("package/a\0.js")
        .file("package/x", "");
    assert_eq!(refusal(nul), Rule::ControlCharacter);
    let alone = Tar::default().file("package/x", "").long_name("package/a");
    assert_eq!(refusal(alone), Rule::HeaderWithoutFile);
    let malformed = Tar::default()
        .entry(b"pax", b'x', 0, "", b"99 path=x\n")
        .file("package/x", "");
    assert_eq!(refusal(malformed), Rule::PaxMalformed);
}

#[test]
fn too_much_is_stopped_on_the_way() {
    let home = Home::new();
    let small = Bounds {
        max_bytes: 2 << 20,
        ..Bounds::default()
    };
    // 10 GiB of zeros in 10 MB: as one file, as data after the end, and as what a header promises.
    let zeros = gz(&vec![0; 16 << 20]);
    let mut bomb = gz(&Tar::default()
        .sized(b"package/zeros", b'0', 0o644, "", 10 << 30)
        .0);
    for _ in 0..640 {
        bomb.extend_from_slice(&zeros);
    }
    assert_eq!(home.refusal(&bomb, &small), Rule::TooManyBytes(2 << 20));
    assert_eq!(
        home.refusal(&bomb, &Bounds::default()),
        Rule::TooManyBytes(1 << 30)
    );
    let mut padded = Tar::default().file("package/x", "x").gz();
    for _ in 0..640 {
        padded.extend_from_slice(&zeros);
    }
    let bounds = Bounds {
        max_entries: 1000,
        ..small
    };
    assert_eq!(home.refusal(&padded, &bounds), Rule::TooManyBytes(2 << 20));
    let mut many = Vec::new();
    let pair = gz(&Tar::default().file("package/a", &"x".repeat(1200 << 10)).0);
    many.extend_from_slice(&pair);
    many.extend_from_slice(&gz(&Tar::default()
        .file("package/b", &"x".repeat(1200 << 10))
        .0));
    assert_eq!(home.refusal(&many, &small), Rule::TooManyBytes(2 << 20));
    home.unpack(&many, "p", &Bounds::default()).unwrap();
    let per_tree = Bounds {
        max_tree_bytes: 2 << 20,
        ..Bounds::default()
    };
    assert_eq!(home.refusal(&many, &per_tree), Rule::TooManyBytes(2 << 20));
}

#[test]
fn a_million_entries_are_not_unpacked() {
    let home = Home::new();
    let bounds = Bounds {
        max_entries: 5_000,
        ..Bounds::default()
    };
    let mut million = Vec::new();
    let member = gz(&Tar::default().folder("package/d").0.repeat(10_000));
    for _ in 0..100 {
        million.extend_from_slice(&member);
    }
    assert_eq!(home.refusal(&million, &bounds), Rule::TooManyEntries(5_000));

    // Folders that are only implied count as well.
    let few = Bounds {
        max_entries: 50,
        ..Bounds::default()
    };
    let deep = |count: usize| Tar::default().file(&format!("package/{}f", "d/".repeat(count)), "");
    assert_eq!(
        home.refusal(&deep(45).file("package/e/e/e/e/e/e/f", "").gz(), &few),
        Rule::TooManyEntries(50)
    );
    home.unpack(&deep(40).gz(), "p", &few).unwrap();
    let tree = Bounds {
        max_tree_entries: 10,
        ..Bounds::default()
    };
    assert_eq!(
        home.refusal(&deep(20).gz(), &tree),
        Rule::TooManyEntries(10)
    );
}

#[test]
fn damaged_archives_are_refused() {
    let home = Home::new();
    let tar = Tar::default()
        .file("package/a", &"text ".repeat(1000))
        .file("package/b", "b");
    let good = tar.clone().gz();
    let unreadable = |bytes: &[u8]| {
        let error = home.failure(bytes, &Bounds::default());
        assert!(
            matches!(error, StoreError::UnreadableArchive { .. }),
            "{error}"
        );
    };
    unreadable(b"");
    unreadable(b"not gzip at all");
    for cut in [1, 8, 9, 40, good.len() / 2] {
        unreadable(&good[..good.len() - cut]);
    }
    unreadable(&gz(&tar.0[..512 + 2000]));
    unreadable(&gz(&tar.0[..300]));
    unreadable(&gz(&Tar::default()
        .sized(b"package/a", b'0', 0o644, "", 5000)
        .content(b"short")
        .0));
    let mut crc = good.clone();
    let at = crc.len() - 6;
    crc[at] ^= 1;
    unreadable(&crc);
    let mut checksum = tar.clone().closed();
    checksum[3] ^= 1;
    unreadable(&gz(&checksum));

    let padded = [good.as_slice(), &[0; 700]].concat();
    home.unpack(&padded, "p", &Bounds::default()).unwrap();
    let unclosed = home.unpack(&gz(&tar.0), "p", &Bounds::default()).unwrap();
    assert_eq!(
        home.unpack(&good, "p", &Bounds::default()).unwrap(),
        unclosed
    );
    let trailing = [good.as_slice(), b"\0\0x"].concat();
    assert_eq!(
        home.refusal(&trailing, &Bounds::default()),
        Rule::TrailingData
    );
    let hidden = gz(&[
        tar.clone().closed(),
        Tar::default().file("package/c", "c").0,
    ]
    .concat());
    assert_eq!(
        home.refusal(&hidden, &Bounds::default()),
        Rule::TrailingData
    );
    let second = [good, Tar::default().file("package/c", "c").gz()].concat();
    assert_eq!(
        home.refusal(&second, &Bounds::default()),
        Rule::TrailingData
    );
}

#[test]
fn refusals_name_the_archive_the_entry_and_the_rule() {
    let home = Home::new();
    let error = home.failure(
        &Tar::default().file("../e\u{202e}x", "x").gz(),
        &Bounds::default(),
    );
    let text = error.to_string();
    assert!(
        text.contains("archive.tgz` was refused: `..` could leave the folder"),
        "{text}"
    );
    assert!(text.ends_with("(entry `../e\\u{202e}x`)"), "{text}");
}
