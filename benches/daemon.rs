//! A daemon of this place, and what it says of its sessions.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::place::Place;

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) struct Daemon<'p> {
    place: &'p Place,
    child: Child,
}

impl<'p> Daemon<'p> {
    pub(crate) fn start(place: &'p Place) -> Self {
        let _ = fs::create_dir(place.path().join("run"));
        let child = with_runtime(place, &["daemon"]).spawn().unwrap();
        let daemon = Self { place, child };
        let socket = place.path().join("run/pinfold/control.sock");
        wait_for("the daemon", || socket.exists());
        daemon
    }

    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    /// `pinfold run` that is served by it, or not at all.
    pub(crate) fn run(&self, server: &str) -> Command {
        with_runtime(self.place, &["run", "--daemon=require", server])
    }

    pub(crate) fn sessions(&self) -> Vec<Value> {
        let mut command = with_runtime(self.place, &["ps", "--json"]);
        let output = command.stdout(Stdio::piped()).output().unwrap();
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        report["sessions"].as_array().unwrap().clone()
    }

    /// Waits until so many servers run that nobody has spoken to.
    pub(crate) fn wait_until_warm(&self, count: usize) {
        wait_for("a warm server", || {
            let is_warm = |row: &&Value| row["stage"] == "warm" && row["server_pid"].is_u64();
            self.sessions().iter().filter(is_warm).count() >= count
        });
    }
}

impl Drop for Daemon<'_> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn with_runtime(place: &Place, arguments: &[&str]) -> Command {
    let mut command = place.pinfold(arguments);
    command.env("XDG_RUNTIME_DIR", place.path().join("run"));
    command
}

pub(crate) fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !done() {
        assert!(begin.elapsed() < PATIENCE, "waited in vain for {what}");
        sleep(Duration::from_millis(20));
    }
}
