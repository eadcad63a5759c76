//! A version that was published a moment ago is not chosen, unless it is asked for exactly.

use std::time::{Duration, SystemTime};

use crate::support::{Home, Package, Registry};

fn hours_ago(hours: u64) -> String {
    let time = SystemTime::now() - Duration::from_secs(hours * 3600);
    humantime::format_rfc3339_millis(time).to_string()
}

/// An old version 1.0.0 and 1.1.0, which is an hour old.
fn old_and_young() -> Registry {
    Registry::new([
        Package::server("aged", "1.0.0"),
        Package::server("aged", "1.1.0").published(Some(&hours_ago(1))),
    ])
}

#[test]
fn the_youngest_version_is_passed_over() {
    let (home, registry) = (Home::new(), old_and_young());
    assert_eq!(
        registry.add_and_ask(&home, "aged", "npm:aged"),
        "aged@1.0.0"
    );
    assert_eq!(
        registry.add_and_ask(&home, "range", "npm:aged@^1.0.0"),
        "aged@1.0.0"
    );

    // Control: npm takes the young one.
    let (project, npm) = registry.npm_install(&home, &["aged"]);
    assert_eq!(npm.code, Some(0), "{npm:#?}");
    let installed = std::fs::read_to_string(project.join("node_modules/aged/package.json"));
    assert!(installed.unwrap().contains("1.1.0"));
}

#[test]
fn asked_for_exactly_it_is_used_but_not_its_young_dependencies() {
    let (home, registry) = (Home::new(), old_and_young());
    assert_eq!(
        registry.add_and_ask(&home, "exact", "npm:aged@1.1.0"),
        "aged@1.1.0"
    );

    registry.publish(Package::new("part", "1.0.0").file("index.js", b"module.exports = 'old'"));
    registry.publish(
        Package::new("part", "1.0.1")
            .published(Some(&hours_ago(2)))
            .file("index.js", b"module.exports = 'young'"),
    );
    registry.publish(
        Package::speaking("whole", "2.0.0", "require('part')")
            .published(Some(&hours_ago(1)))
            .depends_on("part", "^1.0.0"),
    );
    assert_eq!(
        registry.add_and_ask(&home, "whole", "npm:whole@2.0.0"),
        "old"
    );
}

#[test]
fn a_package_that_only_has_young_versions_is_refused_and_the_setting_allows_it() {
    let home = Home::new();
    let registry =
        Registry::new([Package::server("newborn", "0.0.1").published(Some(&hours_ago(70)))]);
    let ran = registry.add(&home, "newborn", "npm:newborn");
    assert_eq!(ran.code, Some(4), "{ran:#?}");
    assert!(ran.stderr.contains("younger than 72h"), "{ran:#?}");
    assert!(!home.manifest().exists() && !home.lock().exists());

    let folder = home.manifest().parent().unwrap().to_owned();
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(home.manifest(), "[settings]\nrelease_age = \"0s\"\n").unwrap();
    assert_eq!(
        registry.add_and_ask(&home, "newborn", "npm:newborn"),
        "newborn@0.0.1"
    );
}

#[test]
fn a_version_without_a_time_is_refused_unless_asked_for_exactly() {
    let home = Home::new();
    let registry = Registry::new([Package::server("timeless", "1.0.0").published(None)]);
    let ran = registry.add(&home, "timeless", "npm:timeless");
    assert_eq!(ran.code, Some(4), "{ran:#?}");
    let exact = registry.add_and_ask(&home, "timeless", "npm:timeless@1.0.0");
    assert_eq!(exact, "timeless@1.0.0");
}
