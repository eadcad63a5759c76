//! `pinfold trust`: a manifest of a repository may run, as it is now. And who starts its servers to
//! lock them has agreed to it, too.

use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::auditing;
use super::context::Context;
use super::exit::{DriftError, Exit};
use super::output;
use super::secret_users::secrets_of;
use crate::audit::{Record, Who};
use crate::config::{Manifest, Trust};
use crate::launch::LaunchError;
use crate::lockfile::{Digest, Lock, LockError, digest};

pub(super) fn run(path: &Path) -> anyhow::Result<Exit> {
    let context = Context::open(Some(path))?;
    if context.paths.own_manifest {
        output::note("This is your own manifest; it needs no trust.");
        return Ok(Exit::Success);
    }
    let (manifest, manifest_digest) = Manifest::load_with_digest(&context.paths)?;
    let lock = match context.recorded_lock() {
        Err(LockError::Missing { .. }) => {
            output::note(
                "It has no lock yet; the one that `pinfold lock` makes has to be trusted, too.",
            );
            Lock::default()
        }
        other => other?,
    };
    let lock_digest = digest(&lock);
    show(&manifest);
    let record = Record::Trust {
        manifest: context.paths.manifest.display().to_string(),
        manifest_digest: manifest_digest.to_string(),
        lock_digest: lock_digest.to_string(),
    };
    auditing::append(&context, &Who::default(), &record)
        .context("this can't be recorded in the audit log, so nothing was changed")?;
    Trust::record(
        &context.paths.trusted(),
        &context.paths.manifest,
        manifest_digest,
        lock_digest,
    )?;
    output::note(&format!(
        "Trusted {} and its lock, as they are now. Any change asks again.",
        context.paths.manifest.display()
    ));
    Ok(Exit::Success)
}

/// Before a server is started with the rights and secrets that somebody else's manifest gives it, to
/// be locked: the manifest was trusted in this content, whatever is in its lock, or the person who is
/// there says yes to it.
///
/// # Errors
/// When nobody has agreed to it.
pub(super) fn refuse_unseen(
    context: &Context,
    manifest: &Manifest,
    manifest_digest: &Digest,
) -> anyhow::Result<()> {
    let paths = &context.paths;
    if paths.own_manifest
        || Trust::load(&paths.trusted())?.is_known(&paths.manifest, manifest_digest)
    {
        return Ok(());
    }
    if !output::interactive() {
        let manifest = paths.manifest.clone();
        return Err(LaunchError::NotTrusted { manifest }.into());
    }
    output::note(&format!(
        "{} is not your own manifest, and was not trusted in its present content:",
        paths.manifest.display()
    ));
    show(manifest);
    match output::yes("Start what is to be locked of it in its box, with these rights? [y/N] ") {
        true => Ok(()),
        false => Err(DriftError("nothing was started".to_owned()).into()),
    }
}

/// What each server is, and what it gets.
fn show(manifest: &Manifest) {
    for (name, server) in &manifest.servers {
        output::note(&format!(
            "{name}: {}, profile {}, tools {}",
            output::foreign(&server.source_text, 200),
            output::foreign(&server.profile, 40),
            server.tools.allow.len()
        ));
        let paths = |paths: &[PathBuf]| -> Vec<String> {
            let paths = paths.iter().map(|path| path.to_string_lossy());
            paths.map(|path| path.into_owned()).collect()
        };
        let hosts = server.egress.iter().flatten().map(ToString::to_string);
        for (what, which) in [
            ("reads", paths(&server.files.read)),
            ("writes", paths(&server.files.write)),
            ("executes", server.exec.clone()),
            ("reaches", hosts.collect()),
        ] {
            for one in which {
                output::note(&format!("  {what} {}", output::foreign(&one, 400)));
            }
        }
        for (variable, source) in secrets_of(server) {
            output::note(&format!(
                "  {variable} gets {}",
                output::foreign(&source.described(), 200)
            ));
        }
    }
}
