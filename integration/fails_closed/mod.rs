//! On any error in deciding, the answer is no: each failure is injected and the refusal seen.

mod agreement;
mod machine;
mod places;

use std::process::Command;

use serde_json::{Value, json};

use crate::support::{Client, Home, fixture};

/// A server that leaves a file in its HOME as its first act.
struct Launch {
    home: Home,
}

impl Launch {
    fn new() -> Self {
        let home = Home::new();
        home.add_path("puppet", &fixture("puppet.py"), &["--", "PUPPET_MARKER"]);
        let launch = Self { home };
        launch.works();
        launch
    }

    fn ran(&self) -> std::path::PathBuf {
        self.home.state("puppet").join("home/ran")
    }

    fn command(&self) -> Command {
        self.home.pinfold(["run", "puppet"])
    }

    /// pinfold on a kernel that lacks something (fixtures/kernel.py).
    fn on_kernel(&self, wishes: &[&str], arguments: &[&str]) -> Command {
        self.behind(
            Command::new(fixture("kernel.py")).args(wishes).arg("--"),
            arguments,
        )
    }

    /// pinfold with these arguments, started by another program.
    fn behind(&self, starter: &Command, arguments: &[&str]) -> Command {
        let pinfold = self.home.pinfold(arguments.iter().copied());
        self.home.behind(starter, &pinfold)
    }

    /// The control: it starts, and its first act is seen.
    fn works(&self) {
        self.works_with(&mut self.command());
    }

    fn works_with(&self, command: &mut Command) {
        let mut client = Client::start(command);
        let answer = client.initialize();
        assert_eq!(answer["serverInfo"]["name"], "puppet", "{answer}");
        let (status, stderr) = client.close();
        assert_eq!(status.code(), Some(0), "{stderr}");
        std::fs::remove_file(self.ran()).expect("the control did not run");
    }

    /// It is refused, the client is told in both eras' first words, and nothing of it has run.
    fn refused(&self, says: &[&str]) {
        self.refused_with(&mut self.command(), says);
    }

    fn refused_with(&self, command: &mut Command, says: &[&str]) {
        let stderr = refusal(command, says);
        assert!(
            !self.ran().exists(),
            "it has run although it was refused: {stderr}"
        );
    }
}

/// Starts `command`, which must refuse; returns what it wrote to standard error.
fn refusal(command: &mut Command, says: &[&str]) -> String {
    let mut client = Client::start(command);
    let discover = client.request("server/discover", json!({}));
    let initialize = client.request(
        "initialize",
        json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}),
    );
    let (status, stderr) = client.close();
    assert_eq!(status.code(), Some(125), "{stderr}");
    for answer in [&discover, &initialize] {
        assert!(answer["error"]["code"].is_i64(), "{answer}");
        assert_eq!(answer.get("result"), None::<&Value>, "{answer}");
    }
    for word in says {
        for answer in [&discover, &initialize] {
            let message = answer["error"]["message"].as_str().unwrap();
            assert!(message.contains(word), "no `{word}` in: {message}");
        }
        assert!(stderr.contains(word), "no `{word}` in: {stderr}");
    }
    stderr
}
