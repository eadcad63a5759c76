//! `pinfold verify`: manifest, lock and store against each other, every byte hashed.

use std::path::Path;

use serde_json::json;

use super::args::Verify;
use super::context::{Context, select};
use super::exit::Exit;
use super::output;
use super::verify_online::{Online, ask};
use crate::config::{Manifest, RuntimeRule, Server};
use crate::launch::{Launcher, StateFolder, here};
use crate::lockfile::{Lock, LockedServer, ServerName};
use crate::store::{FileDigests, StoreError, Verification};

/// More artifacts that are not in the store than this are one line for a person: the store is empty.
const MOST_MISSING: usize = 3;

/// What is wrong, with a stable code for programs.
struct Problem {
    code: &'static str,
    message: String,
    /// An artifact that is not in the store, and nothing else.
    is_missing: bool,
}

/// What was found for one server.
struct Finding {
    name: String,
    files: usize,
    problems: Vec<Problem>,
    /// `None` when nobody was asked.
    online: Option<Online>,
}

pub(super) async fn run(manifest: Option<&Path>, arguments: &Verify) -> anyhow::Result<Exit> {
    let context = Context::open(manifest)?;
    let manifest = context.manifest()?;
    let lock = context.lock_or_empty()?;
    let mut findings = Vec::new();
    for (name, server) in select(&manifest, &context.paths.manifest, &arguments.names)? {
        let mut finding = judge(&context, name, server, &lock);
        if let (true, Some(locked)) = (arguments.online, lock.servers.get(name)) {
            let mut online = ask(&context, locked).await;
            let found = std::mem::take(&mut online.problems).into_iter();
            finding
                .problems
                .extend(found.map(|(code, message)| Problem::new(code, message)));
            finding.online = Some(online);
        }
        findings.push(finding);
    }
    if arguments.names.is_empty() {
        findings.extend(leftovers(&manifest, &lock));
    }
    for finding in &findings {
        let Ok(name) = finding.name.parse::<ServerName>() else {
            continue;
        };
        let state = StateFolder::planned(context.paths.server_state(&name));
        if let Some(imposed) = state.quarantine().look() {
            // It says nothing of manifest, lock and store.
            output::note(&format!("pinfold: `{name}` {}", imposed.describe()));
        }
    }
    let sound = findings.iter().all(|finding| finding.problems.is_empty());
    let answered = findings.iter().all(Finding::is_answered);
    report(&findings, sound && answered, arguments.json);
    Ok(match (sound, answered) {
        (false, _) => Exit::Drift,
        (true, true) => Exit::Success,
        // What is not known is not fine.
        (true, false) => Exit::Environment,
    })
}

impl Problem {
    fn new(code: &'static str, message: String) -> Self {
        Self {
            code,
            message,
            is_missing: false,
        }
    }
}

impl Finding {
    /// Whether everybody who was asked gave an answer.
    fn is_answered(&self) -> bool {
        self.online
            .as_ref()
            .is_none_or(|online| online.unanswered.is_none())
    }
}

fn judge(context: &Context, name: &ServerName, server: &Server, lock: &Lock) -> Finding {
    let mut finding = Finding {
        name: name.to_string(),
        files: 0,
        problems: Vec::new(),
        online: None,
    };
    let mut problem = |code, message: String| finding.problems.push(Problem::new(code, message));
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
    if locked.build != server.build.recorded() {
        problem(
            "build",
            format!(
                "the manifest and the lock name different install scripts to run; run `pinfold lock {name}`"
            ),
        );
    }
    // Without its part nothing more can be said of this machine.
    let Some(on_here) = locked.bytes_on(&here()) else {
        problem(
            "platform",
            format!(
                "it was locked for {}, this is {}; run `pinfold lock {name}` here, which adds it",
                locked.platform,
                here()
            ),
        );
        return finding;
    };
    if locked.platform != here() {
        problem(
            "platform",
            format!(
                "it is not known yet what runs it on {}; run `pinfold lock {name}` here, which adds it",
                here()
            ),
        );
    }
    let locked = &on_here;
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
    if let Some(message) = interpreter_changed(&launcher, locked) {
        if server.runtime == RuntimeRule::Warn {
            output::warning(&format!(
                "`{name}`: {message}, which its `runtime` tolerates"
            ));
        } else {
            problem("interpreter", message);
        }
    }
    for artifact in locked.own_artifacts() {
        if let Err(error) = context
            .store
            .verify_artifact(&artifact.sha256, artifact.size)
        {
            finding.problems.push(Problem {
                code: "artifact",
                message: format!("{}@{}: {error}", artifact.name, artifact.version),
                is_missing: matches!(error, StoreError::MissingArtifact { .. }),
            });
        }
    }
    finding.problems.extend(not_in_tree(context, name, locked));
    let mut problem = |code, message: String| finding.problems.push(Problem::new(code, message));
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

/// What the lock says of the tree beyond its digest: each artifact is where it was unpacked.
fn not_in_tree(context: &Context, name: &ServerName, locked: &LockedServer) -> Vec<Problem> {
    let tree = context.store.tree(&locked.tree);
    if !tree.is_dir() {
        return Vec::new();
    }
    let gone = locked
        .artifacts
        .iter()
        .filter(|artifact| tree.join(&artifact.path).symlink_metadata().is_err());
    gone.map(|artifact| {
        let message = format!(
            "{}@{}: the lock has it at `{}`, and nothing is there in the tree that is locked, so the lock was changed by hand; restore it, or look at `pinfold update {name}`",
            artifact.name, artifact.version, artifact.path
        );
        Problem::new("artifact", message)
    })
    .collect()
}

/// Hashes the whole program, whatever a cache says.
fn interpreter_changed(launcher: &Launcher<'_>, locked: &LockedServer) -> Option<String> {
    let interpreter = locked
        .interpreter
        .as_ref()
        .filter(|interpreter| interpreter.package.is_none())?;
    let path = launcher.interpreter_path(locked)?;
    match FileDigests::hashed_now(&path) {
        Ok(found) if found == interpreter.sha256 => None,
        Ok(found) => Some(format!(
            "{} is {found}, not {} as locked",
            path.display(),
            interpreter.sha256
        )),
        Err(error) => Some(error.to_string()),
    }
}

/// Servers of the lock that the manifest doesn't have.
fn leftovers(manifest: &Manifest, lock: &Lock) -> Vec<Finding> {
    lock.servers
        .keys()
        .filter(|name| !manifest.servers.contains_key(*name))
        .map(|name| Finding {
            name: name.to_string(),
            files: 0,
            problems: vec![Problem::new(
                "not-in-manifest",
                "it is locked but not in the manifest; run `pinfold lock`".to_owned(),
            )],
            online: None,
        })
        .collect()
}

fn say_what_was_not_answered(findings: &[Finding]) {
    for finding in findings {
        let online = finding.online.as_ref();
        if let Some(error) = online.and_then(|online| online.unanswered.as_ref()) {
            output::note(&format!(
                "pinfold: {}: not asked, so nothing is known of what is published now: {}",
                finding.name,
                output::chain(error)
            ));
        }
    }
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
                    "ok": finding.problems.is_empty() && finding.is_answered(),
                    "files": finding.files,
                    "problems": problems,
                    "online": finding.online.as_ref().map(Online::json),
                })
            })
            .collect();
        output::data(&json!({ "ok": sound, "servers": servers }).to_string());
        say_what_was_not_answered(findings);
        return;
    }
    for finding in findings {
        if finding.problems.is_empty() && finding.is_answered() {
            output::data(&format!(
                "{}: as locked ({} {})",
                finding.name,
                finding.files,
                if finding.files == 1 { "file" } else { "files" }
            ));
        }
        for line in in_words(&finding.name, &finding.problems) {
            output::data(&line);
        }
    }
    for finding in findings {
        for (code, message) in finding.online.iter().flat_map(|online| &online.advice) {
            output::data(&format!("{}: {code} (advice): {message}", finding.name));
        }
    }
    say_what_was_not_answered(findings);
    if findings.is_empty() {
        output::note("The manifest names no server.");
    }
}

/// A line for each problem; many artifacts that are not there are one.
fn in_words(name: &str, problems: &[Problem]) -> Vec<String> {
    let missing = problems.iter().filter(|one| one.is_missing).count();
    let at_once = missing > MOST_MISSING;
    let store = at_once.then(|| {
        format!(
            "{name}: artifact: {missing} artifacts are not in the store; run `pinfold fetch {name}`"
        )
    });
    let others = problems.iter().filter(|one| !(at_once && one.is_missing));
    let others = others.map(|one| format!("{name}: {}: {}", one.code, one.message));
    store.into_iter().chain(others).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_store_is_one_line_and_other_problems_keep_theirs() {
        let of = |missing: usize| {
            let one = |number| Problem {
                is_missing: true,
                ..Problem::new("artifact", format!("p{number} is not in the store"))
            };
            let tree = Problem::new("tree", "it is not in the store".to_owned());
            let problems: Vec<Problem> = (0..missing).map(one).chain([tree]).collect();
            in_words("files", &problems)
        };
        let tree = "files: tree: it is not in the store";
        let all = "files: artifact: 90 artifacts are not in the store; run `pinfold fetch files`";
        assert_eq!(of(90), [all, tree]);
        assert_eq!(of(3).len(), 4);
        assert_eq!(of(1)[0], "files: artifact: p0 is not in the store");
    }
}
