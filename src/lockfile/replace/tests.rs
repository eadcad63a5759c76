//! Files replaced whole or not at all, and never through a link that somebody else put there.

use std::os::unix::fs::symlink;
use std::process::Command;

use super::*;
use crate::lockfile::names_in;

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
fn a_held_file_is_replaced_with_its_mode() {
    let folder = crate::lockfile::private_test_folder();
    let path = folder.path().canonicalize().unwrap().join("file");
    let held = HeldFile::open(&path).unwrap();
    assert_eq!(
        held.replace_content(b"x").unwrap_err().kind(),
        io::ErrorKind::NotFound
    );
    held.replace(b"one", 0o604).unwrap();
    held.replace_content(b"two").unwrap();
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o604);
    assert_eq!(fs::read(&path).unwrap(), b"two");
    assert_eq!(names_in(folder.path()), ["file"]);
}

#[test]
fn a_held_file_follows_no_link() {
    let folder = crate::lockfile::private_test_folder();
    let place = folder.path().canonicalize().unwrap();
    let [project, other] = ["project", "other"].map(|name| place.join(name));
    for folder in [&project, &other] {
        fs::create_dir(folder).unwrap();
        fs::write(folder.join("file"), "kept").unwrap();
    }
    let held = HeldFile::open(&project.join("file")).unwrap();
    // The whole folder is swapped: what was held is written, the other is not.
    fs::rename(&project, place.join("moved")).unwrap();
    symlink("other", &project).unwrap();
    held.replace_content(b"new").unwrap();
    held.replace(b"newer", 0o600).unwrap();
    assert_eq!(fs::read(place.join("moved/file")).unwrap(), b"newer");
    assert_eq!(fs::read(other.join("file")).unwrap(), b"kept");
    let is_loop = |error: io::Error| error.raw_os_error() == Some(Errno::ELOOP as i32);
    assert!(is_loop(HeldFile::open(&project.join("file")).unwrap_err()));
    // The control: the way that follows links gets there.
    replace_atomically(&project.join("file"), b"through", 0o600).unwrap();
    assert_eq!(fs::read(other.join("file")).unwrap(), b"through");

    for target in ["other/file", "other/not-there"] {
        let link = place.join("link");
        symlink(target, &link).unwrap();
        let held = HeldFile::open(&link).unwrap();
        assert!(is_loop(held.file().unwrap_err()));
        assert!(is_loop(held.replace_content(b"x").unwrap_err()));
        assert!(is_loop(held.replace(b"x", 0o600).unwrap_err()));
        fs::remove_file(&link).unwrap();
    }
    assert_eq!(names_in(&other), ["file"]);
    assert_eq!(fs::read(other.join("file")).unwrap(), b"through");
}
