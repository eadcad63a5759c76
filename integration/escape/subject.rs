//! The same hostile server without pinfold and behind it, and one attempt of it.

use std::process::Command;
use std::rc::Rc;

use serde_json::{Value, json};

use super::attack::Attack;
use super::decoys::empty;
use super::world::World;
use crate::support::{Client, Home, fixture};

/// One of the two, in its own world.
pub(super) struct Subject {
    pub(super) world: World,
    command: Box<dyn Fn(&World) -> Command>,
    client: Option<Client>,
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Outcome {
    /// It came to its end and returned this.
    Returned(Value),
    /// The system said no, with this error.
    Refused(String),
    /// The attempt was killed by this signal.
    Killed(String),
    /// The whole session ended; why, as the client was told.
    SessionEnded(String),
    /// The attack itself is wrong, or took too long.
    Broken(String),
}

impl Outcome {
    fn parse(answer: &str) -> Self {
        let (word, rest) = answer.split_once(": ").unwrap_or((answer, ""));
        let first = || rest.split(' ').next().unwrap_or_default().to_owned();
        match word {
            "ok" => serde_json::from_str(rest)
                .map_or_else(|_| Self::Broken(answer.to_owned()), Self::Returned),
            "refused" => Self::Refused(first()),
            "killed" => Self::Killed(first()),
            _ => Self::Broken(answer.to_owned()),
        }
    }
}

impl Subject {
    /// The server itself.
    pub(super) fn bare(home: &Rc<Home>, world: World) -> Self {
        let home = Rc::clone(home);
        let command = move |world: &World| {
            let mut puppet = Command::new(fixture("puppet.py"));
            home.environment(&mut puppet);
            puppet
                .env("HOME", &world.places.own)
                .env("TMPDIR", &world.places.temporary);
            puppet
        };
        Self::new(world, Box::new(command))
    }

    /// `pinfold run NAME`.
    pub(super) fn boxed(home: &Rc<Home>, name: &'static str, world: World) -> Self {
        let home = Rc::clone(home);
        Self::new(world, Box::new(move |_| home.pinfold(["run", name])))
    }

    fn new(world: World, command: Box<dyn Fn(&World) -> Command>) -> Self {
        Self {
            world,
            command,
            client: None,
        }
    }

    /// Tries it once. What it did is in the world until that is healed.
    pub(super) fn attempt(&mut self, attack: &Attack, prelude: &str) -> (Outcome, String) {
        let arguments = json!({
            "code": format!("{prelude}\n{}", unindented(attack.code)),
            "arguments": self.world.arguments(),
            "seconds": attack.patience,
        });
        // A session that ended after the attempt before answers nothing at all.
        let answer = match self.ask(&arguments) {
            Err(None) => self.ask(&arguments),
            answer => answer,
        };
        match answer {
            Ok(answer) => (Outcome::parse(&answer), answer),
            Err(reason) => (
                Outcome::SessionEnded(reason.unwrap_or_default()),
                String::new(),
            ),
        }
    }

    fn ask(&mut self, arguments: &Value) -> Result<String, Option<String>> {
        if self.client.is_none() {
            self.client = Some(self.start());
            self.world.settle();
        }
        let client = self.client.as_mut().expect("it was started above");
        let answer = client.try_call_text("do", arguments.clone());
        if answer.is_err() {
            self.restart();
        }
        answer
    }

    /// The next attempt meets a new session.
    pub(super) fn restart(&mut self) {
        self.client = None;
    }

    fn start(&self) -> Client {
        // What an attempt left counts against the next one's limit.
        for folder in [&self.world.places.own, &self.world.places.temporary] {
            if folder.exists() {
                empty(folder);
            }
        }
        let mut command = leaking(&self.world, &(self.command)(&self.world));
        command.current_dir(self.world.user());
        let mut client = Client::start_with_log(&mut command, self.world.new_log());
        let answer = client.initialize();
        assert_eq!(answer["serverInfo"]["name"], "puppet", "{answer}");
        client
    }
}

/// `program` as a careless client starts it: with secrets in the environment and descriptors open.
fn leaking(world: &World, program: &Command) -> Command {
    let mut command = Command::new("sh");
    command
        .args([
            "-c",
            r#"exec 7<"$1" 8<"$2" 9>>"$3"; shift 3; exec "$@""#,
            "sh",
        ])
        .args(world.leaked())
        .arg(program.get_program())
        .args(program.get_args())
        .env_clear();
    for (name, value) in program.get_envs() {
        if let Some(value) = value {
            command.env(name, value);
        }
    }
    command.env("DECOY_TOKEN", &world.secrets["client"]);
    command
}

/// Without the indentation that all lines share.
fn unindented(code: &str) -> String {
    let indentation = |line: &str| line.len() - line.trim_start().len();
    let shared = code
        .lines()
        .filter(|line| !line.trim().is_empty())
        .map(indentation)
        .min()
        .unwrap_or(0);
    code.lines()
        .map(|line| line.get(shared..).unwrap_or_default())
        .collect::<Vec<_>>()
        .join("\n")
}
