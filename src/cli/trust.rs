//! `pinfold trust`: a manifest of a repository may run, as it is now.

use std::path::Path;

use anyhow::Context as _;

use super::auditing;
use super::context::Context;
use super::exit::Exit;
use super::output;
use super::secret_users::secrets_of;
use crate::audit::{Record, Who};
use crate::config::{Manifest, Trust};
use crate::lockfile::digest;

pub(super) fn run(path: &Path) -> anyhow::Result<Exit> {
    let context = Context::open(Some(path))?;
    if context.paths.own_manifest {
        output::note("This is your own manifest; it needs no trust.");
        return Ok(Exit::Success);
    }
    let (manifest, manifest_digest) = Manifest::load_with_digest(&context.paths)?;
    let lock_digest = digest(&context.recorded_lock()?);
    for (name, server) in &manifest.servers {
        output::note(&format!(
            "{name}: {}, profile {}, tools {}",
            output::foreign(&server.source_text, 200),
            output::foreign(&server.profile, 40),
            server.tools.allow.len()
        ));
        for (variable, source) in secrets_of(server) {
            output::note(&format!(
                "  {variable} gets {}",
                output::foreign(&source.described(), 200)
            ));
        }
    }
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
