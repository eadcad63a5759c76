//! `add` may be killed at any moment: what is there is whole, and the next one succeeds.

use std::collections::BTreeSet;
use std::fs;
use std::ops::RangeInclusive;
use std::path::Path;
use std::process::Stdio;
use std::time::Instant;

use pinfold::config::Manifest;
use pinfold::lockfile::{LockError, read};
use pinfold::store::{Store, Verification};

use crate::support::{Home, Package, Registry, say};

const MOMENTS: u32 = 50;
/// So often the command is run to its end between the kills.
const KILLS_BETWEEN: u32 = 5;

fn names(folder: &Path) -> BTreeSet<String> {
    fs::read_dir(folder)
        .map(|entries| {
            entries
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect()
        })
        .unwrap_or_default()
}

/// Manifest and lock can be read, and what has a name in the store is what its name says.
fn is_whole(home: &Home, when: &str) {
    let lock = match read(&home.lock()) {
        Ok(lock) => lock,
        Err(LockError::Missing { .. }) => pinfold::lockfile::Lock::default(),
        Err(error) => panic!("{when}: {error}"),
    };
    if let Ok(text) = fs::read_to_string(home.manifest()) {
        let manifest = Manifest::parse(&text, &home.manifest(), Some(&home.user()));
        let manifest = manifest.unwrap_or_else(|error| panic!("{when}: {error}"));
        for name in manifest.servers.keys() {
            assert!(
                lock.servers.contains_key(name),
                "{when}: {name} is not locked"
            );
        }
    }
    if !home.store().exists() {
        return;
    }
    let store = Store::open(home.store()).unwrap();
    for tree in store.trees().unwrap() {
        let found = store.verify_tree(&tree, Verification::Rehash);
        found.unwrap_or_else(|error| panic!("{when}: {error}"));
    }
    for artifact in store.artifacts().unwrap() {
        let path = store.artifact(&artifact).unwrap();
        let size = fs::metadata(path).unwrap().len();
        let found = store.verify_artifact(&artifact, size);
        found.unwrap_or_else(|error| panic!("{when}: {error}"));
    }
    let (trees, artifacts) = (store.trees().unwrap(), store.artifacts().unwrap());
    let hex = names(&home.store().join("trees"));
    let known: BTreeSet<String> = trees
        .iter()
        .flat_map(|tree| [tree.hex(), format!("{}.index", tree.hex())])
        .collect();
    // An index without its tree is a cache without use, and replaced by the next one.
    let strangers: Vec<_> = hex.difference(&known).collect();
    assert!(
        strangers.iter().all(|name| name.ends_with(".index")),
        "{when}: {strangers:?}"
    );
    assert_eq!(
        names(&home.store().join("artifacts")).len(),
        artifacts.len(),
        "{when}"
    );
}

/// After a command that ended by itself nothing is left over of those that did not.
fn is_tidy(home: &Home, when: &str) {
    let mut left = names(&home.store().join("staging"));
    // One that was killed while it wrote an index, or looked at the file system's clock, may leave that
    // file behind for ten minutes: nobody can tell whether its writer still lives.
    left.retain(|name| !name.starts_with("index-") && !name.starts_with("clock-"));
    assert_eq!(left, BTreeSet::new(), "{when}");
    let configuration = names(home.manifest().parent().unwrap());
    let expected = [".pinfold.write-lock", "pinfold.lock", "pinfold.toml"];
    assert_eq!(configuration, expected.map(str::to_owned).into(), "{when}");
    let data = names(home.store().parent().unwrap());
    let known = ["interpreters.index", "store"].map(str::to_owned).into();
    assert!(data.is_subset(&known), "{when}: {data:?}");
}

fn victim(n: u32) -> Package {
    let mut package =
        Package::server("victim", &format!("1.0.{n}")).depends_on("part", &format!("1.0.{n}"));
    for file in 0..30 {
        package = package.file(&format!("lib/{file}.js"), format!("{n} {file}").as_bytes());
    }
    package
}

#[test]
fn at_moments_of_its_first_half() {
    kill_at(1..=MOMENTS / 2);
}

#[test]
fn at_moments_of_its_second_half() {
    kill_at(MOMENTS / 2 + 1..=MOMENTS);
}

/// Kills one command at each of these moments, the last of which is its end.
fn kill_at(moments: RangeInclusive<u32>) {
    let last = *moments.end();
    let parts = (0..=MOMENTS).map(|n| {
        Package::new("part", &format!("1.0.{n}"))
            .file("index.js", &vec![b' '; 100_000 + n as usize])
    });
    let registry = Registry::new((0..=MOMENTS).map(victim).chain(parts));
    let home = Home::new();
    let add = |n: u32| {
        let (name, source) = (format!("server-{n}"), format!("npm:victim@1.0.{n}"));
        registry.pinfold(&home, ["add", &name, &source, "--allow-all"])
    };
    // The shorter of two: one may have been held up.
    let whole = |home: &Home| {
        let start = Instant::now();
        let mut command =
            registry.pinfold(home, ["add", "server-0", "npm:victim@1.0.0", "--allow-all"]);
        assert!(command.output().unwrap().status.success());
        start.elapsed()
    };
    let duration = whole(&home).min(whole(&Home::new()));
    is_tidy(&home, "at first");

    let mut killed = 0;
    for n in moments {
        let jitter = u64::from(
            std::time::SystemTime::UNIX_EPOCH
                .elapsed()
                .unwrap()
                .subsec_nanos(),
        );
        let slot = duration / MOMENTS;
        let moment = slot * (n - 1) + slot.mul_f64((jitter % 1000) as f64 / 1000.0);
        let when = format!("killed after {moment:?} of {duration:?}");
        let mut child = add(n)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(moment);
        child.kill().unwrap();
        killed += u32::from(!child.wait().unwrap().success());
        is_whole(&home, &when);
        if n % KILLS_BETWEEN == 0 {
            let output = add(n).output().unwrap();
            let stderr = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{when}: {stderr}");
            is_whole(&home, &when);
            is_tidy(&home, &when);
        }
    }
    assert!(killed > 0, "no command was ever killed");
    assert_eq!(
        say(&mut home.client(&format!("server-{last}"))),
        format!("victim@1.0.{last}")
    );
    let verify = home.run(["verify"]);
    // A kill between the two files leaves a server in the lock that the manifest doesn't have.
    assert!(
        verify
            .stdout
            .lines()
            .all(|line| line.contains("as locked") || line.contains("not-in-manifest")),
        "{verify:#?}"
    );
}

#[test]
fn control_the_store_check_sees_half_a_tree() {
    let home = Home::new();
    let registry = Registry::new([Package::server("victim", "1.0.0")]);
    registry.add_and_ask(&home, "server", "npm:victim");
    is_whole(&home, "before");
    let tree = home.only_tree();
    for folder in [tree.join("node_modules/victim"), tree] {
        let _ = std::process::Command::new("chmod")
            .arg("u+w")
            .arg(&folder)
            .status();
        let _ = fs::remove_file(folder.join("answer.js"));
    }
    let result = std::panic::catch_unwind(|| is_whole(&home, "half a tree"));
    assert!(result.is_err());
}
