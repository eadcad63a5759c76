//! Lock files made by hand: what npm writes is accepted, what it must not say is refused.

use serde_json::{Value, json};

use super::*;

const MACHINE: Platform = Platform {
    os: "linux",
    cpu: "x64",
    libc: "glibc",
};

fn lock(packages: Value) -> Vec<u8> {
    json!({ "name": "pinfold-closure", "lockfileVersion": 3, "requires": true, "packages": packages })
        .to_string()
        .into_bytes()
}

fn zod() -> Value {
    json!({ "version": "4.0.0", "resolved": "https://registry.npmjs.org/zod/-/zod-4.0.0.tgz",
            "integrity": "sha512-x", "license": "MIT", "engines": { "node": ">=18" } })
}

#[test]
fn an_ordinary_lock_is_read() {
    let packages = parse(&lock(json!({
        "": { "name": "pinfold-closure", "version": "0.0.0", "dependencies": { "a": "1" } },
        "node_modules/zod": zod(),
        "node_modules/@scope/a/node_modules/b": {
            "name": "real-b", "version": "1.0.0-rc.1", "hasInstallScript": true, "optional": true,
            "os": ["linux"], "cpu": "x64", "bin": { "b": "cli.js" } },
        "node_modules/@scope/a": { "version": "2.0.0", "integrity": "sha512-y" },
    })))
    .unwrap();
    let paths: Vec<&str> = packages
        .iter()
        .map(|package| package.path.as_str())
        .collect();
    assert_eq!(
        paths,
        [
            "node_modules/@scope/a",
            "node_modules/@scope/a/node_modules/b",
            "node_modules/zod"
        ]
    );
    assert_eq!(packages[0].name, "@scope/a");
    assert_eq!(packages[0].resolved, None);
    let alias = &packages[1];
    assert_eq!(
        (alias.name.as_str(), alias.version.as_str()),
        ("real-b", "1.0.0-rc.1")
    );
    assert!(alias.has_install_script && alias.optional && !alias.in_bundle);
    assert_eq!(alias.cpu, ["x64"]);
    assert_eq!(alias.bin["b"], "cli.js");
    assert_eq!(packages[2].integrity.as_deref(), Some("sha512-x"));
}

#[test]
fn other_versions_and_other_shapes_are_refused() {
    let version = |version: u64| {
        parse(
            json!({ "lockfileVersion": version, "packages": {} })
                .to_string()
                .as_bytes(),
        )
    };
    assert!(version(3).is_ok());
    assert!(matches!(
        version(2),
        Err(ResolveError::PackageLockVersion { found: 2 })
    ));
    for bytes in [&b"{}"[..], b"[]", b"", b"{\"lockfileVersion\":3}"] {
        assert!(matches!(
            parse(bytes),
            Err(ResolveError::PackageLock { .. })
        ));
    }
    let twice = r#"{"lockfileVersion":3,"packages":{"node_modules/a":{"version":"1.0.0"},
                    "node_modules/a":{"version":"1.0.1"}}}"#;
    assert!(matches!(
        parse(twice.as_bytes()),
        Err(ResolveError::PackageLock { .. })
    ));
}

#[test]
fn sources_without_a_registry_are_refused() {
    let with = |resolved: &str| {
        let mut package = zod();
        package["resolved"] = json!(resolved);
        parse(&lock(json!({ "node_modules/zod": package })))
    };
    assert!(with("https://registry.npmjs.org/zod/-/zod-4.0.0.tgz").is_ok());
    for resolved in [
        "git+ssh://git@github.com/u/r.git#abc",
        "git+https://user:token@github.com/u/r.git#abc",
        "file:../zod",
        "../zod",
        "ssh://host/x",
        "",
    ] {
        let error = with(resolved).unwrap_err();
        assert!(
            matches!(error, ResolveError::ForeignSource { .. }),
            "{resolved}"
        );
        assert!(!error.to_string().contains("token"), "{error}");
    }
    let link = json!({ "node_modules/zod": { "resolved": "../zod", "link": true } });
    assert!(matches!(parse(&lock(link)), Err(ResolveError::Link { .. })));
}

#[test]
fn install_paths_are_chains_of_node_modules() {
    for path in [
        "node_modules/zod",
        "node_modules/@a/b/node_modules/c/node_modules/@d/e",
    ] {
        assert!(parse(&lock(json!({ path: zod() }))).is_ok(), "{path}");
    }
    let deep = "node_modules/a/".repeat(70) + "node_modules/a";
    for path in [
        "zod",
        "/node_modules/zod",
        "node_modules/",
        "node_modules/..",
        "node_modules/../zod",
        "node_modules/@a",
        "node_modules/@a/../b",
        "node_modules/a/b",
        "node_modules/a/lib/node_modules/b",
        "node_modules/a//node_modules/b",
        "node_modules/.bin",
        "node_modules/node_modules",
        "packages/zod",
        &deep,
    ] {
        let result = parse(&lock(json!({ path: zod() })));
        assert!(
            matches!(result, Err(ResolveError::InstallPath { .. })),
            "{path}"
        );
    }
}

#[test]
fn names_and_versions_are_checked() {
    let with = |field: &str, value: Value| {
        let mut package = zod();
        package[field] = value;
        parse(&lock(json!({ "node_modules/zod": package })))
    };
    assert!(with("name", json!("other")).is_ok());
    for (field, value) in [
        ("name", json!("../x")),
        ("version", json!("latest")),
        ("version", json!(null)),
        ("version", json!(1)),
    ] {
        assert!(
            matches!(with(field, value), Err(ResolveError::PackageLock { .. })),
            "{field}"
        );
    }
}

#[test]
fn a_bundled_package_lies_in_another() {
    let bundled = json!({ "version": "1.0.0", "inBundle": true });
    let good = json!({ "node_modules/zod": zod(), "node_modules/zod/node_modules/b": bundled });
    assert!(parse(&lock(good)).unwrap()[1].in_bundle);
    let alone = json!({ "node_modules/b": bundled });
    assert!(matches!(
        parse(&lock(alone)),
        Err(ResolveError::PackageLock { .. })
    ));
}

#[test]
fn packages_for_other_machines_are_dropped_when_optional() {
    let packages = parse(&lock(json!({
        "node_modules/zod": zod(),
        "node_modules/x-linux": { "version": "1.0.0", "optional": true, "os": ["linux"], "libc": ["glibc"] },
        "node_modules/x-musl": { "version": "1.0.0", "optional": true, "os": ["linux"], "libc": ["musl"] },
        "node_modules/x-win": { "version": "1.0.0", "optional": true, "os": ["win32"] },
        "node_modules/x-win/node_modules/inner": { "version": "1.0.0" },
    })))
    .unwrap();
    let kept = for_platform(packages, &MACHINE).unwrap();
    let paths: Vec<&str> = kept.iter().map(|package| package.path.as_str()).collect();
    assert_eq!(paths, ["node_modules/x-linux", "node_modules/zod"]);
}

#[test]
fn a_mandatory_package_for_another_machine_is_an_error() {
    let with = |os: &str| {
        let packages = json!({ "node_modules/a": { "version": "1.0.0", "os": [os] } });
        for_platform(parse(&lock(packages)).unwrap(), &MACHINE)
    };
    assert_eq!(with("!win32").unwrap().len(), 1);
    assert!(matches!(with("darwin"), Err(ResolveError::Platform { .. })));
}

#[test]
fn the_number_of_packages_is_bounded() {
    let with = |count: usize| {
        let packages: serde_json::Map<String, Value> = (0..count)
            .map(|index| {
                (
                    format!("node_modules/p{index}"),
                    json!({ "version": "1.0.0" }),
                )
            })
            .collect();
        parse(&lock(Value::Object(packages)))
    };
    assert_eq!(with(100).unwrap().len(), 100);
    assert!(matches!(
        with(MAX_PACKAGES + 2),
        Err(ResolveError::PackageLock { .. })
    ));
}
