//! `pinfold verify`: manifest, lock and store against each other, every byte hashed.

use std::path::Path;

use serde_json::json;

use super::args::Verify;
use super::context::{Context, select};
use super::exit::Exit;
use super::output;
use super::sources::npm_settings;
use crate::config::{Manifest, RuntimeRule, Server, Source};
use crate::fetch::Client;
use crate::launch::{Launcher, here};
use crate::lockfile::{Lock, LockedServer, ServerName};
use crate::resolve::npm::published_integrity;
use crate::store::{FileDigests, StoreError, Verification};

/// What is wrong, with a stable code for programs.
struct Problem {
    code: &'static str,
    message: String,
}

/// What was found for one server.
struct Finding {
    name: String,
    files: usize,
    problems: Vec<Problem>,
}

pub(super) async fn run(manifest: Option<&Path>, arguments: &Verify) -> anyhow::Result<Exit> {
    let context = Context::open(manifest)?;
    let manifest = context.manifest()?;
    let lock = context.lock_or_empty()?;
    let mut findings = Vec::new();
    for (name, server) in select(&manifest, &arguments.names)? {
        let mut finding = judge(&context, name, server, &lock);
        if let (true, Some(locked)) = (arguments.online, lock.servers.get(name)) {
            finding
                .problems
                .extend(online(&context, server, locked).await?);
        }
        findings.push(finding);
    }
    if arguments.names.is_empty() {
        findings.extend(leftovers(&manifest, &lock));
    }
    let sound = findings.iter().all(|finding| finding.problems.is_empty());
    report(&findings, sound, arguments.json);
    Ok(if sound { Exit::Success } else { Exit::Drift })
}

fn judge(context: &Context, name: &ServerName, server: &Server, lock: &Lock) -> Finding {
    let mut finding = Finding {
        name: name.to_string(),
        files: 0,
        problems: Vec::new(),
    };
    let mut problem = |code, message: String| finding.problems.push(Problem { code, message });
    let Some(locked) = lock.servers.get(name) else {
        problem(
            "not-locked",
            format!("it is not locked; run `pinfold lock {name}`"),
        );
        return finding;
    };
    if locked.source != server.source_text {
        problem(
            "source",
            format!(
                "the manifest says `{}`, the lock `{}`; run `pinfold lock {name}`",
                server.source_text, locked.source
            ),
        );
    }
    let runtime = locked
        .runtime_package()
        .map(|package| package.source.as_str());
    if runtime != server.runtime.package() {
        problem(
            "runtime",
            format!("the manifest and the lock name different runtimes; run `pinfold lock {name}`"),
        );
    }
    if locked.platform != here() {
        problem(
            "platform",
            format!("it was locked for {}, this is {}", locked.platform, here()),
        );
    }
    let launcher = Launcher::new(&context.paths, &context.store, &context.environment);
    match launcher.policy(server, locked.interpreter.as_ref()) {
        Ok(policy) => {
            if policy.digest() != locked.confinement.policy {
                problem(
                    "policy",
                    format!(
                        "the settings in the manifest, or the profiles of this pinfold, are not what was locked; run `pinfold lock {name}`"
                    ),
                );
            }
            if let Err(error) = launcher.plan(&policy, &locked.confinement) {
                problem("machine", error.to_string());
            }
        }
        Err(error) => problem("policy", error.to_string()),
    }
    if let Some(message) = interpreter_changed(locked) {
        if server.runtime == RuntimeRule::Warn {
            output::warning(&format!(
                "`{name}`: {message}, which its `runtime` tolerates"
            ));
        } else {
            problem("interpreter", message);
        }
    }
    for artifact in locked.all_artifacts() {
        if let Err(error) = context
            .store
            .verify_artifact(&artifact.sha256, artifact.size)
        {
            problem(
                "artifact",
                format!("{}@{}: {error}", artifact.name, artifact.version),
            );
        }
    }
    for tree in locked.trees() {
        match context.store.verify_tree(tree, Verification::Rehash) {
            Ok(report) => finding.files += report.files,
            Err(StoreError::Drift { differences, .. }) if !differences.is_empty() => {
                for difference in differences {
                    problem("tree", difference.to_string());
                }
            }
            Err(error) => problem("tree", error.to_string()),
        }
    }
    finding
}

/// Hashes the whole program, whatever a cache says.
fn interpreter_changed(locked: &LockedServer) -> Option<String> {
    let interpreter = locked
        .interpreter
        .as_ref()
        .filter(|interpreter| interpreter.package.is_none())?;
    match FileDigests::hashed_now(Path::new(&interpreter.path)) {
        Ok(found) if found == interpreter.sha256 => None,
        Ok(found) => Some(format!(
            "{} is {found}, not {} as locked",
            interpreter.path, interpreter.sha256
        )),
        Err(error) => Some(error.to_string()),
    }
}

/// Asks the registry whether it still publishes what was locked.
async fn online(
    context: &Context,
    server: &Server,
    locked: &LockedServer,
) -> anyhow::Result<Vec<Problem>> {
    if !matches!(server.source, Source::Npm { .. }) {
        return Ok(Vec::new());
    }
    let settings = npm_settings(context)?;
    let client = Client::new(&settings.fetch_settings())?;
    let mut problems = Vec::new();
    for artifact in &locked.artifacts {
        let published =
            published_integrity(&settings, &client, &artifact.name, &artifact.version).await?;
        let message = match published {
            Some(integrity) if integrity == artifact.integrity => continue,
            Some(integrity) => format!("the registry now publishes {integrity}"),
            None => "the registry no longer offers it".to_owned(),
        };
        problems.push(Problem {
            code: "registry",
            message: format!("{}@{}: {message}", artifact.name, artifact.version),
        });
    }
    Ok(problems)
}

/// Servers of the lock that the manifest doesn't have.
fn leftovers(manifest: &Manifest, lock: &Lock) -> Vec<Finding> {
    lock.servers
        .keys()
        .filter(|name| !manifest.servers.contains_key(*name))
        .map(|name| Finding {
            name: name.to_string(),
            files: 0,
            problems: vec![Problem {
                code: "not-in-manifest",
                message: "it is locked but not in the manifest; run `pinfold lock`".to_owned(),
            }],
        })
        .collect()
}

fn report(findings: &[Finding], sound: bool, as_json: bool) {
    if as_json {
        let servers: Vec<_> = findings
            .iter()
            .map(|finding| {
                let problems: Vec<_> = finding
                    .problems
                    .iter()
                    .map(|problem| json!({ "code": problem.code, "message": problem.message }))
                    .collect();
                json!({
                    "name": finding.name,
                    "ok": finding.problems.is_empty(),
                    "files": finding.files,
                    "problems": problems,
                })
            })
            .collect();
        output::data(&json!({ "ok": sound, "servers": servers }).to_string());
        return;
    }
    for finding in findings {
        if finding.problems.is_empty() {
            output::data(&format!(
                "{}: as locked ({} files)",
                finding.name, finding.files
            ));
        }
        for problem in &finding.problems {
            output::data(&format!(
                "{}: {}: {}",
                finding.name, problem.code, problem.message
            ));
        }
    }
    if findings.is_empty() {
        output::note("The manifest names no server.");
    }
}
