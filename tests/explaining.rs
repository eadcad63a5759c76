//! `explain` of a server whose code isn't here: what it would be allowed is known all the same.

use std::fs;

use serde_json::Value;

use crate::place::{EXAMPLE, Place};

#[test]
fn of_a_server_that_was_not_fetched() {
    let place = Place::example();
    let ran = place.run(["explain", "everything", "--json"]);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    let document: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(document["profile"]["name"], "offline", "{document:#}");
    assert_eq!(document["tools"], serde_json::json!(["echo", "gone"]));
    assert_eq!(document["manifest"]["line"], 1);
    assert_eq!(document["would_start"], false);
    let shown = place.run(["explain", "everything"]);
    assert_eq!(shown.code, Some(0), "{shown:#?}");
    assert!(shown.stdout.contains("would be refused: "), "{shown:#?}");
    assert!(
        shown
            .stdout
            .contains("tools     echo gone (manifest, line 5)"),
        "{shown:#?}"
    );
}

/// A repository's manifest can be looked at before it is trusted.
#[test]
fn of_a_manifest_that_is_not_trusted() {
    let place = Place::example();
    let folder = place.path().join("repository");
    fs::create_dir(&folder).unwrap();
    for file in ["pinfold.toml", "pinfold.lock"] {
        fs::copy(place.manifest().with_file_name(file), folder.join(file)).unwrap();
    }
    let manifest = folder.join("pinfold.toml");
    let words = [
        "--manifest",
        manifest.to_str().unwrap(),
        "explain",
        "everything",
    ];
    let ran = place.run(words);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    assert!(
        ran.stdout
            .contains("was not trusted in its present content"),
        "{ran:#?}"
    );
}

#[test]
fn of_what_cannot_be() {
    for (manifest, says) in [
        (
            EXAMPLE.replace(
                "[servers.everything.tools]",
                "profile = \"all\"\n[servers.everything.tools]",
            ),
            "there is no profile `all`",
        ),
        (
            EXAMPLE.replace(
                "[servers.everything.tools]",
                "profile = \"files-ro\"\n[servers.everything.tools]",
            ),
            "`files.read`: name",
        ),
        (
            EXAMPLE.replace("everything", "other"),
            "there is no server `everything`",
        ),
    ] {
        let place = Place::example();
        fs::write(place.manifest(), manifest).unwrap();
        let ran = place.run(["explain", "everything"]);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{ran:#?}");
        assert!(ran.stderr.contains(says), "{ran:#?}");
    }
}
