//! Where commands meet the audit log: how it is opened, and what of a command is recorded.

use super::context::Context;
use super::output;
use crate::audit::{Arguments, AuditError, AuditLog, Limits, Record, Who};
use crate::config::{AuditSettings, ConfigError, Manifest, Paths};
use crate::lockfile::{Lock, differences, digest};

/// The log, and how arguments are recorded in it.
///
/// Only the user's own manifest says how long it is kept: somebody else's must not be able to have
/// records removed.
pub(super) fn open_log(context: &Context) -> Result<(AuditLog, Arguments), AuditError> {
    let settings = own_settings(context);
    let audit = settings.unwrap_or_default();
    let limits = Limits {
        max_size: audit.max_size,
        // Where the setting can't be read, nothing is removed that it may say to keep.
        keep: settings.map(|settings| settings.keep),
    };
    let arguments = if audit.arguments {
        Arguments::Redacted
    } else {
        Arguments::Digest
    };
    let log = AuditLog::open(&context.paths.audit(), limits)?;
    Ok((log, arguments))
}

/// `None` where the manifest can't be read.
fn own_settings(context: &Context) -> Option<AuditSettings> {
    let own = if context.paths.own_manifest {
        context.paths.clone()
    } else {
        Paths::resolve(&context.environment, None).ok()?
    };
    match Manifest::load(&own) {
        Ok(manifest) => Some(manifest.settings.audit),
        Err(ConfigError::MissingManifest { .. }) => Some(AuditSettings::default()),
        Err(_) => None,
    }
}

/// Records a launch that was refused; that it can't be recorded changes nothing about that.
pub(super) fn launch_refused(context: &Context, server: Option<&str>, error: &anyhow::Error) {
    if error.chain().any(|cause| cause.is::<AuditError>()) {
        return;
    }
    let who = Who {
        session: None,
        server: server.map(|name| output::foreign(name, 128)),
    };
    let reason = output::chain(error);
    let recorded = open_log(context)
        .and_then(|(mut log, _)| log.append(&who, &Record::SessionRefused { reason }));
    if let Err(error) = recorded {
        tracing::warn!("the refusal could not be recorded in the audit log: {error}");
    }
}

/// Records that a command is about to change the lock.
///
/// # Errors
/// When it can't be recorded; the lock must not be changed then.
pub(super) fn lock_changes(
    context: &Context,
    command: &'static str,
    before: Option<&Lock>,
    after: &Lock,
) -> Result<(), AuditError> {
    let none = Lock::default();
    let changes = differences(before.unwrap_or(&none), after);
    if before == Some(after) {
        return Ok(());
    }
    let mut servers: Vec<String> = changes
        .iter()
        .map(|change| change.server.to_string())
        .collect();
    servers.sort();
    servers.dedup();
    let manifest = Manifest::load_with_digest(&context.paths).ok();
    let record = Record::PolicyChange {
        command,
        servers,
        manifest: context.paths.manifest.display().to_string(),
        manifest_digest: manifest.map(|(_, digest)| digest.to_string()),
        lock_before: before.map(|lock| digest(lock).to_string()),
        lock_after: digest(after).to_string(),
    };
    append(context, &Who::default(), &record)
}

/// Records something that a command does.
///
/// # Errors
/// When it can't be recorded.
pub(super) fn append(context: &Context, who: &Who, record: &Record) -> Result<(), AuditError> {
    let (mut log, _) = open_log(context)?;
    log.append(who, record).map(drop)
}
