//! What npm would install is what is pinned: nested versions, bundles, platforms, programs; and
//! a registry that fails for a moment is asked again.

use serde_json::{Value, json};

use crate::support::{Fault, Home, Package, Registry, tar_entry};

fn module(name: &str, version: &str) -> Package {
    Package::new(name, version).file(
        "index.js",
        format!("module.exports = '{name}@{version}'").as_bytes(),
    )
}

fn locked_paths(home: &Home, server: &str) -> Vec<String> {
    let lock: Value = serde_json::from_slice(&std::fs::read(home.lock()).unwrap()).unwrap();
    let artifacts = lock["servers"][server]["artifacts"].as_array().unwrap();
    artifacts
        .iter()
        .map(|artifact| artifact["path"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn two_versions_of_one_package_live_side_by_side() {
    let home = Home::new();
    let registry = Registry::new([
        module("leaf", "1.0.0"),
        module("leaf", "2.0.0"),
        Package::new("middle", "1.0.0")
            .file("index.js", b"module.exports = require('leaf')")
            .depends_on("leaf", "^1.0.0"),
        Package::speaking(
            "tree",
            "1.0.0",
            "[require('leaf'), require('middle')].join()",
        )
        .depends_on("leaf", "^2.0.0")
        .depends_on("middle", "*"),
    ]);
    assert_eq!(
        registry.add_and_ask(&home, "tree", "npm:tree"),
        "leaf@2.0.0,leaf@1.0.0"
    );
    assert_eq!(
        locked_paths(&home, "tree"),
        [
            "node_modules/leaf",
            "node_modules/middle",
            "node_modules/middle/node_modules/leaf",
            "node_modules/tree",
        ]
    );
}

#[test]
fn an_alias_is_installed_under_its_own_name() {
    let home = Home::new();
    let registry = Registry::new([
        module("leaf", "1.0.0"),
        Package::speaking("alias", "1.0.0", "require('other-name')")
            .depends_on("other-name", "npm:leaf@^1.0.0"),
    ]);
    assert_eq!(
        registry.add_and_ask(&home, "alias", "npm:alias"),
        "leaf@1.0.0"
    );
}

#[test]
fn a_bundled_package_comes_with_the_one_around_it() {
    let home = Home::new();
    let inside = |name: &str, content: &[u8]| {
        let name = format!("package/node_modules/packed/{name}");
        tar_entry(name.as_bytes(), b'0', b"", content)
    };
    let bundle = Package::speaking("bundle", "1.0.0", "require('packed')")
        .depends_on("packed", "1.0.0")
        .with("bundleDependencies", json!(["packed"]))
        .entry(&inside(
            "package.json",
            br#"{"name":"packed","version":"1.0.0"}"#,
        ))
        .entry(&inside("index.js", b"module.exports = 'from the bundle'"));
    // The registry has another one of that name, which must not get in.
    let registry = Registry::new([bundle, module("packed", "1.0.0")]);
    assert_eq!(
        registry.add_and_ask(&home, "bundle", "npm:bundle"),
        "from the bundle"
    );
    assert_eq!(locked_paths(&home, "bundle"), ["node_modules/bundle"]);
}

#[test]
fn optional_packages_for_other_machines_are_left_out() {
    let home = Home::new();
    let architecture = if cfg!(target_arch = "aarch64") {
        "arm64"
    } else {
        "x64"
    };
    let registry = Registry::new([
        module("for-here", "1.0.0")
            .with("os", json!(["linux"]))
            .with("cpu", json!([architecture])),
        module("for-mac", "1.0.0").with("os", json!(["darwin"])),
        Package::speaking("native", "1.0.0", "require('for-here')").with(
            "optionalDependencies",
            json!({"for-here": "1.0.0", "for-mac": "1.0.0"}),
        ),
    ]);
    assert_eq!(
        registry.add_and_ask(&home, "native", "npm:native"),
        "for-here@1.0.0"
    );
    assert_eq!(
        locked_paths(&home, "native"),
        ["node_modules/for-here", "node_modules/native"]
    );
    assert_eq!(registry.count("for-mac-1.0.0.tgz"), 0);
}

#[test]
fn a_needed_package_for_another_machine_is_refused() {
    let home = Home::new();
    let registry = Registry::new([
        module("for-mac", "1.0.0").with("os", json!(["darwin"])),
        Package::server("stuck", "1.0.0").depends_on("for-mac", "1.0.0"),
    ]);
    let ran = registry.add(&home, "stuck", "npm:stuck");
    assert_eq!(ran.code, Some(4), "{ran:#?}");
    assert!(ran.stderr.contains("for-mac@1.0.0"), "{ran:#?}");
}

#[test]
fn the_program_is_the_one_that_npx_would_run() {
    let home = Home::new();
    let with_bin = |name: &str, bin: Value| Package::server(name, "1.0.0").with("bin", bin);
    let registry = Registry::new([
        with_bin("@scope/text", json!("./server.js")),
        with_bin("one", json!({"anything": "server.js"})),
        with_bin(
            "named",
            json!({"other": "answer.js", "named": "./server.js"}),
        ),
        with_bin("several", json!({"a": "answer.js", "b": "server.js"})),
        with_bin("none", json!({})),
        with_bin("outside", json!("../../../server.js")),
    ]);
    for (server, package) in [("text", "@scope/text"), ("one", "one"), ("named", "named")] {
        let said = registry.add_and_ask(&home, server, &format!("npm:{package}"));
        assert_eq!(said, format!("{package}@1.0.0"));
    }
    for (package, reason) in [
        (
            "several",
            "several programs and none is named like it: a, b",
        ),
        ("none", "offers no program"),
        ("outside", "outside of the package"),
    ] {
        let ran = registry.add(&home, package, &format!("npm:{package}"));
        assert_eq!(ran.code, Some(4), "{ran:#?}");
        assert!(ran.stderr.contains(reason), "{ran:#?}");
    }
}

#[test]
fn a_registry_that_fails_for_a_moment_is_asked_again() {
    let home = Home::new();
    let registry = Registry::new([Package::server("shaky", "1.0.0")]);
    registry.fail(".tgz", Fault::Status(503), 1);
    registry.fail(".tgz", Fault::Cut, 1);
    assert_eq!(
        registry.add_and_ask(&home, "shaky", "npm:shaky"),
        "shaky@1.0.0"
    );
    assert_eq!(registry.count(".tgz"), 3);
}

#[test]
fn a_registry_that_keeps_failing_is_an_error_that_leaves_nothing() {
    let home = Home::new();
    let registry = Registry::new([Package::server("down", "1.0.0")]);
    registry.fail(".tgz", Fault::Cut, 1000);
    let ran = registry.add(&home, "down", "npm:down");
    assert_eq!(ran.code, Some(4), "{ran:#?}");
    assert!(ran.stderr.contains("down@1.0.0"), "{ran:#?}");
    for folder in ["artifacts", "trees", "staging"] {
        let left = std::fs::read_dir(home.store().join(folder))
            .unwrap()
            .count();
        assert_eq!(left, 0, "{folder}");
    }
    let missing = registry.add(&home, "missing", "npm:no-such-package");
    assert_eq!(missing.code, Some(4), "{missing:#?}");
    assert!(
        missing.stderr.contains("no such package: no-such-package"),
        "{missing:#?}"
    );
}
