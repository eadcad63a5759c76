//! Only bytes with a published digest are accepted, and only those very bytes.

use std::process::Command;

use serde_json::json;

use crate::support::{Home, Package, Ran, Registry, integrity};

/// Nothing was agreed on and nothing can be run.
fn nothing_was_kept(home: &Home) {
    assert!(!home.manifest().exists() && !home.lock().exists());
    let entries = |folder: &str| {
        std::fs::read_dir(home.store().join(folder))
            .unwrap()
            .count()
    };
    assert_eq!((entries("trees"), entries("staging")), (0, 0));
}

fn refused(home: &Home, registry: &Registry, package: &str) -> String {
    let ran = registry.add(home, "server", &format!("npm:{package}"));
    assert!(matches!(ran.code, Some(1 | 4)), "{ran:#?}");
    nothing_was_kept(home);
    ran.stderr
}

/// npm installs `package` without a word.
fn npm_takes(home: &Home, registry: &Registry, package: &str) -> Ran {
    let (project, ran) = registry.npm_install(home, &[package]);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    assert!(project.join("node_modules").join(package).exists());
    ran
}

#[test]
fn other_bytes_than_published_are_refused() {
    let home = Home::new();
    let right = Package::server("swapped", "1.0.0");
    let mut swapped = right.clone();
    swapped.integrity = Some(Some(integrity(&right.bytes())));
    swapped.tarball = Some(Package::speaking("swapped", "1.0.0", "'evil'").bytes());
    let registry = Registry::new([swapped]);
    let message = refused(&home, &registry, "swapped");
    assert!(message.contains("not what was published"), "{message}");
    assert!(message.contains("swapped@1.0.0"), "{message}");

    // Control: the same with the right bytes.
    registry.publish(right);
    assert_eq!(
        registry.add_and_ask(&home, "server", "npm:swapped"),
        "swapped@1.0.0"
    );
}

#[test]
fn a_package_without_a_strong_digest_is_refused() {
    for published in [None, Some("sha1-2jmj7l5rSw0yVb/vlWAYkK/YBwk=".to_owned())] {
        let home = Home::new();
        let mut bare = Package::server("bare", "1.0.0");
        bare.integrity = Some(published.clone());
        let registry = Registry::new([bare]);
        let message = refused(&home, &registry, "bare");
        assert!(message.contains("no published sha512 digest"), "{message}");
        if published.is_none() {
            npm_takes(&home, &registry, "bare");
        }
    }
}

#[test]
fn a_digest_that_changes_between_two_questions_is_refused_at_fetch() {
    let home = Home::new();
    let registry = Registry::new([Package::server("rug", "1.0.0")]);
    registry.add_and_ask(&home, "rug", "npm:rug");
    // The same version is published anew, with a digest that fits.
    registry.publish(Package::speaking("rug", "1.0.0", "'pulled'"));
    home.remove_store();
    let ran = registry.run(&home, ["fetch"]);
    assert!(matches!(ran.code, Some(1 | 4)), "{ran:#?}");
    assert!(
        ran.stderr.contains("the downloaded bytes are not what was"),
        "{ran:#?}"
    );
    let online = registry.run(&home, ["verify", "--online"]);
    assert_eq!(online.code, Some(1), "{online:#?}");
    assert!(
        online.stdout.contains("the registry now publishes sha512-"),
        "{online:#?}"
    );
}

/// A server whose dependency `other` is `range`.
fn depending(range: &str) -> Registry {
    Registry::new([
        Package::speaking("root", "1.0.0", "require('other')").depends_on("other", range)
    ])
}

#[test]
fn a_dependency_at_an_address_is_refused() {
    let home = Home::new();
    let elsewhere = Registry::new([Package::new("other", "1.0.0").file("index.js", b"")]);
    let registry = depending(&format!("{}other/-/other-1.0.0.tgz", elsewhere.url()));
    let message = refused(&home, &registry, "root");
    assert!(
        message.contains("comes from git or an address"),
        "{message}"
    );
    assert_eq!(elsewhere.count(""), 0);
    npm_takes(&home, &registry, "root");
}

#[test]
fn an_unpublished_address_of_the_registry_itself_is_refused() {
    let home = Home::new();
    let registry = Registry::new([Package::new("other", "1.0.0").file("index.js", b"")]);
    let mut loose = Package::new("loose", "1.0.0").file("index.js", b"'unpublished'");
    loose.manifest = json!({"name": "other", "version": "1.0.0"});
    registry.publish(loose);
    let address = format!("{}loose/-/loose-1.0.0.tgz", registry.url());
    registry.publish(Package::server("root", "1.0.0").depends_on("other", &address));
    let message = refused(&home, &registry, "root");
    assert!(
        message.contains("the registry publishes sha512-"),
        "{message}"
    );
    npm_takes(&home, &registry, "root");
}

#[test]
fn a_dependency_in_a_git_repository_is_refused() {
    let home = Home::new();
    let repository = home.user().join("repository");
    std::fs::create_dir(&repository).unwrap();
    std::fs::write(
        repository.join("package.json"),
        r#"{"name":"other","version":"1.0.0"}"#,
    )
    .unwrap();
    let git = |words: &[&str]| {
        let mut command = Command::new("git");
        home.environment(&mut command);
        let ran = Ran::of(command.current_dir(&repository).args(words));
        assert_eq!(ran.code, Some(0), "{ran:#?}");
    };
    git(&["init", "-q"]);
    git(&["add", "."]);
    git(&[
        "-c",
        "user.name=x",
        "-c",
        "user.email=x@x",
        "commit",
        "-qm",
        "x",
    ]);
    let registry = depending(&format!("git+file://{}", repository.display()));
    let message = refused(&home, &registry, "root");
    assert!(message.contains("git or an address"), "{message}");
    npm_takes(&home, &registry, "root");
}

#[test]
fn a_dependency_in_a_local_folder_is_refused() {
    for (protocol, reason) in [
        ("file", "an install path that leaves its folder"),
        ("link", "EUNSUPPORTEDPROTOCOL"),
    ] {
        let home = Home::new();
        let folder = home.user().join("other");
        std::fs::create_dir(&folder).unwrap();
        let manifest = r#"{"name":"other","version":"1.0.0"}"#;
        std::fs::write(folder.join("package.json"), manifest).unwrap();
        let registry = depending(&format!("{protocol}:{}", folder.display()));
        let message = refused(&home, &registry, "root");
        assert!(message.contains(reason), "{message}");
        // npm knows no `link:` either; what it takes is `file:`.
        if protocol == "file" {
            npm_takes(&home, &registry, "root");
        }
    }
}

/// A folder inside of the package itself: nothing foreign, but no published package either.
#[test]
fn a_dependency_in_a_folder_of_the_package_is_refused() {
    let home = Home::new();
    let registry = Registry::new([Package::speaking("root", "1.0.0", "require('other')")
        .depends_on("other", "file:./inside")
        .file(
            "inside/package.json",
            br#"{"name":"other","version":"1.0.0"}"#,
        )
        .file("inside/index.js", b"module.exports = 1")]);
    let message = refused(&home, &registry, "root");
    let reason = "node_modules/other is a link to a folder, not a published package";
    assert!(message.contains(reason), "{message}");
}

#[test]
fn such_sources_are_no_sources_of_a_server_either() {
    let home = Home::new();
    for source in [
        "git:https://127.0.0.1/x",
        "file:/tmp",
        "link:/tmp",
        "npm:x@file:/tmp",
        "npm:x@git+ssh://h/x",
        "npm:x@http://127.0.0.1/x.tgz",
    ] {
        let ran = home.run(["add", "server", source, "--allow-all"]);
        assert_eq!(ran.code, Some(2), "{source}: {ran:#?}");
    }
}
