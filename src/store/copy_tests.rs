//! Folders of this machine that are copied into a tree, and those that are not.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use super::testing::{Home, expected_digest, listing, write};
use super::{Rule, StoreError, Verification};

#[test]
fn a_folder_is_copied_with_its_links_and_without_git() {
    let home = Home::new();
    let source = home.folder.path().join("source");
    std::fs::create_dir_all(source.join("lib")).unwrap();
    std::fs::create_dir_all(source.join(".git/objects")).unwrap();
    std::fs::create_dir(source.join("empty")).unwrap();
    write(source.join(".git/config"), "x").unwrap();
    write(source.join("lib/so.1.2"), "lib").unwrap();
    write(source.join("Run"), "#!/bin/sh\n").unwrap();
    write(source.join("run"), "").unwrap();
    let executable = std::fs::Permissions::from_mode(0o700);
    std::fs::set_permissions(source.join("Run"), executable).unwrap();
    symlink("so.1.2", source.join("lib/so.1")).unwrap();
    symlink("so.1", source.join("lib/so")).unwrap();
    symlink("../Run", source.join("lib/run")).unwrap();
    let tree = home.copy(&source).unwrap();
    let expected = expected_digest(&[
        ("lib/so.1.2", "lib"),
        ("lib/so.1", "-> so.1.2"),
        ("lib/so", "-> so.1"),
        ("lib/run", "-> ../Run"),
        ("x Run", "#!/bin/sh\n"),
        ("run", ""),
        ("empty/", ""),
    ]);
    assert_eq!(tree, expected);
    home.store.verify_tree(&tree, Verification::Rehash).unwrap();

    let file = home.copy(&source.join("Run")).unwrap();
    assert_eq!(file, expected_digest(&[("x Run", "#!/bin/sh\n")]));
}

#[test]
fn a_folder_with_anything_else_is_not_copied() {
    let home = Home::new();
    let source = home.folder.path().join("source");
    let rule = |make: &dyn Fn(&std::path::Path)| {
        std::fs::create_dir_all(source.join("d")).unwrap();
        write(source.join("d/f"), "x").unwrap();
        make(&source);
        let before = listing(&home.store.staging_folder());
        let error = home.copy(&source).unwrap_err();
        assert_eq!(listing(&home.store.staging_folder()), before);
        std::fs::remove_dir_all(&source).unwrap();
        match error {
            StoreError::Refused { rule, .. } => rule,
            other => panic!("not a refusal: {other}"),
        }
    };
    let link =
        |target: &'static str| move |at: &std::path::Path| symlink(target, at.join("l")).unwrap();
    assert_eq!(rule(&link("../victim")), Rule::LinkEscapes);
    assert_eq!(rule(&link("/etc")), Rule::LinkAbsolute);
    assert_eq!(rule(&link("missing")), Rule::LinkDangling);
    assert_eq!(
        rule(&|at| {
            symlink("d", at.join("l")).unwrap();
            symlink("l/f", at.join("m")).unwrap();
        }),
        Rule::LinkThroughLink
    );
    let all = nix::sys::stat::Mode::S_IRWXU;
    assert_eq!(
        rule(&|at| nix::unistd::mkfifo(&at.join("d/p"), all).unwrap()),
        Rule::Fifo
    );
    let socket = |at: &std::path::Path| {
        std::os::unix::net::UnixListener::bind(at.join("s")).unwrap();
    };
    assert_eq!(rule(&socket), Rule::Socket);
    let odd = |at: &std::path::Path| write(at.join(OsStr::from_bytes(b"\xff")), "").unwrap();
    assert_eq!(rule(&odd), Rule::NotUtf8);

    std::fs::create_dir(&source).unwrap();
    let alias = home.folder.path().join("alias");
    symlink(&source, &alias).unwrap();
    let error = home.copy(&alias).unwrap_err();
    assert!(matches!(
        error,
        StoreError::Refused {
            rule: Rule::SourceIsLink,
            ..
        }
    ));
    assert!(matches!(
        home.copy(&source.join("none")).unwrap_err(),
        StoreError::Io { .. }
    ));
    let pipe = home.folder.path().join("pipe");
    nix::unistd::mkfifo(&pipe, all).unwrap();
    let error = home.copy(&pipe).unwrap_err();
    assert!(matches!(
        error,
        StoreError::Refused {
            rule: Rule::Fifo,
            ..
        }
    ));
}
