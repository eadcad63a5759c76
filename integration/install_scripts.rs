//! Install scripts are recorded and shown, and never run.

use serde_json::json;

use crate::support::{Home, Package, Registry};

fn with_scripts(home: &Home) -> (Registry, std::path::PathBuf) {
    let marker = home.user().join("marker");
    let touch = json!(format!("touch '{}'", marker.display()));
    let registry = Registry::new([
        Package::server("scripted", "1.0.0")
            .with(
                "scripts",
                json!({"preinstall": touch, "postinstall": touch}),
            )
            .with("hasInstallScript", json!(true))
            .depends_on("native", "1"),
        Package::new("native", "1.0.0")
            .with("scripts", json!({"install": touch}))
            .with("hasInstallScript", json!(true)),
    ]);
    (registry, marker)
}

#[test]
fn they_are_shown_and_not_run() {
    let home = Home::new();
    let (registry, marker) = with_scripts(&home);
    let ran = registry.add(&home, "scripted", "npm:scripted");
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    let flagged = "native, scripted asks to run code at install; it was not run";
    assert!(ran.stderr.contains(flagged), "{ran:#?}");
    let mut client = home.client("scripted");
    client.initialize();
    assert_eq!(client.call_text("say", json!({})), "scripted@1.0.0");
    drop(client);
    assert_eq!(registry.run(&home, ["fetch"]).code, Some(0));
    assert!(!marker.exists());

    let lock: serde_json::Value =
        serde_json::from_slice(&std::fs::read(home.lock()).unwrap()).unwrap();
    for artifact in lock["servers"]["scripted"]["artifacts"].as_array().unwrap() {
        assert_eq!(artifact["install_script"], true, "{artifact}");
    }
}

#[test]
fn control_npm_runs_them() {
    let home = Home::new();
    let (registry, marker) = with_scripts(&home);
    let more = [
        "--foreground-scripts",
        "--dangerously-allow-all-scripts",
        "scripted",
    ];
    let (_, ran) = registry.npm_install(&home, &more);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    assert!(marker.exists(), "{ran:#?}");
}
