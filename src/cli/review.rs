//! `pinfold review`: what a server says of itself now, beside what was locked, and the yes or
//! no of a person to each difference.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::{Value, json};

use super::args::Review;
use super::behaviour::{InstructionsState, ToolState, compare, instructions};
use super::context::Context;
use super::difference::difference;
use super::exit::{DriftError, Exit, UsageError};
use super::locking::keep_definitions;
use super::output;
use crate::launch::{Launcher, StateFolder, learn};
use crate::lockfile::{LockedServer, ServerName, ToolName, write};
use crate::relay::{Introspection, StderrLog};
use crate::store::Store;

/// What of the differences is accepted.
#[derive(Debug, Default)]
struct Accepted {
    tools: BTreeSet<ToolName>,
    instructions: bool,
}

/// Everything that was found.
struct Findings<'a> {
    tools: BTreeMap<ToolName, ToolState<'a>>,
    instructions: InstructionsState<'a>,
    allow: &'a BTreeSet<ToolName>,
    store: &'a Store,
}

pub(super) async fn run(manifest: Option<&Path>, arguments: &Review) -> anyhow::Result<Exit> {
    let context = Context::open(manifest)?;
    let (manifest, lock) = context.trusted()?;
    let (name, server, locked) = context.server(&arguments.name, &manifest, &lock)?;
    context.store.sweep()?;
    let staging = context.store.staging()?;
    let launcher = Launcher::new(&context.paths, &context.store, &context.environment);
    let state = StateFolder::create(staging.folder().join("state"))?;
    let prepared = launcher.prepare(&name, server, locked, &state)?;
    let log = StderrLog::open(&state.log_path())?;
    let started = launcher.start(prepared.launch, prepared.code).await?;
    let introspection: Introspection = learn(started.running, &server.grants, log).await?;
    let findings = Findings {
        tools: compare(&locked.behaviour, &introspection),
        instructions: instructions(&locked.behaviour, &introspection),
        allow: &server.tools.allow,
        store: &context.store,
    };
    if !arguments.json {
        findings.show(&name);
    }
    if introspection.unusable > 0 {
        output::warning(&format!(
            "{} of its definitions can't be used, and are never shown to a client",
            introspection.unusable
        ));
    }
    let accepted = findings.choose(arguments)?;
    if !accepted.tools.is_empty() || accepted.instructions {
        keep_definitions(&staging, &introspection);
        findings.write(&context, &name, locked, &accepted)?;
    }
    let left = findings.left(&accepted);
    StateFolder::planned(context.paths.server_state(&name))
        .shown_tools()
        .note(
            left.iter()
                .filter(|tool| findings.allow.contains(*tool))
                .cloned(),
        );
    if arguments.json {
        output::data(&findings.json(&name, &accepted).to_string());
    }
    let instructions_left = findings.instructions.differs() && !accepted.instructions;
    if left.is_empty() && !instructions_left {
        return Ok(Exit::Success);
    }
    if !arguments.json {
        output::note("What was not accepted stays withheld.");
    }
    Ok(Exit::Drift)
}

impl Findings<'_> {
    /// The differing tools that were not accepted.
    fn left(&self, accepted: &Accepted) -> Vec<ToolName> {
        self.differing()
            .map(|(name, _)| name)
            .filter(|name| !accepted.tools.contains(*name))
            .cloned()
            .collect()
    }

    fn differing(&self) -> impl Iterator<Item = (&ToolName, &ToolState<'_>)> {
        self.tools.iter().filter(|(_, state)| state.differs())
    }

    /// Everything, for a person.
    fn show(&self, server: &ServerName) {
        let unchanged = self.tools.len() - self.differing().count();
        output::data(&format!(
            "{server}: {unchanged} tools are as they were locked"
        ));
        for (name, state) in self.differing() {
            self.show_tool(name, state);
        }
        if self.instructions.differs() {
            self.show_instructions();
        }
    }

    fn show_tool(&self, name: &ToolName, state: &ToolState<'_>) {
        let allowed = if self.allow.contains(name) {
            ""
        } else {
            " (not on the allowlist)"
        };
        output::data(&format!("\n{}  {name}{allowed}", state.word()));
        match state {
            ToolState::Unchanged | ToolState::Gone { .. } => {}
            ToolState::New(new) => show_difference(None, &new.canonical),
            ToolState::Changed { old, new } => {
                let old = self.store.definition(old);
                if old.is_none() {
                    output::data("  (the text that was locked is not on this machine)");
                }
                show_difference(old.as_deref(), &new.canonical);
            }
        }
    }

    fn show_instructions(&self) {
        output::data("\nchanged  the server's instructions");
        let old = self.instructions.old;
        let text = old.and_then(|old| self.store.definition(&old));
        if old.is_some() && text.is_none() {
            output::data("  (the text that was locked is not on this machine)");
        }
        match self.instructions.new {
            Some(new) => show_difference(text.as_deref(), new.as_bytes()),
            None => output::data("  there are none any more"),
        }
    }

    /// As the arguments say; without any, a person is asked for each, if one is there.
    fn choose(&self, arguments: &Review) -> anyhow::Result<Accepted> {
        let named: BTreeSet<ToolName> = arguments
            .accept
            .iter()
            .map(|name| {
                let known = name
                    .parse()
                    .ok()
                    .filter(|name| self.tools.contains_key(name));
                known.ok_or_else(|| {
                    UsageError(format!("there is no tool `{}`", output::foreign(name, 128)))
                })
            })
            .collect::<Result<_, _>>()?;
        if arguments.accept_all {
            return Ok(Accepted {
                tools: self.differing().map(|(name, _)| name.clone()).collect(),
                instructions: self.instructions.differs(),
            });
        }
        if !named.is_empty() || arguments.accept_instructions {
            return Ok(Accepted {
                tools: named
                    .into_iter()
                    .filter(|name| self.tools[name].differs())
                    .collect(),
                instructions: arguments.accept_instructions && self.instructions.differs(),
            });
        }
        if arguments.json || !output::interactive() {
            return Ok(Accepted::default());
        }
        let mut accepted = Accepted::default();
        for (name, state) in self.differing() {
            if yes(&format!("Accept `{name}` ({})? [y/N] ", state.word())) {
                accepted.tools.insert(name.clone());
            }
        }
        accepted.instructions =
            self.instructions.differs() && yes("Accept the instructions? [y/N] ");
        Ok(accepted)
    }

    /// Changes the accepted digests in the lock, and nothing else.
    fn write(
        &self,
        context: &Context,
        name: &ServerName,
        reviewed: &LockedServer,
        accepted: &Accepted,
    ) -> anyhow::Result<()> {
        let _guard = context.write_lock()?;
        let mut lock = context.lock()?;
        let locked = lock
            .servers
            .get_mut(name)
            .filter(|locked| *locked == reviewed);
        let Some(locked) = locked else {
            return Err(DriftError(format!(
                "`{name}` was locked anew meanwhile; nothing was accepted; run `pinfold review {name}` again"
            ))
            .into());
        };
        for tool in &accepted.tools {
            self.tools[tool].accept(tool, &mut locked.behaviour);
        }
        if accepted.instructions {
            locked.behaviour.instructions = self.instructions.new_digest();
        }
        write(&context.paths.lock, &lock)?;
        for tool in &accepted.tools {
            output::note(&format!("accepted: `{tool}`"));
        }
        if accepted.instructions {
            output::note("accepted: the instructions");
        }
        if !context.paths.own_manifest {
            output::note("The lock changed, so this manifest has to be trusted again.");
        }
        Ok(())
    }

    fn json(&self, server: &ServerName, accepted: &Accepted) -> Value {
        let tools: Vec<Value> = self
            .tools
            .iter()
            .map(|(name, state)| {
                let (old, new) = match state {
                    ToolState::Unchanged => (None, None),
                    ToolState::Changed { old, new } => (Some(*old), Some(*new)),
                    ToolState::New(new) => (None, Some(*new)),
                    ToolState::Gone { old } => (Some(*old), None),
                };
                json!({
                    "name": name.as_str(),
                    "state": state.word(),
                    "allowed": self.allow.contains(name),
                    "accepted": accepted.tools.contains(name),
                    "old_digest": old.map(|digest| digest.to_string()),
                    "new_digest": new.map(|tool| tool.digest.to_string()),
                    "old": old.and_then(|digest| self.store.definition(&digest)).map(|text| definition(&text)),
                    "new": new.map(|tool| definition(&tool.canonical)),
                })
            })
            .collect();
        let InstructionsState { old, new } = self.instructions;
        let old_text = old.and_then(|digest| self.store.definition(&digest));
        json!({
            "server": server.as_str(),
            "tools": tools,
            "instructions": {
                "state": if self.instructions.differs() { "changed" } else { "unchanged" },
                "accepted": accepted.instructions,
                "old_digest": old.map(|digest| digest.to_string()),
                "new_digest": self.instructions.new_digest().map(|digest| digest.to_string()),
                "old": old_text.map(|text| String::from_utf8_lossy(&text).into_owned()),
                "new": new,
            },
        })
    }
}

fn show_difference(old: Option<&[u8]>, new: &[u8]) {
    for line in difference(old, new) {
        output::data(&line);
    }
}

fn definition(canonical: &[u8]) -> Value {
    serde_json::from_slice(canonical).unwrap_or(Value::Null)
}

fn yes(question: &str) -> bool {
    output::ask(question).is_some_and(|answer| matches!(answer.as_str(), "y" | "Y" | "yes"))
}
