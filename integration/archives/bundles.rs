//! Bundles (.mcpb) made here: mapped, given values, proposed tools.

use serde_json::{Value, json};

use super::{SERVER, add, answering, locked, say};
use crate::support::{Home, HttpsFolder, Tier, zipped};

pub(super) fn manifest(change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let mut manifest = json!({
        "manifest_version": "0.3",
        "name": "sayer",
        "version": "2.1.0",
        "description": "says things",
        "author": { "name": "somebody" },
        "server": {
            "type": "node",
            "entry_point": "server/index.js",
            "mcp_config": {
                "command": "node",
                "args": ["${__dirname}/server/index.js"],
                "env": {},
            },
        },
    });
    change(&mut manifest);
    manifest.to_string().into_bytes()
}

/// A bundle whose tool answers with a JavaScript expression.
pub(crate) fn bundle(home: &Home, expression: &str, change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let files: [(&str, u32, &[u8]); 3] = [
        ("manifest.json", 0o100_644, &manifest(change)),
        ("server/index.js", 0o100_644, SERVER),
        ("server/answer.js", 0o100_644, &answering(expression)),
    ];
    zipped(home, &files)
}

const WHAT_IT_GETS: &str =
    "JSON.stringify([process.argv.slice(2), process.env.TOKEN, process.env.PLACE])";

fn asking(manifest: &mut Value) {
    let option = |kind: &str| json!({ "type": kind, "title": "t", "description": "d" });
    let command = &mut manifest["server"]["mcp_config"];
    command["args"] = json!([
        "${__dirname}/server/index.js",
        "--level=${user_config.level}",
        "${user_config.words}",
    ]);
    command["env"] = json!({ "TOKEN": "key ${user_config.token}", "PLACE": "${HOME}" });
    manifest["user_config"] =
        json!({ "level": option("number"), "words": option("string"), "token": option("string") });
    manifest["user_config"]["level"]["max"] = 9.into();
    manifest["user_config"]["level"]["default"] = 3.into();
    manifest["user_config"]["words"]["multiple"] = true.into();
    manifest["user_config"]["token"]["sensitive"] = true.into();
    manifest["user_config"]["token"]["required"] = true.into();
    manifest["tools"] = json!([{ "name": "say" }, { "name": "sing" }]);
}

#[test]
fn a_bundle_gets_its_values_and_nothing_else() {
    let home = Home::new();
    let file = home.path().join("sayer.mcpb");
    std::fs::write(&file, bundle(&home, WHAT_IT_GETS, asking)).unwrap();
    let source = format!("path:{}", file.display());
    let with = |arguments: &[&str]| {
        let mut command = home.pinfold(["add", "sayer", &source]);
        command.args(arguments).env("MY_TOKEN", "sesame-street");
        crate::support::Ran::of(&mut command)
    };
    for (arguments, says) in [
        (&["--allow-all"][..], "config.token"),
        (&["--allow-all", "--config", "token=plain"], "sensitive"),
        (
            &["--allow-all", "--config-from", "token=NOWHERE"],
            "NOWHERE is not in the environment",
        ),
        (
            &[
                "--allow-all",
                "--config-from",
                "token=MY_TOKEN",
                "--config",
                "level=10",
            ],
            "more than 9",
        ),
        (
            &[
                "--allow-all",
                "--config-from",
                "token=MY_TOKEN",
                "--config",
                "volume=10",
            ],
            "no value called `volume`",
        ),
        // The proposal is shown beside what is really offered.
        (
            &["--config-from", "token=MY_TOKEN"],
            "The bundle proposes: --allow say.",
        ),
        (&["--config-from", "token=MY_TOKEN"], "doesn't offer: sing"),
    ] {
        let ran = with(arguments);
        assert_eq!(ran.code, Some(2), "{ran:#?}");
        assert!(ran.stderr.contains(says), "{says}: {ran:#?}");
    }
    let values = [
        "--allow",
        "say",
        "--config-from",
        "token=MY_TOKEN",
        "--config",
        "words=a b",
        "--config",
        "words=${HOME}; $(id) ${user_config.token}",
    ];
    let ran = with(&values);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    let text = std::fs::read_to_string(home.manifest()).unwrap();
    assert!(!text.contains("sesame"), "{text}");

    let mut command = home.pinfold(["run", "sayer"]);
    command.env("MY_TOKEN", "sesame-street");
    let mut client = crate::support::Client::start(&mut command);
    client.initialize();
    let said = client.call_text("say", json!({}));
    // The secret has arrived, and is taken out of what the server says.
    assert!(!said.contains("sesame-street"), "{said}");
    let place = home.server_home("sayer");
    for part in [
        r#"["--level=3","a b","${HOME}; $(id) ${user_config.token}"]"#,
        "\"key ",
        &format!("\"{}\"", place.display()),
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let entry = locked(&home, "sayer");
    assert_eq!(entry["version"], "2.1.0");
    assert_eq!(entry["entry_point"], "bundle/server/index.js");
    assert_eq!(entry["interpreter"]["kind"], "node");
}

#[test]
fn a_bundle_from_an_address_in_python() {
    let test = "archives::bundles::a_bundle_from_an_address_in_python";
    let home = Home::new();
    let Some(https) = HttpsFolder::new(test, &home) else {
        return;
    };
    let server = b"
import json, sys
import words
for line in sys.stdin:
    m = json.loads(line)
    if 'id' not in m: continue
    results = {
        'initialize': {'protocolVersion': '2025-11-25', 'capabilities': {'tools': {}}, 'serverInfo': {'name': 'p', 'version': '1'}},
        'tools/list': {'tools': [{'name': 'say', 'inputSchema': {'type': 'object'}}]},
        'tools/call': {'content': [{'type': 'text', 'text': words.WORDS}]},
    }
    print(json.dumps({'jsonrpc': '2.0', 'id': m['id'], 'result': results.get(m['method'], {})}), flush=True)
";
    let manifest = manifest(|manifest| {
        manifest["server"] = json!({
            "type": "python",
            "entry_point": "server/main.py",
            "mcp_config": {
                "command": "python",
                "args": ["${__dirname}/server/main.py"],
                "env": { "PYTHONPATH": "${__dirname}/lib" },
            },
        });
    });
    let files: [(&str, u32, &[u8]); 3] = [
        ("manifest.json", 0o100_644, &manifest),
        ("server/main.py", 0o100_644, server),
        ("lib/words.py", 0o100_644, b"WORDS = 'from the library'\n"),
    ];
    let source = https.publish("p.mcpb", &zipped(&home, &files));
    add(&https, &home, "p", &source, &[]);
    assert_eq!(say(&home, "p"), "from the library");
    let entry = locked(&home, "p");
    assert_eq!(entry["interpreter"]["kind"], "python");
    assert_eq!(entry["artifacts"][0]["version"], "2.1.0");
    home.succeed(["verify"]);
    home.remove_store();
    let fetched = https.run(&home, &["fetch"]);
    assert_eq!(fetched.code, Some(0), "{fetched:#?}");
    assert_eq!(say(&home, "p"), "from the library");
}

/// In the full tier its folder has a second name; a bundle hears one of the two wherever it is told.
#[test]
fn a_bundle_is_told_one_name_of_its_folder() {
    const WHERE: &str =
        "JSON.stringify([require.main.filename, process.argv.slice(2), process.env.ROOT])";
    let home = Home::new();
    let file = home.path().join("sayer.mcpb");
    let bundle = bundle(&home, WHERE, |manifest| {
        let command = &mut manifest["server"]["mcp_config"];
        command["args"] = json!([
            "${__dirname}/server/index.js",
            "${__dirname}/server/",
            "--root=${__dirname}/server/../server",
        ]);
        command["env"] = json!({ "ROOT": "${__dirname}" });
    });
    std::fs::write(&file, bundle).unwrap();
    home.succeed([
        "add",
        "sayer",
        &format!("path:{}", file.display()),
        "--allow-all",
    ]);
    let tree = home.only_tree().canonicalize().unwrap();
    for (tier, root) in [(Tier::Full, "/mcp"), (Tier::Base, tree.to_str().unwrap())] {
        if tier == Tier::Base {
            home.set_tier("sayer", tier);
        }
        let folder = format!("{root}/bundle");
        let expected = json!([
            format!("{folder}/server/index.js"),
            [
                format!("{folder}/server/"),
                format!("--root={folder}/server/../server")
            ],
            folder,
        ]);
        assert_eq!(say(&home, "sayer"), expected.to_string());
    }
}
