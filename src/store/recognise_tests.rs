//! What was changed in a folder that the index has the stamp of: each kind of change must be seen.

use std::collections::BTreeSet;
use std::fs::{File, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;
use std::time::{Duration, SystemTime};

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

use super::index::{Index, encode};
use super::recognise::is_recognised;
use super::record::{Folder, Record};
use super::stamp::Stamp;
use super::testing::{Home, Tar, write};
use super::verify_tests::{assert_drift, home, overwrite, within};
use super::{Bounds, Verification, What};
use crate::lockfile::Digest;

use Verification::Recorded;

/// How many folders a verification lists; none when it recognises everything.
fn listed(home: &Home, tree: &Digest) -> usize {
    home.store.verify_tree(tree, Recorded).unwrap().listed
}

/// The tree is right again, and one walk later it is recognised.
fn assert_recovers(home: &Home, tree: &Digest, folders: usize) {
    // Past the tick of the last change, or the walk would record nothing of it.
    std::thread::sleep(Duration::from_millis(30));
    assert_eq!((listed(home, tree), listed(home, tree)), (folders, 0));
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn set_modified(path: &Path, time: SystemTime) {
    File::open(path).unwrap().set_modified(time).unwrap();
}

/// Does something in a folder and puts back the one time of it that can be set.
fn within_unnoticed(folder: &Path, act: impl FnOnce(&Path)) {
    let before = folder.metadata().unwrap();
    within(folder, act);
    set_modified(folder, before.modified().unwrap());
    let after = folder.metadata().unwrap();
    // Control: by all that can be set, the folder is the same.
    assert_eq!(
        (after.ino(), after.mode(), after.modified().unwrap()),
        (before.ino(), before.mode(), before.modified().unwrap())
    );
}

#[test]
fn the_first_launch_after_an_install_lists_nothing() {
    for n in 0..10 {
        let home = Home::new();
        let tar = Tar::default()
            .file(&format!("package/{n}"), "x")
            .folder("package/empty/inner")
            .link("package/lib/link", "file")
            .file("package/lib/file", "y");
        let tree = home.unpack(&tar.gz(), "a/b", &Bounds::default()).unwrap();
        let report = home.store.verify_tree(&tree, Recorded).unwrap();
        assert_eq!((report.listed, report.hashed, report.files), (0, 0, 2));
    }
}

#[test]
fn a_copied_tree_is_recognised_at_once() {
    let home = Home::new();
    let source = home.folder.path().join("source");
    std::fs::create_dir_all(source.join("lib")).unwrap();
    write(source.join("lib/a.py"), "a").unwrap();
    let tree = home.copy(&source).unwrap();
    assert_eq!(listed(&home, &tree), 0);
}

#[test]
fn what_was_added_to_a_folder_is_found() {
    let (home, tree) = home();
    let folder = home.store.tree(&tree).join("p/lib");
    within_unnoticed(&folder, |folder| {
        write(folder.join("b.js"), "b").unwrap();
        set_mode(&folder.join("b.js"), 0o444);
    });
    assert_drift(&home, &tree, &[("p/lib/b.js", What::Added)]);
    within_unnoticed(&folder, |folder| {
        std::fs::remove_file(folder.join("b.js")).unwrap();
        std::fs::create_dir(folder.join("inner")).unwrap();
        set_mode(&folder.join("inner"), 0o555);
    });
    assert_drift(&home, &tree, &[("p/lib/inner", What::Added)]);
    within_unnoticed(&folder, |folder| {
        std::fs::remove_dir(folder.join("inner")).unwrap();
        symlink("a.js", folder.join("link")).unwrap();
    });
    assert_drift(&home, &tree, &[("p/lib/link", What::Added)]);
    within_unnoticed(&folder, |folder| {
        std::fs::remove_file(folder.join("link")).unwrap();
    });
    assert_recovers(&home, &tree, 3);
}

#[test]
fn what_was_added_to_an_empty_folder_is_found() {
    let home = Home::new();
    let tar = Tar::default()
        .file("package/a", "a")
        .folder("package/empty");
    let tree = home.unpack(&tar.gz(), "", &Bounds::default()).unwrap();
    assert_eq!(listed(&home, &tree), 0);
    within_unnoticed(&home.store.tree(&tree).join("empty"), |folder| {
        write(folder.join("b"), "b").unwrap();
        set_mode(&folder.join("b"), 0o444);
    });
    assert_drift(&home, &tree, &[("empty/b", What::Added)]);
}

#[test]
fn what_was_removed_or_renamed_is_found() {
    let (home, tree) = home();
    let root = home.store.tree(&tree);
    let aside = home.folder.path().join("aside");
    within_unnoticed(&root.join("p"), |folder| {
        std::fs::rename(folder.join("run"), &aside).unwrap();
    });
    assert_drift(&home, &tree, &[("p/run", What::Removed)]);
    within_unnoticed(&root.join("p"), |folder| {
        std::fs::rename(&aside, folder.join("run")).unwrap();
        std::fs::rename(folder.join("index.js"), folder.join("main.js")).unwrap();
    });
    let renamed = [("p/index.js", What::Removed), ("p/main.js", What::Added)];
    assert_drift(&home, &tree, &renamed);
    within_unnoticed(&root.join("p"), |folder| {
        std::fs::rename(folder.join("main.js"), folder.join("index.js")).unwrap();
        std::fs::rename(folder.join("lib"), folder.join("lib2")).unwrap();
    });
    let renamed = [("p/lib/a.js", What::Removed), ("p/lib2/a.js", What::Added)];
    assert_drift(&home, &tree, &renamed);
    within_unnoticed(&root.join("p"), |folder| {
        std::fs::rename(folder.join("lib2"), folder.join("lib")).unwrap();
    });
    assert_recovers(&home, &tree, 3);
}

#[test]
fn files_that_changed_places_are_found() {
    let home = Home::new();
    let tar = Tar::default()
        .file("package/a", "one")
        .file("package/b", "two");
    let tree = home.unpack(&tar.gz(), "", &Bounds::default()).unwrap();
    let swap = |folder: &Path| {
        let (a, b, aside) = (folder.join("a"), folder.join("b"), folder.join("aside"));
        std::fs::rename(&a, &aside).unwrap();
        std::fs::rename(&b, &a).unwrap();
        std::fs::rename(&aside, &b).unwrap();
    };
    within_unnoticed(&home.store.tree(&tree), swap);
    assert_drift(&home, &tree, &[("a", What::Changed), ("b", What::Changed)]);
    within_unnoticed(&home.store.tree(&tree), swap);
    assert_recovers(&home, &tree, 1);
}

#[test]
fn a_file_that_was_a_link_for_a_while_is_looked_at_again() {
    let (home, tree) = home();
    let folder = home.store.tree(&tree).join("p");
    within_unnoticed(&folder, |folder| {
        std::fs::rename(folder.join("index.js"), folder.join("real")).unwrap();
        symlink("real", folder.join("index.js")).unwrap();
    });
    let differences = [("p/index.js", What::BecameSymlink), ("p/real", What::Added)];
    assert_drift(&home, &tree, &differences);
    within_unnoticed(&folder, |folder| {
        std::fs::rename(folder.join("real"), folder.join("index.js")).unwrap();
    });
    assert_recovers(&home, &tree, 3);
}

#[test]
fn another_link_with_the_same_name_is_found() {
    let (home, tree) = home();
    let replace = |target: &str| {
        within_unnoticed(&home.store.tree(&tree).join("p"), |folder| {
            std::fs::remove_file(folder.join("link")).unwrap();
            symlink(target, folder.join("link")).unwrap();
        });
    };
    // As long as the real one.
    replace("index.jz");
    assert_drift(&home, &tree, &[("p/link", What::Changed)]);
    replace("index.js");
    assert_recovers(&home, &tree, 3);
}

#[test]
fn other_permissions_of_a_recorded_folder_are_found() {
    let (home, tree) = home();
    let folder = home.store.tree(&tree).join("p/lib");
    for mode in [0o755, 0o557, 0o1555] {
        set_mode(&folder, mode);
        assert_drift(&home, &tree, &[("p/lib", What::ModeChanged)]);
    }
    set_mode(&folder, 0o555);
    assert_recovers(&home, &tree, 3);
    // The tree itself may be writable by its owner, by nobody else.
    set_mode(&home.store.tree(&tree), 0o755);
    assert_recovers(&home, &tree, 3);
    set_mode(&home.store.tree(&tree), 0o775);
    assert_drift(&home, &tree, &[("", What::ModeChanged)]);
}

#[test]
fn a_folder_as_young_as_its_index_is_listed_until_it_is_older() {
    let (home, tree) = home();
    let folder = home.store.tree(&tree).join("p/lib");
    set_modified(&folder, SystemTime::now() + Duration::from_secs(3600));
    for _ in 0..3 {
        assert_eq!(listed(&home, &tree), 3);
    }
    set_modified(&folder, SystemTime::UNIX_EPOCH);
    assert_recovers(&home, &tree, 3);
}

#[test]
fn a_change_right_after_a_walk_is_found() {
    let (home, tree) = home();
    let folder = home.store.tree(&tree).join("p/lib");
    for _ in 0..20 {
        // The walk records the folder in the tick of this change, and the next one follows at once.
        within_unnoticed(&folder, |_| {});
        listed(&home, &tree);
        within_unnoticed(&folder, |folder| {
            std::fs::create_dir(folder.join("inner")).unwrap();
            set_mode(&folder.join("inner"), 0o555);
        });
        assert_drift(&home, &tree, &[("p/lib/inner", What::Added)]);
        within_unnoticed(&folder, |folder| {
            std::fs::remove_dir(folder.join("inner")).unwrap();
        });
    }
}

#[test]
fn a_file_that_is_written_in_place_is_found_in_a_recorded_folder() {
    let (home, tree) = home();
    let root = home.store.tree(&tree);
    let before = Stamp::of(&File::open(root.join("p/lib")).unwrap()).unwrap();
    overwrite(&root.join("p/lib/a.js"), "b");
    // Control: the folder knows nothing of it.
    let after = Stamp::of(&File::open(root.join("p/lib")).unwrap()).unwrap();
    assert!(before.vouches_for(&after));
    assert_drift(&home, &tree, &[("p/lib/a.js", What::Changed)]);
}

/// An index that says of every path what is there now, as if it had been recorded like that.
fn forged(home: &Home, tree: &Digest, stamp_of: impl Fn(&Path) -> std::fs::Metadata) -> Index {
    let root = home.store.tree(tree);
    let stamp = |path: &[u8]| {
        let found = stamp_of(&root.join(std::str::from_utf8(path).unwrap()));
        let nanoseconds = |seconds: i64, rest: i64| seconds * 1_000_000_000 + rest;
        Stamp {
            inode: found.ino(),
            size: if found.is_file() { found.size() } else { 0 },
            modified: nanoseconds(found.mtime(), found.mtime_nsec()),
            changed: nanoseconds(found.ctime(), found.ctime_nsec()),
        }
    };
    let listing = Index::load(&home.store.index_path(tree))
        .unwrap()
        .records()
        .unwrap();
    let records: Vec<Record> = listing
        .into_iter()
        .map(|record| Record {
            stamp: stamp(&record.path),
            ..record
        })
        .collect();
    let paths: BTreeSet<&[u8]> = records
        .iter()
        .flat_map(|record| {
            let slash = |(at, byte): (usize, &u8)| (*byte == b'/').then_some(at);
            let ends = record.path.iter().enumerate().filter_map(slash);
            ends.map(|end| &record.path[..end])
        })
        .chain([&b""[..]])
        .collect();
    let folder = |path: &[u8]| Folder {
        path: path.into(),
        stamp: stamp(path),
    };
    let folders: Vec<Folder> = paths.into_iter().map(folder).collect();
    Index::parse(encode(i64::MAX, &records, &folders).unwrap()).unwrap()
}

#[test]
fn no_link_is_passed_on_the_way_to_a_file() {
    let (home, tree) = home();
    let root = home.store.tree(&tree);
    within(&root.join("p"), |folder| {
        std::fs::rename(folder.join("lib"), folder.join("elsewhere")).unwrap();
        symlink("elsewhere", folder.join("lib")).unwrap();
    });
    // Control: by their paths, everything is there with the stamps of this index.
    let index = forged(&home, &tree, |path| match path.ends_with("p/link") {
        true => path.symlink_metadata().unwrap(),
        false => path.metadata().unwrap(),
    });
    assert_eq!(index.digest(), Some(tree));
    assert!(!is_recognised(&root, &index, &tree));
    within(&root.join("p"), |folder| {
        std::fs::remove_file(folder.join("lib")).unwrap();
        std::fs::rename(folder.join("elsewhere"), folder.join("lib")).unwrap();
    });
    // Control: without the link such an index is believed.
    let index = forged(&home, &tree, |path| path.symlink_metadata().unwrap());
    assert!(is_recognised(&root, &index, &tree));
    assert!(!is_recognised(&root, &index, &Digest::of(b"another")));
    assert!(!is_recognised(&root.join("p"), &index, &tree));
    assert!(!is_recognised(&root.join("missing"), &index, &tree));
    // The top of the tree can't be a link, either.
    let link = home.folder.path().join("link");
    symlink(&root, &link).unwrap();
    assert!(!is_recognised(&link, &index, &tree));
}

#[test]
fn another_link_has_another_stamp_whatever_its_folder_says() {
    let (home, tree) = home();
    let link = home.store.tree(&tree).join("p/link");
    let before = link.symlink_metadata().unwrap();
    let recognised = || {
        let index = forged(&home, &tree, |path| {
            if path == link {
                before.clone()
            } else {
                path.symlink_metadata().unwrap()
            }
        });
        is_recognised(&home.store.tree(&tree), &index, &tree)
    };
    assert!(recognised());
    within(&home.store.tree(&tree).join("p"), |folder| {
        // Control: a change of the folder alone is one that this index has.
        symlink("run", folder.join("link2")).unwrap();
        std::fs::remove_file(folder.join("link2")).unwrap();
    });
    assert!(recognised());
    within(&home.store.tree(&tree).join("p"), |folder| {
        std::fs::remove_file(folder.join("link")).unwrap();
        symlink("run", folder.join("link")).unwrap();
    });
    assert!(!recognised());
}

#[test]
fn each_kind_of_entry_must_be_of_its_kind_whatever_the_stamp_says() {
    let (home, tree) = home();
    let root = home.store.tree(&tree);
    let recognised = || {
        let index = forged(&home, &tree, |path| path.symlink_metadata().unwrap());
        is_recognised(&root, &index, &tree)
    };
    assert!(recognised());
    for (path, right, wrong) in [
        ("p/index.js", 0o444, 0o555),
        ("p/index.js", 0o444, 0o644),
        ("p/run", 0o555, 0o444),
        ("p/run", 0o555, 0o4555),
        ("p/lib", 0o555, 0o755),
        ("", 0o555, 0o757),
    ] {
        set_mode(&root.join(path), wrong);
        assert!(!recognised(), "{path} {wrong:o}");
        set_mode(&root.join(path), right);
        assert!(recognised(), "{path} {right:o}");
    }
}

#[test]
fn a_pipe_is_neither_a_file_nor_a_link() {
    let home = Home::new();
    let tar = Tar::default()
        .file("package/a", "")
        .link("package/b", "a")
        .folder("package/c");
    let tree = home.unpack(&tar.gz(), "", &Bounds::default()).unwrap();
    let root = home.store.tree(&tree);
    let recognised = || {
        let index = forged(&home, &tree, |path| path.symlink_metadata().unwrap());
        is_recognised(&root, &index, &tree)
    };
    assert!(recognised());
    set_mode(&root, 0o755);
    for (name, mode) in [("a", 0o444), ("b", 0o777), ("c", 0o555)] {
        let aside = root.join("aside");
        std::fs::rename(root.join(name), &aside).unwrap();
        nix::unistd::mkfifo(&root.join(name), nix::sys::stat::Mode::empty()).unwrap();
        set_mode(&root.join(name), mode);
        assert!(!recognised(), "{name}");
        std::fs::remove_file(root.join(name)).unwrap();
        std::fs::rename(&aside, root.join(name)).unwrap();
        assert!(recognised(), "{name}");
    }
}

#[test]
fn a_file_that_is_mounted_over_another_is_found() {
    let (home, tree) = home();
    let other = home.folder.path().join("other");
    write(&other, "Original").unwrap();
    set_mode(&other, 0o444);
    let file = home.store.tree(&tree).join("p/index.js");
    // A thread of its own takes its mounts with it when it ends.
    let mounted = std::thread::scope(|scope| {
        let attack = || {
            let none = None::<&str>;
            unshare(CloneFlags::CLONE_NEWNS)?;
            mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)?;
            mount(Some(&other), &file, none, MsFlags::MS_BIND, none)?;
            assert_eq!(std::fs::read(&file).unwrap(), b"Original");
            assert_drift(&home, &tree, &[("p/index.js", What::Changed)]);
            nix::Result::Ok(())
        };
        scope.spawn(attack).join().unwrap()
    });
    if mounted.is_err() {
        let test = "a_file_that_is_mounted_over_another_is_found";
        let line = format!("SKIPPED {test}: no mount namespace for this user\n");
        std::io::stderr().write_all(line.as_bytes()).unwrap();
    }
    assert_eq!(listed(&home, &tree), 0);
}
