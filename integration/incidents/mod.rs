//! What happened to others, in its shape: each attack is seen to work without pinfold, and then with
//! it. `docs/incidents.md` says which incident is which, and `tests/incidents.rs` that none is left
//! out. Only decoys that the test plants are attacked.

mod flaws;
mod listening;
mod packages;
mod theft;
mod words;

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::{Client, Home, fixture};

/// What a thief must not get.
const DECOY: &str = "decoy-of-this-test";

/// The same server without pinfold and behind it.
struct Both {
    bare: Client,
    boxed: Client,
    // Last, so that nobody is in it any more when it is removed.
    home: Home,
}

impl Both {
    /// A fixture with the lines of its table in the manifest.
    fn new(home: Home, server: &str, args: &[&str], lines: &str) -> Self {
        Self::with(home, server, args, lines, &[])
    }

    /// `environment` is the client's, so both are started with it.
    fn with(
        home: Home,
        server: &str,
        args: &[&str],
        lines: &str,
        environment: &[(&str, &str)],
    ) -> Self {
        let source = fixture(server);
        let text = format!(
            "[servers.server]\nsource = \"path:{}\"\nargs = {args:?}\n{lines}\n",
            source.display(),
        );
        fs::create_dir_all(home.manifest().parent().unwrap()).unwrap();
        fs::write(home.manifest(), text).unwrap();
        home.succeed(["lock"]);
        let mut command = Command::new(source);
        home.environment(&mut command);
        command.args(args).current_dir(home.path());
        let bare = start(command.envs(environment.iter().copied()));
        let mut command = home.pinfold(["run", "server"]);
        let boxed = start(command.envs(environment.iter().copied()));
        Self { bare, boxed, home }
    }

    /// What a tool answers without pinfold, and behind it.
    fn call(&mut self, tool: &str, arguments: &Value) -> (String, String) {
        let bare = self.bare.call_text(tool, arguments.clone());
        (bare, self.boxed.call_text(tool, arguments.clone()))
    }

    /// A piece of hostile code, in the server `puppet.py`: it works without pinfold, what it answers
    /// then, and it is refused in the box.
    fn attack(&mut self, code: &str, arguments: &Value) -> String {
        let call = json!({"code": code, "arguments": arguments});
        let control = self.bare.call_text("do", call.clone());
        assert!(control.starts_with("ok:"), "control: {control}\n{code}");
        let answer = self.boxed.call_text("do", call);
        assert!(answer.starts_with("refused:"), "{answer}\n{code}");
        assert!(!answer.contains(DECOY), "{answer}\n{code}");
        control
    }
}

fn start(command: &mut Command) -> Client {
    let mut client = Client::start(command);
    client.initialize();
    client
}

/// A file below the user's home, with what is in it; its folders are made.
fn plant(home: &Home, name: &str, content: &str) -> PathBuf {
    let path = home.user().join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, content).unwrap();
    path
}

/// The client was told why in a result that a model reads.
#[track_caller]
fn refused(answer: &Value, part: &str) {
    assert_eq!(answer["result"]["isError"], true, "{answer}");
    let text = answer["result"]["content"][0]["text"].as_str().unwrap();
    assert!(text.contains(part), "{part}: {text}");
}
