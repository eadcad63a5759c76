//! Bundles with a trick in them: each is refused by its name, and without the trick it works.

use serde_json::{Value, json};

use super::bundles::{bundle, manifest};
use super::{SERVER, answering, say};
use crate::support::{Home, zipped};

/// `pinfold add` refuses the bundle, says why, and leaves nothing.
fn refused(home: &Home, bytes: &[u8], says: &str) {
    let file = home.path().join("trick.mcpb");
    std::fs::write(&file, bytes).unwrap();
    let ran = home.run([
        "add",
        "trick",
        &format!("path:{}", file.display()),
        "--allow-all",
    ]);
    assert!(matches!(ran.code, Some(1 | 2 | 4)), "{ran:#?}");
    assert!(ran.stderr.contains(says), "{says}: {ran:#?}");
    assert!(!home.lock().exists(), "{ran:#?}");
    let staged = std::fs::read_dir(home.store().join("staging"))
        .unwrap()
        .count();
    assert_eq!(staged, 0, "{ran:#?}");
}

fn works(home: &Home, bytes: &[u8]) {
    let file = home.path().join("plain.mcpb");
    std::fs::write(&file, bytes).unwrap();
    home.succeed([
        "add",
        "plain",
        &format!("path:{}", file.display()),
        "--allow-all",
    ]);
    assert_eq!(say(home, "plain"), "plain");
}

type Change = fn(&mut Value);

fn gone(manifest: &mut Value) {
    manifest["server"]["entry_point"] = "server/gone.js".into();
    manifest["server"]["mcp_config"]["args"] = json!(["${__dirname}/server/gone.js"]);
}

#[test]
fn manifests_that_mean_something_else_are_refused() {
    let home = Home::new();
    let entry = "${__dirname}/server/index.js";
    let changes: [(&str, Change); 8] = [
        ("server.type", |m| m["server"]["type"] = "uv".into()),
        ("server.entry_point", |m| {
            m["server"]["entry_point"] = "../../bin/sh".into()
        }),
        ("server.entry_point", |m| gone(m)),
        ("mcp_config.command", |m| {
            m["server"]["mcp_config"]["command"] = "/bin/sh".into()
        }),
        ("env.NODE_OPTIONS", |m| {
            m["server"]["mcp_config"]["env"] = json!({ "NODE_OPTIONS": "--require /tmp/x.js" });
        }),
        ("${DOWNLOADS}", |m| {
            m["server"]["mcp_config"]["env"] = json!({ "A": "${DOWNLOADS}" })
        }),
        ("hooks", |m| {
            m["hooks"] = json!({ "install": "curl x | sh" })
        }),
        ("darwin", |m| {
            m["compatibility"] = json!({ "platforms": ["darwin"] })
        }),
    ];
    for (says, change) in changes {
        refused(&home, &bundle(&home, "'plain'", change), says);
    }
    let options = bundle(&home, "'plain'", |m| {
        m["server"]["mcp_config"]["args"] = json!(["--import", "data:text/javascript,1", entry]);
    });
    refused(&home, &options, "expected the entry point");
    works(&home, &bundle(&home, "'plain'", |_| ()));
}

#[test]
fn archives_that_can_be_read_in_two_ways_are_refused() {
    let home = Home::new();
    let plain = bundle(&home, "'plain'", |_| ());
    let answer = answering("'plain'");
    let with = |name: &str, mode: u32, content: &[u8]| {
        let manifest = manifest(|_| ());
        let files: [(&str, u32, &[u8]); 4] = [
            ("manifest.json", 0o100_644, &manifest),
            ("server/index.js", 0o100_644, SERVER),
            ("server/answer.js", 0o100_644, &answer),
            (name, mode, content),
        ];
        zipped(&home, &files)
    };
    for (name, mode, content, says) in [
        (
            "../../victim",
            0o100_644,
            &b"x"[..],
            "`..` could leave the folder",
        ),
        ("/tmp/pinfold-was-here", 0o100_644, b"x", "absolute path"),
        ("Server/index.js", 0o100_644, b"x", "differs only in case"),
        ("link", 0o120_777, b"/etc/passwd", "target is absolute"),
        (
            "link",
            0o120_777,
            b"../../../victim",
            "leads out of its folder",
        ),
        ("device", 0o020_666, b"", "device files"),
    ] {
        refused(&home, &with(name, mode, content), says);
    }
    // Something in front, something behind, and a name that only one of the two lists has.
    let front = [b"PK\x03\x04 hidden".as_slice(), &plain].concat();
    refused(&home, &front, "not where its last record says");
    let behind = [plain.as_slice(), b"MCPB_SIG_V1"].concat();
    refused(&home, &behind, "another end of an archive");
    let mut other_name = plain.clone();
    let at = find(&other_name, b"server/answer.js");
    other_name[at..at + 16].copy_from_slice(b"server/answez.js");
    refused(&home, &other_name, "disagree about its name");
    let mut other_content = plain.clone();
    let at = find(&other_content, b"server/answer.js") + 20;
    other_content[at] ^= 0x40;
    refused(&home, &other_content, "was refused");
    works(&home, &with("extra", 0o100_644, b"x"));
}

fn find(bytes: &[u8], wanted: &[u8]) -> usize {
    bytes
        .windows(wanted.len())
        .position(|window| window == wanted)
        .unwrap()
}
