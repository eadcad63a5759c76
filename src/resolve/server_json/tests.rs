//! Documents in the shapes that the registry documents, and what must not become of one.

use serde_json::{Value, json};

use super::registry::judge as judge_answer;
use super::*;

const SHA256: &str = "fe333e598595000ae021bd27117db32ec69af6987f507ba7a63c90638ff633ce";

fn document(packages: &Value) -> Value {
    json!({
        "$schema": "https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json",
        "name": "io.github.ada/tides", "title": "Tides", "description": "When the water comes",
        "version": "1.0.2", "websiteUrl": "https://tides.example",
        "repository": {"url": "https://github.com/ada/tides", "source": "github"},
        "packages": packages,
        "_meta": {"io.modelcontextprotocol.registry/publisher-provided": {"tool": "x"}},
    })
}

fn package(more: &Value) -> Value {
    let mut package = json!({"registryType": "npm", "registryBaseUrl": "https://registry.npmjs.org",
        "identifier": "@ada/tides", "version": "1.0.2", "runtimeHint": "npx",
        "transport": {"type": "stdio"}});
    let more = more.as_object().unwrap().clone();
    package.as_object_mut().unwrap().extend(more);
    package
}

fn wishes(set: &[(&str, &str)]) -> Wishes {
    let mut wishes = Wishes::default();
    for (key, value) in set {
        let values = wishes.set.entry((*key).to_owned()).or_default();
        values.push((*value).to_owned());
    }
    wishes
}

fn offer_of(document: &Value, wishes: &Wishes) -> Result<Offer, String> {
    ServerJson::parse(document.to_string().as_bytes())
        .and_then(|document| document.offer(wishes))
        .map_err(|error| error.to_string())
}

/// The offer of a package of npm with `more`.
fn offer(more: &Value, set: &[(&str, &str)]) -> Result<Offer, String> {
    offer_of(&document(&json!([package(more)])), &wishes(set))
}

fn args(more: &Value, set: &[(&str, &str)]) -> Vec<String> {
    offer(&json!({ "packageArguments": more }), set)
        .unwrap()
        .args
}

/// What the refusal of `more` says.
fn refusal(more: &Value, set: &[(&str, &str)]) -> String {
    offer(more, set).expect_err(&more.to_string())
}

fn holds(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "no `{word}` in {text}");
    }
}

#[test]
fn each_kind_of_package_becomes_a_source() {
    let plain = offer(&json!({}), &[]).unwrap();
    assert_eq!(plain.source, "npm:@ada/tides@1.0.2");
    assert_eq!(
        (plain.args.len(), plain.env.len(), plain.notes.len()),
        (0, 0, 0)
    );
    let python = json!({"registryType": "pypi", "registryBaseUrl": "https://pypi.org/",
        "identifier": "tides-server", "version": "0.5.0", "runtimeHint": "uvx"});
    assert_eq!(
        offer(&python, &[]).unwrap().source,
        "pypi:tides-server==0.5.0"
    );
    let mut bundle = json!({"registryType": "mcpb", "fileSha256": SHA256,
        "identifier": "https://files.example/v1/tides.mcpb"});
    bundle["registryBaseUrl"] = Value::Null;
    bundle["runtimeHint"] = Value::Null;
    assert_eq!(
        offer(&bundle, &[]).unwrap().source,
        format!("https://files.example/v1/tides.mcpb#sha256={SHA256}")
    );
    for (key, value) in [
        ("fileSha256", Value::Null),
        ("fileSha256", json!("00")),
        ("identifier", json!("http://files.example/v1/tides.mcpb")),
        ("identifier", json!("https://files.example/a#sha256=00")),
        (
            "packageArguments",
            json!([{"type": "positional", "value": "x"}]),
        ),
        ("environmentVariables", json!([{"name": "A", "value": "x"}])),
    ] {
        let mut other = bundle.clone();
        other[key] = value;
        holds(&refusal(&other, &[]), &["packages[0]"]);
    }
}

#[test]
fn a_source_is_one_name_and_one_version() {
    for (identifier, version) in [
        ("@ada/tides", "latest"),
        ("@ada/tides", "^1.0.2"),
        ("@ada/tides", "1.x"),
        ("@ada/tides", ""),
        ("@ada/tides@1.0.0", "1.0.2"),
        ("tides@npm:other", "1.0.2"),
        ("--registry=https://other.example", "1.0.2"),
        ("https://other.example/x.tgz", "1.0.2"),
        ("../tides", "1.0.2"),
        ("tides\u{1b}[2J", "1.0.2"),
    ] {
        let more = json!({"identifier": identifier, "version": version});
        let error = refusal(&more, &[]);
        holds(&error, &["packages[0]."]);
        assert!(!error.contains('\u{1b}'), "{error:?}");
    }
    for (identifier, version) in [
        ("tides[extra]", "1.0"),
        ("tides", "1.*"),
        ("tides", "1.0,<2"),
        ("tides", "1.0 ; python_version<'3'"),
        ("--index-url=https://x", "1.0"),
    ] {
        let more = json!({"registryType": "pypi", "registryBaseUrl": "https://pypi.org",
            "identifier": identifier, "version": version});
        holds(&refusal(&more, &[]), &["packages[0]."]);
    }
    let other = json!({"registryBaseUrl": "https://other.example"});
    holds(&refusal(&other, &[]), &["registryBaseUrl", "other.example"]);
}

#[test]
fn the_first_package_that_can_be_used_is_meant_or_the_one_that_is_named() {
    let image = json!({"registryType": "oci", "identifier": "docker.io/ada/tides:1",
        "transport": {"type": "stdio"}, "runtimeArguments": [{"type": "named", "name": "--network",
        "value": "host"}], "something": "new"});
    let remote = package(&json!({"transport": {"type": "streamable-http", "url": "http://x"}}));
    let python = package(&json!({"registryType": "pypi", "identifier": "tides",
        "registryBaseUrl": null, "runtimeHint": null}));
    let all = document(&json!([image, remote, package(&json!({})), python]));
    let first = offer_of(&all, &Wishes::default()).unwrap();
    assert_eq!(first.source, "npm:@ada/tides@1.0.2");
    holds(&first.notes.concat(), &["oci", "streamable-http", "pypi"]);
    let wishes = Wishes {
        kind: PackageKind::named("pypi"),
        ..Wishes::default()
    };
    assert_eq!(offer_of(&all, &wishes).unwrap().source, "pypi:tides==1.0.2");
    let nuget = json!({"registryType": "nuget", "identifier": "Tides", "version": "1",
        "transport": {"type": "stdio"}});
    let mut none = document(&json!([image, remote, nuget]));
    none["remotes"] = json!([{"type": "sse", "url": "https://x"}]);
    let error = offer_of(&none, &Wishes::default()).unwrap_err();
    holds(
        &error,
        &["oci", "nuget", "streamable-http", "over the network"],
    );
    let error = offer_of(&document(&json!([])), &Wishes::default()).unwrap_err();
    holds(&error, &["no packages"]);
}

#[test]
fn arguments_are_the_authors_the_users_or_left_out() {
    let list = json!([
        {"type": "positional", "value": "mcp"},
        {"type": "named", "name": "--host", "default": "localhost", "isRequired": true},
        {"type": "named", "name": "--port", "format": "number"},
        {"type": "named", "name": "--mode", "default": "ro", "choices": ["ro", "rw"]},
        {"type": "named", "name": "--label", "value": "a={a},b={b},{c}",
         "variables": {"a": {"default": "1"}, "b": {"value": "{a}"}}},
        {"type": "positional", "valueHint": "folder", "format": "filepath", "isRepeated": true,
         "isRequired": true},
    ]);
    assert_eq!(
        args(
            &list,
            &[
                ("folder", "/a"),
                ("folder", "/b"),
                ("port", "8080"),
                ("a", "{b}")
            ]
        ),
        [
            "mcp",
            "--host",
            "localhost",
            "--port",
            "8080",
            "--mode",
            "ro",
            "--label",
            "a={b},b={a},{c}",
            "/a",
            "/b"
        ]
    );
    let made = offer(&json!({"packageArguments": list}), &[("folder", "/a")]).unwrap();
    holds(
        &made.notes.concat(),
        &["`--port` is optional", "--set port=", "--read or --write"],
    );
    let more = json!({ "packageArguments": list });
    for (set, words) in [
        (&[][..], &["--set folder=VALUE"][..]),
        (&[("folder", "/a"), ("port", "x")], &["not a number"]),
        (&[("folder", "/a"), ("mode", "rwx")], &["none of ro, rw"]),
        (
            &[("folder", "/a"), ("host", "a"), ("host", "b")],
            &["one value"],
        ),
        (&[("folder", "/a\nb")], &["control"]),
        (&[("folder", "/a"), ("label", "x")], &["its author's"]),
        (
            &[("folder", "/a"), ("other", "x")],
            &["no value called `other`", "`folder`", "`port`"],
        ),
    ] {
        holds(&refusal(&more, set), words);
    }
    // An option alone is never guessed.
    let flag = json!([{"type": "named", "name": "--stdio"}]);
    assert!(args(&flag, &[]).is_empty());
    assert_eq!(args(&flag, &[("stdio", "")]), ["--stdio"]);
    for bad in [
        json!({"type": "named", "name": "port", "value": "1"}),
        json!({"type": "named", "name": "--", "value": "1"}),
        json!({"type": "named", "name": "-- --x", "value": "1"}),
        json!({"type": "named", "value": "1"}),
        json!({"type": "flag", "name": "--x"}),
        json!({"type": "positional", "name": "x", "value": "1"}),
        json!({"type": "positional"}),
        json!({"type": "positional", "value": "a\u{202e}b"}),
        json!({"type": "positional", "value": "x", "shell": true}),
        json!({"type": "positional", "value": 1}),
        json!({"type": "positional", "value": "{a}", "variables": {"a": {"value": "{b}",
               "variables": {"b": {"default": "1"}}}}}),
        json!({"type": "positional", "valueHint": "token", "isSecret": true, "isRequired": true}),
    ] {
        holds(
            &refusal(&json!({"packageArguments": [bad]}), &[]),
            &["packages[0]"],
        );
    }
}

#[test]
fn variables_are_literal_or_from_the_client_and_load_no_code() {
    let more = json!({"environmentVariables": [
        {"name": "API_KEY", "isRequired": true, "isSecret": true, "default": "never"},
        {"name": "EXTRA_KEY", "isSecret": true},
        {"name": "BEARER", "value": "{token}", "variables": {"token": {"isSecret": true}}},
        {"name": "UNITS", "default": "metric", "choices": ["metric", "other"]},
        {"name": "URL", "value": "https://{host}/x", "variables": {"host": {"default": "a.test"}}},
        {"name": "LEVEL"},
        {"name": "USER_NAME", "isRequired": true, "description": "Who you are"},
        {"name": "REGION", "value": "{region}", "variables": {"region": {"isRequired": true}}},
    ]});
    let error = refusal(&more, &[]);
    holds(
        &error,
        &["--env USER_NAME=VALUE  (Who you are)", "--set region=VALUE"],
    );
    let mut said = wishes(&[("region", "north")]);
    let literal = |text: &str| EnvValue::Literal(text.to_owned());
    let client = |name: &str| EnvValue::FromClient {
        name: name.to_owned(),
    };
    said.env.insert("USER_NAME".to_owned(), literal("ada"));
    let made = offer_of(&document(&json!([package(&more)])), &said).unwrap();
    let expected: BTreeMap<String, EnvValue> = [
        ("API_KEY", client("API_KEY")),
        ("EXTRA_KEY", client("EXTRA_KEY")),
        ("BEARER", client("BEARER")),
        ("UNITS", literal("metric")),
        ("URL", literal("https://a.test/x")),
        ("REGION", literal("north")),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    assert_eq!(made.env, expected);
    holds(
        &made.notes.concat(),
        &["API_KEY is a secret (needed)", "LEVEL is optional"],
    );
    for (variable, words) in [
        (
            json!({"name": "NODE_OPTIONS", "value": "--require=/tmp/x"}),
            "Node.js load",
        ),
        (
            json!({"name": "LD_PRELOAD", "value": "/tmp/x.so"}),
            "dynamic loader",
        ),
        (
            json!({"name": "PYTHONPATH", "default": "/tmp"}),
            "Python load",
        ),
        (
            json!({"name": "PATH", "isRequired": true}),
            "sets it itself",
        ),
        (json!({"name": "A B", "value": "x"}), "not the name"),
        (json!({"value": "x"}), "not the name"),
        (json!({"name": "A", "value": "x\u{1b}[2J"}), "control"),
        (
            json!({"name": "A", "value": "Bearer {t}", "variables": {"t": {"isSecret": true}}}),
            "part of its value",
        ),
        (
            json!({"name": "A", "type": "named", "value": "x"}),
            "no `type`",
        ),
    ] {
        let error = refusal(&json!({"environmentVariables": [variable]}), &[]);
        holds(&error, &["environmentVariables[0]", words]);
        assert!(!error.contains('\u{1b}'), "{error:?}");
    }
    let twice =
        json!({"environmentVariables": [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]});
    holds(&refusal(&twice, &[]), &["the same name again"]);
}

#[test]
fn words_for_other_starters_are_refused_by_name() {
    let yes = json!({"runtimeArguments": [{"type": "named", "name": "-y"}, {"type": "positional", "value": "--yes"}]});
    assert!(offer(&yes, &[]).unwrap().args.is_empty());
    for argument in [
        json!({"type": "named", "name": "--package", "value": "evil"}),
        json!({"type": "named", "name": "-y", "value": "--call=id"}),
        json!({"type": "positional", "value": "--node-options=--require=/tmp/x"}),
        json!({"type": "positional", "valueHint": "x"}),
    ] {
        let error = refusal(&json!({"runtimeArguments": [argument]}), &[]);
        holds(&error, &["runtimeArguments[0]", "doesn't run"]);
    }
    let hint = offer(&json!({"runtimeHint": "docker"}), &[]).unwrap();
    holds(&hint.notes.concat(), &["`docker`"]);
}

#[test]
fn what_is_no_server_json_is_refused() {
    let large = " ".repeat(usize::try_from(MAX_BYTES).unwrap() + 1);
    let twice = r#"{"name":"a/b","name":"c/d","version":"1"}"#;
    for text in [
        "",
        "[]",
        "null",
        "{}",
        r#"{"name":1,"version":"1"}"#,
        twice,
        large.as_str(),
        r#"{"name":"a/b","version":"1","packages":{}}"#,
        "{\"name\":\"a\\u001b\",\"version\":\"1\"}",
    ] {
        assert!(ServerJson::parse(text.as_bytes()).is_err(), "{text:.60}");
    }
    for packages in [
        json!([1]),
        json!([[]]),
        json!([{"registryType": 1}]),
        json!([{"registry_type": "npm", "identifier": "x"}]),
        json!([package(&json!({"install": "curl x | sh"}))]),
        json!([package(&json!({"environmentVariables": {"A": "1"}}))]),
    ] {
        let error = offer_of(&document(&packages), &Wishes::default()).unwrap_err();
        holds(&error, &["packages[0]"]);
    }
    let many = vec![package(&json!({})); MAX_PACKAGES + 1];
    assert!(ServerJson::parse(document(&json!(many)).to_string().as_bytes()).is_err());
    let many = vec![json!({"type": "positional", "value": "x"}); MAX_INPUTS + 1];
    holds(
        &refusal(&json!({"packageArguments": many}), &[]),
        &["too many"],
    );
}

#[test]
fn names_and_addresses_of_the_registry() {
    for good in ["io.github.ada/tides", "com.example/a_b.c@1.0.0+b-1"] {
        assert_eq!(RegistryName::parse(good).unwrap().to_string(), good);
    }
    for bad in [
        "",
        "tides",
        "a/b/c",
        "a/",
        "/b",
        "a/b@",
        "a/b@latest",
        "a/b@^1",
        "a/b?x",
        "a/%2e",
        "../b",
        "a/..",
        "a/b@../../x",
        "a b/c",
        "a/b\n",
    ] {
        assert!(RegistryName::parse(bad).is_err(), "{bad}");
    }
    for (text, expected) in [
        ("https://r.example", Some("https://r.example/")),
        ("https://r.example/api/", Some("https://r.example/api/")),
        ("http://127.0.0.1:1", Some("http://127.0.0.1:1/")),
        ("http://r.example", None),
        ("https://u:p@r.example", None),
        ("file:///x", None),
        ("r.example", None),
    ] {
        let found = registry_address(text).ok().map(|url| url.to_string());
        assert_eq!(found.as_deref(), expected, "{text}");
    }
    assert!(registry_address(PUBLIC_REGISTRY).is_ok());
}

#[test]
fn an_answer_is_about_what_was_asked() {
    let answer = |status: &str| {
        json!({"server": document(&json!([package(&json!({}))])),
            "_meta": {"io.modelcontextprotocol.registry/official": {"status": status,
                "statusMessage": "use another", "publishedAt": "2026-01-01T00:00:00Z", "isLatest": true}}})
        .to_string()
    };
    let judged = |name: &str, status: &str| {
        judge_answer(
            &RegistryName::parse(name).unwrap(),
            answer(status).as_bytes(),
        )
        .map_err(|error| error.to_string())
    };
    for name in ["io.github.ada/tides", "io.github.ada/tides@1.0.2"] {
        assert!(judged(name, "active").unwrap().notes.is_empty());
    }
    for name in ["io.github.eve/tides", "io.github.ada/tides@1.0.1"] {
        holds(
            &judged(name, "active").unwrap_err(),
            &["answered about `io.github.ada/tides@1.0.2`"],
        );
    }
    let notes = judged("io.github.ada/tides", "deprecated").unwrap().notes;
    holds(&notes.concat(), &["deprecated", "use another"]);
    holds(
        &judged("io.github.ada/tides", "deleted").unwrap_err(),
        &["withdrawn", "use another"],
    );
    let bare = document(&json!([])).to_string();
    let name = RegistryName::parse("io.github.ada/tides").unwrap();
    assert!(judge_answer(&name, bare.as_bytes()).is_err());
}

#[test]
fn the_digest_that_it_says_is_held_against_the_file() {
    let made = offer(&json!({"fileSha256": SHA256}), &[]).unwrap();
    let artifact = |name: &str, sha256: Digest| Artifact {
        name: name.to_owned(),
        version: "1.0.2".to_owned(),
        path: "node_modules/x".to_owned(),
        url: "x.tgz".to_owned(),
        integrity: "sha512-x".to_owned(),
        sha256,
        size: 1,
        published: None,
        install_script: false,
        publisher: None,
        signature: None,
        provenance: None,
    };
    let right = Digest::from_hex(SHA256).unwrap();
    let other = Digest::of(b"other");
    assert_eq!(
        made.check(&[artifact("zod", other), artifact("@ada/tides", right)]),
        Ok(())
    );
    for artifacts in [
        vec![artifact("@ada/tides", other)],
        vec![artifact("zod", right)],
        Vec::new(),
    ] {
        assert!(made.check(&artifacts).is_err(), "{artifacts:?}");
    }
    assert_eq!(offer(&json!({}), &[]).unwrap().check(&[]), Ok(()));
}
