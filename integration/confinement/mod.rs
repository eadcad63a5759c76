//! The box rule by rule: what the attack suite (`escape`) can't ask, and what must go on working.
//! Every refusal is first seen to work without pinfold.

mod calls;
mod environment;
mod files;
mod grants;
mod kernel;
mod limits;
mod mounts;
mod processes;
mod programs;
mod sockets;
mod walls;
mod web;

use std::process::Command;

use serde_json::{Value, json};

use crate::support::{Client, Home, Tier, fixture, skip};

/// The same hostile server twice: bare, and in the box.
struct Ground {
    home: Home,
    bare: Client,
    boxed: Client,
}

/// This module is compiled once for each tier.
fn tier() -> Tier {
    Tier::of_module(module_path!())
}

impl Ground {
    /// `more` goes to `pinfold add`.
    fn new(more: &[&str]) -> Self {
        Self::in_home(Home::new(), more)
    }

    fn in_home(home: Home, more: &[&str]) -> Self {
        home.add_path("puppet", &fixture("puppet.py"), more);
        home.set_tier("puppet", tier());
        let mut command = Command::new(fixture("puppet.py"));
        home.environment(&mut command);
        let mut bare = Client::start(command.current_dir(home.path()));
        bare.initialize();
        let mut boxed = home.client("puppet");
        boxed.initialize();
        Self { home, bare, boxed }
    }

    /// Runs the body of a Python function without pinfold.
    fn bare(&mut self, code: &str, arguments: &Value) -> String {
        run(&mut self.bare, code, arguments)
    }

    /// Runs it in the box.
    fn boxed(&mut self, code: &str, arguments: &Value) -> String {
        run(&mut self.boxed, code, arguments)
    }

    /// Sees the attack work without pinfold and fail with it.
    fn refused(&mut self, code: &str, arguments: Value) {
        let control = self.bare(code, &arguments);
        assert!(control.starts_with("ok:"), "control: {control}\n{code}");
        self.refused_inside(code, &arguments);
    }

    /// As [`Self::refused`]; where this machine itself refuses the control, that is said, and the
    /// box must refuse anyway.
    fn refused_if_possible(&mut self, test: &str, code: &str, arguments: Value) {
        let control = self.bare(code, &arguments);
        if !control.starts_with("ok:") {
            let attack = code.split_whitespace().collect::<Vec<_>>().join(" ");
            skip(
                test,
                &format!("no control for `{attack}` with {arguments}: {control}"),
            );
        }
        self.refused_inside(code, &arguments);
    }

    fn refused_inside(&mut self, code: &str, arguments: &Value) {
        let outcome = self.boxed(code, arguments);
        let refused = tier()
            .refusals()
            .iter()
            .any(|errno| outcome.starts_with(&format!("refused: {errno} ")));
        assert!(refused, "{outcome}\n{code}");
    }

    /// Sees something work in both: what a server needs and may.
    fn allowed(&mut self, code: &str, arguments: Value) {
        for outcome in [self.bare(code, &arguments), self.boxed(code, &arguments)] {
            assert!(outcome.starts_with("ok:"), "{outcome}\n{code}");
        }
    }

    /// Sees something work in the box.
    fn allowed_inside(&mut self, code: &str, arguments: &Value) -> Value {
        let outcome = self.boxed(code, arguments);
        let result = outcome
            .strip_prefix("ok: ")
            .unwrap_or_else(|| panic!("{outcome}\n{code}"));
        serde_json::from_str(result).unwrap()
    }
}

fn run(client: &mut Client, code: &str, arguments: &Value) -> String {
    client.call_text("do", json!({"code": code, "arguments": arguments}))
}
