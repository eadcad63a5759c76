//! Wheels made byte by byte: laid out, or refused for one reason each.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::super::testing::{Home, expected_digest, write};
use super::super::zip_testing::{LINK, Member, zip as archive};
use super::*;

const DIST: &str = "x-1.dist-info";
const WHEEL: &str = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n";

fn line(name: &str, content: &str) -> String {
    let digest = URL_SAFE_NO_PAD.encode(Digest::of(content.as_bytes()).as_bytes());
    format!("{name},sha256={digest},{}\n", content.len())
}

/// A wheel of these files, with the RECORD that they should have, changed by `change`.
fn wheel_of(dist: &str, files: &[(&str, &str)], change: impl Fn(String) -> String) -> Vec<u8> {
    let own = format!("{dist}/WHEEL");
    let mut files = files.to_vec();
    if !files.iter().any(|(name, _)| *name == own) {
        files.push((&own, WHEEL));
    }
    let mut record: String = files.iter().map(|(name, text)| line(name, text)).collect();
    record += &format!("{dist}/RECORD,,\n");
    let record = change(record);
    let record_name = format!("{dist}/RECORD");
    files.push((&record_name, &record));
    let members: Vec<Member> = files
        .iter()
        .map(|(name, text)| Member::stored(name, text))
        .collect();
    archive(&members)
}

fn wheel(files: &[(&str, &str)]) -> Vec<u8> {
    wheel_of(DIST, files, |record| record)
}

fn unpack(home: &Home, wheels: &[(&str, Vec<u8>)]) -> Result<(Digest, UnpackedWheel), StoreError> {
    let mut tree = home.store.staging()?.tree()?;
    let mut last = UnpackedWheel::default();
    for (dist, bytes) in wheels {
        let path = home.folder.path().join(format!("{dist}.whl"));
        write(&path, bytes).unwrap();
        last = tree.unpack_wheel(&path, dist, &Bounds::default())?;
    }
    Ok((tree.finish()?, last))
}

fn refusal(wheels: &[(&str, Vec<u8>)]) -> WheelRule {
    let home = Home::new();
    let error = unpack(&home, wheels).unwrap_err();
    assert_eq!(home.store.trees().unwrap(), []);
    match error {
        StoreError::Refused {
            rule: Rule::Wheel(rule),
            ..
        } => rule,
        other => panic!("{other}"),
    }
}

#[test]
fn a_wheel_is_laid_out_as_an_installer_would() {
    let home = Home::new();
    let files = [
        ("x/__init__.py", "a"),
        (
            "x/__pycache__/__init__.cpython-311.pyc",
            "not of this source",
        ),
        ("x-1.data/purelib/y.py", "b"),
        ("x-1.data/platlib/z.so", "c"),
        ("x-1.data/scripts/tool", "#!python\n"),
        ("x-1.data/scripts/native", "\x7fELF"),
        ("x-1.data/scripts/shell", "#!/bin/sh\n"),
        ("x-1.data/data/share/man/x.1", "d"),
        ("x-1.data/headers/x.h", "e"),
        ("start.pth", "import os"),
        ("x-1.dist-info/entry_points.txt", "[console_scripts]\n"),
    ];
    let bytes = wheel(&files);
    let (tree, unpacked) = unpack(&home, &[(DIST, bytes)]).unwrap();
    let kinds: Vec<_> = unpacked
        .scripts
        .iter()
        .map(|script| (script.path.as_str(), script.kind))
        .collect();
    assert_eq!(
        kinds,
        [
            ("scripts/native", ScriptKind::Native),
            ("scripts/shell", ScriptKind::Other),
            ("scripts/tool", ScriptKind::Python),
        ]
    );
    assert_eq!(unpacked.path_files, ["site-packages/start.pth"]);
    assert_eq!(
        unpacked.entry_points.as_deref(),
        Some(&b"[console_scripts]\n"[..])
    );
    let mut record: String = files.iter().map(|(name, text)| line(name, text)).collect();
    record += &line("x-1.dist-info/WHEEL", WHEEL);
    record += "x-1.dist-info/RECORD,,\n";
    let expected = expected_digest(&[
        ("site-packages/x/__init__.py", "a"),
        ("site-packages/y.py", "b"),
        ("site-packages/z.so", "c"),
        ("x scripts/tool", "#!python\n"),
        ("x scripts/native", "\x7fELF"),
        ("x scripts/shell", "#!/bin/sh\n"),
        ("share/man/x.1", "d"),
        ("include/x.h", "e"),
        ("site-packages/start.pth", "import os"),
        (
            "site-packages/x-1.dist-info/entry_points.txt",
            "[console_scripts]\n",
        ),
        ("site-packages/x-1.dist-info/WHEEL", WHEEL),
        ("site-packages/x-1.dist-info/RECORD", &record),
    ]);
    assert_eq!(tree, expected);
}

#[test]
fn what_is_not_as_its_record_says_is_refused() {
    let good = [("x.py", "a")];
    assert!(unpack(&Home::new(), &[(DIST, wheel(&good))]).is_ok());
    let changed = |change: fn(String) -> String| refusal(&[(DIST, wheel_of(DIST, &good, change))]);
    let unlisted = changed(|record| record.replace("x.py", "y.py"));
    assert_eq!(unlisted, WheelRule::Absent("y.py".into()));
    let unlisted = changed(|record| record.lines().skip(1).map(|l| format!("{l}\n")).collect());
    assert_eq!(unlisted, WheelRule::Unlisted("x.py".into()));
    let other = changed(|record| record.replace(&line("x.py", "a"), &line("x.py", "b")));
    assert_eq!(other, WheelRule::Changed("x.py".into()));
    let weak = changed(|record| record.replace("sha256=", "md5="));
    assert_eq!(weak, WheelRule::NoHash("x.py".into()));
    assert!(matches!(
        changed(|_| "x".into()),
        WheelRule::Malformed { .. }
    ));
}

#[test]
fn what_is_no_such_wheel_is_refused() {
    let other = wheel_of("y-1.dist-info", &[("x.py", "a")], |record| record);
    assert!(matches!(
        refusal(&[(DIST, other)]),
        WheelRule::SecondDistInfo(_)
    ));
    let none = archive(&[Member::stored("x.py", "a")]);
    assert!(matches!(refusal(&[(DIST, none)]), WheelRule::NoDistInfo(_)));
    let no_record = archive(&[Member::stored("x-1.dist-info/WHEEL", WHEEL)]);
    assert_eq!(refusal(&[(DIST, no_record)]), WheelRule::Missing("RECORD"));
    let no_wheel = archive(&[Member::stored("x-1.dist-info/RECORD", "")]);
    assert_eq!(refusal(&[(DIST, no_wheel)]), WheelRule::Missing("WHEEL"));
    let version = |text| wheel(&[("x-1.dist-info/WHEEL", text)]);
    let newer = version("Wheel-Version: 2.0\nRoot-Is-Purelib: true\n");
    assert_eq!(refusal(&[(DIST, newer)]), WheelRule::Version("2.0".into()));
    let odd = version("Wheel-Version: 1.0\n");
    assert!(matches!(
        refusal(&[(DIST, odd)]),
        WheelRule::Malformed { .. }
    ));
    let place = wheel(&[("x-1.data/elsewhere/x", "a")]);
    assert!(matches!(
        refusal(&[(DIST, place)]),
        WheelRule::UnknownPlace(_)
    ));
}

#[test]
fn two_wheels_share_a_file_only_when_it_is_the_same() {
    let first = wheel(&[("ns/__init__.py", ""), ("ns/a.py", "a")]);
    let second = |text| {
        wheel_of("y-1.dist-info", &[("ns/__init__.py", text)], |record| {
            record
        })
    };
    let home = Home::new();
    unpack(
        &home,
        &[(DIST, first.clone()), ("y-1.dist-info", second(""))],
    )
    .unwrap();
    let rule = refusal(&[(DIST, first), ("y-1.dist-info", second("evil"))]);
    assert_eq!(
        rule,
        WheelRule::Clash("site-packages/ns/__init__.py".into())
    );
}

#[test]
fn links_and_ways_out_are_refused() {
    let home = Home::new();
    let mut link = Member::stored("x.py", "/etc/passwd");
    link.attributes = LINK;
    for member in [
        link,
        Member::stored("../x.py", "a"),
        Member::stored("/x.py", "a"),
    ] {
        let bytes = archive(&[member]);
        let refused = unpack(&home, &[(DIST, bytes)]).unwrap_err();
        assert!(matches!(refused, StoreError::Refused { .. }), "{refused}");
    }
}

#[test]
fn bytecode_is_taken_for_sources_alone() {
    let home = Home::new();
    let compiled = home.folder.path().join("compiled");
    std::fs::create_dir_all(compiled.join("site-packages/p")).unwrap();
    for name in ["site-packages/x.pyc", "site-packages/other.pyc", "evil"] {
        write(compiled.join(name), "code").unwrap();
    }
    std::os::unix::fs::symlink("/etc/passwd", compiled.join("site-packages/p/y.pyc")).unwrap();
    let path = home.folder.path().join("x.whl");
    write(
        &path,
        wheel(&[("x.py", "a"), ("p/y.py", "b"), ("p/z.py", "c")]),
    )
    .unwrap();
    let mut tree = home.store.staging().unwrap().tree().unwrap();
    tree.unpack_wheel(&path, DIST, &Bounds::default()).unwrap();
    let sources = [
        "site-packages/p/y.py",
        "site-packages/p/z.py",
        "site-packages/x.py",
    ];
    assert_eq!(tree.python_sources(), sources);
    assert_eq!(tree.take_bytecode(&compiled, "cpython-311").unwrap(), 1);
    tree.write_file("bin/x", true, b"#!x").unwrap();
    let digest = tree.finish().unwrap();
    let folder = home.store.tree(&digest);
    let taken = std::fs::read(folder.join("site-packages/__pycache__/x.cpython-311.pyc"));
    assert_eq!(taken.unwrap(), b"code");
    assert!(!folder.join("site-packages/p/__pycache__").exists());
    assert!(!folder.join("evil").exists());
    assert!(folder.join("bin/x").exists());
}
