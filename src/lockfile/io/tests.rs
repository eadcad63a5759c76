//! Locks on disk: read back as written, replaced whole or not at all.

use std::os::unix::fs::{MetadataExt as _, symlink};
use std::process::Command;

use super::*;
use crate::lockfile::types::ServerName;

const NATIVE: &str = include_str!("../../../lockfile/examples/native.lock");

fn native() -> Lock {
    format::parse(NATIVE.as_bytes(), Path::new("native.lock")).unwrap()
}

fn names_in(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_lock_is_written_and_read_back() {
    let folder = crate::lockfile::private_test_folder();
    let path = folder.path().join("pinfold.lock");
    assert!(matches!(read(&path), Err(LockError::Missing { .. })));
    assert!(write(&path, &native()).unwrap());
    assert_eq!(read(&path).unwrap(), native());
    assert_eq!(fs::read_to_string(&path).unwrap(), NATIVE);
    assert_eq!(names_in(folder.path()), ["pinfold.lock"]);
}

#[test]
fn an_equal_lock_leaves_the_file_alone() {
    let folder = crate::lockfile::private_test_folder();
    let path = folder.path().join("pinfold.lock");
    write(&path, &native()).unwrap();
    let before = fs::metadata(&path).unwrap();
    assert!(!write(&path, &native()).unwrap());
    assert_eq!(fs::metadata(&path).unwrap().ino(), before.ino());
    assert!(write(&path, &Lock::default()).unwrap());
    assert_eq!(read(&path).unwrap(), Lock::default());
}

#[test]
fn a_lock_that_could_not_be_read_back_is_not_written() {
    let folder = crate::lockfile::private_test_folder();
    let path = folder.path().join("pinfold.lock");
    write(&path, &native()).unwrap();
    let mut bad = native();
    let server = bad
        .servers
        .get_mut(&"clock".parse::<ServerName>().unwrap())
        .unwrap();
    server.entry_point = "../evil".to_owned();
    assert!(matches!(write(&path, &bad), Err(LockError::Invalid { .. })));
    assert_eq!(read(&path).unwrap(), native());
}

#[test]
fn a_lock_that_others_can_write_or_that_is_too_large_is_refused() {
    let folder = crate::lockfile::private_test_folder();
    let path = folder.path().join("pinfold.lock");
    write(&path, &native()).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o666)).unwrap();
    assert!(matches!(
        read(&path),
        Err(LockError::Read(GuardedReadError::WritableByOthers { .. }))
    ));
    fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    assert!(read(&path).is_ok());
    OpenOptions::new()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(MAX_LOCK_BYTES + 1)
        .unwrap();
    assert!(matches!(
        read(&path),
        Err(LockError::Read(GuardedReadError::TooLarge { .. }))
    ));
}

#[test]
fn replacing_sets_content_and_exact_mode() {
    let folder = crate::lockfile::private_test_folder();
    let path = folder.path().join("file");
    replace_atomically(&path, b"one", 0o600).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o600);
    replace_atomically(&path, b"two", 0o646).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o646);
    assert_eq!(fs::read(&path).unwrap(), b"two");
}

#[test]
fn a_link_stays_and_its_target_is_replaced() {
    let folder = crate::lockfile::private_test_folder();
    let dotfiles = folder.path().join("dotfiles");
    fs::create_dir(&dotfiles).unwrap();
    let target = dotfiles.join("real");
    fs::write(&target, "old").unwrap();
    // Two links, one relative, to see that each is resolved from its own folder.
    symlink("real", dotfiles.join("middle")).unwrap();
    let link = folder.path().join("link");
    symlink("dotfiles/middle", &link).unwrap();
    replace_atomically(&link, b"new", 0o644).unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert!(fs::symlink_metadata(&target).unwrap().is_file());
    assert_eq!(fs::read(&target).unwrap(), b"new");

    let dangling = folder.path().join("dangling");
    symlink("dotfiles/not-yet", &dangling).unwrap();
    replace_atomically(&dangling, b"made", 0o644).unwrap();
    assert_eq!(fs::read(dotfiles.join("not-yet")).unwrap(), b"made");

    let circle = folder.path().join("circle");
    symlink("circle", &circle).unwrap();
    assert!(replace_atomically(&circle, b"x", 0o644).is_err());
}

#[test]
fn a_failed_replacement_leaves_no_trace() {
    let folder = crate::lockfile::private_test_folder();
    let path = folder.path().join("occupied");
    fs::create_dir(&path).unwrap();
    fs::write(path.join("inside"), "kept").unwrap();
    assert!(replace_atomically(&path, b"x", 0o644).is_err());
    assert_eq!(names_in(folder.path()), ["occupied"]);
    assert_eq!(fs::read_to_string(path.join("inside")).unwrap(), "kept");
    assert!(replace_atomically(&folder.path().join("no/folder"), b"x", 0o644).is_err());
    assert!(replace_atomically(Path::new("/"), b"x", 0o644).is_err());
}

#[test]
fn what_a_killed_writer_left_is_swept_and_a_living_one_is_not_disturbed() {
    let folder = crate::lockfile::private_test_folder();
    let mut child = Command::new("true").spawn().unwrap();
    let dead = child.id();
    child.wait().unwrap();
    let alive = std::process::id();
    let abandoned = format!(".file.pinfold-{dead}-00ff");
    let kept = [
        format!(".file.pinfold-{alive}-00ff"),
        format!(".other.pinfold-{dead}-00ff"),
        ".file.pinfold-0-00ff".to_owned(),
        ".file.pinfold--1-00ff".to_owned(),
        ".file.pinfold-text".to_owned(),
    ];
    for name in kept.iter().chain([&abandoned]) {
        fs::write(folder.path().join(name), "partial").unwrap();
    }
    replace_atomically(&folder.path().join("file"), b"x", 0o644).unwrap();
    let names = names_in(folder.path());
    assert!(!names.contains(&abandoned));
    for name in kept {
        assert!(names.contains(&name), "{name}");
    }
}

#[test]
fn readers_never_see_a_mixture() {
    let folder = crate::lockfile::private_test_folder();
    let path = folder.path().join("file");
    let contents = [vec![b'a'; 200_000], vec![b'b'; 100_000]];
    replace_atomically(&path, &contents[0], 0o644).unwrap();
    std::thread::scope(|scope| {
        let writers: Vec<_> = contents
            .iter()
            .map(|content| {
                scope.spawn(|| {
                    for _ in 0..10 {
                        replace_atomically(&path, content, 0o644).unwrap();
                    }
                })
            })
            .collect();
        while writers.iter().any(|writer| !writer.is_finished()) {
            assert!(contents.contains(&fs::read(&path).unwrap()));
        }
    });
    assert_eq!(names_in(folder.path()), ["file"]);
}

#[test]
fn private_folders_are_private() {
    let folder = crate::lockfile::private_test_folder();
    let deep = folder.path().join("a/b");
    create_private_folder(&deep).unwrap();
    create_private_folder(&deep).unwrap();
    assert_eq!(fs::metadata(&deep).unwrap().mode() & 0o077, 0);
}
