//! One import or restore at a time: two that lock the same server would stand in each other's way,
//! and locking takes minutes.

use std::time::Duration;

use anyhow::Context as _;

use super::super::context::Context;
use super::super::exit::DriftError;
use super::super::output;
use super::groups::{Group, Wishes};
use crate::lockfile::{LockError, WriteLock, create_private_folder};

/// How long to wait for another one, which may have many servers to lock.
const PATIENCE: Duration = Duration::from_secs(15 * 60);

/// The right to rewrite configs, of this user; given back on drop.
pub(in crate::cli) fn take(context: &Context) -> anyhow::Result<WriteLock> {
    let folder = context.paths.import_turn();
    create_private_folder(&folder)
        .with_context(|| format!("could not make {}", folder.display()))?;
    match WriteLock::acquire(&folder, Duration::ZERO) {
        Err(LockError::Busy { holder, .. }) => {
            let who = holder.map_or_else(String::new, |holder| format!(" (process {holder})"));
            output::note(&format!(
                "Another `pinfold import`{who} is running; this begins when that has ended."
            ));
            Ok(WriteLock::acquire(&folder, PATIENCE)?)
        }
        other => Ok(other?),
    }
}

/// # Errors
/// When something would be taken over now that was not in the plan, or that was, under a name that
/// `wishes` are about.
pub(super) fn same_or_less(
    planned: &[Group],
    now: &[Group],
    wishes: &Wishes,
) -> anyhow::Result<()> {
    let is_other = |group: &&Group| {
        let mut planned = planned.iter();
        let then = planned.find(|planned| planned.converted == group.converted);
        then.is_none_or(|then| {
            then.wanted.name != group.wanted.name && wishes.are_about(&then.wanted.name)
        })
    };
    match now.iter().find(is_other) {
        None => Ok(()),
        Some(group) => Err(DriftError(format!(
            "something was changed meanwhile, so `{}` is not what the plan showed; nothing was taken over; run `pinfold import` again",
            group.wanted.name
        ))
        .into()),
    }
}
