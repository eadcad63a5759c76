//! The host that is granted is reached by every client, and nothing is set for that.

use std::path::Path;
use std::process::Command;

use super::clients::{CURL, NODE, PACKAGES, PYTHON, STATIC, Way};
use super::{Ground, SETTING, Setting};
use crate::support::{Home, registry_is_reachable, skip};

const HOST: &str = "allowed.test";
const PORT: u16 = 8443;

/// Each reaches the granted host, and neither another name nor another port of it.
fn in_turn(ground: &mut Ground, ways: &[Way]) {
    for (what, code) in ways {
        ground.reaches(what, code, HOST, PORT);
        for (host, port) in [("refused.test", PORT), (HOST, 8444)] {
            let control = ground.bare(code, host, port, None);
            assert!(control.starts_with("ok:"), "control: {what}: {control}");
            let (answer, news) = ground.boxed(code, host, port);
            assert!(!answer.starts_with("ok:"), "{what}: {answer}");
            assert!(news.is_empty(), "{what}: {answer}\n{news:#?}");
        }
    }
}

#[test]
fn python_reaches_it() {
    let test = "egress::python_reaches_it";
    if let Some(mut ground) = Ground::new(test, &SETTING) {
        in_turn(&mut ground, PYTHON);
    }
}

#[test]
fn curl_reaches_it() {
    let test = "egress::curl_reaches_it";
    if Command::new("curl").arg("--version").output().is_err() {
        return skip(test, "there is no curl");
    }
    let setting = Setting {
        manifest: "egress = [\"allowed.test:8443\"]\nexec = [\"curl\"]",
        ..SETTING
    };
    if let Some(mut ground) = Ground::new(test, &setting) {
        in_turn(&mut ground, &[CURL]);
    }
}

#[test]
fn static_programs_reach_it() {
    const C: [&str; 4] = ["-static", "-O1", "-Wall", "-o"];
    const GO: [&str; 2] = ["build", "-o"];
    let programs: [(&str, &str, &str, &[&str]); 4] = [
        ("its own resolver", "static.c", "cc", &C),
        ("glibc's resolver", "resolved.c", "cc", &C),
        ("musl's resolver", "resolved.c", "musl-gcc", &C),
        ("Go's resolver and TLS", "fetch.go", "go", &GO),
    ];
    for (what, source, compiler, options) in programs {
        let test = format!("egress::static_programs_reach_it ({what})");
        let home = Home::new();
        let source = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("integration/fixtures")
            .join(source);
        let mut compile = Command::new(compiler);
        home.environment(&mut compile);
        compile
            .args(options)
            .args([&home.user().join("static"), &source])
            .env("CGO_ENABLED", "0")
            .env("GOCACHE", home.path().join("go"));
        if !compile.output().is_ok_and(|output| output.status.success()) {
            skip(&test, "no compiler that makes such static programs");
            continue;
        }
        let setting = Setting {
            manifest: "egress = [\"allowed.test:8443\"]\nexec = [\"HOME/static\"]",
            ..SETTING
        };
        if let Some(mut ground) = Ground::in_home(&test, &setting, home) {
            in_turn(&mut ground, &[(what, STATIC.1)]);
        }
    }
}

#[test]
fn node_reaches_it() {
    let test = "egress::node_reaches_it";
    let setting = Setting {
        server: "puppet.cjs",
        ..SETTING
    };
    if let Some(mut ground) = Ground::new(test, &setting) {
        in_turn(&mut ground, NODE);
    }
}

#[test]
fn packages_of_npm_reach_it() {
    let test = "egress::packages_of_npm_reach_it";
    if !registry_is_reachable() {
        return skip(test, "the npm registry can't be reached");
    }
    let home = Home::new();
    let mut install = Command::new("npm");
    home.environment(&mut install);
    install
        .current_dir(home.user())
        .args(["install", "--no-audit", "--no-fund", "--ignore-scripts"])
        .args(PACKAGES.iter().map(|(package, _)| package));
    let output = install.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let setting = Setting {
        server: "puppet.cjs",
        ..SETTING
    };
    if let Some(mut ground) = Ground::in_home(test, &setting, home) {
        let ways: Vec<Way> = PACKAGES.iter().map(|(_, way)| *way).collect();
        in_turn(&mut ground, &ways);
    }
}
