//! The process that is attacked, and what was done to it (fixtures/victim.py).

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::support::fixture;

/// A victim that doesn't answer for so long was stopped.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) struct Victim {
    process: Child,
    commands: Option<ChildStdin>,
    answers: Receiver<String>,
    /// Where its things are: `pid`, `address`, `segment`, `ports` …
    pub(super) things: Map<String, Value>,
    at_first: Value,
}

impl Victim {
    pub(super) fn start(
        folder: &Path,
        name: &str,
        secrets: &BTreeMap<&'static str, String>,
    ) -> Self {
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
            at_first: Value::Null,
        };
        let told = json!({"folder": folder, "name": name, "secrets": secrets});
        let things = victim
            .ask(&told.to_string())
            .expect("the victim did not start");
        victim.things = things.as_object().unwrap().clone();
        victim.at_first = victim.ask("state").expect("the victim has ended");
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

    /// What was done to it since it started; empty when nothing was.
    pub(super) fn harm(&mut self) -> Vec<String> {
        let Some(now) = self.ask("state") else {
            return vec!["the victim was ended or stopped".to_owned()];
        };
        let before = self.at_first.as_object().unwrap();
        before
            .iter()
            .filter(|(key, value)| now[key.as_str()] != **value)
            .map(|(key, value)| format!("victim: {key} was {value}, is {}", now[key.as_str()]))
            .collect()
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
