//! Install scripts that a manifest names: run in a box over a copy of the tree, and their results
//! taken back from the folders of their own packages, from nowhere else.

use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use anyhow::Context as _;

use super::super::context::Context;
use super::super::exit::DriftError;
use super::super::output;
use super::npm::unpack;
use crate::config::BuildRule;
use crate::launch::{Launcher, SandboxedBuild, here};
use crate::lockfile::{Artifact, Digest, Lock, LockedServer};
use crate::resolve::npm::scripts::{Script, chosen, install_scripts, is_left_over};
use crate::store::{Bounds, Difference, Staging, Verification};

/// Files outside of their folders that scripts changed: so many are named.
const SHOWN: usize = 5;

/// The tree of `artifacts` after the scripts of `build` were run; returns its digest.
///
/// Every file of another package comes from its archive, so what a script does there can't get into
/// the tree; it is refused all the same, for what it made would not be what it tested.
pub(super) async fn built_tree(
    context: &Context,
    launcher: &Launcher<'_>,
    staging: &Staging,
    artifacts: &[Artifact],
    build: &BuildRule,
) -> anyhow::Result<Digest> {
    let names: Vec<String> = build.packages.iter().cloned().collect();
    let packages = chosen(artifacts, &names)?;
    let rules = build.egress.clone();
    let search_path = context.search_path();
    let runner = SandboxedBuild::new(launcher, staging, search_path, rules, build.timeout)?;
    let mut tree = staging.tree()?;
    for artifact in artifacts {
        unpack(&context.store, &mut tree, artifact)?;
    }
    let workshop = tree.into_workshop(runner.tree())?;
    let scripts = install_scripts(workshop.folder(), &packages)?;
    let say = |script: &Script| {
        output::note(&format!(
            "building {} in a box, `{}`: {}",
            output::foreign(&script.package, 200),
            script.event,
            output::foreign(&script.command, 300)
        ));
    };
    runner.run(&workshop, artifacts, &scripts, say).await?;
    let own = |path: &Path| package_of(artifacts, path).is_some_and(|one| packages.contains(&one));
    refuse_others(&workshop.changes(&own)?)?;
    let mut tree = staging.tree()?;
    let is_compiled = |folder: &Path| folder.join("build/config.gypi").is_file();
    for artifact in artifacts {
        if !packages.contains(&artifact) {
            unpack(&context.store, &mut tree, artifact)?;
            continue;
        }
        let folder = workshop.folder().join(&artifact.path);
        let compiled = is_compiled(&folder);
        let left_out = |path: &str| {
            let inner = format!("{}/{path}", artifact.path);
            (compiled && is_left_over(path)) || artifacts.iter().any(|other| other.path == inner)
        };
        tree.take_from(&workshop, &artifact.path, &Bounds::default(), &left_out)
            .with_context(|| {
                let name = &artifact.name;
                format!("what the install script of {name} made was refused")
            })?;
    }
    Ok(tree.finish()?)
}

/// The package that a path of the tree belongs to: the innermost.
fn package_of<'a>(artifacts: &'a [Artifact], path: &Path) -> Option<&'a Artifact> {
    let path = path.as_os_str().as_bytes();
    let holds = |artifact: &&Artifact| {
        path.strip_prefix(artifact.path.as_bytes())
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
    };
    artifacts
        .iter()
        .filter(holds)
        .max_by_key(|artifact| artifact.path.len())
}

fn refuse_others(changes: &[Difference]) -> anyhow::Result<()> {
    if changes.is_empty() {
        return Ok(());
    }
    let mut shown: Vec<String> = changes
        .iter()
        .take(SHOWN)
        .map(ToString::to_string)
        .collect();
    if changes.len() > SHOWN {
        shown.push(format!("and {} more", changes.len() - SHOWN));
    }
    Err(DriftError(format!(
        "an install script changed files of other packages, which nobody asked it to: {}; nothing was locked",
        shown.join(", ")
    ))
    .into())
}

/// The tree of a server that was locked with these very artifacts and scripts, if it is here: what
/// they make need not be the same every time.
pub(super) fn built_before(
    context: &Context,
    lock: &Lock,
    artifacts: &[Artifact],
    build: &BuildRule,
) -> Option<Digest> {
    let recorded = build.recorded();
    let content = |artifacts: &[Artifact]| -> Vec<(String, Digest)> {
        let each = artifacts.iter();
        each.map(|artifact| (artifact.path.clone(), artifact.sha256))
            .collect()
    };
    lock.servers
        .values()
        .filter(|locked| locked.build.is_some() && locked.build == recorded)
        .filter(|locked| content(&locked.artifacts) == content(artifacts))
        .find(|locked| is_build_valid(context, locked))
        .map(|locked| locked.tree)
}

/// Whether the tree of a server whose scripts were run is here, made for what it runs on.
pub(in crate::cli) fn is_build_valid(context: &Context, locked: &LockedServer) -> bool {
    let launcher = Launcher::new(&context.paths, &context.store, &context.environment);
    let is_same = locked.interpreter.as_ref().is_none_or(|interpreter| {
        let found = launcher.file_digests().digest_of(interpreter.path.as_ref());
        interpreter.package.is_some() || found.is_ok_and(|found| found == interpreter.sha256)
    });
    let tree = || {
        context
            .store
            .verify_tree(&locked.tree, Verification::Rehash)
    };
    is_same && locked.platform == here() && tree().is_ok()
}

/// The scripts gave something else than was locked.
pub(super) fn not_reproduced(locked: &LockedServer, tree: Digest) -> anyhow::Error {
    let packages = match &locked.build {
        Some(build) => build.packages.join(", "),
        None => String::new(),
    };
    DriftError(format!(
        "the install scripts of {packages} made other files than were locked ({tree} instead of {}), although every download is the same one. What they make depends on the machine: its compiler, its Node, or folder names that get into it. `pinfold lock` accepts what they make here; who wants one lock for several machines needs a package that comes compiled",
        locked.tree
    ))
    .into()
}
