//! A manifest that is not the user's own runs only in the content that was trusted.

use std::fs;
use std::path::PathBuf;

use crate::place::{EXAMPLE, Place, golden};

/// Somebody's repository with a manifest and a lock.
fn repository(place: &Place) -> PathBuf {
    let folder = place.path().join("repository");
    fs::create_dir(&folder).unwrap();
    let manifest = folder.join("pinfold.toml");
    fs::write(&manifest, EXAMPLE).unwrap();
    fs::copy(golden("npm.lock"), folder.join("pinfold.lock")).unwrap();
    manifest
}

/// Why `run` refuses. It always does: nothing of the example is in the store.
fn refusal(place: &Place, manifest: &str) -> String {
    let ran = place.run(["run", "--manifest", manifest, "everything"]);
    assert_eq!(ran.code, Some(125), "{ran:#?}");
    ran.stderr
}

const UNTRUSTED: &str = "was not trusted in its present content";

#[test]
fn any_change_asks_again() {
    let place = Place::new();
    let manifest = repository(&place);
    let path = manifest.to_str().unwrap();
    let lock = manifest.with_extension("lock");
    assert!(refusal(&place, path).contains(UNTRUSTED));

    let trusted = place.run(["trust", path]);
    assert_eq!(trusted.code, Some(0), "{trusted:#?}");
    assert!(
        trusted
            .stderr
            .contains("everything: npm:@modelcontextprotocol/server-everything"),
        "{trusted:#?}"
    );
    // Control: now it is refused for another reason, which is further on.
    assert!(!refusal(&place, path).contains(UNTRUSTED));
    assert!(
        !refusal(&place, "repository").contains(UNTRUSTED),
        "the folder means its manifest"
    );

    for (file, from, to) in [
        (&manifest, "\"echo\"", "\"echo\", \"add\""),
        (&manifest, "[servers", "# a comment\n[servers"),
        (&lock, "7e9e5ac3", "7e9e5ac4"),
    ] {
        let before = fs::read_to_string(file).unwrap();
        fs::write(file, before.replacen(from, to, 1)).unwrap();
        assert!(refusal(&place, path).contains(UNTRUSTED), "{from}");
        fs::write(file, before).unwrap();
        assert!(!refusal(&place, path).contains(UNTRUSTED), "{from}");
    }
    // A copy elsewhere is another manifest.
    let copy = place.path().join("copy");
    fs::create_dir(&copy).unwrap();
    fs::copy(&manifest, copy.join("pinfold.toml")).unwrap();
    fs::copy(&lock, copy.join("pinfold.lock")).unwrap();
    assert!(refusal(&place, copy.to_str().unwrap()).contains(UNTRUSTED));
}

#[test]
fn the_own_manifest_needs_none() {
    let place = Place::example();
    let ran = place.run(["trust", place.manifest().to_str().unwrap()]);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    assert!(ran.stderr.contains("needs no trust"), "{ran:#?}");
    let run = place.run(["run", "everything"]);
    assert!(!run.stderr.contains(UNTRUSTED), "{run:#?}");
}

#[test]
fn what_can_not_be_read_can_not_be_trusted() {
    let place = Place::new();
    let manifest = repository(&place);
    fs::write(manifest.with_extension("lock"), "{").unwrap();
    let ran = place.run(["trust", "repository"]);
    assert_ne!(ran.code, Some(0), "{ran:#?}");
    fs::write(&manifest, "x = 1").unwrap();
    let ran = place.run(["trust", "repository"]);
    assert_eq!(ran.code, Some(2), "{ran:#?}");
}

#[test]
fn nothing_of_it_is_started_to_be_locked_either() {
    let place = Place::new();
    let manifest = repository(&place);
    let path = manifest.to_str().unwrap();
    for command in ["lock", "update"] {
        let ran = place.run(["--manifest", path, command]);
        assert!(
            ran.code == Some(2) && ran.stderr.contains(UNTRUSTED),
            "{ran:#?}"
        );
    }
    // The control: from then on they fail further on, whatever becomes of the lock.
    assert_eq!(place.run(["trust", path]).code, Some(0));
    fs::remove_file(manifest.with_extension("lock")).unwrap();
    let ran = place.run(["--manifest", path, "lock", "nobody"]);
    assert!(
        ran.stderr.contains("there is no server `nobody`"),
        "{ran:#?}"
    );
    // Another content asks again, and without a lock it can be trusted, too.
    fs::write(&manifest, EXAMPLE.replace("\"echo\"", "\"add\"")).unwrap();
    let ran = place.run(["--manifest", path, "lock", "nobody"]);
    assert!(ran.stderr.contains(UNTRUSTED), "{ran:#?}");
    let ran = place.run(["trust", path]);
    assert!(
        ran.code == Some(0) && ran.stderr.contains("no lock yet"),
        "{ran:#?}"
    );
    let ran = place.run(["--manifest", path, "lock", "nobody"]);
    assert!(
        ran.stderr.contains("there is no server `nobody`"),
        "{ran:#?}"
    );
}
