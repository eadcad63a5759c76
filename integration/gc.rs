//! `pinfold gc`: what no lock names goes, unless somebody runs it or is about to lock it.

use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{Fault, Home, Package, Ran, Registry, say};

fn server(version: &str) -> Package {
    Package::server("tool", version)
}

/// Version 1.0.0 is in the store, and version 1.1.0 in the lock.
fn updated() -> (Home, Registry) {
    let (home, registry) = (Home::new(), Registry::new([server("1.0.0")]));
    registry.add_and_ask(&home, "tool", "npm:tool");
    (home, registry)
}

fn update(home: &Home, registry: &Registry) {
    registry.publish(server("1.1.0"));
    let ran = registry.run(home, ["update", "--accept"]);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
}

fn trees(home: &Home) -> usize {
    let entries = fs::read_dir(home.store().join("trees")).unwrap();
    entries
        .filter(|entry| entry.as_ref().unwrap().path().is_dir())
        .count()
}

fn gc(home: &Home, more: &[&str]) -> Value {
    let ran = home.succeed([&["gc", "--json"], more].concat());
    serde_json::from_str(&ran.stdout).unwrap()
}

fn count(found: &Value, key: &str) -> usize {
    found[key].as_array().unwrap().len()
}

#[test]
fn what_no_lock_names_goes_and_the_rest_still_runs() {
    let (home, registry) = updated();
    assert_eq!((count(&gc(&home, &[]), "trees"), trees(&home)), (0, 1));
    update(&home, &registry);
    assert_eq!(trees(&home), 2);
    let planned = gc(&home, &["--dry-run"]);
    assert_eq!(
        (
            count(&planned, "trees"),
            count(&planned, "artifacts"),
            trees(&home)
        ),
        (1, 1, 2)
    );
    assert!(planned["size"].as_u64().unwrap() > 1000, "{planned}");
    assert_eq!(
        planned["locks"],
        json!([{"path": home.lock(), "servers": 1}])
    );
    let text = home.succeed(["gc"]);
    for words in [
        "servers 1",
        "removed   tree sha256:",
        "removed   artifact sha256:",
    ] {
        assert!(text.stdout.contains(words), "no {words}: {text:#?}");
    }
    assert_eq!(trees(&home), 1);
    home.succeed(["verify"]);
    assert_eq!(say(&mut home.client("tool")), "tool@1.1.0");
}

#[test]
fn a_tree_that_a_session_runs_stays() {
    let (home, registry) = updated();
    let mut client = home.client("tool");
    client.initialize();
    update(&home, &registry);
    let found = gc(&home, &[]);
    assert_eq!(
        (
            count(&found, "trees"),
            count(&found, "in_use"),
            trees(&home)
        ),
        (0, 1, 2)
    );
    // The file that answers is read only now.
    assert_eq!(client.call_text("say", json!({})), "tool@1.0.0");
    client.close();
    let found = gc(&home, &[]);
    assert_eq!((count(&found, "trees"), trees(&home)), (1, 1));
}

#[test]
fn what_a_killed_session_ran_goes() {
    let (home, registry) = updated();
    let mut client = home.client("tool");
    client.initialize();
    update(&home, &registry);
    client.child.kill().unwrap();
    client.child.wait().unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    while trees(&home) > 1 {
        assert!(Instant::now() < deadline);
        gc(&home, &[]);
    }
}

#[test]
fn an_add_that_is_under_way_loses_nothing() {
    let (home, registry) = (Home::new(), Registry::new([server("1.0.0")]));
    // The store already has what will be locked, and no lock names it.
    registry.add_and_ask(&home, "tool", "npm:tool");
    fs::remove_file(home.lock()).unwrap();
    fs::remove_file(home.manifest()).unwrap();
    registry.fail("tool", Fault::Slow(Duration::from_secs(4)), 2);
    let mut add = registry.pinfold(&home, ["add", "tool", "npm:tool", "--allow-all"]);
    let add = add
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let staging = home.store().join("staging");
    let deadline = Instant::now() + Duration::from_secs(20);
    while fs::read_dir(&staging).unwrap().count() == 0 {
        assert!(Instant::now() < deadline);
        std::thread::sleep(Duration::from_millis(5));
    }
    // It waits for the add, and then finds the lock that it wrote; or gives up.
    let ran = home.run(["gc", "--json"]);
    let output = add.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    match ran.code {
        Some(0) => {
            let found: Value = serde_json::from_str(&ran.stdout).unwrap();
            assert_eq!(count(&found, "trees"), 0, "{found}");
        }
        code => {
            assert_eq!(code, Some(4), "{ran:#?}");
            assert!(
                ran.stderr.contains("another pinfold was putting something"),
                "{ran:#?}"
            );
        }
    }
    assert_eq!(say(&mut home.client("tool")), "tool@1.0.0");
    // Control: without the add it would have been removed.
    fs::remove_file(home.lock()).unwrap();
    assert_eq!(count(&gc(&home, &[]), "trees"), 1);
}

#[test]
fn many_launches_updates_and_collections_at_once() {
    let (home, registry) = updated();
    update(&home, &registry);
    std::thread::scope(|scope| {
        let collecting = scope.spawn(|| {
            for _ in 0..10 {
                gc(&home, &[]);
            }
        });
        for _ in 0..10 {
            assert_eq!(say(&mut home.client("tool")), "tool@1.1.0");
        }
        collecting.join().unwrap();
    });
    assert_eq!(trees(&home), 1);
}

#[test]
fn a_lock_that_can_not_be_read_stops_it() {
    let (home, registry) = updated();
    update(&home, &registry);
    let agreed = fs::read_to_string(home.lock()).unwrap();
    for damaged in [
        agreed.replace("\"lockfile_version\": 1", "\"lockfile_version\": 2"),
        agreed[..agreed.len() / 2].to_owned(),
    ] {
        fs::write(home.lock(), damaged).unwrap();
        let ran = home.run(["gc"]);
        assert_eq!(ran.code, Some(2), "{ran:#?}");
        assert!(ran.stderr.contains("nothing was removed"), "{ran:#?}");
        assert_eq!(trees(&home), 2);
    }
    fs::write(home.lock(), agreed).unwrap();
    assert_eq!(count(&gc(&home, &[]), "trees"), 1);
}

#[test]
fn locks_of_trusted_manifests_count() {
    let (home, registry) = updated();
    registry.publish(Package::server("theirs", "1.0.0"));
    let project = home.path().join("project");
    fs::create_dir(&project).unwrap();
    let manifest = project.join("pinfold.toml");
    let manifest = manifest.to_str().unwrap();
    let of = |arguments: &[&str]| {
        let ran: Ran = registry.run(&home, [&["--manifest", manifest], arguments].concat());
        assert_eq!(ran.code, Some(0), "{ran:#?}");
        ran
    };
    of(&["add", "theirs", "npm:theirs", "--allow", "say"]);
    let words = fs::read_to_string(manifest).unwrap();
    of(&["gc"]);
    assert_eq!(trees(&home), 2);
    home.succeed(["trust", manifest]);
    let found = gc(&home, &[]);
    assert_eq!((count(&found, "locks"), trees(&home)), (2, 2), "{found}");
    // Trust in other content is still a lock that is known.
    fs::write(manifest, format!("{words}# edited\n")).unwrap();
    assert_eq!(count(&gc(&home, &[]), "trees"), 0);
    // A damaged one of them stops it, too.
    let lock = project.join("pinfold.lock");
    let agreed = fs::read(&lock).unwrap();
    fs::write(&lock, "{").unwrap();
    assert_eq!(home.run(["gc"]).code, Some(2));
    assert_eq!(trees(&home), 2);
    fs::write(&lock, agreed).unwrap();
    // One that is gone names nothing, which is said.
    fs::remove_dir_all(&project).unwrap();
    let ran = home.succeed(["gc"]);
    assert!(
        ran.stdout.contains("not there, so it names nothing"),
        "{ran:#?}"
    );
    assert_eq!(trees(&home), 1);
}
