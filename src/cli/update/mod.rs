//! `pinfold update`: newer versions as a review. Nothing is written without a yes, and no alarm is
//! accepted that was not named.

mod finding;
mod risk;

use std::collections::BTreeSet;
use std::path::Path;
use std::time::SystemTime;

use serde_json::json;

use super::args::Update;
use super::behaviour::behaviour;
use super::context::{Context, select};
use super::definitions::Definitions;
use super::exit::{DriftError, Exit};
use super::locking::{Outcome, Versions, lock_server};
use super::output;
use super::sources::{self, Asked};
use super::trust::refuse_unseen;
use crate::config::{Manifest, Server, Settings, Source, normalized_pypi_name};
use crate::launch::{LaunchError, Launcher, StateFolder};
use crate::lockfile::{Artifact, Lock, LockedServer, ServerName, differences};
use crate::resolve::ResolveError;
use crate::resolve::npm::Waiting;
use finding::{Finding, Proposal};
pub(super) use risk::Risk;
use risk::age_of;

pub(super) async fn run(manifest: Option<&Path>, arguments: &Update) -> anyhow::Result<Exit> {
    let context = Context::open(manifest)?;
    let (manifest, manifest_digest) = Manifest::load_with_digest(&context.paths)?;
    refuse_unseen(&context, &manifest, &manifest_digest)?;
    let before = context.lock()?;
    let risks: BTreeSet<Risk> = arguments.accept_risk.iter().copied().collect();
    let mut findings = Vec::new();
    for (name, server) in select(&manifest, &context.paths.manifest, &arguments.names)? {
        let finding = look(&context, name, server, &manifest.settings, &before, &risks).await?;
        if !arguments.json {
            finding.show(&context, server);
        }
        findings.push(finding);
    }
    let accepted: Vec<&Finding> = findings
        .iter()
        .filter(|finding| finding.proposal.is_some() && choose(finding, arguments, &risks))
        .collect();
    accept(&context, &accepted)?;
    let accepted: BTreeSet<&ServerName> = accepted.iter().map(|finding| &finding.name).collect();
    let left = findings
        .iter()
        .any(|finding| finding.proposal.is_some() && !accepted.contains(&finding.name));
    let exit = if left { Exit::Drift } else { Exit::Success };
    if arguments.json {
        let servers: Vec<_> = findings
            .iter()
            .map(|finding| {
                let server = &manifest.servers[&finding.name];
                finding.json(&context, server, accepted.contains(&finding.name), &risks)
            })
            .collect();
        let status = servers
            .iter()
            .filter_map(|server| server["status"].as_u64())
            .max();
        output::data(
            &json!({ "ok": !left, "status": status.unwrap_or(0), "servers": servers }).to_string(),
        );
    } else if left {
        output::note("What was not accepted was not written.");
        let open = findings.iter().filter(|one| !accepted.contains(&one.name));
        for proposal in open.filter_map(Finding::accepting) {
            output::note(&format!("To accept it: `{proposal}`"));
        }
    }
    Ok(exit)
}

/// Resolves one server anew and compares. Writes nothing but the store.
async fn look(
    context: &Context,
    name: &ServerName,
    server: &Server,
    settings: &Settings,
    before: &Lock,
    risks: &BTreeSet<Risk>,
) -> anyhow::Result<Finding> {
    let old = before
        .servers
        .get(name)
        .ok_or_else(|| LaunchError::NotLocked { name: name.clone() })?;
    let waiting = waiting(context, server, settings, before).await?;
    // Somebody who says so gets the young version, but no young dependencies.
    let young = waiting
        .as_ref()
        .filter(|_| risks.contains(&Risk::TooYoung))
        .map(|waiting| Server {
            source: sources::exactly(&server.source, &waiting.version),
            ..server.clone()
        });
    let kept = kept_young(server, old, settings).filter(|_| young.is_none());
    let chosen = young.as_ref().or(kept.as_ref()).unwrap_or(server);
    let none = BTreeSet::new();
    let locking = lock_server(
        context,
        name,
        chosen,
        settings,
        before,
        Versions::Anew,
        &none,
    );
    let outcome = match locking.await {
        Ok(outcome) => Some(outcome),
        // Nothing but what waits matches.
        Err(error) if waiting.is_some() && is_about_age(&error) => None,
        Err(error) => return Err(error),
    };
    let waiting =
        waiting.filter(|waiting| young.is_none() && old.version.as_ref() != Some(&waiting.version));
    let mut finding = Finding {
        name: name.clone(),
        old: old.clone(),
        waiting,
        proposal: None,
    };
    let Some(outcome) = outcome else {
        return Ok(finding);
    };
    let Outcome {
        mut locked,
        introspection,
        staging,
        ..
    } = outcome;
    // As it is, not as it was agreed: this is the place to agree to something else.
    locked.behaviour = behaviour(&introspection);
    locked.locked_at = old.locked_at.clone();
    let only = |server| Lock {
        servers: [(name.clone(), server)].into(),
    };
    let changes = differences(&only(old.clone()), &only(locked.clone()));
    if changes.is_empty() {
        return Ok(finding);
    }
    locked.locked_at = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    let mut alarms = risk::of_artifacts(old, &locked, SystemTime::now(), settings.release_age);
    let definitions = Definitions::compare(
        &old.behaviour,
        &introspection,
        &server.tools.allow,
        &context.store,
    );
    if old.trees().eq(locked.trees()) {
        alarms.extend(finding::drift(&definitions));
    }
    drop(definitions);
    finding.proposal = Some(Proposal {
        locked,
        changes: changes.into_iter().map(|change| change.kind).collect(),
        alarms,
        introspection,
        _staging: staging,
    });
    Ok(finding)
}

/// A version that was taken although it was young stays: the rule on age would choose an older one.
fn kept_young(server: &Server, old: &LockedServer, settings: &Settings) -> Option<Server> {
    let version = old.version.as_deref()?;
    let is_root = |artifact: &&Artifact| {
        artifact.version == version
            && match &server.source {
                Source::Npm { name, .. } => artifact.name == *name,
                Source::Pypi { name, .. } => {
                    normalized_pypi_name(&artifact.name) == normalized_pypi_name(name)
                }
                Source::Https { .. } | Source::Path { .. } => false,
            }
    };
    let age = age_of(old.artifacts.iter().find(is_root)?, SystemTime::now())?;
    (age < settings.release_age && old.source == server.source_text).then(|| Server {
        source: sources::exactly(&server.source, version),
        ..server.clone()
    })
}

async fn waiting(
    context: &Context,
    server: &Server,
    settings: &Settings,
    lock: &Lock,
) -> anyhow::Result<Option<Waiting>> {
    let staging = context.store.staging()?;
    let launcher =
        Launcher::new(&context.paths, &context.store, &context.environment).for_server(server);
    let asked = Asked {
        context,
        launcher: &launcher,
        staging: &staging,
        settings,
        lock,
    };
    sources::waiting(&asked, &server.source).await
}

fn is_about_age(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        matches!(
            cause.downcast_ref(),
            Some(
                ResolveError::TooYoung { .. }
                    | ResolveError::NoMatchingVersion {
                        release_age: Some(_),
                        ..
                    }
            )
        )
    })
}

/// Whether an update is accepted: by the arguments, or by a person.
fn choose(finding: &Finding, arguments: &Update, risks: &BTreeSet<Risk>) -> bool {
    let Some(proposal) = &finding.proposal else {
        return false;
    };
    let mut open = proposal
        .alarms
        .iter()
        .filter(|alarm| !risks.contains(&alarm.risk));
    if arguments.accept {
        return open.next().is_none();
    }
    if arguments.json || !output::at_a_terminal() {
        return false;
    }
    let name = &finding.name;
    open.all(|alarm| {
        let subject = output::foreign(&alarm.subject, 200);
        let code = alarm.risk.code();
        output::yes(&format!("{name}: accept {code} of `{subject}`? [y/N] "))
    }) && output::yes(&format!("Accept the update of `{name}`? [y/N] "))
}

/// Writes the accepted servers into the lock, all of them or none.
fn accept(context: &Context, accepted: &[&Finding]) -> anyhow::Result<()> {
    if accepted.is_empty() {
        return Ok(());
    }
    let _guard = context.write_lock()?;
    let mut lock = context.lock()?;
    for finding in accepted {
        let name = &finding.name;
        let present = lock.servers.get_mut(name);
        let (Some(present), Some(proposal)) = (
            present.filter(|locked| **locked == finding.old),
            &finding.proposal,
        ) else {
            return Err(DriftError(format!(
                "`{name}` was locked anew meanwhile; nothing was accepted; run `pinfold update` again"
            ))
            .into());
        };
        *present = proposal.locked.clone();
    }
    context.save(lock, "update")?;
    for finding in accepted {
        // What it showed is what is agreed now.
        StateFolder::planned(context.paths.server_state(&finding.name))
            .shown_tools()
            .note(std::iter::empty());
        output::note(&format!("updated: {}", finding.name));
    }
    if !context.paths.own_manifest {
        output::note("The lock changed, so this manifest has to be trusted again.");
    }
    Ok(())
}
