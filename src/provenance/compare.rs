//! No downgrade: what vouched for a package before must vouch for what takes its place. Pure.
//!
//! A package is compared with what was locked of the same name, wherever in the tree it was. Of
//! several versions that were locked, each may be the one that is replaced; so one of them with
//! provenance asks it of the new one, unless that very version was locked without.

use std::collections::BTreeSet;
use std::fmt;

use super::Identity;
use crate::lockfile::{Artifact, LockedServer, PlatformPart};

/// Something that vouched for a package and doesn't any more.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Loss {
    /// The new one: `NAME@VERSION`.
    pub package: String,
    pub kind: LossKind,
}

/// What was lost. `was` are the lock's words.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LossKind {
    /// There is no provenance any more.
    Provenance { was: String },
    /// It was built by another repository, or another issuer says so.
    Repository { was: String, now: String },
    /// No registry signed it.
    Signature { was: String },
    /// Another registry signed it.
    Signer { was: String, now: String },
}

#[cfg(test)]
impl LossKind {
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Provenance { .. } => "provenance-lost",
            Self::Repository { .. } => "provenance-changed",
            Self::Signature { .. } => "signature-lost",
            Self::Signer { .. } => "signer-changed",
        }
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.package, self.kind)
    }
}

/// The predicate of a sentence about the package.
impl fmt::Display for LossKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Provenance { was } => write!(
                f,
                "has no provenance any more; what is locked was built by {was}"
            ),
            Self::Repository { was, now } => {
                write!(f, "was built by {now}; what is locked by {was}")
            }
            Self::Signature { was } => write!(
                f,
                "is not signed by its registry any more; what is locked was ({was})"
            ),
            Self::Signer { was, now } => {
                write!(f, "is signed by {now}; what is locked by {was}")
            }
        }
    }
}

/// What a server lost, its own packages and those of its interpreter each compared among
/// themselves, on every platform. What a platform didn't have is compared with what the others
/// had: a lock for one more platform is no way around what vouches for the packages.
pub fn server_losses(old: &LockedServer, new: &LockedServer) -> Vec<Loss> {
    let (own, runtime) = of_all_platforms(old);
    let front = new.part();
    let mut found = BTreeSet::new();
    for (platform, new) in new.platforms.iter().chain([(&new.platform, &front)]) {
        let before = old.part_of(platform);
        let known = before.as_ref().map_or(&[][..], |part| &part.artifacts);
        found.extend(losses(&with_others(known, &own), &new.artifacts));
        let Some(new) = new.runtime_package() else {
            continue;
        };
        let known = before.as_ref().and_then(PlatformPart::runtime_package);
        let known = known.map_or(&[][..], |package| &package.artifacts);
        found.extend(losses(&with_others(known, &runtime), &new.artifacts));
    }
    found.into_iter().collect()
}

/// The packages of the server on every platform, and those of its interpreter.
fn of_all_platforms(server: &LockedServer) -> (Vec<Artifact>, Vec<Artifact>) {
    let front = server.part();
    let (mut own, mut runtime) = (Vec::new(), Vec::new());
    for part in server.platforms.values().chain([&front]) {
        own.extend_from_slice(&part.artifacts);
        let package = part.runtime_package();
        runtime.extend(package.into_iter().flat_map(|it| it.artifacts.clone()));
    }
    (own, runtime)
}

/// What a platform had, and of packages that it didn't have what other platforms had.
fn with_others(known: &[Artifact], all: &[Artifact]) -> Vec<Artifact> {
    let names: BTreeSet<&str> = known.iter().map(|one| one.name.as_str()).collect();
    let others = all.iter().filter(|one| !names.contains(one.name.as_str()));
    known.iter().chain(others).cloned().collect()
}

/// What `new` lost of what vouched for `old`, in order of the packages' names.
pub fn losses(old: &[Artifact], new: &[Artifact]) -> Vec<Loss> {
    let mut found = BTreeSet::new();
    for artifact in new {
        let named = old.iter().filter(|old| old.name == artifact.name);
        let mut before: Vec<&Artifact> = named.collect();
        // The very same version is compared with itself alone.
        if before.iter().any(|old| old.version == artifact.version) {
            before.retain(|old| old.version == artifact.version);
        }
        let kinds = [
            provenance(&before, artifact.provenance.as_deref()),
            signature(&before, artifact.signature.as_deref()),
        ];
        found.extend(kinds.into_iter().flatten().map(|kind| Loss {
            package: format!("{}@{}", artifact.name, artifact.version),
            kind,
        }));
    }
    found.into_iter().collect()
}

fn provenance(before: &[&Artifact], now: Option<&str>) -> Option<LossKind> {
    let before: Vec<&str> = before
        .iter()
        .filter_map(|old| old.provenance.as_deref())
        .collect();
    let was = (*before.first()?).to_owned();
    match now {
        None => Some(LossKind::Provenance { was }),
        Some(now) if before.iter().any(|was| same_project(was, now)) => None,
        Some(now) => Some(LossKind::Repository {
            was,
            now: now.to_owned(),
        }),
    }
}

/// What is not of the known form is the same only when it is the same text.
fn same_project(was: &str, now: &str) -> bool {
    match (Identity::parse(was), Identity::parse(now)) {
        (Some(was), Some(now)) => was.same_project(&now),
        _ => was == now,
    }
}

fn signature(before: &[&Artifact], now: Option<&str>) -> Option<LossKind> {
    let before: Vec<&str> = before
        .iter()
        .filter_map(|old| old.signature.as_deref())
        .collect();
    let was = (*before.first()?).to_owned();
    let Some(now) = now else {
        return Some(LossKind::Signature { was });
    };
    let signed_by: BTreeSet<&str> = before.iter().flat_map(|was| signers(was)).collect();
    if signers(now).any(|signer| signed_by.contains(signer)) {
        return None;
    }
    Some(LossKind::Signer {
        was,
        now: now.to_owned(),
    })
}

/// `npm` of `npm:SHA256:…`: keys are exchanged, and their owner stays.
fn signers(signature: &str) -> impl Iterator<Item = &str> {
    signature
        .split(' ')
        .map(|key| key.split_once(":SHA256:").map_or(key, |(signer, _)| signer))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lockfile::{
        Behaviour, Confinement, Digest, Interpreter, PartInterpreter, RuntimePackage,
    };

    const BUILD: &str = "https://github.com/org/repo@.github/workflows/release.yml via https://token.actions.githubusercontent.com";

    fn artifact(name: &str, version: &str) -> Artifact {
        Artifact {
            name: name.to_owned(),
            version: version.to_owned(),
            path: format!("node_modules/{name}-{version}"),
            url: "x.tgz".to_owned(),
            integrity: "sha512-x".to_owned(),
            sha256: Digest::of(version.as_bytes()),
            size: 1,
            published: None,
            install_script: false,
            publisher: None,
            signature: Some("npm:SHA256:one".to_owned()),
            provenance: Some(BUILD.to_owned()),
        }
    }

    fn bare(version: &str) -> Artifact {
        Artifact {
            signature: None,
            provenance: None,
            ..artifact("a", version)
        }
    }

    fn codes(old: &[Artifact], new: &[Artifact]) -> Vec<&'static str> {
        let found = losses(old, new);
        found.iter().map(|loss| loss.kind.code()).collect()
    }

    #[test]
    fn what_stays_or_comes_is_no_loss() {
        let old = [artifact("a", "1")];
        let mut next = artifact("a", "2");
        next.provenance = Some(BUILD.replace("release.yml", "publish.yml"));
        next.signature = Some("npm:SHA256:two corp.test:SHA256:three".to_owned());
        assert_eq!(codes(&old, &[next]), [""; 0]);
        assert_eq!(codes(&old, &[]), [""; 0]);
        assert_eq!(codes(&[], &old), [""; 0]);
        assert_eq!(codes(&[bare("1")], &[artifact("a", "2")]), [""; 0]);
        assert_eq!(codes(&[bare("1")], &[bare("2")]), [""; 0]);
        // Another package.
        let mut other = bare("2");
        other.name = "b".to_owned();
        assert_eq!(codes(&old, &[other]), [""; 0]);
    }

    #[test]
    fn what_goes_or_becomes_another_is_a_loss() {
        let old = [artifact("a", "1")];
        for version in ["1", "2"] {
            let after = |edit: &dyn Fn(&mut Artifact)| {
                let mut next = artifact("a", version);
                edit(&mut next);
                codes(&old, &[next])
            };
            assert_eq!(after(&|_| ()), [""; 0]);
            assert_eq!(after(&|a| a.provenance = None), ["provenance-lost"]);
            for (from, to) in [("org/repo", "org/fork"), ("token.actions", "token.other")] {
                let changed = BUILD.replace(from, to);
                assert_eq!(
                    after(&|a| a.provenance = Some(changed.clone())),
                    ["provenance-changed"]
                );
            }
            assert_eq!(after(&|a| a.signature = None), ["signature-lost"]);
            assert_eq!(
                after(&|a| a.signature = Some("corp.test:SHA256:one".to_owned())),
                ["signer-changed"]
            );
        }
        assert_eq!(
            codes(&old, &[bare("2")]),
            ["provenance-lost", "signature-lost"]
        );
    }

    #[test]
    fn of_several_versions_each_may_be_the_one_that_is_replaced() {
        let old = [bare("1"), artifact("a", "2")];
        assert_eq!(codes(&old, &[bare("1"), artifact("a", "2")]), [""; 0]);
        assert_eq!(
            codes(&old, &[bare("1.1")]),
            ["provenance-lost", "signature-lost"]
        );
        assert_eq!(codes(&old, &[bare("1"), artifact("a", "3")]), [""; 0]);
    }

    fn part(artifacts: Vec<Artifact>, runtime: Vec<Artifact>) -> PlatformPart {
        PlatformPart {
            interpreter: PartInterpreter::Recorded(Some(Interpreter {
                kind: "node".to_owned(),
                path: "bin/node".to_owned(),
                version: None,
                sha256: Digest::of(b"node"),
                package: Some(RuntimePackage {
                    source: "npm:node".to_owned(),
                    version: "1".to_owned(),
                    tree: Digest::of(b"runtime"),
                    artifacts: runtime,
                }),
            })),
            entry_point: "x.js".to_owned(),
            tree: Digest::of(b"tree"),
            artifacts,
        }
    }

    /// With `front` on `linux-x86_64` and `parts` on others.
    fn server(front: PlatformPart, parts: &[(&str, &PlatformPart)]) -> LockedServer {
        let PartInterpreter::Recorded(interpreter) = front.interpreter else {
            unreachable!("`part` records one");
        };
        LockedServer {
            source: "npm:x".to_owned(),
            version: None,
            locked_at: String::new(),
            platform: "linux-x86_64".to_owned(),
            interpreter,
            entry_point: front.entry_point,
            tree: front.tree,
            artifacts: front.artifacts,
            build: None,
            platforms: parts
                .iter()
                .map(|(name, part)| ((*name).to_owned(), (*part).clone()))
                .collect(),
            behaviour: Behaviour::default(),
            confinement: Confinement {
                policy: Digest::of(b"policy"),
                landlock_abi: 4,
                layers: Vec::new(),
            },
        }
    }

    #[test]
    fn a_platform_that_is_added_is_compared_with_the_others() {
        let signed = || vec![artifact("a", "1")];
        let front = || part(signed(), signed());
        let old = server(front(), &[]);
        let codes = |old: &LockedServer, added: &PlatformPart| -> Vec<&'static str> {
            let new = server(front(), &[("linux-aarch64", added)]);
            let found = server_losses(old, &new);
            found.iter().map(|loss| loss.kind.code()).collect()
        };
        let lost = ["provenance-lost", "signature-lost"];
        assert_eq!(codes(&old, &front()), [""; 0]);
        assert_eq!(
            codes(&old, &part(vec![artifact("a", "2")], signed())),
            [""; 0]
        );
        assert_eq!(codes(&old, &part(vec![bare("2")], signed())), lost);
        assert_eq!(codes(&old, &part(signed(), vec![bare("2")])), lost);
        // The server's own and the interpreter's are not mixed up.
        let none = server(part(vec![bare("1")], signed()), &[]);
        assert_eq!(codes(&none, &part(vec![bare("1")], signed())), [""; 0]);
        // One that this platform didn't have, and another did.
        let old = server(front(), &[("linux-aarch64", &part(vec![], vec![]))]);
        assert_eq!(codes(&old, &part(vec![bare("2")], vec![])), lost);
        // One that this platform had as it is.
        let old = server(
            front(),
            &[("linux-aarch64", &part(vec![bare("2")], vec![]))],
        );
        assert_eq!(codes(&old, &part(vec![bare("2")], vec![])), [""; 0]);
    }

    #[test]
    fn the_words_name_both() {
        let text = losses(&[artifact("a", "1")], &[bare("2")])[0].to_string();
        assert!(
            text.contains("a@2 has no provenance any more") && text.contains(BUILD),
            "{text}"
        );
    }
}
