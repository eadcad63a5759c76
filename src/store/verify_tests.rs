//! Trees that were tampered with, and indexes that were.

use std::fs::{File, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::index::Index;
use super::testing::{Home, Tar, write};
use super::{Bounds, Difference, StoreError, TreeReport, Verification, What};
use crate::lockfile::Digest;

use Verification::{Recorded, Rehash};

/// A store with one tree: `p/index.js`, `p/run` (executable), `p/link` → `index.js`, `p/lib/a.js`.
pub(super) fn home() -> (Home, Digest) {
    let home = Home::new();
    let tar = Tar::default()
        .file("package/index.js", "original")
        .program("package/run", "#!/bin/sh\n")
        .link("package/link", "index.js")
        .file("package/lib/a.js", "a");
    let tree = home.unpack(&tar.gz(), "p", &Bounds::default()).unwrap();
    (home, tree)
}

/// Does something in a read-only folder, as an ordinary user could, and makes it read-only again.
pub(super) fn within(folder: &Path, act: impl FnOnce(&Path)) {
    std::fs::set_permissions(folder, Permissions::from_mode(0o755)).unwrap();
    act(folder);
    std::fs::set_permissions(folder, Permissions::from_mode(0o555)).unwrap();
}

/// Writes into a file of the tree without replacing it, and puts its mode and times back.
pub(super) fn overwrite(path: &Path, content: &str) {
    let before = path.metadata().unwrap();
    std::fs::set_permissions(path, Permissions::from_mode(0o644)).unwrap();
    write(path, content).unwrap();
    std::fs::set_permissions(path, before.permissions()).unwrap();
    File::open(path)
        .unwrap()
        .set_modified(before.modified().unwrap())
        .unwrap();
    let after = path.metadata().unwrap();
    assert_eq!(
        (after.ino(), after.mtime_nsec()),
        (before.ino(), before.mtime_nsec())
    );
}

fn differences(home: &Home, tree: &Digest, how: Verification) -> (Vec<Difference>, bool) {
    match home.store.verify_tree(tree, how).unwrap_err() {
        StoreError::Drift {
            tree: named,
            differences,
            listing_known,
        } => {
            assert_eq!(named, *tree);
            (differences, listing_known)
        }
        other => panic!("not a drift: {other}"),
    }
}

/// Both ways of verifying must name exactly these, twice: a failed verification changes nothing.
pub(super) fn assert_drift(home: &Home, tree: &Digest, expected: &[(&str, What)]) {
    let expected: Vec<Difference> = expected
        .iter()
        .map(|(path, what)| Difference {
            path: path.into(),
            what: *what,
        })
        .collect();
    for how in [Recorded, Rehash, Recorded] {
        assert_eq!(
            differences(home, tree, how),
            (expected.clone(), true),
            "{how:?}"
        );
    }
}

#[test]
fn an_intact_tree_is_recognised_without_hashing() {
    let (home, tree) = home();
    let report = |how| home.store.verify_tree(&tree, how).unwrap();
    let [files, bytes] = [3, 19];
    let recognised = TreeReport {
        files,
        bytes: bytes as u64,
        listed: 0,
        hashed: 0,
    };
    // The very first time, too: an install leaves nothing racy.
    assert_eq!(report(Recorded), recognised);
    let (listed, hashed) = (3, files);
    assert_eq!(
        report(Rehash),
        TreeReport {
            listed,
            hashed,
            ..recognised
        }
    );
    assert_eq!(report(Recorded), recognised);
    let missing = Digest::of(b"missing");
    for how in [Recorded, Rehash] {
        let refusal = home.store.verify_tree(&missing, how).unwrap_err();
        assert!(matches!(refusal, StoreError::MissingTree { tree } if tree == missing));
    }
}

#[test]
fn one_changed_byte_is_found_though_size_and_time_are_kept() {
    let (home, tree) = home();
    overwrite(&home.store.tree(&tree).join("p/index.js"), "Original");
    assert_drift(&home, &tree, &[("p/index.js", What::Changed)]);
    overwrite(&home.store.tree(&tree).join("p/index.js"), "original");
    home.store.verify_tree(&tree, Rehash).unwrap();
}

#[test]
fn a_change_right_after_the_install_is_found() {
    for n in 0..20 {
        let home = Home::new();
        let tar = Tar::default().file("package/f", &format!("{n:02}"));
        let tree = home.unpack(&tar.gz(), "", &Bounds::default()).unwrap();
        overwrite(&home.store.tree(&tree).join("f"), "xx");
        assert_drift(&home, &tree, &[("f", What::Changed)]);
    }
}

#[test]
fn a_file_as_young_as_its_index_is_hashed_again_until_it_is_older() {
    let (home, tree) = home();
    let index = Index::load(&home.store.index_path(&tree)).unwrap();
    let records = index.records().unwrap();
    assert!(records.iter().all(|record| record.stamp.inode != 0));
    // A file whose modification time lies ahead can't be told from one that is written later.
    let file = home.store.tree(&tree).join("p/index.js");
    let ahead = SystemTime::now() + Duration::from_secs(3600);
    File::open(&file).unwrap().set_modified(ahead).unwrap();
    for _ in 0..3 {
        assert_eq!(home.store.verify_tree(&tree, Recorded).unwrap().hashed, 1);
    }
    File::open(&file)
        .unwrap()
        .set_modified(SystemTime::UNIX_EPOCH)
        .unwrap();
    std::thread::sleep(Duration::from_millis(30));
    assert_eq!(home.store.verify_tree(&tree, Recorded).unwrap().hashed, 1);
    assert_eq!(home.store.verify_tree(&tree, Recorded).unwrap().hashed, 0);
}

#[test]
fn added_and_removed_files_are_found() {
    let (home, tree) = home();
    let folder = home.store.tree(&tree).join("p/lib");
    let read_only = |path: &Path, mode| {
        std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    };
    within(&folder, |folder| {
        write(folder.join("b.js"), "b").unwrap();
        read_only(&folder.join("b.js"), 0o444);
    });
    assert_drift(&home, &tree, &[("p/lib/b.js", What::Added)]);
    within(&folder, |folder| {
        std::fs::rename(folder.join("b.js"), folder.join("a.js")).unwrap();
    });
    assert_drift(&home, &tree, &[("p/lib/a.js", What::Changed)]);
    within(&folder, |folder| {
        std::fs::remove_file(folder.join("a.js")).unwrap()
    });
    assert_drift(&home, &tree, &[("p/lib/a.js", What::Removed)]);
}

#[test]
fn an_extra_empty_folder_is_found() {
    let (home, tree) = home();
    within(&home.store.tree(&tree), |root| {
        std::fs::create_dir(root.join("empty")).unwrap();
        std::fs::set_permissions(root.join("empty"), Permissions::from_mode(0o555)).unwrap();
    });
    assert_drift(&home, &tree, &[("empty", What::Added)]);
}

#[test]
fn links_in_the_place_of_files_and_folders_are_found() {
    let (home, tree) = home();
    let root = home.store.tree(&tree);
    let copy = home.folder.path().join("copy");
    std::fs::create_dir(&copy).unwrap();
    std::fs::copy(root.join("p/lib/a.js"), copy.join("a.js")).unwrap();
    within(&root.join("p"), |folder| {
        std::fs::rename(folder.join("index.js"), copy.join("index.js")).unwrap();
        symlink(copy.join("index.js"), folder.join("index.js")).unwrap();
    });
    assert_drift(&home, &tree, &[("p/index.js", What::BecameSymlink)]);
    within(&root.join("p"), |folder| {
        std::fs::remove_file(folder.join("index.js")).unwrap();
        std::fs::rename(copy.join("index.js"), folder.join("index.js")).unwrap();
    });
    home.store.verify_tree(&tree, Recorded).unwrap();
    within(&root.join("p"), |folder| {
        super::directory::remove_all(&folder.join("lib")).unwrap();
        symlink(&copy, folder.join("lib")).unwrap();
        std::fs::remove_file(folder.join("link")).unwrap();
        symlink("run", folder.join("link")).unwrap();
    });
    let expected = [("p/lib", What::BecameSymlink), ("p/link", What::Changed)];
    assert_drift(&home, &tree, &expected);
}

#[test]
fn other_permissions_are_found() {
    let (home, tree) = home();
    let file = home.store.tree(&tree).join("p/index.js");
    for mode in [0o555, 0o644, 0o4444] {
        std::fs::set_permissions(&file, Permissions::from_mode(mode)).unwrap();
        assert_drift(&home, &tree, &[("p/index.js", What::ModeChanged)]);
    }
    std::fs::set_permissions(&file, Permissions::from_mode(0o444)).unwrap();
    home.store.verify_tree(&tree, Recorded).unwrap();
    let folder = home.store.tree(&tree).join("p/lib");
    std::fs::set_permissions(&folder, Permissions::from_mode(0o755)).unwrap();
    assert_drift(&home, &tree, &[("p/lib", What::ModeChanged)]);
}

#[test]
fn special_files_are_found_and_never_opened() {
    let (home, tree) = home();
    within(&home.store.tree(&tree).join("p"), |folder| {
        let mode = nix::sys::stat::Mode::S_IRUSR;
        std::fs::remove_file(folder.join("run")).unwrap();
        nix::unistd::mkfifo(&folder.join("run"), mode).unwrap();
        nix::unistd::mkfifo(&folder.join("pipe"), mode).unwrap();
    });
    assert_drift(
        &home,
        &tree,
        &[("p/pipe", What::Added), ("p/run", What::TypeChanged)],
    );
}

#[test]
fn without_an_index_all_is_hashed_once() {
    let (home, tree) = home();
    let index = home.store.index_path(&tree);
    std::fs::remove_file(&index).unwrap();
    std::thread::sleep(Duration::from_millis(30));
    assert_eq!(home.store.verify_tree(&tree, Recorded).unwrap().hashed, 3);
    assert_eq!(home.store.verify_tree(&tree, Recorded).unwrap().hashed, 0);
    std::fs::remove_file(&index).unwrap();
    home.store.verify_tree(&tree, Rehash).unwrap();
    assert_eq!(home.store.verify_tree(&tree, Recorded).unwrap().hashed, 0);
    assert_eq!(
        std::fs::read_dir(home.store.staging_folder())
            .unwrap()
            .count(),
        0
    );

    std::fs::remove_file(&index).unwrap();
    overwrite(&home.store.tree(&tree).join("p/index.js"), "Original");
    assert_eq!(differences(&home, &tree, Recorded), (vec![], false));
    assert!(!index.exists());
    let text = home
        .store
        .verify_tree(&tree, Recorded)
        .unwrap_err()
        .to_string();
    assert!(text.contains("list of its files is gone"), "{text}");
}

#[test]
fn a_damaged_or_foreign_index_costs_time_and_nothing_else() {
    let (home, tree) = home();
    let path = home.store.index_path(&tree);
    let good = std::fs::read(&path).unwrap();
    let other = home
        .unpack(
            &Tar::default().file("p/x", "x").gz(),
            "",
            &Bounds::default(),
        )
        .unwrap();
    let foreign = std::fs::read(home.store.index_path(&other)).unwrap();
    for at in (0..good.len()).step_by(3) {
        let mut damaged = good.clone();
        damaged[at] ^= 0x21;
        write(&path, &damaged).unwrap();
        home.store.verify_tree(&tree, Recorded).unwrap();
    }
    for bytes in [
        foreign,
        vec![],
        vec![0; 4096],
        good[..good.len() / 2].to_vec(),
    ] {
        write(&path, bytes).unwrap();
        assert_eq!(home.store.verify_tree(&tree, Recorded).unwrap().hashed, 3);
    }
    let older = [b"pinfold-index-v1\n", &good[17..]].concat();
    write(&path, older).unwrap();
    assert_eq!(home.store.verify_tree(&tree, Recorded).unwrap().hashed, 3);
    assert!(std::fs::read(&path).unwrap().starts_with(&good[..17]));
    std::fs::remove_file(&path).unwrap();
    symlink("/dev/zero", &path).unwrap();
    assert_eq!(home.store.verify_tree(&tree, Recorded).unwrap().hashed, 3);
}

#[test]
fn an_index_that_lies_about_a_changed_file_does_not_help_it() {
    let (home, tree) = home();
    let root = home.store.tree(&tree);
    overwrite(&root.join("p/index.js"), "Original");
    // The index of the changed tree, with its own hashes, under the name of the locked one.
    let copy = Home::new();
    let changed = Tar::default()
        .file("package/index.js", "Original")
        .program("package/run", "#!/bin/sh\n")
        .link("package/link", "index.js")
        .file("package/lib/a.js", "a");
    let another = copy.unpack(&changed.gz(), "p", &Bounds::default()).unwrap();
    let (from, to) = (
        copy.store.index_path(&another),
        home.store.index_path(&tree),
    );
    std::fs::copy(from, to).unwrap();
    assert_eq!(differences(&home, &tree, Recorded), (vec![], false));
}

#[test]
fn a_discarded_tree_is_gone_and_can_be_built_again() {
    let (home, tree) = home();
    overwrite(&home.store.tree(&tree).join("p/index.js"), "Original");
    home.store.discard_tree(&tree).unwrap();
    home.store.discard_tree(&tree).unwrap();
    let refusal = home.store.verify_tree(&tree, Recorded).unwrap_err();
    assert!(matches!(refusal, StoreError::MissingTree { .. }));
    assert!(home.store.trees().unwrap().is_empty());
    for folder in ["trees", "staging"] {
        let folder = home.folder.path().join("store").join(folder);
        assert_eq!(std::fs::read_dir(folder).unwrap().count(), 0);
    }
}

#[test]
fn a_tree_that_is_there_already_stays() {
    let (home, tree) = home();
    let before = home
        .store
        .tree(&tree)
        .join("p/run")
        .metadata()
        .unwrap()
        .ino();
    let tar = Tar::default()
        .file("package/index.js", "original")
        .program("package/run", "#!/bin/sh\n")
        .link("package/link", "index.js")
        .file("package/lib/a.js", "a");
    assert_eq!(
        home.unpack(&tar.gz(), "p", &Bounds::default()).unwrap(),
        tree
    );
    assert_eq!(
        home.store
            .tree(&tree)
            .join("p/run")
            .metadata()
            .unwrap()
            .ino(),
        before
    );
    assert_eq!(home.store.verify_tree(&tree, Recorded).unwrap().hashed, 0);
    assert_eq!(
        std::fs::read_dir(home.store.staging_folder())
            .unwrap()
            .count(),
        0
    );
}

#[test]
fn two_installs_at_once_are_fine() {
    let home = Home::new();
    let archive = home.archive(&Tar::default().file("p/a", "a").file("p/b/c", "c").gz());
    for round in 0..10 {
        let start = std::sync::Barrier::new(4);
        let install = || {
            let mut builder = home.store.staging().unwrap().tree().unwrap();
            let at = format!("r{round}");
            builder
                .unpack_tar_gz(&archive, &at, &Bounds::default())
                .unwrap();
            start.wait();
            let tree = builder.finish().unwrap();
            home.store.sweep().unwrap();
            home.store.verify_tree(&tree, Recorded).unwrap();
            tree
        };
        let trees: Vec<Digest> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(install)).collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .collect()
        });
        assert!(trees.iter().all(|tree| *tree == trees[0]));
        home.store.verify_tree(&trees[0], Rehash).unwrap();
    }
    assert_eq!(
        std::fs::read_dir(home.store.staging_folder())
            .unwrap()
            .count(),
        0
    );
}

/// A tree of the size of a large server, walked by several threads. Its time is not judged here.
#[test]
fn five_thousand_files_are_recognised() {
    let home = Home::new();
    let mut tar = Tar::default();
    for n in 0..5_000 {
        let (package, folder) = (n / 50, n / 10);
        let name = format!("package/node_modules/p{package}/lib/{folder}/module-{n}.js");
        tar = tar.file(&name, "module.exports = 1\n");
    }
    let tree = home.unpack(&tar.gz(), "", &Bounds::default()).unwrap();
    let start = std::time::Instant::now();
    let report = home.store.verify_tree(&tree, Recorded).unwrap();
    println!("5,000 files recognised in {:?}", start.elapsed());
    assert_eq!((report.files, report.hashed), (5_000, 0));
    assert_eq!(report.listed, 0);

    std::fs::remove_file(home.store.index_path(&tree)).unwrap();
    assert_eq!(
        home.store.verify_tree(&tree, Recorded).unwrap().hashed,
        5_000
    );
    let report = home.store.verify_tree(&tree, Recorded).unwrap();
    assert_eq!((report.listed, report.hashed), (0, 0));
    let changed = [
        "node_modules/p0/lib/0/module-7.js",
        "node_modules/p99/lib/499/module-4999.js",
    ];
    // One at a time, too: each is in another part of the index.
    for path in changed {
        let file = home.store.tree(&tree).join(path);
        overwrite(&file, "module.exports = 2\n");
        assert_drift(&home, &tree, &[(path, What::Changed)]);
        overwrite(&file, "module.exports = 1\n");
        std::thread::sleep(Duration::from_millis(30));
        home.store.verify_tree(&tree, Recorded).unwrap();
        let report = home.store.verify_tree(&tree, Recorded).unwrap();
        assert_eq!((report.listed, report.hashed), (0, 0));
    }
    for path in changed {
        overwrite(&home.store.tree(&tree).join(path), "module.exports = 2\n");
    }
    assert_drift(&home, &tree, &changed.map(|path| (path, What::Changed)));
}
