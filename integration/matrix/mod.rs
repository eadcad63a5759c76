//! Each official client works with servers of each official SDK through `pinfold run`, in both
//! eras, and loses nothing: what the two say to each other is, message by message, what they
//! say without pinfold, except for the tools that are not on the list, and the capabilities.
//!
//! Prints one row of the table for each server (`MATRIX`).

mod inspector;
mod servers;
mod wire;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use self::servers::Server;
use self::wire::runs;
use crate::support::bare;
use crate::support::sdk::{Sdk, driven};
use crate::support::{Home, registry_is_reachable, skip};

const CLIENTS: [(&str, Sdk); 8] = [
    ("typescript-1", Sdk::TypeScript1),
    ("typescript-2 legacy", Sdk::TypeScript2 { mode: "legacy" }),
    ("typescript-2 auto", Sdk::TypeScript2 { mode: "auto" }),
    ("python-1", Sdk::Python1),
    ("python-2 legacy", Sdk::Python2 { mode: "legacy" }),
    ("python-2 auto", Sdk::Python2 { mode: "auto" }),
    ("rmcp legacy", Sdk::Rust { mode: "legacy" }),
    ("rmcp auto", Sdk::Rust { mode: "auto" }),
];

/// Letters that a line must not be cut at, and a number that fits in no 32 bits.
const MESSAGE: &str = "h\u{e9} \u{2028}\u{85} \u{1f600} \\ \"";

/// A server, and how to start it with and without pinfold.
struct Cell<'a> {
    home: &'a Home,
    server: &'a Server,
    client: &'a str,
}

impl Cell<'_> {
    /// Where the session of this client is kept.
    fn folder(&self, how: &str) -> PathBuf {
        let name = format!("{}-{how}", self.client.replace(' ', "-"));
        let folder = self.home.path().join("wire").join(name);
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    /// The command of the server, or of pinfold, behind the program that keeps what is said.
    fn command(&self, folder: &Path, with_pinfold: bool) -> Vec<String> {
        let tap = Path::new(env!("CARGO_MANIFEST_DIR")).join("integration/clients/tap.py");
        let mut command: Vec<String> = ["/usr/bin/python3", "-IS"].map(str::to_owned).into();
        command.extend([tap, folder.to_owned()].map(|path| path.to_string_lossy().into_owned()));
        if with_pinfold {
            let pinfold = [env!("CARGO_BIN_EXE_pinfold"), "run", self.server.name];
            command.extend(pinfold.map(str::to_owned));
        } else {
            command.extend(self.server.bare.iter().cloned());
        }
        command
    }

    /// The messages of both sessions agree; how many there are.
    fn compare(&self, bare: &Path, penned: &Path) -> usize {
        let bare = runs(bare);
        let penned = runs(penned);
        let cell = format!("{} with {}", self.client, self.server.name);
        assert_eq!(bare.len(), penned.len(), "{cell}: {bare:#?}\n{penned:#?}");
        let mut messages = 0;
        for (bare, penned) in bare.into_iter().zip(penned) {
            messages += penned.messages();
            let expected = bare.with_pinfold(self.server.allowed);
            assert_eq!(penned.sent, expected.sent, "{cell}");
            assert_eq!(penned.answers, expected.answers, "{cell}");
            assert_eq!(penned.unasked, expected.unasked, "{cell}");
        }
        messages
    }
}

fn row(test: &str, server: Result<Server, String>) {
    if !registry_is_reachable() {
        return skip(test, "the npm registry can't be reached");
    }
    let mut server = match server {
        Ok(server) => server,
        Err(reason) => return skip(test, &reason),
    };
    let home = Home::new();
    let mut add = vec!["add", server.name, &server.source];
    for tool in server.allowed {
        add.extend(["--allow", tool]);
    }
    for file in &server.read {
        add.extend(["--read", file]);
    }
    home.succeed(add);
    if let Some((package, _)) = server
        .source
        .strip_prefix("npm:")
        .and_then(|it| it.rsplit_once('@'))
    {
        match bare::npm(&home, server.name, package) {
            Ok(command) => server.bare = words(&command),
            Err(reason) => return skip(test, &reason),
        }
    }
    let mut cells = Vec::new();
    for (client, sdk) in CLIENTS {
        let cell = Cell {
            home: &home,
            server: &server,
            client,
        };
        match sdk.command() {
            Ok(_) => cells.push(format!("{client}: {}", with_sdk(&cell, sdk))),
            Err(reason) => skip(&format!("{test} with {client}"), &reason),
        }
    }
    match inspector::program() {
        Ok(program) => cells.extend(inspector::eras(&home, &server, &program)),
        Err(reason) => skip(&format!("{test} with the Inspector"), &reason),
    }
    // Past the test runner's capture, as skips.
    let row = format!("MATRIX {:<12} | {}\n", server.name, cells.join(" | "));
    let _ = std::io::stderr().write_all(row.as_bytes());
}

fn words(command: &Command) -> Vec<String> {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words
        .map(|word| word.to_str().unwrap().to_owned())
        .collect()
}

/// The same session with and without pinfold; the revision, and how many messages.
fn with_sdk(cell: &Cell<'_>, sdk: Sdk) -> String {
    let Server {
        withheld,
        prompt,
        resource,
        both_eras,
        ..
    } = cell.server;
    let plan = json!({
        "calls": [
            ["echo", {"message": MESSAGE}],
            [withheld, {"message": "m"}],
            ["nowhere", {}],
        ],
        "prompts": [prompt],
        "resources": [resource],
    });
    let [bare, penned] = ["bare", "penned"].map(|how| cell.folder(how));
    let session = |folder: &Path, with_pinfold: bool| {
        let command = cell.command(folder, with_pinfold);
        let words: Vec<&str> = command.iter().map(String::as_str).collect();
        driven(cell.home, sdk, &words, &plan)
    };
    let expected = session(&bare, false);
    let report = session(&penned, true);

    // Without pinfold everything works, so that what follows is about something.
    let echoed = expected["calls"][0]["text"].as_str().unwrap_or_default();
    assert!(
        echoed.contains('\u{1f600}') || echoed.contains("ud83d"),
        "{expected}"
    );
    assert_eq!(expected["calls"][1]["isError"], false, "{expected}");
    for kind in ["prompts", "resources"] {
        assert!(expected[kind][0]["got"]["text"].is_string(), "{expected}");
        assert_eq!(report[kind], expected[kind], "{sdk:?}");
    }
    assert_eq!(report["connectError"], Value::Null, "{report}");
    assert_eq!(report["protocol"], expected["protocol"], "{report}");
    assert_eq!(report["tools"], json!(cell.server.allowed), "{report}");
    assert_eq!(report["calls"][0], expected["calls"][0], "{sdk:?}");
    for (call, tool) in [(1, *withheld), (2, "nowhere")] {
        let error = &report["calls"][call]["error"];
        assert_eq!(error["code"], -32602, "{report}");
        let message = error["message"].as_str().unwrap();
        assert!(
            message.contains(&format!("Unknown tool: {tool}")),
            "{report}"
        );
    }
    let auto = cell.client.ends_with("auto");
    let revision = if auto && *both_eras {
        "2026-07-28"
    } else {
        "2025-11-25"
    };
    assert_eq!(report["protocol"], revision, "{report}");
    let messages = cell.compare(&bare, &penned);
    format!("{revision} ({messages})")
}

macro_rules! each_server {
    ($($name:ident: $server:expr;)*) => {$(
        #[test]
        fn $name() {
            row(concat!("matrix::", stringify!($name)), $server);
        }
    )*};
}

each_server! {
    everything: servers::everything();
    typescript_2: servers::typescript();
    python_1: servers::python_1();
    python_2: servers::python_2();
    rmcp: servers::rust();
}
