//! What `explain` and `try` show of bundles and archives, and a bundle on an interpreter from a
//! registry.

use std::fs;

use serde_json::{Value, json};

use super::bundles::bundle;
use super::{SERVER, answering, locked};
use crate::support::{Client, Home, Package, Ran, Registry};

const SEEN: &str = "JSON.stringify([process.argv.slice(2), process.execPath])";

fn asking(manifest: &mut Value) {
    let option = |kind: &str| json!({ "type": kind, "title": "t", "description": "d" });
    let command = &mut manifest["server"]["mcp_config"];
    command["args"] = json!([
        "${__dirname}/server/index.js",
        "--level=${user_config.level}",
        "${user_config.words}",
    ]);
    command["env"] = json!({ "TOKEN": "key ${user_config.token}", "MODE": "bundle" });
    manifest["user_config"] = json!({ "level": option("number"), "words": option("string"),
        "token": option("string"), "other": option("string") });
    manifest["user_config"]["level"]["default"] = 3.into();
    manifest["user_config"]["words"]["multiple"] = true.into();
    manifest["user_config"]["token"]["sensitive"] = true.into();
    manifest["user_config"]["token"]["required"] = true.into();
}

/// A bundle in a file, as a source.
fn file(home: &Home) -> String {
    let path = home.path().join("sayer.mcpb");
    fs::write(&path, bundle(home, SEEN, asking)).unwrap();
    format!("path:{}", path.display())
}

fn with_token<'a>(home: &Home, arguments: impl IntoIterator<Item = &'a str>) -> Ran {
    Ran::of(home.pinfold(arguments).env("MY_TOKEN", "sesame-street"))
}

#[test]
fn explain_shows_what_a_bundle_sets_and_where_its_values_are_from() {
    let home = Home::new();
    let source = file(&home);
    let words = [
        "add",
        "sayer",
        &source,
        "--allow-all",
        "--config-from",
        "token=MY_TOKEN",
        "--config",
        "words=a b",
        "--env",
        "MODE=mine",
    ];
    let ran = with_token(&home, words);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    let line = |wanted: &str| {
        let text = fs::read_to_string(home.manifest()).unwrap();
        1 + text
            .lines()
            .position(|line| line.starts_with(wanted))
            .unwrap()
    };
    let ran = with_token(&home, ["explain", "sayer"]);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    for part in [
        "sayer 2.1.0",
        "--level=${user_config.level} ${user_config.words}",
        "`key ${user_config.token}`",
        "`bundle`; overruled by the environment above",
        "3 (the bundle's default)",
        &format!("a b (manifest, line {})", line("words")),
        &format!(
            "from the client's MY_TOKEN (manifest, line {})",
            line("token")
        ),
    ] {
        assert!(ran.stdout.contains(part), "no `{part}` in {}", ran.stdout);
    }
    let json = with_token(&home, ["explain", "sayer", "--json"]);
    assert!(!json.stdout.contains("sesame") && !ran.stdout.contains("sesame"));
    let found: Value = serde_json::from_str(&json.stdout).unwrap();
    let value = |key: &str| {
        let values = found["bundle"]["values"].as_array().unwrap();
        values
            .iter()
            .find(|value| value["key"] == key)
            .unwrap()
            .clone()
    };
    assert_eq!(value("level")["value_from"], "bundle");
    assert_eq!(value("level")["values"], json!(["3"]));
    assert_eq!(value("words")["values"], json!(["a b"]));
    assert_eq!(value("words")["line"], line("words"));
    assert_eq!(value("token")["client_name"], "MY_TOKEN");
    assert_eq!(value("token")["values"], Value::Null);
    assert_eq!(value("other")["value_from"], "nothing");
    // What a value is taken from is not withheld.
    let withheld = found["withheld"].as_array().unwrap();
    assert!(!withheld.contains(&json!("MY_TOKEN")), "{withheld:?}");
    // Another server has none.
    let script = home.path().join("other.js");
    fs::write(
        &script,
        String::from_utf8_lossy(SERVER).replace("require(\"./answer.js\")()", "'x'"),
    )
    .unwrap();
    let script = format!("path:{}", script.display());
    home.succeed(["add", "other", &script, "--allow-all"]);
    let other = home.succeed(["explain", "other", "--json"]);
    let other: Value = serde_json::from_str(&other.stdout).unwrap();
    assert_eq!(other["bundle"], Value::Null);
}

#[test]
fn try_takes_the_values_and_the_program_that_add_takes() {
    let home = Home::new();
    let source = file(&home);
    let ran = with_token(&home, ["try", &source]);
    assert_eq!(ran.code, Some(2), "{ran:#?}");
    assert!(ran.stderr.contains("config.token"), "{ran:#?}");
    let ran = with_token(
        &home,
        [
            "try",
            &source,
            "--config-from",
            "token=MY_TOKEN",
            "--config",
            "level=x",
        ],
    );
    assert_eq!(ran.code, Some(2), "{ran:#?}");
    assert!(ran.stderr.contains("not a number"), "{ran:#?}");
    let values = ["--config-from", "token=MY_TOKEN", "--config", "words=a"];
    let ran = with_token(&home, [&["try", &source], &values[..]].concat());
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    assert!(ran.stdout.contains("say"), "{ran:#?}");

    let folder = home.path().join("folder");
    fs::create_dir(&folder).unwrap();
    for (name, content) in [("one.js", SERVER), ("answer.js", &answering("'x'"))] {
        fs::write(folder.join(name), content).unwrap();
    }
    let source = format!("path:{}", folder.display());
    let ran = home.run(["try", &source, "--program", "one.js"]);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    for (arguments, says) in [
        (
            ["try", &source, "--program", "../one.js"],
            "`program` can't be",
        ),
        (["try", &source, "--program", "absent.js"], "absent.js"),
        (
            ["try", &source, "--config", "a=b"],
            "`config` is for bundles",
        ),
        (["try", "npm:zod", "--program", "x"], "`program` can't be"),
    ] {
        let ran = home.run(arguments);
        assert!(matches!(ran.code, Some(2 | 4)), "{ran:#?}");
        assert!(ran.stderr.contains(says), "no `{says}` in {ran:#?}");
    }
}

#[test]
fn a_bundle_with_values_runs_on_an_interpreter_of_a_registry() {
    let home = Home::new();
    let source = file(&home);
    // The Node of this machine, as a package of a registry.
    let found = std::env::split_paths(&std::env::var_os("PATH").unwrap())
        .map(|folder| folder.join("node"))
        .find(|path| path.is_file())
        .unwrap();
    let node = fs::read(fs::canonicalize(found).unwrap()).unwrap();
    let runtime = Package::new("node-runtime", "1.0.0")
        .with("bin", json!({"node": "bin/node"}))
        .file("bin/node", &node);
    let registry = Registry::new([runtime]);
    let words = [
        "add",
        "sayer",
        &source,
        "--allow-all",
        "--config-from",
        "token=MY_TOKEN",
        "--config",
        "words=a b",
        "--runtime",
        "npm:node-runtime@1",
    ];
    let ran = Ran::of(
        registry
            .pinfold(&home, words)
            .env("MY_TOKEN", "sesame-street"),
    );
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    let interpreter = locked(&home, "sayer")["interpreter"].clone();
    assert_eq!(interpreter["path"], "node_modules/node-runtime/bin/node");
    let mut client = Client::start(
        home.pinfold(["run", "sayer"])
            .env("MY_TOKEN", "sesame-street"),
    );
    client.initialize();
    let said: Value = serde_json::from_str(&client.call_text("say", json!({}))).unwrap();
    assert_eq!(said[0], json!(["--level=3", "a b"]));
    let program = said[1].as_str().unwrap();
    assert!(
        program.ends_with("node_modules/node-runtime/bin/node"),
        "{said}"
    );
    assert!(
        program.starts_with(home.store().to_str().unwrap()),
        "{said}"
    );
    home.succeed(["verify"]);
}
