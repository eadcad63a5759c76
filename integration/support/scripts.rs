//! The servers that the tests of the relay talk to, with and without pinfold.

use std::fs;
use std::process::Command;

use super::{Client, Home, fixture};

/// The tools of `unruly.py` that are allowed: all but `hidden` and `Never`.
const UNRULY: &[&str] = &[
    "answer_of_size",
    "answer_with",
    "ask_client",
    "bad_utf8",
    "batch",
    "carriage_return",
    "close_and_linger",
    "close_output",
    "duplicate_keys",
    "exit_with",
    "garbage",
    "killed",
    "line_separators",
    "lone_surrogate",
    "never",
    "notify",
    "numbers",
    "send",
    "stderr",
    "stubborn",
    "too_deep",
    "twice",
];

/// A script of `fixtures` in a home of its own.
pub(crate) struct Script {
    pub(crate) home: Home,
    name: &'static str,
    arguments: &'static [&'static str],
}

impl Script {
    /// `unruly.py`: breaks the rules of the wire.
    pub(crate) fn unruly() -> Self {
        Self::add("unruly", UNRULY, &[])
    }

    /// `recorder.py`: keeps what reaches it. Its tool `hidden` is not allowed.
    pub(crate) fn recorder(arguments: &'static [&'static str]) -> Self {
        Self::add("recorder", &["allowed", "environment"], arguments)
    }

    /// `busy.py`: quick, and all sorts of messages. Its tool `hidden` is not allowed.
    pub(crate) fn busy() -> Self {
        Self::add("busy", &["deaf", "echo", "silent", "stderr"], &[])
    }

    fn add(name: &'static str, allowed: &[&str], arguments: &'static [&'static str]) -> Self {
        let home = Home::new();
        let source = format!("path:{}", fixture(&format!("{name}.py")).display());
        let mut words = vec!["add", name, &source];
        words.extend(allowed.iter().flat_map(|tool| ["--allow", tool]));
        words.push("--");
        words.extend(arguments);
        home.succeed(words);
        Self {
            home,
            name,
            arguments,
        }
    }

    /// The control: the script itself.
    pub(crate) fn bare_command(&self) -> Command {
        let mut command = Command::new("python3");
        self.home.environment(&mut command);
        command
            .arg(fixture(&format!("{}.py", self.name)))
            .args(self.arguments);
        command
    }

    pub(crate) fn bare(&self) -> Client {
        initialized(Client::start(&mut self.bare_command()))
    }

    /// The script behind pinfold.
    pub(crate) fn penned(&self) -> Client {
        initialized(self.home.client(self.name))
    }

    /// Processes of the script behind pinfold.
    pub(crate) fn processes(&self) -> Vec<i32> {
        super::processes::with_home(&self.home.server_home(self.name))
    }

    /// What reached the recorder without pinfold.
    pub(crate) fn received_bare(&self) -> String {
        fs::read_to_string(self.home.user().join("received.log")).unwrap()
    }

    /// What reached the recorder behind pinfold.
    pub(crate) fn received(&self) -> String {
        fs::read_to_string(self.home.server_home(self.name).join("received.log")).unwrap()
    }
}

fn initialized(mut client: Client) -> Client {
    client.initialize();
    client
}
