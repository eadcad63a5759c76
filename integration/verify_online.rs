//! `verify --online`: whether the registry still serves what was locked, and never a yes without an
//! answer.

use serde_json::{Value, json};

use crate::support::{Fault, Home, Package, Ran, Registry};

fn part() -> Package {
    Package::new("part", "1.0.0").file("index.js", b"module.exports = 1")
}

fn locked() -> (Home, Registry) {
    let home = Home::new();
    let server = Package::speaking("tool", "1.0.0", "require('part')").depends_on("part", "1");
    let registry = Registry::new([part(), server]);
    registry.add_and_ask(&home, "tool", "npm:tool");
    (home, registry)
}

fn verify(home: &Home, registry: &Registry, code: i32) -> (Ran, Value) {
    let text = registry.run(home, ["verify", "--online"]);
    assert_eq!(text.code, Some(code), "{text:#?}");
    let json = registry.run(home, ["verify", "--online", "--json"]);
    assert_eq!(json.code, Some(code), "{json:#?}");
    let value = serde_json::from_str(&json.stdout).unwrap_or_else(|e| panic!("{e}: {json:#?}"));
    (text, value)
}

/// The problems of the only server.
fn codes(found: &Value) -> Vec<&str> {
    let problems = found["servers"][0]["problems"].as_array().unwrap().iter();
    problems
        .map(|problem| problem["code"].as_str().unwrap())
        .collect()
}

#[test]
fn what_is_still_served_is_fine() {
    let (home, registry) = locked();
    let (text, found) = verify(&home, &registry, 0);
    assert!(text.stdout.contains("tool: as locked"), "{text:#?}");
    assert_eq!(found["ok"], true);
    assert_eq!(
        found["servers"][0]["online"],
        json!({"asked": true, "advice": []})
    );
    let offline = home.succeed(["verify", "--json"]);
    let offline: Value = serde_json::from_str(&offline.stdout).unwrap();
    assert_eq!(offline["servers"][0]["online"], Value::Null);
}

#[test]
fn other_bytes_and_unpublished_versions_and_packages_are_found() {
    let (home, registry) = locked();
    registry.publish(part().file("more.js", b""));
    let (text, found) = verify(&home, &registry, 1);
    assert_eq!(codes(&found), ["registry-changed"]);
    assert!(
        text.stdout
            .contains("tool: registry-changed: part@1.0.0: the registry now publishes sha512-"),
        "{text:#?}"
    );

    let mut bare = part();
    bare.integrity = Some(None);
    registry.publish(bare);
    let (text, _) = verify(&home, &registry, 1);
    assert!(
        text.stdout.contains("publishes no sha512 digest"),
        "{text:#?}"
    );

    registry.publish(Package::new("part", "1.0.1"));
    registry.unpublish("part", "1.0.0");
    let (text, found) = verify(&home, &registry, 1);
    assert_eq!(codes(&found), ["unpublished"]);
    assert!(text.stdout.contains("no longer offers it"), "{text:#?}");

    registry.unpublish("part", "1.0.1");
    assert_eq!(codes(&verify(&home, &registry, 1).1), ["unpublished"]);

    registry.publish(part());
    verify(&home, &registry, 0);
}

#[test]
fn deprecation_is_advice() {
    let (home, registry) = locked();
    registry.publish(part().with("deprecated", json!("use \u{1b}[2Jother")));
    // The bytes hold the manifest; a registry changes only its document.
    let mut same = part().with("deprecated", json!("use \u{1b}[2Jother"));
    same.tarball = Some(part().bytes());
    registry.publish(same);
    let (text, found) = verify(&home, &registry, 0);
    let line =
        "tool: deprecated (advice): part@1.0.0: its authors advise against it: use \\x1b[2Jother";
    assert!(text.stdout.contains(line), "{text:#?}");
    assert_eq!(
        found["servers"][0]["online"]["advice"][0]["code"],
        "deprecated"
    );
}

#[test]
fn whoever_adds_something_deprecated_is_told() {
    let says = "part@1.0.0: its authors advise against it: use \\x1b[2Jother";
    for (deprecated, told) in [(None, false), (Some("use \u{1b}[2Jother"), true)] {
        let home = Home::new();
        let server = Package::speaking("tool", "1.0.0", "require('part')").depends_on("part", "1");
        let part = match deprecated {
            Some(reason) => part().with("deprecated", json!(reason)),
            None => part(),
        };
        let ran = Registry::new([part, server]).add(&home, "tool", "npm:tool");
        assert_eq!(ran.stderr.contains(says), told, "{ran:#?}");
    }
}

#[test]
fn no_answer_is_never_fine() {
    let (home, registry) = locked();
    for (fault, words) in [
        (Fault::Status(500), "status 500"),
        (Fault::Status(401), "refuses access"),
        (Fault::Cut, "broke off or stalled"),
    ] {
        registry.fail("part", fault, 8);
        let (text, found) = verify(&home, &registry, 4);
        assert!(text.stderr.contains(words), "{text:#?}");
        assert!(!text.stdout.contains("as locked"), "{text:#?}");
        assert_eq!(
            (&found["ok"], &found["servers"][0]["ok"]),
            (&json!(false), &json!(false))
        );
        assert_eq!(found["servers"][0]["online"]["asked"], false, "{found}");
        registry.mend();
    }
    verify(&home, &registry, 0);
    drop(registry);
    let ran = home
        .pinfold(["verify", "--online"])
        .env("npm_config_registry", "http://127.0.0.1:9/")
        .env_remove("HTTP_PROXY")
        .env_remove("http_proxy")
        .output()
        .unwrap();
    assert_eq!(ran.status.code(), Some(4), "{ran:?}");
    // Without the question there is nothing to miss; and drift that is known is not hidden by it.
    home.succeed(["verify"]);
    home.remove_store();
    let ran = home
        .pinfold(["verify", "--online"])
        .env("npm_config_registry", "http://127.0.0.1:9/")
        .output()
        .unwrap();
    assert_eq!(ran.status.code(), Some(1), "{ran:?}");
}
