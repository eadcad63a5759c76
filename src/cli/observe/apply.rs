//! What is proposed, written into manifest and lock.

use super::super::context::Context;
use super::super::exit::{DriftError, Exit, UsageError};
use super::super::file_difference;
use super::super::locking::{refuse_other_changes, repin_policy};
use super::super::output;
use super::super::session::command;
use super::judge::Judged;
use crate::config::{Additions, ConfigError, Manifest, grant};

/// Shows the difference, asks, and writes.
///
/// # Errors
/// When there is nobody to ask, when the answer is no, and when the change can't be written.
pub(super) fn apply(context: &Context, judged: &Judged, yes: bool) -> anyhow::Result<Exit> {
    if judged.proposal.lines.is_empty() && !judged.limits_calls {
        output::note(&format!(
            "Nothing is proposed for `{}`; nothing was changed.",
            judged.name
        ));
        return Ok(Exit::Success);
    }
    let additions = additions(judged);
    let before = Manifest::load_text(&context.paths)?;
    refuse_drift(context, judged, &before)?;
    let after = grant(&before, &judged.name, &additions)?;
    let path = context.paths.manifest.display().to_string();
    file_difference::show(&path, &before, &after);
    if !yes {
        if !output::interactive() {
            return Err(UsageError(
                "there is nobody to ask; `--yes` writes this without a question".to_owned(),
            )
            .into());
        }
        if !output::yes("Write this into the manifest, and agree to it in the lock? [y/N] ") {
            return Err(DriftError("nothing was changed".to_owned()).into());
        }
    }
    write(context, judged, &additions)?;
    output::note(&format!(
        "Manifest and lock say so now; `{}` shows what else it may do.",
        command(context, "explain", &judged.name)
    ));
    if !context.paths.own_manifest {
        output::note(&format!(
            "It is not your own manifest, so it has to be trusted anew: pinfold trust {path}"
        ));
    }
    Ok(Exit::Success)
}

fn write(context: &Context, judged: &Judged, additions: &Additions) -> anyhow::Result<()> {
    let _guard = context.write_lock()?;
    // Read again: somebody else may have written meanwhile.
    let before = Manifest::load_text(&context.paths)?;
    refuse_drift(context, judged, &before)?;
    let text = grant(&before, &judged.name, additions)?;
    let paths = &context.paths;
    let manifest = Manifest::parse(&text, &paths.manifest, paths.home.as_deref())
        .map_err(ConfigError::Invalid)?;
    let mut lock = context.lock()?;
    let (name, server, locked) = context.server(judged.name.as_str(), &manifest, &lock)?;
    let mut locked = locked.clone();
    repin_policy(context, server, &mut locked)?;
    lock.servers.insert(name, locked);
    // The lock first: until the manifest says the same, nothing starts.
    context.save(lock, "observe")?;
    context.save_manifest(&text)
}

/// Only what is shown here is agreed to, and nothing else that the manifest says by now.
fn refuse_drift(context: &Context, judged: &Judged, text: &str) -> anyhow::Result<()> {
    let paths = &context.paths;
    let manifest = Manifest::parse(text, &paths.manifest, paths.home.as_deref())
        .map_err(ConfigError::Invalid)?;
    let lock = context.lock()?;
    let (name, server, locked) = context.server(judged.name.as_str(), &manifest, &lock)?;
    refuse_other_changes(context, &name, server, locked)
}

fn additions(judged: &Judged) -> Additions {
    let of = |key: &str| -> Vec<String> {
        let lines = judged.proposal.lines.iter();
        lines
            .filter(|line| line.key == key)
            .map(|line| line.value.clone())
            .collect()
    };
    Additions {
        profile: of("profile").pop(),
        read: of("files.read"),
        write: of("files.write"),
        exec: of("exec"),
        egress: of("egress"),
        egress_before: judged.egress_before.clone(),
        system_calls: of("system_calls"),
        only_system_calls: judged
            .limits_calls
            .then(|| judged.calls.iter().cloned().collect()),
    }
}
