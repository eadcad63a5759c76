//! The process that is attacked, and what was done to it (fixtures/victim.py).

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::decoys::Secrets;
use crate::support::fixture;

/// A victim that doesn't answer for so long was stopped.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is only counted, and leaves it as it was.
const COUNTED: &[&str] = &["heard", "signals", "typed"];

pub(super) struct Victim {
    process: Child,
    commands: Option<ChildStdin>,
    answers: Receiver<String>,
    /// Where its things are: `pid`, `address`, `segment`, `ports` …
    pub(super) things: Map<String, Value>,
    at_last: Value,
    /// Whether it can serve for another attack.
    pub(super) unharmed: bool,
}

impl Victim {
    pub(super) fn start(folder: &Path, name: &str, secrets: &Secrets) -> Self {
        let mut process = Command::new(fixture("victim.py"))
            .arg(&secrets["argument"])
            .env("DECOY_SECRET", &secrets["victims-environment"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .process_group(0)
            .spawn()
            .unwrap();
        let output = BufReader::new(process.stdout.take().unwrap());
        let (sender, answers) = channel();
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let mut victim = Self {
            commands: process.stdin.take(),
            process,
            answers,
            things: Map::new(),
            at_last: Value::Null,
            unharmed: true,
        };
        let told = json!({"folder": folder, "name": name, "secrets": secrets});
        let things = victim
            .ask(&told.to_string())
            .expect("the victim did not start");
        victim.things = things.as_object().unwrap().clone();
        victim.at_last = victim.ask("state").expect("the victim has ended");
        victim
    }

    fn ask(&mut self, line: &str) -> Option<Value> {
        writeln!(self.commands.as_mut()?, "{line}").ok()?;
        let answer = self.answers.recv_timeout(PATIENCE).ok()?;
        Some(serde_json::from_str(&answer).unwrap())
    }

    /// Has it set an extended attribute, for which there is no safe function here.
    pub(super) fn set_attribute(&mut self, path: &Path, value: &str) {
        self.ask(&json!({"attribute": value, "path": path}).to_string())
            .expect("the victim has ended");
    }

    /// What was done to it since the last time; empty when nothing was.
    pub(super) fn harm(&mut self) -> Vec<String> {
        let Some(now) = self.ask("state") else {
            self.unharmed = false;
            return vec!["the victim was ended or stopped".to_owned()];
        };
        let before = self.at_last.as_object().unwrap();
        let changed: Vec<&String> = before
            .keys()
            .filter(|key| now[key.as_str()] != before[key.as_str()])
            .collect();
        self.unharmed &= changed.iter().all(|key| COUNTED.contains(&key.as_str()));
        let harm = changed
            .iter()
            .map(|key| {
                format!(
                    "victim: {key} was {}, is {}",
                    before[*key],
                    now[key.as_str()]
                )
            })
            .collect();
        self.at_last = now;
        harm
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        let answered = self.ask("state").is_some();
        drop(self.commands.take());
        if !answered {
            let _ = self.process.kill();
            // What the kernel keeps of it.
            let remover = Command::new(fixture("victim.py"))
                .stdin(Stdio::piped())
                .spawn();
            if let Ok(mut remover) = remover {
                if let Some(mut input) = remover.stdin.take() {
                    let _ = writeln!(input, "{}", json!({"remove": self.things}));
                }
                let _ = remover.wait();
            }
        }
        let _ = self.process.wait();
    }
}
