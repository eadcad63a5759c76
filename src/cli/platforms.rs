//! What a lock holds for platforms that this machine isn't. Nothing is executed for it: trees are
//! laid out and digested here as they will be there.

use std::collections::{BTreeMap, BTreeSet};

use super::exit::UsageError;
use super::locking::Versions;
use super::output;
use super::sources::{self, Asked};
use crate::config::{RuntimeRule, Server, Source};
use crate::lockfile::{Artifact, LockedServer, PartInterpreter, PlatformPart, ServerName};
use crate::resolve::interpreter::{Program, shebang};
use crate::resolve::npm::Platform;

/// Why a platform can't be covered from here.
#[derive(Debug, thiserror::Error)]
#[error(
    "{reason}; run `pinfold lock` on such a machine, which adds it. Nothing was written; `pinfold lock NAME… --platform` with the names of the others covers those from here"
)]
pub(super) struct NeedsThatMachine {
    reason: String,
}

/// The platforms to cover, and what is known of them.
pub(super) struct Wanted<'a> {
    /// What was locked under this name, from whichever source.
    pub before: Option<&'a LockedServer>,
    pub versions: Versions,
    /// Asked for by the user. That one of them can't be covered is an error, while of those that
    /// were covered before it is said, and shows as a difference.
    pub asked_for: &'a BTreeSet<String>,
}

/// The parts of all platforms but the one that `locked` is for.
pub(super) async fn parts(
    asked: &Asked<'_>,
    name: &ServerName,
    server: &Server,
    locked: &LockedServer,
    wanted: &Wanted<'_>,
) -> anyhow::Result<BTreeMap<String, PlatformPart>> {
    let mut platforms = wanted.asked_for.clone();
    if let Some(before) = wanted.before {
        platforms.extend(before.platforms.keys().cloned());
        platforms.insert(before.platform.clone());
    }
    platforms.remove(&locked.platform);
    let mut parts = BTreeMap::new();
    for platform in platforms {
        let before = wanted
            .before
            .filter(|before| before.source == locked.source && before.build == locked.build);
        let kept = before.filter(|_| is_kept(server, wanted.versions));
        let old = before.and_then(|before| before.part_of(&platform));
        let is_new = old.is_none();
        match part(asked, server, locked, &platform, old, kept.is_some()).await {
            Ok(part) => {
                if is_new && kept.is_some() {
                    warn_of_other_versions(name, &platform, locked, &part);
                }
                parts.insert(platform, part);
            }
            Err(error)
                if error.is::<NeedsThatMachine>() && !wanted.asked_for.contains(&platform) =>
            {
                output::warning(&format!(
                    "`{name}` is no longer locked for {platform}: {error}"
                ));
            }
            Err(error) => return Err(error.context(format!("`{name}` on {platform}"))),
        }
    }
    Ok(parts)
}

/// Whether the files of other platforms stay as they were locked. Those of this machine may have
/// changed all the same.
fn is_kept(server: &Server, versions: Versions) -> bool {
    versions == Versions::Kept && !is_the_same_everywhere(&server.source)
}

/// Whether the source gives the same files to every platform.
fn is_the_same_everywhere(source: &Source) -> bool {
    matches!(source, Source::Path { .. } | Source::Https { .. })
}

async fn part(
    asked: &Asked<'_>,
    server: &Server,
    locked: &LockedServer,
    platform: &str,
    old: Option<PlatformPart>,
    kept: bool,
) -> anyhow::Result<PlatformPart> {
    let known = old.as_ref().map(|part| part.interpreter.clone());
    let (mut part, runs_itself) = match (&server.source, old) {
        (Source::Path { .. } | Source::Https { .. }, _) => {
            let runs_itself = locked.interpreter.is_none();
            if runs_itself && architecture(platform) != architecture(&locked.platform) {
                let reason = "its program is for the processor of this one".to_owned();
                return Err(NeedsThatMachine { reason }.into());
            }
            (locked.part(), runs_itself)
        }
        (_, Some(part)) if kept => {
            let runs_itself = part.interpreter == PartInterpreter::Recorded(None);
            (part, runs_itself)
        }
        (Source::Pypi { .. }, Some(part)) if same_versions(&part, locked) => {
            let runs_itself = part.interpreter == PartInterpreter::Recorded(None);
            (part, runs_itself)
        }
        (Source::Pypi { .. }, _) => {
            let reason = "modules of Python packages are compiled where they run".to_owned();
            return Err(NeedsThatMachine { reason }.into());
        }
        (Source::Npm { .. }, _) if locked.build.is_some() => {
            let reason = "install scripts are run on the machine that they are for".to_owned();
            return Err(NeedsThatMachine { reason }.into());
        }
        (Source::Npm { .. }, _) => {
            let source = match &locked.version {
                Some(version) => sources::exactly(&server.source, version),
                None => server.source.clone(),
            };
            let bytes = sources::get_for(asked, &source, named(platform)?).await?;
            let tree = asked.context.store.tree(&bytes.tree);
            let runs_itself = matches!(shebang(&tree.join(&bytes.entry_point))?, Program::Native);
            let part = PlatformPart {
                interpreter: PartInterpreter::Unknown,
                entry_point: bytes.entry_point,
                tree: bytes.tree,
                artifacts: bytes.artifacts,
            };
            (part, runs_itself)
        }
    };
    part.interpreter = if runs_itself {
        PartInterpreter::Recorded(None)
    } else {
        interpreter(asked, server, locked, platform, known).await?
    };
    Ok(part)
}

/// A packaged one is known, whatever the platform. A program of a machine only such a machine can
/// name; what one said before stays.
async fn interpreter(
    asked: &Asked<'_>,
    server: &Server,
    locked: &LockedServer,
    platform: &str,
    known: Option<PartInterpreter>,
) -> anyhow::Result<PartInterpreter> {
    let recorded = match known {
        Some(PartInterpreter::Recorded(interpreter)) => interpreter,
        Some(PartInterpreter::Unknown) | None => None,
    };
    let RuntimeRule::Package { text } = &server.runtime else {
        let of_a_machine = recorded.filter(|interpreter| interpreter.package.is_none());
        return Ok(
            of_a_machine.map_or(PartInterpreter::Unknown, |interpreter| {
                PartInterpreter::Recorded(Some(interpreter))
            }),
        );
    };
    // The same version as here: an update moves all platforms.
    let here = locked.runtime_package();
    let kept = recorded.filter(|interpreter| {
        interpreter.package.as_ref().is_some_and(|package| {
            package.source == *text && here.is_some_and(|here| here.version == package.version)
        })
    });
    if kept.is_some() {
        return Ok(PartInterpreter::Recorded(kept));
    }
    let source = RuntimeRule::source(text, &named(platform)?.in_package_names())?;
    let source = match here {
        Some(here) => sources::exactly(&source, &here.version),
        None => source,
    };
    let found = sources::foreign_runtime(asked, &source, text, named(platform)?).await?;
    let kind = locked.interpreter.as_ref().map(|here| here.kind.as_str());
    if kind != Some(found.kind.as_str()) {
        let message = format!("`{text}` holds `{}` there", found.kind);
        return Err(UsageError(message).into());
    }
    Ok(PartInterpreter::Recorded(Some(found)))
}

/// What was locked long ago stays, while a platform that is added gets what its registry has today.
fn warn_of_other_versions(
    name: &ServerName,
    platform: &str,
    locked: &LockedServer,
    part: &PlatformPart,
) {
    let others = other_versions(&locked.artifacts, &part.artifacts);
    if !others.is_empty() {
        output::warning(&format!(
            "`{name}` gets other versions on {platform} than those that are locked: {}; `pinfold update {name}` brings all platforms to the same",
            others.join(", ")
        ));
    }
}

/// `NAME@VERSION` of each of `new` whose name `old` has, but not in this version.
fn other_versions(old: &[Artifact], new: &[Artifact]) -> Vec<String> {
    let other = new.iter().filter(|new| {
        let mut named = old.iter().filter(|old| old.name == new.name).peekable();
        named.peek().is_some() && named.all(|old| old.version != new.version)
    });
    let shown = other.map(|one| format!("{}@{}", one.name, one.version));
    BTreeSet::from_iter(shown).into_iter().collect()
}

fn same_versions(part: &PlatformPart, locked: &LockedServer) -> bool {
    let versions = |artifacts: &[Artifact]| -> BTreeSet<(String, String)> {
        let pair = |one: &Artifact| (one.name.clone(), one.version.clone());
        artifacts.iter().map(pair).collect()
    };
    versions(&part.artifacts) == versions(&locked.artifacts)
}

fn named(platform: &str) -> anyhow::Result<Platform> {
    Platform::named(platform).ok_or_else(|| {
        NeedsThatMachine {
            reason: "this pinfold doesn't know the platform".to_owned(),
        }
        .into()
    })
}

/// `linux-x86_64-musl`: `x86_64`.
fn architecture(platform: &str) -> Option<&str> {
    platform.split('-').nth(1)
}
