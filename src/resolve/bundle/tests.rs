//! Bundles that are understood, and each part that is refused by its name.

use std::path::Path;

use serde_json::{Value, json};

use super::*;

fn manifest(change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let mut manifest = json!({
        "manifest_version": "0.3",
        "name": "notes",
        "version": "1.2.3",
        "description": "d",
        "author": { "name": "a" },
        "server": {
            "type": "node",
            "entry_point": "server/index.js",
            "mcp_config": {
                "command": "node",
                "args": ["${__dirname}/server/index.js", "--at", "${user_config.folders}"],
                "env": { "TOKEN": "${user_config.token}", "LEVEL": "info" },
            },
        },
        "tools": [{ "name": "read", "description": "r" }, { "name": "write" }],
        "user_config": {
            "folders": { "type": "directory", "title": "t", "description": "d", "multiple": true },
            "token": { "type": "string", "title": "t", "description": "d", "sensitive": true },
            "port": { "type": "number", "title": "t", "description": "d", "min": 1, "max": 9.5 },
            "fast": { "type": "boolean", "title": "t", "description": "d", "default": false },
        },
    });
    change(&mut manifest);
    manifest.to_string().into_bytes()
}

fn parsed(change: impl FnOnce(&mut Value)) -> Result<Bundle, String> {
    Bundle::parse(&manifest(change)).map_err(|error| error.to_string())
}

fn refused(change: impl FnOnce(&mut Value)) -> String {
    parsed(change).unwrap_err()
}

fn set_args(args: Value) -> impl FnOnce(&mut Value) {
    move |manifest| manifest["server"]["mcp_config"]["args"] = args
}

fn text(text: &str) -> ConfigValue {
    ConfigValue::Text(text.to_owned())
}

fn run(
    bundle: &Bundle,
    given: &[(&str, ConfigValue)],
    client: &[(&str, &str)],
) -> Result<BundleRun, String> {
    let given = given
        .iter()
        .map(|(key, value)| ((*key).to_owned(), value.clone()))
        .collect();
    let from_client = |wanted: &str| {
        let found = client.iter().find(|(name, _)| *name == wanted)?;
        Some(found.1.to_owned())
    };
    let inputs = BundleInputs {
        client: &from_client,
        secret: &|key| Some(format!("value of {key}")),
    };
    let places = BundlePlaces {
        folder: Path::new("/t/bundle"),
        home: Path::new("/s/home"),
        user_home: Some(Path::new("/home/ada")),
    };
    bundle
        .run(&given, inputs, places)
        .map_err(|error| error.to_string())
}

#[test]
fn an_ordinary_bundle_is_understood() {
    let bundle = parsed(|_| ()).unwrap();
    assert_eq!((&*bundle.name, &*bundle.version), ("notes", "1.2.3"));
    assert_eq!(bundle.kind, BundleKind::Node);
    assert_eq!(bundle.entry_point, "server/index.js");
    assert_eq!(bundle.tools.as_deref().unwrap(), ["read", "write"]);
    let given = [
        (
            "folders",
            ConfigValue::List(vec!["~/a b".into(), "/srv".into()]),
        ),
        ("token", ConfigValue::FromClient { name: "MY".into() }),
    ];
    let run = run(&bundle, &given, &[("MY", "s3cret")]).unwrap();
    assert_eq!(run.arguments, ["--at", "/home/ada/a b", "/srv"]);
    assert_eq!(run.environment["TOKEN"], "s3cret");
    assert_eq!(run.environment["LEVEL"], "info");
    assert_eq!(run.secrets, [("config.token".into(), "s3cret".into())]);
    // Without values, what is nothing but a value is left out.
    let bare = super::tests::run(&bundle, &[], &[]).unwrap();
    assert_eq!(bare.arguments, ["--at"]);
    assert!(!bare.environment.contains_key("TOKEN"));
    let generated = parsed(|m| m["tools_generated"] = true.into()).unwrap();
    assert_eq!(generated.tools, None);
}

#[test]
fn every_version_and_kind_that_is_read() {
    for version in VERSIONS {
        parsed(|m| m["manifest_version"] = version.into()).unwrap();
    }
    parsed(|m| {
        m["dxt_version"] = "0.1".into();
        m.as_object_mut().unwrap().remove("manifest_version");
    })
    .unwrap();
    let python = parsed(|m| {
        m["server"]["type"] = "python".into();
        m["server"]["mcp_config"]["command"] = "python3".into();
        m["server"]["mcp_config"]["args"] =
            json!(["-u", "${__dirname}${/}server${/}index.js", "x"]);
    })
    .unwrap();
    let run = run(&python, &[], &[]).unwrap();
    assert_eq!(
        (run.options, run.arguments),
        (vec!["-u".into()], vec!["x".into()])
    );
    for command in ["${__dirname}/server/index.js", "server/index.js"] {
        let binary = parsed(|m| {
            m["server"]["type"] = "binary".into();
            m["server"]["mcp_config"]["command"] = command.into();
            m["server"]["mcp_config"]["args"] = json!(["-x"]);
        });
        assert_eq!(binary.unwrap().kind, BundleKind::Binary);
    }
    let own = parsed(|m| {
        m["server"]["mcp_config"]["platform_overrides"] = json!({
            "linux": { "env": { "ONLY": "linux" } },
            "win32": { "command": "cmd.exe", "args": ["/c", "x"] },
        });
    });
    let own = super::tests::run(&own.unwrap(), &[], &[]).unwrap();
    assert_eq!(own.environment.keys().collect::<Vec<_>>(), ["ONLY"]);
}

#[test]
fn what_is_not_understood_is_refused_by_name() {
    let unknown =
        |place: &str| refused(|m| *m.pointer_mut(place).unwrap() = json!({ "surprise": 1 }));
    assert!(refused(|m| m["surprise"] = 1.into()).contains("surprise"));
    assert!(unknown("/server/mcp_config").contains("surprise"));
    assert!(unknown("/user_config/token").contains("surprise"));
    assert!(refused(|m| m["manifest_version"] = "1.0".into()).contains("version `1.0`"));
    assert!(refused(|m| m["dxt_version"] = "0.1".into()).contains("differs"));
    let kind = |kind: &str| refused(|m| m["server"]["type"] = kind.into());
    assert!(kind("uv").contains("`server.type` can't be used: with `uv`"));
    assert!(kind("ruby").contains("server.type"));
    let platforms = |list: Value| parsed(|m| m["compatibility"] = json!({ "platforms": list }));
    assert!(
        platforms(json!(["darwin", "win32"]))
            .unwrap_err()
            .contains("darwin, win32")
    );
    platforms(json!(["darwin", "linux"])).unwrap();
    for entry in ["../x.js", "/bin/sh", "", "a\\b", "."] {
        let said = refused(|m| m["server"]["entry_point"] = entry.into());
        assert!(said.contains("server.entry_point"), "{entry}: {said}");
    }
    let twice = br#"{"manifest_version":"0.3","manifest_version":"0.3"}"#;
    assert!(Bundle::parse(twice).is_err());
    let env_twice = String::from_utf8(manifest(|_| ())).unwrap();
    let env_twice = env_twice.replace(r#""LEVEL":"info""#, r#""LEVEL":"info","LEVEL":"x""#);
    let said = Bundle::parse(env_twice.as_bytes()).unwrap_err().to_string();
    assert!(said.contains("duplicate"), "{said}");
}

#[test]
fn the_command_can_mean_nothing_but_the_entry_point() {
    let entry = "${__dirname}/server/index.js";
    for args in [
        json!([]),
        json!(["-e", "process.exit()"]),
        json!(["--require", "/tmp/x.js", entry]),
        json!(["--import=data:text/javascript,1", entry]),
        json!(["${__dirname}/server/other.js"]),
        json!(["${__dirname}/../../x.js", entry]),
        json!(["${user_config.token}", entry]),
        json!(["${HOME}/server/index.js"]),
    ] {
        let said = refused(set_args(args.clone()));
        assert!(said.contains("expected the entry point"), "{args}: {said}");
    }
    parsed(set_args(json!(["--enable-source-maps", entry, "-e", "1"]))).unwrap();
    for command in [
        "/bin/sh",
        "npx",
        "node -e 1",
        "${__dirname}/node",
        "python3",
        "",
    ] {
        let said = refused(|m| m["server"]["mcp_config"]["command"] = command.into());
        assert!(said.contains("mcp_config.command"), "{command}: {said}");
    }
    let own = refused(|m| {
        m["server"]["mcp_config"]["platform_overrides"] = json!({ "linux": { "command": "sh" } });
    });
    assert!(own.contains("mcp_config.command"), "{own}");
    let binary = refused(|m| {
        m["server"]["type"] = "binary".into();
        m["server"]["mcp_config"]["command"] = "${__dirname}/other".into();
    });
    assert!(binary.contains("not the entry point"), "{binary}");
}

#[test]
fn variables_that_run_code_are_refused() {
    let env = |name: &str, value: &str| {
        let bundle = parsed(|m| m["server"]["mcp_config"]["env"] = json!({ name: value }))?;
        run(&bundle, &[], &[])
    };
    for name in [
        "LD_PRELOAD",
        "NODE_OPTIONS",
        "PATH",
        "HOME",
        "BASH_ENV",
        "A-B",
    ] {
        let said = env(name, "x").unwrap_err();
        assert!(said.contains(&format!("env.{name}")), "{said}");
    }
    env("PYTHONPATH", "${__dirname}/server/lib:${__dirname}").unwrap();
    for value in [
        "/tmp",
        "${__dirname}/lib:",
        "${__dirname}/lib:/tmp",
        "${__dirname}/../x",
        "${HOME}/x",
        "lib",
    ] {
        let said = env("PYTHONPATH", value).unwrap_err();
        assert!(said.contains("outside of the bundle"), "{value}: {said}");
    }
    assert!(
        env("A", "${DOCUMENTS}")
            .unwrap_err()
            .contains("${DOCUMENTS}")
    );
    assert!(
        env("A", "${user_config.none}")
            .unwrap_err()
            .contains("user_config.none")
    );
}

#[test]
fn values_put_in_are_text() {
    let bundle = parsed(set_args(json!([
        "${__dirname}/server/index.js",
        "--port=${user_config.port} ${user_config.fast}",
        "${user_config.folders}",
    ])))
    .unwrap();
    let tricks = ConfigValue::List(vec![
        "/${HOME}/${user_config.token}".into(),
        "/a; rm -rf /".into(),
    ]);
    let given = [("port", text("2")), ("folders", tricks)];
    let run = run(&bundle, &given, &[]).unwrap();
    assert_eq!(
        run.arguments,
        [
            "--port=2 false",
            "/${HOME}/${user_config.token}",
            "/a; rm -rf /"
        ]
    );
    let said = super::tests::run(&bundle, &[], &[]).unwrap_err();
    assert!(said.contains("needs a value for `config.port`"), "{said}");
}

#[test]
fn values_are_held_to_what_is_said_of_them() {
    let bundle = parsed(|_| ()).unwrap();
    let with = |key: &str, value: ConfigValue| run(&bundle, &[(key, value)], &[]);
    for (key, value, says) in [
        ("port", text("0"), "less than 1"),
        ("port", text("9.6"), "more than 9.5"),
        ("port", text("x"), "not a number"),
        ("port", text("NaN"), "not a number"),
        ("fast", text("yes"), "neither true nor false"),
        ("folders", text("a"), "not an absolute path"),
        ("token", text("plain"), "sensitive"),
        ("port", ConfigValue::List(vec!["1".into()]), "not a list"),
        ("other", text("x"), "no value called `other`"),
    ] {
        let said = with(key, value).unwrap_err();
        assert!(said.contains(says), "{key}: {said}");
    }
    for (key, value) in [
        ("port", "1"),
        ("port", "9.5"),
        ("fast", "true"),
        ("folders", "~/x"),
    ] {
        with(key, text(value)).unwrap();
    }
    let required = parsed(|m| m["user_config"]["token"]["required"] = true.into()).unwrap();
    let from = || ConfigValue::FromClient { name: "MY".into() };
    let said = run(&required, &[], &[]).unwrap_err();
    assert!(
        said.contains("requires it") && said.contains("from"),
        "{said}"
    );
    for client in [&[][..], &[("MY", "")]] {
        let said = run(&required, &[("token", from())], client).unwrap_err();
        assert!(said.contains("`config.token`"), "{said}");
    }
    run(&required, &[("token", from())], &[("MY", "x")]).unwrap();
}

#[test]
fn defaults_name_no_other_value_and_no_foreign_folder() {
    let preset = |value: &str| {
        let bundle = parsed(|m| {
            m["user_config"]["folders"]["default"] = json!([value]);
        })
        .unwrap();
        run(&bundle, &[], &[])
    };
    assert_eq!(
        preset("${HOME}/x").unwrap().arguments,
        ["--at", "/s/home/x"]
    );
    assert!(preset("${DOCUMENTS}").unwrap_err().contains("${DOCUMENTS}"));
    assert!(
        preset("/${user_config.token}")
            .unwrap_err()
            .contains("another value")
    );
}

#[test]
fn other_files_of_that_name_are_no_bundles() {
    assert!(looks_like_manifest(&manifest(|_| ())));
    assert!(!looks_like_manifest(
        br#"{"manifest_version":3,"name":"x"}"#
    ));
    assert!(!looks_like_manifest(b"[]"));
}
