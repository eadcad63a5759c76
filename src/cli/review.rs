//! `pinfold review`: what a server says of itself now, beside what was locked, and the yes or
//! no of a person to each difference.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::json;

use super::args::Review;
use super::behaviour::as_last_seen;
use super::context::Context;
use super::definitions::Definitions;
use super::exit::{DriftError, Exit, UsageError};
use super::locking::keep_definitions;
use super::reviewing::{Decision, Reviewing};
use super::{output, screen};
use crate::launch::{Launcher, StateFolder, learn};
use crate::lockfile::{LockedServer, ServerName, ToolName};
use crate::relay::{Differing, Introspection, StderrLog};

/// What of the differences is accepted.
#[derive(Debug, Default)]
struct Accepted {
    tools: BTreeSet<ToolName>,
    instructions: bool,
}

/// How a person says what is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    OnTheScreen,
    ByLines,
    Nobody,
}

/// Everything that was found.
struct Findings<'a> {
    definitions: Definitions<'a>,
    allow: &'a BTreeSet<ToolName>,
}

pub(super) async fn run(manifest: Option<&Path>, arguments: &Review) -> anyhow::Result<Exit> {
    let context = Context::open(manifest)?;
    let (manifest, lock) = context.trusted()?;
    let (name, server, locked) = context.server(&arguments.name, &manifest, &lock)?;
    context.store.sweep()?;
    let staging = context.store.staging()?;
    let launcher = Launcher::new(&context.paths, &context.store, &context.environment);
    // In its own folder: what it says of itself may depend on what it has kept there. One in
    // quarantine doesn't get there.
    let own = StateFolder::planned(context.paths.server_state(&name));
    let state = StateFolder::create(match own.quarantine().look() {
        None => context.paths.server_state(&name),
        Some(_) => staging.folder().join("state"),
    })?;
    let prepared = launcher.prepare(&name, server, locked, &state)?;
    let log = StderrLog::open(&state.log_path())?;
    let started = launcher.start(prepared.launch, prepared.code).await?;
    let mut introspection: Introspection = learn(
        started.running,
        &name,
        &server.grants,
        prepared.secrets,
        log,
    )
    .await?;
    let mut shown_tools = own.shown_tools();
    let seen = shown_tools.last_seen();
    for tool in as_last_seen(&mut introspection, &locked.behaviour, &seen) {
        output::note(&format!(
            "`{tool}` is compared as its last session saw it: asked now, the server does not show it so."
        ));
    }
    let findings = Findings {
        definitions: Definitions::compare(
            &locked.behaviour,
            &introspection,
            &server.tools.allow,
            &context.store,
        ),
        allow: &server.tools.allow,
    };
    let asked = findings.asked(arguments, &context);
    if asked == Asked::OnTheScreen {
        findings.definitions.count(&name);
    } else if !arguments.json {
        findings.definitions.show(&name);
    }
    if introspection.unusable > 0 {
        output::warning(&format!(
            "{} of its definitions can't be used, and are never shown to a client",
            introspection.unusable
        ));
    }
    let accepted = match asked {
        Asked::OnTheScreen => findings.ask(&context, &name)?,
        Asked::ByLines => findings.ask_by_lines(),
        Asked::Nobody => findings.named(arguments)?,
    };
    if !accepted.tools.is_empty() || accepted.instructions {
        keep_definitions(&staging, &introspection);
        findings.write(&context, &name, locked, &accepted)?;
    }
    let left = findings.left(&accepted);
    shown_tools.note(
        left.iter()
            .filter(|tool| findings.allow.contains(*tool))
            .map(|tool| still_differing(tool, &seen)),
    );
    if arguments.json {
        let mut found = json!({ "server": name.as_str() });
        let definitions = findings
            .definitions
            .json(&accepted.tools, accepted.instructions);
        for (key, value) in definitions {
            found[key] = value;
        }
        output::data(&found.to_string());
    }
    let instructions_left = findings.definitions.instructions.differs() && !accepted.instructions;
    if left.is_empty() && !instructions_left {
        return Ok(Exit::Success);
    }
    if !arguments.json {
        output::note("What was not accepted stays withheld.");
    }
    Ok(Exit::Drift)
}

/// What sessions saw is kept as they kept it: without secrets, and bounded. What is found here is
/// found again.
fn still_differing(tool: &ToolName, seen: &[Differing]) -> Differing {
    let before = seen.iter().find(|one| one.tool == *tool);
    before.cloned().unwrap_or_else(|| Differing {
        tool: tool.clone(),
        pinned: None,
        definition: None,
    })
}

impl Findings<'_> {
    /// The differing tools that were not accepted.
    fn left(&self, accepted: &Accepted) -> Vec<ToolName> {
        self.definitions
            .differing()
            .map(|(name, _)| name)
            .filter(|name| !accepted.tools.contains(*name))
            .cloned()
            .collect()
    }

    /// As the arguments say.
    fn named(&self, arguments: &Review) -> anyhow::Result<Accepted> {
        let named: BTreeSet<ToolName> = arguments
            .accept
            .iter()
            .map(|name| {
                let known = name
                    .parse()
                    .ok()
                    .filter(|name| self.definitions.tools.contains_key(name));
                known.ok_or_else(|| {
                    UsageError(format!("there is no tool `{}`", output::foreign(name, 128)))
                })
            })
            .collect::<Result<_, _>>()?;
        if arguments.accept_all {
            return Ok(Accepted {
                tools: self
                    .definitions
                    .differing()
                    .map(|(name, _)| name.clone())
                    .collect(),
                instructions: self.definitions.instructions.differs(),
            });
        }
        if !named.is_empty() || arguments.accept_instructions {
            return Ok(Accepted {
                tools: named
                    .into_iter()
                    .filter(|name| self.definitions.tools[name].differs())
                    .collect(),
                instructions: arguments.accept_instructions
                    && self.definitions.instructions.differs(),
            });
        }
        Ok(Accepted::default())
    }

    /// Who is asked. Nobody, when the arguments say it, or no person is there who sees it all.
    fn asked(&self, arguments: &Review, context: &Context) -> Asked {
        let is_said =
            arguments.accept_all || arguments.accept_instructions || !arguments.accept.is_empty();
        let is_anything = self.definitions.differing().next().is_some()
            || self.definitions.instructions.differs();
        if is_said || arguments.json || !is_anything || !output::at_a_terminal() {
            Asked::Nobody
        } else if screen::is_drawable(&context.environment) {
            Asked::OnTheScreen
        } else {
            Asked::ByLines
        }
    }

    fn ask(&self, context: &Context, name: &ServerName) -> anyhow::Result<Accepted> {
        let mut reviewing = Reviewing::new(name, self.definitions.changes());
        let answer = screen::ask(&mut reviewing, &context.environment)
            .map_err(|error| error.context("nothing was accepted and nothing was written"))?;
        let Some(decisions) = answer else {
            output::note("You left the review: nothing was accepted, and nothing was written.");
            return Ok(Accepted::default());
        };
        for line in reviewing.undecided_and_withheld(&decisions) {
            output::note(&line);
        }
        let is_accepted = |at: usize| decisions.get(at) == Some(&Decision::Accept);
        let tools: Vec<&ToolName> = self.definitions.differing().map(|(name, _)| name).collect();
        let count = tools.len();
        Ok(Accepted {
            tools: tools
                .into_iter()
                .enumerate()
                .filter(|(at, _)| is_accepted(*at))
                .map(|(_, name)| name.clone())
                .collect(),
            // The last, where there are any.
            instructions: is_accepted(count),
        })
    }

    fn ask_by_lines(&self) -> Accepted {
        let mut accepted = Accepted::default();
        for (name, state) in self.definitions.differing() {
            if output::yes(&format!("Accept `{name}` ({})? [y/N] ", state.word())) {
                accepted.tools.insert(name.clone());
            }
        }
        accepted.instructions = self.definitions.instructions.differs()
            && output::yes("Accept the instructions? [y/N] ");
        accepted
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
            self.definitions.tools[tool].accept(tool, &mut locked.behaviour);
        }
        if accepted.instructions {
            locked.behaviour.instructions = self.definitions.instructions.new_digest();
        }
        context.save(lock, "review")?;
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
}
