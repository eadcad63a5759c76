//! What is different for the platforms that are not in front.

use std::collections::BTreeSet;
use std::fmt;

use super::{ChangeKind, artifact_differences, program, short};
use crate::lockfile::platforms::{PartInterpreter, PlatformPart};
use crate::lockfile::types::LockedServer;

/// What is different elsewhere; artifacts that changed in the same way as in front are not
/// repeated.
pub(super) fn differences(old: &LockedServer, new: &LockedServer, changes: &mut Vec<ChangeKind>) {
    let others: BTreeSet<&String> = old.platforms.keys().chain(new.platforms.keys()).collect();
    for platform in others {
        let name = platform.clone();
        let (before, after) = match (old.platforms.get(platform), new.platforms.get(platform)) {
            (None, _) => {
                changes.push(ChangeKind::PlatformAdded(name));
                continue;
            }
            (Some(_), None) => {
                changes.push(ChangeKind::PlatformRemoved(name));
                continue;
            }
            (Some(before), Some(after)) => (before, after),
        };
        let rest = |part: &PlatformPart| PlatformPart {
            artifacts: Vec::new(),
            ..part.clone()
        };
        if rest(before) != rest(after) {
            changes.push(ChangeKind::PlatformPartChanged {
                platform: name,
                old: Box::new(rest(before)),
                new: Box::new(rest(after)),
            });
        }
        let runtime = |part: &PlatformPart| match part.runtime_package() {
            Some(package) => package.artifacts.clone(),
            None => Vec::new(),
        };
        let mut more = artifact_differences(&before.artifacts, &after.artifacts);
        more.extend(artifact_differences(&runtime(before), &runtime(after)));
        for change in more {
            if !changes.contains(&change) {
                changes.push(change);
            }
        }
    }
}

pub(super) fn sentence(
    f: &mut fmt::Formatter<'_>,
    platform: &str,
    old: &PlatformPart,
    new: &PlatformPart,
) -> fmt::Result {
    write!(f, "on {platform}: {} -> {}", side(old), side(new))
}

fn side(part: &PlatformPart) -> String {
    let program = match &part.interpreter {
        PartInterpreter::Recorded(interpreter) => program(interpreter.as_ref()),
        PartInterpreter::Unknown => "an interpreter that is not known yet".to_owned(),
    };
    let tree = short(&part.tree);
    format!("`{}` of {tree} on {program}", part.entry_point)
}
